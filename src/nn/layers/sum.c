/* sum.c: adds the sum of a tensor's columns to a tensor of one column. */
#include "nn/layers/layers.h"

/* y[r] += sum over c of x[r,c] */
static void
forward(const NnLayer *l, const NnBlock *b)
{
    const int d = tensor_width(b->net, l->x), ldx = tensor_ld(b, l->x), ldy = tensor_ld(b, l->y);
    const float *x = block_value(b, l->x);
    float *y = block_value(b, l->y);

    for (int r = 0; r < b->n; r++) {
        float sum = 0;

        for (int c = 0; c < d; c++)
            sum += x[(size_t)r * (size_t)ldx + (size_t)c];
        y[(size_t)r * (size_t)ldy] += sum;
    }
}

/* dx[r,c] (+)= dy[r] */
static void
backward(const NnLayer *l, const NnBlock *b)
{
    const int d = tensor_width(b->net, l->x), lddx = tensor_ld(b, l->x), lddy = tensor_ld(b, l->y);
    const float *dy = block_dvalue(b, l->y);
    float *dx = block_dvalue(b, l->x);

    for (int r = 0; r < b->n; r++)
        for (int c = 0; c < d; c++) {
            float *to = dx + (size_t)r * (size_t)lddx + (size_t)c;

            *to = (l->dx_add ? *to : 0) + dy[(size_t)r * (size_t)lddy];
        }
}

/* Sum, Add */
static int
describe(const NnLayer *l, const NnNet *net, NnModule *modules)
{
    modules[0] = layer_module(l, net);
    modules[0].output = -1;
    modules[1] = (NnModule){.kind = "Add", .input = {l->y, NN_OF_MODULE(0), -1}, .output = l->y, .d = 1};
    return 2;
}

static const NnLayerType sum_type = {
    .kind = "Sum", .forward = forward, .backward = backward, .describe = describe};

void
net_sum_add(NnNet *net, int x, int y, const char *name)
{
    net_layer(net, &sum_type, x, y, "%s", name);
}
