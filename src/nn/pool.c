/*
 * pool.c: a pool of POSIX threads for runs of a few milliseconds.
 *
 * A run's tasks are taken from `ticket`, one atomic word: the run's number above, the tasks not yet taken
 * below. Taking a task is one compare-and-swap, so a thread that comes late to a run that is over takes
 * nothing and touches nothing. Threads that find nothing spin for a moment, because the next run of a
 * training step follows within microseconds, and then sleep. All signals are blocked in the threads: a
 * server's handlers must run on its main thread only.
 */
#include "nn/pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

#include "nn/denormals.h"

#define SPINS            500 /* some 5 to 10 microseconds */
#define LOOK_NANOSECONDS 20000000

typedef struct Worker {
    NnPool *pool;
    int number; /* the caller is worker 0 */
    pthread_t thread;
} Worker;

struct NnPool {
    int threads; /* the caller's included */
    Worker *workers;
    bool (*interrupt)(void);

    /* the current run; they change only while no task is taken or left */
    NnTask task;
    void *arg;
    uint32_t n;
    bool interruptible;

    _Alignas(64) atomic_uint_fast64_t ticket;
    _Alignas(64) atomic_uint_fast32_t unfinished; /* tasks */
    atomic_bool interrupted;
    atomic_bool abandoned; /* nobody wants the run's result */
    atomic_bool stop;

    pthread_mutex_t mutex;
    pthread_cond_t work, done;
    atomic_int sleepers;         /* workers that wait for work, or are about to */
    atomic_bool caller_sleeping; /* or is about to */
};

/*
 * The pool whose task a thread runs, or NULL. Not a _Thread_local variable: those of a loaded library get
 * their memory at a thread's first access, and the C library ends the process where there is none.
 */
static pthread_key_t working_for;
static bool has_key; /* without one, what has begun a task ends it */
static pthread_once_t key_once = PTHREAD_ONCE_INIT;

static void
make_key(void)
{
    has_key = pthread_key_create(&working_for, NULL) == 0;
}

/* Where the system has no memory for a thread's value, it is NULL. */
static void
set_working_for(NnPool *pool)
{
    if (has_key)
        (void)pthread_setspecific(working_for, pool);
}

static inline void
spin_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("isb");
#endif
}

static inline bool
tasks_left(NnPool *pool)
{
    return (uint32_t)atomic_load(&pool->ticket) != 0;
}

bool
pool_interrupted(NnPool *pool)
{
    if (atomic_load(&pool->interrupted)) /* another thread has asked */
        return true;
    if (!atomic_load(&pool->abandoned) && !(pool->interruptible && pool->interrupt && pool->interrupt()))
        return false;
    atomic_store(&pool->interrupted, true);
    return true;
}

bool
pool_task_interrupted(void)
{
    NnPool *pool = has_key ? pthread_getspecific(working_for) : NULL;

    return pool && pool_interrupted(pool);
}

static void
task_finished(NnPool *pool)
{
    if (atomic_fetch_sub(&pool->unfinished, 1) != 1 || !atomic_load(&pool->caller_sleeping))
        return;
    pthread_mutex_lock(&pool->mutex);
    pthread_cond_signal(&pool->done);
    pthread_mutex_unlock(&pool->mutex);
}

/* takes and runs tasks until none is left */
static void
work(NnPool *pool, int worker)
{
    uint_fast64_t ticket = atomic_load(&pool->ticket);
    const uint64_t mode = denormals_flush();

    set_working_for(pool);
    while ((uint32_t)ticket != 0) {
        if (!atomic_compare_exchange_weak(&pool->ticket, &ticket, ticket - 1))
            continue;
        if (!pool_interrupted(pool))
            pool->task(pool->arg, (int)(pool->n - (uint32_t)ticket), worker);
        task_finished(pool);
        ticket = atomic_load(&pool->ticket);
    }
    set_working_for(NULL);
    denormals_restore(mode);
}

static void
wait_for_work(NnPool *pool)
{
    for (int i = 0; i < SPINS; i++) {
        if (tasks_left(pool) || atomic_load(&pool->stop))
            return;
        spin_pause();
    }
    pthread_mutex_lock(&pool->mutex);
    atomic_fetch_add(&pool->sleepers, 1);
    while (!tasks_left(pool) && !atomic_load(&pool->stop))
        pthread_cond_wait(&pool->work, &pool->mutex);
    atomic_fetch_sub(&pool->sleepers, 1);
    pthread_mutex_unlock(&pool->mutex);
}

