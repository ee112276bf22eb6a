/*
 * predict_batch.c: the window function ctr_predict_batch, which scores the rows of a partition in blocks, by
 * threads, while it reads the next rows.
 */
#include "score/score.h"

#include "windowapi.h"

#include "nn/math/loss.h"

/* Rows of a partition that follow each other, taken by the site. */
typedef struct Chunk {
    int64 first; /* position of its first row in the partition */
    int n, scored;
    int rows[CTR_SITE_MOST_ROWS]; /* scored row -> row of the chunk */
    float8 p[CTR_SITE_MOST_ROWS];
    bool nulls[CTR_SITE_MOST_ROWS];
} Chunk;

/* The window function's call in a query: where rows come from, and what scores them. Lives in fn_extra. */
typedef struct BatchScan {
    WindowObject window;
    CtrSite *site;
    MemoryContext of_a_row; /* memory of one row's arguments */
} BatchScan;

/* The state of one partition, in its memory. */
typedef struct BatchState {
    int now; /* the chunk whose rows are returned; the other one may have been read ahead of it */
    Chunk chunks[2];
} BatchState;

/*
 * Argument `number` of the row `ahead` rows further on. The value is valid until the next call: all rows
 * share one slot.
 */
static Datum
batch_argument(const BatchScan *scan, int number, int ahead, bool *is_null, bool *outside)
{
    return WinGetFuncArgInPartition(scan->window, number, ahead, WINDOW_SEEK_CURRENT, false, is_null,
                                    outside);
}

typedef enum Taken { TAKEN, TAKEN_NULL, NOT_TAKEN, OUTSIDE } Taken;

/* Makes the site ready for the row `ahead` rows further on, and takes it as its first. */
static Taken
batch_take_first(const BatchScan *scan, int ahead)
{
    bool is_null, outside;
    Datum datum = batch_argument(scan, 1, ahead, &is_null, &outside);
    HeapTupleHeader record;
    CtrRow row;

    if (outside || is_null)
        return outside ? OUTSIDE : TAKEN_NULL;
    record = DatumGetHeapTupleHeaderCopy(datum);
    datum = batch_argument(scan, 0, ahead, &is_null, &outside);
    if (is_null)
        return TAKEN_NULL;
    row = row_of_record(record);
    site_use(scan->site, datum, &row);
    site_check_one_class(scan->site, "ctr_predict_batch", "ctr_predict_classes");
    site_take(scan->site, &row, 0);
    return TAKEN;
}

/* Takes the row as number `at`, if the site is ready for its model and row type. */
static Taken
batch_take(const BatchScan *scan, int ahead, int at)
{
    bool is_null, outside;
    Datum datum = batch_argument(scan, 0, ahead, &is_null, &outside);
    CtrRow row;

    if (outside || is_null)
        return outside ? OUTSIDE : TAKEN_NULL;
    if (!site_has_model(scan->site, datum))
        return NOT_TAKEN;
    datum = batch_argument(scan, 1, ahead, &is_null, &outside);
    if (is_null)
        return TAKEN_NULL;
    row = row_of_record(DatumGetHeapTupleHeader(datum));
    if (!site_has_type(scan->site, &row))
        return NOT_TAKEN;
    site_take(scan->site, &row, at);
    return TAKEN;
}

/*
 * Takes rows from position `first` on: at most `most`, and only as long as they share one model and row
 * type. A row whose model or record is NULL belongs to the chunk and gets NULL. ahead: takes only rows
 * that the site is ready for. Arguments may be volatile: each row's are evaluated once, except for a row
 * that ends a chunk and begins the next one. The memory of a row's arguments is freed with the row.
 */
