/*
 * rows.h: element-wise loops over the rows of tensors that several layers share, and their small helpers.
 *
 * In every comment r runs over n rows and c over d columns; ldy is the distance between rows of y. "(+)="
 * adds to what is there if `add`, else replaces it. Outputs overlap no input.
 */
#ifndef NN_ROWS_H
#define NN_ROWS_H

#include "nn/nn.h"

/* y[r,c] = 0 */
void rows_zero(float *y, int ldy, int n, int d);
/* y[r,c] (+)= v[c] */
void rows_fill(float *y, int ldy, const float *v, int n, int d, bool add);
/* y[r,c] (+)= x[r,c] */
void rows_copy(float *y, int ldy, const float *x, int ldx, int n, int d, bool add);
/* y[r,c] (+)= a[r,c] * b[r,c] */
void rows_multiply(float *y, int ldy, const float *a, int lda, const float *b, int ldb, int n, int d,
                   bool add);
/* sum[c] += sum over r of x[r,c] */
void rows_sum(float *sum, const float *x, int ldx, int n, int d);
/* A cross level's last step, where u is what the level computed of x: y[r,c] = x0[r,c] * u[r,c] + x[r,c] */
void rows_gate(float *y, int ldy, const float *x0, int ldx0, const float *x, int ldx, const float *u, int ldu,
               int n, int d);
/*
 * Its way back, in one pass over the rows. All [n, d], but dbias [d], of a bias that is part of u:
 *
 * du = dy * x0     dbias += sum over r of du     dx (+)= dy     dx0 (+)= dy * u
 *
 * dx0 comes after dx, which may be the same tensor. dbias may be NULL.
 */
void rows_gate_backward(float *du, int lddu, float *dbias, float *dx, int lddx, float *dx0, int lddx0,
                        const float *dy, int lddy, const float *x0, int ldx0, const float *u, int ldu, int n,
                        int d, bool dx_add, bool dx0_add);

#endif /* NN_ROWS_H */
