/*
 * dataset.c: a training's rows, from their arrival to the batches that the network sees.
 *
 * While rows arrive they are stored raw: numbers as float8, categories as provisional numbers, since neither
 * roles nor frequencies are known before the end. dataset_encode then reads them several times: to fit the
 * encoder (dataset_fit.c), and to write them, encoded, into the stores of the training and the validation
 * rows.
 *
 * Memory: raw and encoded rows together stay within maintenance_work_mem, what is more goes to temporary
 * files. Besides there is one working buffer at a time of DATASET_WORKING_MEMORY: for finding equal rows
 * while they arrive (half of it, which counts as rows, because many groups may be at it), for sorting
 * columns, then for shuffling spilled rows.
 *
 * Order: an epoch's order is decided by seed and epoch alone, never by memory, and still spilled rows are
 * read in stretches: pages of neighbouring rows are shuffled, as many as fit a window are taken, and the rows
 * of the window are shuffled. A training set that fits one window is so shuffled as a whole.
 */
#include "train/dataset.h"

#include "miscadmin.h"

#include "threads.h"
#include "nn/denormals.h"

#define PAGE_ROWS       64   /* neighbours that stay in one window */
#define WINDOW_LEAST    4096 /* rows, however wide they are */
#define WINDOW_LARGEST  65536
#define GATHER_ROWS     16  /* a cache line of codes */
#define GATHER_TASK     256 /* rows that one thread gathers at a time */
#define BLOCK_ROWS      512 /* that arrive before their categories are numbered; fewer of wide ones */
#define BLOCK_SIZE      ((Size)256 * 1024)
#define HASH_TASK       64 /* rows that one thread hashes at a time */
#define ENCODE_TASK     64 /* rows that one thread encodes at a time */
#define DATASET_LARGEST (PG_INT32_MAX - BLOCK_ROWS)

/*
 * A stream of random numbers. Parameter i takes i * 2^32 and the next ones, roles take 2^40, as parameter 256
 * does.
 */
#define STREAM_ORDER ((uint64)1 << 41) /* + epoch */

static void *
allocate(CtrDataset *ds, Size n, Size size)
{
    return MemoryContextAllocHuge(ds->context, Max(mul_size(n, size), 1));
}

CtrDataset *
dataset_create(MemoryContext parent, const CtrOptions *options, const CtrFeature *features, int n_num,
               int n_cat, const CtrEncoder *known, NnPool *pool, CtrRowBudget *budget)
{
    MemoryContext context = AllocSetContextCreate(parent, "ctr dataset", ALLOCSET_DEFAULT_SIZES);
    CtrDataset *ds = MemoryContextAllocZero(context, sizeof(CtrDataset));
    CtrEncoder widths = {.n_num = n_num, .n_cat = n_cat};
    Size reserve;

    ds->context = context;
    ds->options = options;
    ds->known = known;
    ds->pool = pool;
    ds->budget = budget;
    ds->n_num = n_num;
    ds->n_cat = n_cat;
    encoder_widths(&widths, options);
    ds->d_num = widths.d_num;
    ds->d_cat = widths.d_cat;
    ds->n_classes = Max(options->net.n_classes, 2);
    ds->features = allocate(ds, n_num + n_cat, sizeof(CtrFeature));
    memcpy(ds->features, features, sizeof(CtrFeature) * (n_num + n_cat));
    ds->raw_size = MAXALIGN(sizeof(double) * n_num + sizeof(int32) * n_cat + sizeof(RawTail));
    ds->row_size = sizeof(float) * ds->d_num + sizeof(int32) * ds->d_cat + 2 * sizeof(float);

    ds->memory = (Size)maintenance_work_mem * 1024;
    reserve = 4 * Max(CTR_ROWSTORE_CHUNK, ds->raw_size);
    ds->budget->limit = ds->memory - Min(reserve, ds->memory / 2);
    ds->raw = rowstore_create(context, ds->raw_size, ds->budget);
    ds->block =
        rowblock_create(context, (int)Max(Min(BLOCK_SIZE / ds->raw_size, BLOCK_ROWS), 1), n_num, n_cat);
    ds->tails = allocate(ds, ds->block->room, sizeof(RawTail));
    ds->numbered = allocate(ds, mul_size(ds->block->room, n_cat), sizeof(int32));
    ds->hashes = allocate(ds, ds->block->room, sizeof(uint64));
    if (widths.n_statistics > 0)
        ds->folds = rowfolds_create(context, budget);

    ds->seen = allocate(ds, n_cat, sizeof(CtrVocab *));
    ds->seen_contexts = allocate(ds, n_cat, sizeof(MemoryContext));
    for (int f = 0; f < n_cat; f++) {
        ds->seen_contexts[f] = AllocSetContextCreate(context, "ctr seen categories", ALLOCSET_SMALL_SIZES);
        ds->seen[f] = vocab_create(ds->seen_contexts[f]);
    }
    return ds;
}

