/*
 * fit.c: the epochs of a training: parameters to start from, passes over the rows, what is best so far, when
 * to stop.
 *
 * The engine's threads work only inside of the engine's calls: whatever ends a training, none of them is at
 * work.
 */
#include "train/fit.h"

#include <math.h>

#include "common/shortest_dec.h"
#include "miscadmin.h"

static double
seconds_since(instr_time start)
{
    instr_time now;

    INSTR_TIME_SET_CURRENT(now);
    INSTR_TIME_SUBTRACT(now, start);
    return INSTR_TIME_GET_DOUBLE(now);
}

static void *
fit_alloc(CtrFit *fit, Size size)
{
    void *p = ctr_nn_alloc(fit->context).alloc(fit->context, size);

    if (p == NULL)
        ctr_check_status(NN_NO_MEMORY, "allocate the training's buffers");
    return p;
}

/* bytes whose hexadecimal form, with \\x before it, is a value still */
#define TEXT_LARGEST ((MaxAllocSize - 3) / 2)

/* A model too large for a value, or for this machine, is refused before the work starts. */
static void
check_sizes(CtrFit *fit)
{
    const NnNet *net = &fit->model->net;
    Size bytes = model_estimate(net, fit->model->encoder);
    Size tables = (net->n_trained - net->n_dense) * sizeof(float);
    Size memory = trainer_size(net, fit->batch_size, pool_threads(fit->pool));

    if (bytes > MaxAllocSize)
        ereport(
            ERROR,
            (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("the model would be too large"),
             errdetail("It would take %zu MB, of which %zu MB are embeddings; a value cannot pass 1024 MB.",
                       bytes >> 20, tables >> 20),
             tables > bytes / 2
                 ? errhint("Raise \"min_count\" to pool rare categories, or lower the embedding size.")
                 : errhint("Lower \"mlp_layers\" or other sizes of the network.")));
    if (bytes > TEXT_LARGEST)
        ereport(WARNING, (errmsg("the model may take %zu MB, too much for its text form", bytes >> 20),
                          errdetail("pg_dump and COPY in text format could not write it: they end at %zu MB.",
                                    TEXT_LARGEST >> 20),
                          errhint("COPY in binary format can.")));
    ereport(DEBUG1,
            (errmsg("ctr: model %zu kB, training memory %zu kB besides rows", bytes >> 10, memory >> 10)));
}

/* Too little memory: say how much would have been needed. */
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
                                  trainer_size(net, fit->batch_size, pool_threads(fit->pool)) >> 20),
                        errhint("Raise \"min_count\", or lower \"batch_size\" or the embedding size.")));
}

/* The parameters to start from: fresh, or the given model's with rows for new categories. */
static void
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

static CtrFit *
fit_create(CtrModel *model, CtrDataset *dataset, const CtrModel *given, NnPool *pool, const CtrReport *report)
{
    MemoryContext context = AllocSetContextCreate(model->context, "ctr fit", ALLOCSET_DEFAULT_SIZES);
    CtrFit *fit = MemoryContextAllocZero(context, sizeof(CtrFit));
    const CtrOptions *options = &model->options;
    NnHyper hyper = {
        .weight_decay = (float)options->weight_decay,
        .embedding_decay = (float)options->embedding_decay,
        .beta1 = 0.9f,
        .beta2 = 0.999f,
        .epsilon = 1e-8f,
        .clip_norm = (float)options->clip_norm,
        .mean_first = options->recipe == CTR_RECIPE_ROBUST,
        .seed = (uint64)options->seed,
    };
    int64 train_rows = dataset_rows(dataset, false);
    int64 most_rows = Max(train_rows, dataset_rows(dataset, true));

    fit->context = context;
    fit->batch_size = (int)Min(options->batch_size, most_rows);
    fit->dataset = dataset;
    fit->options = options;
    fit->report = report;
    fit->model = model;
    INSTR_TIME_SET_CURRENT(fit->start);
    fit->pool = pool;
    check_sizes(fit);
    model_start(model, given, fit->pool);
    check_memory(fit, trainer_create(&fit->trainer, &model->net, model->params, &hyper, fit->batch_size,
                                     fit->pool, ctr_nn_alloc(context)));
    fit->auc = auc_create(ctr_nn_alloc(context), most_rows);
    if (fit->auc == NULL)
        ctr_check_status(NN_NO_MEMORY, "allocate the metrics");
    if (dataset_weight(dataset, true) > 0)
        fit->best = fit_alloc(fit, mul_size(model->net.n_block, sizeof(float)));
    fit->logits = fit_alloc(fit, mul_size(mul_size(fit->batch_size, options->net.n_classes), sizeof(float)));
    fit->steps_planned = (train_rows + fit->batch_size - 1) / fit->batch_size * options->epochs;
    return fit;
}

