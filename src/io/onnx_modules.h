/*
 * onnx_modules.h: what the files share that make a network's modules nodes of an ONNX graph: a function for
 * each kind of module, with the formula that the layer's own file in nn/layers gives, and the operators with
 * their attributes. [B, …]: B rows; F fields of E floats each.
 */
#ifndef CTR_ONNX_MODULES_H
#define CTR_ONNX_MODULES_H

#include "io/onnx.h"

#define LIST(...)                                                                                            \
    lengthof(((const int64[]){__VA_ARGS__})), (const int64[])                                                \
    {                                                                                                        \
        __VA_ARGS__                                                                                          \
    }

/* ---------------------------------------------- onnx_operators.c: each returns its output's value */

const NnNet *net_of(const OnnxGraph *graph);
int count_fields(const OnnxGraph *graph);

/* x W^T + bias; bias NULL: none */
const char *add_gemm(OnnxGraph *graph, const char *x, const char *weight, const char *bias);
const char *add_on_axis(OnnxGraph *graph, const char *op, int64 axis, const char *a, const char *b);
const char *add_sum(OnnxGraph *graph, const char *x, int64 axis, bool keep_axis);
const char *add_transpose(OnnxGraph *graph, const char *x, int n, const int64 *axes);
/* [B, …] to [B, all of it] */
const char *add_flatten(OnnxGraph *graph, const char *x);
/* [B, F E] to [B, F, E] */
const char *add_fields(OnnxGraph *graph, const char *x, int64 d);
const char *add_unsqueeze(OnnxGraph *graph, const char *x, int64 axis);

/* ---------------------------------------------- onnx_fields.c: interactions of fields */

/* Appends a module's nodes; x: the values of its inputs. Returns the value of its output. */
typedef const char *AddModule(OnnxGraph *graph, const NnLayer *l, const NnModule *m, const char *const *x);

AddModule add_fm, add_senet, add_bilinear;

#endif /* CTR_ONNX_MODULES_H */