/* one categorical column of the block, or, after them, a few rows' hashes */
static void
arrival_task(void *arg, int task, int worker)
{
    const CtrDataset *ds = arg;
    const int first = (task - ds->n_cat) * HASH_TASK;

    (void)worker;
    if (task < ds->n_cat)
        categories_number(ds->block, task, ds->seen[task], ds->numbered + (Size)task * ds->block->room);
    else
        rowfolds_hash(ds->block, ds->tails, first, Min(HASH_TASK, ds->block->n - first), ds->hashes);
}

/* The block's rows go to the raw store. */
static void
store_block(CtrDataset *ds)
{
    CtrRowBlock *block = ds->block;
    char *row = palloc0(ds->raw_size);
    int hash_tasks = ds->folds ? (block->n + HASH_TASK - 1) / HASH_TASK : 0;

    for (int f = 0; f < ds->n_cat; f++)
        categories_reserve(block, f, ds->seen[f]);
    threads_run(ds->pool, arrival_task, ds, ds->n_cat + hash_tasks);
    for (int i = 0; i < block->n; i++) {
        int32 *categories = raw_categories(ds, row);

        memcpy(raw_numbers(row), block->numbers + (Size)i * ds->n_num, sizeof(double) * ds->n_num);
        for (int f = 0; f < ds->n_cat; f++)
            categories[f] = ds->numbered[(Size)f * block->room + i];
        if (ds->folds)
            ds->tails[i].fold = (int16)rowfolds_next(ds->folds, ds->hashes[i]);
        *raw_tail(ds, row) = ds->tails[i];
        rowstore_append(ds->raw, row);
    }
    block->n = 0;
    pfree(row);
}

void
dataset_add(CtrDataset *ds, CtrRowMap *map, float label, float weight, CtrRowRole role)
{
    CtrRowBlock *block = ds->block;

    if (rowstore_count(ds->raw) >= DATASET_LARGEST)
        ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("too many rows to train on"),
                        errdetail("The limit is %d.", DATASET_LARGEST)));
    ds->tails[block->n] = (RawTail){.label = label, .weight = weight, .role = (int16)role};
    rowblock_add(block, map);
    ds->n_chance += role == CTR_ROLE_CHANCE;
    if (rowblock_full(block))
        store_block(ds);
}

/* ------------------------------------------------------------------ encoding */

static int32 *
row_codes(const CtrDataset *ds, const char *row)
{
    return (int32 *)(row + sizeof(float) * ds->d_num);
}

/* label, weight */
static float *
row_label(const CtrDataset *ds, const char *row)
{
    return (float *)(row + sizeof(float) * ds->d_num + sizeof(int32) * ds->d_cat);
}

/*
 * A row that goes on from a model takes its statistics from the model's sums without its fold and without the
 * rows that were held back then, whether it trains or is held back: it may have been either before.
 */
static void
encode_row(const CtrDataset *ds, const CtrEncoder *encoder, const Fitted *fitted, const char *raw, int group,
           char *row)
{
    const double *numbers = raw_numbers(raw);
    const RawTail *tail = raw_tail(ds, raw);
    float *x_num = (float *)row;
    int32 *x_cat = row_codes(ds, row);

    for (int i = 0; i < ds->n_num; i++)
        x_num[i] = transform_apply(&encoder->transforms[i], numbers[i]);
    raw_codes(ds, encoder, fitted->codes, raw, x_cat);
    encoder_derive(encoder, fitted->out_of_fold, NN_STATISTICS_GROUPS, ds->known ? tail->fold : group, x_num,
                   x_cat, 1);
    row_label(ds, row)[0] = tail->label;
    row_label(ds, row)[1] = tail->weight;
}

/* A few raw rows, and what becomes of them. */
typedef struct EncodeTasks {
    const CtrDataset *ds;
    const CtrEncoder *encoder;
    const Fitted *fitted;
    int n;
    char *raw, *rows; /* [DATASET_SCAN_ROWS, raw_size], [DATASET_SCAN_ROWS, row_size] */
    int groups[DATASET_SCAN_ROWS];
} EncodeTasks;

static void
encode_task(void *arg, int task, int worker)
{
    const EncodeTasks *t = arg;
    const CtrDataset *ds = t->ds;
    const int first = task * ENCODE_TASK;
    const unsigned mode = denormals_keep();

    (void)worker;
    for (int i = first; i < Min(first + ENCODE_TASK, t->n); i++)
        encode_row(ds, t->encoder, t->fitted, t->raw + i * ds->raw_size, t->groups[i],
                   t->rows + i * ds->row_size);
    denormals_restore(mode);
}

