/*
 * interactions.c: which input each column of the tensor belongs to that a layer multiplies, and how much it
 * varies from row to row; the layers know their weights (NnLayerType.interact).
 */
#include "nn/net/interactions.h"

#include <math.h>
#include <string.h>

int
interactions_columns(const NnNet *net)
{
    int d = 0;

    for (int i = 0; i < net->n_tensors; i++)
        d = net->tensors[i].d > d ? net->tensors[i].d : d;
    return d;
}

/* the first column of tensor t in tensor x; -1: it is no part of it */
static int
column_in(const NnNet *net, int t, int x)
{
    if (t < 0)
        return -1;
    return t == x ? 0 : net->tensors[t].parent == x ? net->tensors[t].column : -1;
}

/* Numbers that are embedded: column c of number i is the number times a weight. */
static void
embedded_numbers(const NnNet *net, int x, const float *params, const float *spread, float *column_spread,
                 int *column_input)
{
    for (const NnLayer *l = net->layers; l < net->layers + net->n_layers; l++) {
        const int first = column_in(net, l->y, x);
        const NnParam *p = l->param[0] >= 0 ? &net->params[l->param[0]] : NULL;

        if (l->x != net->x_num || net->x_num < 0 || first < 0 || !p || p->ndim != 3)
            continue;
        for (size_t c = 0; c < p->count; c++) {
            const int i = (int)(c / (size_t)p->shape[2]);

            column_input[(size_t)first + c] = i;
            column_spread[(size_t)first + c] = spread[i] * fabsf(params[p->offset + c]);
        }
    }
}

static void
columns_of(const NnNet *net, int x, const float *params, const float *spread, float *column_spread,
           int *column_input)
{
    const int numbers = column_in(net, net->x_num, x);

    memset(column_spread, 0, (size_t)tensor_width(net, x) * sizeof(float));
    memset(column_input, 0, (size_t)tensor_width(net, x) * sizeof(int));
    for (int i = 0; numbers >= 0 && i < net->config.n_num; i++) {
        column_input[numbers + i] = i;
        column_spread[numbers + i] = spread[i];
    }
    embedded_numbers(net, x, params, spread, column_spread, column_input);
    for (const NnLookup *l = net->lookups; l < net->lookups + net->n_lookups; l++) {
        const int first = column_in(net, l->y, x);

        for (int c = 0; first >= 0 && c < l->d; c++) {
            column_input[first + c] = net->config.n_num + l->field;
            column_spread[first + c] = spread[l->column + c];
        }
    }
}

bool
interactions_of_layer(const NnNet *net, const NnLayer *l, const float *params, const float *spread,
                      float *column_spread, int *column_input, double *squares, NnPause pause)
{
    const int n = net->config.n_num + net->config.n_cat;
    /* a cross level multiplies the first input by its own, which begins with the first */
    const int x = l->type->interact_first ? l->x2 : l->x;
    NnInteractions all = {.params = params,
                          .d = tensor_width(net, x),
                          .spread = column_spread,
                          .input = column_input,
                          .n = n,
                          .squares = squares,
                          .pause = pause};

    if (!l->type->interact)
        return false;
    columns_of(net, x, params, spread, column_spread, column_input);
    memset(squares, 0, (size_t)n * (size_t)n * sizeof(double));
    l->type->interact(l, net, &all);
    return true;
}
