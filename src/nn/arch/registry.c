/* registry.c: the architectures that there are. */
#include "nn/arch/arch.h"

static const NnArch architectures[NN_ARCHITECTURES] = {
    [NN_DEEPCROSS] = {.name = "deepcross", .statistics = NN_STATISTIC_OF_EACH, .build = deepcross_build},
    [NN_FIBINET] = {.name = "fibinet",
                    .statistics = NN_STATISTICS_BY_SIZE, /* it pairs all of its inputs with one another */
                    .crosses_apart = true,
                    .build = fibinet_build,
                    .check = fibinet_check,
                    .pair_params = fibinet_pair_params},
    [NN_DEEPFM] = {.name = "deepfm", .statistics = NN_STATISTICS_SUM, .build = deepfm_build},
    [NN_WIDE_DEEP] = {.name = "wide_deep", .statistics = NN_STATISTIC_OF_EACH, .build = wide_deep_build},
};

const NnArch *
nn_arch(NnArchitecture architecture)
{
    return &architectures[architecture];
}

NnFault
nn_arch_check(const NnConfig *config)
{
    const NnArch *arch = nn_arch(config->architecture);

    return arch->check ? arch->check(config) : (NnFault){NN_NO_FAULT, 0, 0};
}

int64_t
nn_arch_least_params(const NnConfig *config)
{
    const NnArch *arch = nn_arch(config->architecture);

    return arch->pair_params ? arch->pair_params(config) : 0;
}

NnStatus
net_create(NnNet *net, const NnConfig *config, NnAlloc alloc)
{
    if (net_begin(net, config, alloc) != NN_OK)
        return net->status;
    nn_arch(config->architecture)->build(net);
    net_finish(net);
    return net->status;
}
