/* registry.c: the architectures that there are. */
#include "nn/arch/arch.h"

static const NnArch architectures[] = {
    [NN_DEEPCROSS] = {"deepcross", deepcross_build},
    [NN_FIBINET] = {"fibinet", fibinet_build},
};

const NnArch *
nn_arch(NnArchitecture architecture)
{
    return &architectures[architecture];
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
