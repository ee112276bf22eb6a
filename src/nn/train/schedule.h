/*
 * schedule.h: how many rows a step has, its learning rate, and when to stop.
 */
#ifndef NN_SCHEDULE_H
#define NN_SCHEDULE_H

#include "nn/nn.h"

typedef enum NnScheduleKind { NN_CONSTANT, NN_COSINE, NN_PLATEAU, NN_COOLDOWN } NnScheduleKind;

#define NN_COOLDOWN_EPOCHS 1
#define NN_GAIN_LEAST      1e-3

typedef struct NnSchedule {
    NnScheduleKind kind;
    bool maximize;          /* monitor: AUC up, or loss down */
    double base_rate, rate; /* learning rate at the start, now */
    int patience;           /* epochs without improvement before stopping */
    int epochs;             /* at most */
    double best;            /* of the monitored metric so far */
    int best_epoch;         /* 1-based; 0 = none */
    double gained;          /* the metric by which later epochs gain enough, or not */
    int gain_epoch;         /* the last one that did; 0 = none */
    bool cooling;           /* NN_COOLDOWN: the rate has begun to fall */
} NnSchedule;

void schedule_init(NnSchedule *s, NnScheduleKind kind, bool maximize, double rate, int patience, int epochs);
/* How many of so many epochs are left for the end, in which NN_COOLDOWN's rate falls; 0 for other kinds. */
int schedule_cooldown_epochs(NnScheduleKind kind, int epochs);
/*
 * The rate of the next step; progress: steps done / steps of all epochs, in [0, 1]; while cooling, of these.
 * NN_COSINE: falls from the full rate to 0 along half a cosine wave, without warm-up. NN_PLATEAU: halves
 * after every epoch that did not improve the metric. NN_COOLDOWN: stays until s->cooling, then falls to 0 in
 * a straight line.
 */
double schedule_rate(const NnSchedule *s, double progress);
/*
 * Rows of the next batch of a pass that has `left` rows to come. Where the last batch would have less than
 * half of the rows of a batch, the last two share theirs: batch normalisation would take the few for all.
 */
int schedule_batch_rows(int64_t left, int batch_size);
/* Tells it of an epoch's metric; NaN never is best. Returns whether this epoch is the best so far. */
bool schedule_report(NnSchedule *s, int epoch, double metric);
/*
 * true after the last epoch, and when the last `patience` epochs (0: any number) brought nothing better.
 * Where a cooldown follows, a loss that falls by less than NN_GAIN_LEAST of itself is not enough: the
 * cooldown gains more.
 */
bool schedule_stop(const NnSchedule *s, int epoch);

#endif /* NN_SCHEDULE_H */
