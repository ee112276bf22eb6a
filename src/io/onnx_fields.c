/* onnx_fields.c: interactions of a network's fields as nodes of an ONNX graph. */
#include "io/onnx_modules.h"

#include "miscadmin.h"

/* y = sum over f of x[f] * (sum over e < f of x[e]) */
const char *
add_fm(OnnxGraph *graph, const NnLayer *l, const NnModule *m, const char *const *x)
{
    const int64 width = net_of(graph)->config.d_embed;
    const char *fields = add_fields(graph, x[0], count_fields(graph) * width);
    const char *before = onnx_node(graph, "CumSum", fields, onnx_number(graph, 1), NULL);

    onnx_set_int(graph, "exclusive", 1);
    return add_sum(graph, onnx_node(graph, "Mul", fields, before, NULL), 1, false);
}

/* y[f, :] = x[f, :] * a[f], where a = relu(relu(z W1^T) W2^T) and z are the fields' means */
const char *
add_senet(OnnxGraph *graph, const NnLayer *l, const NnModule *m, const char *const *x)
{
    const char *fields = add_fields(graph, x[0], m->d);
    const char *a = onnx_node(graph, "ReduceMean", fields, NULL);

    onnx_set_ints(graph, "axes", LIST(2));
    onnx_set_int(graph, "keepdims", 0);
    for (int i = 0; i < 2; i++)
        a = onnx_node(graph, "Relu", add_gemm(graph, a, onnx_param(graph, m->first_param + i), NULL), NULL);
    return add_flatten(graph, onnx_node(graph, "Mul", fields, add_unsqueeze(graph, a, 2), NULL));
}

/* The fields of all pairs i < j: those of i (second: of j), in the order of the interactions. */
static const char *
pair_members(OnnxGraph *graph, int fields, bool second)
{
    const int64 shape[] = {(int64)fields * (fields - 1) / 2};
    int64 *members = MemoryContextAllocHuge(CurrentMemoryContext, mul_size(Max(shape[0], 1), sizeof(int64)));
    int64 pair = 0;

    for (int i = 0; i < fields; i++) {
        CHECK_FOR_INTERRUPTS();
        for (int j = i + 1; j < fields; j++)
            members[pair++] = second ? j : i;
    }
    return onnx_int64s(graph, second ? "pairs.second" : "pairs.first", 1, shape, members);
}

/* [n, E, E]: the matrices one after the other, each transposed, as MatMul wants them */
static const char *
stack_matrices(OnnxGraph *graph, const NnModule *m, int n)
{
    const CtrModel *model = graph->model;
    const int64 d = model->net.config.d_embed, shape[] = {n, d, d};
    float *stack =
        MemoryContextAllocHuge(CurrentMemoryContext, mul_size((Size)n, (Size)(d * d) * sizeof(float)));

    for (int k = 0; k < n; k++) {
        const float *w = model->params + model->net.params[m->first_param + k].offset;
        float *to = stack + (Size)k * d * d;

        ctr_pause_at(k);
        for (int64 r = 0; r < d; r++)
            for (int64 c = 0; c < d; c++)
                to[c * d + r] = w[r * d + c];
    }
    return onnx_floats(graph, "bilinear.weights", 3, shape, stack);
}

/* What both interactions share: constants, made with the first. */
static void
prepare_pairs(OnnxGraph *graph, const NnModule *m)
{
    const NnBilinearType type = net_of(graph)->config.bilinear_type;
    const int fields = count_fields(graph);

    if (graph->pairs.weights != NULL)
        return;
    graph->pairs.first = pair_members(graph, fields, false);
    graph->pairs.second = pair_members(graph, fields, true);
    graph->pairs.weights = stack_matrices(graph, m,
                                          type == NN_FIELD_ALL    ? 1
                                          : type == NN_FIELD_EACH ? fields
                                                                  : fields * (fields - 1) / 2);
}

/* (v_i W^T) * v_j for all pairs i < j; MatMul takes a matrix for each i or pair where these come first */
const char *
add_bilinear(OnnxGraph *graph, const NnLayer *l, const NnModule *m, const char *const *x)
{
    const int64 width = net_of(graph)->config.d_embed;
    const char *fields = add_fields(graph, x[0], count_fields(graph) * width); /* [B, fields, width] */
    const char *first = fields, *second;

    prepare_pairs(graph, m);
    second = add_on_axis(graph, "Gather", 1, fields, graph->pairs.second);
    switch (net_of(graph)->config.bilinear_type) {
    case NN_FIELD_ALL:
        first = onnx_node(graph, "MatMul", fields, graph->pairs.weights, NULL);
        first = add_on_axis(graph, "Gather", 1, first, graph->pairs.first);
        break;
    case NN_FIELD_EACH:
        first = add_transpose(graph, fields, LIST(1, 0, 2));
        first = onnx_node(graph, "MatMul", first, graph->pairs.weights, NULL);
        first = add_transpose(graph, first, LIST(1, 0, 2));
        first = add_on_axis(graph, "Gather", 1, first, graph->pairs.first);
        break;
    case NN_FIELD_INTERACTION:
        first = add_transpose(graph, fields, LIST(1, 0, 2));
        first = add_on_axis(graph, "Gather", 0, first, graph->pairs.first);
        first = onnx_node(graph, "MatMul", first, graph->pairs.weights, NULL);
        first = add_transpose(graph, first, LIST(1, 0, 2));
        break;
    }
    return add_flatten(graph, onnx_node(graph, "Mul", first, second, NULL));
}
