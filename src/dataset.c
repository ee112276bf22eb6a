/*
 * dataset.c: a training's rows, from their arrival to the batches that the network sees.
 *
 * While rows arrive they are stored raw: numbers as float8, categories as provisional numbers, since neither roles
 * nor frequencies are known before the end. dataset_encode then reads them three times: to count, to fit the
 * numerical columns, and to write them, encoded, into the stores of the training and the validation rows.
 *
 * Memory: raw and encoded rows together stay within maintenance_work_mem, what is more goes to temporary files. Besides
 * there is one working buffer at a time of WORKING_MEMORY: for sorting columns, then for shuffling spilled rows.
 *
 * Order: an epoch's order is decided by seed and epoch alone, never by memory, and still spilled rows are read in
 * stretches: pages of neighbouring rows are shuffled, as many as fit a window are taken, and the rows of the window
 * are shuffled. A training set that fits one window is so shuffled as a whole.
 */
#include "encoder.h"

#include <float.h>
#include <math.h>

#include "miscadmin.h"

#define WORKING_MEMORY  ((Size)16 * 1024 * 1024)
#define SORT_LEAST      ((Size)1024 * 1024) /* for one column that is sorted outside of memory */
#define SCAN_ROWS       256                 /* read at a time */
#define PAGE_ROWS       64                  /* neighbours that stay in one window */
#define WINDOW_LEAST    4096                /* rows, however wide they are */
#define WINDOW_LARGEST  65536
#define GATHER_ROWS     16 /* a cache line of codes */
#define DATASET_LARGEST PG_INT32_MAX

/* streams of random numbers; parameters take the small numbers */
#define STREAM_ROLES ((uint64)1 << 40)
#define STREAM_ORDER ((uint64)1 << 41) /* + epoch */

/* A raw row: float8 [n_num], int32 [n_cat] (-1 = NULL), RawTail. */
typedef struct RawTail {
    float label, weight;
    int32 role;
} RawTail;

/* Encoded rows: float4 [d_num], int32 [n_cat], float4 label, float4 weight. */
typedef struct RowSet {
    RowStore *rows;
    int64 *class_rows; /* [max(n_classes, 2)] */
    double weight;
} RowSet;

/* One pass over a set. */
typedef struct Pass {
    RowStore *rows;
    bool shuffled;
    NnRng rng;
    uint32 *pages; /* [n_pages] in the order of this pass */
    int64 n_pages, next_page;
    uint32 *order; /* [window_rows] rows of the window: in the store, or, when that is spilled, in `window` */
    int n, next;   /* rows in `order`, and how many of them are used */
    char *window;  /* NULL while everything is in memory */
} Pass;

struct Dataset {
    MemoryContext context; /* this dataset's own */
    const Options *options;
    const Encoder *known;
    int n_num, n_cat, d_num, n_classes;
    Feature *features;
    RowBudget budget;
    Size
        memory; /* budget of the whole; while rows arrive the budget leaves some for the first encoded rows */
    Size raw_size, row_size;
    RowStore *raw;
    char *raw_row;
    Vocab **seen; /* [n_cat] provisional categories, each in a context of its own */
    MemoryContext *seen_contexts;
    int64 n_chance, n_training; /* rows whose role chance decides; training rows, once roles are known */
    RowSet sets[2];             /* training, validation */
    Pass pass;
    int window_rows;
    int batch_rows;
    float *x_num, *label, *weight;
    int32 *x_cat;
    Size ld_cat;
};

/* ------------------------------------------------------------------ raw rows */

static double *
raw_numbers(const char *row)
{
    return (double *)row;
}

static int32 *
raw_categories(const Dataset *ds, const char *row)
{
    return (int32 *)(row + sizeof(double) * ds->n_num);
}

static RawTail *
raw_tail(const Dataset *ds, const char *row)
{
    return (RawTail *)(row + sizeof(double) * ds->n_num + sizeof(int32) * ds->n_cat);
}

static void *
allocate(Dataset *ds, Size n, Size size)
{
    return MemoryContextAllocHuge(ds->context, Max(mul_size(n, size), 1));
}

