/*
 * threads.c: how many threads there may be, the pools that have them, and what keeps their memory until they
 * have stopped.
 *
 * PostgreSQL ends a query in three ways. At success and at an ERROR the function that set threads to work
 * comes to its own end, in PG_CATCH. At FATAL (pg_terminate_backend, a shutdown, a client that is gone) no
 * PG_CATCH runs: the process goes through its exit callbacks, of which one aborts the transaction and frees
 * its memory contexts, children before their parents. So the first pool of a process registers a callback,
 * which runs before that one and stops all threads.
 */
#include "threads.h"

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include "access/parallel.h"
#include "lib/ilist.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "tcop/tcopprot.h"
#include "utils/timeout.h"

/* of libpq/libpq.h, which includes headers of libraries that are not needed to build extensions */
extern bool pq_check_connection(void);

/* ------------------------------------------------------------------ how many */

/* cores that this process may run on */
static int
core_count(void)
{
    cpu_set_t set;
    long online;

    if (sched_getaffinity(0, sizeof(set), &set) == 0)
        return Max(CPU_COUNT(&set), 1);
    online = sysconf(_SC_NPROCESSORS_ONLN);
    return (int)Max(online, 1);
}

int
threads_count(int wanted)
{
    const int cores = core_count();
    const int threads = wanted > 0 ? wanted : ctr_threads > 0 ? ctr_threads : cores;

    return Min(threads, ctr_max_threads > 0 ? ctr_max_threads : cores);
}

int
threads_of_query(void)
{
    return IsParallelWorker() ? 1 : threads_count(0);
}

/* ------------------------------------------------------------------ pools */

/* A pool, in the memory context that it was made for. */
typedef struct OwnedPool {
    dlist_node node; /* in pools */
    MemoryContextCallback callback;
    NnPool *pool;
} OwnedPool;

static dlist_head pools = DLIST_STATIC_INIT(pools); /* of this process */
static bool exit_registered = false;
static pthread_t main_thread; /* known once there are pools */

static void
context_goes(void *arg)
{
    OwnedPool *owned = arg;

    dlist_delete(&owned->node);
    pool_stop(owned->pool);
}

static void
process_goes(int code, Datum arg)
{
    dlist_iter iter;

    dlist_foreach(iter, &pools)
    {
        pool_stop(dlist_container(OwnedPool, node, iter.cur)->pool);
    }
}

/* An error may not leave a run, whose threads are at work: who cannot be looked at is gone. */
static bool
client_is_there(void)
{
    MemoryContext context = CurrentMemoryContext;
    volatile bool there = false;

    PG_TRY();
    {
        there = pq_check_connection();
    }
    PG_CATCH();
    {
        MemoryContextSwitchTo(context);
        FlushErrorState();
    }
    PG_END_TRY();
    return there;
}

/*
 * Looks whether the client is gone, for which PostgreSQL's timer has asked, as CHECK_FOR_INTERRUPTS
 * does, which ends the process afterwards.
 */
static void
check_client(void)
{
    CheckClientConnectionPending = false;
    if (client_connection_check_interval <= 0)
        return;
    if (!client_is_there())
        ClientConnectionLost = true;
    else
        enable_timeout_after(CLIENT_CONNECTION_CHECK_TIMEOUT, client_connection_check_interval);
}

/*
 * Does an interrupt wait that ends the query? One that is held off has to wait, too. Most others end
 * nothing, but come again and again: a long step that started anew for each of them would never be done.
 * So the look whether the client is still there is taken here, in the one thread that may run
 * PostgreSQL's code. The interrupt that asked for it waits on, and on a standby it is not taken for a
 * conflict: one that comes behind it is served when the run ends.
 */
static bool
query_is_over(void)
{
    static bool looked = false; /* the interrupt that waits has asked for the client; of the main thread */
    const bool is_main = pthread_equal(pthread_self(), main_thread);

    if (is_main && !InterruptPending)
        looked = false;
    if (!InterruptPending || InterruptHoldoffCount > 0 || CritSectionCount > 0)
        return false;
    if (is_main && CheckClientConnectionPending) {
        check_client();
        looked = true;
    }
    return QueryCancelPending || ProcDiePending || ClientConnectionLost || transaction_is_over() ||
           (is_main && !looked && recovery_may_conflict());
}

NnPool *
threads_create_pool(MemoryContext context, int threads)
{
    OwnedPool *owned = MemoryContextAllocZero(context, sizeof(OwnedPool));

    if (!exit_registered)
        before_shmem_exit(process_goes, (Datum)0);
    exit_registered = true;
    main_thread = pthread_self();
    owned->pool = pool_create(ctr_nn_alloc(context), threads, query_is_over);
    if (owned->pool == NULL)
        ctr_check_status(NN_NO_MEMORY, "start the threads");
    owned->callback.func = context_goes;
    owned->callback.arg = owned;
    MemoryContextRegisterResetCallback(context, &owned->callback);
    dlist_push_head(&pools, &owned->node);
    return owned->pool;
}

void
threads_run(NnPool *pool, NnTask task, void *arg, int n)
{
    while (pool_run(pool, task, arg, n, true) == NN_INTERRUPTED)
        CHECK_FOR_INTERRUPTS();
}

void
threads_during(NnPool *pool, NnTask task, void *arg, int n, void (*meanwhile)(void *), void *meanwhile_arg)
{
    pool_begin(pool, task, arg, n, true);
    PG_TRY();
    {
        meanwhile(meanwhile_arg);
    }
    PG_CATCH();
    {
        pool_abandon(pool);
        PG_RE_THROW();
    }
    PG_END_TRY();
    if (pool_end(pool) == NN_INTERRUPTED) {
        CHECK_FOR_INTERRUPTS();
        threads_run(pool, task, arg, n);
    }
}
