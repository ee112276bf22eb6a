/*
 * cross_vector.c: the cross network of DCN (Wang et al. 2017), one level per layer:
 *
 *     s = x . w          a number per row
 *     y = x0 * s + bias + x
 */
#include "nn/layers/layers.h"

#include <math.h>

#include "nn/math/rows.h"

enum { WEIGHT, BIAS }; /* param[]: [1, d], [d] */
enum { S };            /* saved[]: [n, 1] */

/*
 * y     [n, d]
 * s     [n, 1]  kept for the backward pass
 * x0, x [n, d]
 * w, bias [d]
 */
static NN_KERNEL void
cross_vector_forward(float *restrict y, int ldy, float *restrict s, int lds, const float *x0, int ldx0,
                     const float *x, int ldx, const float *restrict w, const float *restrict bias, int n,
                     int d)
{
    for (int r = 0; r < n; r++) {
        float *restrict yr = y + (size_t)r * ldy;
        const float *x0r = x0 + (size_t)r * ldx0, *xr = x + (size_t)r * ldx;
        float dot = 0;

#pragma omp simd reduction(+ : dot)
        for (int c = 0; c < d; c++)
            dot += xr[c] * w[c];
        s[(size_t)r * lds] = dot;
        for (int c = 0; c < d; c++)
            yr[c] = x0r[c] * dot + bias[c] + xr[c];
    }
}

/* cross_vector_backward, for a compiler that knows what is added to */
static inline __attribute__((always_inline)) void
backward_rows(float *dx, int lddx, float *dx0, int lddx0, float *restrict dw, float *restrict dbias,
              const float *restrict dy, int lddy, const float *restrict s, int lds, const float *x0, int ldx0,
              const float *x, int ldx, const float *restrict w, int n, int d, const bool dx_add,
              const bool dx0_add)
{
    for (int r = 0; r < n; r++) {
        float *dxr = dx + (size_t)r * lddx, *dx0r = dx0 + (size_t)r * lddx0;
        const float *restrict dyr = dy + (size_t)r * lddy;
        const float *x0r = x0 + (size_t)r * ldx0, *xr = x + (size_t)r * ldx;
        const float sr = s[(size_t)r * lds];
        float ds = 0;

#pragma omp simd reduction(+ : ds)
        for (int c = 0; c < d; c++)
            ds += dyr[c] * x0r[c];
#pragma omp simd /* dx and dx0 are the same rows or others */
        for (int c = 0; c < d; c++) {
            const float g = dyr[c] + ds * w[c];

            dw[c] += ds * xr[c];
            dbias[c] += dyr[c];
            dxr[c] = dx_add ? dxr[c] + g : g;
            dx0r[c] = dx0_add ? dx0r[c] + dyr[c] * sr : dyr[c] * sr;
        }
    }
}

/*
 * dx    [n, d]  (+)= dy + ds w, where ds = dy . x0
 * dx0   [n, d]  (+)= dy * s, after dx, which may be the same tensor
 * dw, dbias [d] +=
 * dy, x0, x [n, d]
 * s     [n, 1]
 */
static NN_KERNEL void
cross_vector_backward(float *dx, int lddx, float *dx0, int lddx0, float *dw, float *dbias, const float *dy,
                      int lddy, const float *s, int lds, const float *x0, int ldx0, const float *x, int ldx,
                      const float *w, int n, int d, bool dx_add, bool dx0_add)
{
#define ROWS(dx_adds, dx0_adds)                                                                              \
    backward_rows(dx, lddx, dx0, lddx0, dw, dbias, dy, lddy, s, lds, x0, ldx0, x, ldx, w, n, d, dx_adds,     \
                  dx0_adds)

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

static void
forward(const NnLayer *l, const NnBlock *b)
{
    cross_vector_forward(block_value(b, l->y), tensor_ld(b, l->y), block_value(b, l->saved[S]),
                         tensor_ld(b, l->saved[S]), block_value(b, l->x2), tensor_ld(b, l->x2),
                         block_value(b, l->x), tensor_ld(b, l->x), block_param(b, l->param[WEIGHT]),
                         block_param(b, l->param[BIAS]), b->n, tensor_width(b->net, l->y));
}

static void
backward(const NnLayer *l, const NnBlock *b)
{
    const int d = tensor_width(b->net, l->y);
    /* where they are not wanted, sums that nobody reads */
    float *dweight = b->grads ? block_grad(b, l->param[WEIGHT]) : b->scratch;
    float *dbias = b->grads ? block_grad(b, l->param[BIAS]) : b->scratch + d;

    cross_vector_backward(block_dvalue(b, l->x), tensor_ld(b, l->x), block_dvalue(b, l->x2),
                          tensor_ld(b, l->x2), dweight, dbias, block_dvalue(b, l->y), tensor_ld(b, l->y),
                          block_value(b, l->saved[S]), tensor_ld(b, l->saved[S]), block_value(b, l->x2),
                          tensor_ld(b, l->x2), block_value(b, l->x), tensor_ld(b, l->x),
                          block_param(b, l->param[WEIGHT]), b->n, d, l->dx_add, l->dx2_add);
}

static const NnLayerType cross_vector_type = {
    .kind = "CrossNetVector", .forward = forward, .backward = backward};

int
net_cross_vector(NnNet *net, int x0, int n_cross, const char *name)
{
    const int d = tensor_width(net, x0);
    int x = x0;

    for (int i = 0; i < n_cross; i++) {
        const int y = net_tensor(net, d);
        NnLayer *l = net_layer(net, &cross_vector_type, x, y, "%s.%d", name, i);

        l->x2 = x0;
        l->saved[S] = net_tensor(net, 1);
        l->scratch = 2 * (size_t)d;
        l->param[WEIGHT] = net_param(net, NN_DENSE, NN_UNIFORM, 1 / sqrtf((float)d), 2,
                                     (const int64_t[]){1, d}, "%s.linears.%d.weight", name, i);
        l->param[BIAS] =
            net_param(net, NN_DENSE, NN_ZERO, 0, 1, (const int64_t[]){d}, "%s.biases.%d", name, i);
        x = y;
    }
    return x;
}
