/*
 * cross_vector.c: the cross network of DCN (Wang et al. 2017), one level per layer:
 *
 *     s = x . w          a number per row
 *     y = x0 * s + bias + x
 */
#include <math.h>

#include "rows.h"

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

/*
 * dx    [n, d]  (+)= dy + ds w, where ds = dy . x0
 * dw, dbias [d] +=
 * dy, x0, x [n, d]
 */
static NN_KERNEL void
cross_vector_backward(float *restrict dx, int lddx, float *restrict dw, float *restrict dbias,
                      const float *restrict dy, int lddy, const float *x0, int ldx0, const float *x, int ldx,
                      const float *restrict w, int n, int d, bool add)
{
    for (int r = 0; r < n; r++) {
        float *restrict dxr = dx + (size_t)r * lddx;
        const float *restrict dyr = dy + (size_t)r * lddy;
        const float *x0r = x0 + (size_t)r * ldx0, *xr = x + (size_t)r * ldx;
        float ds = 0;

#pragma omp simd reduction(+ : ds)
        for (int c = 0; c < d; c++)
            ds += dyr[c] * x0r[c];
        for (int c = 0; c < d; c++) {
            const float g = dyr[c] + ds * w[c];

            dxr[c] = add ? dxr[c] + g : g;
            dw[c] += ds * xr[c];
            dbias[c] += dyr[c];
        }
    }
}

/*
 * dx0 [n, d]  (+)= dy * s
 * dy  [n, d]
 * s   [n, 1]
 */
static NN_KERNEL void
cross_vector_backward_x0(float *restrict dx0, int lddx0, const float *restrict dy, int lddy,
                         const float *restrict s, int lds, int n, int d, bool add)
{
    for (int r = 0; r < n; r++) {
        float *restrict dx0r = dx0 + (size_t)r * lddx0;
        const float *restrict dyr = dy + (size_t)r * lddy;
        const float sr = s[(size_t)r * lds];

        for (int c = 0; c < d; c++)
            dx0r[c] = add ? dx0r[c] + dyr[c] * sr : dyr[c] * sr;
    }
}

static void
forward(const NnLayer *l, const NnBlock *b)
{
    cross_vector_forward(block_value(b, l->y), tensor_ld(b, l->y), block_value(b, l->saved[S]),
                         tensor_ld(b, l->saved[S]), block_value(b, l->x0), tensor_ld(b, l->x0),
                         block_value(b, l->x), tensor_ld(b, l->x), block_param(b, l->param[WEIGHT]),
                         block_param(b, l->param[BIAS]), b->n, tensor_width(b->net, l->y));
}

static void
backward(const NnLayer *l, const NnBlock *b)
{
    const int d = tensor_width(b->net, l->y), lddy = tensor_ld(b, l->y);
    const float *dy = block_dvalue(b, l->y);

    cross_vector_backward(block_dvalue(b, l->x), tensor_ld(b, l->x), block_grad(b, l->param[WEIGHT]),
                          block_grad(b, l->param[BIAS]), dy, lddy, block_value(b, l->x0), tensor_ld(b, l->x0),
                          block_value(b, l->x), tensor_ld(b, l->x), block_param(b, l->param[WEIGHT]), b->n, d,
                          l->dx_add);
    cross_vector_backward_x0(block_dvalue(b, l->x0), tensor_ld(b, l->x0), dy, lddy,
                             block_value(b, l->saved[S]), tensor_ld(b, l->saved[S]), b->n, d, l->dx0_add);
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

        l->x0 = x0;
        l->saved[S] = net_tensor(net, 1);
        l->param[WEIGHT] = net_param(net, NN_DENSE, NN_UNIFORM, 1 / sqrtf((float)d), 2,
                                     (const int64_t[]){1, d}, "%s.linears.%d.weight", name, i);
        l->param[BIAS] =
            net_param(net, NN_DENSE, NN_ZERO, 0, 1, (const int64_t[]){d}, "%s.biases.%d", name, i);
        x = y;
    }
    return x;
}
