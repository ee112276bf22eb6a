/*
 * net.c: the description of a network: growing its lists while it is built, and laying it out in memory
 * afterwards.
 */
#include "nn/net/net.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define FIRST_CAPACITY 64

static size_t
align_up(size_t n)
{
    return (n + NN_ALIGN - 1) / NN_ALIGN * NN_ALIGN;
}

/* ------------------------------------------------------------------ lists */

/*
 * A new item at the end of a list; what the list grows out of stays with the allocator's owner. On failure
 * the net remembers it and the index is 0, which may be read: net_create makes room before anything is built.
 */
static int
list_append(NnNet *net, void *list, int *n, int *max, size_t item_size)
{
    void *items;

    if (net->status != NN_OK)
        return 0;
    if (*n == *max) {
        int larger = *max ? 2 * *max : FIRST_CAPACITY;
        void *grown = net->alloc.alloc(net->alloc.owner, (size_t)larger * item_size);

        if (!grown) {
            net->status = NN_NO_MEMORY;
            return 0;
        }
        memcpy(&items, list, sizeof(items));
        if (*n > 0)
            memcpy(grown, items, (size_t)*n * item_size);
        memcpy(list, &grown, sizeof(grown));
        *max = larger;
    }
    return (*n)++;
}

int
net_tensor(NnNet *net, int d)
{
    int index = list_append(net, &net->tensors, &net->n_tensors, &net->max_tensors, sizeof(NnTensor));

    if (net->status == NN_OK)
        net->tensors[index] = (NnTensor){.d = d, .parent = -1};
    return index;
}

int
net_view(NnNet *net, int parent, int column, int d)
{
    int index = net_tensor(net, d);
    const NnTensor *p = &net->tensors[parent];

    if (net->status == NN_OK) {
        net->tensors[index].parent = p->parent >= 0 ? p->parent : parent;
        net->tensors[index].column = p->column + column;
    }
    return index;
}

int
net_param(NnNet *net, NnParamKind kind, NnInit init, float init_scale, int ndim, const int64_t *shape,
          const char *name_format, ...)
{
    int index = list_append(net, &net->params, &net->n_params, &net->max_params, sizeof(NnParam));
    NnParam *p = &net->params[index];
    va_list args;

    if (net->status != NN_OK)
        return index;
    *p = (NnParam){.kind = kind, .init = init, .init_scale = init_scale, .ndim = ndim, .count = 1};
    for (int i = 0; i < ndim; i++) {
        p->shape[i] = shape[i];
        p->count *= (size_t)shape[i];
    }
    va_start(args, name_format);
    vsnprintf(p->name, sizeof(p->name), name_format, args);
    va_end(args);
    return index;
}

int
net_product_param(NnNet *net, int param)
{
    if (net->status == NN_OK)
        net->params[param].grad_set = true;
    return param;
}

int
net_variance_param(NnNet *net, int param)
{
    if (net->status == NN_OK)
        net->params[param].variance = true;
    return param;
}

NnLayer *
net_layer(NnNet *net, const NnLayerType *type, int x, int y, const char *name_format, ...)
{
    int index = list_append(net, &net->layers, &net->n_layers, &net->max_layers, sizeof(NnLayer));
    NnLayer *l = net->status == NN_OK ? &net->layers[index] : &net->spare;
    va_list args;

    *l = (NnLayer){.type = type, .x = x, .x2 = -1, .y = y, .linear_weight = -1, .linear_bias = -1};
    for (size_t i = 0; i < sizeof(l->param) / sizeof(l->param[0]); i++)
        l->param[i] = -1;
    for (size_t i = 0; i < sizeof(l->saved) / sizeof(l->saved[0]); i++)
        l->saved[i] = -1;
    va_start(args, name_format);
    vsnprintf(l->name, sizeof(l->name), name_format, args);
    va_end(args);
    return l;
}

void
net_lookup(NnNet *net, int field, int param, int64_t row_offset, int rows, int d, int y)
{
    int index = list_append(net, &net->lookups, &net->n_lookups, &net->max_lookups, sizeof(NnLookup));

    if (net->status == NN_OK)
        net->lookups[index] = (NnLookup){field, param, row_offset, rows, d, y, 0};
}

/* ------------------------------------------------------------------ layout */

static size_t
place_params(NnNet *net, NnParamKind kind, size_t offset)
{
    for (int i = 0; i < net->n_params; i++) {
        NnParam *p = &net->params[i];

        if (p->kind != kind)
            continue;
        p->offset = offset;
        offset += align_up(p->dtype == NN_I64 ? 2 * p->count : p->count);
    }
    return offset;
}

static void
place_tensors(NnNet *net)
{
    for (int i = 0; i < net->n_tensors; i++) {
        NnTensor *t = &net->tensors[i];

        if (t->parent >= 0) {
            t->offset = net->tensors[t->parent].offset;
            t->ld = net->tensors[t->parent].ld;
            continue;
        }
        /*
         * the output leaves the net and lies close together; the others' rows start on a cache line unless
         * they are short
         */
        t->ld = i == net->output || t->d < NN_ALIGN ? t->d : (int)align_up((size_t)t->d);
        t->offset = net->row_floats;
        net->row_floats += (size_t)t->ld;
    }
}

