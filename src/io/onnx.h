/*
 * onnx.h: an ONNX graph while it is built; private to the files that make ctr_to_onnx. All memory is the
 * current context's, and numbers of the model are not copied: they are read where they lie when the graph
 * is packed.
 *
 * A value is known by its name: an input's, a parameter's (its state_dict name), a constant's, or a node's.
 */
#ifndef CTR_ONNX_H
#define CTR_ONNX_H

#include "model/model.h"

#include "lib/stringinfo.h"

#include "io/onnx.pb-c.h"

#define ONNX_OPSET      17
#define ONNX_IR_VERSION 8 /* of the file, the oldest that goes with that set of operators */

typedef struct OnnxGraph {
    Onnx__GraphProto proto;
    int max_nodes, max_initializers;
    const CtrModel *model;
    const float *dense; /* [net.n_dense]: its dense parameters, with batch normalisation moved into them */
    const char *layer;  /* whose nodes are being added */
    bool *has_param;    /* [net.n_params]: is it among the initializers? */
    /* Values that several modules share; NULL: not made yet */
    const char *codes;  /* x_cat as rows of a table of all fields */
    const char *gating; /* the gates' weights as one matrix */
    struct {
        const char *first, *second, *weights; /* of the bilinear interactions: fields and matrices */
    } pairs;
} OnnxGraph;

/* ---------------------------------------------- onnx_graph.c: nodes, constants, inputs */

OnnxGraph *onnx_graph_create(const CtrModel *model);
/*
 * Appends a node, whose only output is returned. Its inputs end with NULL. The functions after it add
 * attributes to the node that was appended last.
 */
const char *onnx_node(OnnxGraph *graph, const char *op, ...) __attribute__((sentinel));
const char *onnx_node_of(OnnxGraph *graph, const char *op, const char *const *inputs, int n);
void onnx_set_int(OnnxGraph *graph, const char *name, int64 value);
void onnx_set_ints(OnnxGraph *graph, const char *name, int n, const int64 *values);
/* Gives the output of the node that was appended last the name that readers of the graph ask for. */
void onnx_name_output(OnnxGraph *graph, const char *name);

/* the parameter as an initializer, under its state_dict name and with its shape */
const char *onnx_param(OnnxGraph *graph, int param);
/* values of our own, which the graph keeps; ndim 0: a number */
const char *onnx_floats(OnnxGraph *graph, const char *name, int ndim, const int64 *shape,
                        const float *values);
const char *onnx_int64s(OnnxGraph *graph, const char *name, int ndim, const int64 *shape,
                        const int64 *values);
/* a number, and a list of n, by which operators say which axes or which shape; each is there once */
const char *onnx_number(OnnxGraph *graph, int64 value);
const char *onnx_list(OnnxGraph *graph, int n, const int64 *values);

/* Inputs and the output: [batch, d]; d = 0: [batch]. */
void onnx_add_input(OnnxGraph *graph, const char *name, Onnx__TensorProto__DataType type, int64 d);
void onnx_add_output(OnnxGraph *graph, const char *name, int64 d);

/* ------------------------------------------------------------------ onnx_layers.c */

/* Appends the network, from the inputs x_num and x_cat to the logits, whose value is returned. */
const char *onnx_add_network(OnnxGraph *graph);

/* ------------------------------------------------------------------ onnx_encoder.c */

/* How a row becomes x_num and x_cat, as JSON in UTF-8, which docs/onnx.md describes. */
void onnx_describe_encoder(StringInfo json, const CtrModel *model);

#endif /* CTR_ONNX_H */
