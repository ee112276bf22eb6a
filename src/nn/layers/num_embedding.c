/* num_embedding.c: embeddings of numerical features: each is one number times a vector of its own. */
#include "nn/layers/layers.h"

#include "nn/math/rows.h"

enum { WEIGHT };        /* param[]: [n_fields, 1, d] */
enum { FIELDS, WIDTH }; /* size[] */

/*
 * y      [n, fields, d]  y[r,f,:] = x[r,f] weight[f,:]
 * x      [n, fields]
 * weight [fields, d]
 */
static NN_KERNEL void
num_embedding_forward(NnRows y, NnRowsIn x, const float *restrict weight, int n, int fields, int d)
{
    for (int r = 0; r < n; r++)
        for (int f = 0; f < fields; f++) {
            const float value = rows_in_row(x, r)[f];
            const float *restrict w = weight + (size_t)f * d;
            float *restrict out = rows_row(y, r) + (size_t)f * d;

            for (int c = 0; c < d; c++)
                out[c] = value * w[c];
        }
}

/*
 * dx      [n, fields]     (+)= dy[r,f,:] . weight[f,:]
 * dweight [fields, d]     +=
 * dy      [n, fields, d]
 */
static NN_KERNEL void
num_embedding_backward(NnRows dx, float *restrict dweight, NnRowsIn dy, NnRowsIn x,
                       const float *restrict weight, int n, int fields, int d, bool add)
{
    for (int r = 0; r < n; r++)
        for (int f = 0; f < fields; f++) {
            const float value = rows_in_row(x, r)[f];
            const float *restrict g = rows_in_row(dy, r) + (size_t)f * d, *restrict w =
                                                                              weight + (size_t)f * d;
            float *restrict dw = dweight + (size_t)f * d;
            float sum = add ? rows_row(dx, r)[f] : 0;

            for (int c = 0; c < d; c++) {
                dw[c] += value * g[c];
                sum += g[c] * w[c];
            }
            rows_row(dx, r)[f] = sum;
        }
}

static void
forward(const NnLayer *l, const NnBlock *b)
{
    num_embedding_forward(block_value(b, l->y), block_value(b, l->x).in, block_param(b, l->param[WEIGHT]),
                          b->n, l->size[FIELDS], l->size[WIDTH]);
}

static void
backward(const NnLayer *l, const NnBlock *b)
{
    /* where it is not wanted, sums that nobody reads */
    float *dweight = b->grads ? block_grad(b, l->param[WEIGHT]) : b->scratch;

    num_embedding_backward(block_dvalue(b, l->x), dweight, block_dvalue(b, l->y).in, block_value(b, l->x).in,
                           block_param(b, l->param[WEIGHT]), b->n, l->size[FIELDS], l->size[WIDTH],
                           l->dx_add);
}

static const NnLayerType num_embedding_type = {
    .kind = "NumEmbedding", .forward = forward, .backward = backward};

void
net_num_embedding(NnNet *net, int x, int y, int n_fields, int d, const char *name)
{
    NnLayer *l = net_layer(net, &num_embedding_type, x, y, "%s", name);

    l->size[FIELDS] = n_fields;
    l->size[WIDTH] = d;
    l->scratch = (size_t)n_fields * (size_t)d;
    l->param[WEIGHT] =
        net_param(net, NN_DENSE, NN_UNIFORM, 1, 3, (const int64_t[]){n_fields, 1, d}, "%s.weight", name);
}
