/*
 * fit.h: a training's epochs under way, for the files that share them: fit_start.c prepares them, fit.c runs
 * them, calibrate.c sees to it that probabilities hold, contest.c compares several settings of one training.
 */
#ifndef CTR_FIT_H
#define CTR_FIT_H

#include "train/train.h"
#include "nn/train/schedule.h"
#include "nn/math/metrics.h"

#include "portability/instr_time.h"

typedef struct CtrCalibration CtrCalibration; /* calibrate.c */

/* What the epochs need; all of it in one context. */
typedef struct CtrFit {
    MemoryContext context;
    CtrDataset *dataset;
    const CtrOptions *options;
    const CtrListeners *listeners;
    CtrModel *model;
    NnPool *pool;
    NnTrainer *trainer;
    MemoryContext trainer_context;
    NnSchedule schedule;
    NnAuc *auc;
    float *best; /* the parameters of the best epoch; NULL without validation rows */
    CtrEpoch best_metrics;
    float *logits;  /* [batch_size, n_classes] */
    int batch_size; /* not more than there are rows */
    int epoch;      /* the last one that ran; 0: none */
    int64 steps, steps_planned;
    int64 steps_before; /* of settings that were tried before this one */
    int epochs_before;  /* of trainings before on the same rows, which are taken in another order each time */
    int64 phase_start, phase_steps; /* of the epochs whose rate is one curve: steps before, and in them */
    bool all_rows; /* the rows that validated train, too: nothing can be validated any more */
    bool judging;  /* these epochs only tell what the setting is worth */
    bool cooled;   /* the epochs in which the rate falls have been */
    instr_time start;
    CtrCalibration *calibration; /* NULL: the recipe leaves probabilities as they come */
    double *least_loss;          /* [options->epochs]: of validation, up to each epoch before a cooldown */
    const struct CtrFit *rival;  /* the best setting so far, which this one must keep up with; NULL: none */
    bool behind;                 /* it did not */
    bool out_of_time, diverged;
} CtrFit;

/* ------------------------------------------------------------------ fit_start.c */

/* bytes of a training at its peak, besides its rows: parameters and copies, the optimizer, a batch */
Size fit_memory(const CtrModel *model, int rows, int threads);
/* Refuses a model that would be too large for a value before the work starts. */
void fit_check_size(const CtrModel *model, const CtrDataset *dataset, const NnPool *pool);
/*
 * Parameters to start from, and memory. start: of the whole training, whose time max_seconds limits. Error:
 * the training is too large for this machine.
 */
CtrFit *fit_create(CtrModel *model, CtrDataset *dataset, const CtrModel *given, NnPool *pool,
                   const CtrListeners *listeners, instr_time start);
/* Parameters to start from: fresh, or those of `given`, with rows for new categories. Serves interrupts. */
void model_start(CtrModel *model, const CtrModel *given, NnPool *pool);
/* The trainer, with optimizer state as for a first step; what there was before goes. */
void fit_renew_trainer(CtrFit *fit);
/* Frees the trainer: epochs follow only after fit_renew_trainer. */
void fit_end_trainer(CtrFit *fit);
/* The next so many epochs are the ones that the rate's curve runs over. */
void fit_begin_phase(CtrFit *fit, int epochs);
/* steps of an epoch over so many rows */
int64 fit_epoch_steps(const CtrFit *fit, int64 rows);

/* ------------------------------------------------------------------ fit.c */

/* The epochs that validation rows watch: all of them, but those of a cooldown that trains on these rows. */
void fit_run(CtrFit *fit);
/*
 * What validation rows say of the setting: figures of the epoch whose parameters would be the result. A
 * cooldown runs for it, without these rows among those that train; fit_finish runs another one with them.
 */
CtrEpoch fit_judge(CtrFit *fit);
/* The last epochs, and the parameters of the result. false: it has diverged, which is told. */
bool fit_finish(CtrFit *fit);
/* The batch's loss by the model as it is; logits go to fit->logits. Serves interrupts. */
double fit_evaluate(CtrFit *fit, const NnBatch *batch);
static inline bool
fit_has_best(const CtrFit *fit)
{
    return fit->best != NULL && fit->schedule.best_epoch > 0;
}

/* ------------------------------------------------------------------ calibrate.c */

/*
 * Makes a new network predict the labels' shares, nearly; class_weights [max(n_classes, 2)]: these are in
 * proportion to them.
 */
void calibrate_weights(CtrModel *model, const double *class_weights);
/*
 * Before the first epoch: the same by the dataset's labels, for a new network. given: the network comes from
 * a model, whose mean prediction counts beside the shares, unless it is a start: those have been made so.
 */
CtrCalibration *calibrate_start(CtrFit *fit, const CtrModel *given);
/* Training goes on from the parameters as they are, the last bias included. */
void calibrate_keep(CtrFit *fit);
/* After an epoch: moves the last bias until the mean prediction is the mean label. Serves interrupts. */
void calibrate_epoch(CtrFit *fit);
/* In a validation pass: takes notice of what the network predicts for the batch, fit->logits. */
void calibrate_validation(CtrFit *fit, const NnBatch *batch);
/* After the pass: this epoch is the best so far. */
void calibrate_best(CtrFit *fit);
/*
 * At the end, for the parameters of the result: makes a new network's logits smaller where rows of one label
 * are few, and moves the last bias again, by more rows and by what was missing where the best epoch's
 * parameters met rows that they had not seen.
 */
void calibrate_result(CtrFit *fit);
/* Before the next epoch: restores the last bias as training left it. */
void calibrate_undo(CtrFit *fit);

#endif /* CTR_FIT_H */
