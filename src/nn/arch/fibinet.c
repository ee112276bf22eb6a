/*
 * fibinet.c: FiBiNET (Huang et al. 2019): embeddings of one width for every field, SENet's attention over
 * fields, bilinear interactions of plain and of re-weighted fields, an MLP over them, and a wide (linear)
 * part.
 */
#include "nn/arch/arch.h"

#include <stdio.h>

#include "nn/layers/layers.h"

void
fibinet_build(NnNet *net)
{
    const NnConfig *config = &net->config;
    const int fields = config->n_num + config->n_cat;
    const int numbers = fields_numbers(net);
    const int x = fields_embeddings(net, numbers);
    char last[NN_MAX_NAME];
    int reweighted, deep;

    reweighted = net_senet(net, x, fields, config->reduction_ratio, "se_attention");
    deep = net_bilinear_linear(net, x, reweighted, fields, config->bilinear_type, config->mlp_layers[0],
                               "bilinear.bilinear_layer", "mlp.mlp.0");
    deep = net_mlp_after_linear(net, deep, config->mlp_layers, config->n_mlp, config->mlp_dropout, "mlp.mlp");
    snprintf(last, sizeof last, "mlp.mlp.%d", 4 * config->n_mlp);
    net->output = net_linear(net, deep, config->n_classes, true, last);
    fields_wide(net, numbers, net->output);
}

static int64_t
count_pairs(const NnConfig *config)
{
    const int64_t fields = (int64_t)config->n_num + config->n_cat;

    return fields * (fields - 1) / 2;
}

int64_t
fibinet_pair_params(const NnConfig *config)
{
    return config->bilinear_type == NN_FIELD_INTERACTION ? count_pairs(config) : 0;
}

/* It pairs all of its fields: there must be two, and not too many. */
NnFault
fibinet_check(const NnConfig *config)
{
    const int64_t fields = (int64_t)config->n_num + config->n_cat;

    if (fields < 2)
        return (NnFault){NN_NO_PAIR, fields, 0};
    if (fibinet_pair_params(config) > NN_PAIRS_MOST)
        return (NnFault){NN_TOO_MANY_MATRICES, fields, NN_PAIRS_MOST};
    if (count_pairs(config) * 2 * config->d_embed > INT32_MAX)
        return (NnFault){NN_TOO_MANY_NUMBERS, fields, INT32_MAX};
    return (NnFault){NN_NO_FAULT, fields, 0};
}
