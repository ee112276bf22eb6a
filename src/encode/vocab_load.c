/*
 * vocab_load.c: the vocabularies of a model, filled with the categories that its file has, by threads, while
 * the caller goes on reading the file.
 */
#include "encode/encode.h"

#include "threads.h"

#define LOAD_THREADS        4     /* the most threads: more would wait for memory */
#define THREADED_CATEGORIES 50000 /* fewer categories are loaded sooner than threads are started */

/* One column's categories, which a thread puts into their vocabulary. */
typedef struct LoadTask {
    CtrVocab *vocab;
    const char *bytes;
    uint32 begin; /* where the first one begins, in bytes */
    const uint32 *ends;
    int32 n;
    CtrVocabFilled filled;
} LoadTask;

typedef struct VocabLoad {
    NnPool *pool;
    int n;
    LoadTask *tasks; /* [n] the longest first */
} VocabLoad;

/* what n strings take in a vocabulary, besides their places by number */
static Size
strings_bytes(uint32 begin, const uint32 *ends, int32 n)
{
    Size bytes = 0;

    for (int32 i = 0; i < n; i++) {
        ctr_pause_at(i);
        bytes += vocab_string_bytes(ends[i] - begin);
        begin = ends[i];
    }
    return bytes;
}

static void
load_task(void *arg, int number, int worker)
{
    VocabLoad *load = arg;
    LoadTask *task = &load->tasks[number];

    (void)worker;
    task->filled = vocab_fill(task->vocab, task->bytes, task->begin, task->ends, task->n, load->pool);
}

static int
compare_tasks(const void *a, const void *b)
{
    const LoadTask *x = a, *y = b;

    return x->n > y->n ? -1 : x->n < y->n;
}

/* A task for each column, and its empty vocabulary. Returns how many categories there are. */
static int64
load_prepare(VocabLoad *load, CtrVocab **vocabs, MemoryContext context, const char *bytes, const uint32 *ends,
             const uint32 *counts)
{
    int64 total = 0;
    uint32 begin = 0;

    for (int f = 0; f < load->n; f++) {
        const int32 count = (int32)counts[f];

        vocabs[f] = vocab_create_for(context, count, strings_bytes(begin, ends, count));
        load->tasks[f] = (LoadTask){vocabs[f], bytes, begin, ends, count, CTR_VOCAB_UNFINISHED};
        if (count > 0)
            begin = ends[count - 1];
        ends += count;
        total += count;
    }
    qsort(load->tasks, load->n, sizeof(LoadTask), compare_tasks);
    return total;
}

int32
vocab_load(CtrVocab **vocabs, MemoryContext context, const char *bytes, const uint32 *ends,
           const uint32 *counts, int n, void (*meanwhile)(void *), void *arg)
{
    VocabLoad load = {.n = n, .tasks = palloc(sizeof(LoadTask) * Max(n, 1))};
    const int64 total = load_prepare(&load, vocabs, context, bytes, ends, counts);

    load.pool = threads_create_pool(CurrentMemoryContext,
                                    total < THREADED_CATEGORIES ? 1 : Min(threads_of_query(), LOAD_THREADS));
    threads_during(load.pool, load_task, &load, n, meanwhile, arg);
    for (int f = 0; f < n; f++) {
        if (load.tasks[f].filled == CTR_VOCAB_TWICE)
            return vocab_count(load.tasks[f].vocab) + 1;
    }
    return 0;
}
