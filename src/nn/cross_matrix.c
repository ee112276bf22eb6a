/*
 * cross_matrix.c: the cross network of DCN-V2 (Wang et al. 2020), one level per layer:
 *
 *     u = x W^T + bias
 *     y = x0 * u + x
 */
#include <math.h>

#include "rows.h"

enum { WEIGHT, BIAS }; /* param[]: [d, d], [d] */
enum { U };            /* saved[]: [n, d] */

/*
 * y     [n, d]  x0 * u + x
 * x0, x, u [n, d]
 */
static NN_KERNEL void
gate_forward(float *restrict y, int ldy, const float *x0, int ldx0, const float *x, int ldx,
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

/*
 * Everything of the backward pass but the products, in one pass over the rows:
 *
 * du    [n, d]  dy * x0
 * dbias [d]     += du
 * dx    [n, d]  (+)= dy
 * dx0   [n, d]  (+)= dy * u, after dx, which may be the same tensor
 * dy, x0, u [n, d]
 */
static inline __attribute__((always_inline)) void
gate_rows(float *restrict du, int lddu, float *restrict dbias, float *dx, int lddx, float *dx0, int lddx0,
          const float *restrict dy, int lddy, const float *restrict x0, int ldx0, const float *restrict u, int ldu,
          int n, int d, const bool dx_add, const bool dx0_add)
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

static NN_KERNEL void
gate_backward(float *du, int lddu, float *dbias, float *dx, int lddx, float *dx0, int lddx0, const float *dy, int lddy,
              const float *x0, int ldx0, const float *u, int ldu, int n, int d, bool dx_add, bool dx0_add)
{
#define ROWS(dx_adds, dx0_adds)                                                                              \
    gate_rows(du, lddu, dbias, dx, lddx, dx0, lddx0, dy, lddy, x0, ldx0, u, ldu, n, d, dx_adds, dx0_adds)

    if (dx_add && dx0_add)
        ROWS(true, true);
    else if (dx_add)
        ROWS(true, false);
    else if (dx0_add)
        ROWS(false, true);
    else
        ROWS(false, false);
#undef ROWS
}

/*
 * dx    [n, d]  (+)= dy + du W, where du = dy * x0
 * dx0   [n, d]  (+)= dy * u
 * du    [n, d]  room
 * dw    [d, d]  +=
 * dbias [d]     +=
 * dy, x0, x, u [n, d]
 */
static void
cross_matrix_backward(float *dx, int lddx, float *dx0, int lddx0, float *du, int lddu, float *dw,
                      float *dbias, const float *dy, int lddy, const float *x0, int ldx0, const float *x,
                      int ldx, const float *u, int ldu, const float *w, int n, int d, bool dx_add,
                      bool dx0_add)
{
    gate_backward(du, lddu, dbias, dx, lddx, dx0, lddx0, dy, lddy, x0, ldx0, u, ldu, n, d, dx_add, dx0_add);
    gemm(true, false, d, d, n, du, lddu, x, ldx, true, dw, d);
    gemm(false, false, n, d, d, du, lddu, w, d, true, dx, lddx);
}

static void
forward(const NnLayer *l, const NnBlock *b)
{
    const int d = tensor_width(b->net, l->y), ldx = tensor_ld(b, l->x), ldu = tensor_ld(b, l->saved[U]);
    const float *x = block_value(b, l->x);
    float *u = block_value(b, l->saved[U]);

    rows_fill(u, ldu, block_param(b, l->param[BIAS]), b->n, d, false);
    weight_product(b, u, ldu, x, ldx, l->param[WEIGHT], 0, d, d, true);
    gate_forward(block_value(b, l->y), tensor_ld(b, l->y), block_value(b, l->x0), tensor_ld(b, l->x0), x, ldx,
                 u, ldu, b->n, d);
}

static void
backward(const NnLayer *l, const NnBlock *b)
{
    cross_matrix_backward(
        block_dvalue(b, l->x), tensor_ld(b, l->x), block_dvalue(b, l->x0), tensor_ld(b, l->x0),
        block_dvalue(b, l->saved[U]), tensor_ld(b, l->saved[U]), block_grad(b, l->param[WEIGHT]),
        block_grad(b, l->param[BIAS]), block_dvalue(b, l->y), tensor_ld(b, l->y), block_value(b, l->x0),
        tensor_ld(b, l->x0), block_value(b, l->x), tensor_ld(b, l->x), block_value(b, l->saved[U]),
        tensor_ld(b, l->saved[U]), block_param(b, l->param[WEIGHT]), b->n, tensor_width(b->net, l->y),
        l->dx_add, l->dx0_add);
}

static const NnLayerType cross_matrix_type = {
    .kind = "CrossNetMatrix", .forward = forward, .backward = backward};

int
net_cross_matrix(NnNet *net, int x0, int n_cross, const char *name)
{
    const int d = tensor_width(net, x0);
    const float bound = 1 / sqrtf((float)d);
    int x = x0;

    for (int i = 0; i < n_cross; i++) {
        const int y = net_tensor(net, d);
        NnLayer *l = net_layer(net, &cross_matrix_type, x, y, "%s.linears.%d", name, i);

        l->x0 = x0;
        l->saved[U] = net_tensor(net, d);
        l->param[WEIGHT] = net_param(net, NN_DENSE, NN_UNIFORM, bound, 2, (const int64_t[]){d, d},
                                     "%s.linears.%d.weight", name, i);
        l->param[BIAS] = net_param(net, NN_DENSE, NN_UNIFORM, bound, 1, (const int64_t[]){d},
                                   "%s.linears.%d.bias", name, i);
        x = y;
    }
    return x;
}