/* Takes the next rows out of the raw store; false: there are none. */
static bool
encode_take(CtrDataset *ds, RoleSampler *sampler, EncodeTasks *t)
{
    const char *raw;

    for (t->n = 0; t->n < DATASET_SCAN_ROWS && (raw = rowstore_consume(ds->raw)) != NULL; t->n++) {
        memcpy(t->raw + t->n * ds->raw_size, raw, ds->raw_size);
        t->groups[t->n] = roles_next(sampler, raw_tail(ds, raw));
    }
    return t->n > 0;
}

/* Encoded rows go to the set that each is for. */
static void
encode_give(CtrDataset *ds, const EncodeTasks *t)
{
    for (int i = 0; i < t->n; i++) {
        RowSet *set = &ds->sets[t->groups[i] == NN_FOLD_VALIDATION];
        const char *row = t->rows + i * ds->row_size;
        const float label = row_label(ds, row)[0], weight = row_label(ds, row)[1];

        rowstore_append(set->rows, row);
        set->class_rows[(int)label]++;
        set->class_weights[(int)label] += weight;
        set->weight += weight;
    }
}

/* Uses the raw rows up. */
static void
encode_rows(CtrDataset *ds, const CtrEncoder *encoder, const Fitted *fitted)
{
    EncodeTasks tasks = {.ds = ds, .encoder = encoder, .fitted = fitted};
    RoleSampler sampler;

    tasks.raw = palloc(ds->raw_size * DATASET_SCAN_ROWS);
    tasks.rows = palloc0(ds->row_size * DATASET_SCAN_ROWS);
    for (int s = 0; s < 2; s++) {
        ds->sets[s].rows = rowstore_create(ds->context, ds->row_size, ds->budget);
        ds->sets[s].class_rows = allocate(ds, ds->n_classes, sizeof(int64));
        memset(ds->sets[s].class_rows, 0, sizeof(int64) * ds->n_classes);
        ds->sets[s].class_weights = allocate(ds, ds->n_classes, sizeof(double));
        memset(ds->sets[s].class_weights, 0, sizeof(double) * ds->n_classes);
    }
    roles_start(ds, &sampler);
    while (encode_take(ds, &sampler, &tasks)) {
        CHECK_FOR_INTERRUPTS();
        threads_run(ds->pool, encode_task, &tasks, (tasks.n + ENCODE_TASK - 1) / ENCODE_TASK);
        encode_give(ds, &tasks);
    }
    rowstore_close(ds->raw);
    ds->raw = NULL;
}

/* What batches and passes need, for the larger set. */
static void
prepare_passes(CtrDataset *ds)
{
    Size rows = (Size)Max(dataset_rows(ds, false), dataset_rows(ds, true));
    Size window = Max(Min(DATASET_WORKING_MEMORY / ds->row_size, WINDOW_LARGEST), WINDOW_LEAST);

    ds->window_rows = (int)(window / PAGE_ROWS * PAGE_ROWS);
    ds->batch_rows = (int)Min((Size)ds->options->batch_size, rows);
    ds->ld_cat = TYPEALIGN(GATHER_ROWS, Max(ds->batch_rows, 1));
    ds->x_num = allocate(ds, ds->batch_rows, mul_size(sizeof(float), ds->d_num));
    ds->x_cat = allocate(ds, ds->ld_cat, mul_size(sizeof(int32), ds->d_cat));
    ds->label = allocate(ds, ds->batch_rows, sizeof(float));
    ds->weight = allocate(ds, ds->batch_rows, sizeof(float));
    ds->pass.pages = allocate(ds, rows / PAGE_ROWS + 1, sizeof(uint32));
    ds->pass.order = allocate(ds, ds->window_rows, sizeof(uint32));
    if (!rowstore_in_memory(ds->sets[0].rows) || !rowstore_in_memory(ds->sets[1].rows))
        ds->pass.window = allocate(ds, ds->window_rows, ds->row_size);
}

static void
close_folds(CtrDataset *ds)
{
    if (ds->folds)
        rowfolds_free(ds->folds);
    ds->folds = NULL;
}

CtrEncoder *
dataset_encode(CtrDataset *ds, MemoryContext context)
{
    CtrEncoder *encoder = encoder_create(context, ds->options, ds->features, ds->n_num, ds->n_cat, ds->known);
    MemoryContext scratch = AllocSetContextCreate(ds->context, "ctr encode", ALLOCSET_DEFAULT_SIZES);
    MemoryContext old = MemoryContextSwitchTo(scratch);
    Fitted fitted;

    store_block(ds);
    close_folds(ds);
    fitted = dataset_fit(ds, encoder);
    ds->budget->limit = ds->memory;
    encode_rows(ds, encoder, &fitted);
    prepare_passes(ds);
    MemoryContextSwitchTo(old);
    MemoryContextDelete(scratch);
    return encoder;
}

