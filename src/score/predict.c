/*
 * predict.c: the functions that score rows in a query: ctr_predict, ctr_predict_classes, ctr_predict_batch,
 * and ctr_encode, which shows what the network sees.
 */
#include "score/score.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "windowapi.h"

#include "nn/math/loss.h"

static Site *
call_site(FunctionCallInfo fcinfo, int capacity)
{
    if (fcinfo->flinfo->fn_extra == NULL)
        fcinfo->flinfo->fn_extra = site_create(fcinfo->flinfo->fn_mcxt, capacity, false);
    return fcinfo->flinfo->fn_extra;
}

static void
check_one_class(const Model *model, const char *function, const char *instead)
{
    if (model->options.net.n_classes > 1)
        ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
                        errmsg("%s needs a model of one class, this one has %d classes", function,
                               model->options.net.n_classes),
                        errhint("Use %s.", instead)));
}

/* ------------------------------------------------------------------ one row */

/*
 * The row of ctr_predict_columns(model, regtype, columns …), as the planner calls it; false: no model or no
 * type. Error at the call site's first row where the role may not execute ctr_predict.
 */
static bool
row_of_columns(FunctionCallInfo fcinfo, Row *row)
{
    if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
        return false;
    if (fcinfo->flinfo->fn_extra == NULL)
        check_may_predict(fcinfo->flinfo->fn_oid);
    *row = (Row){.type = PG_GETARG_OID(1), .typmod = -1, .call = fcinfo};
    return true;
}

static float8
predict(FunctionCallInfo fcinfo, const Row *row)
{
    Site *site = call_site(fcinfo, 1);

    site_use(site, PG_GETARG_DATUM(0), row);
    check_one_class(site->view->model, "ctr_predict", "ctr_predict_classes");
    site_take(site, row, 0);
    return probability(site_score(site, 1)[0]);
}

/* CREATE FUNCTION ctr_predict(ctr_model, record) RETURNS float8 */
PG_FUNCTION_INFO_V1(ctr_predict);
Datum
ctr_predict(PG_FUNCTION_ARGS)
{
    Row row = row_of_record(PG_GETARG_HEAPTUPLEHEADER(1));

    PG_RETURN_FLOAT8(predict(fcinfo, &row));
}

/* CREATE FUNCTION ctr_predict_columns(ctr_model, regtype, VARIADIC "any") RETURNS float8 */
PG_FUNCTION_INFO_V1(ctr_predict_columns);
Datum
ctr_predict_columns(PG_FUNCTION_ARGS)
{
    Row row;

    if (!row_of_columns(fcinfo, &row))
        PG_RETURN_NULL();
    PG_RETURN_FLOAT8(predict(fcinfo, &row));
}

