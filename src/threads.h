/*
 * threads.h: the only place where threads meet PostgreSQL (threads.c). nn/pool.c has the threads themselves.
 *
 * The rule: however a query ends, no memory that a thread may touch is freed before the threads have
 * stopped. Threads work only during the engine's calls, in which no code of PostgreSQL runs, and during
 * threads_during, which stops them before an error leaves it.
 */
#ifndef CTR_THREADS_H
#define CTR_THREADS_H

#include "ctr.h"
#include "nn/pool.h"

/*
 * The number of threads to use when the options ask for `wanted` (0 = ctr.threads): at least 1, at most
 * ctr.max_threads, which is the number of cores unless a superuser has set it.
 */
int threads_count(int wanted);
/* The same for a query's functions; 1 in a parallel worker, because the workers share the cores already. */
int threads_of_query(void);
/*
 * A pool whose threads are joined before the context is deleted and before the process exits. A cancel or
 * anything else that ends the query interrupts its runs. Error if memory is out.
 */
NnPool *threads_create_pool(MemoryContext context, int threads);
/*
 * Runs tasks 0 .. n-1 by the pool's threads and this one. Serves interrupts: an interrupted task is run
 * again, unless an error ends the query.
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
