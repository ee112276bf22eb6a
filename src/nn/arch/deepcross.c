/*
 * deepcross.c: the DeepCross family (DCN, DCN-V2, DCN-Mix): embeddings and numbers side by side, a cross
 * network, and an MLP behind it (stacked) or beside it (parallel).
 */
#include "nn/arch/arch.h"

#include <math.h>
#include <stdio.h>

#include "nn/layers/layers.h"

/* an embedding's width grows with the square root of its categories */
static int
embedding_width(int categories, int d_max)
{
    int d = (int)sqrt((double)categories);

    d = d > 2 ? d : 2;
    return d < d_max ? d : d_max;
}

/* [B, n_num + all embeddings]: every input writes its columns */
static int
build_inputs(NnNet *net)
{
    const NnConfig *config = &net->config;
    int d = config->n_num, column = config->n_num, x;

    for (int i = 0; i < config->n_cat; i++)
        d += embedding_width(config->categories[i], config->d_embed_max);
    x = net_tensor(net, d);
    if (config->n_num > 0)
        net_input_numerical(net, net_view(net, x, 0, config->n_num));
    for (int i = 0; i < config->n_cat; i++) {
        const int width = embedding_width(config->categories[i], config->d_embed_max);
        const int64_t shape[] = {config->categories[i], width};
        char module[NN_MAX_NAME];
        int table;

        snprintf(module, sizeof module, "cat_embedding.embedding_list.%d", i);
        table = net_param(net, NN_TABLE, NN_NORMAL, 1, 2, shape, "%s.weight", module);
        net_embedding(net, i, table, 0, config->categories[i], net_view(net, x, column, width), module);
        column += width;
    }
    return x;
}

static int
build_cross(NnNet *net, int x0)
{
    const NnConfig *config = &net->config;

    switch (config->cross_type) {
    case NN_CROSS_VECTOR:
        return net_cross_vector(net, x0, config->n_cross, "cross_layer");
    case NN_CROSS_MATRIX:
        return net_cross_matrix(net, x0, config->n_cross, "cross_layer");
    case NN_CROSS_MIX:
        return net_cross_mix(net, x0, config->n_cross, config->low_rank, config->n_experts, "cross_layer");
    }
    return x0;
}

void
deepcross_build(NnNet *net)
{
    const NnConfig *config = &net->config;
    const int x = build_inputs(net);
    const int crossed = build_cross(net, x);
    const int deep = net_mlp(net, config->stacked ? crossed : x, config->mlp_layers, config->n_mlp,
                             config->mlp_dropout, "mlp.mlp");

    net->output = config->stacked ? net_linear(net, deep, config->n_classes, true, "last_linear")
                                  : net_linear_joint(net, deep, crossed, config->n_classes, "last_linear");
}
