/* net.c: the network of a model, from its options and its encoder. */
#include "model/model.h"

#include "nn/arch/arch.h"

StaticAssertDecl(NN_PAIRS_MOST < CTR_SAFE_TENSORS_MOST,
                 "a model's file can list the matrices of all pairs, and more");

/* Says what options and features cannot have together. */
static void
report_fault(const NnConfig *config, const NnFault *fault, Node *escontext)
{
    const char *name = nn_arch(config->architecture)->name, *other = nn_arch(NN_DEEPCROSS)->name;

    if (fault->kind == NN_NO_PAIR)
        errsave(escontext, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                            errmsg("architecture \"%s\" needs at least two features", name),
                            errhint("Use architecture \"%s\".", other)));
    else if (fault->kind == NN_TOO_MANY_MATRICES)
        errsave(escontext,
                (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                 errmsg("too many features for bilinear_type \"field_interaction\""),
                 errdetail("The pairs of " INT64_FORMAT " features have more matrices than the " INT64_FORMAT
                           " that a model can list.",
                           fault->fields, fault->most),
                 errhint("Use bilinear_type \"field_each\" or \"field_all\", or list some features in "
                         "\"ignore\".")));
    else if (fault->kind == NN_TOO_MANY_NUMBERS)
        errsave(escontext,
                (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                 errmsg("too many features for architecture \"%s\"", name),
                 errdetail("The interactions of " INT64_FORMAT " features with embeddings of width %d are "
                           "more than " INT64_FORMAT " numbers.",
                           fault->fields, config->d_embed, fault->most),
                 errhint("Use architecture \"%s\", or list some features in \"ignore\".", other)));
}

NnConfig
model_net_config(const CtrModel *model)
{
    NnConfig config = model->options.net;

    config.n_num = model->encoder->d_num;
    config.n_cat = model->encoder->d_cat;
    if (model->options.crosses_apart && model->options.target_statistics)
        config.n_cat -= model->encoder->n_crosses;
    config.categories = model->encoder->categories;
    return config;
}

bool
model_create_net(CtrModel *model, Node *escontext)
{
    const NnConfig config = model_net_config(model);
    const NnFault fault = nn_arch_check(&config);

    if (model->options.statistics == NN_STATISTICS_BY_SIZE)
        model->options.statistics =
            model->encoder->sums_statistics ? NN_STATISTICS_SUM : NN_STATISTIC_OF_EACH;

    if (fault.kind != NN_NO_FAULT) {
        report_fault(&config, &fault, escontext);
        return false;
    }
    ctr_check_status(net_create(&model->net, &config, ctr_nn_alloc(model->context)), "lay out the network");
    return true;
}
