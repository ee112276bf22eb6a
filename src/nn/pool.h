/*
 * pool.h: threads that share the tasks of one run.
 */
#ifndef NN_POOL_H
#define NN_POOL_H

#include "nn/nn.h"

typedef struct NnPool NnPool;
typedef void (*NnTask)(void *arg, int task, int worker);

/*
 * threads >= 1, the caller's included. interrupt (may be NULL) is asked before every task, in any thread,
 * whether to end the run.
 */
NnPool *pool_create(NnAlloc alloc, int threads, bool (*interrupt)(void));
int pool_threads(const NnPool *pool);
/* Runs tasks 0 .. n-1 and waits. NN_INTERRUPTED: interrupt said so, and some tasks did not run. */
NnStatus pool_run(NnPool *pool, NnTask task, void *arg, int n, bool interruptible);
/*
 * The same in two halves: between them the caller does something else, while the threads work. Whatever it
 * is, one of pool_end and pool_abandon must follow before the memory goes that the tasks use.
 */
void pool_begin(NnPool *pool, NnTask task, void *arg, int n, bool interruptible);
NnStatus pool_end(NnPool *pool);
/*
 * In place of pool_end, when nobody wants the result: tasks that have not begun are dropped, those at work
 * see pool_interrupted(). Returns when none is at work.
 */
void pool_abandon(NnPool *pool);
/*
 * Abandons what is under way and joins the threads. Must come before the memory goes. Harmless when repeated.
 */
void pool_stop(NnPool *pool);
/* For long tasks of an interruptible run: true = return early, the run's status will be NN_INTERRUPTED. */
bool pool_interrupted(NnPool *pool);
/* The same for code that does not know whose task it is part of, if any. */
bool pool_task_interrupted(void);

#endif /* NN_POOL_H */
