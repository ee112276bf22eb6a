/*
 * curve.c: the aggregate ctr_calibration, and what it shares with the pictures of curves: the scores in their
 * order. The arithmetic is in nn/math.
 */
#include "metrics/curve.h"

#include "access/htup_details.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

#include "metrics/arguments.h"

/* ------------------------------------------------------------------ collecting */

static int32
bins_argument(FunctionCallInfo fcinfo)
{
    int32 bins = PG_NARGS() > 3 ? PG_GETARG_INT32(3) : CTR_CALIBRATION_BINS;

    if (bins < 1 || bins > CTR_CALIBRATION_BINS_MOST)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("number of bins is %d, not from 1 to %d", bins, CTR_CALIBRATION_BINS_MOST)));
    return bins;
}

static Datum
curve_transition(FunctionCallInfo fcinfo, bool is_boolean)
{
    MemoryContext context = aggregate_context(fcinfo);
    CtrCurve *state = PG_ARGISNULL(0) ? NULL : (CtrCurve *)PG_GETARG_POINTER(0);

    if (state == NULL)
        state = MemoryContextAllocZero(context, sizeof(CtrCurve));
    if (!argument_missing(fcinfo)) {
        int32 bins = bins_argument(fcinfo);

        if (state->bins != 0 && bins != state->bins)
            ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                            errmsg("number of bins is %d in one row and %d in another", state->bins, bins)));
        state->bins = bins;
        scores_add(&state->scores, context, score_argument(fcinfo), label_argument(fcinfo, is_boolean), 1);
    }
    PG_RETURN_POINTER(state);
}

/* CREATE FUNCTION ctr_curve_transition(internal, float8, float8 [, integer]) RETURNS internal */
PG_FUNCTION_INFO_V1(ctr_curve_transition);
Datum
ctr_curve_transition(PG_FUNCTION_ARGS)
{
    return curve_transition(fcinfo, false);
}

/* CREATE FUNCTION ctr_curve_transition(internal, boolean, float8 [, integer]) RETURNS internal */
PG_FUNCTION_INFO_V1(ctr_curve_transition_bool);
Datum
ctr_curve_transition_bool(PG_FUNCTION_ARGS)
{
    return curve_transition(fcinfo, true);
}

PG_FUNCTION_INFO_V1(ctr_curve_combine);
Datum
ctr_curve_combine(PG_FUNCTION_ARGS)
{
    MemoryContext context = aggregate_context(fcinfo);
    CtrCurve *into = PG_ARGISNULL(0) ? NULL : (CtrCurve *)PG_GETARG_POINTER(0);

    if (into == NULL)
        into = MemoryContextAllocZero(context, sizeof(CtrCurve));
    if (!PG_ARGISNULL(1)) {
        const CtrCurve *from = (CtrCurve *)PG_GETARG_POINTER(1);

        scores_append(&into->scores, context, &from->scores);
        into->bins = Max(into->bins, from->bins);
    }
    PG_RETURN_POINTER(into);
}

PG_FUNCTION_INFO_V1(ctr_curve_serialize);
Datum
ctr_curve_serialize(PG_FUNCTION_ARGS)
{
    const CtrCurve *curve = (CtrCurve *)PG_GETARG_POINTER(0);

    aggregate_context(fcinfo);
    PG_RETURN_BYTEA_P(scores_serialize(&curve->bins, sizeof(curve->bins), &curve->scores));
}

PG_FUNCTION_INFO_V1(ctr_curve_deserialize);
Datum
ctr_curve_deserialize(PG_FUNCTION_ARGS)
{
    CtrCurve *curve = palloc0(sizeof(CtrCurve));

    aggregate_context(fcinfo);
    scores_deserialize(PG_GETARG_BYTEA_PP(0), &curve->bins, sizeof(curve->bins), &curve->scores);
    PG_RETURN_POINTER(curve);
}

/* ------------------------------------------------------------------ in their order */

NnScore *
curve_sorted(const CtrCurve *curve)
{
    NnScore *sorted = scores_copy(&curve->scores);

    scores_sort(sorted, sorted + curve->scores.n, curve->scores.n, ctr_pause);
    return sorted;
}

NnCalibrationBin *
curve_calibration(const CtrCurve *curve, int *n)
{
    const char *why = "Calibration is that of probabilities, from 0 to 1.";
    NnScore *sorted = curve_sorted(curve);
    NnCalibrationBin *bins = palloc(sizeof(NnCalibrationBin) * Max(curve->bins, 1));

    if (curve->scores.n > 0) {
        check_probability(sorted[0].score, why);
        check_probability(sorted[curve->scores.n - 1].score, why);
    }
    *n = calibration_bins(bins, curve->bins, sorted, curve->scores.n, ctr_pause);
    pfree(sorted);
    return bins;
}

/* CREATE FUNCTION ctr_calibration_final(internal) RETURNS ctr_calibration_bin[]: NULL without rows */
PG_FUNCTION_INFO_V1(ctr_calibration_final);
Datum
ctr_calibration_final(PG_FUNCTION_ARGS)
{
    const CtrCurve *curve = PG_ARGISNULL(0) ? NULL : (CtrCurve *)PG_GETARG_POINTER(0);
    Oid type = get_element_type(get_fn_expr_rettype(fcinfo->flinfo));
    NnCalibrationBin *bins;
    TupleDesc desc;
    Datum *rows;
    int n;

    if (curve == NULL || curve->scores.n == 0)
        PG_RETURN_NULL();
    desc = lookup_rowtype_tupdesc(type, -1);
    bins = curve_calibration(curve, &n);
    rows = palloc(sizeof(Datum) * n);
    for (int i = 0; i < n; i++) {
        Datum values[] = {Int32GetDatum(i + 1), Float8GetDatum(bins[i].score), Float8GetDatum(bins[i].label),
                          Int64GetDatum(bins[i].rows)};
        bool nulls[4] = {false};

        rows[i] = HeapTupleGetDatum(heap_form_tuple(desc, values, nulls));
    }
    ReleaseTupleDesc(desc);
    PG_RETURN_ARRAYTYPE_P(construct_array(rows, n, type, -1, false, TYPALIGN_DOUBLE));
}
