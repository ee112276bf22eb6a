/* drift.c: the aggregate ctr_drift, with its parallel halves. */
#include "score/score.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

#include "score/drift_sums.h"
#include "score/scores.h"

typedef struct Drift Drift;

/* Rows of one call site that wait to be scored together; all belong to one state, as in evaluate.c. */
typedef struct DriftBlock {
    CtrSite *site;
    Drift *owner; /* NULL: none wait */
    int n;
} DriftBlock;

struct Drift {
    CtrDriftSums *sums;
    CtrDriftBins *bins; /* NULL, as block, in a state that only combines */
    DriftBlock *block;
    MemoryContextCallback callback;
};

static void
drift_forget(void *arg)
{
    Drift *drift = arg;

    if (drift->block->owner == drift)
        drift->block->owner = NULL;
}

static Drift *
drift_create(MemoryContext context, DriftBlock *block)
{
    Drift *drift = MemoryContextAllocZero(context, sizeof(Drift));

    drift->sums = drift_sums_create(site_model(block->site), context, &drift->bins);
    drift->block = block;
    drift->callback.func = drift_forget;
    drift->callback.arg = drift;
    MemoryContextRegisterResetCallback(context, &drift->callback);
    return drift;
}

static void
drift_check_model(const Drift *drift, const char *digest)
{
    if (memcmp(drift->sums->digest, digest, CTR_MODEL_DIGEST_SIZE) != 0)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("ctr_drift has several models in one group"),
                        errhint("Look at each by itself: GROUP BY the model, or by a column that tells the "
                                "models apart.")));
}

static void
block_count(DriftBlock *block)
{
    Drift *drift = block->owner;
    const int classes = drift->sums->n_classes;
    const float *logits = site_score(block->site, block->n);
    Size ld;
    const int32 *codes = site_codes(block->site, &ld);

    block->owner = NULL;
    for (int r = 0; r < block->n; r++)
        drift_sums_add(drift->sums, drift->bins, codes + r, ld, logits + (Size)r * classes);
}

/* Must be called before a state is read: some of its rows may still wait. */
static void
drift_complete(Drift *drift)
{
    if (drift->block != NULL && drift->block->owner == drift)
        block_count(drift->block);
}

static DriftBlock *
drift_block(FunctionCallInfo fcinfo)
{
    if (fcinfo->flinfo->fn_extra == NULL) {
        MemoryContext context = fcinfo->flinfo->fn_mcxt;
        DriftBlock *block = MemoryContextAllocZero(context, sizeof(DriftBlock));

        block->site = site_create(context, NN_BLOCK, false);
        fcinfo->flinfo->fn_extra = block;
    }
    return fcinfo->flinfo->fn_extra;
}

/* Takes the row, counts its numbers, and lets it wait for its codes and score. */
static void
block_add(DriftBlock *block, Drift *drift, const CtrRow *row)
{
    if (block->owner == NULL)
        block->n = 0;
    site_take(block->site, row, block->n);
    for (int i = 0; i < drift->sums->n_num; i++)
        drift_sums_add_number(drift->sums, drift->bins, i, site_number(block->site, i));
    block->owner = drift;
    if (++block->n == site_capacity(block->site))
        block_count(block);
}

static Datum
drift_datum(FunctionCallInfo fcinfo, const Drift *drift)
{
    if (drift == NULL)
        PG_RETURN_NULL();
    PG_RETURN_POINTER(drift);
}

/* CREATE FUNCTION ctr_drift_transition(internal, ctr_model, record) RETURNS internal */
PG_FUNCTION_INFO_V1(ctr_drift_transition);
Datum
ctr_drift_transition(PG_FUNCTION_ARGS)
{
    MemoryContext context = aggregate_context(fcinfo);
    Drift *drift = PG_ARGISNULL(0) ? NULL : (Drift *)PG_GETARG_POINTER(0);
    DriftBlock *block;
    CtrRow row;

    if (PG_ARGISNULL(1) || PG_ARGISNULL(2))
        return drift_datum(fcinfo, drift);
    block = drift_block(fcinfo);
    row = row_of_record(PG_GETARG_HEAPTUPLEHEADER(2));
    if (block->owner != NULL && !(block->owner == drift && site_has_model(block->site, PG_GETARG_DATUM(1)) &&
                                  site_has_type(block->site, &row)))
        block_count(block);
    site_use(block->site, PG_GETARG_DATUM(1), &row);
    if (drift == NULL)
        drift = drift_create(context, block);
    drift_check_model(drift, site_model(block->site)->digest);
    block_add(block, drift, &row);
    PG_RETURN_POINTER(drift);
}

