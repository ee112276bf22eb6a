/*
 * wide_deep.c: Wide & Deep (Cheng et al. 2016): a linear part over numbers and categories, and an MLP over
 * numbers and embeddings of categories. Their logits add up. Crossed columns, which the paper's wide part has
 * besides, are categories like any other: those that the option "crosses" makes.
 */
#include "nn/arch/arch.h"

#include "nn/layers/layers.h"

/* [B, n_num + n_cat * d_embed]; *numbers: its numerical columns, or -1 */
static int
build_inputs(NnNet *net, int *numbers)
{
    const NnConfig *config = &net->config;
    const int x = net_tensor(net, config->n_num + config->n_cat * config->d_embed);

    *numbers = config->n_num > 0 ? net_view(net, x, 0, config->n_num) : -1;
    if (config->n_num > 0)
        net_input_numerical(net, *numbers);
    fields_categories(net, x, config->n_num);
    return x;
}

void
wide_deep_build(NnNet *net)
{
    int numbers;

    net->output = fields_mlp(net, build_inputs(net, &numbers));
    fields_wide(net, numbers, net->output);
}
