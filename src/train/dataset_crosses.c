/*
 * dataset_crosses.c: the pairs of columns that are fields of their own: which they are (choose_crosses.c),
 * and which pairs of codes the rows have.
 */
#include "train/dataset.h"

#include "miscadmin.h"

#include "threads.h"

/* Crosses counted in one scan; more would take more memory, because rare pairs are counted too. */
#define CROSSES_AT_ONCE 8

typedef struct Counted {
    CtrPairs pairs;
    int32 room; /* of counts and rows */
} Counted;

typedef struct Counting {
    const CtrDataset *ds;
    const CtrEncoder *encoder;
    int32 *const *codes;
    int first; /* the cross of crosses[0] */
    int n_rows;
    char *rows; /* [DATASET_SCAN_ROWS, raw_size] */
    bool trains[DATASET_SCAN_ROWS];
    Counted crosses[CROSSES_AT_ONCE];
} Counting;

/* Makes room for what the rows may add, so that the threads allocate nothing. */
static void
reserve(Counting *c, int n)
{
    for (int k = 0; k < n; k++) {
        Counted *counted = &c->crosses[k];
        CtrPairs *pairs = &counted->pairs;
        const int32 count = vocab_count(pairs->seen), most = count + DATASET_SCAN_ROWS;

        vocab_reserve(pairs->seen, most, 0);
        if (most <= counted->room)
            continue;
        counted->room = (int32)Min((int64)most * 2, PG_INT32_MAX);
        pairs->counts = repalloc_huge(pairs->counts, mul_size(counted->room, sizeof(int32)));
        pairs->rows = repalloc_huge(pairs->rows, mul_size(counted->room, sizeof(int32)));
    }
}

/* Counts the rows' pairs in one cross. */
static void
count_task(void *arg, int task, int worker)
{
    Counting *c = arg;
    const CtrDataset *ds = c->ds;
    CtrPairs *pairs = &c->crosses[task].pairs;
    const CtrCross *cross = &c->encoder->crosses[c->first + task];

    (void)worker;
    for (int i = 0; i < c->n_rows; i++) {
        const int32 *categories = raw_categories(ds, c->rows + i * ds->raw_size);
        const int32 before = vocab_count(pairs->seen);
        int32 pair[2], code, id;
        CtrCrossKey key;

        for (int m = 0; m < 2; m++) {
            const int column = cross->columns[m];

            pair[m] = categories[column] < 0 ? CTR_CODE_MISSING : c->codes[column][categories[column]];
        }
        if (!cross_key(&(CtrCross){{0, 1}}, pair, 1, &key, &code))
            continue;
        id = vocab_add(pairs->seen, (const char *)&key, sizeof(key),
                       vocab_hash((const char *)&key, sizeof(key)));
        if (id == before)
            pairs->counts[id] = pairs->rows[id] = 0;
        pairs->counts[id] += c->trains[i];
        pairs->rows[id]++;
    }
}

/* The next row to count: any but those of a validation_column, which nothing may be learnt from. */
static const char *
next_row(RawScan *scan)
{
    const char *row;

    do
        row = raw_scan_next(scan);
    while (row != NULL && raw_tail(scan->ds, row)->role == CTR_ROLE_VALIDATION);
    return row;
}

/* Reads the rows for n crosses from c->first on. */
static void
count_pairs(Counting *c, int n)
{
    const CtrDataset *ds = c->ds;
    const char *row;
    RawScan scan;

    raw_scan_start(ds, &scan);
    do {
        for (c->n_rows = 0; c->n_rows < DATASET_SCAN_ROWS && (row = next_row(&scan)) != NULL; c->n_rows++) {
            memcpy(c->rows + c->n_rows * ds->raw_size, row, ds->raw_size);
            c->trains[c->n_rows] = scan.sampler.group != NN_FOLD_VALIDATION;
        }
        CHECK_FOR_INTERRUPTS();
        reserve(c, n);
        threads_run(ds->pool, count_task, c, n);
    } while (row != NULL);
}

