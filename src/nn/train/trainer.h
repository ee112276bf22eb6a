/*
 * trainer.h: one training step and one evaluation.
 */
#ifndef NN_TRAINER_H
#define NN_TRAINER_H

#include "nn/net/net.h"

typedef struct NnBatch {
    int rows;
    const float *x_num;   /* [rows, n_num] */
    const int32_t *x_cat; /* [n_cat, ld_cat] */
    size_t ld_cat;
    const float *label;  /* [rows] */
    const float *weight; /* [rows], or NULL: all 1 */
    double mean_weight;  /* of all training rows; where `weight` is NULL it is not read */
} NnBatch;

typedef struct NnHyper {
    float weight_decay;    /* L2 on dense parameters */
    float embedding_decay; /* L2 on tables, also on the rows that a batch does not touch */
    float beta1, beta2, epsilon;
    float clip_norm; /* largest norm of the whole gradient; 0 = no clipping */
    /*
     * Running statistics are the plain mean of the first batches' until it forgets as slowly as the
     * exponential one; and the variance keeps out of batches whose rows are alike. Else that starts from 0
     * and 1, as PyTorch's does, of which much is left after few steps.
     */
    bool mean_first;
    uint64_t seed;
} NnHyper;

typedef struct NnTrainer NnTrainer;

/* bytes that trainer_create will ask for */
size_t trainer_size(const NnNet *net, int batch_size, int threads);
/* params: the block to train, net->n_block floats, owned by the caller, initialised */
NnStatus trainer_create(NnTrainer **trainer, const NnNet *net, float *params, const NnHyper *hyper,
                        int batch_size, NnPool *pool, NnAlloc alloc);
/*
 * One Adam step along the gradient of: sum over rows of weight * loss / (rows * mean_weight). A row counts as
 * its weight says, not as those that it happens to be with. loss: sum over rows of weight * loss; logits:
 * [rows, n_classes], may be NULL. NN_INTERRUPTED: not all of it is done, call again with the same arguments
 * before any other function.
 */
NnStatus trainer_step(NnTrainer *t, const NnBatch *batch, float learning_rate, double *loss, float *logits);
/*
 * Replays on table rows the steps that did not touch them, so that the block equals what dense Adam would
 * give. Needed before the block is read as a whole (evaluation, saving). Can be interrupted and called again.
 */
NnStatus trainer_sync(NnTrainer *t);
/* Forward pass in evaluation mode over any number of rows <= batch_size. */
NnStatus trainer_evaluate(NnTrainer *t, const NnBatch *batch, double *loss, float *logits);
int64_t trainer_steps(const NnTrainer *t);

/*
 * for tests: forward and backward in training mode without an update; grads [n_trained], tables included,
 * dense
 */
NnStatus trainer_gradients(NnTrainer *t, const NnBatch *batch, double *loss, float *logits, float *grads);

#endif /* NN_TRAINER_H */
