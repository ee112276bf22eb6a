/*
 * contributions.h: what each input of a row contributes to a logit: integrated gradients (Sundararajan, Taly,
 * Yan 2017), the gradient's mean along the straight line from an average input row to this one, times their
 * difference. Over all inputs they add up to the difference of the logits at the line's ends.
 */
#ifndef NN_CONTRIBUTIONS_H
#define NN_CONTRIBUTIONS_H

#include "nn/net/net.h"

typedef struct NnContributions NnContributions;

/*
 * Points of a line at which gradients are taken, besides its beginning, and the most; powers of 2. So many
 * lines fit a block if they have the fewest.
 */
#define NN_PATH_LEAST 4
#define NN_PATH_MOST  128
#define NN_LINES_MOST (NN_BLOCK / NN_PATH_LEAST)

#define NN_PATH_BEST_CLASS (-1) /* in place of a class: that of the highest logit at the line's end */

typedef struct NnPath {
    int k;           /* the logit that is explained */
    double from, to; /* the logit at the line's ends */
    double sum;      /* of gradient * difference, over all inputs; what to - from should be */
} NnPath;

/*
 * Of lines from the input row `from` [d_input], which must outlive it, as must params, net->n_block floats.
 * NN_NO_BLAS, NN_NO_MEMORY.
 */
NnStatus contributions_create(NnContributions **contributions, const NnNet *net, const float *params,
                              const float *from, NnAlloc alloc);
/* inputs [d_input] of the row of numbers x_num [n_num] and valid codes x_cat [n_cat], ld_cat apart */
void contributions_inputs(const NnContributions *c, const float *x_num, const int32_t *x_cat, size_t ld_cat,
                          float *inputs);
/*
 * Takes the gradients of logit k, or NN_PATH_BEST_CLASS, along lines to the input rows `to` [lines, d_input],
 * which must stay until the next start. points: of each line, NN_PATH_LEAST times a power of 2, up to
 * NN_PATH_MOST; lines * points <= NN_BLOCK. No allocation, one thread.
 */
void contributions_start(NnContributions *c, const float *to, int lines, int k, int points);
/* Twice as many points, up to NN_PATH_MOST, where there is one line. */
void contributions_refine(NnContributions *c);
/* gradient [d_input]: the mean along the line */
NnPath contributions_line(NnContributions *c, int line, double *gradient);
/* the SENet's attention [fields] at the line's end; NULL: the net has none */
const float *contributions_attention(const NnContributions *c, int line);
/*
 * Were the points enough? Then contributions_complete changes none of the parts [n], which add up to the
 * path's sum, by more than 1 % of itself.
 */
bool contributions_close(const NnPath *path, const double *parts, int n);
/* Spreads what the points have missed of to - from over the parts, in proportion to their sizes. */
void contributions_complete(const NnPath *path, double *parts, int n);

#endif /* NN_CONTRIBUTIONS_H */
