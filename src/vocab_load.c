/*
 * vocab_load.c: the vocabularies of a model, filled with the categories that its file has, by threads, while the caller goes
 * on reading the file.
 */
#include "ctr.h"

#define LOAD_THREADS        4     /* at most: more would wait for memory */
#define THREADED_CATEGORIES 50000 /* at least; few are in their tables sooner than threads are there */

/* One column's categories, which a thread puts into their vocabulary. */
typedef struct LoadTask {
    Vocab *vocab;
    const char *bytes;
    uint32 begin; /* of the first, in bytes */
    const uint32 *ends;
    int32 n;
    bool unique;
} LoadTask;

struct VocabLoad {
    NnPool *pool;
    int n;
    LoadTask tasks[FLEXIBLE_ARRAY_MEMBER]; /* the longest first */
};

/* what n strings take in a vocabulary, besides their places by number */
static Size
strings_bytes(uint32 begin, const uint32 *ends, int32 n)
{
    Size bytes = 0;

    for (int32 i = 0; i < n; i++) {
        bytes += vocab_string_bytes(ends[i] - begin);
        begin = ends[i];
    }
    return bytes;
}

static void
load_task(void *arg, int number, int worker)
{
    LoadTask *task = (LoadTask *)arg + number;

    (void)worker;
    task->unique = vocab_fill(task->vocab, task->bytes, task->begin, task->ends, task->n);
}

static int
compare_tasks(const void *a, const void *b)
{
    const LoadTask *x = a, *y = b;

    return x->n > y->n ? -1 : x->n < y->n;
}

VocabLoad *
vocab_load_begin(Vocab **vocabs, MemoryContext context, const char *bytes, const uint32 *ends,
                 const uint32 *counts, int n)
{
    VocabLoad *load = palloc(offsetof(VocabLoad, tasks) + sizeof(LoadTask) * n);
    int64 total = 0;
    uint32 begin = 0;

    load->n = n;
    for (int f = 0; f < n; f++) {
        int32 count = (int32)counts[f];

        vocabs[f] = vocab_create_for(context, count, strings_bytes(begin, ends, count));
        load->tasks[f] = (LoadTask){vocabs[f], bytes, begin, ends, count, false};
        if (count > 0)
            begin = ends[count - 1];
        ends += count;
        total += count;
    }
    qsort(load->tasks, n, sizeof(LoadTask), compare_tasks);
    load->pool = ctr_pool_create(CurrentMemoryContext,
                                 total < THREADED_CATEGORIES ? 1 : Min(ctr_query_threads(), LOAD_THREADS));
    pool_begin(load->pool, load_task, load->tasks, n, false);
    return load;
}

int32
vocab_load_end(VocabLoad *load)
{
    pool_end(load->pool);
    for (int f = 0; f < load->n; f++) {
        if (!load->tasks[f].unique)
            return vocab_count(load->tasks[f].vocab) + 1;
    }
    return 0;
}
