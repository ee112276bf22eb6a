/*
 * deepfm.c: DeepFM (Guo et al. 2017): a factorization machine, which is a wide part and the inner products of
 * all pairs of fields, and an MLP over the same embeddings. Their logits add up.
 *
 * Numbers are embedded as FiBiNET embeds them, so that they are fields as categories are. For one class the
 * pairs add the sum of the products' columns, as in the paper, which has no other. For several classes every
 * class weighs the columns in its own way (fm_linear); one weight for all would add the same number to all
 * logits, and the softmax would not see it.
 */
#include "nn/arch/arch.h"

#include "nn/layers/layers.h"

void
deepfm_build(NnNet *net)
{
    const NnConfig *config = &net->config;
    const int numbers = fields_numbers(net);
    const int x = fields_embeddings(net, numbers);
    int pairs;

    net->output = fields_mlp(net, x);
    pairs = net_fm(net, x, config->n_num + config->n_cat, config->d_embed, "fm");
    if (config->n_classes == 1)
        net_sum_add(net, pairs, net->output, "fm_sum");
    else
        net_linear_add(net, pairs, net->output, false, "fm_linear");
    fields_wide(net, numbers, net->output);
}
