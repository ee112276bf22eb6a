/*
 * rows.c: element-wise loops over the rows of tensors; see rows.h.
 */
#include "nn/math/rows.h"

#include <string.h>

void
rows_zero(float *y, int ldy, int n, int d)
{
    for (int r = 0; r < n; r++)
        memset(y + (size_t)r * ldy, 0, (size_t)d * sizeof(float));
}

NN_KERNEL void
rows_fill(float *restrict y, int ldy, const float *restrict v, int n, int d, bool add)
{
    for (int r = 0; r < n; r++) {
        float *restrict yr = y + (size_t)r * ldy;

        if (add)
            for (int c = 0; c < d; c++)
                yr[c] += v[c];
        else
            for (int c = 0; c < d; c++)
                yr[c] = v[c];
    }
}

NN_KERNEL void
rows_copy(float *restrict y, int ldy, const float *restrict x, int ldx, int n, int d, bool add)
{
    for (int r = 0; r < n; r++) {
        float *restrict yr = y + (size_t)r * ldy;
        const float *restrict xr = x + (size_t)r * ldx;

        if (add)
            for (int c = 0; c < d; c++)
                yr[c] += xr[c];
        else
            for (int c = 0; c < d; c++)
                yr[c] = xr[c];
    }
}

NN_KERNEL void
rows_multiply(float *restrict y, int ldy, const float *restrict a, int lda, const float *restrict b, int ldb,
              int n, int d, bool add)
{
    for (int r = 0; r < n; r++) {
        float *restrict yr = y + (size_t)r * ldy;
        const float *restrict ar = a + (size_t)r * lda;
        const float *restrict br = b + (size_t)r * ldb;

        if (add)
            for (int c = 0; c < d; c++)
                yr[c] += ar[c] * br[c];
        else
            for (int c = 0; c < d; c++)
                yr[c] = ar[c] * br[c];
    }
}

NN_KERNEL void
rows_sum(float *restrict sum, const float *restrict x, int ldx, int n, int d)
{
    for (int r = 0; r < n; r++) {
        const float *restrict xr = x + (size_t)r * ldx;

        for (int c = 0; c < d; c++)
            sum[c] += xr[c];
    }
}

NN_KERNEL void
rows_gate(float *restrict y, int ldy, const float *x0, int ldx0, const float *x, int ldx,
          const float *restrict u, int ldu, int n, int d)
{
    for (int r = 0; r < n; r++) {
        float *restrict yr = y + (size_t)r * ldy;
        const float *x0r = x0 + (size_t)r * ldx0, *xr = x + (size_t)r * ldx;
        const float *restrict ur = u + (size_t)r * ldu;

        for (int c = 0; c < d; c++)
            yr[c] = x0r[c] * ur[c] + xr[c];
    }
}

/* rows_gate_backward, for a compiler that knows what is added to */
static inline __attribute__((always_inline)) void
gate_rows(float *restrict du, int lddu, float *restrict dbias, float *dx, int lddx, float *dx0, int lddx0,
          const float *restrict dy, int lddy, const float *restrict x0, int ldx0, const float *restrict u,
          int ldu, int n, int d, const bool dx_add, const bool dx0_add)
{
    for (int r = 0; r < n; r++) {
        float *restrict dur = du + (size_t)r * lddu;
        float *dxr = dx + (size_t)r * lddx, *dx0r = dx0 + (size_t)r * lddx0;
        const float *restrict dyr = dy + (size_t)r * lddy, *restrict x0r = x0 + (size_t)r * ldx0;
        const float *restrict ur = u + (size_t)r * ldu;

#pragma omp simd /* dx and dx0 are the same rows or others */
        for (int c = 0; c < d; c++) {
            dur[c] = dyr[c] * x0r[c];
            dbias[c] += dur[c];
            dxr[c] = dx_add ? dxr[c] + dyr[c] : dyr[c];
            dx0r[c] = dx0_add ? dx0r[c] + dyr[c] * ur[c] : dyr[c] * ur[c];
        }
    }
}

NN_KERNEL void
rows_gate_backward(float *du, int lddu, float *dbias, float *dx, int lddx, float *dx0, int lddx0,
                   const float *dy, int lddy, const float *x0, int ldx0, const float *u, int ldu, int n,
                   int d, bool dx_add, bool dx0_add)
{
#define ROWS(dx_adds, dx0_adds)                                                                              \
    gate_rows(du, lddu, dbias, dx, lddx, dx0, lddx0, dy, lddy, x0, ldx0, u, ldu, n, d, dx_adds, dx0_adds)

    if (!dbias) {
        rows_multiply(du, lddu, dy, lddy, x0, ldx0, n, d, false);
        rows_copy(dx, lddx, dy, lddy, n, d, dx_add);
        rows_multiply(dx0, lddx0, dy, lddy, u, ldu, n, d, dx0_add);
    } else if (dx_add && dx0_add)
        ROWS(true, true);
    else if (dx_add)
        ROWS(true, false);
    else if (dx0_add)
        ROWS(false, true);
    else
        ROWS(false, false);
#undef ROWS
}
