/*
 * onnx_layers.c: a network as nodes of an ONNX graph: its layers one after the other, each by the functions
 * of its modules.
 */
#include "io/onnx_modules.h"

#include "miscadmin.h"

/* ------------------------------------------------------------------ inputs and embeddings */

static const char *
add_numbers(OnnxGraph *graph, const NnLayer *l, const NnModule *m, const char *const *x)
{
    return "x_num";
}

/* the first of the lookups that write a layer's output */
static const NnLookup *
first_lookup(const NnNet *net, const NnLayer *l)
{
    for (int i = 0; i < net->n_lookups; i++) {
        if (net->lookups[i].y == l->y)
            return &net->lookups[i];
    }
    elog(ERROR, "layer \"%s\" looks nothing up", l->name);
}

/* [B, n_cat]: rows of a table that holds the categories of all fields one after the other */
static const char *
rows_of_all(OnnxGraph *graph)
{
    const NnConfig *config = &net_of(graph)->config;
    const int64 shape[] = {config->n_cat};
    int64 *first, row = 0;

    if (graph->codes != NULL)
        return graph->codes;
    first = palloc(sizeof(int64) * config->n_cat);
    for (int f = 0; f < config->n_cat; f++) {
        first[f] = row;
        row += config->categories[f];
    }
    graph->codes =
        onnx_node(graph, "Add", "x_cat", onnx_int64s(graph, "x_cat.offsets", 1, shape, first), NULL);
    return graph->codes;
}

/* y = table[row] */
static const char *
add_embedding(OnnxGraph *graph, const NnLayer *l, const NnModule *m, const char *const *x)
{
    const NnLookup *lookup = first_lookup(net_of(graph), l);
    const bool shares = net_of(graph)->params[lookup->param].shape[0] > lookup->rows;
    const char *codes = shares ? rows_of_all(graph) : "x_cat";
    const char *row = add_on_axis(graph, "Gather", 1, codes, onnx_number(graph, lookup->field));

    return add_on_axis(graph, "Gather", 0, onnx_param(graph, lookup->param), row);
}

/* y = bias + sum over fields of table[row] */
static const char *
add_embedding_bag(OnnxGraph *graph, const NnLayer *l, const NnModule *m, const char *const *x)
{
    const char *rows = add_on_axis(graph, "Gather", 0, onnx_param(graph, m->first_param), rows_of_all(graph));
    const char *y = add_sum(graph, rows, 1, false);

    return m->n_params > 1 ? onnx_node(graph, "Add", y, onnx_param(graph, m->first_param + 1), NULL) : y;
}

/* y[b, f, :] = x[b, f] weight[f, :] */
static const char *
add_num_embedding(OnnxGraph *graph, const NnLayer *l, const NnModule *m, const char *const *x)
{
    const int64 width = net_of(graph)->config.d_embed;
    const char *weight = onnx_node(graph, "Reshape", onnx_param(graph, m->first_param),
                                   onnx_list(graph, LIST(m->d / width, width)), NULL);

    return add_flatten(graph, onnx_node(graph, "Mul", add_unsqueeze(graph, x[0], 2), weight, NULL));
}

/* ------------------------------------------------------------------ dense layers */

static const char *
add_linear(OnnxGraph *graph, const NnLayer *l, const NnModule *m, const char *const *x)
{
    return add_gemm(graph, x[0], onnx_param(graph, m->first_param),
                    m->n_params > 1 ? onnx_param(graph, m->first_param + 1) : NULL);
}

static const char *
add_relu(OnnxGraph *graph, const NnLayer *l, const NnModule *m, const char *const *x)
{
    return onnx_node(graph, "Relu", x[0], NULL);
}

/*
 * Dropout, because only training drops anything, and batch normalisation, which is in the weights before
 * it.
 */
static const char *
add_nothing(OnnxGraph *graph, const NnLayer *l, const NnModule *m, const char *const *x)
{
    return x[0];
}

static const char *
add_concat(OnnxGraph *graph, const NnLayer *l, const NnModule *m, const char *const *x)
{
    return add_on_axis(graph, "Concat", 1, x[0], x[1]);
}

static const char *
add_add(OnnxGraph *graph, const NnLayer *l, const NnModule *m, const char *const *x)
{
    return onnx_node(graph, "Add", x[0], x[1], NULL);
}

static const char *
add_sum_of_columns(OnnxGraph *graph, const NnLayer *l, const NnModule *m, const char *const *x)
{
    return add_sum(graph, x[0], 1, true);
}

/* ---------------------------------------------- cross networks: x[1] is their first input */

/* y = x0 * u + x */
static const char *
add_gate(OnnxGraph *graph, const char *x0, const char *u, const char *x)
{
    return onnx_node(graph, "Add", onnx_node(graph, "Mul", x0, u, NULL), x, NULL);
}

static const char *
add_cross_matrix(OnnxGraph *graph, const NnLayer *l, const NnModule *m, const char *const *x)
{
    return add_gate(graph, x[1], add_linear(graph, l, m, x), x[0]);
}

/* y = x0 * (x . w) + bias + x */
static const char *
add_cross_vector(OnnxGraph *graph, const NnLayer *l, const NnModule *m, const char *const *x)
{
    const char *s = add_gemm(graph, x[0], onnx_param(graph, m->first_param), NULL);
    const char *y = onnx_node(graph, "Mul", x[1], s, NULL);

    return onnx_node(graph, "Add", onnx_node(graph, "Add", y, onnx_param(graph, m->first_param + 1), NULL),
                     x[0], NULL);
}

