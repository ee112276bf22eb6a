/* sum.c: adds the sum of a tensor's columns to a tensor of one column. */
#include "nn/layers/layers.h"

/* y[r] += sum over c of x[r,c] */
static void
forward(const NnLayer *l, const NnBlock *b)
{
    const int d = tensor_width(b->net, l->x);
    const NnRowsIn x = block_value(b, l->x).in;
    const NnRows y = block_value(b, l->y);

    for (int r = 0; r < b->n; r++) {
        const float *xr = rows_in_row(x, r);
        float sum = 0;

        for (int c = 0; c < d; c++)
            sum += xr[c];
        *rows_row(y, r) += sum;
    }
}

/* dx[r,c] (+)= dy[r] */
static void
backward(const NnLayer *l, const NnBlock *b)
{
    const int d = tensor_width(b->net, l->x);
    const NnRowsIn dy = block_dvalue(b, l->y).in;
    const NnRows dx = block_dvalue(b, l->x);

    for (int r = 0; r < b->n; r++) {
        const float dyr = *rows_in_row(dy, r);
        float *dxr = rows_row(dx, r);

        for (int c = 0; c < d; c++)
            dxr[c] = (l->dx_add ? dxr[c] : 0) + dyr;
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
