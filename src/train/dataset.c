/*
 * dataset.c: a training's rows, from their arrival to the batches that the network sees (dataset_pass.c).
 *
 * While rows arrive they are stored raw: numbers as float8, categories as provisional numbers, since neither
 * roles nor frequencies are known before the end. dataset_encode then puts them in an order of their own
 * (roworder.c), and reads them several times: to fit the encoder (dataset_fit.c), and to write them, encoded,
 * into the stores of the training and the validation rows (dataset_encode.c).
 *
 * Memory: raw and encoded rows together stay within maintenance_work_mem, what is more goes to temporary
 * files. Besides there is one working buffer at a time of DATASET_WORKING_MEMORY: for putting spilled rows in
 * order, for sorting columns, then for shuffling spilled rows.
 */
#include "train/dataset.h"

#include "miscadmin.h"

#include "threads.h"

/* rows that are collected before their categories are numbered; fewer if they are wide */
#define ARRIVAL_ROWS    512
#define ARRIVAL_SIZE    ((Size)256 * 1024)
#define HASH_TASK       64 /* rows that one thread hashes at a time */
#define DATASET_LARGEST (PG_INT32_MAX - ARRIVAL_ROWS)

void *
dataset_allocate(CtrDataset *ds, Size n, Size size)
{
    return MemoryContextAllocHuge(ds->context, Max(mul_size(n, size), 1));
}

CtrDataset *
dataset_create(MemoryContext parent, const CtrOptions *options, const CtrFeature *features, int n_num,
               int n_cat, const CtrEncoder *known, NnPool *pool, CtrRowBudget *budget)
{
    MemoryContext context = AllocSetContextCreate(parent, "ctr dataset", ALLOCSET_DEFAULT_SIZES);
    CtrDataset *ds = MemoryContextAllocZero(context, sizeof(CtrDataset));
    Size reserve;

    ds->context = context;
    ds->options = options;
    if (known && known->shared)
        ds->common = known;
    else
        ds->known = known;
    ds->pool = pool;
    ds->budget = budget;
    ds->n_num = n_num;
    ds->n_cat = n_cat;
    ds->n_classes = Max(options->net.n_classes, 2);
    ds->features = dataset_allocate(ds, n_num + n_cat, sizeof(CtrFeature));
    memcpy(ds->features, features, sizeof(CtrFeature) * (n_num + n_cat));
    ds->raw_size =
        MAXALIGN(sizeof(uint64) + sizeof(double) * n_num + sizeof(int32) * n_cat + sizeof(RawTail));

    ds->memory = (Size)maintenance_work_mem * 1024;
    reserve = 4 * Max(CTR_ROWSTORE_CHUNK, ds->raw_size);
    ds->budget->limit = ds->memory - Min(reserve, ds->memory / 2);
    ds->budget->limit -= ds->budget->limit / (ds->raw_size + ROW_PLACE_SIZE) * ROW_PLACE_SIZE;
    ds->raw = rowstore_create(context, ds->raw_size, ds->budget);
    ds->block =
        rowblock_create(context, (int)Max(Min(ARRIVAL_SIZE / ds->raw_size, ARRIVAL_ROWS), 1), n_num, n_cat);
    ds->tails = dataset_allocate(ds, ds->block->room, sizeof(RawTail));
    ds->numbered = dataset_allocate(ds, mul_size(ds->block->room, n_cat), sizeof(int32));
    ds->hashes = dataset_allocate(ds, ds->block->room, sizeof(uint64));

    ds->seen = dataset_allocate(ds, n_cat, sizeof(CtrVocab *));
    ds->seen_contexts = dataset_allocate(ds, n_cat, sizeof(MemoryContext));
    for (int f = 0; f < n_cat; f++) {
        ds->seen_contexts[f] = AllocSetContextCreate(context, "ctr seen categories", ALLOCSET_SMALL_SIZES);
        ds->seen[f] = vocab_create(ds->seen_contexts[f]);
    }
    return ds;
}

/* Task f < n_cat numbers categorical column f of the block; the tasks after these hash a few rows each. */
static void
arrival_task(void *arg, int task, int worker)
{
    const CtrDataset *ds = arg;
    const int first = (task - ds->n_cat) * HASH_TASK;

    (void)worker;
    if (task < ds->n_cat)
        categories_number(ds->block, task, ds->seen[task], ds->numbered + (Size)task * ds->block->room);
    else
        rows_hash(ds->block, ds->tails, first, Min(HASH_TASK, ds->block->n - first), ds->hashes);
}

void
dataset_store_arrived(CtrDataset *ds)
{
    CtrRowBlock *block = ds->block;
    char *row = palloc0(ds->raw_size);
    int hash_tasks = (block->n + HASH_TASK - 1) / HASH_TASK;

    for (int f = 0; f < ds->n_cat; f++)
        categories_reserve(block, f, ds->seen[f]);
    threads_run(ds->pool, arrival_task, ds, ds->n_cat + hash_tasks);
    for (int i = 0; i < block->n; i++) {
        int32 *categories = raw_categories(ds, row);

        memcpy(raw_numbers(row), block->numbers + (Size)i * ds->n_num, sizeof(double) * ds->n_num);
        for (int f = 0; f < ds->n_cat; f++)
            categories[f] = ds->numbered[(Size)f * block->room + i];
        *raw_hash(row) = ds->hashes[i];
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
    ds->tails[block->n] = (RawTail){.label = label, .weight = weight, .role = role};
    rowblock_add(block, map);
    ds->n_chance += role == CTR_ROLE_CHANCE;
    if (rowblock_full(block))
        dataset_store_arrived(ds);
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

void
dataset_close(CtrDataset *ds)
{
    if (ds->raw)
        rowstore_close(ds->raw);
    for (int s = 0; s < 2; s++) {
        if (ds->sets[s].rows)
            rowstore_close(ds->sets[s].rows);
    }
    MemoryContextDelete(ds->context);
}
