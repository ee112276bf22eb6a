/*
 * scorer.c: the forward pass of a trained network for scoring: one thread, no allocation, batch normalisation
 * moved into the linear layers before it.
 *
 * Codes must be valid, 0 .. categories - 1 of their field: whoever encodes rows sees to that, nothing is
 * checked here.
 */
#include "nn/infer/scorer.h"

#include <string.h>

#include "nn/arena.h"
#include "nn/denormals.h"
#include "nn/math/products.h"
#include "nn/math/rows.h"

struct NnScorer {
    const NnNet *net;
    const float *params; /* dense and buffers; only dense, from the weights, where fused */
    const float *tables; /* the caller's block */
    bool fused;
    size_t capacity;          /* rows for which there is room in tensors */
    const float **transposed; /* [n_params], see matvec.c; NULL: none */
    float *values;            /* [row_floats * capacity] */
    float *scratch;
};

/* the layer before `layer` that ends with y = … W' + b, where y is what `layer` reads; or NULL */
static const NnLayer *
linear_before(const NnNet *net, const NnLayer *layer)
{
    for (const NnLayer *l = layer - 1; l >= net->layers; l--)
        if (l->y == layer->x)
            return l->linear_weight >= 0 && l->linear_bias >= 0 ? l : NULL;
    return NULL;
}

static bool
can_fuse(const NnNet *net)
{
    for (const NnLayer *l = net->layers; l < net->layers + net->n_layers; l++)
        if (l->type->forward_stats && !(l->type->fuse && linear_before(net, l)))
            return false;
    return true;
}

#define COPY_PIECE ((size_t)1 << 20)

static void
copy_floats(float *to, const float *from, size_t n, NnPause pause)
{
    for (size_t done = 0; done < n; done += COPY_PIECE) {
        if (pause)
            pause();
        memcpy(to + done, from + done, (n - done < COPY_PIECE ? n - done : COPY_PIECE) * sizeof(float));
    }
}

static void
scorer_layout(NnScorer *s, NnScorer **place, int capacity, NnArena *arena)
{
    const NnNet *net = s->net;

    *place = arena_take(arena, 1, sizeof(NnScorer));
    s->fused = can_fuse(net);
    s->capacity = ((size_t)capacity + NN_ALIGN - 1) / NN_ALIGN * NN_ALIGN;
    s->transposed = arena_take(arena, (size_t)net->n_params, sizeof(float *));
    s->values = arena_take(arena, net->row_floats * s->capacity, sizeof(float));
    s->scratch = arena_take(arena, net->scratch, sizeof(float));
}

size_t
scorer_size(const NnNet *net, int capacity)
{
    NnScorer s = {.net = net}, *place;
    NnArena arena = {0};

    scorer_layout(&s, &place, capacity, &arena);
    return arena.used;
}

bool
scorer_fuse(const NnNet *net, const float *params, float *fused, NnPause pause)
{
    if (!can_fuse(net))
        return false;
    copy_floats(fused, params, net->n_dense, pause);
    for (const NnLayer *l = net->layers; l < net->layers + net->n_layers; l++) {
        const NnLayer *linear = l->type->forward_stats ? linear_before(net, l) : NULL;
        const int rows = linear ? tensor_width(net, l->x) : 0;

        for (int r = 0; r < rows; r++) {
            if (pause)
                pause();
            l->type->fuse(l, net, params, fused, linear->linear_weight, linear->linear_bias, r);
        }
    }
    return true;
}

/* ------------------------------------------------------------------ weights */

/* Their parts: the copy with batch normalisation moved [n_dense], if all can be moved; */
static float *
take_fused(const NnNet *net, NnArena *weights)
{
    return arena_take(weights, can_fuse(net) ? net->n_dense : 0, sizeof(float));
}

/* and transposed ones, parameter after parameter. NULL: this one has none. */
static float *
take_transposed(const NnNet *net, int param, NnArena *weights)
{
    const size_t floats = transposed_floats(&net->params[param]);

    return floats > 0 ? arena_take(weights, floats, sizeof(float)) : NULL;
}

