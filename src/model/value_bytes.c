/*
 * value_bytes.c: reads the bytes of a large value piece by piece out of its TOAST table. Some functions
 * read so little of a model that a copy of the whole would take them longer than all else. Or out of two
 * values, where one is known by what it has other than another.
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

/*
 * The piece that has the byte `at`. Pieces begin at multiples of their size, and each has one place among a
 * few that are kept: what belongs together in a model may lie apart in its file, so readers go back and
 * forth.
 */
static const struct varlena *
piece_with(CtrValueBytes *bytes, Size at)
{
    const Size begin = at - at % PIECE;
    const int place = (int)(at / PIECE % CTR_VALUE_PIECES);
    MemoryContext caller;

    if (bytes->pieces[place].bytes != NULL && bytes->pieces[place].at == begin)
        return bytes->pieces[place].bytes;
    CHECK_FOR_INTERRUPTS();
    if (bytes->pieces[place].bytes)
        pfree(bytes->pieces[place].bytes);
    bytes->pieces[place].bytes = NULL;
    caller = MemoryContextSwitchTo(bytes->context);
    bytes->pieces[place].bytes =
        PG_DETOAST_DATUM_SLICE(bytes->toasted, (int32)begin, (int32)Min(PIECE, bytes->size - begin));
    bytes->pieces[place].at = begin;
    MemoryContextSwitchTo(caller);
    return bytes->pieces[place].bytes;
}

/* The last stretch that begins at `at` or before. */
static int
op_with(const CtrValueBytes *bytes, Size at)
{
    int low = 0, high = bytes->n_ops - 1;

    while (low < high) {
        const int middle = low + (high - low + 1) / 2;

        if (bytes->ops[middle].at <= at)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

static void
read_two(CtrValueBytes *bytes, Size at, Size n, char *to)
{
    for (int k = op_with(bytes, at); n > 0; k++) {
        const CtrValueOp *op = &bytes->ops[k];
        const Size begin = at - op->at;
        const Size copied = begin < op->copied ? Min(n, op->copied - begin) : 0;
        const Size own = Min(n - copied, op[1].at - at - copied);

        ctr_pause_at(k);
        if (copied > 0)
            value_read(bytes->base, op->base_at + begin, copied, to);
        if (own > 0)
            value_read(bytes->own, op->own_at + (begin + copied - op->copied), own, to + copied);
        at += copied + own;
        n -= copied + own;
        to += copied + own;
    }
}

bool
value_is_same(const CtrValueBytes *bytes, Size at, Size n, const CtrValueBytes *base, Size base_at)
{
    const CtrValueOp *op;

    if (bytes->base != base || n == 0)
        return n == 0;
    op = &bytes->ops[op_with(bytes, at)];
    return at + n <= (Size)op->at + op->copied && op->base_at + (at - op->at) == base_at;
}

void
value_read(CtrValueBytes *bytes, Size at, Size n, void *to)
{
    Assert(at <= bytes->size && n <= bytes->size - at);
    if (bytes->base) {
        read_two(bytes, at, n, to);
        return;
    }
    if (bytes->memory) {
        ctr_copy(to, bytes->memory + at, n);
        return;
    }
    for (Size part; n > 0; at += part, n -= part, to = (char *)to + part) {
        const struct varlena *piece = piece_with(bytes, at);

        part = Min(n, PIECE - at % PIECE);
        memcpy(to, VARDATA(piece) + at % PIECE, part);
    }
}
