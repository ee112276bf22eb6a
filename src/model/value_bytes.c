/*
 * value_bytes.c: reads the bytes of a large value piece by piece out of its TOAST table. Some functions
 * read so little of a model that a copy of the whole would take them longer than all else.
 */
#include "model/model.h"

#include "access/detoast.h"
#include "miscadmin.h"

/* the most bytes that are read at a time; they are copied twice, so they should stay in the CPU's cache */
#define PIECE ((Size)256 * 1024)

CtrValueBytes *
value_bytes(Datum value)
{
    struct varlena *given = (struct varlena *)DatumGetPointer(value);
    CtrValueBytes *bytes = palloc0(sizeof(CtrValueBytes));

    bytes->context = CurrentMemoryContext;
    if (VARATT_IS_EXTERNAL_ONDISK(given)) {
        struct varatt_external pointer;

        VARATT_EXTERNAL_GET_POINTER(pointer, given);
        bytes->size = (Size)pointer.va_rawsize - VARHDRSZ;
        bytes->toasted = value;
        if (VARATT_EXTERNAL_GET_EXTSIZE(pointer) == bytes->size) /* not compressed */
            return bytes;
    }
    given = PG_DETOAST_DATUM_PACKED(value);
    bytes->memory = VARDATA_ANY(given);
    bytes->size = VARSIZE_ANY_EXHDR(given);
    return bytes;
}

/* Gets the piece that begins at `at`. */
static void
get_piece(CtrValueBytes *bytes, Size at)
{
    MemoryContext caller = MemoryContextSwitchTo(bytes->context);

    CHECK_FOR_INTERRUPTS();
    if (bytes->piece)
        pfree(bytes->piece);
    bytes->piece = NULL;
    bytes->piece = PG_DETOAST_DATUM_SLICE(bytes->toasted, (int32)at, (int32)Min(PIECE, bytes->size - at));
    bytes->piece_begin = at;
    bytes->piece_end = at + VARSIZE(bytes->piece) - VARHDRSZ;
    MemoryContextSwitchTo(caller);
}

void
value_read(CtrValueBytes *bytes, Size at, Size n, void *to)
{
    Assert(at <= bytes->size && n <= bytes->size - at);
    if (bytes->memory) {
        ctr_copy(to, bytes->memory + at, n);
        return;
    }
    for (Size part; n > 0; at += part, n -= part, to = (char *)to + part) {
        if (bytes->piece == NULL || at < bytes->piece_begin || at >= bytes->piece_end)
            get_piece(bytes, at);
        part = Min(n, bytes->piece_end - at);
        memcpy(to, VARDATA(bytes->piece) + (at - bytes->piece_begin), part);
    }
}
