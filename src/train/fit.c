/*
 * fit.c: the epochs of a training, in one setting: passes over the rows, what is best so far, when to stop.
 * What happens is told to listeners (events.h).
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
    dataset_start(dataset, false, (uint64)fit->epochs_before + (uint64)epoch);
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
                             .steps = fit->steps_before + fit->steps,
                             .steps_planned = fit->steps_before + fit->steps_planned,
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
        if (fit->calibration)
            calibrate_validation(fit, &batch);
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

/* How much worse than the best setting so far one may validate, and from which epoch on that is asked. */
#define BEHIND_PART  0.02
#define BEHIND_EPOCH 3

/*
 * Keeps the least loss after each epoch. Is the setting so far behind another one at the same epoch that it
 * need not be trained to its end?
 */
static bool
falls_behind(CtrFit *fit, double val_loss)
{
    const CtrFit *rival = fit->rival;
    double *least = &fit->least_loss[fit->epoch - 1];

    *least = fit->epoch > 1 ? fmin(least[-1], val_loss) : val_loss;
    return rival != NULL && fit->epoch >= BEHIND_EPOCH &&
           *least > (1 + BEHIND_PART) * rival->least_loss[Min(fit->epoch, rival->epoch) - 1];
}

static void
keep_best(CtrFit *fit, const CtrEpoch *e)
{
    ctr_copy(fit->best, fit->model->params, fit->model->net.n_block * sizeof(float));
    fit->best_metrics = *e;
    if (fit->calibration)
        calibrate_best(fit);
}

/*
 * Runs one epoch: trains, validates, keeps the parameters if they are the best, tells. Returns whether
 * another epoch follows.
 */
static bool
run_epoch(CtrFit *fit, int epoch, CtrEpoch *e)
{
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
    if (fit->best && !fit->judging) {
        e->is_best = schedule_report(&fit->schedule, epoch, metric);
        if (e->is_best)
            keep_best(fit, e);
    }
    tell(fit, (CtrEvent){.kind = CTR_EVENT_EPOCH_ENDS,
                         .epoch = epoch,
                         .metrics = e,
                         .watches_auc = fit->schedule.maximize});
    if (fit->out_of_time) {
        tell(fit, (CtrEvent){.kind = CTR_EVENT_OUT_OF_TIME, .epoch = epoch});
        return false;
    }
    if (fit->best && !fit->schedule.cooling && falls_behind(fit, e->val_loss)) {
        fit->behind = true;
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

/* Runs so many epochs, or fewer. */
static void
run_epochs(CtrFit *fit, int epochs, CtrEpoch *last)
{
    const int end = fit->epoch + epochs;
    bool more = true;

    while (more && fit->epoch < end) {
        *last = (CtrEpoch){0};
        more = run_epoch(fit, ++fit->epoch, last);
    }
}

static void
restore_best(CtrFit *fit)
{
    ctr_copy(fit->model->params, fit->best, fit->model->net.n_block * sizeof(float));
}

static int
cooldown_epochs(const CtrFit *fit)
{
    return schedule_cooldown_epochs(fit->options->lr_schedule, fit->options->epochs);
}

void
fit_run(CtrFit *fit)
{
    const CtrOptions *options = fit->options;
    const int epochs = options->epochs - cooldown_epochs(fit);
    CtrEpoch last;

    schedule_init(&fit->schedule, options->lr_schedule, monitor_auc(fit), options->learning_rate,
                  options->patience, epochs);
    fit_begin_phase(fit, epochs);
    run_epochs(fit, epochs, &last);
}

/*
 * The cooldown goes on from the best epoch. The rows that chance held back have chosen it, and now train as
 * well, but where they are to judge what comes out; nothing measures the epochs that follow. Rows of a
 * validation_column stay apart: a user may want to score them as rows that the model has never seen.
 */
static void
cool_down(CtrFit *fit, bool all_rows, CtrEpoch *last)
{
    const int epoch = fit->epoch;

    if (fit_has_best(fit))
        restore_best(fit);
    if (fit->calibration)
        calibrate_keep(fit);
    fit_renew_trainer(fit);
    fit->all_rows = all_rows;
    if (all_rows)
        dataset_train_all(fit->dataset);
    fit->schedule.cooling = true;
    fit_begin_phase(fit, cooldown_epochs(fit));
    fit->steps_planned = fit->steps + fit->phase_steps;
    tell(fit, (CtrEvent){.kind = CTR_EVENT_COOLDOWN,
                         .epoch = epoch,
                         .best_epoch = fit->schedule.best_epoch,
                         .all_rows = all_rows});
    run_epochs(fit, cooldown_epochs(fit), last);
    fit->cooled = !fit->judging;
}

CtrEpoch
fit_judge(CtrFit *fit)
{
    const int epoch = fit->epoch;
    CtrEpoch judged = {.val_loss = NAN, .val_auc = NAN};

    if (cooldown_epochs(fit) == 0 || fit->out_of_time)
        return fit->best_metrics;
    fit->judging = fit->options->validation_column == NULL;
    cool_down(fit, false, &judged);
    if (!fit->judging)
        return fit->best_metrics;
    fit->judging = fit->schedule.cooling = false;
    fit->epoch = epoch;
    if (fit->diverged)
        judged.val_loss = judged.val_auc = NAN;
    fit->diverged = false; /* if this is the result, the same happens again, and then counts */
    return judged;
}

/* The best epoch; the model's parameters are what the training gives. 0: it has diverged. */
static int
end_epochs(CtrFit *fit)
{
    CtrEpoch last;

    if (cooldown_epochs(fit) > 0 && !fit->cooled && !fit->diverged && !fit->out_of_time)
        cool_down(fit, fit->best != NULL && fit->options->validation_column == NULL, &last);
    if (fit->diverged)
        return 0;
    if (!fit_has_best(fit))
        return check_last_step(fit, fit->epoch) ? fit->epoch : 0;
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
fit_finish(CtrFit *fit)
{
    const bool trains = fit->options->epochs > 0;
    const int best_epoch = trains ? end_epochs(fit) : 0;

    tell(fit, (CtrEvent){.kind = CTR_EVENT_FINISHING});
    if (!trains)
        return finish_untrained(fit);
    if (best_epoch == 0)
        return false;
    if (fit->trainer == NULL)
        fit_renew_trainer(fit);
    if (fit->calibration)
        calibrate_result(fit);
    if (!check_model(fit))
        return false;
    tell(fit, (CtrEvent){.kind = CTR_EVENT_TRAINED, .best_epoch = best_epoch});
    return true;
}
