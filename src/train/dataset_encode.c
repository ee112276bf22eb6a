/*
 * dataset_encode.c: once all rows have arrived, puts them in order (roworder.c), fits the encoder on them
 * (dataset_fit.c) and writes them as the network's inputs, into a store for the training rows and one for
 * those that validate.
 */
#include "train/dataset.h"

#include "miscadmin.h"

#include "threads.h"
#include "nn/denormals.h"

#define ENCODE_TASK 64 /* rows that one thread encodes at a time */

/*
 * In a training that goes on from a model, a row's statistics come from the model's sums without the row's
 * fold and without the rows that were held back before. This holds for training and validation rows alike,
 * because the row may have been either before.
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
    raw_codes(ds, encoder, fitted->codes, raw, x_num, x_cat);
    encoder_derive(encoder, fitted->out_of_fold, NN_STATISTICS_GROUPS, group, x_num, x_cat, 1);
    row_label(ds, row)[0] = tail->label;
    row_label(ds, row)[1] = tail->weight;
}

/* A few raw rows and, once encoded, the same rows as inputs. */
typedef struct EncodeTasks {
    const CtrDataset *ds;
    const CtrEncoder *encoder;
    const Fitted *fitted;
    int n;
    char *raw, *rows; /* [DATASET_SCAN_ROWS, raw_size], [DATASET_SCAN_ROWS, row_size] */
    bool validation[DATASET_SCAN_ROWS];
    int groups[DATASET_SCAN_ROWS]; /* whose statistics the row takes */
} EncodeTasks;

static void
encode_task(void *arg, int task, int worker)
{
    const EncodeTasks *t = arg;
    const CtrDataset *ds = t->ds;
    const int first = task * ENCODE_TASK;
    const uint64_t mode = denormals_keep();

    (void)worker;
    for (int i = first; i < Min(first + ENCODE_TASK, t->n); i++)
        encode_row(ds, t->encoder, t->fitted, t->raw + i * ds->raw_size, t->groups[i],
                   t->rows + i * ds->row_size);
    denormals_restore(mode);
}

/* Takes the next rows out of the raw store; false: there are none. */
static bool
encode_take(CtrDataset *ds, RowSampler *sampler, EncodeTasks *t)
{
    const char *raw;

    for (t->n = 0; t->n < DATASET_SCAN_ROWS && (raw = rowstore_consume(ds->raw)) != NULL; t->n++) {
        memcpy(t->raw + t->n * ds->raw_size, raw, ds->raw_size);
        sampler_next(ds, sampler, raw);
        t->validation[t->n] = sampler->group == NN_FOLD_VALIDATION;
        t->groups[t->n] = ds->known ? sampler->fold : sampler->group;
    }
    return t->n > 0;
}

/* Appends each encoded row to its set: training or validation. */
static void
encode_give(CtrDataset *ds, const EncodeTasks *t)
{
    for (int i = 0; i < t->n; i++) {
        RowSet *set = &ds->sets[t->validation[i]];
        const char *row = t->rows + i * ds->row_size;
        const float label = row_label(ds, row)[0], weight = row_label(ds, row)[1];

        rowstore_append(set->rows, row);
        set->class_rows[(int)label]++;
        set->class_weights[(int)label] += weight;
        set->weight += weight;
    }
}

/* Encodes all rows into the two sets; the raw store is empty afterwards. */
static void
encode_rows(CtrDataset *ds, const CtrEncoder *encoder, const Fitted *fitted)
{
    EncodeTasks tasks = {.ds = ds, .encoder = encoder, .fitted = fitted};
    RowSampler sampler;

    tasks.raw = palloc(ds->raw_size * DATASET_SCAN_ROWS);
    tasks.rows = palloc0(ds->row_size * DATASET_SCAN_ROWS);
    for (int s = 0; s < 2; s++) {
        ds->sets[s].rows = rowstore_create(ds->context, ds->row_size, ds->budget);
        ds->sets[s].class_rows = dataset_allocate(ds, ds->n_classes, sizeof(int64));
        memset(ds->sets[s].class_rows, 0, sizeof(int64) * ds->n_classes);
        ds->sets[s].class_weights = dataset_allocate(ds, ds->n_classes, sizeof(double));
        memset(ds->sets[s].class_weights, 0, sizeof(double) * ds->n_classes);
    }
    sampler_start(ds, &sampler);
    while (encode_take(ds, &sampler, &tasks)) {
        CHECK_FOR_INTERRUPTS();
        threads_run(ds->pool, encode_task, &tasks, (tasks.n + ENCODE_TASK - 1) / ENCODE_TASK);
        encode_give(ds, &tasks);
    }
    rowstore_close(ds->raw);
    ds->raw = NULL;
}

CtrEncoder *
dataset_encode(CtrDataset *ds, MemoryContext context)
{
    CtrEncoder *encoder =
        ds->common ? unconstify(CtrEncoder *, ds->common)
                   : encoder_create(context, ds->options, ds->features, ds->n_num, ds->n_cat, ds->known);
    MemoryContext scratch = AllocSetContextCreate(ds->context, "ctr encode", ALLOCSET_DEFAULT_SIZES);
    MemoryContext old = MemoryContextSwitchTo(scratch);
    Fitted fitted;

    dataset_store_arrived(ds);
    rows_order(ds);
    fitted = dataset_fit(ds, encoder);
    ds->row_num = ds->d_num = encoder->d_num;
    ds->d_cat = encoder->d_cat;
    ds->row_size = sizeof(float) * ds->row_num + sizeof(int32) * ds->d_cat + 2 * sizeof(float);
    ds->budget->limit = ds->memory;
    encode_rows(ds, encoder, &fitted);
    dataset_prepare_passes(ds);
    MemoryContextSwitchTo(old);
    MemoryContextDelete(scratch);
    return encoder;
}
