/*
 * fields.c: what FiBiNET, DeepFM and Wide & Deep share: the numerical input, one table of embeddings for the
 * categories of all fields, and the wide (linear) part over numbers and categories.
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

int
fields_numbers(NnNet *net)
{
    const int numbers = net->config.n_num > 0 ? net_tensor(net, net->config.n_num) : -1;

    if (numbers >= 0)
        net_input_numerical(net, numbers);
    return numbers;
}

void
fields_categories(NnNet *net, int x, int column)
{
    const NnConfig *config = &net->config;
    const int d = config->d_embed;
    int64_t row_offset = 0;
    int table;

    if (config->n_cat == 0)
        return;
    table = category_table(net, d, "cat_embedding.embedding", "cat_embedding");
    for (int i = 0; i < config->n_cat; i++) {
        char field[NN_MAX_NAME];

        snprintf(field, sizeof field, "cat_embedding.%d", i);
        net_embedding(net, i, table, row_offset, config->categories[i], net_view(net, x, column + i * d, d),
                      field);
        row_offset += config->categories[i];
    }
}

int
fields_embeddings(NnNet *net, int numbers)
{
    const NnConfig *config = &net->config;
    const int d = config->d_embed;
    const int x = net_tensor(net, (config->n_num + config->n_cat) * d);

    if (config->n_num > 0)
        net_num_embedding(net, numbers, net_view(net, x, 0, config->n_num * d), config->n_num, d,
                          "num_embedding");
    fields_categories(net, x, config->n_num * d);
    return x;
}

void
fields_wide(NnNet *net, int numbers, int output)
{
    const NnConfig *config = &net->config;

    if (config->n_num > 0)
        net_linear_add(net, numbers, output, true, "num_linear");
    if (config->n_cat > 0) {
        const int table = category_table(net, config->n_classes, "cat_linear.fc", "cat_linear");
        const int bias = net_param(net, NN_DENSE, NN_ZERO, 0, 1, (const int64_t[]){config->n_classes}, "%s",
                                   "cat_linear.bias");

        net_embedding_sum(net, table, bias, output, true, "cat_linear");
    }
}

int
fields_mlp(NnNet *net, int x)
{
    const NnConfig *config = &net->config;
    char last[NN_MAX_NAME];

    x = net_mlp(net, x, config->mlp_layers, config->n_mlp, config->mlp_dropout, "mlp.mlp");
    snprintf(last, sizeof last, "mlp.mlp.%d", 4 * config->n_mlp);
    return net_linear(net, x, config->n_classes, true, last);
}
