/*
 * gradients.c: forward and backward passes in evaluation mode, without parameter gradients: batch
 * normalisation has its running statistics, so that no row depends on another.
 */
#include "nn/infer/gradients.h"

#include <string.h>

#include "nn/arena.h"
#include "nn/denormals.h"
#include "nn/math/products.h"
#include "nn/math/rows.h"

struct NnGradients {
    const NnNet *net;
    const float *params;
    float *values, *dvalues; /* [row_floats * NN_BLOCK] */
    float *scratch;
};

static void
layout(NnGradients *g, NnGradients **place, NnArena *arena)
{
    *place = arena_take(arena, 1, sizeof(NnGradients));
    g->values = arena_take(arena, g->net->row_floats * NN_BLOCK, sizeof(float));
    g->dvalues = arena_take(arena, g->net->row_floats * NN_BLOCK, sizeof(float));
    g->scratch = arena_take(arena, g->net->scratch, sizeof(float));
}

size_t
gradients_size(const NnNet *net)
{
    NnGradients g = {.net = net}, *place;
    NnArena arena = {0};

    layout(&g, &place, &arena);
    return arena.used;
}

NnStatus
gradients_create(NnGradients **gradients, const NnNet *net, const float *params, NnAlloc alloc)
{
    NnGradients g = {.net = net, .params = params};
    NnArena arena = {0};

    if (!gemm_prepare())
        return NN_NO_BLAS;
    arena.base = alloc.alloc(alloc.owner, gradients_size(net));
    if (!arena.base)
        return NN_NO_MEMORY;
    layout(&g, gradients, &arena);
    **gradients = g;
    return NN_OK;
}

void
gradients_inputs(const NnGradients *g, const float *x_num, const int32_t *x_cat, size_t ld_cat, int rows,
                 float *inputs)
{
    const NnNet *net = g->net;
    const int n_num = net->config.n_num;

    if (n_num > 0)
        rows_copy(rows_of(inputs, net->d_input), rows_in(x_num, n_num), rows, n_num, false);
    for (const NnLookup *l = net->lookups; l < net->lookups + net->n_lookups; l++) {
        const float *table = g->params + net->params[l->param].offset + (size_t)l->row_offset * (size_t)l->d;

        for (int r = 0; r < rows; r++)
            memcpy(inputs + (size_t)r * (size_t)net->d_input + l->column,
                   table + (size_t)x_cat[(size_t)l->field * ld_cat + (size_t)r] * (size_t)l->d,
                   (size_t)l->d * sizeof(float));
    }
}

/* The gradient of logit k[r] of row r with respect to the logits themselves, where the way back begins. */
static void
seed_gradient(const NnBlock *b, const int *k)
{
    const int classes = b->net->config.n_classes;
    float *dlogits = block_dvalue(b, b->net->output).p;

    memset(dlogits, 0, (size_t)b->n * (size_t)classes * sizeof(float));
    for (int r = 0; r < b->n; r++)
        dlogits[r * classes + k[r]] = 1;
}

/* gradient [n, d_input] from the gradients of the tensors that hold the inputs */
static void
collect_gradient(const NnBlock *b, NnRows gradient)
{
    const NnNet *net = b->net;

    if (net->x_num >= 0)
        rows_copy(gradient, block_dvalue(b, net->x_num).in, b->n, net->config.n_num, false);
    for (const NnLookup *l = net->lookups; l < net->lookups + net->n_lookups; l++)
        rows_copy(rows_part(gradient, 0, l->column), block_dvalue(b, l->y).in, b->n, l->d, false);
}

void
gradients_run(NnGradients *g, const float *inputs, int rows, const int *k, float *logits, float *gradient)
{
    const NnNet *net = g->net;
    const size_t classes = (size_t)net->config.n_classes, d = (size_t)net->d_input;
    NnBlock b = {.net = net,
                 .params = g->params,
                 .values = g->values,
                 .dvalues = g->dvalues,
                 .capacity = NN_BLOCK,
                 .scratch = g->scratch};
    const uint64_t mode = denormals_flush();

    for (int done = 0; done < rows; done += b.n) {
        b.n = rows - done < NN_BLOCK ? rows - done : NN_BLOCK;
        b.inputs = inputs + (size_t)done * d;
        block_forward(&b, 0, net->n_layers);
        memcpy(logits + (size_t)done * classes, block_value(&b, net->output).p,
               (size_t)b.n * classes * sizeof(float));
        if (!gradient)
            continue;
        block_zero_gradients(&b);
        seed_gradient(&b, k + done);
        block_backward(&b, net->n_layers, 0);
        collect_gradient(&b, rows_of(gradient + (size_t)done * d, net->d_input));
    }
    denormals_restore(mode);
}

const float *
gradients_value(const NnGradients *g, int tensor, int row)
{
    return g->values + tensor_at(g->net, tensor, NN_BLOCK, (size_t)row);
}
