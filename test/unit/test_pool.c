/*
 * test_pool.c: every task runs once, interrupts stop a run, an abandoned run is not finished, and worker
 * threads take no signals.
 */
#include <signal.h>
#include <pthread.h>
#include <stdatomic.h>

#include "nn/denormals.h"
#include "unit.h"

#define TASKS 1000

static atomic_int runs[TASKS], wrong_workers;
static atomic_bool interrupt;

static bool
interrupted_now(void)
{
    return interrupt;
}

static void
count_task(void *arg, int task, int worker)
{
    if (worker < 0 || worker >= *(int *)arg)
        atomic_fetch_add(&wrong_workers, 1);
    atomic_fetch_add(&runs[task], 1);
}

static void
each_task_once(void)
{
    for (int threads = 1; threads <= 8; threads++) {
        UnitMemory memory = {0};
        NnPool *pool = pool_create(unit_alloc(&memory), threads, NULL);
        static const int sizes[] = {0, 1, 2, 3, 8, TASKS};
        int wrong = 0;

        CHECK(pool_threads(pool) == threads);
        for (int round = 0; round < 300; round++) {
            int n = sizes[round % 6];

            for (int i = 0; i < n; i++)
                atomic_store(&runs[i], 0);
            wrong += pool_run(pool, count_task, &threads, n, true) != NN_OK;
            for (int i = 0; i < n; i++)
                wrong += atomic_load(&runs[i]) != 1;
        }
        CHECK_MESSAGE(wrong == 0, "%d tasks did not run once with %d threads", wrong, threads);
        CHECK(atomic_load(&wrong_workers) == 0);
        pool_stop(pool);
        pool_stop(pool);
        unit_release(&memory);
    }
}

static float
product(float a, float b)
{
    volatile float x = a; /* not for the compiler to work out */

    return x * b;
}

static void
denormal_task(void *arg, int task, int worker)
{
    (void)worker;
    ((float *)arg)[task] = product(1e-30f, 1e-10f);
}

/* denormal numbers are zero in every thread's tasks, and the caller's own arithmetic is as it was */
static void
denormals_are_zero(void)
{
#ifdef NN_HAS_DENORMALS_ZERO
    UnitMemory memory = {0};
    NnPool *pool = pool_create(unit_alloc(&memory), 2, NULL);
    float products[TASKS];
    int wrong = 0;

    CHECK(pool_run(pool, denormal_task, products, TASKS, false) == NN_OK);
    for (int i = 0; i < TASKS; i++)
        wrong += products[i] != 0;
    CHECK_MESSAGE(wrong == 0, "%d of %d products are not zero", wrong, TASKS);
    CHECK(product(1e-30f, 1e-10f) > 0);
    pool_stop(pool);
    unit_release(&memory);
#endif
}

static void
interrupting_task(void *arg, int task, int worker)
{
    atomic_int *count = arg;

    (void)worker;
    atomic_fetch_add(count, 1);
    if (task == 5)
        interrupt = 1;
}

static void
interrupt_stops_a_run(void)
{
    for (int threads = 1; threads <= 3; threads++) {
        UnitMemory memory = {0};
        NnPool *pool = pool_create(unit_alloc(&memory), threads, interrupted_now);
        atomic_int count = 0;

        CHECK(pool_run(pool, interrupting_task, &count, TASKS, true) == NN_INTERRUPTED);
        CHECK(count >= 6 && count < TASKS);
        CHECK(threads > 1 || count == 6);
        count = 0;
        CHECK(pool_run(pool, interrupting_task, &count, TASKS, true) == NN_INTERRUPTED);
        CHECK(count == 0);
        CHECK(pool_run(pool, interrupting_task, &count, TASKS, false) == NN_OK);
        CHECK(count == TASKS);
        interrupt = 0;
        count = 0;
        CHECK(pool_run(pool, interrupting_task, &count, 5, true) == NN_OK);
        CHECK(count == 5);
        interrupt = 0;
        pool_stop(pool);
        unit_release(&memory);
    }
}

static NnPool *abandoned_pool;

/* goes on until it is told to stop */
static void
endless_task(void *arg, int task, int worker)
{
    atomic_int *state = arg; /* tasks that have begun, that have ended */

    (void)task;
    (void)worker;
    atomic_fetch_add(&state[0], 1);
    while (!pool_interrupted(abandoned_pool))
        ;
    atomic_fetch_add(&state[1], 1);
}

/* what is at work ends, what has not begun never does, and the pool serves again */
static void
abandoned_run_is_not_finished(void)
{
    for (int threads = 1; threads <= 4; threads++) {
        UnitMemory memory = {0};
        int wrong = 0;

        abandoned_pool = pool_create(unit_alloc(&memory), threads, NULL);
        for (int round = 0; round < 100; round++) {
            atomic_int state[2] = {0};

            pool_begin(abandoned_pool, endless_task, state, TASKS, true);
            while (round % 2 == 0 && threads > 1 && state[0] == 0)
                ;
            pool_abandon(abandoned_pool);
            wrong += state[0] != state[1] || state[0] >= threads;
            for (int i = 0; i < TASKS; i++)
                atomic_store(&runs[i], 0);
            wrong += pool_run(abandoned_pool, count_task, &threads, TASKS, true) != NN_OK;
            for (int i = 0; i < TASKS; i++)
                wrong += atomic_load(&runs[i]) != 1;
        }
        CHECK_MESSAGE(wrong == 0, "%d things went wrong with %d threads", wrong, threads);
        pool_stop(abandoned_pool);
        unit_release(&memory);
    }
}

/* pool_stop, too, ends what is under way */
static void
stop_ends_a_run(void)
{
    UnitMemory memory = {0};
    atomic_int state[2] = {0};

    abandoned_pool = pool_create(unit_alloc(&memory), 3, NULL);
    pool_begin(abandoned_pool, endless_task, state, TASKS, true);
    while (state[0] == 0)
        ;
    pool_stop(abandoned_pool);
    CHECK(state[0] == state[1]);
    CHECK(state[0] < 3);
    unit_release(&memory);
}

static atomic_int workers_seen, open_masks;

static void
mask_task(void *arg, int task, int worker)
{
    sigset_t mask;

    (void)arg;
    (void)task;
    if (worker == 0) { /* leave some for the others */
        for (volatile int i = 0; i < 200000; i++)
            ;
        return;
    }
    atomic_fetch_add(&workers_seen, 1);
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    if (!sigismember(&mask, SIGINT) || !sigismember(&mask, SIGTERM) || !sigismember(&mask, SIGUSR1))
        atomic_fetch_add(&open_masks, 1);
}

static void
workers_block_signals(void)
{
    UnitMemory memory = {0};
    NnPool *pool = pool_create(unit_alloc(&memory), 4, NULL);
    sigset_t mask;

    for (int round = 0; round < 1000 && atomic_load(&workers_seen) == 0; round++)
        pool_run(pool, mask_task, NULL, 64, false);
    CHECK(atomic_load(&workers_seen) > 0);
    CHECK(atomic_load(&open_masks) == 0);
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    CHECK(!sigismember(&mask, SIGINT));
    pool_stop(pool);
    unit_release(&memory);
}

int
main(void)
{
    RUN(each_task_once);
    RUN(denormals_are_zero);
    RUN(interrupt_stops_a_run);
    RUN(abandoned_run_is_not_finished);
    RUN(stop_ends_a_run);
    RUN(workers_block_signals);
    return unit_end();
}
