/* embeddings.c: ctr_embeddings: the vector that the network has learnt for each category of a field. */
#include "io/vocabulary.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "nn/arch/arch.h"
#include "srf.h"

/*
 * The rows of field f in its embedding table: their first number; *d: their width. DeepCross has a table for
 * each field, the others one for all, in which fields follow one another.
 */
static const float *
field_table(const CtrModel *model, int f, int *d)
{
    char *own = psprintf("cat_embedding.embedding_list.%d.weight", f);
    const int *categories = model->encoder->categories;

    for (int i = 0; i < model->net.n_params; i++) {
        const NnParam *p = &model->net.params[i];
        const float *table = model->params + p->offset;
        Size first = 0;

        *d = (int)p->shape[1];
        if (strcmp(p->name, own) == 0)
            return table;
        if (strcmp(p->name, "cat_embedding.embedding.weight") != 0)
            continue;
        for (int before = 0; before < f; before++)
            first += (Size)categories[before];
        return table + first * (Size)*d;
    }
    elog(ERROR, "the network has no embeddings");
}

/* Error for a pair of columns of which the network sees statistics and counts only. */
static void
check_embedded(const CtrModel *model, int f)
{
    if (f >= model->net.config.n_cat)
        ereport(ERROR,
                (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                 errmsg("the model has no embeddings of \"%s\"", encoder_field_name(model->encoder, f)),
                 errdetail("Architecture \"%s\" sees target statistics and counts of pairs of columns.",
                           nn_arch(model->options.net.architecture)->name),
                 errhint("ctr_vocabulary lists the pairs.")));
}

static Datum
vector_datum(const float *vector, int d)
{
    Datum *numbers = palloc(sizeof(Datum) * d);

    for (int i = 0; i < d; i++)
        numbers[i] = Float4GetDatum(vector[i]);
    return PointerGetDatum(construct_array(numbers, d, FLOAT4OID, sizeof(float4), true, TYPALIGN_INT));
}

/* CREATE FUNCTION ctr_embeddings(ctr_model, text) RETURNS TABLE (code, value, embedding) */
PG_FUNCTION_INFO_V1(ctr_embeddings);
Datum
ctr_embeddings(PG_FUNCTION_ARGS)
{
    TupleDesc desc;
    Tuplestorestate *rows = srf_begin(fcinfo, &desc);
    const CtrModel *model = model_unpack(PG_GETARG_DATUM(0), CurrentMemoryContext);
    const int f = vocabulary_field(model, text_to_cstring(PG_GETARG_TEXT_PP(1)));
    MemoryContext row = AllocSetContextCreate(CurrentMemoryContext, "ctr row", ALLOCSET_SMALL_SIZES), old;
    const float *table;
    int d;

    check_embedded(model, f);
    table = field_table(model, f, &d);
    old = MemoryContextSwitchTo(row);
    for (int code = 0; code < model->encoder->categories[f]; code++) {
        Datum values[] = {Int32GetDatum(code), 0, vector_datum(table + (Size)code * d, d)};
        bool nulls[] = {false, !vocabulary_value(model->encoder, f, code, &values[1]), false};

        CHECK_FOR_INTERRUPTS();
        tuplestore_putvalues(rows, desc, values, nulls);
        MemoryContextReset(row);
    }
    MemoryContextSwitchTo(old);
    MemoryContextDelete(row);
    MemoryContextDelete(model->context);
    return (Datum)0;
}
