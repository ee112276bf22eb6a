/*
 * dataset_crosses.c: the pairs of columns that are fields of their own: which they are, and which pairs of
 * codes the training rows have.
 */
#include "train/dataset.h"

#include "miscadmin.h"

#include "threads.h"

/* Crosses counted in one scan; more would take more memory, because rare pairs are counted too. */
#define CROSSES_AT_ONCE 8

/* The pairs of codes that occur in one cross, and how often. */
typedef struct Counted {
    CtrVocab *seen;
    int32 *counts;
    int32 room; /* of counts */
} Counted;

typedef struct Counting {
    const CtrDataset *ds;
    const CtrEncoder *encoder;
    int32 *const *codes;
    int first; /* the cross of crosses[0] */
    int n_rows;
    char *rows; /* [DATASET_SCAN_ROWS, raw_size] */
    Counted crosses[CROSSES_AT_ONCE];
} Counting;

/* Makes room for what the rows may add, so that the threads allocate nothing. */
static void
reserve(Counting *c, int n)
{
    for (int k = 0; k < n; k++) {
        Counted *counted = &c->crosses[k];
        const int32 count = vocab_count(counted->seen), most = count + DATASET_SCAN_ROWS;

        vocab_reserve(counted->seen, most, 0);
        if (most <= counted->room)
            continue;
        counted->room = (int32)Min((int64)most * 2, PG_INT32_MAX);
        counted->counts = repalloc_huge(counted->counts, mul_size(counted->room, sizeof(int32)));
    }
}

/* Counts the rows' pairs in one cross. */
static void
count_task(void *arg, int task, int worker)
{
    Counting *c = arg;
    const CtrDataset *ds = c->ds;
    Counted *counted = &c->crosses[task];
    const CtrCross *cross = &c->encoder->crosses[c->first + task];

    (void)worker;
    for (int i = 0; i < c->n_rows; i++) {
        const int32 *categories = raw_categories(ds, c->rows + i * ds->raw_size);
        const int32 before = vocab_count(counted->seen);
        int32 pair[2], code, id;
        CtrCrossKey key;

        for (int m = 0; m < 2; m++) {
            const int column = cross->columns[m];

            pair[m] = categories[column] < 0 ? CTR_CODE_MISSING : c->codes[column][categories[column]];
        }
        if (!cross_key(&(CtrCross){{0, 1}}, pair, 1, &key, &code))
            continue;
        id = vocab_add(counted->seen, (const char *)&key, sizeof(key),
                       vocab_hash((const char *)&key, sizeof(key)));
        if (id == before)
            counted->counts[id] = 0;
        counted->counts[id]++;
    }
}

/* Reads the training rows for n crosses from c->first on. */
static void
count_pairs(Counting *c, int n)
{
    const CtrDataset *ds = c->ds;
    const char *row;
    RawScan scan;

    raw_scan_start(ds, &scan);
    do {
        for (c->n_rows = 0; c->n_rows < DATASET_SCAN_ROWS && (row = raw_scan_next_training(&scan)) != NULL;
             c->n_rows++)
            memcpy(c->rows + c->n_rows * ds->raw_size, row, ds->raw_size);
        CHECK_FOR_INTERRUPTS();
        reserve(c, n);
        threads_run(ds->pool, count_task, c, n);
    } while (row != NULL);
}

static void
fit_pairs(CtrDataset *ds, CtrEncoder *encoder, int32 *const *codes, int first, int n)
{
    MemoryContext context =
        AllocSetContextCreate(CurrentMemoryContext, "ctr seen pairs", ALLOCSET_DEFAULT_SIZES);
    MemoryContext old = MemoryContextSwitchTo(context);
    Counting c = {.ds = ds, .encoder = encoder, .codes = codes, .first = first};

    c.rows = palloc_extended(mul_size(ds->raw_size, DATASET_SCAN_ROWS), MCXT_ALLOC_HUGE);
    for (int k = 0; k < n; k++)
        c.crosses[k] = (Counted){.seen = vocab_create(context), .counts = palloc(sizeof(int32))};
    count_pairs(&c, n);
    for (int k = 0; k < n; k++)
        encoder_fit_cross(encoder, first + k, c.crosses[k].seen, c.crosses[k].counts, ds->options->min_count,
                          ds->known);
    MemoryContextSwitchTo(old);
    MemoryContextDelete(context);
}

/* the categorical column of this name, which the row map has checked */
static int
column_of_name(const CtrDataset *ds, const char *name)
{
    for (int f = 0; f < ds->n_cat; f++) {
        if (strcmp(ds->features[ds->n_num + f].name, name) == 0)
            return f;
    }
    elog(ERROR, "column \"%s\" is no categorical feature", name);
}

static int
named_crosses(const CtrDataset *ds, CtrCross *crosses)
{
    const CtrCrossOption *option = &ds->options->crosses;

    for (int k = 0; k < option->n; k++) {
        const int a = column_of_name(ds, option->pairs[k].columns[0]);
        const int b = column_of_name(ds, option->pairs[k].columns[1]);

        crosses[k] = (CtrCross){{Min(a, b), Max(a, b)}};
    }
    return option->n;
}

void
dataset_fit_crosses(CtrDataset *ds, CtrEncoder *encoder, int32 *const *codes)
{
    CtrCross crosses[CTR_CROSSES_MOST] = {{{0}}};
    int n;

    if (ds->known != NULL)
        encoder_set_crosses(encoder, ds->options, ds->known->crosses, n = ds->known->n_crosses);
    else {
        n = ds->options->crosses.kind == CTR_CROSSES_AUTO
                ? dataset_choose_crosses(ds, encoder, codes, crosses)
                : named_crosses(ds, crosses);
        encoder_set_crosses(encoder, ds->options, crosses, n);
    }
    for (int first = 0; first < n; first += CROSSES_AT_ONCE)
        fit_pairs(ds, encoder, codes, first, Min(CROSSES_AT_ONCE, n - first));
}
