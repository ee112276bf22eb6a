/*
 * embedding.c: the layers that read the batch itself: numerical fields, embeddings (torch.nn.Embedding) and
 * sums of embeddings (a linear layer over one-hot fields).
 *
 * The gradients of tables are not made here: Adam takes them from the gradient of y along the net's list of
 * lookups. Codes must be valid, 0 .. rows - 1 of their field: whoever encodes rows sees to that, nothing is
 * checked here.
 */
#include "nn/layers/layers.h"

#include <string.h>

#include "nn/math/rows.h"

#define PREFETCH_ROWS 12 /* as far ahead as a read from memory takes */

/* ------------------------------------------------------------------ numerical fields */

static void
input_forward(const NnLayer *l, const NnBlock *b)
{
    const int d = b->net->config.n_num;
    const NnRowsIn x = b->inputs ? block_inputs(b, 0) : rows_in_part(rows_in(b->x_num, d), b->row, 0);
    const NnRows y = block_value(b, l->y);

    for (int r = 0; r < b->n; r++)
        memcpy(rows_row(y, r), rows_in_row(x, r), (size_t)d * sizeof(float));
}

static const NnLayerType input_type = {.kind = "Input", .forward = input_forward};

void
net_input_numerical(NnNet *net, int y)
{
    net_layer(net, &input_type, -1, y, "numerical");
    net->x_num = y;
}

/* ------------------------------------------------------------------ one field's embedding */

/*
 * y     [n, d]
 * table [rows, d]
 * codes [n]
 */
static inline __attribute__((always_inline)) void
gather(NnRows y, const float *restrict table, const int32_t *restrict codes, int n, size_t d)
{
    for (int r = 0; r < n; r++) {
        if (r + PREFETCH_ROWS < n)
            __builtin_prefetch(table + (size_t)codes[r + PREFETCH_ROWS] * d);
        memcpy(rows_row(y, r), table + (size_t)codes[r] * d, d * sizeof(float));
    }
}

static const float *
lookup_table(const NnLookup *lookup, const NnBlock *b)
{
    return b->tables + b->net->params[lookup->param].offset + (size_t)lookup->row_offset * (size_t)lookup->d;
}

static const int32_t *
lookup_codes(const NnLookup *lookup, const NnBlock *b)
{
    return b->x_cat + (size_t)lookup->field * b->ld_cat + (size_t)b->row;
}

enum { FIRST_LOOKUP, ADD }; /* size[] */

static void
embedding_forward(const NnLayer *l, const NnBlock *b)
{
    const NnLookup *lookup = &b->net->lookups[l->size[FIRST_LOOKUP]];
    const NnRows y = block_value(b, l->y);

    if (b->inputs)
        rows_copy(y, block_inputs(b, lookup->column), b->n, lookup->d, false);
    else if (lookup->d ==
             8) /* so frequent that the compiler should know it: a copy is then one instruction */
        gather(y, lookup_table(lookup, b), lookup_codes(lookup, b), b->n, 8);
    else
        gather(y, lookup_table(lookup, b), lookup_codes(lookup, b), b->n, (size_t)lookup->d);
}

/* Where fields share a table, it is the first field's. */
static int
embedding_describe(const NnLayer *l, const NnNet *net, NnModule *modules)
{
    modules[0] = layer_module(l, net);
    modules[0].n_params = net->lookups[l->size[FIRST_LOOKUP]].row_offset == 0;
    return 1;
}

static const NnLayerType embedding_type = {
    .kind = "Embedding", .forward = embedding_forward, .describe = embedding_describe};

void
net_embedding(NnNet *net, int field, int param, int64_t row_offset, int rows, int y, const char *name)
{
    NnLayer *l = net_layer(net, &embedding_type, -1, y, "%s", name);

    l->param[0] = param;
    l->size[FIRST_LOOKUP] = net->n_lookups;
    net_lookup(net, field, param, row_offset, rows, net->tensors[y].d, y);
}

/* ------------------------------------------------------------------ the sum of all fields' embeddings */

/*
 * y     [n, d]  += table rows
 * table [rows, d]
 * codes [n]
 */
static void
add_looked_up(NnRows y, const float *table, const int32_t *codes, int n, int d)
{
    for (int r = 0; r < n; r++) {
        const float *row = table + (size_t)codes[r] * (size_t)d;
        float *yr = rows_row(y, r);

        for (int j = 0; j < d; j++)
            yr[j] += row[j];
    }
}

static void
sum_forward(const NnLayer *l, const NnBlock *b)
{
    const int d = tensor_width(b->net, l->y);
    const float *bias = l->param[1] >= 0 ? block_param(b, l->param[1]) : NULL;
    const NnRows y = block_value(b, l->y);

    for (int r = 0; r < b->n; r++) {
        float *yr = rows_row(y, r);

        for (int j = 0; j < d; j++)
            yr[j] = (l->size[ADD] ? yr[j] : 0.0f) + (bias ? bias[j] : 0.0f);
    }

    for (int f = 0; f < b->net->config.n_cat; f++) {
        const NnLookup *lookup = &b->net->lookups[l->size[FIRST_LOOKUP] + f];

        if (b->inputs)
            rows_copy(y, block_inputs(b, lookup->column), b->n, d, true);
        else
            add_looked_up(y, lookup_table(lookup, b), lookup_codes(lookup, b), b->n, d);
    }
}

static void
sum_backward(const NnLayer *l, const NnBlock *b)
{
    if (l->param[1] >= 0 && b->grads)
        rows_sum(block_grad(b, l->param[1]), block_dvalue(b, l->y).in, b->n, tensor_width(b->net, l->y));
}

/* EmbeddingBag[, Add] */
static int
sum_describe(const NnLayer *l, const NnNet *net, NnModule *modules)
{
    modules[0] = layer_module(l, net);
    if (!l->size[ADD])
        return 1;
    modules[0].output = -1;
    modules[1] =
        (NnModule){.kind = "Add", .input = {l->y, NN_OF_MODULE(0), -1}, .output = l->y, .d = modules[0].d};
    return 2;
}

static const NnLayerType sum_type = {
    .kind = "EmbeddingBag", .forward = sum_forward, .backward = sum_backward, .describe = sum_describe};

void
net_embedding_sum(NnNet *net, int param, int bias, int y, bool y_add, const char *name)
{
    NnLayer *l = net_layer(net, &sum_type, -1, y, "%s", name);
    int64_t row_offset = 0;

    l->param[0] = param;
    l->param[1] = bias;
    l->size[FIRST_LOOKUP] = net->n_lookups;
    l->size[ADD] = y_add;
    for (int f = 0; f < net->config.n_cat; f++) {
        net_lookup(net, f, param, row_offset, net->config.categories[f], net->tensors[y].d, y);
        row_offset += net->config.categories[f];
    }
}
