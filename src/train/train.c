/*
 * train.c: the aggregate ctr_train. Rows come in through the transition function and go to the dataset
 * (training.c); the final function has them encoded and the model fitted (contest.c), and returns it;
 * report.c tells of it.
 */
#include "train/training.h"

#include "utils/timestamp.h"

#include "nn/math/products.h"

/* CREATE FUNCTION ctr_train_transition(internal, record [, jsonb [, ctr_model]]) RETURNS internal */
PG_FUNCTION_INFO_V1(ctr_train_transition);
Datum
ctr_train_transition(PG_FUNCTION_ARGS)
{
    return training_take(fcinfo, model_unpack_to_train);
}

static int64 *
keep_label_rows(const CtrModel *model, const CtrDataset *dataset)
{
    const Size size = sizeof(int64) * Max(model->options.net.n_classes, 2);

    return memcpy(MemoryContextAlloc(model->encoder->context, size), dataset_class_rows(dataset, false),
                  size);
}

static CtrModel *
model_create(CtrTraining *t)
{
    MemoryContext context = AllocSetContextCreate(t->context, "ctr model", ALLOCSET_DEFAULT_SIZES);
    CtrModel *model = MemoryContextAllocZero(context, sizeof(CtrModel));

    model->context = context;
    model->encoder = dataset_encode(t->dataset, t->context);
    options_set_for_validation(&t->options,
                               dataset_weight(t->dataset, true) > 0 ? dataset_rows(t->dataset, true) : 0);
    model->options = t->options;
    model->train_rows = dataset_rows(t->dataset, false);
    model->label_rows = keep_label_rows(model, t->dataset);
    model->validation_rows = dataset_rows(t->dataset, true);
    model->skipped_rows = t->counts.skipped;
    if (t->given) {
        model->n_tried = t->given->n_tried;
        model->tried = t->given->tried;
        model->chosen = t->given->chosen;
    }
    model_create_net(model, NULL);
    insight_create(model);
    if (model->encoder->shared) {
        model->code_rows = model_create_code_rows(model);
        memcpy(model->start, t->given->digest, CTR_MODEL_DIGEST_SIZE);
    }
    return model;
}

/* Where the weights of the model come from. */
static CtrWeights
weights_source(const CtrModel *model, const CtrModel *given)
{
    if (model->options.epochs > 0)
        return CTR_WEIGHTS_TRAINED;
    if (given == NULL)
        return CTR_WEIGHTS_INITIAL;
    return given->weights == CTR_WEIGHTS_LOADED ? CTR_WEIGHTS_MEASURED : given->weights;
}

/*
 * Returns the model in the aggregate's context; all other memory of the training may be freed afterwards.
 * NULL: no model can be trained, which is reported.
 */
static ctr_model *
train(CtrTraining *t, CtrReport *report, MemoryContext aggregate)
{
    CtrListeners listeners = {0};
    CtrModel *model;

    if (!trainable_rows(report, &t->counts))
        return NULL;
    listeners_add(&listeners, report_hear, report);
    listeners_add(&listeners, progress_hear, &t->progress);
    listeners_tell(&listeners, &(CtrEvent){.kind = CTR_EVENT_ROWS_READ,
                                           .skipped = t->counts.skipped,
                                           .weightless = t->counts.weightless});
    if (!gemm_prepare())
        ctr_check_status(NN_NO_BLAS, "train");
    listeners_tell(&listeners, &(CtrEvent){.kind = CTR_EVENT_ENCODING});
    model = model_create(t);
    if (!trainable_labels(report, &t->counts, t->dataset))
        return NULL;
    model = model_fit(model, t->dataset, t->given, t->shared->pool, &listeners);
    if (model == NULL)
        return NULL;
    model->weights = weights_source(model, t->given);
    if (model_has_insight(model))
        insight_fit(model, t->dataset, t->shared->pool);
    training_close(PointerGetDatum(t));
    if (model->options.epochs > 0)
        model_time_text(GetCurrentTimestamp(), model->trained_at);
    else if (t->given)
        strlcpy(model->trained_at, t->given->trained_at, sizeof(model->trained_at));
    return model_pack(model, aggregate);
}

/* CREATE FUNCTION ctr_train_final(internal) RETURNS ctr_model */
PG_FUNCTION_INFO_V1(ctr_train_final);
Datum
ctr_train_final(PG_FUNCTION_ARGS)
{
    CtrTraining *t = PG_ARGISNULL(0) ? NULL : (CtrTraining *)PG_GETARG_POINTER(0);
    MemoryContext aggregate;

    if (!AggCheckCallContext(fcinfo, &aggregate))
        elog(ERROR, "ctr_train_final called in non-aggregate context");
    if (t == NULL) {
        training_warn_empty(fcinfo, "train on");
        PG_RETURN_NULL();
    }
    if (!t->finished) {
        CtrReport report;

        training_ends(t, &report, fcinfo);
        t->result = train(t, &report, aggregate);
        training_free(t);
    }
    if (t->result == NULL)
        PG_RETURN_NULL();
    PG_RETURN_MODEL_P(t->result);
}
