/* encode_row.c: ctr_encode, which shows what the network sees of a row. */
#include "score/score.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/array.h"

/* CREATE FUNCTION ctr_encode(ctr_model, record, OUT x_num float4[], OUT x_cat int4[]) */
PG_FUNCTION_INFO_V1(ctr_encode);
Datum
ctr_encode(PG_FUNCTION_ARGS)
{
    CtrRow row = row_of_record(PG_GETARG_HEAPTUPLEHEADER(1));
    CtrSite *site = site_of_call(fcinfo);
    const NnConfig *config;
    const float *x_num;
    const int32 *x_cat;
    TupleDesc desc;
    Datum values[2], *items;
    bool nulls[2] = {false, false};

    if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
        elog(ERROR, "return type must be a row type");
    site_use(site, PG_GETARG_DATUM(0), &row);
    site_take(site, &row, 0);
    site_inputs(site, &x_num, &x_cat);
    config = &site_model(site)->net.config;
    items = palloc(sizeof(Datum) * Max(config->n_num, config->n_cat));
    for (int i = 0; i < config->n_num; i++)
        items[i] = Float4GetDatum(x_num[i]);
    values[0] =
        PointerGetDatum(construct_array(items, config->n_num, FLOAT4OID, sizeof(float4), true, TYPALIGN_INT));
    for (int i = 0; i < config->n_cat; i++)
        items[i] = Int32GetDatum(x_cat[i]);
    values[1] =
        PointerGetDatum(construct_array(items, config->n_cat, INT4OID, sizeof(int32), true, TYPALIGN_INT));
    PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
