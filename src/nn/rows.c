/*
 * rows.c: element-wise loops over the rows of tensors; see rows.h.
 */
#include <string.h>

#include "rows.h"

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
rows_dot(float *restrict y, int ldy, const float *restrict x, int ldx, const float *restrict v, int n, int d)
{
    for (int r = 0; r < n; r++) {
        const float *restrict xr = x + (size_t)r * ldx;
        float sum = 0;

#pragma omp simd reduction(+ : sum)
        for (int c = 0; c < d; c++)
            sum += xr[c] * v[c];
        y[(size_t)r * ldy] = sum;
    }
}

NN_KERNEL void
rows_outer(float *restrict y, int ldy, const float *restrict s, int lds, const float *restrict v, int n,
           int d)
{
    for (int r = 0; r < n; r++) {
        float *restrict yr = y + (size_t)r * ldy;
        const float scale = s[(size_t)r * lds];

        for (int c = 0; c < d; c++)
            yr[c] += scale * v[c];
    }
}

NN_KERNEL void
rows_weighted_sum(float *restrict sum, const float *restrict s, int lds, const float *restrict x, int ldx,
                  int n, int d)
{
    for (int r = 0; r < n; r++) {
        const float *restrict xr = x + (size_t)r * ldx;
        const float weight = s[(size_t)r * lds];

        for (int c = 0; c < d; c++)
            sum[c] += weight * xr[c];
    }
}
