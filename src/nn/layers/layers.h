/*
 * layers.h: builders of layers; each appends its layer to the net and returns y.
 */
#ifndef NN_LAYERS_H
#define NN_LAYERS_H

#include "nn/net/net.h"

int net_linear(NnNet *net, int x, int d_out, bool bias, const char *name);
int net_batchnorm(NnNet *net, int x, const char *name);
int net_relu_dropout(NnNet *net, int x, float rate, const char *name); /* in place: returns x */
/* a Linear over the concatenation [x, x2], which is never made */
int net_linear_joint(NnNet *net, int x, int x2, int d_out, const char *name);
/* y += x W^T + bias: joins a wide part to what y holds already */
void net_linear_add(NnNet *net, int x, int y, bool bias, const char *name);
/* y += the sum of the columns of x, where y has one column */
void net_sum_add(NnNet *net, int x, int y, const char *name);
/* Linear, BatchNorm1d, ReLU, Dropout for each width, under the names <name>.0, <name>.1, <name>.4, … */
int net_mlp(NnNet *net, int x, const int *widths, int n_widths, float dropout, const char *name);
/* the same without the first Linear, <name>.0: x is its output */
int net_mlp_after_linear(NnNet *net, int x, const int *widths, int n_widths, float dropout, const char *name);
/* cross networks, whose levels all multiply by their first input, x0 */
int net_cross_vector(NnNet *net, int x0, int n_cross, const char *name);
int net_cross_matrix(NnNet *net, int x0, int n_cross, const char *name);
int net_cross_mix(NnNet *net, int x0, int n_cross, int low_rank, int n_experts, const char *name);
void net_input_numerical(NnNet *net, int y); /* y[:, :] = x_num */
/* y = table[row_offset + code of field]; adds the lookup */
void net_embedding(NnNet *net, int field, int param, int64_t row_offset, int rows, int y, const char *name);
/*
 * y = bias + sum over all category fields of table[offset of field + code], where fields follow each other in
 * the table: a wide part over categories. Adds the lookups. y_add: add to y instead of setting it.
 */
void net_embedding_sum(NnNet *net, int param, int bias, int y, bool y_add, const char *name);
/*
 * y[:, f, :] = x[:, f] * weight[f, :], where y has n_fields * d columns (the first ones of y, if y is wider)
 */
void net_num_embedding(NnNet *net, int x, int y, int n_fields, int d, const char *name);
/* [B, n_fields, d] to [B, d]: the sum of the products, element by element, of all pairs of fields */
int net_fm(NnNet *net, int x, int n_fields, int d, const char *name);
/* [B, n_fields, d] to the same shape: every field times its attention */
int net_senet(NnNet *net, int x, int n_fields, double reduction_ratio, const char *name);
/*
 * Linear(flatten([bilinear(x), bilinear(reweighted)])): the interactions of the plain and the re-weighted
 * fields and the MLP's first layer in one, because the matrix between them, n_fields * (n_fields - 1) * d
 * columns, is too large to be kept. `linear` names the Linear.
 */
int net_bilinear_linear(NnNet *net, int x, int reweighted, int n_fields, NnBilinearType type, int d_out,
                        const char *name, const char *linear);

#endif /* NN_LAYERS_H */
