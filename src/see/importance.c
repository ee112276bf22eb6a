/* importance.c: ctr_importance: how much each feature contributes, as the training has kept it. */
#include "see/insights.h"

#include <math.h>

#include "utils/builtins.h"

#include "srf.h"

static int
compare_importance(const void *a, const void *b)
{
    const CtrImportance *x = a, *y = b;

    if (x->importance != y->importance)
        return x->importance > y->importance ? -1 : 1;
    return strcmp(x->feature, y->feature);
}

CtrImportance *
importance_rows(const CtrModel *model, int *n)
{
    const CtrEncoder *encoder = model->encoder;
    const CtrInsight *insight = &model->insight;
    CtrImportance *rows;

    *n = encoder->n_num + encoder->n_cat;
    rows = palloc(sizeof(CtrImportance) * *n);
    for (int i = 0; i < *n; i++)
        rows[i] = (CtrImportance){.feature = encoder->features[i].name,
                                  .importance = insight->importance[i],
                                  .attention = insight->attention ? insight->attention[i] : NAN};
    qsort(rows, *n, sizeof(CtrImportance), compare_importance);
    return rows;
}

/* CREATE FUNCTION ctr_importance(ctr_model) RETURNS TABLE (feature, importance, attention) */
PG_FUNCTION_INFO_V1(ctr_importance);
Datum
ctr_importance(PG_FUNCTION_ARGS)
{
    TupleDesc desc;
    Tuplestorestate *store = srf_begin(fcinfo, &desc);
    CtrModel *model = model_unpack(PG_GETARG_DATUM(0), CurrentMemoryContext);
    int n;
    const CtrImportance *rows;

    model_check_insight(model);
    rows = importance_rows(model, &n);
    for (int i = 0; i < n; i++) {
        Datum values[] = {CStringGetTextDatum(rows[i].feature), Float8GetDatum(rows[i].importance),
                          Float8GetDatum(rows[i].attention)};
        bool nulls[] = {false, false, isnan(rows[i].attention)};

        tuplestore_putvalues(store, desc, values, nulls);
    }
    MemoryContextDelete(model->context);
    return (Datum)0;
}
