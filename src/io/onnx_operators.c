/* onnx_operators.c: ONNX operators with their attributes. */
#include "io/onnx_modules.h"

const NnNet *
net_of(const OnnxGraph *graph)
{
    return &graph->model->net;
}

int
count_fields(const OnnxGraph *graph)
{
    const NnConfig *config = &net_of(graph)->config;

    return config->n_num + config->n_cat;
}

const char *
add_gemm(OnnxGraph *graph, const char *x, const char *weight, const char *bias)
{
    const char *y = onnx_node(graph, "Gemm", x, weight, bias, NULL);

    onnx_set_int(graph, "transB", 1);
    return y;
}

const char *
add_on_axis(OnnxGraph *graph, const char *op, int64 axis, const char *a, const char *b)
{
    const char *y = onnx_node(graph, op, a, b, NULL);

    onnx_set_int(graph, "axis", axis);
    return y;
}

const char *
add_sum(OnnxGraph *graph, const char *x, int64 axis, bool keep_axis)
{
    const char *y = onnx_node(graph, "ReduceSum", x, onnx_list(graph, LIST(axis)), NULL);

    onnx_set_int(graph, "keepdims", keep_axis);
    return y;
}

const char *
add_transpose(OnnxGraph *graph, const char *x, int n, const int64 *axes)
{
    const char *y = onnx_node(graph, "Transpose", x, NULL);

    onnx_set_ints(graph, "perm", n, axes);
    return y;
}

const char *
add_flatten(OnnxGraph *graph, const char *x)
{
    return add_on_axis(graph, "Flatten", 1, x, NULL);
}

const char *
add_fields(OnnxGraph *graph, const char *x, int64 d)
{
    const int64 width = net_of(graph)->config.d_embed;

    return onnx_node(graph, "Reshape", x, onnx_list(graph, LIST(-1, d / width, width)), NULL);
}

const char *
add_unsqueeze(OnnxGraph *graph, const char *x, int64 axis)
{
    return onnx_node(graph, "Unsqueeze", x, onnx_list(graph, LIST(axis)), NULL);
}