Dataset *
dataset_create(MemoryContext parent, const Options *options, const Feature *features, int n_num, int n_cat,
               const Encoder *known)
{
    MemoryContext context = AllocSetContextCreate(parent, "ctr dataset", ALLOCSET_DEFAULT_SIZES);
    Dataset *ds = MemoryContextAllocZero(context, sizeof(Dataset));
    Size reserve;

    ds->context = context;
    ds->options = options;
    ds->known = known;
    ds->n_num = ds->d_num = n_num;
    ds->n_cat = n_cat;
    ds->n_classes = Max(options->net.n_classes, 2);
    ds->features = allocate(ds, n_num + n_cat, sizeof(Feature));
    memcpy(ds->features, features, sizeof(Feature) * (n_num + n_cat));
    ds->raw_size = MAXALIGN(sizeof(double) * n_num + sizeof(int32) * n_cat + sizeof(RawTail));
    ds->row_size = sizeof(float) * ds->d_num + sizeof(int32) * n_cat + 2 * sizeof(float);

    ds->memory = (Size)maintenance_work_mem * 1024;
    reserve = 4 * Max(ROWSTORE_CHUNK, ds->raw_size);
    ds->budget.limit = ds->memory - Min(reserve, ds->memory / 2);
    ds->raw = rowstore_create(context, ds->raw_size, &ds->budget);
    ds->raw_row = MemoryContextAllocZero(context, ds->raw_size);

    ds->seen = allocate(ds, n_cat, sizeof(Vocab *));
    ds->seen_contexts = allocate(ds, n_cat, sizeof(MemoryContext));
    for (int f = 0; f < n_cat; f++) {
        ds->seen_contexts[f] = AllocSetContextCreate(context, "ctr seen categories", ALLOCSET_SMALL_SIZES);
        ds->seen[f] = vocab_create(ds->seen_contexts[f]);
    }
    return ds;
}

void
dataset_add(Dataset *ds, RowMap *map, float label, float weight, RowRole role)
{
    double *numbers = raw_numbers(ds->raw_row);
    int32 *categories = raw_categories(ds, ds->raw_row);

    if (rowstore_count(ds->raw) >= DATASET_LARGEST)
        ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("too many rows to train on"),
                        errdetail("The limit is %d.", DATASET_LARGEST)));
    for (int i = 0; i < ds->n_num; i++)
        numbers[i] = row_number(map, &map->features[i]) + 0.0; /* -0 becomes 0 */
    for (int f = 0; f < ds->n_cat; f++) {
        const char *bytes;
        uint32 length;

        categories[f] = -1;
        if (row_category(map, &map->features[ds->n_num + f], &bytes, &length))
            categories[f] = vocab_add(ds->seen[f], bytes, length, vocab_hash(bytes, length));
    }
    *raw_tail(ds, ds->raw_row) = (RawTail){label, weight, role};
    rowstore_append(ds->raw, ds->raw_row);
    ds->n_chance += role == ROLE_CHANCE;
}

/* ------------------------------------------------------------------ roles */

/*
 * Draws exactly `needed` of the `left` rows that chance decides, one after the other (Fan, Muller and Rezucha 1962), the
 * same ones whenever it is started.
 */
typedef struct RoleSampler {
    NnRng rng;
    int64 left, needed;
} RoleSampler;

static void
roles_start(const Dataset *ds, RoleSampler *sampler)
{
    double share = ds->options->validation_column ? 0 : ds->options->validation;

    rng_seed(&sampler->rng, (uint64)ds->options->seed, STREAM_ROLES);
    sampler->left = ds->n_chance;
    /* 0.07 of 100 rows are 7, not the 8 that the product's rounding error would make of it; one row is left to train */
    sampler->needed = (int64)ceil(share * (double)ds->n_chance * (1 - 4 * DBL_EPSILON));
    sampler->needed = Max(Min(sampler->needed, ds->n_chance - 1), 0);
}

static bool
is_training(RoleSampler *sampler, const RawTail *tail)
{
    bool chosen;

    if (tail->role != ROLE_CHANCE)
        return tail->role == ROLE_TRAINING;
    chosen = rng_below(&sampler->rng, (uint64)sampler->left) < (uint64)sampler->needed;
    sampler->left--;
    sampler->needed -= chosen;
    return !chosen;
}

/* Reads all raw rows without using them up. */
typedef struct RawScan {
    const Dataset *ds;
    RoleSampler sampler;
    char *buffer;
    int64 next;
} RawScan;

static void
scan_start(const Dataset *ds, RawScan *scan)
{
    *scan = (RawScan){.ds = ds, .buffer = palloc(ds->raw_size * SCAN_ROWS)};
    roles_start(ds, &scan->sampler);
}

