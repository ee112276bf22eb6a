/*
 * registry_slots.h: the slots of the registry and the memory that they take (registry_slots.c), for
 * registry.c. The caller holds the registry's lock.
 */
#ifndef CTR_REGISTRY_SLOTS_H
#define CTR_REGISTRY_SLOTS_H

#include "shared.h"

#include "datatype/timestamp.h"

/* The model's slot; NULL: it has none. */
CtrSharedModel *slot_find(CtrShared *registry, const CtrSharedKey *key);
/* A slot for another model; NULL: all are in use. */
CtrSharedModel *slot_create(CtrShared *registry, const CtrSharedKey *key);
/* when a backend used the model last; needs no lock */
TimestampTz slot_used(CtrSharedModel *m);
/* One backend fewer has the model mapped. */
void slot_leave(CtrSharedModel *m);
/* Makes room for so many bytes more; false: there is none. Of size 0: keeps to the limit. */
bool slots_make_room(CtrShared *registry, Size size);

#endif /* CTR_REGISTRY_SLOTS_H */
