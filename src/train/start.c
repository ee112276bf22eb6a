/*
 * start.c: the model that trainings on parts of a table begin with: the encoder that was merged, and weights
 * from the seed, as a training on all rows would start.
 */
#include "train/fit.h"
#include "train/prepare.h"

#include "encode/encoder.h"
#include "threads.h"

/* Rows of one label teach nothing. */
static void
check_labels(const CtrModel *model)
{
    int seen = 0, last = 0;

    for (int k = 0; k < Max(model->options.net.n_classes, 2); k++) {
        if (model->label_rows[k] > 0) {
            seen++;
            last = k;
        }
    }
    if (seen < 2)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("label column \"%s\" has no other value than %d", model->options.label, last),
                        errdetail("The parts have " INT64_FORMAT
                                  " training rows; a model needs at least two classes to learn from.",
                                  model->train_rows)));
}

void
start_create(CtrModel *model)
{
    NnPool *pool = threads_create_pool(CurrentMemoryContext, threads_count(model->options.threads));
    const char *fault;

    check_labels(model);
    if (model->encoder->n_statistics > 0)
        encoder_fit_statistics(model->encoder, NULL);
    model->stage = CTR_STAGE_MODEL;
    model->weights = CTR_WEIGHTS_INITIAL;
    model->encoder->shared = true;
    model->code_rows = model_create_code_rows(model);
    model_create_net(model, NULL);
    insight_create(model);
    model_start(model, NULL, pool);
    if (model->options.recipe == CTR_RECIPE_ROBUST)
        calibrate_weights(model, model->prepared.class_weights);
    fault = model_fault(model);
    if (fault != NULL)
        ereport(ERROR,
                (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE), errmsg("the parts give no model: %s", fault)));
}
