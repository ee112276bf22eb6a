/*
 * transfer.c: a trained net's parameters into a net of the same options whose fields have grown.
 *
 * A known category keeps its table row, a new one starts from its field's unseen row. A field that crosses a
 * square number of categories also gets wider embeddings in DeepCross; then every weight that reads the
 * network's input gets new columns. They keep their fresh values, and the known categories' new embedding
 * columns start at 0, so that the grown net computes what the old one did.
 */
#include "nn/net/net.h"

#include <string.h>

#define TABLE_PIECE 4096 /* rows */

/* columns of the network's input: numerical ones, then each field's embedding */
static int
input_width(const NnNet *net)
{
    int d = net->config.n_num;

    for (int i = 0; i < net->n_lookups; i++)
        d += net->lookups[i].d;
    return d;
}

/*
 * Walks along an axis of a parameter. One that has grown ends with the network's input; what stands before
 * (the MLP's output) and the numerical columns have not changed, then come the fields' columns.
 */
typedef struct Axis {
    const NnNet *net, *old;
    int64_t same;      /* indexes from the first on that are the old net's */
    int64_t index;     /* the next one */
    int64_t old_start; /* of the next field's columns in the old net */
    int field, column; /* the next column of a field */
} Axis;

static Axis
axis_start(const NnNet *net, const NnNet *old, int64_t size, int64_t old_size)
{
    const int64_t same = size == old_size ? size : old_size - input_width(old) + net->config.n_num;

    return (Axis){.net = net, .old = old, .same = same, .old_start = same};
}

/* the old net's index of the next one of the new net's; -1: it has none */
static int64_t
axis_next(Axis *a)
{
    int64_t found = a->index;

    if (a->index++ < a->same)
        return found;
    found = a->column < a->old->lookups[a->field].d ? a->old_start + a->column : -1;
    if (++a->column == a->net->lookups[a->field].d) {
        a->old_start += a->old->lookups[a->field].d;
        a->field++;
        a->column = 0;
    }
    return found;
}

static void
take_over_dense(const NnNet *net, float *to, const NnParam *p, const NnNet *old, const float *from,
                const NnParam *q, NnPause pause)
{
    int64_t shape[3] = {1, 1, 1}, old_shape[3] = {1, 1, 1};
    Axis rows, columns;

    for (int i = 0; i < p->ndim; i++) {
        shape[i] = p->shape[i];
        old_shape[i] = q->shape[i];
    }
    if (p->dtype == NN_I64) { /* a counter */
        memcpy(to, from, p->count * sizeof(int64_t));
        return;
    }
    rows = axis_start(net, old, shape[0], old_shape[0]);
    columns = axis_start(net, old, shape[1], old_shape[1]);
    for (int64_t i = 0; i < shape[0]; i++) {
        const int64_t a = axis_next(&rows);
        Axis along = columns;

        if (pause)
            pause();
        for (int64_t j = 0; a >= 0 && j < shape[1]; j++) {
            const int64_t b = axis_next(&along);

            for (int64_t k = 0; b >= 0 && k < shape[2]; k++)
                to[(i * shape[1] + j) * shape[2] + k] = from[(a * old_shape[1] + b) * old_shape[2] + k];
        }
    }
}

static void
take_over_table(const NnLookup *l, float *table, const NnLookup *o, const float *old_table, int unseen,
                NnPause pause)
{
    for (int64_t r = 0; r < l->rows; r++) {
        const float *from = old_table + (o->row_offset + (r < o->rows ? r : unseen)) * o->d;
        float *to = table + (l->row_offset + r) * l->d;

        if (pause && r % TABLE_PIECE == 0)
            pause();
        memcpy(to, from, sizeof(float) * (size_t)o->d);
        memset(to + o->d, 0, sizeof(float) * (size_t)(l->d - o->d));
    }
}

void
net_take_over(const NnNet *net, float *params, const NnNet *old, const float *old_params, int unseen,
              NnPause pause)
{
    for (int i = 0; i < net->n_params; i++) {
        const NnParam *p = &net->params[i];
        const NnParam *q = &old->params[i];
        bool derived = p->dtype == NN_I64 && p->ndim > 0; /* offsets follow from the categories */

        if (p->kind != NN_TABLE && !derived)
            take_over_dense(net, params + p->offset, p, old, old_params + q->offset, q, pause);
    }
    for (int i = 0; i < net->n_lookups; i++) {
        const NnLookup *l = &net->lookups[i];
        const NnLookup *o = &old->lookups[i];

        take_over_table(l, params + net->params[l->param].offset, o,
                        old_params + old->params[o->param].offset, unseen, pause);
    }
}
