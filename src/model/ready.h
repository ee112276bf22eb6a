/* ready.h: models made ready to score (ready.c). */
#ifndef CTR_READY_H
#define CTR_READY_H

#include "model/cache.h"

#define CTR_NOT_SHARED (-1)

/*
 * The value's model, in a memory context of its own under the current one. Returns the slot of the registry
 * in which its large parts lie, to be left after the context was deleted, or CTR_NOT_SHARED.
 */
int ready_model(Datum value, const char *digest, CtrCachedModelView *view);

#endif /* CTR_READY_H */
