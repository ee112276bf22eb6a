/*
 * relu_dropout.c: ReLU and inverted dropout (Srivastava et al. 2014) in one pass and in place.
 *
 * A coin is a hash of the step's key, the layer, the row's number in the batch and the column: nothing is
 * stored, and it does not matter how the batch is cut into blocks or which thread runs one. The backward pass
 * needs no mask: a value that was kept is positive, and one that was dropped has, like one below zero, no
 * gradient. NaN stays NaN, so that a training that diverges shows it.
 */
#include "nn/layers/layers.h"

#include "nn/math/rng.h"
#include "nn/math/rows.h"

#define COIN_BITS 24

/* y [n, d] in place; row0: batch row of y's first row; keep: largest coin that keeps, of 2^COIN_BITS */
static NN_KERNEL void
relu_dropout_forward(NnRows y, int n, int d, uint64_t key, int row0, uint32_t keep, float scale)
{
    for (int r = 0; r < n; r++) {
        float *yr = rows_row(y, r);
        const uint64_t row_key = rng_mix(key + (uint64_t)(row0 + r));
        const uint32_t low = (uint32_t)row_key, high = (uint32_t)(row_key >> 32);

        /* MurmurHash3's finalizer over a Weyl sequence, with the key's other half between its products */
        for (int c = 0; c < d; c++) {
            uint32_t h = low + (uint32_t)c * 0x9E3779B9u;

            h = (h ^ (h >> 16)) * 0x85EBCA6Bu;
            h = ((h ^ (h >> 13)) + high) * 0xC2B2AE35u;
            h ^= h >> 16;
            yr[c] = yr[c] <= 0 || (h >> (32 - COIN_BITS)) >= keep ? 0 : yr[c] * scale;
        }
    }
}

/* y [n, d] in place */
static NN_KERNEL void
relu_forward(NnRows y, int n, int d)
{
    for (int r = 0; r < n; r++) {
        float *yr = rows_row(y, r);

        for (int c = 0; c < d; c++)
            yr[c] = yr[c] <= 0 ? 0 : yr[c];
    }
}

/*
 * dy [n, d]  in place: the gradient of the output becomes that of the input
 * y  [n, d]  the output
 */
static NN_KERNEL void
relu_dropout_backward(NnRows dy, NnRowsIn y, int n, int d, float scale)
{
    for (int r = 0; r < n; r++) {
        float *restrict dyr = rows_row(dy, r);
        const float *restrict yr = rows_in_row(y, r);

#pragma omp simd
        for (int c = 0; c < d; c++)
            dyr[c] = yr[c] > 0 ? dyr[c] * scale : 0;
    }
}

static bool
has_dropout(const NnLayer *l, const NnBlock *b)
{
    return b->train && l->rate > 0;
}

/* what makes up, in the mean, for the dropped values */
static float
kept_scale(float rate)
{
    return rate < 1 ? 1 / (1 - rate) : 0;
}

static void
forward(const NnLayer *l, const NnBlock *b)
{
    const int d = tensor_width(b->net, l->y);
    const NnRows y = block_value(b, l->y);

    if (has_dropout(l, b)) {
        const uint64_t layer = (uint64_t)(l - b->net->layers);
        const uint32_t keep = (uint32_t)((1 - (double)l->rate) * (1 << COIN_BITS));

        relu_dropout_forward(y, b->n, d, rng_mix(b->key ^ rng_mix(layer)), b->row, keep, kept_scale(l->rate));
    } else {
        relu_forward(y, b->n, d);
    }
}

static void
backward(const NnLayer *l, const NnBlock *b)
{
    relu_dropout_backward(block_dvalue(b, l->y), block_value(b, l->y).in, b->n, tensor_width(b->net, l->y),
                          has_dropout(l, b) ? kept_scale(l->rate) : 1);
}

/* ReLU[, Dropout] */
static int
describe(const NnLayer *l, const NnNet *net, NnModule *modules)
{
    modules[0] = layer_module(l, net);
    modules[1] = (NnModule){.kind = "Dropout", .input = {l->y, -1, -1}, .output = l->y, .d = modules[0].d};
    return l->rate > 0 ? 2 : 1;
}

static const NnLayerType relu_type = {
    .kind = "ReLU", .forward = forward, .backward = backward, .describe = describe};

int
net_relu_dropout(NnNet *net, int x, float rate, const char *name)
{
    net_layer(net, &relu_type, x, x, "%s", name)->rate = rate;
    return x;
}
