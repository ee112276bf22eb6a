/*
 * registry.c: which models lie in memory that backends share, each in a segment of dynamic shared memory.
 *
 * Finding. A model is found by its digest, and a digest opens nothing: who asks has a value of type ctr_model
 * in hand, whose first bytes have it. That the digest is that of the value's bytes was checked when the value
 * came in: every way from outside, text, binary and bytea, goes through model_validate, and what ctr_train
 * and others make is signed by model_sign. Whoever can put other bytes into a value of this type, a superuser
 * with a cast WITHOUT FUNCTION, can read all tables anyway. So backends that attach do not hash the value
 * once more, which takes ten times as long as attaching. The backend that builds a model does, once per
 * server: bytes that a disk has damaged since are not spread under a digest that is not theirs; each backend
 * reads them for itself. Two values of one digest differ in the time their training took and ended, which no
 * score depends on. TOAST pointers, which may be reused, are compared within a backend only, under the
 * conditions of cache.c.
 *
 * Building. One backend unpacks the model, in memory of its own, copies it into a segment that no other
 * knows, and then says so in the registry, under its lock. Others wait for that, but not forever: the builder
 * may in turn wait for something that they hold. An error or the end of the builder gives the slot back.
 *
 * Ends. A segment is pinned while the registry has it. A process that ends, at FATAL too, leaves its slots
 * (registry_exit); after a crash PostgreSQL removes all segments and starts with an empty registry.
 */
#include "model/registry.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "model/registry_slots.h"

#define WAIT_MS      10000 /* for another backend's building */
#define FAIL_SECONDS 60    /* after the system had no memory, before it is asked again */
#define TOUCH_USECS  1000000

static CtrShared *registry = NULL;
/* What this process has mapped, and the slot that it builds; -1: none. */
static dsm_segment *segments[CTR_SHARED_MODELS];
static int building = -1;

/* ------------------------------------------------------------------ this process */

static void
lock(void)
{
    LWLockAcquire(&registry->lock, LW_EXCLUSIVE);
}

static void
unlock(void)
{
    LWLockRelease(&registry->lock);
}

/* The process ends; PostgreSQL unmaps its segments. */
static void
registry_exit(int code, Datum arg)
{
    (void)code;
    (void)arg;
    if (building >= 0)
        registry_abandon(building);
    lock();
    for (int i = 0; i < CTR_SHARED_MODELS; i++) {
        if (segments[i])
            slot_leave(&registry->models[i]);
        segments[i] = NULL;
    }
    unlock();
}

static bool
failed_lately(void)
{
    return registry->failed != 0 &&
           !TimestampDifferenceExceeds(registry->failed, GetCurrentTimestamp(), FAIL_SECONDS * 1000);
}

static bool
registry_begin(void)
{
    if (registry == NULL) {
        registry = shared_memory();
        if (registry)
            before_shmem_exit(registry_exit, (Datum)0);
    }
    return registry != NULL;
}

/* ------------------------------------------------------------------ finding */

typedef struct Look {
    const CtrSharedKey *key;
    CtrSharing sharing;
    int slot;             /* -1: none */
    dsm_handle handle;    /* of a model that is ready */
    dsm_segment *segment; /* NULL: it has gone */
} Look;

/* One look at the registry. false: another backend is building the model. */
static bool
look_up(Look *look, bool may_wait)
{
    CtrSharedModel *m = NULL;
    bool decided = true;

    look->sharing = CTR_SHARING_NONE;
    lock();
    (void)slots_make_room(registry, 0); /* the setting may be lower than it was */
    if (ctr_shared_model_memory > 0 && (m = slot_find(registry, look->key)) == NULL)
        m = slot_create(registry, look->key);
    look->slot = m ? (int)(m - registry->models) : -1;
    if (m && m->state == CTR_SHARED_READY) {
        look->sharing = CTR_SHARING_READY;
        look->handle = m->handle;
    } else if (m && m->state == CTR_SHARED_BUILDING && may_wait) {
        decided = false;
    } else if (m) {
        m->misses++;
        if (m->state == CTR_SHARED_ABSENT && slots_make_room(registry, m->needs) && !failed_lately()) {
            look->sharing = CTR_SHARING_BUILD;
            m->state = CTR_SHARED_BUILDING;
            building = look->slot;
        }
    }
    unlock();
    return decided;
}

static void
attach(void *arg)
{
    Look *look = arg;

    look->segment = dsm_attach(look->handle);
    if (look->segment)
        dsm_pin_mapping(look->segment);
}

