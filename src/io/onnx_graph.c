/* onnx_graph.c: builds an ONNX graph: nodes and their attributes, initializers, inputs and outputs. */
#include "io/onnx.h"

#include <stdarg.h>

#include "nn/infer/scorer.h"

#define FIRST_ROOM  64
#define INPUTS_MOST 8 /* of a node that onnx_node appends */

/* A message of this kind, as protobuf-c starts it. */
#define CREATE(type, init) ((type *)memcpy(palloc(sizeof(type)), &(const type)init, sizeof(type)))

/* A name for a message to point to: protobuf-c's strings are not const, but it does not change them. */
static char *
name_of(const char *name)
{
    return unconstify(char *, name);
}

static const float *
fuse_params(const CtrModel *model)
{
    float *fused =
        MemoryContextAllocHuge(CurrentMemoryContext, mul_size(Max(model->net.n_dense, 1), sizeof(float)));

    if (!scorer_fuse(&model->net, model->params, fused, ctr_pause))
        elog(ERROR, "batch normalisation cannot be moved into a linear layer");
    return fused;
}

OnnxGraph *
onnx_graph_create(const CtrModel *model)
{
    OnnxGraph *graph = palloc0(sizeof(OnnxGraph));
    Onnx__GraphProto proto = ONNX__GRAPH_PROTO__INIT;

    graph->proto = proto;
    graph->proto.name = "ctr";
    graph->model = model;
    graph->dense = fuse_params(model);
    graph->has_param = palloc0(Max(model->net.n_params, 1));
    graph->max_nodes = graph->max_initializers = FIRST_ROOM;
    graph->proto.node = palloc(sizeof(void *) * FIRST_ROOM);
    graph->proto.initializer = palloc(sizeof(void *) * FIRST_ROOM);
    return graph;
}

/* ------------------------------------------------------------------ nodes */

static Onnx__NodeProto *
last_node(OnnxGraph *graph)
{
    return graph->proto.node[graph->proto.n_node - 1];
}

const char *
onnx_node_of(OnnxGraph *graph, const char *op, const char *const *inputs, int n)
{
    Onnx__NodeProto *node = CREATE(Onnx__NodeProto, ONNX__NODE_PROTO__INIT);

    if (graph->proto.n_node == (size_t)graph->max_nodes) {
        graph->max_nodes *= 2;
        graph->proto.node = repalloc(graph->proto.node, sizeof(void *) * graph->max_nodes);
    }
    node->op_type = name_of(op);
    node->name = psprintf("%s/%s.%zu", graph->layer, op, graph->proto.n_node);
    node->n_input = n;
    node->input = palloc(sizeof(char *) * n);
    for (int i = 0; i < n; i++)
        node->input[i] = name_of(inputs[i]);
    node->n_output = 1;
    node->output = palloc(sizeof(char *));
    node->output[0] = node->name;
    graph->proto.node[graph->proto.n_node++] = node;
    return node->output[0];
}

const char *
onnx_node(OnnxGraph *graph, const char *op, ...)
{
    const char *inputs[INPUTS_MOST], *input;
    int n = 0;
    va_list list;

    va_start(list, op);
    while ((input = va_arg(list, const char *)) != NULL) {
        Assert(n < INPUTS_MOST);
        inputs[n++] = input;
    }
    va_end(list);
    return onnx_node_of(graph, op, inputs, n);
}

void
onnx_name_output(OnnxGraph *graph, const char *name)
{
    last_node(graph)->output[0] = name_of(name);
}

static Onnx__AttributeProto *
add_attribute(OnnxGraph *graph, const char *name, Onnx__AttributeProto__AttributeType type)
{
    Onnx__NodeProto *node = last_node(graph);
    Onnx__AttributeProto *attribute = CREATE(Onnx__AttributeProto, ONNX__ATTRIBUTE_PROTO__INIT);

    attribute->name = name_of(name);
    attribute->has_type = true;
    attribute->type = type;
    node->attribute = node->n_attribute == 0
                          ? palloc(sizeof(void *))
                          : repalloc(node->attribute, sizeof(void *) * (node->n_attribute + 1));
    node->attribute[node->n_attribute++] = attribute;
    return attribute;
}

void
onnx_set_int(OnnxGraph *graph, const char *name, int64 value)
{
    Onnx__AttributeProto *attribute = add_attribute(graph, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT);

    attribute->has_i = true;
    attribute->i = value;
}

static int64_t *
copy_numbers(int n, const int64 *values)
{
    int64_t *copy = palloc(sizeof(int64_t) * Max(n, 1));

    for (int i = 0; i < n; i++)
        copy[i] = values[i];
    return copy;
}

void
onnx_set_ints(OnnxGraph *graph, const char *name, int n, const int64 *values)
{
    Onnx__AttributeProto *attribute = add_attribute(graph, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS);

    attribute->n_ints = n;
    attribute->ints = copy_numbers(n, values);
}

/* ------------------------------------------------------------------ initializers */

