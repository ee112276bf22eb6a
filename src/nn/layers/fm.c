/*
 * fm.c: a factorization machine's pairs (Rendle 2010), products of the embeddings of all pairs of fields:
 *
 *     y = sum over f of x[f] * (sum over e < f of x[e])
 *
 * element by element, whose sum over the columns is the sum of all inner products. The usual form,
 * ((sum x[f])^2 - sum x[f]^2) / 2, is the same number and takes as long, but its difference loses digits.
 */
#include "nn/layers/layers.h"
#include "nn/net/interactions.h"

enum { FIELDS, WIDTH }; /* size[] */
enum { TOTAL };         /* saved[]: [n, d] */

/*
 * One row, and its way back. Functions of their own, because a compiler believes `restrict` of a parameter:
 * it need not look, field by field, whether the columns overlap.
 */
static inline __attribute__((always_inline)) void
row_forward(float *restrict y, float *restrict total, const float *restrict x, int fields, int d)
{
    for (int c = 0; c < d; c++)
        y[c] = total[c] = 0;
    for (int f = 0; f < fields; f++, x += d)
        for (int c = 0; c < d; c++) {
            y[c] += x[c] * total[c];
            total[c] += x[c];
        }
}

static inline __attribute__((always_inline)) void
row_backward(float *restrict dx, const float *restrict dy, const float *restrict total,
             const float *restrict x, int fields, int d, bool add)
{
    for (int f = 0; f < fields; f++, dx += d, x += d)
        for (int c = 0; c < d; c++)
            dx[c] = (add ? dx[c] : 0) + dy[c] * (total[c] - x[c]);
}

/*
 * y     [n, d]
 * total [n, d]          sum over fields of x, kept for the backward pass
 * x     [n, fields, d]
 */
static NN_KERNEL void
fm_forward(NnRows y, NnRows total, NnRowsIn x, int n, int fields, int d)
{
    for (int r = 0; r < n; r++)
        row_forward(rows_row(y, r), rows_row(total, r), rows_in_row(x, r), fields, d);
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
        row_backward(rows_row(dx, r), rows_in_row(dy, r), rows_in_row(total, r), rows_in_row(x, r), fields, d,
                     add);
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

/* the same columns of all pairs of fields, each product once */
static void
interact(const NnLayer *l, const NnNet *net, NnInteractions *all)
{
    const int d = l->size[WIDTH];

    (void)net;
    for (int i = 0; i < all->d; i++) {
        if (all->pause)
            all->pause();
        for (int j = i + d; j < all->d; j += d)
            interactions_add(all, i, j, 1);
    }
}

static const NnLayerType fm_type = {
    .kind = "FactorizationMachine", .forward = forward, .backward = backward, .interact = interact};

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