size_t
scorer_weights_size(const NnNet *net)
{
    NnArena weights = {0};

    take_fused(net, &weights);
    for (int i = 0; i < net->n_params; i++)
        take_transposed(net, i, &weights);
    return weights.used;
}

void
scorer_prepare(const NnNet *net, const float *params, void *weights, NnPause pause)
{
    NnArena parts = {.base = weights};
    float *fused = take_fused(net, &parts);

    if (scorer_fuse(net, params, fused, pause))
        params = fused;
    for (int i = 0; i < net->n_params; i++) {
        float *transposed = take_transposed(net, i, &parts);

        if (transposed)
            transpose_weight(transposed, &net->params[i], params + net->params[i].offset, pause);
    }
}

/* ------------------------------------------------------------------ the scorer */

NnStatus
scorer_create(NnScorer **scorer, const NnNet *net, const float *params, void *weights, int capacity,
              NnAlloc alloc)
{
    NnScorer s = {.net = net, .params = params, .tables = params};
    NnArena arena = {0}, parts = {.base = weights};
    const float *fused = take_fused(net, &parts);

    if (!gemm_prepare())
        return NN_NO_BLAS;
    arena.base = alloc.alloc(alloc.owner, scorer_size(net, capacity));
    if (!arena.base)
        return NN_NO_MEMORY;
    scorer_layout(&s, scorer, capacity, &arena);
    if (s.fused)
        s.params = fused;
    for (int i = 0; i < net->n_params; i++)
        s.transposed[i] = take_transposed(net, i, &parts);
    **scorer = s;
    return NN_OK;
}

static void
share_layout(NnScorer *s, NnScorer **place, NnArena *arena)
{
    *place = arena_take(arena, 1, sizeof(NnScorer));
    s->values = arena_take(arena, s->net->row_floats * s->capacity, sizeof(float));
    s->scratch = arena_take(arena, s->net->scratch, sizeof(float));
}

NnStatus
scorer_share(NnScorer **copy, const NnScorer *scorer, NnAlloc alloc)
{
    NnScorer s = *scorer;
    NnArena arena = {0};

    if (*copy) {
        s.values = (*copy)->values;
        s.scratch = (*copy)->scratch;
    } else {
        share_layout(&s, copy, &arena);
        arena = (NnArena){.base = alloc.alloc(alloc.owner, arena.used)};
        if (!arena.base)
            return NN_NO_MEMORY;
        share_layout(&s, copy, &arena);
    }
    **copy = s;
    return NN_OK;
}

/* The embeddings of the first row, all at once: a single row would otherwise wait for one after the other. */
static void
prefetch_first_row(const NnScorer *s, const int32_t *x_cat, size_t ld_cat)
{
    for (const NnLookup *l = s->net->lookups; l < s->net->lookups + s->net->n_lookups; l++)
        __builtin_prefetch(s->tables + s->net->params[l->param].offset +
                           ((size_t)l->row_offset + (size_t)x_cat[(size_t)l->field * ld_cat]) * (size_t)l->d);
}

void
scorer_run(NnScorer *s, const float *x_num, const int32_t *x_cat, size_t ld_cat, int rows, float *logits)
{
    const NnNet *net = s->net;
    const size_t classes = (size_t)net->config.n_classes;
    NnBlock b = {.net = net,
                 .params = s->params,
                 .tables = s->tables,
                 .values = s->values,
                 .capacity = s->capacity,
                 .x_num = x_num,
                 .x_cat = x_cat,
                 .ld_cat = ld_cat,
                 .fused = s->fused,
                 .transposed = s->transposed,
                 .scratch = s->scratch};
    const uint64_t mode = denormals_flush();

    if (rows > 0)
        prefetch_first_row(s, x_cat, ld_cat);
    for (; b.row < rows; b.row += b.n) {
        b.n = rows - b.row < NN_BLOCK ? rows - b.row : NN_BLOCK;
        for (const NnLayer *l = net->layers; l < net->layers + net->n_layers; l++)
            l->type->forward(l, &b);
        memcpy(logits + (size_t)b.row * classes, block_value(&b, net->output).p,
               (size_t)b.n * classes * sizeof(float));
    }
    denormals_restore(mode);
}
