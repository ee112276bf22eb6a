/*
 * predict.c: the functions that score rows in a query: ctr_predict, ctr_predict_classes, ctr_predict_batch, and
 * ctr_encode, which shows what the network sees.
 */
#include "score.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "windowapi.h"

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

/* The row of ctr_predict_columns(model, regtype, columns …), as the planner calls it; false: no model or no type. */
static bool
row_of_columns(FunctionCallInfo fcinfo, Row *row)
{
    if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
        return false;
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
    return site_score(site, 1)[0];
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
    int n_classes;
    const float *p;
    Datum *values;

    site_use(site, PG_GETARG_DATUM(0), row);
    site_take(site, row, 0);
    p = site_score(site, 1);
    n_classes = site->view->model->options.net.n_classes;
    values = palloc(sizeof(Datum) * Max(n_classes, 2));
    if (n_classes == 1) {
        values[0] = Float8GetDatum(1.0 - (double)p[0]);
        values[1] = Float8GetDatum(p[0]);
        n_classes = 2;
    } else {
        for (int k = 0; k < n_classes; k++)
            values[k] = Float8GetDatum(p[k]);
    }
    return construct_array(values, n_classes, FLOAT8OID, sizeof(float8), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
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

/* A window function's block of rows, in the partition's memory. */
typedef struct BatchState {
    Site *site;
    int64 first; /* position in the partition of the rows' first */
    int n;       /* rows scored ahead */
    float8 p[NN_BLOCK * SITE_BLOCKS];
    bool nulls[NN_BLOCK * SITE_BLOCKS];
} BatchState;

/* Argument `number` of the row `ahead` rows further on. Its memory is good until the next call: the rows share a slot. */
static Datum
batch_argument(WindowObject window, int number, int ahead, bool *is_null, bool *outside)
{
    return WinGetFuncArgInPartition(window, number, ahead, WINDOW_SEEK_CURRENT, false, is_null, outside);
}

/* Makes the site ready for the row `ahead` rows further on. */
static void
batch_use(WindowObject window, Site *site, int ahead)
{
    bool is_null, outside;
    Datum record = batch_argument(window, 1, ahead, &is_null, &outside);
    HeapTupleHeader copy = DatumGetHeapTupleHeaderCopy(record);
    Row row = row_of_record(copy);

    site_use(site, batch_argument(window, 0, ahead, &is_null, &outside), &row);
    check_one_class(site->view->model, "ctr_predict_batch", "ctr_predict_classes");
    pfree(copy);
}

/*
 * Scores rows from `first` on: at most `most`, as many as share one model and row type. Rows whose model or record is
 * NULL are NULL and take part in the block.
 */
static void
batch_fill(WindowObject window, BatchState *state, int64 first, int most)
{
    int rows[NN_BLOCK * SITE_BLOCKS]; /* scored row -> position in the block */
    int scored = 0;
    Site *site = state->site;
    const float *p;

    state->first = first;
    for (state->n = 0; state->n < most; state->n++) {
        bool no_model, no_record, outside, same_model;
        Datum model = batch_argument(window, 0, state->n, &no_model, &outside);
        Datum record;
        Row row;

        if (outside)
            break;
        same_model = !no_model && scored > 0 && site_has_model(site, model);
        record = batch_argument(window, 1, state->n, &no_record, &outside);
        state->nulls[state->n] = no_model || no_record;
        if (no_model || no_record)
            continue;
        if (scored == 0) {
            batch_use(window, site, state->n);
            record = batch_argument(window, 1, state->n, &no_record, &outside);
        } else if (!same_model) {
            break;
        }
        row = row_of_record(DatumGetHeapTupleHeader(record));
        if (!rowmap_fits(site->models[0]->map, &row))
            break;
        site_take(site, &row, scored);
        rows[scored++] = state->n;
    }
    if (scored == 0)
        return;
    p = site_score(site, scored);
    for (int i = 0; i < scored; i++)
        state->p[rows[i]] = p[i];
}

/* CREATE FUNCTION ctr_predict_batch(ctr_model, record) RETURNS float8 WINDOW */
PG_FUNCTION_INFO_V1(ctr_predict_batch);
Datum
ctr_predict_batch(PG_FUNCTION_ARGS)
{
    WindowObject window = PG_WINDOW_OBJECT();
    BatchState *state = WinGetPartitionLocalMemory(window, sizeof(BatchState));
    int64 position = WinGetCurrentPosition(window);

    if (state->site == NULL)
        state->site = call_site(fcinfo, site_most_rows());
    if (position >= state->first + state->n) {
        /* a block first, in case that LIMIT wants no more */
        batch_fill(window, state, position, position == 0 ? NN_BLOCK : state->site->capacity);
        WinSetMarkPosition(window, position + state->n - 1);
    }
    if (state->nulls[position - state->first])
        PG_RETURN_NULL();
    PG_RETURN_FLOAT8(state->p[position - state->first]);
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
        items[i] = Float4GetDatum(sm->x_num[i]);
    values[0] = PointerGetDatum(
        construct_array(items, encoder->d_num, FLOAT4OID, sizeof(float4), true, TYPALIGN_INT));
    for (int i = 0; i < encoder->d_cat; i++)
        items[i] = Int32GetDatum(sm->x_cat[(Size)i * sm->capacity]);
    values[1] =
        PointerGetDatum(construct_array(items, encoder->d_cat, INT4OID, sizeof(int32), true, TYPALIGN_INT));
    PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
