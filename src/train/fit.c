/*
 * fit.c: the epochs of a training: passes over the rows, what is best so far, when to stop. What happens is
 * told to listeners (events.h).
 *
 * The engine's threads work only during the engine's calls. So whatever ends a training, none of them is
 * working then.
 */
#include "train/fit.h"

#include <math.h>

#include "miscadmin.h"

static double
seconds_since(instr_time start)
{
    instr_time now;

    INSTR_TIME_SET_CURRENT(now);
    INSTR_TIME_SUBTRACT(now, start);
    return INSTR_TIME_GET_DOUBLE(now);
}

static void
tell(const CtrFit *fit, CtrEvent event)
{
    event.model = fit->model;
    event.dataset = fit->dataset;
    listeners_tell(fit->listeners, &event);
}

/* false: it has diverged, which is told */
static bool
check_loss(const CtrFit *fit, double loss, int epoch)
{
    if (isfinite(loss))
        return true;
    tell(fit, (CtrEvent){.kind = CTR_EVENT_DIVERGED, .epoch = epoch});
    return false;
}

/* Only models of one class have an AUC; the others are watched by their loss. */
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
            schedule_rate(&fit->schedule, (double)(fit->steps - fit->phase_start) / (double)fit->phase_steps);
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
        tell(fit, (CtrEvent){.kind = CTR_EVENT_BATCH_TRAINED,
                             .epoch = epoch,
                             .steps = fit->steps,
                             .steps_planned = fit->steps_planned,
                             .loss = loss / weight});
    }
    /* without weight if max_seconds ended the epoch before its first batch */
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
    if (fit->best == NULL || fit->all_rows)
        return;
    tell(fit, (CtrEvent){.kind = CTR_EVENT_VALIDATING});
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

/*
 * Runs one epoch: trains, validates, keeps the parameters if they are the best, tells. Returns whether
 * another epoch follows.
 */
static bool
run_epoch(CtrFit *fit, int epoch, CtrEpoch *e)
{
    NnNet *net = &fit->model->net;
    instr_time start;
    double metric;

    INSTR_TIME_SET_CURRENT(start);
    tell(fit, (CtrEvent){.kind = CTR_EVENT_EPOCH_BEGINS, .epoch = epoch});
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
    tell(fit, (CtrEvent){.kind = CTR_EVENT_EPOCH_ENDS,
                         .epoch = epoch,
                         .metrics = e,
                         .watches_auc = fit->schedule.maximize});
    if (fit->out_of_time) {
        tell(fit, (CtrEvent){.kind = CTR_EVENT_OUT_OF_TIME, .epoch = epoch});
        return false;
    }
    if (fit->best && !fit->schedule.cooling && epoch < fit->schedule.epochs &&
        schedule_stop(&fit->schedule, epoch)) {
        tell(fit, (CtrEvent){.kind = CTR_EVENT_STOPPED_EARLY,
                             .epoch = epoch,
                             .best_epoch = fit->schedule.best_epoch,
                             .watches_auc = fit->schedule.maximize});
        return false;
    }
    return true;
}

/*
 * Whether to watch val_auc. That cannot be if all validation rows have the same label, or if there are
 * several classes.
 */
static bool
monitor_auc(const CtrFit *fit)
{
    const int64 *class_rows = dataset_class_rows(fit->dataset, true);

    if (!fit->options->monitor_auc || fit->options->net.n_classes > 1 ||
        dataset_weight(fit->dataset, true) <= 0)
        return false;
    if (class_rows[0] > 0 && class_rows[1] > 0)
        return true;
    tell(fit, (CtrEvent){.kind = CTR_EVENT_NO_AUC, .only_label = class_rows[1] > 0});
    return false;
}

/*
 * For a training without a best epoch. With validation rows, the metric was never a number. Without
 * validation rows nothing has measured the weights after the last step (a step reports the loss before
 * it), so evaluate one training batch.
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

/* Runs epochs from the one after `epoch` to `last`, or fewer; returns the last that ran. */
static int
run_epochs(CtrFit *fit, int epoch, int last)
{
    bool more = true;

    while (more && epoch < last) {
        CtrEpoch metrics = {0};

        more = run_epoch(fit, ++epoch, &metrics);
    }
    return epoch;
}

