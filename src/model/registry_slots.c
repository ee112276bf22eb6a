/*
 * registry_slots.c: which models of the registry have memory. At most ctr.shared_model_memory is taken or
 * reserved.
 *
 * Where a new model needs room, models go that no backend has mapped, least recently used first. If that is
 * not enough, those that no query has begun or ended with for IDLE_SECONDS are recalled: backends unmap them
 * when they use a model next. A query that has lasted longer takes the recall back when it ends. Until there
 * is room, backends unpack the new model for themselves. A model that queries do use does not go: two that do
 * not fit together would be unpacked in turn.
 *
 * A model without memory is remembered, with what it needs and how often it was missed, until its slot is
 * needed.
 */
#include "model/registry_slots.h"

#include "utils/timestamp.h"

#define IDLE_SECONDS 60

static Size
limit(void)
{
    return (Size)ctr_shared_model_memory * 1024;
}

CtrSharedModel *
slot_find(CtrShared *registry, const CtrSharedKey *key)
{
    for (int i = 0; i < CTR_SHARED_MODELS; i++) {
        CtrSharedModel *m = &registry->models[i];

        if (m->state != CTR_SHARED_UNKNOWN && memcmp(&m->key, key, sizeof(*key)) == 0)
            return m;
    }
    return NULL;
}

TimestampTz
slot_used(CtrSharedModel *m)
{
    return (TimestampTz)pg_atomic_read_u64(&m->used);
}

/* The one of these least recently used; NULL: there is none. */
static CtrSharedModel *
oldest(CtrShared *registry, bool (*is_one)(CtrSharedModel *))
{
    CtrSharedModel *found = NULL;

    for (int i = 0; i < CTR_SHARED_MODELS; i++) {
        CtrSharedModel *m = &registry->models[i];

        if (is_one(m) && (found == NULL || slot_used(m) < slot_used(found)))
            found = m;
    }
    return found;
}

static bool
is_unknown(CtrSharedModel *m)
{
    return m->state == CTR_SHARED_UNKNOWN;
}

static bool
is_absent(CtrSharedModel *m)
{
    return m->state == CTR_SHARED_ABSENT;
}

static bool
is_unmapped(CtrSharedModel *m)
{
    return m->state == CTR_SHARED_READY && m->backends == 0;
}

static bool
is_idle(CtrSharedModel *m)
{
    return m->state == CTR_SHARED_READY && !pg_atomic_read_u32(&m->recalled) &&
           TimestampDifferenceExceeds(slot_used(m), GetCurrentTimestamp(), IDLE_SECONDS * 1000);
}

/* Gives the memory back to the system. */
static void
slot_drop(CtrSharedModel *m)
{
    dsm_unpin_segment(m->handle);
    m->state = CTR_SHARED_ABSENT;
    m->bytes = 0;
}

CtrSharedModel *
slot_create(CtrShared *registry, const CtrSharedKey *key)
{
    CtrSharedModel *m = oldest(registry, is_unknown);

    if (m == NULL)
        m = oldest(registry, is_absent);
    if (m == NULL && (m = oldest(registry, is_unmapped)) != NULL)
        slot_drop(m);
    if (m == NULL)
        return NULL;
    m->state = CTR_SHARED_ABSENT;
    m->key = *key;
    m->needs = 0;
    m->hits = m->misses = 0;
    return m;
}

void
slot_leave(CtrSharedModel *m)
{
    m->backends--;
    if (m->backends == 0 && (pg_atomic_read_u32(&m->recalled) || limit() == 0))
        slot_drop(m);
}

static Size
taken(const CtrShared *registry)
{
    Size total = 0;

    for (int i = 0; i < CTR_SHARED_MODELS; i++)
        total += registry->models[i].bytes;
    return total;
}

/* Recalls idle models, least recently used first, until so many bytes come free. */
static void
recall(CtrShared *registry, Size bytes)
{
    CtrSharedModel *m;

    for (Size coming = 0; coming < bytes && (m = oldest(registry, is_idle)) != NULL; coming += m->bytes)
        pg_atomic_write_u32(&m->recalled, 1);
}

bool
slots_make_room(CtrShared *registry, Size size)
{
    CtrSharedModel *m;
    Size bytes, room;

    if (size > limit())
        return false;
    room = limit() - size;
    while ((bytes = taken(registry)) > room && (m = oldest(registry, is_unmapped)) != NULL)
        slot_drop(m);
    if (bytes > room)
        recall(registry, bytes - room);
    return bytes <= room;
}
