/*
 * predict.c: ctr_predict and ctr_predict_classes, which score one row, each also as the planner calls it with
 * the columns of a row (predict_columns.c).
 */
#include "score/score.h"

#include "catalog/pg_type.h"
#include "utils/array.h"

#include "nn/math/loss.h"

/*
 * Takes the row from the arguments of ctr_predict_columns(model, regtype, columns …), which the planner
 * calls. Returns false if the model or the type is NULL. The first row of a call raises an error if the
 * role has no right to EXECUTE ctr_predict.
 */
static bool
row_of_columns(FunctionCallInfo fcinfo, CtrRow *row)
{
    if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
        return false;
    if (fcinfo->flinfo->fn_extra == NULL)
        check_may_predict(fcinfo->flinfo->fn_oid);
    *row = (CtrRow){.type = PG_GETARG_OID(1), .typmod = -1, .call = fcinfo};
    return true;
}

static float8
predict(FunctionCallInfo fcinfo, const CtrRow *row)
{
    CtrSite *site = site_of_call(fcinfo);

    site_use(site, PG_GETARG_DATUM(0), row);
    site_check_one_class(site, "ctr_predict", "ctr_predict_classes");
    site_take(site, row, 0);
    return probability(site_score(site, 1)[0]);
}

/* CREATE FUNCTION ctr_predict(ctr_model, record) RETURNS float8 */
PG_FUNCTION_INFO_V1(ctr_predict);
Datum
ctr_predict(PG_FUNCTION_ARGS)
{
    CtrRow row = row_of_record(PG_GETARG_HEAPTUPLEHEADER(1));

    PG_RETURN_FLOAT8(predict(fcinfo, &row));
}

/* CREATE FUNCTION ctr_predict_columns(ctr_model, regtype, VARIADIC "any") RETURNS float8 */
PG_FUNCTION_INFO_V1(ctr_predict_columns);
Datum
ctr_predict_columns(PG_FUNCTION_ARGS)
{
    CtrRow row;

    if (!row_of_columns(fcinfo, &row))
        PG_RETURN_NULL();
    PG_RETURN_FLOAT8(predict(fcinfo, &row));
}

static ArrayType *
predict_classes(FunctionCallInfo fcinfo, const CtrRow *row)
{
    CtrSite *site = site_of_call(fcinfo);
    int n_classes, n;
    double *p;
    Datum *values;

    site_use(site, PG_GETARG_DATUM(0), row);
    site_take(site, row, 0);
    n_classes = site_model(site)->options.net.n_classes;
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
    CtrRow row = row_of_record(PG_GETARG_HEAPTUPLEHEADER(1));

    PG_RETURN_ARRAYTYPE_P(predict_classes(fcinfo, &row));
}

/* CREATE FUNCTION ctr_predict_classes_columns(ctr_model, regtype, VARIADIC "any") RETURNS float8[] */
PG_FUNCTION_INFO_V1(ctr_predict_classes_columns);
Datum
ctr_predict_classes_columns(PG_FUNCTION_ARGS)
{
    CtrRow row;

    if (!row_of_columns(fcinfo, &row))
        PG_RETURN_NULL();
    PG_RETURN_ARRAYTYPE_P(predict_classes(fcinfo, &row));
}
