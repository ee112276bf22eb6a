/*
 * transfer.c: a trained net's parameters into a net of the same options whose fields have grown.
 *
 * A known category keeps its table row, a new one starts from its field's unseen row. A field that crosses a square
 * number of categories also gets wider embeddings in DeepCross; then every weight that reads the network's input gets
 * new columns. They keep their fresh values, and the known categories' new embedding columns start at 0, so that the
 * grown net computes what the old one did.
 */
#include "nn.h"

#include <string.h>

/* columns of the network's input: numerical ones, then each field's embedding */
static int
input_width(const NnNet *net)
{
    int d = net->config.n_num;

    for (int i = 0; i < net->n_lookups; i++)
        d += net->lookups[i].d;
    return d;
}

/* The old net's input column for one of the new net's; -1: it has none. */
static int
input_column(const NnNet *net, const NnNet *old, int column)
{
    int start = net->config.n_num, old_start = start;

    if (column < start)
        return column;
    for (int i = 0; i < net->n_lookups; i++) {
        int d = net->lookups[i].d, old_d = old->lookups[i].d;

        if (column < start + d)
            return column - start < old_d ? old_start + column - start : -1;
        start += d;
        old_start += old_d;
    }
    return -1;
}

/* An axis that has grown ends with the network's input; what stands before (the MLP's output) has not changed. */
static int64_t
axis_index(const NnNet *net, const NnNet *old, int64_t size, int64_t old_size, int64_t index)
{
    int64_t before = old_size - input_width(old);
    int column;

    if (size == old_size || index < before)
        return index;
    column = input_column(net, old, (int)(index - before));
    return column < 0 ? -1 : before + column;
}

static void
take_over_dense(const NnNet *net, float *to, const NnParam *p, const NnNet *old, const float *from,
                const NnParam *q)
{
    int64_t shape[3] = {1, 1, 1}, old_shape[3] = {1, 1, 1};

    for (int i = 0; i < p->ndim; i++) {
        shape[i] = p->shape[i];
        old_shape[i] = q->shape[i];
    }
    if (memcmp(shape, old_shape, sizeof(shape)) == 0) {
        memcpy(to, from, p->count * (p->dtype == NN_I64 ? sizeof(int64_t) : sizeof(float)));
        return;
    }
    for (int64_t i = 0; i < shape[0]; i++) {
        int64_t a = axis_index(net, old, shape[0], old_shape[0], i);

        for (int64_t j = 0; a >= 0 && j < shape[1]; j++) {
            int64_t b = axis_index(net, old, shape[1], old_shape[1], j);

            for (int64_t k = 0; b >= 0 && k < shape[2]; k++)
                to[(i * shape[1] + j) * shape[2] + k] = from[(a * old_shape[1] + b) * old_shape[2] + k];
        }
    }
}

static void
take_over_table(const NnLookup *l, float *table, const NnLookup *o, const float *old_table, int unseen)
{
    for (int64_t r = 0; r < l->rows; r++) {
        const float *from = old_table + (o->row_offset + (r < o->rows ? r : unseen)) * o->d;
        float *to = table + (l->row_offset + r) * l->d;

        memcpy(to, from, sizeof(float) * (size_t)o->d);
        memset(to + o->d, 0, sizeof(float) * (size_t)(l->d - o->d));
    }
}

void
net_take_over(const NnNet *net, float *params, const NnNet *old, const float *old_params, int unseen)
{
    for (int i = 0; i < net->n_params; i++) {
        const NnParam *p = &net->params[i];
        const NnParam *q = &old->params[i];
        bool derived = p->dtype == NN_I64 && p->ndim > 0; /* FiBiNET's offsets follow from the categories */

        if (p->kind != NN_TABLE && !derived)
            take_over_dense(net, params + p->offset, p, old, old_params + q->offset, q);
    }
    for (int i = 0; i < net->n_lookups; i++) {
        const NnLookup *l = &net->lookups[i];
        const NnLookup *o = &old->lookups[i];

        take_over_table(l, params + net->params[l->param].offset, o,
                        old_params + old->params[o->param].offset, unseen);
    }
}