/* false: it has diverged, which is reported */
static bool
check_loss(const CtrFit *fit, double loss, int epoch)
{
    if (isfinite(loss))
        return true;
    report_diverged(fit->report, fit->model, psprintf("the loss of epoch %d is not finite", epoch));
    return false;
}

/* One-class models have an AUC; others are watched by their loss. */
static void
add_scores(CtrFit *fit, const NnBatch *batch)
{
    if (fit->options->net.n_classes > 1)
        return;
    for (int i = 0; i < batch->rows; i++)
        auc_add(fit->auc, fit->logits[i], batch->label[i] > 0.5f, batch->weight ? batch->weight[i] : 1.0f);
}

static bool
time_is_up(const CtrFit *fit)
{
    return fit->options->max_seconds > 0 && seconds_since(fit->start) >= fit->options->max_seconds;
}

/* false: it has diverged */
static bool
train_pass(CtrFit *fit, int epoch, CtrEpoch *result)
{
    CtrDataset *dataset = fit->dataset;
    double loss = 0, weight = 0;
    NnBatch batch;

    auc_reset(fit->auc);
    dataset_start(dataset, false, epoch);
    for (dataset_next(dataset, &batch); batch.rows > 0 && !fit->out_of_time; dataset_next(dataset, &batch)) {
        double batch_loss;
        NnStatus status;

        result->learning_rate =
            schedule_rate(&fit->schedule, (double)fit->steps / (double)fit->steps_planned);
        do {
            CHECK_FOR_INTERRUPTS();
            status =
                trainer_step(fit->trainer, &batch, (float)result->learning_rate, &batch_loss, fit->logits);
        } while (status == NN_INTERRUPTED);
        ctr_check_status(status, "train");
        loss += batch_loss;
        for (int i = 0; i < batch.rows; i++)
            weight += batch.weight ? batch.weight[i] : 1.0;
        add_scores(fit, &batch);
        fit->steps++;
        fit->out_of_time = time_is_up(fit);
    }
    /* max_seconds may have ended it before a row that counts */
    result->train_loss = weight > 0 ? loss / weight : NAN;
    result->train_auc = fit->options->net.n_classes == 1 ? auc_value(fit->auc) : NAN;
    return check_loss(fit, loss, epoch);
}

double
fit_evaluate(CtrFit *fit, const NnBatch *batch)
{
    NnStatus status;
    double loss;

    do {
        CHECK_FOR_INTERRUPTS();
        status = trainer_evaluate(fit->trainer, batch, &loss, fit->logits);
    } while (status == NN_INTERRUPTED);
    ctr_check_status(status, "evaluate");
    return loss;
}

static void
validation_pass(CtrFit *fit, CtrEpoch *result)
{
    CtrDataset *dataset = fit->dataset;
    double loss = 0;
    NnBatch batch;

    result->val_loss = result->val_auc = NAN;
    if (fit->best == NULL)
        return;
    auc_reset(fit->auc);
    dataset_start(dataset, true, 0);
    for (dataset_next(dataset, &batch); batch.rows > 0; dataset_next(dataset, &batch)) {
        loss += fit_evaluate(fit, &batch);
        add_scores(fit, &batch);
    }
    result->val_loss = loss / dataset_weight(dataset, true);
    result->val_auc = fit->options->net.n_classes == 1 ? auc_value(fit->auc) : NAN;
}

/* Brings the parameters up to date with every step, so that they can be read. */
static void
sync_parameters(CtrFit *fit)
{
    NnStatus status;

    do {
        CHECK_FOR_INTERRUPTS();
        status = trainer_sync(fit->trainer);
    } while (status == NN_INTERRUPTED);
    ctr_check_status(status, "update the embeddings");
}

