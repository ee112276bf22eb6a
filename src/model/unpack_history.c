/* unpack_history.c: reads the epochs of a model's training, and the settings that it has compared. */
#include "model/unpack.h"

#include <stdlib.h>

#include "miscadmin.h"

#include "model/tried.h"

/*
 * Accepts only the text that pack.c writes. The digest leaves the seconds out, and a strict form leaves
 * few files with the same digest.
 */
static bool
read_seconds(const char *text, CtrEpoch *history, int n)
{
    const Size stride = CTR_MODEL_SECONDS_WIDTH + 1;

    if (strlen(text) != (n == 0 ? 2 : n * stride + 1) || text[0] != '[' || text[strlen(text) - 1] != ']')
        return false;
    for (int i = 0; i < n; i++) {
        const char *field = text + 1 + i * stride;
        char digits[CTR_MODEL_SECONDS_WIDTH + 1], again[CTR_MODEL_SECONDS_WIDTH + 1];

        CHECK_FOR_INTERRUPTS();
        /* not strlcpy, which would measure the whole text each time */
        memcpy(digits, field, CTR_MODEL_SECONDS_WIDTH);
        digits[CTR_MODEL_SECONDS_WIDTH] = '\0';
        history[i].seconds = strtod(digits, NULL);
        snprintf(again, sizeof(again), "%*.6f", CTR_MODEL_SECONDS_WIDTH, history[i].seconds);
        if (strcmp(again, digits) != 0 || (i > 0 && field[-1] != ','))
            return false;
    }
    return true;
}

bool
unpack_tried(CtrUnpacker *u)
{
    const CtrJsonNode *tried;

    if (safetensors_entry(u->file, "candidates") == NULL)
        return true;
    tried = unpack_json(u, "candidates");
    return tried != NULL &&
           (tried_read(u->model, tried) ||
            safetensors_invalid(u->escontext, "metadata entry \"candidates\" is no list of settings"));
}

bool
unpack_history(CtrUnpacker *u)
{
    CtrModel *model = u->model;
    const CtrSafeTensor *tensor = safetensors_find(u->file, CTR_MODEL_HISTORY);
    int64 shape[] = {tensor != NULL ? tensor->shape[0] : 0, CTR_MODEL_EPOCH_MEMBERS};
    const char *seconds = unpack_entry(u, "epoch_seconds");
    double *rows;

    tensor = seconds != NULL ? unpack_tensor(u, CTR_MODEL_HISTORY, CTR_SAFE_F64, 2, shape) : NULL;
    if (tensor == NULL)
        return false;
    if (shape[0] > CTR_MODEL_EPOCHS_MOST)
        return safetensors_invalid(u->escontext, "it has " INT64_FORMAT " epochs, more than %d", shape[0],
                                   CTR_MODEL_EPOCHS_MOST);
    model->n_epochs = (int)shape[0];
    rows = palloc(Max(tensor->size, 1));
    safetensors_read(u->file, tensor, rows);
    model->history = MemoryContextAlloc(model->context, sizeof(CtrEpoch) * Max(model->n_epochs, 1));
    for (int i = 0; i < model->n_epochs; i++) {
        const double *row = rows + i * CTR_MODEL_EPOCH_MEMBERS;

        model->history[i] = (CtrEpoch){.train_loss = row[0],
                                       .train_auc = row[1],
                                       .val_loss = row[2],
                                       .val_auc = row[3],
                                       .learning_rate = row[4],
                                       .is_best = row[5] != 0};
    }
    return read_seconds(seconds, model->history, model->n_epochs) ||
           safetensors_invalid(u->escontext,
                               "metadata entry \"epoch_seconds\" has not one number for each of "
                               "%d epochs",
                               model->n_epochs);
}
