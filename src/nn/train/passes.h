/*
 * passes.h: what a trainer keeps, shared by trainer.c (steps, updates, evaluation) and passes.c (batches
 * through the layers). Private to these two.
 */
#ifndef NN_PASSES_H
#define NN_PASSES_H

#include "nn/train/adam.h"

/*
 * Layers [forward, forward_end), then forward_stats of `stats`; on the way back [backward_end, backward)
 * descending.
 */
typedef struct NnPass {
    int forward, forward_end;
    int forward_stats; /* layer, or -1 */
    bool turn;         /* the loss is in this pass */
    int backward, backward_end;
    int backward_stats; /* layer, or -1 */
} NnPass;

struct NnTrainer {
    const NnNet *net;
    NnPool *pool;
    float *params;
    NnHyper hyper;
    int batch_size;
    size_t capacity; /* rows for which there is room in tensors */
    NnAdam adam;
    NnPass *passes;
    int n_passes;
    float *values, *dvalues; /* [row_floats * capacity] */
    float *grads;            /* [NN_LANES, n_dense]; lane 0's becomes the sum */
    double *stats;           /* [NN_LANES, n_stats] */
    float *batch_stats;      /* [n_batch_stats] */
    float *scratch;          /* [threads, scratch] */
    double *losses;          /* one for each task that computes a loss */
    double *norms;           /* one for each task that reduces gradients: sums of squares */
    bool updating;           /* a step that was interrupted has begun to move the parameters */
    bool *updated;           /* [dense tasks] what it has moved; tables keep their own count (adam.h) */

    /* of the call under way */
    const NnBatch *batch;
    const NnPass *pass;
    int lanes, lane_rows;
    float grad_scale; /* of the loss's gradient */
    float clip_scale;
    NnAdamStep step;
    double loss;
    float *logits;
};

/* ------------------------------------------------------------------ passes.c */

/* Writes the passes of a step into `passes` (NULL: only counts them). Returns how many. */
int passes_plan(const NnNet *net, NnPass *passes);
/*
 * Forward and backward passes of t->batch in training mode, cut into t->lanes: lanes' gradients, losses and
 * logits, the batch's statistics, and the gradients of all tensors.
 */
NnStatus passes_run(NnTrainer *t);
/* rows [row, row + n) of t->batch; without lane's gradients, sums and key */
NnBlock trainer_block(const NnTrainer *t, int row, int n, int worker, bool train);
/* the block's loss, and its gradient unless this is an evaluation; logits go to the caller */
double trainer_loss(const NnTrainer *t, const NnBlock *b);

#endif /* NN_PASSES_H */