/* One epoch: train, validate, remember the best, tell. Returns whether to go on. */
static bool
run_epoch(CtrFit *fit, int epoch, CtrEpoch *e)
{
    NnNet *net = &fit->model->net;
    instr_time start;
    double metric;

    INSTR_TIME_SET_CURRENT(start);
    if (fit->calibration)
        calibrate_undo(fit);
    fit->diverged = !train_pass(fit, epoch, e);
    if (fit->diverged)
        return false;
    sync_parameters(fit);
    if (fit->calibration)
        calibrate_epoch(fit);
    validation_pass(fit, e);
    e->seconds = seconds_since(start);
    metric = fit->schedule.maximize ? e->val_auc : e->val_loss;
    if (fit->best) {
        e->is_best = schedule_report(&fit->schedule, epoch, metric);
        if (e->is_best)
            ctr_copy(fit->best, fit->model->params, net->n_block * sizeof(float));
    }
    report_epoch(fit->report, epoch, e);
    if (fit->out_of_time) {
        report_notice(fit->report, "stopped after max_seconds = %s in epoch %d/%d",
                      double_to_shortest_decimal(fit->options->max_seconds), epoch, fit->options->epochs);
        return false;
    }
    if (fit->best && epoch < fit->options->epochs && schedule_stop(&fit->schedule, epoch)) {
        report_notice(fit->report, "stopped early: %s has not improved for %d epochs, the best was epoch %d",
                      fit->schedule.maximize ? "val_auc" : "val_loss", fit->options->patience,
                      fit->schedule.best_epoch);
        return false;
    }
    return true;
}

/* AUC cannot be watched where validation rows are all of one class, or where there are several classes. */
static bool
monitor_auc(const CtrFit *fit)
{
    const int64 *class_rows = dataset_class_rows(fit->dataset, true);

    if (!fit->options->monitor_auc || fit->options->net.n_classes > 1 ||
        dataset_weight(fit->dataset, true) <= 0)
        return false;
    if (class_rows[0] > 0 && class_rows[1] > 0)
        return true;
    report_notice(fit->report, "all validation rows have label %d: watching val_loss instead of val_auc",
                  class_rows[1] > 0);
    return false;
}

/*
 * Of a training without a best epoch. With validation rows, their metric was never a number. Without, no loss
 * has seen what the last step left, because a step's loss is that before the step: a batch of training rows
 * tells.
 */
static bool
check_last_step(CtrFit *fit, int epoch)
{
    NnBatch batch;

    if (fit->best)
        return check_loss(fit, NAN, epoch);
    dataset_start(fit->dataset, false, 0);
    dataset_next(fit->dataset, &batch);
    return check_loss(fit, fit_evaluate(fit, &batch), epoch);
}

/* false: it has diverged */
static bool
run_epochs(CtrFit *fit)
{
    const CtrOptions *options = fit->options;
    CtrModel *model = fit->model;
    int before = model->n_epochs;

    schedule_init(&fit->schedule, options->lr_schedule, monitor_auc(fit), options->learning_rate,
                  options->patience, options->epochs);
    for (int epoch = 1; epoch <= options->epochs; epoch++) {
        CtrEpoch *e = &model->history[model->n_epochs++];

        if (!run_epoch(fit, epoch, e))
            break;
    }
    if (fit->diverged)
        return false;
    if (fit->best && fit->schedule.best_epoch > 0) {
        ctr_copy(model->params, fit->best, model->net.n_block * sizeof(float));
        model->best_epoch = before + fit->schedule.best_epoch;
    } else {
        if (!check_last_step(fit, model->n_epochs - before))
            return false;
        model->best_epoch = model->n_epochs;
    }
    for (int i = 0; i < model->n_epochs; i++)
        model->history[i].is_best = i + 1 == model->best_epoch;
    return true;
}

/*
 * A loss may be finite where a parameter is not: a running variance, by which evaluation divides. What is
 * returned passes the check of what comes from outside, or could not be restored. false: it does not, which
 * is reported.
 */
static bool
check_model(const CtrFit *fit)
{
    const char *fault = model_fault(fit->model);

    if (fault != NULL)
        report_diverged(fit->report, fit->model, fault);
    return fault == NULL;
}

bool
model_fit(CtrModel *model, CtrDataset *dataset, const CtrModel *given, NnPool *pool, const CtrReport *report)
{
    CtrFit *fit = fit_create(model, dataset, given, pool, report);
    bool trained;

    report_rows(report, model);
    if (fit->options->recipe == CTR_RECIPE_ROBUST)
        fit->calibration = calibrate_start(fit, given != NULL);
    trained = run_epochs(fit) && check_model(fit);
    if (trained && fit->best)
        report_no_better(report, model, model->history[model->best_epoch - 1].val_loss,
                         dataset_class_weights(dataset, true));
    MemoryContextDelete(fit->context);
    return trained;
}
