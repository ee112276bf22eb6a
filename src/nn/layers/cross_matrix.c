/*
 * cross_matrix.c: the cross network of DCN-V2 (Wang et al. 2020), one level per layer:
 *
 *     u = x W^T + bias
 *     y = x0 * u + x
 */
#include "nn/layers/layers.h"

#include <math.h>

#include "nn/math/products.h"
#include "nn/math/rows.h"

enum { WEIGHT, BIAS }; /* param[]: [d, d], [d] */
enum { U };            /* saved[]: [n, d] */

/*
 * dx    [n, d]  (+)= dy + du W, where du = dy * x0
 * dx0   [n, d]  (+)= dy * u
 * du    [n, d]  room
 * dw    [d, d]  (+)=; NULL, like dbias: not wanted
 * dbias [d]     +=
 * dy, x0, x, u [n, d]
 */
static void
cross_matrix_backward(float *dx, int lddx, float *dx0, int lddx0, float *du, int lddu, float *dw,
                      float *dbias, const float *dy, int lddy, const float *x0, int ldx0, const float *x,
                      int ldx, const float *u, int ldu, const float *w, int n, int d, bool dw_add,
                      bool dx_add, bool dx0_add)
{
    rows_gate_backward(du, lddu, dbias, dx, lddx, dx0, lddx0, dy, lddy, x0, ldx0, u, ldu, n, d, dx_add,
                       dx0_add);
    if (dw)
        gemm(true, false, d, d, n, du, lddu, x, ldx, dw_add, dw, d);
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
    rows_gate(block_value(b, l->y), tensor_ld(b, l->y), block_value(b, l->x2), tensor_ld(b, l->x2), x, ldx, u,
              ldu, b->n, d);
}

static void
backward(const NnLayer *l, const NnBlock *b)
{
    cross_matrix_backward(
        block_dvalue(b, l->x), tensor_ld(b, l->x), block_dvalue(b, l->x2), tensor_ld(b, l->x2),
        block_dvalue(b, l->saved[U]), tensor_ld(b, l->saved[U]), block_grad(b, l->param[WEIGHT]),
        block_grad(b, l->param[BIAS]), block_dvalue(b, l->y), tensor_ld(b, l->y), block_value(b, l->x2),
        tensor_ld(b, l->x2), block_value(b, l->x), tensor_ld(b, l->x), block_value(b, l->saved[U]),
        tensor_ld(b, l->saved[U]), block_param(b, l->param[WEIGHT]), b->n, tensor_width(b->net, l->y),
        !b->first, l->dx_add, l->dx2_add);
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

        l->x2 = x0;
        l->saved[U] = net_tensor(net, d);
        l->param[WEIGHT] =
            net_product_param(net, net_param(net, NN_DENSE, NN_UNIFORM, bound, 2, (const int64_t[]){d, d},
                                             "%s.linears.%d.weight", name, i));
        l->param[BIAS] = net_param(net, NN_DENSE, NN_UNIFORM, bound, 1, (const int64_t[]){d},
                                   "%s.linears.%d.bias", name, i);
        x = y;
    }
    return x;
}
