/* summary.c: a network as torchkeras' summary has it, a row for each module. */
#include "see/see.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "srf.h"

CtrSummaryRow *
summary_rows(const NnNet *net, int *n)
{
    CtrSummaryRow *rows = palloc(sizeof(CtrSummaryRow) * Max(net->n_layers * NN_MODULES_MOST, 1));

    *n = 0;
    for (int i = 0; i < net->n_layers; i++) {
        const NnLayer *layer = &net->layers[i];
        NnModule modules[NN_MODULES_MOST];
        const int n_modules = layer_describe(layer, net, modules);

        for (int k = 0; k < n_modules; k++)
            rows[(*n)++] = (CtrSummaryRow){.layer = layer->name,
                                           .kind = modules[k].kind,
                                           .width = modules[k].d,
                                           .parameters = module_params(&modules[k], net)};
    }
    return rows;
}

/* CREATE FUNCTION ctr_summary(ctr_model) RETURNS TABLE (layer, kind, output_shape, parameters) */
PG_FUNCTION_INFO_V1(ctr_summary);
Datum
ctr_summary(PG_FUNCTION_ARGS)
{
    TupleDesc desc;
    Tuplestorestate *store = srf_begin(fcinfo, &desc);
    CtrModel *model = model_unpack(PG_GETARG_DATUM(0), CurrentMemoryContext);
    int n;
    const CtrSummaryRow *rows = summary_rows(&model->net, &n);

    for (int i = 0; i < n; i++) {
        Datum shape[] = {Int32GetDatum(-1), Int32GetDatum(rows[i].width)};
        Datum values[4];
        bool nulls[4] = {false};

        values[0] = CStringGetTextDatum(rows[i].layer);
        values[1] = CStringGetTextDatum(rows[i].kind);
        values[2] = PointerGetDatum(construct_array(shape, 2, INT4OID, sizeof(int32), true, TYPALIGN_INT));
        values[3] = Int64GetDatum(rows[i].parameters);
        tuplestore_putvalues(store, desc, values, nulls);
    }
    MemoryContextDelete(model->context);
    return (Datum)0;
}
