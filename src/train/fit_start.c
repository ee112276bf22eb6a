/*
 * fit_start.c: what the epochs need before the first one: a model that is not too large, parameters to start
 * from, and memory.
 */
#include "train/fit.h"

#include "miscadmin.h"

/* Between the seeds of trainings that go on from one another on a shared encoder: any large odd number. */
#define SEED_STEP UINT64CONST(0x9e3779b97f4a7c15)

static void *
fit_alloc(CtrFit *fit, Size size)
{
    void *p = ctr_nn_alloc(fit->context).alloc(fit->context, size);

    if (p == NULL)
        ctr_check_status(NN_NO_MEMORY, "allocate the training's buffers");
    return p;
}

/* not more than there are rows */
static int
batch_rows(const CtrModel *model, const CtrDataset *dataset)
{
    return (int)Min(model->options.batch_size,
                    Max(dataset_rows(dataset, false), dataset_rows(dataset, true)));
}

/* The parameters, and those of the best epoch; both twice where settings are compared. */
Size
fit_memory(const CtrModel *model, int rows, int threads)
{
    const Size parameters = model->net.n_block * sizeof(float);
    const Size kept = model->options.candidates > 1 ? 4 : 2;

    return kept * parameters + trainer_size(&model->net, rows, threads);
}

void
fit_check_size(const CtrModel *model, const CtrDataset *dataset, const NnPool *pool)
{
    const NnNet *net = &model->net;
    Size bytes = model_estimate(net, model->encoder);
    Size tables = (net->n_trained - net->n_dense) * sizeof(float);
    Size memory = fit_memory(model, batch_rows(model, dataset), pool_threads(pool));

    if (bytes > MaxAllocSize)
        ereport(
            ERROR,
            (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("the model would be too large"),
             errdetail("It would take %zu MB, of which %zu MB are embeddings; a value cannot pass 1024 MB.",
                       bytes >> 20, tables >> 20),
             tables > bytes / 2
                 ? errhint("Raise \"min_count\" to pool rare categories, or lower the embedding size.")
                 : errhint("Lower \"mlp_layers\" or other sizes of the network.")));
    if (bytes > CTR_MODEL_TEXT_LARGEST)
        ereport(WARNING,
                (errmsg("the model may take %zu MB, too much for its text form", bytes >> 20),
                 errdetail("pg_dump and COPY in text format could not write it: they end at %zu MB.",
                           CTR_MODEL_TEXT_LARGEST >> 20),
                 errhint("COPY in binary format can; for pg_dump there are parts, by ctr_chunks(model).")));
    ereport(DEBUG1,
            (errmsg("ctr: model %zu kB, training memory %zu kB besides rows", bytes >> 10, memory >> 10)));
}

/* Raises the error of a failed trainer_create; if memory is out, it says how much would have been needed. */
static void
check_memory(const CtrFit *fit, NnStatus status)
{
    const NnNet *net = &fit->model->net;

    if (status != NN_NO_MEMORY)
        ctr_check_status(status, "set up the training");
    else
        ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"),
                        errdetail("The model has %zu MB of parameters; training it needs %zu MB.",
                                  (net->n_block * sizeof(float)) >> 20,
                                  fit_memory(fit->model, fit->batch_size, pool_threads(fit->pool)) >> 20),
                        errhint("Raise \"min_count\", or lower \"batch_size\" or the embedding size.")));
}

void
model_start(CtrModel *model, const CtrModel *given, NnPool *pool)
{
    NnStatus status;
    Size size = mul_size(model->net.n_block, sizeof(float));

    model->params = ctr_nn_alloc(model->context).alloc(model->context, size);
    if (model->params == NULL)
        ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"),
                        errdetail("The model has %zu MB of parameters.", size >> 20)));
    do {
        CHECK_FOR_INTERRUPTS();
        status = net_init(&model->net, model->params, (float)model->options.embedding_init,
                          (uint64)model->options.seed, pool);
    } while (status == NN_INTERRUPTED);
    if (given)
        net_take_over(&model->net, model->params, &given->net, given->params, CTR_CODE_UNSEEN, ctr_pause);
}

void
fit_renew_trainer(CtrFit *fit)
{
    const CtrOptions *options = fit->options;
    NnHyper hyper = {
        .weight_decay = (float)options->weight_decay,
        .embedding_decay = (float)options->embedding_decay,
        .beta1 = 0.9f,
        .beta2 = 0.999f,
        .epsilon = 1e-8f,
        .clip_norm = (float)options->clip_norm,
        .mean_first = options->recipe == CTR_RECIPE_ROBUST,
        .seed = (uint64)options->seed + (uint64)fit->epochs_before * SEED_STEP,
    };

    if (fit->trainer_context)
        MemoryContextReset(fit->trainer_context);
    else
        fit->trainer_context = AllocSetContextCreate(fit->context, "ctr trainer", ALLOCSET_DEFAULT_SIZES);
    check_memory(fit, trainer_create(&fit->trainer, &fit->model->net, fit->model->params, &hyper,
                                     fit->batch_size, fit->pool, ctr_nn_alloc(fit->trainer_context)));
}

void
fit_end_trainer(CtrFit *fit)
{
    MemoryContextReset(fit->trainer_context);
    fit->trainer = NULL;
}

int64
fit_epoch_steps(const CtrFit *fit, int64 rows)
{
    return (rows + fit->batch_size - 1) / fit->batch_size;
}

void
fit_begin_phase(CtrFit *fit, int epochs)
{
    fit->phase_start = fit->steps;
    fit->phase_steps = fit_epoch_steps(fit, dataset_rows(fit->dataset, false)) * epochs;
}

CtrFit *
fit_create(CtrModel *model, CtrDataset *dataset, const CtrModel *given, NnPool *pool,
           const CtrListeners *listeners, instr_time start)
{
    MemoryContext context = AllocSetContextCreate(model->context, "ctr fit", ALLOCSET_DEFAULT_SIZES);
    CtrFit *fit = MemoryContextAllocZero(context, sizeof(CtrFit));
    const CtrOptions *options = &model->options;

    fit->context = context;
    fit->batch_size = batch_rows(model, dataset);
    fit->dataset = dataset;
    fit->options = options;
    fit->listeners = listeners;
    fit->model = model;
    fit->start = start;
    fit->pool = pool;
    if (given && given->encoder->shared)
        fit->epochs_before = given->n_epochs;
    model_start(model, given, fit->pool);
    fit_renew_trainer(fit);
    fit->auc = auc_create(ctr_nn_alloc(context), dataset_rows(dataset, false) + dataset_rows(dataset, true));
    if (fit->auc == NULL)
        ctr_check_status(NN_NO_MEMORY, "allocate the metrics");
    if (dataset_weight(dataset, true) > 0) {
        fit->best = fit_alloc(fit, mul_size(model->net.n_block, sizeof(float)));
        fit->least_loss = fit_alloc(fit, mul_size(Max(options->epochs, 1), sizeof(double)));
    }
    fit->logits = fit_alloc(fit, mul_size(mul_size(fit->batch_size, options->net.n_classes), sizeof(float)));
    fit_begin_phase(fit, options->epochs);
    fit->steps_planned = fit->phase_steps;
    return fit;
}