/* g = softmax over experts of x . G_e; all levels share the weights */
static const char *
add_gating(OnnxGraph *graph, const NnLayer *l, const NnModule *m, const char *const *x)
{
    if (graph->gating == NULL) {
        const char **gates = palloc(sizeof(char *) * m->d);

        for (int e = 0; e < m->d; e++)
            gates[e] = onnx_param(graph, m->first_param + e);
        graph->gating = onnx_node_of(graph, "Concat", gates, m->d);
        onnx_set_int(graph, "axis", 0);
    }
    return add_on_axis(graph, "Softmax", 1, add_gemm(graph, x[0], graph->gating, NULL), NULL);
}

/*
 * a = tanh(x V), c = tanh(a C), u = bias + sum over experts of (g c) U^T, y = x0 * u + x. The experts are
 * the first dimension of U, V [experts, d, rank] and C [experts, rank, rank], and so of a and c [experts,
 * B, rank].
 */
static const char *
add_cross_mix(OnnxGraph *graph, const NnLayer *l, const NnModule *m, const char *const *x)
{
    const char *u = onnx_param(graph, m->first_param), *v = onnx_param(graph, m->first_param + 1);
    const char *c = onnx_param(graph, m->first_param + 2), *bias = onnx_param(graph, m->first_param + 3);
    const char *gates = add_unsqueeze(graph, add_transpose(graph, x[2], LIST(1, 0)), 2);
    const char *y = onnx_node(graph, "Tanh", onnx_node(graph, "MatMul", x[0], v, NULL), NULL);

    y = onnx_node(graph, "Tanh", onnx_node(graph, "MatMul", y, c, NULL), NULL);
    y = onnx_node(graph, "Mul", y, gates, NULL);
    y = onnx_node(graph, "MatMul", y, add_transpose(graph, u, LIST(0, 2, 1)), NULL);
    y = onnx_node(graph, "Add", add_sum(graph, y, 0, false), bias, NULL);
    return add_gate(graph, x[1], y, x[0]);
}

/* ------------------------------------------------------------------ the walk */

static const struct {
    const char *kind;
    AddModule *add;
} modules_known[] = {{"Input", add_numbers},
                     {"Embedding", add_embedding},
                     {"EmbeddingBag", add_embedding_bag},
                     {"NumEmbedding", add_num_embedding},
                     {"Linear", add_linear},
                     {"BatchNorm1d", add_nothing},
                     {"ReLU", add_relu},
                     {"Dropout", add_nothing},
                     {"Concat", add_concat},
                     {"Add", add_add},
                     {"Sum", add_sum_of_columns},
                     {"CrossNetMatrix", add_cross_matrix},
                     {"CrossNetVector", add_cross_vector},
                     {"Gating", add_gating},
                     {"CrossNetMix", add_cross_mix},
                     {"FactorizationMachine", add_fm},
                     {"SENetAttention", add_senet},
                     {"BilinearInteraction", add_bilinear}};

static AddModule *
find_module(const char *kind)
{
    for (int i = 0; i < (int)lengthof(modules_known); i++) {
        if (strcmp(modules_known[i].kind, kind) == 0)
            return modules_known[i].add;
    }
    elog(ERROR, "no ONNX nodes are known for modules of kind \"%s\"", kind);
}

/*
 * The value of a tensor, values [n_tensors]: one that others wrote column by column is what they wrote,
 * joined.
 */
static const char *
tensor_value(OnnxGraph *graph, const char **values, int tensor)
{
    const NnNet *net = net_of(graph);
    const char **parts;
    int n = 0;

    if (values[tensor] != NULL)
        return values[tensor];
    parts = palloc(sizeof(char *) * net->n_tensors);
    for (int column = 0; column < net->tensors[tensor].d;) {
        int t = 0;

        while (t < net->n_tensors &&
               !(net->tensors[t].parent == tensor && net->tensors[t].column == column && values[t] != NULL))
            t++;
        if (t == net->n_tensors)
            elog(ERROR, "no module has written tensor %d of the network", tensor);
        parts[n++] = values[t];
        column += net->tensors[t].d;
    }
    values[tensor] = onnx_node_of(graph, "Concat", parts, n);
    onnx_set_int(graph, "axis", 1);
    return values[tensor];
}

/* Appends a layer's modules, and sets the values of the tensors that they write. */
static void
add_layer(OnnxGraph *graph, const NnLayer *l, const char **values)
{
    NnModule modules[NN_MODULES_MOST];
    const char *given[NN_MODULES_MOST];
    const int n = layer_describe(l, net_of(graph), modules);

    for (int i = 0; i < n; i++) {
        const NnModule *m = &modules[i];
        const char *x[lengthof(m->input)] = {NULL};

        for (int k = 0; k < (int)lengthof(x); k++) {
            if (m->input[k] >= 0)
                x[k] = tensor_value(graph, values, m->input[k]);
            else if (m->input[k] <= NN_OF_MODULE(0))
                x[k] = given[NN_OF_MODULE(0) - m->input[k]];
        }
        graph->layer = l->name;
        given[i] = find_module(m->kind)(graph, l, m, x);
        if (m->output >= 0)
            values[m->output] = given[i];
    }
}

const char *
onnx_add_network(OnnxGraph *graph)
{
    const NnNet *net = net_of(graph);
    const char **values = palloc0(sizeof(char *) * net->n_tensors);

    for (int i = 0; i < net->n_layers; i++) {
        CHECK_FOR_INTERRUPTS();
        graph->layer = net->layers[i].name;
        add_layer(graph, &net->layers[i], values);
    }
    return values[net->output];
}
