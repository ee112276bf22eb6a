/*
 * history.c: a model's history: the epochs of its training, after those of the model that it went on from.
 * ctr_history shows them.
 */
#include "train/events.h"

CtrHistory
history_begin(CtrModel *model, const CtrModel *given)
{
    const int before = given ? given->n_epochs : 0;

    model->history = MemoryContextAllocZero(
        model->context, mul_size(sizeof(CtrEpoch), add_size(before, model->options.epochs)));
    if (before > 0)
        memcpy(model->history, given->history, sizeof(CtrEpoch) * before);
    model->n_epochs = before;
    model->best_epoch = given ? given->best_epoch : 0;
    return (CtrHistory){.model = model, .before = before};
}

void
history_hear(void *arg, const CtrEvent *event)
{
    const CtrHistory *history = arg;
    CtrModel *model = history->model;

    if (event->kind == CTR_EVENT_EPOCH_ENDS)
        model->history[model->n_epochs++] = *event->metrics;
    else if (event->kind == CTR_EVENT_TRAINED) {
        model->best_epoch = history->before + event->best_epoch;
        for (int i = 0; i < model->n_epochs; i++)
            model->history[i].is_best = i + 1 == model->best_epoch;
    }
}