/* Waits for a signal of the workers, but not longer than LOOK_NANOSECONDS. */
static void
wait_a_moment(NnPool *pool)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += LOOK_NANOSECONDS;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_cond_timedwait(&pool->done, &pool->mutex, &until);
}

/* The caller goes on asking for interrupts: there are some that only its thread can see. */
static void
wait_until_done(NnPool *pool)
{
    for (int i = 0; i < SPINS; i++) {
        if (atomic_load(&pool->unfinished) == 0)
            return;
        spin_pause();
    }
    pthread_mutex_lock(&pool->mutex);
    atomic_store(&pool->caller_sleeping, true);
    while (atomic_load(&pool->unfinished) != 0) {
        wait_a_moment(pool);
        (void)pool_interrupted(pool);
    }
    atomic_store(&pool->caller_sleeping, false);
    pthread_mutex_unlock(&pool->mutex);
}

static void
wake_workers(NnPool *pool)
{
    if (atomic_load(&pool->sleepers) == 0)
        return;
    pthread_mutex_lock(&pool->mutex);
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->mutex);
}

static void *
worker_main(void *arg)
{
    Worker *self = arg;

    while (!atomic_load(&self->pool->stop)) {
        wait_for_work(self->pool);
        work(self->pool, self->number);
    }
    return NULL;
}

NnPool *
pool_create(NnAlloc alloc, int threads, bool (*interrupt)(void))
{
    NnPool *pool = alloc.alloc(alloc.owner, sizeof(NnPool));
    pthread_condattr_t clock;
    sigset_t all, before;

    if (!pool || !(pool->workers = alloc.alloc(alloc.owner, (size_t)threads * sizeof(Worker))))
        return NULL;
    pthread_once(&key_once, make_key);
    pool->interrupt = interrupt;
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->work, NULL);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&pool->done, &clock);
    pthread_condattr_destroy(&clock);

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    /* results do not depend on the number of threads: where the system gives fewer, fewer do */
    for (pool->threads = 1; pool->threads < threads; pool->threads++) {
        Worker *worker = &pool->workers[pool->threads];

        worker->pool = pool;
        worker->number = pool->threads;
        if (pthread_create(&worker->thread, NULL, worker_main, worker) != 0)
            break;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return pool;
}

int
pool_threads(const NnPool *pool)
{
    return pool->threads;
}

void
pool_begin(NnPool *pool, NnTask task, void *arg, int n, bool interruptible)
{
    uint_fast64_t run = (atomic_load(&pool->ticket) >> 32) + 1;

    pool->task = task;
    pool->arg = arg;
    pool->n = (uint32_t)n;
    pool->interruptible = interruptible;
    atomic_store(&pool->interrupted, false);
    atomic_store(&pool->abandoned, false);
    atomic_store(&pool->unfinished, (uint32_t)n);
    atomic_store(&pool->ticket, run << 32 | (uint32_t)n);
    wake_workers(pool);
}

NnStatus
pool_end(NnPool *pool)
{
    work(pool, 0);
    wait_until_done(pool);
    return atomic_load(&pool->interrupted) ? NN_INTERRUPTED : NN_OK;
}

NnStatus
pool_run(NnPool *pool, NnTask task, void *arg, int n, bool interruptible)
{
    pool_begin(pool, task, arg, n, interruptible);
    return pool_end(pool);
}

/* Takes the tasks that nobody has taken, and does nothing for them. */
static void
drop_tasks(NnPool *pool)
{
    uint_fast64_t ticket = atomic_load(&pool->ticket);

    while (!atomic_compare_exchange_weak(&pool->ticket, &ticket, ticket - (uint32_t)ticket))
        ;
    atomic_fetch_sub(&pool->unfinished, (uint32_t)ticket);
}

void
pool_abandon(NnPool *pool)
{
    atomic_store(&pool->abandoned, true);
    drop_tasks(pool);
    wait_until_done(pool);
}

void
pool_stop(NnPool *pool)
{
    if (atomic_exchange(&pool->stop, true))
        return;
    pool_abandon(pool);
    pthread_mutex_lock(&pool->mutex);
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->mutex);
    for (int i = 1; i < pool->threads; i++)
        pthread_join(pool->workers[i].thread, NULL);
    pool->threads = 1;
    pthread_cond_destroy(&pool->work);
    pthread_cond_destroy(&pool->done);
    pthread_mutex_destroy(&pool->mutex);
}
