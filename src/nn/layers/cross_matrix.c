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
#include "nn/net/interactions.h"

enum { WEIGHT, BIAS }; /* param[]: [d, d], [d] */
enum { U };            /* saved[]: [n, d] */

static void
forward(const NnLayer *l, const NnBlock *b)
{
    const int n = b->n, d = tensor_width(b->net, l->y);
    const NnRowsIn x = block_value(b, l->x).in, x0 = block_value(b, l->x2).in;
    const NnRows u = block_value(b, l->saved[U]);

    rows_fill(u, block_param(b, l->param[BIAS]), n, d, false);
    weight_product(b, u, x, l->param[WEIGHT], 0, d, d, true);
    rows_gate(block_value(b, l->y), x0, x, u.in, n, d);
}

/*
 * du = dy * x0     dx0 (+)= dy * u     dbias += sum of du
 * dW (+)= du^T x   dx (+)= dy + du W
 */
static void
backward(const NnLayer *l, const NnBlock *b)
{
    const int n = b->n, d = tensor_width(b->net, l->y);
    const NnRows du = block_dvalue(b, l->saved[U]), dx = block_dvalue(b, l->x);
    const NnGateBackward gate = {.dy = block_dvalue(b, l->y).in,
                                 .x0 = block_value(b, l->x2).in,
                                 .u = block_value(b, l->saved[U]).in,
                                 .du = du,
                                 .dbias = block_grad(b, l->param[BIAS]),
                                 .dx = dx,
                                 .dx_add = l->dx_add,
                                 .dx0 = block_dvalue(b, l->x2),
                                 .dx0_add = l->dx2_add};

    rows_gate_backward(&gate, n, d);
    if (b->grads)
        gemm(true, false, d, d, n, du.in, block_value(b, l->x).in, !b->first,
             block_weight_grad(b, l->param[WEIGHT]));
    gemm(false, false, n, d, d, du.in, block_weight(b, l->param[WEIGHT]), true, dx);
}

/* column i of the first input times W[i, j] times column j */
static void
interact(const NnLayer *l, const NnNet *net, NnInteractions *all)
{
    const float *w = all->params + net->params[l->param[WEIGHT]].offset;

    for (int i = 0; i < all->d; i++) {
        if (all->pause)
            all->pause();
        for (int j = 0; j < all->d; j++)
            interactions_add(all, i, j, w[(size_t)i * (size_t)all->d + (size_t)j]);
    }
}

static const NnLayerType cross_matrix_type = {.kind = "CrossNetMatrix",
                                              .forward = forward,
                                              .backward = backward,
                                              .interact = interact,
                                              .interact_first = true};

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
