/*
 * mlp.c: the multi-layer perceptron of all architectures: Linear, BatchNorm1d, ReLU and Dropout for each
 * width, numbered as torch.nn.Sequential numbers them.
 */
#include "nn/layers/layers.h"

#include <stdio.h>

/* BatchNorm1d, ReLU and Dropout of the i-th width */
static int
normalise_activate(NnNet *net, int x, int i, float dropout, const char *name)
{
    char module[NN_MAX_NAME];

    snprintf(module, sizeof module, "%s.%d", name, 4 * i + 1);
    x = net_batchnorm(net, x, module);
    snprintf(module, sizeof module, "%s.%d", name, 4 * i + 2);
    return net_relu_dropout(net, x, dropout, module);
}

int
net_mlp_after_linear(NnNet *net, int x, const int *widths, int n_widths, float dropout, const char *name)
{
    x = normalise_activate(net, x, 0, dropout, name);
    for (int i = 1; i < n_widths; i++) {
        char module[NN_MAX_NAME];

        snprintf(module, sizeof module, "%s.%d", name, 4 * i);
        x = net_linear(net, x, widths[i], true, module);
        x = normalise_activate(net, x, i, dropout, name);
    }
    return x;
}

int
net_mlp(NnNet *net, int x, const int *widths, int n_widths, float dropout, const char *name)
{
    char module[NN_MAX_NAME];

    snprintf(module, sizeof module, "%s.0", name);
    x = net_linear(net, x, widths[0], true, module);
    return net_mlp_after_linear(net, x, widths, n_widths, dropout, name);
}