static void
place_layers(NnNet *net)
{
    for (int i = 0; i < net->n_layers; i++) {
        NnLayer *l = &net->layers[i];

        l->stats_offset = net->n_stats;
        l->batch_stats_offset = net->n_batch_stats;
        net->n_stats += align_up((size_t)l->n_stats);
        net->n_batch_stats += align_up((size_t)l->n_batch_stats);
        if (align_up(l->scratch) > net->scratch)
            net->scratch = align_up(l->scratch);
    }
}

static void
place_inputs(NnNet *net)
{
    net->d_input = net->config.n_num;
    for (int i = 0; i < net->n_lookups; i++) {
        net->lookups[i].column = net->d_input;
        net->d_input += net->lookups[i].d;
    }
}

/* ------------------------------------------------------------------ who writes a tensor's gradient first */

/* root tensor of t and its columns' range in it */
static int
root_range(const NnNet *net, int tensor, int *first, int *last)
{
    const NnTensor *t = &net->tensors[tensor];

    *first = t->column;
    *last = t->column + t->d;
    return t->parent >= 0 ? t->parent : tensor;
}

/* How many of the tensor's columns are marked in `root`'s column flags. Marks them all. */
static int
mark_columns(bool *columns, int first, int last)
{
    int marked = 0;

    for (int c = first; c < last; c++) {
        marked += columns[c];
        columns[c] = true;
    }
    return marked;
}

/*
 * one reader, met going backward: whether it adds to what later readers left there; false in *whole = only in
 * parts
 */
static bool
reader_adds(const NnNet *net, int tensor, int root, bool *columns, bool *whole)
{
    int first, last, marked;

    if (tensor < 0 || root_range(net, tensor, &first, &last) != root)
        return false;
    marked = mark_columns(columns, first, last);
    if (marked > 0 && marked < last - first)
        *whole = false;
    return marked > 0;
}

/*
 * Sets dx_add and dx2_add of the layers that read `root` or views of it. columns: room for its width, all
 * false.
 */
static void
order_gradients(NnNet *net, int root, bool *columns)
{
    NnTensor *t = &net->tensors[root];
    bool whole = true, written = false;
    int first, last;

    if (root == net->output) /* the loss writes it */
        mark_columns(columns, 0, t->d);
    for (int i = net->n_layers - 1; i >= 0; i--) {
        NnLayer *l = &net->layers[i];

        written = written || root_range(net, l->y, &first, &last) == root;
        if (l->x == l->y) /* in place: its dx is its dy */
            continue;
        if (reader_adds(net, l->x, root, columns, &whole))
            l->dx_add = true;
        if (reader_adds(net, l->x2, root, columns, &whole))
            l->dx2_add = true;
    }
    /*
     * some columns have no reader, or a reader met columns both written and not: start from zero, and all add
     */
    t->dzero = written && (!whole || mark_columns(columns, 0, t->d) < t->d);
    for (int i = 0; t->dzero && i < net->n_layers; i++) {
        NnLayer *l = &net->layers[i];

        if (l->x >= 0 && root_range(net, l->x, &first, &last) == root)
            l->dx_add = true;
        if (l->x2 >= 0 && root_range(net, l->x2, &first, &last) == root)
            l->dx2_add = true;
    }
}

void
net_finish(NnNet *net)
{
    int widest = 0;
    bool *columns;

    if (net->status != NN_OK)
        return;
    net->n_dense = place_params(net, NN_DENSE, 0);
    net->n_trained = place_params(net, NN_TABLE, net->n_dense);
    net->n_block = place_params(net, NN_BUFFER, net->n_trained);
    place_tensors(net);
    place_layers(net);
    place_inputs(net);
    net_plan_init(net);

    for (int i = 0; i < net->n_tensors; i++)
        if (net->tensors[i].d > widest)
            widest = net->tensors[i].d;
    columns = net->alloc.alloc(net->alloc.owner, (size_t)widest + 1);
    if (!columns) {
        net->status = NN_NO_MEMORY;
        return;
    }
    for (int i = 0; i < net->n_tensors; i++) {
        if (net->tensors[i].parent >= 0)
            continue;
        memset(columns, 0, (size_t)widest);
        order_gradients(net, i, columns);
    }
}

/* ------------------------------------------------------------------ the whole */

static bool
config_is_sound(const NnConfig *config)
{
    if (config->n_num < 0 || config->n_cat < 0 || config->n_num + config->n_cat < 1 ||
        config->n_classes < 1 || config->n_mlp < 0 || config->n_mlp > NN_MAX_MLP)
        return false;
    for (int i = 0; i < config->n_cat; i++)
        if (config->categories[i] < 1)
            return false;
    return true;
}

NnStatus
net_begin(NnNet *net, const NnConfig *config, NnAlloc alloc)
{
    *net = (NnNet){.config = *config,
                   .alloc = alloc,
                   .status = config_is_sound(config) ? NN_OK : NN_BAD_CONFIG,
                   .x_num = -1,
                   .attention = -1};
    list_append(net, &net->params, &net->n_params, &net->max_params, sizeof(NnParam));
    list_append(net, &net->tensors, &net->n_tensors, &net->max_tensors, sizeof(NnTensor));
    list_append(net, &net->layers, &net->n_layers, &net->max_layers, sizeof(NnLayer));
    list_append(net, &net->lookups, &net->n_lookups, &net->max_lookups, sizeof(NnLookup));
    net->n_params = net->n_tensors = net->n_layers = net->n_lookups = 0;
    return net->status;
}

int
net_find_param(const NnNet *net, const char *name)
{
    for (int i = 0; i < net->n_params; i++)
        if (strcmp(net->params[i].name, name) == 0)
            return i;
    return -1;
}
