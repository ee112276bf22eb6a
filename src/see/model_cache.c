/* model_cache.c: the models in memory that backends share. */
#include "model/registry.h"
#include "srf.h"

/* CREATE FUNCTION ctr_model_cache() RETURNS SETOF record: digest, bytes, backends, hits, misses */
PG_FUNCTION_INFO_V1(ctr_model_cache);
Datum
ctr_model_cache(PG_FUNCTION_ARGS)
{
    CtrSharedModel *models = palloc(sizeof(CtrSharedModel) * CTR_SHARED_MODELS);
    const int n = registry_list(models);
    TupleDesc desc;
    Tuplestorestate *rows = srf_begin(fcinfo, &desc);

    for (int i = 0; i < n; i++) {
        const CtrSharedModel *m = &models[i];
        Datum values[] = {
            PointerGetDatum(cstring_to_text_with_len(m->key.digest, CTR_SHARED_DIGEST)),
            Int64GetDatum((int64)m->bytes),
            Int32GetDatum(m->backends),
            Int64GetDatum(m->hits),
            Int64GetDatum(m->misses),
        };
        bool nulls[lengthof(values)] = {false};

        tuplestore_putvalues(rows, desc, values, nulls);
    }
    return (Datum)0;
}
