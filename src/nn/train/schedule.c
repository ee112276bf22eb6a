/*
 * schedule.c: the rows of a step, the learning rate over time, which epoch is the best, and when to stop.
 * Early stopping as in the reference's training loop: the first of equally good epochs is the best.
 */
#include "nn/train/schedule.h"

#include <math.h>

#define PLATEAU_FACTOR 0.5

int
schedule_batch_rows(int64_t left, int batch_size)
{
    if (left <= batch_size)
        return (int)left;
    return 2 * (left - batch_size) < batch_size ? (int)((left + 1) / 2) : batch_size;
}

void
schedule_init(NnSchedule *s, NnScheduleKind kind, bool maximize, double rate, int patience, int epochs)
{
    *s = (NnSchedule){
        .kind = kind,
        .maximize = maximize,
        .base_rate = rate,
        .rate = rate,
        .patience = patience,
        .epochs = epochs,
        .best = NAN,
    };
}

int
schedule_cooldown_epochs(NnScheduleKind kind, int epochs)
{
    if (kind != NN_COOLDOWN)
        return 0;
    return epochs > NN_COOLDOWN_EPOCHS ? NN_COOLDOWN_EPOCHS : epochs - 1;
}

double
schedule_rate(const NnSchedule *s, double progress)
{
    if (s->kind == NN_COSINE)
        return s->base_rate * 0.5 * (1 + cos(acos(-1) * fmin(fmax(progress, 0), 1)));
    return s->cooling ? s->rate * (1 - fmin(fmax(progress, 0), 1)) : s->rate;
}

static bool
is_better(const NnSchedule *s, double metric, double than)
{
    return s->maximize ? metric > than : metric < than;
}

bool
schedule_report(NnSchedule *s, int epoch, double metric)
{
    const double least = s->kind == NN_COOLDOWN && !s->maximize ? NN_GAIN_LEAST : 0;

    if (!isnan(metric) && (s->gain_epoch == 0 || is_better(s, metric, s->gained * (1 - least)))) {
        s->gained = metric;
        s->gain_epoch = epoch;
    }
    if (!isnan(metric) && (s->best_epoch == 0 || is_better(s, metric, s->best))) {
        s->best = metric;
        s->best_epoch = epoch;
        return true;
    }
    if (s->kind == NN_PLATEAU)
        s->rate *= PLATEAU_FACTOR;
    return false;
}

bool
schedule_stop(const NnSchedule *s, int epoch)
{
    return epoch >= s->epochs || (s->patience > 0 && epoch - s->gain_epoch >= s->patience);
}
