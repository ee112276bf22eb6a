/*
 * contributions.h: what each input of a row contributes to a logit: integrated gradients (Sundararajan, Taly,
 * Yan 2017), the gradient's mean along the straight line from one input row to another, times their
 * difference. Over all inputs they add up to the difference of the logits at the line's ends.
 */
#ifndef NN_CONTRIBUTIONS_H
#define NN_CONTRIBUTIONS_H

#include "nn/net/net.h"

typedef struct NnContributions NnContributions;

#define NN_PATH_LEAST 8   /* points of a line at which gradients are taken, and the most; powers of 2 */
#define NN_PATH_MOST  128 /* with the line's ends they fit a block */

#define NN_PATH_BEST_CLASS (-1) /* in place of a class: that of the highest logit at the line's end */

typedef struct NnPath {
    int k;           /* the logit that is explained */
    double from, to; /* the logit at the line's ends */
    double sum;      /* of gradient * difference, over all inputs; what to - from should be */
} NnPath;

/* params, net->n_block floats, must outlive it. NN_NO_BLAS, NN_NO_MEMORY. */
NnStatus contributions_create(NnContributions **contributions, const NnNet *net, const float *params,
                              NnAlloc alloc);
/* inputs [d_input] of the row of numbers x_num [n_num] and valid codes x_cat [n_cat], ld_cat apart */
void contributions_inputs(const NnContributions *c, const float *x_num, const int32_t *x_cat, size_t ld_cat,
                          float *inputs);
/*
 * gradient [d_input]: the mean along the line from input row `from` to input row `to` of the gradient of
 * logit k, or NN_PATH_BEST_CLASS, by so many points: NN_PATH_LEAST times a power of 2, up to NN_PATH_MOST.
 * attention [fields]: the SENet's at the line's end; not written in a net that has none, and may be NULL.
 * No allocation, one thread.
 */
NnPath contributions_run(NnContributions *c, const float *from, const float *to, int k, int points,
                         double *gradient, float *attention);
/*
 * Were the points enough? Then contributions_complete changes none of the parts [n], which add up to the
 * path's sum, by more than 1 % of itself.
 */
bool contributions_close(const NnPath *path, const double *parts, int n);
/* Spreads what the points have missed of to - from over the parts, in proportion to their sizes. */
void contributions_complete(const NnPath *path, double *parts, int n);

#endif /* NN_CONTRIBUTIONS_H */
