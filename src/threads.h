/*
 * threads.h: the only place where threads meet PostgreSQL (threads.c). nn/pool.c has the threads themselves.
 *
 * The rule: no memory that a thread may touch goes before the threads have stopped, however a query ends.
 * Threads are at work inside of the engine's calls, during which no code of PostgreSQL runs, and during
 * threads_during, which sees to it.
 */
#ifndef CTR_THREADS_H
#define CTR_THREADS_H

#include "ctr.h"
#include "nn/pool.h"

/*
 * Threads to use when the options ask for `wanted` (0 = ctr.threads): at least 1, and no more than
 * ctr.max_threads, which are the cores where a superuser has not said otherwise.
 */
int threads_count(int wanted);
/* The same for a query's functions: one in a parallel worker, which shares the cores already. */
int threads_of_query(void);
/*
 * A pool whose threads are joined before the context goes, and before the process does. What ends the query
 * interrupts its runs. Error where memory is out.
 */
NnPool *threads_create_pool(MemoryContext context, int threads);
/*
 * Runs tasks 0 .. n-1 by the pool's threads and this one. Serves interrupts: a task may be run again, or
 * never to its end when an error ends the query.
 */
void threads_run(NnPool *pool, NnTask task, void *arg, int n);
/*
 * Runs tasks 0 .. n-1 by the pool's threads while `meanwhile`, which may raise errors, runs in this one;
 * returns when both are done. At an error, and when the backend is terminated, the tasks are abandoned before
 * any memory goes. Tasks should look at pool_interrupted() every few milliseconds, and may be run again after
 * they have returned early.
 */
void threads_during(NnPool *pool, NnTask task, void *arg, int n, void (*meanwhile)(void *),
                    void *meanwhile_arg);

#endif /* CTR_THREADS_H */