static const char *
add_initializer(OnnxGraph *graph, const char *name, Onnx__TensorProto__DataType type, int ndim,
                const int64 *shape, const void *data, Size size)
{
    Onnx__TensorProto *tensor = CREATE(Onnx__TensorProto, ONNX__TENSOR_PROTO__INIT);

    if (graph->proto.n_initializer == (size_t)graph->max_initializers) {
        graph->max_initializers *= 2;
        graph->proto.initializer =
            repalloc(graph->proto.initializer, sizeof(void *) * graph->max_initializers);
    }
    tensor->name = name_of(name);
    tensor->has_data_type = true;
    tensor->data_type = type;
    tensor->n_dims = ndim;
    tensor->dims = copy_numbers(ndim, shape);
    tensor->has_raw_data = true;
    tensor->raw_data.len = size;
    tensor->raw_data.data = unconstify(uint8_t *, (const uint8_t *)data);
    graph->proto.initializer[graph->proto.n_initializer++] = tensor;
    return name;
}

static Size
count_elements(int ndim, const int64 *shape)
{
    Size n = 1;

    for (int i = 0; i < ndim; i++)
        n *= (Size)shape[i];
    return n;
}

const char *
onnx_param(OnnxGraph *graph, int param)
{
    const NnParam *p = &graph->model->net.params[param];
    const float *values = p->kind == NN_DENSE ? graph->dense : graph->model->params;

    if (!graph->has_param[param])
        add_initializer(graph, p->name, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, p->ndim, p->shape,
                        values + p->offset, p->count * sizeof(float));
    graph->has_param[param] = true;
    return p->name;
}

const char *
onnx_floats(OnnxGraph *graph, const char *name, int ndim, const int64 *shape, const float *values)
{
    return add_initializer(graph, name, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, ndim, shape, values,
                           count_elements(ndim, shape) * sizeof(float));
}

const char *
onnx_int64s(OnnxGraph *graph, const char *name, int ndim, const int64 *shape, const int64 *values)
{
    return add_initializer(graph, name, ONNX__TENSOR_PROTO__DATA_TYPE__INT64, ndim, shape, values,
                           count_elements(ndim, shape) * sizeof(int64));
}

/* The initializer of this name; NULL: there is none. */
static const char *
find_initializer(const OnnxGraph *graph, const char *name)
{
    for (size_t i = 0; i < graph->proto.n_initializer; i++) {
        if (strcmp(graph->proto.initializer[i]->name, name) == 0)
            return graph->proto.initializer[i]->name;
    }
    return NULL;
}

const char *
onnx_number(OnnxGraph *graph, int64 value)
{
    const char *name = psprintf(INT64_FORMAT, value), *known = find_initializer(graph, name);

    return known ? known : onnx_int64s(graph, name, 0, NULL, copy_numbers(1, &value));
}

const char *
onnx_list(OnnxGraph *graph, int n, const int64 *values)
{
    const int64 shape[] = {n};
    StringInfoData name;
    const char *known;

    initStringInfo(&name);
    for (int i = 0; i < n; i++)
        appendStringInfo(&name, "%s" INT64_FORMAT, i > 0 ? ", " : "[", values[i]);
    appendStringInfoChar(&name, ']');
    known = find_initializer(graph, name.data);
    return known ? known : onnx_int64s(graph, name.data, 1, shape, copy_numbers(n, values));
}

/* ------------------------------------------------------------------ inputs and outputs */

static Onnx__TensorShapeProto__Dimension *
create_dimension(const char *name, int64 d)
{
    Onnx__TensorShapeProto__Dimension *dimension =
        CREATE(Onnx__TensorShapeProto__Dimension, ONNX__TENSOR_SHAPE_PROTO__DIMENSION__INIT);

    if (name != NULL) {
        dimension->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
        dimension->dim_param = name_of(name);
    } else {
        dimension->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
        dimension->dim_value = d;
    }
    return dimension;
}

static Onnx__ValueInfoProto *
create_value(const char *name, Onnx__TensorProto__DataType type, int64 d)
{
    Onnx__ValueInfoProto *value = CREATE(Onnx__ValueInfoProto, ONNX__VALUE_INFO_PROTO__INIT);
    Onnx__TypeProto__Tensor *tensor = CREATE(Onnx__TypeProto__Tensor, ONNX__TYPE_PROTO__TENSOR__INIT);

    tensor->has_elem_type = true;
    tensor->elem_type = type;
    tensor->shape = CREATE(Onnx__TensorShapeProto, ONNX__TENSOR_SHAPE_PROTO__INIT);
    tensor->shape->n_dim = d > 0 ? 2 : 1;
    tensor->shape->dim = palloc(sizeof(void *) * 2);
    tensor->shape->dim[0] = create_dimension("batch", 0);
    if (d > 0)
        tensor->shape->dim[1] = create_dimension(NULL, d);
    value->name = name_of(name);
    value->type = CREATE(Onnx__TypeProto, ONNX__TYPE_PROTO__INIT);
    value->type->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    value->type->tensor_type = tensor;
    return value;
}

static void
append_value(Onnx__ValueInfoProto ***values, size_t *n, Onnx__ValueInfoProto *value)
{
    *values = *n == 0 ? palloc(sizeof(void *)) : repalloc(*values, sizeof(void *) * (*n + 1));
    (*values)[(*n)++] = value;
}

void
onnx_add_input(OnnxGraph *graph, const char *name, Onnx__TensorProto__DataType type, int64 d)
{
    append_value(&graph->proto.input, &graph->proto.n_input, create_value(name, type, d));
}

void
onnx_add_output(OnnxGraph *graph, const char *name, int64 d)
{
    append_value(&graph->proto.output, &graph->proto.n_output,
                 create_value(name, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, d));
}
