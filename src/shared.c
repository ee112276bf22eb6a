/*
 * shared.c: finds the memory that all backends of the server share. PostgreSQL 17 and later give it to the
 * first that asks for its name; before that, the postmaster must have loaded the library
 * (shared_preload_libraries). After a crash of a backend, PostgreSQL makes all shared memory anew.
 */
#include "shared.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "utils/resowner.h"

/* Memory that a process of another version of ctr would read differently has another name. */
#define SHARED_NAME "ctr " CTR_VERSION

static CtrShared *shared = NULL;
static bool looked = false;

/*
 * What the memory's secret will be, if this process is the first. Drawn before the memory has a name: from
 * then on others find it, also where filling it has failed.
 */
static uint64 secret[lengthof(shared->secret)];

static void
draw_secret(void)
{
    if (!pg_strong_random(secret, sizeof(secret)))
        ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not generate random numbers")));
}

/* Fills new memory. It cannot fail. */
static void
shared_init(void *memory)
{
    CtrShared *s = memory;

    memset(s, 0, sizeof(*s));
    s->tranche = LWLockNewTrancheId();
    LWLockInitialize(&s->lock, s->tranche);
    ConditionVariableInit(&s->changed);
    for (int i = 0; i < CTR_SHARED_MODELS; i++) {
        pg_atomic_init_u64(&s->models[i].used, 0);
        pg_atomic_init_u32(&s->models[i].recalled, 0);
    }
    memcpy(s->secret, secret, sizeof(secret));
}

#if PG_VERSION_NUM >= 170000

#include "storage/dsm_registry.h"

void
shared_reserve(void)
{
}

static void
find(void *arg)
{
    bool found;

    (void)arg;
    draw_secret();
    shared = GetNamedDSMSegment(SHARED_NAME, sizeof(CtrShared), shared_init, &found);
}

static void
look(void)
{
    /* what fails here fails with a lock of PostgreSQL's held, and no other: a query calls us without any */
    if (!shared_attempt(find, NULL))
        LWLockReleaseAll();
}

#else

static shmem_startup_hook_type startup_before;

static void
startup(void)
{
    bool found;
    CtrShared *s;

    if (startup_before)
        startup_before();
    draw_secret();
    LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
    s = ShmemInitStruct(SHARED_NAME, sizeof(CtrShared), &found);
    if (!found)
        shared_init(s);
    LWLockRelease(AddinShmemInitLock);
    shared = s;
}

#if PG_VERSION_NUM >= 150000
static shmem_request_hook_type request_before;

static void
request(void)
{
    if (request_before)
        request_before();
    RequestAddinShmemSpace(sizeof(CtrShared));
}
#endif

void
shared_reserve(void)
{
    if (!process_shared_preload_libraries_in_progress)
        return;
    startup_before = shmem_startup_hook;
    shmem_startup_hook = startup;
#if PG_VERSION_NUM >= 150000
    request_before = shmem_request_hook;
    shmem_request_hook = request;
#else
    RequestAddinShmemSpace(sizeof(CtrShared));
#endif
}

/* `shared` was set in the postmaster, or will never be. */
static void
look(void)
{
}

#endif

CtrShared *
shared_memory(void)
{
    if (!looked) {
        looked = true;
        look();
        if (shared)
            LWLockRegisterTranche(shared->tranche, "CtrModels");
    }
    return shared;
}

/* Errors of memory that an operator should know of; the query goes on without. */
static void
log_error(MemoryContext context)
{
    ErrorData *error;

    MemoryContextSwitchTo(context);
    error = CopyErrorData();
    FlushErrorState();
    ereport(LOG, (errcode(error->sqlerrcode), errmsg("ctr shares no memory for now: %s", error->message)));
    FreeErrorData(error);
}

bool
shared_attempt(void (*run)(void *), void *arg)
{
    MemoryContext context = CurrentMemoryContext;
    ResourceOwner before = CurrentResourceOwner, own = ResourceOwnerCreate(before, "ctr shared memory");
    volatile bool good = true;

    CurrentResourceOwner = own;
    PG_TRY();
    {
        run(arg);
    }
    PG_CATCH();
    {
        good = false;
        log_error(context);
    }
    PG_END_TRY();
    CurrentResourceOwner = before;
    ResourceOwnerRelease(own, RESOURCE_RELEASE_BEFORE_LOCKS, good, false);
    ResourceOwnerRelease(own, RESOURCE_RELEASE_LOCKS, good, false);
    ResourceOwnerRelease(own, RESOURCE_RELEASE_AFTER_LOCKS, good, false);
    ResourceOwnerDelete(own);
    if (!good)
        CHECK_FOR_INTERRUPTS();
    return good;
}