PG_FUNCTION_INFO_V1(ctr_drift_combine);
Datum
ctr_drift_combine(PG_FUNCTION_ARGS)
{
    MemoryContext context = aggregate_context(fcinfo);
    Drift *into = PG_ARGISNULL(0) ? NULL : (Drift *)PG_GETARG_POINTER(0);
    const Drift *from = PG_ARGISNULL(1) ? NULL : (const Drift *)PG_GETARG_POINTER(1);

    /* no rows of either wait: each has been deserialized or made here */
    if (from == NULL)
        return drift_datum(fcinfo, into);
    if (into == NULL) {
        into = MemoryContextAllocZero(context, sizeof(Drift));
        into->sums = memcpy(MemoryContextAlloc(context, from->sums->size), from->sums, from->sums->size);
        PG_RETURN_POINTER(into);
    }
    drift_check_model(into, from->sums->digest);
    drift_sums_merge(into->sums, from->sums);
    PG_RETURN_POINTER(into);
}

PG_FUNCTION_INFO_V1(ctr_drift_serialize);
Datum
ctr_drift_serialize(PG_FUNCTION_ARGS)
{
    Drift *drift = (Drift *)PG_GETARG_POINTER(0);
    bytea *bytes;

    aggregate_context(fcinfo);
    drift_complete(drift);
    bytes = palloc(VARHDRSZ + drift->sums->size);
    SET_VARSIZE(bytes, VARHDRSZ + drift->sums->size);
    memcpy(VARDATA(bytes), drift->sums, drift->sums->size);
    PG_RETURN_BYTEA_P(bytes);
}

PG_FUNCTION_INFO_V1(ctr_drift_deserialize);
Datum
ctr_drift_deserialize(PG_FUNCTION_ARGS)
{
    bytea *bytes = PG_GETARG_BYTEA_PP(0);
    Drift *drift = palloc0(sizeof(Drift));

    aggregate_context(fcinfo);
    drift->sums = palloc(VARSIZE_ANY_EXHDR(bytes)); /* aligned, as the bytes may not be */
    memcpy(drift->sums, VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes));
    PG_RETURN_POINTER(drift);
}

static Datum
row_datum(TupleDesc desc, const CtrDriftRow *row, int64 rows)
{
    const double numbers[] = {row->missing, row->missing_trained, row->unseen, row->unseen_trained,
                              row->mean,    row->mean_trained,    row->psi};
    Datum values[3 + lengthof(numbers)];
    bool nulls[lengthof(values)] = {false};

    values[0] = CStringGetTextDatum(row->feature);
    values[1] = CStringGetTextDatum(row->kind);
    values[2] = Int64GetDatum(rows);
    for (int i = 0; i < (int)lengthof(numbers); i++) {
        values[3 + i] = Float8GetDatum(numbers[i]);
        nulls[3 + i] = isnan(numbers[i]);
    }
    return HeapTupleGetDatum(heap_form_tuple(desc, values, nulls));
}

/* CREATE FUNCTION ctr_drift_final(internal) RETURNS ctr_feature_drift[]: NULL without rows */
PG_FUNCTION_INFO_V1(ctr_drift_final);
Datum
ctr_drift_final(PG_FUNCTION_ARGS)
{
    Drift *drift = PG_ARGISNULL(0) ? NULL : (Drift *)PG_GETARG_POINTER(0);
    Oid type = get_element_type(get_fn_expr_rettype(fcinfo->flinfo));
    TupleDesc desc;
    Datum *rows;
    int n;

    if (drift == NULL) {
        aggregate_warn_empty(fcinfo, "ctr_drift has no rows to look at",
                             "There is no row, or the model is NULL in all rows.");
        PG_RETURN_NULL();
    }
    drift_complete(drift);
    n = drift_sums_rows(drift->sums);
    rows = palloc(sizeof(Datum) * n);
    desc = lookup_rowtype_tupdesc(type, -1);
    for (int i = 0; i < n; i++) {
        const CtrDriftRow row = drift_sums_row(drift->sums, i);

        rows[i] = row_datum(desc, &row, drift->sums->rows);
    }
    ReleaseTupleDesc(desc);
    PG_RETURN_ARRAYTYPE_P(construct_array(rows, n, type, -1, false, TYPALIGN_DOUBLE));
}
