/*
 * rows.c: element-wise loops over the rows of tensors; see rows.h.
 *
 * `omp simd` says what `restrict` says of a parameter, which a compiler does not believe of a view's pointer:
 * outputs overlap no input, so that no row need be looked at for that.
 */
#include "nn/math/rows.h"

#include <string.h>

void
rows_zero(NnRows y, int n, int d)
{
    for (int r = 0; r < n; r++)
        memset(rows_row(y, r), 0, (size_t)d * sizeof(float));
}

NN_KERNEL void
rows_fill(NnRows y, const float *restrict v, int n, int d, bool add)
{
    for (int r = 0; r < n; r++) {
        float *restrict yr = rows_row(y, r);

        if (add)
            for (int c = 0; c < d; c++)
                yr[c] += v[c];
        else
            for (int c = 0; c < d; c++)
                yr[c] = v[c];
    }
}

NN_KERNEL void
rows_copy(NnRows y, NnRowsIn x, int n, int d, bool add)
{
    for (int r = 0; r < n; r++) {
        float *restrict yr = rows_row(y, r);
        const float *restrict xr = rows_in_row(x, r);

        if (add)
#pragma omp simd
            for (int c = 0; c < d; c++)
                yr[c] += xr[c];
        else
#pragma omp simd
            for (int c = 0; c < d; c++)
                yr[c] = xr[c];
    }
}

NN_KERNEL void
rows_multiply(NnRows y, NnRowsIn a, NnRowsIn b, int n, int d, bool add)
{
    for (int r = 0; r < n; r++) {
        float *restrict yr = rows_row(y, r);
        const float *restrict ar = rows_in_row(a, r), *restrict br = rows_in_row(b, r);

        if (add)
#pragma omp simd
            for (int c = 0; c < d; c++)
                yr[c] += ar[c] * br[c];
        else
#pragma omp simd
            for (int c = 0; c < d; c++)
                yr[c] = ar[c] * br[c];
    }
}

NN_KERNEL void
rows_sum(float *restrict sum, NnRowsIn x, int n, int d)
{
    for (int r = 0; r < n; r++) {
        const float *restrict xr = rows_in_row(x, r);

        for (int c = 0; c < d; c++)
            sum[c] += xr[c];
    }
}

NN_KERNEL void
rows_gate(NnRows y, NnRowsIn x0, NnRowsIn x, NnRowsIn u, int n, int d)
{
    for (int r = 0; r < n; r++) {
        float *restrict yr = rows_row(y, r);
        const float *x0r = rows_in_row(x0, r), *xr = rows_in_row(x, r);
        const float *restrict ur = rows_in_row(u, r);

#pragma omp simd
        for (int c = 0; c < d; c++)
            yr[c] = x0r[c] * ur[c] + xr[c];
    }
}

/* rows_gate_backward, for a compiler that knows what is added to */
static inline __attribute__((always_inline)) void
gate_rows(const NnGateBackward gate, int n, int d, const bool dx_add, const bool dx0_add)
{
    float *restrict dbias = gate.dbias;

    for (int r = 0; r < n; r++) {
        float *restrict dur = rows_row(gate.du, r);
        float *dxr = rows_row(gate.dx, r), *dx0r = rows_row(gate.dx0, r);
        const float *restrict dyr = rows_in_row(gate.dy, r), *restrict x0r = rows_in_row(gate.x0, r);
        const float *restrict ur = rows_in_row(gate.u, r);

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
rows_gate_backward(const NnGateBackward *gate, int n, int d)
{
    if (!gate->dbias) {
        rows_multiply(gate->du, gate->dy, gate->x0, n, d, false);
        rows_copy(gate->dx, gate->dy, n, d, gate->dx_add);
        rows_multiply(gate->dx0, gate->dy, gate->u, n, d, gate->dx0_add);
    } else if (gate->dx_add && gate->dx0_add)
        gate_rows(*gate, n, d, true, true);
    else if (gate->dx_add)
        gate_rows(*gate, n, d, true, false);
    else if (gate->dx0_add)
        gate_rows(*gate, n, d, false, true);
    else
        gate_rows(*gate, n, d, false, false);
}
