/*
 * fm.c: a factorization machine's pairs (Rendle 2010), products of the embeddings of all pairs of fields:
 *
 *     y = sum over f of x[f] * (sum over e < f of x[e])
 *
 * element by element, whose sum over the columns is the sum of all inner products. The usual form,
 * ((sum x[f])^2 - sum x[f]^2) / 2, is the same number and takes as long, but its difference loses digits.
 */
#include "nn/layers/layers.h"

enum { FIELDS, WIDTH }; /* size[] */
enum { TOTAL };         /* saved[]: [n, d] */

/*
 * y     [n, d]
 * total [n, d]          sum over fields of x, kept for the backward pass
 * x     [n, fields, d]
 */
static NN_KERNEL void
fm_forward(NnRows y, NnRows total, NnRowsIn x, int n, int fields, int d)
{
    for (int r = 0; r < n; r++) {
        float *restrict yr = rows_row(y, r), *restrict sum = rows_row(total, r);

        for (int c = 0; c < d; c++)
            yr[c] = sum[c] = 0;
        for (int f = 0; f < fields; f++) {
            const float *restrict v = rows_in_row(x, r) + (size_t)f * d;

            for (int c = 0; c < d; c++) {
                yr[c] += v[c] * sum[c];
                sum[c] += v[c];
            }
        }
    }
}

/*
 * dx    [n, fields, d]  (+)= dy * (total - x[f])
 * dy    [n, d]
 * total [n, d]
 * x     [n, fields, d]
 */
static NN_KERNEL void
fm_backward(NnRows dx, NnRowsIn dy, NnRowsIn total, NnRowsIn x, int n, int fields, int d, bool add)
{
    for (int r = 0; r < n; r++)
        for (int f = 0; f < fields; f++) {
            const float *restrict g = rows_in_row(dy, r), *restrict sum = rows_in_row(total, r);
            const float *restrict v = rows_in_row(x, r) + (size_t)f * d;
            float *restrict dv = rows_row(dx, r) + (size_t)f * d;

            for (int c = 0; c < d; c++)
                dv[c] = (add ? dv[c] : 0) + g[c] * (sum[c] - v[c]);
        }
}

static void
forward(const NnLayer *l, const NnBlock *b)
{
    fm_forward(block_value(b, l->y), block_value(b, l->saved[TOTAL]), block_value(b, l->x).in, b->n,
               l->size[FIELDS], l->size[WIDTH]);
}

static void
backward(const NnLayer *l, const NnBlock *b)
{
    fm_backward(block_dvalue(b, l->x), block_dvalue(b, l->y).in, block_value(b, l->saved[TOTAL]).in,
                block_value(b, l->x).in, b->n, l->size[FIELDS], l->size[WIDTH], l->dx_add);
}

static const NnLayerType fm_type = {.kind = "FactorizationMachine", .forward = forward, .backward = backward};

int
net_fm(NnNet *net, int x, int n_fields, int d, const char *name)
{
    const int y = net_tensor(net, d);
    NnLayer *l = net_layer(net, &fm_type, x, y, "%s", name);

    l->saved[TOTAL] = net_tensor(net, d);
    l->size[FIELDS] = n_fields;
    l->size[WIDTH] = d;
    return y;
}
