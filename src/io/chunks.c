/*
 * chunks.c: a model as parts and back, for what takes no large values: a value's text ends at 1 GB, and so
 * dumps and text protocols at models of half that.
 */
#include "model/model.h"

#include "miscadmin.h"
#include "utils/tuplestore.h"

#include "srf.h"

#define FIRST_ROOM 16

/* ------------------------------------------------------------------ taken apart */

/* CREATE FUNCTION ctr_chunks(ctr_model, size integer, OUT part integer, OUT bytes bytea) */
PG_FUNCTION_INFO_V1(ctr_chunks);
Datum
ctr_chunks(PG_FUNCTION_ARGS)
{
    const int32 size = PG_GETARG_INT32(1);
    TupleDesc desc;
    Tuplestorestate *rows = srf_begin(fcinfo, &desc);
    CtrValueBytes *bytes = value_bytes(PG_GETARG_DATUM(0));
    struct varlena *chunk;
    int32 part = 0;

    if (size < 1)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("size of chunks must be at least 1 byte, not %d", size)));
    chunk = palloc(VARHDRSZ + Min((Size)size, bytes->size));
    for (Size at = 0, n; at < bytes->size; at += n) {
        Datum values[2];
        bool nulls[2] = {false, false};

        CHECK_FOR_INTERRUPTS();
        n = Min((Size)size, bytes->size - at);
        value_read(bytes, at, n, VARDATA(chunk));
        SET_VARSIZE(chunk, VARHDRSZ + n);
        values[0] = Int32GetDatum(++part);
        values[1] = PointerGetDatum(chunk);
        tuplestore_putvalues(rows, desc, values, nulls);
    }
    return (Datum)0;
}

/* ------------------------------------------------------------------ put together */

typedef struct Chunk {
    int32 part;
    struct varlena *bytes; /* not toasted */
} Chunk;

typedef struct Chunks {
    int n, room;
    Chunk *list;
    Size size; /* of all bytes */
} Chunks;

/* The chunks so far; NULL: there are none yet. */
static Chunks *
chunks_of(FunctionCallInfo fcinfo)
{
    return PG_ARGISNULL(0) ? NULL : (Chunks *)PG_GETARG_POINTER(0);
}

static void
add_chunk(Chunks *chunks, int32 part, Datum value)
{
    struct varlena *bytes = PG_DETOAST_DATUM_COPY(value);

    chunks->size += VARSIZE(bytes) - VARHDRSZ;
    if (!AllocSizeIsValid(VARHDRSZ + chunks->size))
        ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                        errmsg("chunks have more than %zu MB, which a model cannot have", MaxAllocSize >> 20),
                        errhint("Does each group have the chunks of one model?")));
    if (chunks->n == chunks->room) {
        chunks->room *= 2;
        chunks->list = repalloc_huge(chunks->list, mul_size(sizeof(Chunk), chunks->room));
    }
    chunks->list[chunks->n++] = (Chunk){part, bytes};
}

/* CREATE FUNCTION ctr_from_chunks_transition(internal, part integer, bytes bytea) RETURNS internal */
PG_FUNCTION_INFO_V1(ctr_from_chunks_transition);
Datum
ctr_from_chunks_transition(PG_FUNCTION_ARGS)
{
    Chunks *chunks = chunks_of(fcinfo);
    MemoryContext aggregate, caller;

    if (!AggCheckCallContext(fcinfo, &aggregate))
        elog(ERROR, "ctr_from_chunks_transition called outside an aggregate");
    if (PG_ARGISNULL(1) || PG_ARGISNULL(2)) {
        if (chunks == NULL)
            PG_RETURN_NULL();
        PG_RETURN_POINTER(chunks);
    }
    caller = MemoryContextSwitchTo(aggregate);
    if (chunks == NULL) {
        chunks = palloc0(sizeof(Chunks));
        chunks->room = FIRST_ROOM;
        chunks->list = palloc(sizeof(Chunk) * FIRST_ROOM);
    }
    add_chunk(chunks, PG_GETARG_INT32(1), PG_GETARG_DATUM(2));
    MemoryContextSwitchTo(caller);
    PG_RETURN_POINTER(chunks);
}

static int
compare_chunks(const void *a, const void *b, void *arg)
{
    const Chunk *x = a, *y = b;

    return x->part < y->part ? -1 : x->part > y->part;
}

/* Parts are 1, 2, 3, …, each once. Whether the last ones are missing, the model's own bytes tell. */
static void
check_parts(const Chunks *chunks)
{
    for (int i = 0; i < chunks->n; i++) {
        const int32 part = chunks->list[i].part;

        ctr_pause_at(i);
        if (part != i + 1)
            ereport(ERROR, (errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
                            part < 1    ? errmsg("a model has no part %d", part)
                            : part <= i ? errmsg("part %d of the model is there more than once", part)
                                        : errmsg("part %d of the model is missing", i + 1),
                            errdetail("Parts must be numbered 1, 2, 3 and so on, as ctr_chunks does."),
                            errhint("Does each group have the chunks of one model?")));
    }
}

/* Frees each chunk as soon as it is copied, so that all of them and the whole are not there at a time. */
static struct varlena *
join_chunks(Chunks *chunks)
{
    struct varlena *value = palloc(VARHDRSZ + chunks->size);
    char *to = VARDATA(value);

    SET_VARSIZE(value, VARHDRSZ + chunks->size);
    for (int i = 0; i < chunks->n; i++) {
        struct varlena *bytes = chunks->list[i].bytes;
        const Size n = VARSIZE(bytes) - VARHDRSZ;

        ctr_copy(to, VARDATA(bytes), n);
        to += n;
        pfree(bytes);
    }
    chunks->n = 0;
    return value;
}

/* CREATE FUNCTION ctr_from_chunks_final(internal) RETURNS ctr_model */
PG_FUNCTION_INFO_V1(ctr_from_chunks_final);
Datum
ctr_from_chunks_final(PG_FUNCTION_ARGS)
{
    Chunks *chunks = chunks_of(fcinfo);
    struct varlena *value;

    if (!AggCheckCallContext(fcinfo, NULL))
        elog(ERROR, "ctr_from_chunks_final called outside an aggregate");
    if (chunks == NULL)
        PG_RETURN_NULL();
    sort_interruptible(chunks->list, chunks->n, sizeof(Chunk), compare_chunks);
    check_parts(chunks);
    value = join_chunks(chunks);
    model_validate(PointerGetDatum(value), NULL);
    PG_RETURN_POINTER(value);
}
