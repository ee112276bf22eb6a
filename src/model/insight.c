/* insight.c: what a training keeps in its model for explanations: which tensors, room for them, reading. */
#include "model/unpack.h"

void
insight_tensors(CtrModel *model, CtrInsightTensor *tensors)
{
    const CtrEncoder *encoder = model->encoder;
    CtrInsight *insight = &model->insight;
    const int features = encoder->n_num + encoder->n_cat;
    const bool sums = encoder->sums_statistics && encoder->n_statistics > 0;
    const bool has_attention = model->net.attention >= 0;

    tensors[0] = (CtrInsightTensor){CTR_MODEL_AVERAGE, &insight->average, model->net.d_input};
    tensors[1] = (CtrInsightTensor){CTR_MODEL_SPREAD, &insight->spread, model->net.d_input};
    tensors[2] = (CtrInsightTensor){CTR_MODEL_AVERAGE_STATISTICS, &insight->statistics,
                                    sums ? encoder->n_statistics : 0};
    tensors[3] = (CtrInsightTensor){CTR_MODEL_IMPORTANCE, &insight->importance, features};
    tensors[4] = (CtrInsightTensor){CTR_MODEL_ATTENTION, &insight->attention, has_attention ? features : 0};
    tensors[5] = (CtrInsightTensor){CTR_MODEL_CROSS_IMPORTANCE, &insight->crosses, encoder->n_crosses};
}

void
insight_create(CtrModel *model)
{
    CtrInsightTensor tensors[CTR_MODEL_INSIGHTS];

    insight_tensors(model, tensors);
    for (int i = 0; i < CTR_MODEL_INSIGHTS; i++) {
        if (tensors[i].n > 0)
            *tensors[i].values =
                MemoryContextAllocZero(model->context, mul_size(tensors[i].n, sizeof(float)));
    }
}

bool
unpack_insight(CtrUnpacker *u)
{
    CtrInsightTensor tensors[CTR_MODEL_INSIGHTS];

    insight_tensors(u->model, tensors);
    for (int i = 0; i < CTR_MODEL_INSIGHTS; i++) {
        if (tensors[i].n == 0)
            continue;
        MemoryContextSwitchTo(u->model->context);
        *tensors[i].values = unpack_vector(u, tensors[i].name, CTR_SAFE_F32, tensors[i].n);
        MemoryContextSwitchTo(u->scratch);
        if (*tensors[i].values == NULL)
            return false;
    }
    return true;
}

void
model_check_insight(const CtrModel *model)
{
    if (!model_has_insight(model))
        ereport(
            ERROR,
            (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
             model->weights == CTR_WEIGHTS_INITIAL
                 ? errmsg("the model's weights have not been trained")
                 : errmsg("the model has not seen rows with its weights, which ctr_load_weights brought"),
             errdetail("What features contribute is measured on rows, by ctr_train."),
             model->weights == CTR_WEIGHTS_INITIAL
                 ? errhint("Train it: SELECT ctr_train(r, NULL, model) FROM rows r.")
                 : errhint("Measure it without training: SELECT ctr_train(r, ctr_fit(epochs => 0), model) "
                           "FROM rows r.")));
}
