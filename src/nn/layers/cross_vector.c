/*
 * cross_vector.c: the cross network of DCN (Wang et al. 2017), one level per layer:
 *
 *     s = x . w          a number per row
 *     y = x0 * s + bias + x
 */
#include "nn/layers/layers.h"

#include <math.h>

#include "nn/math/rows.h"
#include "nn/net/interactions.h"

enum { WEIGHT, BIAS }; /* param[]: [1, d], [d] */
enum { S };            /* saved[]: [n, 1] */

/*
 * y     [n, d]
 * s     [n, 1]  kept for the backward pass
 * x0, x [n, d]
 * w, bias [d]
 */
static NN_KERNEL void
cross_vector_forward(NnRows y, NnRows s, NnRowsIn x0, NnRowsIn x, const float *restrict w,
                     const float *restrict bias, int n, int d)
{
    for (int r = 0; r < n; r++) {
        float *restrict yr = rows_row(y, r);
        const float *x0r = rows_in_row(x0, r), *xr = rows_in_row(x, r);
        float dot = 0;

#pragma omp simd reduction(+ : dot)
        for (int c = 0; c < d; c++)
            dot += xr[c] * w[c];
        *rows_row(s, r) = dot;
        for (int c = 0; c < d; c++)
            yr[c] = x0r[c] * dot + bias[c] + xr[c];
    }
}

/* the way back of a level's rows; all [n, d] but s [n, 1] */
typedef struct LevelBackward {
    NnRowsIn dy, s, x0, x;
    const float *w;    /* [d] */
    NnRows dx, dx0;    /* (+)= dy + ds w, where ds = dy . x0, and then (+)= dy * s; may be the same tensor */
    float *dw, *dbias; /* [d] += */
} LevelBackward;

/* cross_vector_backward, for a compiler that knows what is added to */
static inline __attribute__((always_inline)) void
backward_rows(const LevelBackward level, int n, int d, const bool dx_add, const bool dx0_add)
{
    const float *restrict w = level.w;
    float *restrict dw = level.dw, *restrict dbias = level.dbias;

    for (int r = 0; r < n; r++) {
        float *dxr = rows_row(level.dx, r), *dx0r = rows_row(level.dx0, r);
        const float *restrict dyr = rows_in_row(level.dy, r);
        const float *x0r = rows_in_row(level.x0, r), *xr = rows_in_row(level.x, r);
        const float sr = *rows_in_row(level.s, r);
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

static NN_KERNEL void
cross_vector_backward(const LevelBackward *level, int n, int d, bool dx_add, bool dx0_add)
{
    if (dx_add && dx0_add)
        backward_rows(*level, n, d, true, true);
    else if (dx_add)
        backward_rows(*level, n, d, true, false);
    else if (dx0_add)
        backward_rows(*level, n, d, false, true);
    else
        backward_rows(*level, n, d, false, false);
}

static void
forward(const NnLayer *l, const NnBlock *b)
{
    cross_vector_forward(block_value(b, l->y), block_value(b, l->saved[S]), block_value(b, l->x2).in,
                         block_value(b, l->x).in, block_param(b, l->param[WEIGHT]),
                         block_param(b, l->param[BIAS]), b->n, tensor_width(b->net, l->y));
}

static void
backward(const NnLayer *l, const NnBlock *b)
{
    const int d = tensor_width(b->net, l->y);
    const LevelBackward level = {.dy = block_dvalue(b, l->y).in,
                                 .s = block_value(b, l->saved[S]).in,
                                 .x0 = block_value(b, l->x2).in,
                                 .x = block_value(b, l->x).in,
                                 .w = block_param(b, l->param[WEIGHT]),
                                 .dx = block_dvalue(b, l->x),
                                 .dx0 = block_dvalue(b, l->x2),
                                 /* where they are not wanted, sums that nobody reads */
                                 .dw = b->grads ? block_grad(b, l->param[WEIGHT]) : b->scratch,
                                 .dbias = b->grads ? block_grad(b, l->param[BIAS]) : b->scratch + d};

    cross_vector_backward(&level, b->n, d, l->dx_add, l->dx2_add);
}

/* every column of the first input times w[j] times column j: all rows of a matrix are the same */
static void
interact(const NnLayer *l, const NnNet *net, NnInteractions *all)
{
    const float *w = all->params + net->params[l->param[WEIGHT]].offset;

    for (int i = 0; i < all->d; i++) {
        if (all->pause)
            all->pause();
        for (int j = 0; j < all->d; j++)
            interactions_add(all, i, j, w[j]);
    }
}

static const NnLayerType cross_vector_type = {.kind = "CrossNetVector",
                                              .forward = forward,
                                              .backward = backward,
                                              .interact = interact,
                                              .interact_first = true};

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
