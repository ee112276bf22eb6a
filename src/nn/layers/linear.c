/*
 * linear.c: the fully connected layer, y = x W^T + bias, as torch.nn.Linear.
 *
 * One layer type serves three uses: a plain layer; one over the concatenation of two tensors (the columns of
 * W are split, so that the concatenation is never made); and one that adds to a tensor which holds something
 * already.
 */
#include "nn/layers/layers.h"

#include <math.h>

#include "nn/math/products.h"
#include "nn/math/rows.h"

enum { WEIGHT, BIAS }; /* param[]: [d_out, d_in], [d_out] or -1 */
enum { ADD };          /* size[]: y += instead of y = */

static void
forward(const NnLayer *l, const NnBlock *b)
{
    const int d_x = tensor_width(b->net, l->x), d_x2 = tensor_width(b->net, l->x2);
    const int d_out = tensor_width(b->net, l->y), weight = l->param[WEIGHT];
    const bool bias = l->param[BIAS] >= 0;
    const NnRows y = block_value(b, l->y);

    if (bias)
        rows_fill(y, block_param(b, l->param[BIAS]), b->n, d_out, l->size[ADD]);
    weight_product(b, y, block_value(b, l->x).in, weight, 0, d_x, d_out, bias || l->size[ADD]);
    if (l->x2 >= 0)
        weight_product(b, y, block_value(b, l->x2).in, weight, d_x, d_x2, d_out, true);
}

/*
 * From dy [n, d_out], for the input `tensor`, which the columns of W from `column` on multiply:
 *
 *     dW (+)= dy^T x     dx (+)= dy W
 */
static void
input_backward(const NnLayer *l, const NnBlock *b, int tensor, int column, bool dx_add)
{
    const int d_in = tensor_width(b->net, tensor), d_out = tensor_width(b->net, l->y);
    const NnRowsIn dy = block_dvalue(b, l->y).in, weight = block_weight(b, l->param[WEIGHT]);

    if (b->grads)
        gemm(true, false, d_out, d_in, b->n, dy, block_value(b, tensor).in, !b->first,
             rows_part(block_weight_grad(b, l->param[WEIGHT]), 0, column));
    gemm(false, false, b->n, d_in, d_out, dy, rows_in_part(weight, 0, column), dx_add,
         block_dvalue(b, tensor));
}

static void
backward(const NnLayer *l, const NnBlock *b)
{
    if (l->param[BIAS] >= 0 && b->grads)
        rows_sum(block_grad(b, l->param[BIAS]), block_dvalue(b, l->y).in, b->n, tensor_width(b->net, l->y));
    input_backward(l, b, l->x, 0, l->dx_add);
    if (l->x2 >= 0)
        input_backward(l, b, l->x2, tensor_width(b->net, l->x), l->dx2_add);
}

/* [Concat,] Linear[, Add] */
static int
describe(const NnLayer *l, const NnNet *net, NnModule *modules)
{
    NnModule linear = layer_module(l, net);
    int n = 0;

    if (l->x2 >= 0) {
        modules[n++] = (NnModule){.kind = "Concat",
                                  .input = {l->x, l->x2, -1},
                                  .output = -1,
                                  .d = tensor_width(net, l->x) + tensor_width(net, l->x2)};
        linear.input[0] = NN_OF_MODULE(0);
        linear.input[1] = -1;
    }
    linear.output = l->size[ADD] ? -1 : l->y;
    modules[n++] = linear;
    if (l->size[ADD]) {
        modules[n] = (NnModule){
            .kind = "Add", .input = {l->y, NN_OF_MODULE(n - 1), -1}, .output = l->y, .d = linear.d};
        n++;
    }
    return n;
}

static const NnLayerType linear_type = {
    .kind = "Linear", .forward = forward, .backward = backward, .describe = describe};

static int
add_linear(NnNet *net, int x, int x2, int y, bool add, bool bias, const char *name)
{
    const int d_in = tensor_width(net, x) + tensor_width(net, x2), d_out = tensor_width(net, y);
    const float bound = d_in > 0 ? 1 / sqrtf((float)d_in) : 0;
    NnLayer *l = net_layer(net, &linear_type, x, y, "%s", name);

    l->x2 = x2;
    l->size[ADD] = add;
    l->param[WEIGHT] = net_product_param(net, net_param(net, NN_DENSE, NN_UNIFORM, bound, 2,
                                                        (const int64_t[]){d_out, d_in}, "%s.weight", name));
    l->param[BIAS] =
        bias ? net_param(net, NN_DENSE, NN_UNIFORM, bound, 1, (const int64_t[]){d_out}, "%s.bias", name) : -1;
    if (!add) {
        l->linear_weight = l->param[WEIGHT];
        l->linear_bias = l->param[BIAS];
    }
    return y;
}

int
net_linear(NnNet *net, int x, int d_out, bool bias, const char *name)
{
    return add_linear(net, x, -1, net_tensor(net, d_out), false, bias, name);
}

int
net_linear_joint(NnNet *net, int x, int x2, int d_out, const char *name)
{
    return add_linear(net, x, x2, net_tensor(net, d_out), false, true, name);
}

void
net_linear_add(NnNet *net, int x, int y, bool bias, const char *name)
{
    add_linear(net, x, -1, y, true, bias, name);
}