static void
chunk_read(const BatchScan *scan, Chunk *chunk, int64 first, int most, bool ahead)
{
    const int start = (int)(first - WinGetCurrentPosition(scan->window));
    MemoryContext caller = MemoryContextSwitchTo(scan->of_a_row);

    chunk->first = first;
    chunk->scored = 0;
    for (chunk->n = 0; chunk->n < most; chunk->n++) {
        const int at = start + chunk->n;
        Taken taken;

        MemoryContextReset(scan->of_a_row);
        taken = ahead || chunk->scored > 0 ? batch_take(scan, at, chunk->scored) : batch_take_first(scan, at);
        if (taken == NOT_TAKEN || taken == OUTSIDE)
            break;
        chunk->nulls[chunk->n] = taken == TAKEN_NULL;
        if (taken == TAKEN)
            chunk->rows[chunk->scored++] = chunk->n;
    }
    MemoryContextSwitchTo(caller);
}

/* The chunk to read while the one before it is scored. */
typedef struct ReadAhead {
    const BatchScan *scan;
    Chunk *chunk;
    int64 first;
    int most;
} ReadAhead;

static void
read_ahead(void *arg)
{
    const ReadAhead *ahead = arg;

    chunk_read(ahead->scan, ahead->chunk, ahead->first, ahead->most, true);
}

/* Scores the chunk while reading the one that follows it, of at most `most` rows: none if 0. */
static void
chunk_score(const BatchScan *scan, Chunk *chunk, Chunk *next, int most)
{
    ReadAhead ahead = {scan, next, chunk->first + chunk->n, most};
    const float *logits;

    next->n = 0;
    if (chunk->scored == 0)
        return;
    if (most == 0 || chunk->scored <= NN_BLOCK)
        logits = site_score(scan->site, chunk->scored);
    else
        logits = site_score_during(scan->site, chunk->scored, read_ahead, &ahead);
    for (int i = 0; i < chunk->scored; i++)
        chunk->p[chunk->rows[i]] = probability(logits[i]);
}

/* Makes the chunk that begins at the current position the one whose rows are returned. */
static Chunk *
batch_next(const BatchScan *scan, BatchState *state)
{
    const int64 position = WinGetCurrentPosition(scan->window);
    /* reads no more rows than have been returned already: a LIMIT may want no more */
    const int most = (int)Min((int64)site_capacity(scan->site), position);
    Chunk *last = &state->chunks[state->now], *chunk;

    state->now = 1 - state->now;
    chunk = &state->chunks[state->now];
    if (chunk->n == 0)
        chunk_read(scan, chunk, position, Max(most, NN_BLOCK), false);
    chunk_score(scan, chunk, last, most);
    WinSetMarkPosition(scan->window, position + chunk->n - 1);
    return chunk;
}

static const BatchScan *
batch_scan(FunctionCallInfo fcinfo)
{
    MemoryContext context = fcinfo->flinfo->fn_mcxt;
    BatchScan *scan = fcinfo->flinfo->fn_extra;

    if (scan == NULL) {
        scan = MemoryContextAllocZero(context, sizeof(BatchScan));
        scan->site = site_create(context, site_most_rows(), false);
        scan->of_a_row = AllocSetContextCreate(context, "ctr row", ALLOCSET_DEFAULT_SIZES);
        fcinfo->flinfo->fn_extra = scan;
    }
    scan->window = PG_WINDOW_OBJECT();
    return scan;
}

/* CREATE FUNCTION ctr_predict_batch(ctr_model, record) RETURNS float8 WINDOW */
PG_FUNCTION_INFO_V1(ctr_predict_batch);
Datum
ctr_predict_batch(PG_FUNCTION_ARGS)
{
    WindowObject window = PG_WINDOW_OBJECT();
    BatchState *state;
    Chunk *chunk;
    int64 row;

    if (!WindowObjectIsValid(window)) /* a user can make an operator of the function, and call it so */
        elog(ERROR, "ctr_predict_batch called in non-window context");
    state = WinGetPartitionLocalMemory(window, sizeof(BatchState));
    chunk = &state->chunks[state->now];
    row = WinGetCurrentPosition(window) - chunk->first;
    if (row >= chunk->n) {
        chunk = batch_next(batch_scan(fcinfo), state);
        row = 0;
    }
    if (chunk->nulls[row])
        PG_RETURN_NULL();
    PG_RETURN_FLOAT8(chunk->p[row]);
}
