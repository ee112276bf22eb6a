/*
 * events.h: what happens in a training, and who is told of it. train.c, contest.c and fit.c tell; the model's
 * history (history.c), the NOTICEs (report.c) and the progress that other sessions see (progress.c) listen.
 */
#ifndef CTR_EVENTS_H
#define CTR_EVENTS_H

#include "model/model.h"

typedef enum CtrEventKind {
    CTR_EVENT_ROWS_READ,     /* skipped, weightless */
    CTR_EVENT_ENCODING,      /* the encoder is fitted, then all rows are written as the network's inputs */
    CTR_EVENT_FIT_BEGINS,    /* from here on there are a model and encoded rows */
    CTR_EVENT_NO_AUC,        /* only_label; the loss is watched where val_auc should have been */
    CTR_EVENT_EPOCH_BEGINS,  /* epoch */
    CTR_EVENT_BATCH_TRAINED, /* epoch, steps, steps_planned, loss */
    CTR_EVENT_VALIDATING,    /* where there are validation rows */
    CTR_EVENT_EPOCH_ENDS,    /* epoch, metrics, watches_auc; is_best: better than all before */
    CTR_EVENT_OUT_OF_TIME,   /* epoch: the last one, ended by max_seconds */
    CTR_EVENT_STOPPED_EARLY, /* epoch, best_epoch, watches_auc */
    CTR_EVENT_COOLDOWN,      /* epoch: the last one; best_epoch, from which the next go on, or 0; all_rows */
    CTR_EVENT_CHOSEN,        /* of several settings, that of model; epoch: its best; metrics, watches_auc */
    CTR_EVENT_FINISHING,     /* no epoch follows */
    CTR_EVENT_DIVERGED,      /* epoch, whose loss is not finite; or fault: what is wrong with the model */
    CTR_EVENT_TRAINED,       /* best_epoch: the model is that of this epoch */
    CTR_EVENT_UNTRAINED      /* epochs is 0: the model's weights are those that it began with */
} CtrEventKind;

/* Epochs are those of this training, from 1. The comments above say what is set. */
typedef struct CtrEvent {
    CtrEventKind kind;
    const CtrModel *model;            /* NULL before CTR_EVENT_FIT_BEGINS */
    const struct CtrDataset *dataset; /* the same */
    int64 skipped, weightless;        /* rows left out: label NULL, weight 0 */
    int epoch, best_epoch;
    int64 steps, steps_planned; /* batches trained, and how many there would be in all epochs */
    double loss;                /* per row, the mean of this epoch's batches so far */
    const CtrEpoch *metrics;
    bool trial;       /* in a setting, or in epochs, that are there to be compared with others */
    bool watches_auc; /* else the loss */
    bool all_rows;    /* validation rows train, too */
    int only_label;   /* of all validation rows */
    const char *fault;
} CtrEvent;

/* hear may raise an error, which ends the training. What an event points to is good for the call. */
typedef struct CtrListener {
    void (*hear)(void *arg, const CtrEvent *event);
    void *arg;
} CtrListener;

#define CTR_LISTENERS_MOST 4

/* They hear of an event in the order in which they were added. Zeroed to begin with. */
typedef struct CtrListeners {
    int n;
    CtrListener items[CTR_LISTENERS_MOST];
} CtrListeners;

void listeners_add(CtrListeners *listeners, void (*hear)(void *arg, const CtrEvent *event), void *arg);
void listeners_tell(const CtrListeners *listeners, const CtrEvent *event);

/* ------------------------------------------------------------------ history.c */

/* Listens, and adds the epochs to the model's history. */
typedef struct CtrHistory {
    CtrModel *model;
    int before; /* epochs of the model to go on from, which come first in the history */
} CtrHistory;

/* Makes room in the model for the epochs of its training. given: the model to go on from, or NULL */
CtrHistory history_begin(CtrModel *model, const CtrModel *given);
void history_hear(void *history, const CtrEvent *event);

#endif /* CTR_EVENTS_H */