static bool
has_best(const CtrFit *fit)
{
    return fit->best != NULL && fit->schedule.best_epoch > 0;
}

static void
restore_best(CtrFit *fit)
{
    ctr_copy(fit->model->params, fit->best, fit->model->net.n_block * sizeof(float));
}

/*
 * The cooldown goes on from the best epoch. The rows that chance held back have chosen it, and now train as
 * well; nothing measures the epochs that follow. Rows of a validation_column stay apart: a user may want to
 * score them as rows that the model has never seen.
 */
static void
begin_cooldown(CtrFit *fit, int epoch, int epochs)
{
    if (has_best(fit))
        restore_best(fit);
    if (fit->calibration)
        calibrate_keep(fit);
    fit_renew_trainer(fit);
    fit->all_rows = fit->best != NULL && fit->options->validation_column == NULL;
    if (fit->all_rows)
        dataset_train_all(fit->dataset);
    fit->schedule.cooling = true;
    fit_begin_phase(fit, epochs);
    fit->steps_planned = fit->steps + fit->phase_steps;
    tell(fit, (CtrEvent){.kind = CTR_EVENT_COOLDOWN,
                         .epoch = epoch,
                         .best_epoch = fit->schedule.best_epoch,
                         .all_rows = fit->all_rows});
}

/* The best epoch; the model's parameters are what the training gives. 0: it has diverged. */
static int
run_training(CtrFit *fit)
{
    const CtrOptions *options = fit->options;
    const int cooldown = schedule_cooldown_epochs(options->lr_schedule, options->epochs);
    int epoch;

    schedule_init(&fit->schedule, options->lr_schedule, monitor_auc(fit), options->learning_rate,
                  options->patience, options->epochs - cooldown);
    fit_begin_phase(fit, options->epochs - cooldown);
    epoch = run_epochs(fit, 0, options->epochs - cooldown);
    if (cooldown > 0 && !fit->diverged && !fit->out_of_time) {
        begin_cooldown(fit, epoch, cooldown);
        epoch = run_epochs(fit, epoch, epoch + cooldown);
    }
    if (fit->diverged)
        return 0;
    if (!has_best(fit))
        return check_last_step(fit, epoch) ? epoch : 0;
    if (!fit->all_rows || fit->out_of_time)
        restore_best(fit);
    return fit->schedule.best_epoch;
}

/*
 * A loss may be finite although a parameter is not: a running variance, by which evaluation divides. The
 * returned model must pass the check that a model from outside passes, or it could not be restored from a
 * dump. false: it does not, which is told.
 */
static bool
check_model(const CtrFit *fit)
{
    const char *fault = model_fault(fit->model);

    if (fault != NULL)
        tell(fit, (CtrEvent){.kind = CTR_EVENT_DIVERGED, .fault = fault});
    return fault == NULL;
}

/* The end of a training without epochs. */
static bool
finish_untrained(const CtrFit *fit)
{
    if (!check_model(fit))
        return false;
    tell(fit, (CtrEvent){.kind = CTR_EVENT_UNTRAINED});
    return true;
}

bool
model_fit(CtrModel *model, CtrDataset *dataset, const CtrModel *given, NnPool *pool,
          const CtrListeners *listeners)
{
    CtrFit *fit = fit_create(model, dataset, given, pool, listeners);
    const bool trains = fit->options->epochs > 0;
    int best_epoch;
    bool trained;

    tell(fit, (CtrEvent){.kind = CTR_EVENT_FIT_BEGINS});
    if (fit->options->recipe == CTR_RECIPE_ROBUST && (trains || given == NULL))
        fit->calibration = calibrate_start(fit, given != NULL);
    best_epoch = trains ? run_training(fit) : 0;
    tell(fit, (CtrEvent){.kind = CTR_EVENT_FINISHING});
    if (best_epoch > 0 && fit->calibration)
        calibrate_result(fit);
    trained = trains ? best_epoch > 0 && check_model(fit) : finish_untrained(fit);
    if (trained && trains)
        tell(fit, (CtrEvent){.kind = CTR_EVENT_TRAINED, .best_epoch = best_epoch});
    MemoryContextDelete(fit->context);
    return trained;
}
