/*
 * adam.h: the optimizer, shared by adam.c and replay.c (which update) and trainer.c (which says when).
 * Private to the engine.
 *
 * Rows of tables that no batch touched still move at every step, by L2 and by momentum. Instead of moving
 * them all at every step, each row carries the number of the last step that it has seen; `history` has what
 * the steps since then need, and they are replayed when a batch touches the row, and for all rows by a sync.
 *
 * L2 takes such a row to zero within a few thousand steps, or nearly: single precision leaves it hanging at
 * 1e-36, and when v has faded in its turn, Adam's quotient of two such numbers throws it back to 1e-3. So
 * what is nearly zero is settled at zero where a stretch of steps ends, which does not depend on what is
 * replayed when, and rests there.
 */
#ifndef NN_ADAM_H
#define NN_ADAM_H

#include "nn/arena.h"
#include "nn/kernels/adam_step.h"
#include "nn/train/trainer.h"

#define NN_ADAM_HISTORY 4096 /* steps between two syncs, at most: bounds the time of one replay */

/* of one row of a table */
typedef struct NnAdamRow {
    uint32_t step; /* the row is what it was after this step; 0: no batch touched it yet */
    int32_t slot;  /* while a batch is looked through: 1 + the row's place among the distinct ones; else 0 */
} NnAdamRow;

/* A lookup's rows in the current batch. */
typedef struct NnAdamRows {
    int n;           /* distinct codes */
    int updated;     /* of them, as far as the step under way has come */
    int32_t *code;   /* [n] in order of first appearance */
    int32_t *place;  /* [rows of the batch] where in `code` a batch row's code is */
    int32_t *order;  /* [n] codes that have steps to replay, the longest unseen first */
    float *gradient; /* [n, d] sums over the batch rows of equal code */
} NnAdamRows;

typedef struct NnAdam {
    const NnNet *net;
    float *params;
    const struct NnSimdKernels *kernels; /* that do the arithmetic; NULL: the plain formula does */
    double beta1, beta2, epsilon;
    double power1, power2; /* beta^step */
    double scale1, scale2; /* beta^p, p steps after the last stretch: what the moments are divided by */
    NnAdamKeep keep;
    float weight_decay, embedding_decay;
    int64_t step, synced; /* steps done; steps that all rows have seen */
    NnAdamStep *history;  /* [NN_ADAM_HISTORY] step synced + 1 + i */
    float *m, *v;         /* [n_dense] */
    float *
        moments; /* of tables, [n_trained - n_dense][2]: a row's m, then its v, in one cache line for d = 8 */
    NnAdamRow **rows;    /* [n_params] a table's rows, NULL for other parameters */
    int *sync_tasks;     /* [n_params + 1] each parameter's first task of a sync, see tasks.h */
    NnAdamRows *lookups; /* [n_lookups] */
} NnAdam;

void adam_init(NnAdam *adam, const NnNet *net, float *params, const NnHyper *hyper, int batch_size,
               NnArena *arena);

/* the step after those done */
NnAdamStep adam_next(const NnAdam *adam, double learning_rate);

/*
 * Dense parameters [first, first + n), n a multiple of NN_ALIGN. gradient [n]; scale: factor on it. Elsewhere
 * too: the gradient gets L2 on top, as torch.optim.Adam's weight_decay.
 */
void adam_dense(NnAdam *adam, NnAdamStep step, size_t first, size_t n, const float *gradient, float scale);

/*
 * Finds the distinct codes of a lookup's field in a batch and brings their rows up to date. codes [rows].
 * Returns early when the pool's interrupt says so: what was replayed is right then, the rest is left for
 * next time.
 */
void adam_find_rows(NnAdam *adam, int lookup, const int32_t *codes, int rows, NnPool *pool);
/*
 * Adds up the gradients of equal codes, in row order. dy [rows, d], leading dimension ld. Returns early when
 * the pool's interrupt says so: what is there then is of no use.
 */
void adam_merge_rows(NnAdam *adam, int lookup, const float *dy, size_t ld, int rows, NnPool *pool);
/* Moves the rows that were found. Returns early when the pool's interrupt says so: the next call goes on. */
void adam_update_rows(NnAdam *adam, NnAdamStep step, int lookup, float scale, NnPool *pool);
/* The step is done. A sync must come first when adam_history_full(). */
void adam_commit(NnAdam *adam, NnAdamStep step);
bool adam_history_full(const NnAdam *adam);

/*
 * Replay for all rows: tasks 0 .. adam_sync_tasks() - 1 in any order, each as often as you like; then
 * adam_synced().
 */
int adam_sync_tasks(const NnAdam *adam);
void adam_sync_task(NnAdam *adam, int task);
void adam_synced(NnAdam *adam);

/* sum of squares, for the gradient's norm */
double squares(const float *x, size_t n);

#endif /* NN_ADAM_H */
