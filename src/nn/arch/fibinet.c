/*
 * fibinet.c: FiBiNET (Huang et al. 2019): embeddings of one width for every field, SENet's attention over
 * fields, bilinear interactions of plain and of re-weighted fields, an MLP over them, and a wide (linear)
 * part.
 */
#include "nn/arch/arch.h"

#include <math.h>
#include <stdio.h>

#include "nn/layers/layers.h"

/* one table for the categories of all fields, and its offsets; torch.nn.init.xavier_uniform_ */
static int
category_table(NnNet *net, int d, const char *table, const char *offsets)
{
    const NnConfig *config = &net->config;
    int64_t rows = 0;
    int buffer;

    for (int i = 0; i < config->n_cat; i++)
        rows += config->categories[i];
    buffer =
        net_param(net, NN_BUFFER, NN_OFFSETS, 0, 1, (const int64_t[]){config->n_cat}, "%s.offsets", offsets);
    if (net->status == NN_OK)
        net->params[buffer].dtype = NN_I64;
    return net_param(net, NN_TABLE, NN_UNIFORM, (float)sqrt(6 / ((double)rows + d)), 2,
                     (const int64_t[]){rows, d}, "%s.weight", table);
}

/* [B, fields, d]: numerical fields, then category fields */
static int
build_embeddings(NnNet *net, int numbers)
{
    const NnConfig *config = &net->config;
    const int d = config->d_embed;
    const int x = net_tensor(net, (config->n_num + config->n_cat) * d);
    int64_t row_offset = 0;
    int table;

    if (config->n_num > 0)
        net_num_embedding(net, numbers, net_view(net, x, 0, config->n_num * d), config->n_num, d,
                          "num_embedding");
    if (config->n_cat == 0)
        return x;
    table = category_table(net, d, "cat_embedding.embedding", "cat_embedding");
    for (int i = 0; i < config->n_cat; i++) {
        char field[NN_MAX_NAME];

        snprintf(field, sizeof field, "cat_embedding.%d", i);
        net_embedding(net, i, table, row_offset, config->categories[i],
                      net_view(net, x, (config->n_num + i) * d, d), field);
        row_offset += config->categories[i];
    }
    return x;
}

/* output += the linear part */
static void
build_wide(NnNet *net, int numbers, int output)
{
    const NnConfig *config = &net->config;

    if (config->n_num > 0)
        net_linear_add(net, numbers, output, "num_linear");
    if (config->n_cat > 0) {
        const int table = category_table(net, config->n_classes, "cat_linear.fc", "cat_linear");
        const int bias = net_param(net, NN_DENSE, NN_ZERO, 0, 1, (const int64_t[]){config->n_classes}, "%s",
                                   "cat_linear.bias");

        net_embedding_sum(net, table, bias, output, true, "cat_linear");
    }
}

void
fibinet_build(NnNet *net)
{
    const NnConfig *config = &net->config;
    const int fields = config->n_num + config->n_cat;
    const int numbers = config->n_num > 0 ? net_tensor(net, config->n_num) : -1;
    char last[NN_MAX_NAME];
    int x, reweighted, deep;

    if (config->n_num > 0)
        net_input_numerical(net, numbers);
    x = build_embeddings(net, numbers);
    reweighted = net_senet(net, x, fields, config->reduction_ratio, "se_attention");
    deep = net_bilinear_linear(net, x, reweighted, fields, config->bilinear_type, config->mlp_layers[0],
                               "bilinear.bilinear_layer", "mlp.mlp.0");
    deep = net_mlp_after_linear(net, deep, config->mlp_layers, config->n_mlp, config->mlp_dropout, "mlp.mlp");
    snprintf(last, sizeof last, "mlp.mlp.%d", 4 * config->n_mlp);
    net->output = net_linear(net, deep, config->n_classes, true, last);
    build_wide(net, numbers, net->output);
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