/* the next training row, or NULL (and the scan's memory is freed) */
static const char *
scan_next_training(RawScan *scan)
{
    const Dataset *ds = scan->ds;
    int64 n = rowstore_count(ds->raw);

    while (scan->next < n) {
        int64 within = scan->next % SCAN_ROWS;
        const char *row = scan->buffer + within * ds->raw_size;

        if (within == 0) {
            CHECK_FOR_INTERRUPTS();
            rowstore_fetch(ds->raw, scan->next, Min(SCAN_ROWS, n - scan->next), scan->buffer);
        }
        scan->next++;
        if (is_training(&scan->sampler, raw_tail(ds, row)))
            return row;
    }
    pfree(scan->buffer);
    return NULL;
}

/* ------------------------------------------------------------------ fitting */

/* How often every category occurs in the training rows; missing: [n_num + n_cat]. */
static int32 **
count_categories(Dataset *ds, int64 *missing)
{
    int32 **counts = palloc(sizeof(int32 *) * Max(ds->n_cat, 1));
    const char *row;
    RawScan scan;

    for (int f = 0; f < ds->n_cat; f++) {
        Size size = mul_size(vocab_count(ds->seen[f]) + 1, sizeof(int32));

        counts[f] = MemoryContextAllocHuge(CurrentMemoryContext, size);
        memset(counts[f], 0, size);
    }
    for (scan_start(ds, &scan); (row = scan_next_training(&scan)) != NULL;) {
        const double *numbers = raw_numbers(row);
        const int32 *categories = raw_categories(ds, row);

        ds->n_training++;
        for (int i = 0; i < ds->n_num; i++)
            missing[i] += isnan(numbers[i]);
        for (int f = 0; f < ds->n_cat; f++) {
            if (categories[f] < 0)
                missing[ds->n_num + f]++;
            else
                counts[f][categories[f]]++;
        }
    }
    return counts;
}

/* Fits columns [first, first + n); outside: bytes for each, when they do not fit the memory. */
static void
fit_columns(Dataset *ds, Encoder *encoder, int first, int n, Size outside, const int64 *missing)
{
    ColumnSort **sorts = palloc(sizeof(ColumnSort *) * n);
    const char *row;
    RawScan scan;

    for (int i = 0; i < n; i++)
        sorts[i] = outside > 0 ? column_sort_outside(outside) : column_sort_inside(ds->n_training);
    for (scan_start(ds, &scan); (row = scan_next_training(&scan)) != NULL;) {
        const double *numbers = raw_numbers(row) + first;

        for (int i = 0; i < n; i++) {
            if (fabs(numbers[i]) <= NN_LARGEST) /* false for NaN, too */
                column_sort_add(sorts[i], numbers[i]);
        }
    }
    for (int i = 0; i < n; i++) {
        encoder_fit_number(encoder, first + i, ds->options->numerical_transform, column_sort_finish(sorts[i]),
                           missing[first + i]);
        column_sort_free(sorts[i]);
    }
    pfree(sorts);
}

static void
fit_numbers(Dataset *ds, Encoder *encoder, const int64 *missing)
{
    Size memory = ds->memory > ds->budget.used ? ds->memory - ds->budget.used : 0;
    bool inside;
    int step = ds->n_num; /* columns fitted in one scan */

    memory = Max(memory, WORKING_MEMORY);
    inside = column_sort_memory(ds->n_training, 1) <= memory;
    if (!inside)
        step = (int)Min(memory / SORT_LEAST, (Size)step);
    while (inside && step > 1 && column_sort_memory(ds->n_training, step) > memory)
        step--;
    for (int first = 0; first < ds->n_num; first += step)
        fit_columns(ds, encoder, first, Min(step, ds->n_num - first), inside ? 0 : memory / step, missing);
}

/* Fits everything; returns the codes of the provisional categories, [n_cat][seen]. */
static int32 **
fit(Dataset *ds, Encoder *encoder)
{
    int64 *missing = palloc0(sizeof(int64) * (ds->n_num + ds->n_cat));
    int32 **codes = count_categories(ds, missing);

    if (ds->known) {
        for (int i = 0; i < ds->n_num; i++)
            encoder_keep_number(encoder, i, ds->known, missing[i]);
    } else {
        fit_numbers(ds, encoder, missing);
    }
    for (int f = 0; f < ds->n_cat; f++) {
        int32 *counts = codes[f];

        codes[f] = encoder_fit_categories(encoder, f, ds->seen[f], counts, ds->options->min_count, ds->known,
                                          missing[ds->n_num + f]);
        pfree(counts);
        MemoryContextDelete(ds->seen_contexts[f]);
    }
    return codes;
}