static ArrayType *
predict_classes(FunctionCallInfo fcinfo, const Row *row)
{
    Site *site = call_site(fcinfo, 1);
    int n_classes, n;
    double *p;
    Datum *values;

    site_use(site, PG_GETARG_DATUM(0), row);
    site_take(site, row, 0);
    n_classes = site->view->model->options.net.n_classes;
    n = Max(n_classes, 2);
    p = palloc(sizeof(double) * n);
    values = palloc(sizeof(Datum) * n);
    class_probabilities(p, site_score(site, 1), n_classes);
    for (int k = 0; k < n; k++)
        values[k] = Float8GetDatum(p[k]);
    return construct_array(values, n, FLOAT8OID, sizeof(float8), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
}

/* CREATE FUNCTION ctr_predict_classes(ctr_model, record) RETURNS float8[] */
PG_FUNCTION_INFO_V1(ctr_predict_classes);
Datum
ctr_predict_classes(PG_FUNCTION_ARGS)
{
    Row row = row_of_record(PG_GETARG_HEAPTUPLEHEADER(1));

    PG_RETURN_ARRAYTYPE_P(predict_classes(fcinfo, &row));
}

/* CREATE FUNCTION ctr_predict_classes_columns(ctr_model, regtype, VARIADIC "any") RETURNS float8[] */
PG_FUNCTION_INFO_V1(ctr_predict_classes_columns);
Datum
ctr_predict_classes_columns(PG_FUNCTION_ARGS)
{
    Row row;

    if (!row_of_columns(fcinfo, &row))
        PG_RETURN_NULL();
    PG_RETURN_ARRAYTYPE_P(predict_classes(fcinfo, &row));
}

/* ------------------------------------------------------------------ blocks of rows */

/* Rows of a partition that follow each other, taken by the site. */
typedef struct Chunk {
    int64 first; /* position in the partition of the rows' first */
    int n, scored;
    int rows[NN_BLOCK * SITE_BLOCKS]; /* scored row -> row of the chunk */
    float8 p[NN_BLOCK * SITE_BLOCKS];
    bool nulls[NN_BLOCK * SITE_BLOCKS];
} Chunk;

/* A window function's state, in the partition's memory. */
typedef struct BatchState {
    Site *site;
    int now; /* the chunk whose rows are returned; the other one may have been read ahead of it */
    Chunk chunks[2];
} BatchState;

/*
 * Argument `number` of the row `ahead` rows further on. Its memory is good until the next call: the rows
 * share a slot.
 */
static Datum
batch_argument(WindowObject window, int number, int ahead, bool *is_null, bool *outside)
{
    return WinGetFuncArgInPartition(window, number, ahead, WINDOW_SEEK_CURRENT, false, is_null, outside);
}

typedef enum Taken { TAKEN, TAKEN_NULL, NOT_TAKEN, OUTSIDE } Taken;

/* Makes the site ready for the row `ahead` rows further on, and takes it as its first. */
static Taken
batch_take_first(WindowObject window, Site *site, int ahead)
{
    bool is_null, outside;
    Datum datum = batch_argument(window, 1, ahead, &is_null, &outside);
    HeapTupleHeader record;
    Row row;

    if (outside || is_null)
        return outside ? OUTSIDE : TAKEN_NULL;
    record = DatumGetHeapTupleHeaderCopy(datum);
    datum = batch_argument(window, 0, ahead, &is_null, &outside);
    if (is_null)
        return TAKEN_NULL;
    row = row_of_record(record);
    site_use(site, datum, &row);
    check_one_class(site->view->model, "ctr_predict_batch", "ctr_predict_classes");
    site_take(site, &row, 0);
    return TAKEN;
}

/* Takes it as number `at`, if the site is ready for its model and row type. */
static Taken
batch_take(WindowObject window, Site *site, int ahead, int at)
{
    bool is_null, outside;
    Datum datum = batch_argument(window, 0, ahead, &is_null, &outside);
    Row row;

    if (outside || is_null)
        return outside ? OUTSIDE : TAKEN_NULL;
    if (!site_has_model(site, datum))
        return NOT_TAKEN;
    datum = batch_argument(window, 1, ahead, &is_null, &outside);
    if (is_null)
        return TAKEN_NULL;
    row = row_of_record(DatumGetHeapTupleHeader(datum));
    if (!rowmap_fits(site->models[0]->map, &row))
        return NOT_TAKEN;
    site_take(site, &row, at);
    return TAKEN;
}

/*
 * Takes rows from position `first` on: at most `most`, as many as share one model and row type. Rows whose
 * model or record is NULL are NULL and take part in the chunk. ahead: only rows for which the site is ready.
 * An argument may be volatile: what is evaluated here is evaluated once, but for a row that ends the chunk
 * and begins the next. What a row's arguments take is freed with the row.
 */
static void
chunk_read(WindowObject window, Site *site, Chunk *chunk, int64 first, int most, bool ahead)
{
    const int start = (int)(first - WinGetCurrentPosition(window));
    MemoryContext caller = MemoryContextSwitchTo(site->of_a_row);

    chunk->first = first;
    chunk->scored = 0;
    for (chunk->n = 0; chunk->n < most; chunk->n++) {
        const int at = start + chunk->n;
        Taken taken;

        MemoryContextReset(site->of_a_row);
        taken = ahead || chunk->scored > 0 ? batch_take(window, site, at, chunk->scored)
                                           : batch_take_first(window, site, at);
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
    WindowObject window;
    Site *site;
    Chunk *chunk;
    int64 first;
    int most;
} ReadAhead;

static void
read_ahead(void *arg)
{
    const ReadAhead *ahead = arg;

    chunk_read(ahead->window, ahead->site, ahead->chunk, ahead->first, ahead->most, true);
}

/* Scores the chunk while reading the one that follows it, of at most `most` rows: none if 0. */
static void
chunk_score(WindowObject window, Site *site, Chunk *chunk, Chunk *next, int most)
{
    ReadAhead ahead = {window, site, next, chunk->first + chunk->n, most};
    const float *logits;

    next->n = 0;
    if (chunk->scored == 0)
        return;
    if (most == 0 || chunk->scored <= NN_BLOCK)
        logits = site_score(site, chunk->scored);
    else
        logits = site_score_during(site, chunk->scored, read_ahead, &ahead);
    for (int i = 0; i < chunk->scored; i++)
        chunk->p[chunk->rows[i]] = probability(logits[i]);
}

/* Makes the chunk that begins at the current position the one whose rows are returned. */
static Chunk *
batch_next(WindowObject window, BatchState *state)
{
    const int64 position = WinGetCurrentPosition(window);
    /* never more rows than came before: LIMIT may want no more */
    const int most = (int)Min((int64)state->site->capacity, position);
    Chunk *last = &state->chunks[state->now], *chunk;

    state->now = 1 - state->now;
    chunk = &state->chunks[state->now];
    if (chunk->n == 0)
        chunk_read(window, state->site, chunk, position, Max(most, NN_BLOCK), false);
    chunk_score(window, state->site, chunk, last, most);
    WinSetMarkPosition(window, position + chunk->n - 1);
    return chunk;
}

static Site *
batch_site(FunctionCallInfo fcinfo)
{
    Site *site = call_site(fcinfo, site_most_rows());

    if (site->of_a_row == NULL)
        site->of_a_row = AllocSetContextCreate(site->context, "ctr row", ALLOCSET_DEFAULT_SIZES);
    return site;
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

    if (!WindowObjectIsValid(window)) /* an operator may have been made of it */
        elog(ERROR, "ctr_predict_batch called in non-window context");
    state = WinGetPartitionLocalMemory(window, sizeof(BatchState));
    chunk = &state->chunks[state->now];

    if (state->site == NULL)
        state->site = batch_site(fcinfo);
    row = WinGetCurrentPosition(window) - chunk->first;
    if (row >= chunk->n) {
        chunk = batch_next(window, state);
        row = 0;
    }
    if (chunk->nulls[row])
        PG_RETURN_NULL();
    PG_RETURN_FLOAT8(chunk->p[row]);
}

/* ------------------------------------------------------------------ what the network sees */

/* CREATE FUNCTION ctr_encode(ctr_model, record, OUT x_num float4[], OUT x_cat int4[]) */
PG_FUNCTION_INFO_V1(ctr_encode);
Datum
ctr_encode(PG_FUNCTION_ARGS)
{
    Row row = row_of_record(PG_GETARG_HEAPTUPLEHEADER(1));
    Site *site = call_site(fcinfo, 1);
    SiteModel *sm = site_use(site, PG_GETARG_DATUM(0), &row);
    const Encoder *encoder = site->view->model->encoder;
    TupleDesc desc;
    Datum values[2], *items;
    bool nulls[2] = {false, false};

    if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
        elog(ERROR, "return type must be a row type");
    site_take(site, &row, 0);
    items = palloc(sizeof(Datum) * Max(encoder->d_num, encoder->d_cat));
    for (int i = 0; i < encoder->d_num; i++)
        items[i] = Float4GetDatum(sm->rows->x_num[i]);
    values[0] = PointerGetDatum(
        construct_array(items, encoder->d_num, FLOAT4OID, sizeof(float4), true, TYPALIGN_INT));
    for (int i = 0; i < encoder->d_cat; i++)
        items[i] = Int32GetDatum(sm->rows->x_cat[(Size)i * sm->capacity]);
    values[1] =
        PointerGetDatum(construct_array(items, encoder->d_cat, INT4OID, sizeof(int32), true, TYPALIGN_INT));
    PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