/* The same of no more than CROSSES_AT_ONCE of them, whose pairs are in `context` afterwards. */
static void
count_crosses(Counting *c, int n, MemoryContext context)
{
    MemoryContext old = MemoryContextSwitchTo(context);

    c->rows = palloc_extended(mul_size(c->ds->raw_size, DATASET_SCAN_ROWS), MCXT_ALLOC_HUGE);
    for (int k = 0; k < n; k++)
        c->crosses[k].pairs = (CtrPairs){vocab_create(context), palloc(sizeof(int32)), palloc(sizeof(int32))};
    count_pairs(c, n);
    pfree(c->rows);
    MemoryContextSwitchTo(old);
}

/* counted [crosses]: should it be an input how often their pairs occur? */
static void
fit_pairs(CtrDataset *ds, CtrEncoder *encoder, int32 *const *codes, const bool *counted, int first, int n,
          int64 *rare)
{
    MemoryContext context =
        AllocSetContextCreate(CurrentMemoryContext, "ctr seen pairs", ALLOCSET_DEFAULT_SIZES);
    Counting c = {.ds = ds, .encoder = encoder, .codes = codes, .first = first};

    count_crosses(&c, n, context);
    for (int k = first; k < first + n; k++)
        encoder_fit_cross(encoder, k, &c.crosses[k - first].pairs, ds->options, counted[k], ds->known, rare);
    MemoryContextDelete(context);
}

void
dataset_count_pairs(CtrDataset *ds, CtrEncoder *encoder, int32 *const *codes)
{
    for (int first = 0; first < encoder->n_crosses; first += CROSSES_AT_ONCE) {
        const int n = Min(CROSSES_AT_ONCE, encoder->n_crosses - first);
        Counting c = {.ds = ds, .encoder = encoder, .codes = codes, .first = first};

        count_crosses(&c, n, encoder->context);
        for (int k = first; k < first + n; k++) {
            const CtrPairs *pairs = &c.crosses[k - first].pairs;

            encoder->vocabs[encoder->n_cat + k] = pairs->seen;
            encoder->frequencies[encoder->n_cat + k] = pairs->counts;
            encoder->categories[encoder_first_cross(encoder) + k] = vocab_count(pairs->seen) + CTR_CODE_KNOWN;
            if (encoder->pair_rows[k] != NULL)
                encoder->pair_rows[k] = pairs->rows;
        }
    }
}

/* Of the crosses, n of which the options have, those that rows speak for; returns how many there are. */
static int
choose_by_rows(const CtrDataset *ds, const CtrEncoder *encoder, int32 *const *codes, CtrCross *crosses, int n,
               bool *counted)
{
    MemoryContext context =
        AllocSetContextCreate(CurrentMemoryContext, "ctr sample of rows", ALLOCSET_DEFAULT_SIZES);
    MemoryContext old = MemoryContextSwitchTo(context);
    CtrSample sample = dataset_sample(ds, encoder, codes);

    n = crosses_choose(ds->options, &sample.rows, ds->pool, crosses, n, counted);
    MemoryContextSwitchTo(old);
    MemoryContextDelete(context);
    return n;
}

void
dataset_fit_crosses(CtrDataset *ds, CtrEncoder *encoder, int32 *const *codes)
{
    CtrCross crosses[CTR_CROSSES_MOST] = {{{0}}};
    bool counted[CTR_CROSSES_MOST] = {false};
    int64 rare = 0;
    int n;

    if (ds->known != NULL) {
        encoder_set_crosses(encoder, ds->options, ds->known->crosses, n = ds->known->n_crosses);
        for (int k = 0; k < n; k++)
            counted[k] = ds->known->pair_rows[k] != NULL;
    } else {
        n = crosses_named(ds->options, encoder, crosses);
        if (crosses_need_rows(ds->options, encoder))
            n = choose_by_rows(ds, encoder, codes, crosses, n, counted);
        encoder_set_crosses(encoder, ds->options, crosses, n);
    }
    for (int first = 0; first < n; first += CROSSES_AT_ONCE)
        fit_pairs(ds, encoder, codes, counted, first, Min(CROSSES_AT_ONCE, n - first), &rare);
    encoder_widths(encoder, ds->options);
}