/* Maps a model that was ready; false: it cannot be mapped, or is there no more. */
static bool
join(Look *look)
{
    CtrSharedModel *m = &registry->models[look->slot];
    bool good;

    Assert(segments[look->slot] == NULL);
    if (!shared_attempt(attach, look) || look->segment == NULL)
        return false;
    lock();
    good = m->state == CTR_SHARED_READY && m->handle == look->handle &&
           memcmp(&m->key, look->key, sizeof(m->key)) == 0;
    if (good) {
        m->backends++;
        m->hits++;
        segments[look->slot] = look->segment;
    }
    unlock();
    if (!good)
        dsm_detach(look->segment);
    return good;
}

CtrSharing
registry_find(const CtrSharedKey *key, int *slot)
{
    const TimestampTz start = GetCurrentTimestamp();
    Look look = {.key = key};
    bool may_wait = true;

    if (!registry_begin())
        return CTR_SHARING_NONE;
    ConditionVariablePrepareToSleep(&registry->changed);
    while (!look_up(&look, may_wait)) {
        ConditionVariableTimedSleep(&registry->changed, WAIT_MS, PG_WAIT_EXTENSION);
        may_wait = !TimestampDifferenceExceeds(start, GetCurrentTimestamp(), WAIT_MS);
    }
    ConditionVariableCancelSleep();
    *slot = look.slot;
    return look.sharing == CTR_SHARING_READY && !join(&look) ? CTR_SHARING_NONE : look.sharing;
}

/* ------------------------------------------------------------------ building */

static void
create(void *arg)
{
    CtrSharedModel *m = &registry->models[building];
    dsm_segment *segment = dsm_create(*(const Size *)arg, DSM_CREATE_NULL_IF_MAXSEGMENTS);

    if (segment == NULL)
        elog(ERROR, "too many dynamic shared memory segments");
    dsm_pin_mapping(segment);
    segments[building] = segment;
    m->handle = dsm_segment_handle(segment);
}

char *
registry_allocate(int slot, Size size)
{
    CtrSharedModel *m = &registry->models[slot];
    bool good;

    Assert(slot == building);
    lock();
    m->needs = size;
    good = slots_make_room(registry, size);
    if (good)
        m->bytes = size;
    unlock();
    if (!good)
        return NULL;
    good = shared_attempt(create, &size);
    lock();
    registry->failed = good ? 0 : GetCurrentTimestamp();
    unlock();
    return good ? registry_block(slot) : NULL;
}

void
registry_publish(int slot)
{
    CtrSharedModel *m = &registry->models[slot];

    lock();
    dsm_pin_segment(segments[slot]);
    m->state = CTR_SHARED_READY;
    m->backends = 1;
    pg_atomic_write_u64(&m->used, (uint64)GetCurrentStatementStartTimestamp());
    pg_atomic_write_u32(&m->recalled, 0);
    building = -1;
    unlock();
    ConditionVariableBroadcast(&registry->changed);
}

void
registry_abandon(int slot)
{
    CtrSharedModel *m = &registry->models[slot];

    Assert(slot == building);
    if (segments[slot])
        dsm_detach(segments[slot]); /* nobody else has it */
    segments[slot] = NULL;
    lock();
    m->state = CTR_SHARED_ABSENT;
    m->bytes = 0;
    building = -1;
    unlock();
    ConditionVariableBroadcast(&registry->changed);
}

/* ------------------------------------------------------------------ using */

char *
registry_block(int slot)
{
    return dsm_segment_address(segments[slot]);
}

void
registry_touch(int slot, TimestampTz now)
{
    CtrSharedModel *m = &registry->models[slot];

    if (segments[slot] == NULL ||         /* the process ends, and has left all of them */
        now - slot_used(m) < TOUCH_USECS) /* backends should not fight for the cache line */
        return;
    pg_atomic_write_u64(&m->used, (uint64)now);
    pg_atomic_write_u32(&m->recalled, 0);
}

bool
registry_recalled(int slot)
{
    return ctr_shared_model_memory == 0 || pg_atomic_read_u32(&registry->models[slot].recalled);
}

void
registry_leave(int slot)
{
    dsm_segment *segment = segments[slot];

    if (segment == NULL) /* the process ends, and has left all of them */
        return;
    segments[slot] = NULL;
    lock();
    slot_leave(&registry->models[slot]);
    unlock();
    dsm_detach(segment);
}

int
registry_list(CtrSharedModel *models)
{
    int n = 0;

    if (!registry_begin())
        return 0;
    LWLockAcquire(&registry->lock, LW_SHARED);
    for (int i = 0; i < CTR_SHARED_MODELS; i++) {
        if (registry->models[i].state != CTR_SHARED_UNKNOWN)
            models[n++] = registry->models[i];
    }
    unlock();
    return n;
}
