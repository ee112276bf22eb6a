/*
 * arch.h: the architectures. A new one is one file that appends layers, and one row of registry.c.
 */
#ifndef NN_ARCH_H
#define NN_ARCH_H

#include "nn/net/net.h"

typedef struct NnArch {
    const char *name; /* as options have it */
    void (*build)(NnNet *net);
} NnArch;

/* by NnArchitecture */
const NnArch *nn_arch(NnArchitecture architecture);
/* Builds the architecture that config names. NN_BAD_CONFIG when it has no inputs. */
NnStatus net_create(NnNet *net, const NnConfig *config, NnAlloc alloc);

void deepcross_build(NnNet *net);
void fibinet_build(NnNet *net);

#endif /* NN_ARCH_H */