int64
dataset_rows(const CtrDataset *ds, bool validation)
{
    return rowstore_count(ds->sets[validation].rows);
}

const int64 *
dataset_class_rows(const CtrDataset *ds, bool validation)
{
    return ds->sets[validation].class_rows;
}

const double *
dataset_class_weights(const CtrDataset *ds, bool validation)
{
    return ds->sets[validation].class_weights;
}

double
dataset_weight(const CtrDataset *ds, bool validation)
{
    return ds->sets[validation].weight;
}

/* ------------------------------------------------------------------ passes */

void
dataset_start(CtrDataset *ds, bool validation, uint64 epoch)
{
    Pass *pass = &ds->pass;

    pass->rows = ds->sets[validation].rows;
    pass->shuffled = !validation;
    pass->left = rowstore_count(pass->rows);
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
window_fill(CtrDataset *ds)
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

/* row k of the window, in the pass's order */
static inline const char *
window_row(const CtrDataset *ds, int k)
{
    const Pass *pass = &ds->pass;
    uint32 row = pass->order[k];

    return rowstore_in_memory(pass->rows) ? rowstore_row(pass->rows, row) : pass->window + row * ds->row_size;
}

/* Rows lie all over the memory: those of the next round are fetched into the cache during this one. */
static inline void
prefetch_rows(const CtrDataset *ds, int first, int end)
{
    for (int k = first; k < Min(first + GATHER_ROWS, end); k++) {
        const char *row = window_row(ds, k);

        for (Size at = 0; at < ds->row_size; at += 64)
            __builtin_prefetch(row + at);
    }
}

/*
 * Copies rows [first, first + n) of the window to the batch from row `at` on. Codes change from rows to
 * columns, GATHER_ROWS rows at a time so that whole cache lines are written.
 */
static void
gather(CtrDataset *ds, int at, int first, int n)
{
    for (int done = 0; done < n; done += GATHER_ROWS) {
        int m = Min(GATHER_ROWS, n - done);
        int to = at + done;
        const char *rows[GATHER_ROWS];

        prefetch_rows(ds, first + done + m, first + n);
        for (int i = 0; i < m; i++) {
            rows[i] = window_row(ds, first + done + i);
            memcpy(ds->x_num + (Size)(to + i) * ds->d_num, rows[i], sizeof(float) * ds->d_num);
            ds->label[to + i] = row_label(ds, rows[i])[0];
            ds->weight[to + i] = row_label(ds, rows[i])[1];
        }
        for (int f = 0; f < ds->d_cat; f++) {
            int32 *codes = ds->x_cat + f * ds->ld_cat + to;

            for (int i = 0; i < m; i++)
                codes[i] = row_codes(ds, rows[i])[f];
        }
    }
}

/* The window's next n rows are for the batch, from row `at` on. */
typedef struct GatherTasks {
    CtrDataset *ds;
    int at, n;
} GatherTasks;

static void
gather_task(void *arg, int task, int worker)
{
    const GatherTasks *tasks = arg;
    const int done = task * GATHER_TASK;

    (void)worker;
    gather(tasks->ds, tasks->at + done, tasks->ds->pass.next + done, Min(GATHER_TASK, tasks->n - done));
}

void
dataset_next(CtrDataset *ds, NnBatch *batch)
{
    Pass *pass = &ds->pass;
    const int wanted = schedule_batch_rows(pass->left, ds->batch_rows);
    int rows = 0;

    while (rows < wanted && (pass->next < pass->n || window_fill(ds))) {
        int n = Min(wanted - rows, pass->n - pass->next);

        threads_run(ds->pool, gather_task, &(GatherTasks){ds, rows, n}, (n + GATHER_TASK - 1) / GATHER_TASK);
        pass->next += n;
        rows += n;
    }
    pass->left -= rows;
    *batch = (NnBatch){
        .rows = rows,
        .x_num = ds->x_num,
        .x_cat = ds->x_cat,
        .ld_cat = ds->ld_cat,
        .label = ds->label,
        .weight = ds->options->weight ? ds->weight : NULL,
        .mean_weight = dataset_weight(ds, false) / (double)dataset_rows(ds, false),
    };
}

void
dataset_close(CtrDataset *ds)
{
    close_folds(ds);
    if (ds->raw)
        rowstore_close(ds->raw);
    for (int s = 0; s < 2; s++) {
        if (ds->sets[s].rows)
            rowstore_close(ds->sets[s].rows);
    }
    MemoryContextDelete(ds->context);
}
