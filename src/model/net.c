/* net.c: the network of a model, from its options and its encoder. */
#include "model/model.h"

#include "nn/arch/arch.h"

/* Pairs of fields, each with a matrix: so many tensors, and some more, are within CTR_SAFE_TENSORS_MOST. */
#define PAIRS_MOST 750000

/* FiBiNET pairs all of its fields: there must be two, and not too many. */
static bool
check_fibinet(const NnConfig *config, Node *escontext)
{
    const int64 fields = (int64)config->n_num + config->n_cat, pairs = fields * (fields - 1) / 2;

    if (fields < 2)
        errsave(escontext, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                            errmsg("architecture \"fibinet\" needs at least two features"),
                            errhint("Use architecture \"deepcross\".")));
    else if (config->bilinear_type == NN_FIELD_INTERACTION && pairs > PAIRS_MOST)
        errsave(
            escontext,
            (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
             errmsg("too many features for bilinear_type \"field_interaction\""),
             errdetail("The pairs of " INT64_FORMAT " features have more matrices than the %d that a model "
                       "can list.",
                       fields, PAIRS_MOST),
             errhint("Use bilinear_type \"field_each\" or \"field_all\", or list some features in "
                     "\"ignore\".")));
    else if (pairs * 2 * config->d_embed > PG_INT32_MAX)
        errsave(escontext,
                (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                 errmsg("too many features for architecture \"fibinet\""),
                 errdetail("The interactions of " INT64_FORMAT " features with embeddings of width %d are "
                           "more than %d numbers.",
                           fields, config->d_embed, PG_INT32_MAX),
                 errhint("Use architecture \"deepcross\", or list some features in \"ignore\".")));
    else
        return true;
    return false;
}

bool
model_create_net(CtrModel *model, Node *escontext)
{
    NnConfig config = model->options.net;

    config.n_num = model->encoder->d_num;
    config.n_cat = model->encoder->d_cat;
    config.categories = model->encoder->categories;
    if (config.architecture == NN_FIBINET && !check_fibinet(&config, escontext))
        return false;
    ctr_check_status(net_create(&model->net, &config, ctr_nn_alloc(model->context)), "lay out the network");
    return true;
}