/* ------------------------------------------------------------------ encoding */

static int32 *
row_codes(const Dataset *ds, const char *row)
{
    return (int32 *)(row + sizeof(float) * ds->d_num);
}

/* label, weight */
static float *
row_label(const Dataset *ds, const char *row)
{
    return (float *)(row + sizeof(float) * ds->d_num + sizeof(int32) * ds->n_cat);
}

static void
encode_row(const Dataset *ds, const Encoder *encoder, int32 *const *codes, const char *raw, char *row)
{
    const double *numbers = raw_numbers(raw);
    const int32 *categories = raw_categories(ds, raw);
    const RawTail *tail = raw_tail(ds, raw);
    float *x_num = (float *)row;
    int32 *x_cat = row_codes(ds, row);

    for (int i = 0; i < ds->n_num; i++)
        x_num[i] = transform_apply(&encoder->transforms[i], numbers[i]);
    for (int f = 0; f < ds->n_cat; f++)
        x_cat[f] = categories[f] < 0 ? CODE_MISSING : codes[f][categories[f]];
    row_label(ds, row)[0] = tail->label;
    row_label(ds, row)[1] = tail->weight;
}

/* Uses the raw rows up. */
static void
encode_rows(Dataset *ds, const Encoder *encoder, int32 *const *codes)
{
    char *row = palloc0(ds->row_size);
    const char *raw;
    RoleSampler sampler;

    for (int s = 0; s < 2; s++) {
        ds->sets[s].rows = rowstore_create(ds->context, ds->row_size, &ds->budget);
        ds->sets[s].class_rows = allocate(ds, ds->n_classes, sizeof(int64));
        memset(ds->sets[s].class_rows, 0, sizeof(int64) * ds->n_classes);
    }
    roles_start(ds, &sampler);
    for (int64 i = 0; (raw = rowstore_consume(ds->raw)) != NULL; i++) {
        const RawTail *tail = raw_tail(ds, raw);
        RowSet *set = &ds->sets[!is_training(&sampler, tail)];

        if (i % SCAN_ROWS == 0)
            CHECK_FOR_INTERRUPTS();
        encode_row(ds, encoder, codes, raw, row);
        rowstore_append(set->rows, row);
        set->class_rows[(int)tail->label]++;
        set->weight += tail->weight;
    }
    rowstore_close(ds->raw);
    ds->raw = NULL;
}

/* What batches and passes need, for the larger set. */
static void
prepare_passes(Dataset *ds)
{
    Size rows = (Size)Max(dataset_rows(ds, false), dataset_rows(ds, true));
    Size window = Max(Min(WORKING_MEMORY / ds->row_size, WINDOW_LARGEST), WINDOW_LEAST);

    ds->window_rows = (int)(window / PAGE_ROWS * PAGE_ROWS);
    ds->batch_rows = (int)Min((Size)ds->options->batch_size, rows);
    ds->ld_cat = TYPEALIGN(GATHER_ROWS, Max(ds->batch_rows, 1));
    ds->x_num = allocate(ds, ds->batch_rows, mul_size(sizeof(float), ds->d_num));
    ds->x_cat = allocate(ds, ds->ld_cat, mul_size(sizeof(int32), ds->n_cat));
    ds->label = allocate(ds, ds->batch_rows, sizeof(float));
    ds->weight = allocate(ds, ds->batch_rows, sizeof(float));
    ds->pass.pages = allocate(ds, rows / PAGE_ROWS + 1, sizeof(uint32));
    ds->pass.order = allocate(ds, ds->window_rows, sizeof(uint32));
    if (!rowstore_in_memory(ds->sets[0].rows) || !rowstore_in_memory(ds->sets[1].rows))
        ds->pass.window = allocate(ds, ds->window_rows, ds->row_size);
}

Encoder *
dataset_encode(Dataset *ds, MemoryContext context)
{
    Encoder *encoder = encoder_create(context, ds->features, ds->n_num, ds->n_cat, ds->known);
    MemoryContext scratch = AllocSetContextCreate(ds->context, "ctr encode", ALLOCSET_DEFAULT_SIZES);
    MemoryContext old = MemoryContextSwitchTo(scratch);
    int32 **codes = fit(ds, encoder);

    ds->budget.limit = ds->memory;
    encode_rows(ds, encoder, codes);
    prepare_passes(ds);
    MemoryContextSwitchTo(old);
    MemoryContextDelete(scratch);
    return encoder;
}

