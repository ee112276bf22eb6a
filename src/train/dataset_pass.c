/*
 * dataset_pass.c: passes over the encoded rows of a training, in batches.
 *
 * Seed and epoch alone decide the order of the rows in an epoch; the size of memory does not. So that
 * spilled rows are still read in long stretches, the order is made in two steps: pages of neighbouring
 * rows are shuffled, then, for as many pages as fit a window, the rows in the window are shuffled. A
 * training set that fits one window is thus shuffled as a whole.
 */
#include "train/dataset.h"

#include "miscadmin.h"

#include "threads.h"

#define PAGE_ROWS      64   /* neighbouring rows that stay in one window */
#define WINDOW_LEAST   4096 /* rows of a window at least, however wide they are */
#define WINDOW_LARGEST 65536
#define GATHER_ROWS    16  /* rows whose codes fill a cache line */
#define GATHER_TASK    256 /* rows that one thread gathers at a time */

/*
 * The stream of random numbers for orders, + epoch. Parameter i has the streams from i * 2^32 on, roles
 * have 2^40, which is also that of parameter 256.
 */
#define STREAM_ORDER ((uint64)1 << 41) /* + epoch */

/* Rows in temporary files are read into a window. */
static void
prepare_window(CtrDataset *ds)
{
    const bool in_memory = rowstore_in_memory(ds->sets[0].rows) && rowstore_in_memory(ds->sets[1].rows);

    if (!in_memory && ds->pass.window == NULL)
        ds->pass.window = dataset_allocate(ds, ds->window_rows, ds->row_size);
}

void
dataset_prepare_passes(CtrDataset *ds)
{
    Size rows = (Size)Max(dataset_rows(ds, false), dataset_rows(ds, true));
    Size all_rows = (Size)(dataset_rows(ds, false) + dataset_rows(ds, true));
    Size window = Max(Min(DATASET_WORKING_MEMORY / ds->row_size, WINDOW_LARGEST), WINDOW_LEAST);

    ds->window_rows = (int)(window / PAGE_ROWS * PAGE_ROWS);
    ds->batch_rows = (int)Min((Size)ds->options->batch_size, rows);
    ds->ld_cat = TYPEALIGN(GATHER_ROWS, Max(ds->batch_rows, 1));
    ds->x_num = dataset_allocate(ds, ds->batch_rows, mul_size(sizeof(float), ds->row_num));
    ds->x_cat = dataset_allocate(ds, ds->ld_cat, mul_size(sizeof(int32), ds->d_cat));
    ds->label = dataset_allocate(ds, ds->batch_rows, sizeof(float));
    ds->weight = dataset_allocate(ds, ds->batch_rows, sizeof(float));
    ds->pass.pages = dataset_allocate(ds, all_rows / PAGE_ROWS + 1, sizeof(uint32));
    ds->pass.order = dataset_allocate(ds, ds->window_rows, sizeof(uint32));
    prepare_window(ds);
}

void
dataset_train_all(CtrDataset *ds)
{
    const char *row;

    for (int64 i = 0; (row = rowstore_consume(ds->sets[1].rows)) != NULL; i++) {
        ctr_pause_at(i);
        rowstore_append(ds->sets[0].rows, row);
    }
    ds->sets[0].weight += ds->sets[1].weight;
    ds->all_train = true;
    prepare_window(ds);
}

void
dataset_narrow(CtrDataset *ds, int d_num)
{
    Assert(d_num <= ds->row_num);
    ds->d_num = d_num;
}

bool
dataset_can_validate(const CtrDataset *ds)
{
    return !ds->all_train && dataset_rows(ds, true) > 0;
}

void
dataset_sum_inputs(CtrDataset *ds, NnInputSums *sums)
{
    const CtrRowStore *store = ds->sets[0].rows;
    char *rows = palloc(ds->row_size * DATASET_SCAN_ROWS);

    for (int64 first = 0; first < rowstore_count(store); first += DATASET_SCAN_ROWS) {
        const int n = (int)Min(DATASET_SCAN_ROWS, rowstore_count(store) - first);

        CHECK_FOR_INTERRUPTS();
        rowstore_fetch(ds->sets[0].rows, first, n, rows);
        for (int i = 0; i < n; i++) {
            const char *row = rows + i * ds->row_size;

            input_sums_add(sums, (const float *)row, row_codes(ds, row));
        }
    }
    pfree(rows);
}

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

/*
 * Rows lie all over memory, so the next GATHER_ROWS of them are fetched into the cache while these are
 * copied.
 */
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
 * Copies rows [first, first + n) of the window to the batch from row `at` on. Codes are transposed from
 * rows to columns, GATHER_ROWS rows at a time, so that whole cache lines are written.
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
