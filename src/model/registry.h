/*
 * registry.h: which models lie in memory that backends share (registry.c).
 *
 * A slot is that of a model whose memory this process has mapped, or is about to fill.
 */
#ifndef CTR_REGISTRY_H
#define CTR_REGISTRY_H

#include "model/model.h"

#include "shared.h"

typedef enum CtrSharing {
    CTR_SHARING_NONE,  /* this backend needs a copy of its own */
    CTR_SHARING_BUILD, /* nobody has it: call registry_publish or registry_abandon */
    CTR_SHARING_READY  /* it is mapped: call registry_leave in the end */
} CtrSharing;

/* Looks for the model. While another backend builds it, waits for a while. Serves interrupts. */
CtrSharing registry_find(const CtrSharedKey *key, int *slot);
/* What a builder fills with so many bytes; NULL: there is no room. The slot is still being built. */
char *registry_allocate(int slot, Size size);
/* The memory is filled. The slot is ready, and this process has it mapped. */
void registry_publish(int slot);
/* The model is not shared: somebody else may try. */
void registry_abandon(int slot);
/* the memory of a slot that is mapped */
char *registry_block(int slot);
/* At this time a query begins or ends to use the model. */
void registry_touch(int slot, TimestampTz now);
/* Should this process leave the slot, if it does not need the model now? */
bool registry_recalled(int slot);
/* Unmaps the memory. Raises no error. */
void registry_leave(int slot);
/* Copies what is known of models [CTR_SHARED_MODELS]; returns how many they are. */
int registry_list(CtrSharedModel *models);

#endif /* CTR_REGISTRY_H */
