/*
 * outer.h: parameters of networks that were trained apart, from the same ones, on parts of the rows: their
 * average, and the step that a coordinator makes with it.
 */
#ifndef NN_OUTER_H
#define NN_OUTER_H

#include "nn/net/net.h"

/* What one part adds to the average. */
typedef struct NnShare {
    double rows;              /* its part of all training rows, 0 … 1 */
    const int32_t *code_rows; /* its rows of each code, field after field as config.categories has them */
    const int64_t *all_rows;  /* the same of all parts */
} NnShare;

/*
 * sum [n_block] += the part's share of its parameters: by rows, but for rows of tables by how many of the
 * code's rows the part has had; a code that no part had counts by rows, too. A count of steps counts by rows.
 */
void outer_add(const NnNet *net, double *sum, const float *params, const NnShare *share, NnPause pause);
/* params [n_block], which are one part's = the average; offsets of tables stay as they are. */
void outer_mean(const NnNet *net, float *params, const double *sum, NnPause pause);

/*
 * Nesterov's momentum over rounds: with d = merged - previous, velocity becomes momentum * velocity + d, and
 * next = previous + d + momentum * velocity, for all trained parameters; buffers of next are merged's. All
 * [n_block]; next may be merged.
 */
void outer_step(const NnNet *net, float *next, float *velocity, const float *previous, const float *merged,
                double momentum, NnPause pause);

#endif /* NN_OUTER_H */