int64
dataset_rows(const Dataset *ds, bool validation)
{
    return rowstore_count(ds->sets[validation].rows);
}

const int64 *
dataset_class_rows(const Dataset *ds, bool validation)
{
    return ds->sets[validation].class_rows;
}

double
dataset_weight(const Dataset *ds, bool validation)
{
    return ds->sets[validation].weight;
}

/* ------------------------------------------------------------------ passes */

void
dataset_start(Dataset *ds, bool validation, uint64 epoch)
{
    Pass *pass = &ds->pass;

    pass->rows = ds->sets[validation].rows;
    pass->shuffled = !validation;
    pass->n_pages = (rowstore_count(pass->rows) + PAGE_ROWS - 1) / PAGE_ROWS;
    pass->next_page = 0;
    pass->n = pass->next = 0;
    for (int64 i = 0; i < pass->n_pages; i++)
        pass->pages[i] = (uint32)i;
    if (pass->shuffled) {
        rng_seed(&pass->rng, (uint64)ds->options->seed, STREAM_ORDER + epoch);
        rng_shuffle(&pass->rng, pass->pages, pass->n_pages);
    }
}

/* Takes the next pages into the window; false: there are none. */
static bool
window_fill(Dataset *ds)
{
    Pass *pass = &ds->pass;
    bool in_memory = rowstore_in_memory(pass->rows);

    CHECK_FOR_INTERRUPTS();
    pass->n = pass->next = 0;
    for (; pass->next_page < pass->n_pages && pass->n + PAGE_ROWS <= ds->window_rows; pass->next_page++) {
        int64 first = (int64)pass->pages[pass->next_page] * PAGE_ROWS;
        int n = (int)Min(PAGE_ROWS, rowstore_count(pass->rows) - first);

        if (!in_memory)
            rowstore_fetch(pass->rows, first, n, pass->window + pass->n * ds->row_size);
        for (int i = 0; i < n; i++) {
            pass->order[pass->n] = in_memory ? (uint32)(first + i) : (uint32)pass->n;
            pass->n++;
        }
    }
    if (pass->shuffled)
        rng_shuffle(&pass->rng, pass->order, pass->n);
    return pass->n > 0;
}

/*
 * Copies the window's next n rows to the batch from row `at` on. Codes change from rows to columns, GATHER_ROWS rows at
 * a time so that whole cache lines are written.
 */
static void
gather(Dataset *ds, int at, int n)
{
    Pass *pass = &ds->pass;
    bool in_memory = rowstore_in_memory(pass->rows);

    for (int done = 0; done < n; done += GATHER_ROWS) {
        int m = Min(GATHER_ROWS, n - done);
        int to = at + done;
        const char *rows[GATHER_ROWS];

        for (int i = 0; i < m; i++) {
            uint32 row = pass->order[pass->next++];

            rows[i] = in_memory ? rowstore_row(pass->rows, row) : pass->window + row * ds->row_size;
            memcpy(ds->x_num + (Size)(to + i) * ds->d_num, rows[i], sizeof(float) * ds->d_num);
            ds->label[to + i] = row_label(ds, rows[i])[0];
            ds->weight[to + i] = row_label(ds, rows[i])[1];
        }
        for (int f = 0; f < ds->n_cat; f++) {
            int32 *codes = ds->x_cat + f * ds->ld_cat + to;

            for (int i = 0; i < m; i++)
                codes[i] = row_codes(ds, rows[i])[f];
        }
    }
}

void
dataset_next(Dataset *ds, NnBatch *batch)
{
    Pass *pass = &ds->pass;
    int rows = 0;

    while (rows < ds->batch_rows && (pass->next < pass->n || window_fill(ds))) {
        int n = Min(ds->batch_rows - rows, pass->n - pass->next);

        gather(ds, rows, n);
        rows += n;
    }
    *batch = (NnBatch){
        .rows = rows,
        .x_num = ds->x_num,
        .x_cat = ds->x_cat,
        .ld_cat = ds->ld_cat,
        .label = ds->label,
        .weight = ds->options->weight ? ds->weight : NULL,
    };
}

void
dataset_close(Dataset *ds)
{
    if (ds->raw)
        rowstore_close(ds->raw);
    for (int s = 0; s < 2; s++) {
        if (ds->sets[s].rows)
            rowstore_close(ds->sets[s].rows);
    }
    MemoryContextDelete(ds->context);
}
