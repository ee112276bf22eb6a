/*
 * dataset_crosses.c: the pairs of columns that are fields of their own: which they are, and which pairs of
 * codes the training rows have.
 */
#include "train/dataset.h"

#include "miscadmin.h"

#include "threads.h"

/* Crosses counted in one scan; more would take more memory, because rare pairs are counted too. */
#define CROSSES_AT_ONCE 8
/* Pairs too rare for a code that a model keeps for their counts, 16 bytes each, of all its crosses. */
#define RARE_MOST (1024 * 1024)

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

/* Rare pairs among those seen. */
static int64
count_rare(const CtrPairs *pairs, int min_count)
{
    int64 n = 0;

    for (int32 id = 0; id < vocab_count(pairs->seen); id++) {
        ctr_pause_at(id);
        n += pairs->counts[id] < min_count;
    }
    return n;
}

/* Pairs that the model to go on from keeps for the counts of cross k alone. */
static int64
known_rare(const CtrEncoder *known, int k)
{
    const int codes = known->categories[encoder_first_cross(known) + k] - CTR_CODE_KNOWN;

    return vocab_count(known->vocabs[known->n_cat + k]) - codes;
}

/* May the model keep the rare pairs of cross k for their counts? *rare: those that it keeps so far. */
static bool
has_room(const CtrDataset *ds, int k, const CtrPairs *pairs, int64 *rare)
{
    int64 more = count_rare(pairs, ds->options->min_count);

    *rare += ds->known ? known_rare(ds->known, k) : 0;
    if (*rare + more > RARE_MOST)
        return false;
    *rare += more;
    return true;
}

/* wanted [crosses]: is it an input how often their pairs occur? Not if there are too many to begin with. */
static void
fit_pairs(CtrDataset *ds, CtrEncoder *encoder, int32 *const *codes, const bool *wanted, int first, int n,
          int64 *rare)
{
    MemoryContext context =
        AllocSetContextCreate(CurrentMemoryContext, "ctr seen pairs", ALLOCSET_DEFAULT_SIZES);
    MemoryContext old = MemoryContextSwitchTo(context);
    Counting c = {.ds = ds, .encoder = encoder, .codes = codes, .first = first};

    c.rows = palloc_extended(mul_size(ds->raw_size, DATASET_SCAN_ROWS), MCXT_ALLOC_HUGE);
    for (int k = 0; k < n; k++)
        c.crosses[k].pairs = (CtrPairs){vocab_create(context), palloc(sizeof(int32)), palloc(sizeof(int32))};
    count_pairs(&c, n);
    for (int k = first; k < first + n; k++) {
        const CtrPairs *pairs = &c.crosses[k - first].pairs;
        const bool room = wanted[k] && has_room(ds, k, pairs, rare);

        encoder_fit_cross(encoder, k, pairs, ds->options->min_count, wanted[k] && (room || ds->known), room,
                          ds->known);
    }
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
    bool counted[CTR_CROSSES_MOST] = {false};
    int64 rare = 0;
    int n;

    if (ds->known != NULL) {
        encoder_set_crosses(encoder, ds->options, ds->known->crosses, n = ds->known->n_crosses);
        for (int k = 0; k < n; k++)
            counted[k] = ds->known->pair_rows[k] != NULL;
    } else {
        n = named_crosses(ds, crosses);
        n = dataset_choose_crosses(ds, encoder, codes, crosses, n, counted);
        encoder_set_crosses(encoder, ds->options, crosses, n);
    }
    for (int first = 0; first < n; first += CROSSES_AT_ONCE)
        fit_pairs(ds, encoder, codes, counted, first, Min(CROSSES_AT_ONCE, n - first), &rare);
    encoder_widths(encoder, ds->options);
}
