/*
 * ctr.c: settings, and what all folders need: memory for the engine, interrupts, and the engine's errors.
 */
#include "threads.h"

#include <sys/mman.h>

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"

#include "nn/math/products.h"

#define HUGE_PAGES_LEAST ((Size)4 * 1024 * 1024)
/* bytes of memory touched between two checks for interrupts */
#define MEMORY_PIECE ((Size)8 * 1024 * 1024)

int ctr_threads = 0;
int ctr_max_threads = 0;
int ctr_model_cache_size = 262144;
int ctr_shared_model_memory = 262144;
bool ctr_block_scoring = true;

void (*ctr_model_cache_resized)(int kilobytes) = NULL;

/* A lower limit takes effect at once, even if no query is scoring. */
static void
assign_model_cache_size(int kilobytes, void *extra)
{
    if (ctr_model_cache_resized)
        ctr_model_cache_resized(kilobytes);
}

void
ctr_define_settings(void)
{
    DefineCustomIntVariable(
        "ctr.threads", "Threads that a training, a ctr_predict_batch or the reading of a large model uses.",
        "0 means one per core. The training option \"threads\" takes precedence.", &ctr_threads, 0, 0, 1024,
        PGC_USERSET, 0, NULL, NULL, NULL);
    DefineCustomIntVariable(
        "ctr.max_threads",
        "Most threads that a training, a ctr_predict_batch or the reading of a model may use.",
        "0 means as many as there are cores. Caps both ctr.threads and the training option \"threads\".",
        &ctr_max_threads, 0, 0, 1024, PGC_SUSET, 0, NULL, NULL, NULL);
    DefineCustomIntVariable("ctr.model_cache_size", "Memory for unpacked models in each backend.",
                            "The least recently used models beyond it are dropped; those that a query uses "
                            "stay until it ends. Models that a query uses in turn should all fit.",
                            &ctr_model_cache_size, 262144, 1024, MAX_KILOBYTES, PGC_USERSET, GUC_UNIT_KB,
                            NULL, assign_model_cache_size, NULL);
    DefineCustomIntVariable("ctr.shared_model_memory", "Memory for unpacked models that all backends share.",
                            "Needs PostgreSQL 17, or ctr in shared_preload_libraries. 0 means none: each "
                            "backend then unpacks models for itself.",
                            &ctr_shared_model_memory, 262144, 0, INT_MAX, PGC_SIGHUP, GUC_UNIT_KB, NULL, NULL,
                            NULL);
    DefineCustomBoolVariable("ctr.block_scoring", "Scores the rows of a plain ctr_predict in blocks.",
                             "Rows are then read a little ahead of those that are returned.",
                             &ctr_block_scoring, true, PGC_USERSET, 0, NULL, NULL, NULL);
#if PG_VERSION_NUM >= 150000
    MarkGUCPrefixReserved("ctr");
#else
    EmitWarningsOnPlaceholders("ctr");
#endif
}

void
ctr_huge_pages(void *memory, Size size)
{
#ifdef MADV_HUGEPAGE
    const Size page = 4096;
    char *first = (char *)TYPEALIGN(page, memory), *end = (char *)memory + size;

    if (size >= HUGE_PAGES_LEAST)
        (void)madvise(first, TYPEALIGN_DOWN(page, end - first), MADV_HUGEPAGE);
#endif
}

void
ctr_pause(void)
{
    CHECK_FOR_INTERRUPTS();
}

void
ctr_copy(void *to, const void *from, Size n)
{
    for (Size done = 0; done < n; done += MEMORY_PIECE) {
        CHECK_FOR_INTERRUPTS();
        memcpy((char *)to + done, (const char *)from + done, Min(MEMORY_PIECE, n - done));
    }
}

static void *
nn_context_alloc_untouched(void *owner, size_t size)
{
    const Size align = 64;
    char *p = MemoryContextAllocExtended((MemoryContext)owner, add_size(size, align),
                                         MCXT_ALLOC_HUGE | MCXT_ALLOC_NO_OOM);

    return p == NULL ? NULL : (char *)TYPEALIGN(align, p);
}

/*
 * Zeroes in pieces: touching gigabytes for the first time takes seconds, during which a cancel must be
 * served.
 */
static void *
nn_context_alloc(void *owner, size_t size)
{
    char *p = nn_context_alloc_untouched(owner, size);

    if (p == NULL)
        return NULL;
    ctr_huge_pages(p, size);
    for (Size done = 0; done < size; done += MEMORY_PIECE) {
        CHECK_FOR_INTERRUPTS();
        memset(p + done, 0, Min(MEMORY_PIECE, size - done));
    }
    return p;
}

NnAlloc
ctr_nn_alloc(MemoryContext context)
{
    return (NnAlloc){.alloc = nn_context_alloc, .owner = context};
}

NnAlloc
ctr_nn_alloc_untouched(MemoryContext context)
{
    return (NnAlloc){.alloc = nn_context_alloc_untouched, .owner = context};
}

void
ctr_check_status(NnStatus status, const char *doing)
{
    switch (status) {
    case NN_OK:
        return;
    case NN_INTERRUPTED:
        CHECK_FOR_INTERRUPTS();
        return;
    case NN_NO_MEMORY:
        ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"),
                        errdetail("The engine could not %s.", doing)));
        break;
    case NN_NO_BLAS:
        ereport(ERROR, (errcode(ERRCODE_UNDEFINED_FILE), errmsg("could not load OpenBLAS: %s", blas_error()),
                        errhint("Install OpenBLAS on the database server, for example the package "
                                "libopenblas0-pthread.")));
        break;
    case NN_BAD_CONFIG:
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("could not %s", doing),
                        errdetail("The network has no inputs or an unusable shape.")));
        break;
    }
}
