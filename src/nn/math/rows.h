/*
 * rows.h: element-wise loops over the rows of tensors that several layers share, and their small helpers.
 *
 * In every comment r runs over n rows and c over d columns. "(+)=" adds to what is there if `add`, else
 * replaces it. Outputs overlap no input.
 */
#ifndef NN_ROWS_H
#define NN_ROWS_H

#include "nn/nn.h"

/* y[r,c] = 0 */
void rows_zero(NnRows y, int n, int d);
/* y[r,c] (+)= v[c] */
void rows_fill(NnRows y, const float *v, int n, int d, bool add);
/* y[r,c] (+)= x[r,c] */
void rows_copy(NnRows y, NnRowsIn x, int n, int d, bool add);
/* y[r,c] (+)= a[r,c] * b[r,c] */
void rows_multiply(NnRows y, NnRowsIn a, NnRowsIn b, int n, int d, bool add);
/* sum[c] += sum over r of x[r,c] */
void rows_sum(float *sum, NnRowsIn x, int n, int d);

/* A cross level's last step, where u is what the level computed of x: y[r,c] = x0[r,c] * u[r,c] + x[r,c] */
void rows_gate(NnRows y, NnRowsIn x0, NnRowsIn x, NnRowsIn u, int n, int d);

/* Its way back. All [n, d], but dbias [d], of a bias that is part of u. */
typedef struct NnGateBackward {
    NnRowsIn dy, x0, u;
    NnRows du;      /* = dy * x0 */
    float *dbias;   /* += sum over r of du; NULL: not wanted */
    NnRows dx, dx0; /* (+)= dy, and then (+)= dy * u; they may be the same tensor */
    bool dx_add, dx0_add;
} NnGateBackward;

/* in one pass over the rows */
void rows_gate_backward(const NnGateBackward *gate, int n, int d);

#endif /* NN_ROWS_H */
