/*
 * gradients.h: a trained net as a function of its inputs, and that function's gradient.
 *
 * What the first layers read of a row is an input row of net->d_input floats: the numerical inputs
 * [config.n_num], then for each of net->lookups the table's row that the code names, from its `column` on.
 * Input rows need not come from codes: integrated gradients (Sundararajan, Taly, Yan 2017) evaluates the net
 * between two of them.
 */
#ifndef NN_GRADIENTS_H
#define NN_GRADIENTS_H

#include "nn/net/net.h"

typedef struct NnGradients NnGradients;

size_t gradients_size(const NnNet *net);
/* params, net->n_block floats, must outlive it. NN_NO_BLAS, NN_NO_MEMORY. */
NnStatus gradients_create(NnGradients **gradients, const NnNet *net, const float *params, NnAlloc alloc);
/* inputs [rows, d_input] of numbers x_num [rows, n_num] and valid codes x_cat [n_cat, ld_cat] */
void gradients_inputs(const NnGradients *g, const float *x_num, const int32_t *x_cat, size_t ld_cat, int rows,
                      float *inputs);
/*
 * logits   [rows, n_classes]  of inputs [rows, d_input], with running statistics and without dropout
 * gradient [rows, d_input]    of logit k[r] with respect to the inputs of row r; NULL: not wanted
 * Any number of rows; no allocation, one thread.
 */
void gradients_run(NnGradients *g, const float *inputs, int rows, const int *k, float *logits,
                   float *gradient);
/* a tensor's numbers for row `row` of the last gradients_run, which had at most NN_BLOCK rows */
const float *gradients_value(const NnGradients *g, int tensor, int row);

#endif /* NN_GRADIENTS_H */
