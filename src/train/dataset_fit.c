/*
 * dataset_fit.c: what is learnt from the raw rows before training: which of them train, how often every
 * category occurs, the transforms and buckets of numerical columns, which columns are paired
 * (dataset_crosses.c), and the target statistics. Each of these is a pass over the raw rows.
 */
#include "train/dataset.h"

#include <float.h>
#include <math.h>

#include "miscadmin.h"

#include "nn/arch/arch.h"

#define SORT_LEAST   ((Size)1024 * 1024) /* bytes for one column that is sorted in temporary files */
#define ZEROED_PIECE ((Size)8 * 1024 * 1024)

#define STREAM_ROLES ((uint64)1 << 40) /* of random numbers; dataset_pass.c lists the others */

/*
 * A NOTICE tells of a column that differs in nearly every row, but only if so many rows have a value: with
 * fewer it may be chance.
 */
#define KEY_NUMBERS    1000
#define KEY_CATEGORIES 100
#define KEY_SHARE      0.95 /* share of these rows whose category no other row has */

/* ------------------------------------------------------------------ roles */

void
sampler_start(const CtrDataset *ds, RowSampler *sampler)
{
    double share = ds->options->validation_column ? 0 : ds->options->validation;

    *sampler = (RowSampler){.left = ds->n_chance};
    rng_seed(&sampler->roles, (uint64)ds->options->seed, STREAM_ROLES);
    /*
     * The small term corrects the rounding of the product: 0.07 of 100 rows are 7, not 8. One row is left
     * to train.
     */
    sampler->needed = (int64)ceil(share * (double)ds->n_chance * (1 - 4 * DBL_EPSILON));
    sampler->needed = Max(Min(sampler->needed, ds->n_chance - 1), 0);
}

void
sampler_next(const CtrDataset *ds, RowSampler *sampler, const char *row)
{
    const RawTail *tail = raw_tail(ds, row);
    const uint64 hash = *raw_hash(row);
    bool validation = tail->role == CTR_ROLE_VALIDATION;

    sampler->equal = hash == sampler->hash ? sampler->equal + 1 : 0;
    sampler->hash = hash;
    sampler->fold = row_fold(hash, sampler->equal);
    if (tail->role == CTR_ROLE_CHANCE) {
        validation = rng_below(&sampler->roles, (uint64)sampler->left) < (uint64)sampler->needed;
        sampler->left--;
        sampler->needed -= validation;
    }
    sampler->group = validation ? NN_FOLD_VALIDATION : sampler->fold;
}

void
raw_scan_start(const CtrDataset *ds, RawScan *scan)
{
    *scan = (RawScan){.ds = ds, .buffer = palloc(ds->raw_size * DATASET_SCAN_ROWS)};
    sampler_start(ds, &scan->sampler);
}

const char *
raw_scan_next(RawScan *scan)
{
    const CtrDataset *ds = scan->ds;
    int64 n = rowstore_count(ds->raw);
    int64 within = scan->next % DATASET_SCAN_ROWS;
    const char *row = scan->buffer + within * ds->raw_size;

    if (scan->next == n) {
        pfree(scan->buffer);
        return NULL;
    }
    if (within == 0) {
        CHECK_FOR_INTERRUPTS();
        rowstore_fetch(ds->raw, scan->next, Min(DATASET_SCAN_ROWS, n - scan->next), scan->buffer);
    }
    scan->next++;
    sampler_next(ds, &scan->sampler, row);
    return row;
}

const char *
raw_scan_next_training(RawScan *scan)
{
    const char *row;

    do
        row = raw_scan_next(scan);
    while (row != NULL && scan->sampler.group == NN_FOLD_VALIDATION);
    return row;
}

/* ------------------------------------------------------------------ numbers and categories */

void *
dataset_zeroed(Size size)
{
    char *memory = MemoryContextAllocHuge(CurrentMemoryContext, Max(size, 1));

    for (Size done = 0; done < size; done += ZEROED_PIECE) {
        CHECK_FOR_INTERRUPTS();
        memset(memory + done, 0, Min(size - done, ZEROED_PIECE));
    }
    return memory;
}

/*
 * Counts how often every category occurs in the training rows, and the missing values: missing [n_num +
 * n_cat].
 */
static int32 **
count_categories(CtrDataset *ds, int64 *missing)
{
    int32 **counts = palloc(sizeof(int32 *) * Max(ds->n_cat, 1));
    const char *row;
    RawScan scan;

    for (int f = 0; f < ds->n_cat; f++)
        counts[f] = dataset_zeroed(mul_size(vocab_count(ds->seen[f]), sizeof(int32)));
    for (raw_scan_start(ds, &scan); (row = raw_scan_next_training(&scan)) != NULL;) {
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

/*
 * Does a column have a different category in nearly every one of `rows` rows? counts [n]: rows of each
 * category.
 */
static bool
is_key(const int32 *counts, int32 n, int64 rows)
{
    int64 single = 0;

    for (int32 id = 0; id < n; id++)
        single += counts[id] == 1;
    return rows >= KEY_CATEGORIES && (double)single >= KEY_SHARE * (double)rows;
}

/* A column's points, in a memory context that outlives the dataset. */
static void
fit_points(CtrDataset *ds, MemoryContext context, NnPoints *points, NnColumn *column)
{
    points->values = MemoryContextAlloc(context, sizeof(double) * NN_POINTS_MOST);
    points->rows = MemoryContextAlloc(context, sizeof(int64) * NN_POINTS_MOST);
    points_fit(points, ds->options->numerical_transform, column);
    points->values = repalloc(points->values, sizeof(double) * Max(points->n, 1));
    points->rows = repalloc(points->rows, sizeof(int64) * Max(points->n, 1));
}

/*
 * Fits columns [first, first + n). outside: bytes for each that is sorted in temporary files, 0 in memory.
 * points: of all columns, or NULL.
 */
static void
fit_columns(CtrDataset *ds, CtrEncoder *encoder, int first, int n, Size outside, const int64 *missing,
            NnPoints *points)
{
    CtrColumnSort **sorts = palloc(sizeof(CtrColumnSort *) * n);
    const char *row;
    RawScan scan;

    for (int i = 0; i < n; i++)
        sorts[i] = column_sort_create(ds->n_training, outside);
    for (raw_scan_start(ds, &scan); (row = raw_scan_next_training(&scan)) != NULL;) {
        const double *numbers = raw_numbers(row) + first;

        for (int i = 0; i < n; i++) {
            if (fabs(numbers[i]) <= NN_LARGEST) /* false for NaN as well */
                column_sort_add(sorts[i], numbers[i]);
        }
    }
    for (int i = 0; i < n; i++) {
        NnColumn *column = column_sort_finish(sorts[i]);

        encoder->features[first + i].differs = column->n >= KEY_NUMBERS && column_sort_is_key(sorts[i]);
        encoder_fit_number(encoder, first + i, ds->options, column, missing[first + i]);
        if (points)
            fit_points(ds, encoder->context, &points[first + i], column);
        column_sort_free(sorts[i]);
    }
    pfree(sorts);
}

static void
fit_numbers(CtrDataset *ds, CtrEncoder *encoder, const int64 *missing, NnPoints *points)
{
    Size memory = ds->memory > ds->budget->used ? ds->memory - ds->budget->used : 0;
    bool inside;
    int step = ds->n_num; /* columns fitted in one scan */

    memory = Max(memory, DATASET_WORKING_MEMORY);
    inside = column_sort_memory(ds->n_training, 1) <= memory;
    if (!inside)
        step = (int)Min(memory / SORT_LEAST, (Size)step);
    while (inside && step > 1 && column_sort_memory(ds->n_training, step) > memory)
        step--;
    for (int first = 0; first < ds->n_num; first += step)
        fit_columns(ds, encoder, first, Min(step, ds->n_num - first), inside ? 0 : memory / step, missing,
                    points);
}

/* ------------------------------------------------------------------ target statistics */

/*
 * Sums the labels for every field, code and group: [n_statistics][categories][NN_STATISTICS_GROUPS];
 * totals: of all rows. Rows that chance has held back count as well, because once the best epoch is known
 * nothing speaks against using them. Rows of validation_column do not: a user may want to score them as
 * rows that the model has never seen.
 */
static NnLabelSum **
sum_labels(CtrDataset *ds, const CtrEncoder *encoder, int32 *const *codes, NnLabelSum *totals)
{
    NnLabelSum **sums = palloc(sizeof(NnLabelSum *) * encoder->n_statistics);
    int32 *x_cat = palloc(sizeof(int32) * encoder->d_cat);
    const char *row;
    RawScan scan;

    for (int f = 0; f < encoder->n_statistics; f++)
        sums[f] = dataset_zeroed(mul_size(encoder->categories[f], NN_STATISTICS_GROUPS * sizeof(NnLabelSum)));
    for (raw_scan_start(ds, &scan); (row = raw_scan_next(&scan)) != NULL;) {
        const RawTail *tail = raw_tail(ds, row);
        double positive = (double)tail->weight * tail->label;

        if (tail->role == CTR_ROLE_VALIDATION)
            continue;
        raw_codes(ds, encoder, codes, row, NULL, x_cat);
        for (int f = 0; f < encoder->n_statistics; f++) {
            NnLabelSum *sum = &sums[f][(Size)x_cat[f] * NN_STATISTICS_GROUPS + scan.sampler.group];

            sum->weight += tail->weight;
            sum->positive += positive;
        }
        totals[scan.sampler.group].weight += tail->weight;
        totals[scan.sampler.group].positive += positive;
    }
    pfree(x_cat);
    return sums;
}

void
dataset_sum_labels(CtrDataset *ds, CtrEncoder *encoder, int32 *const *codes)
{
    NnLabelSum totals[NN_STATISTICS_GROUPS] = {{0, 0}};
    NnLabelSum **sums = sum_labels(ds, encoder, codes, totals);

    encoder_keep_sums(encoder, sums, totals);
    pfree(sums);
}

/* Fits the statistics of all fields; returns those for rows of this training. */
static float **
fit_statistics(CtrDataset *ds, CtrEncoder *encoder, int32 *const *codes)
{
    dataset_sum_labels(ds, encoder, codes);
    if (ds->known)
        memcpy(encoder->totals, ds->known->totals, sizeof(NnKeptSum) * NN_STATISTICS_GROUPS);
    return encoder_fit_statistics(encoder, ds->known);
}

/* ------------------------------------------------------------------ all of it */

void
raw_codes(const CtrDataset *ds, const CtrEncoder *encoder, int32 *const *codes, const char *row, float *x_num,
          int32 *x_cat)
{
    const double *numbers = raw_numbers(row);
    const int32 *categories = raw_categories(ds, row);

    for (int f = 0; f < ds->n_cat; f++)
        x_cat[f] = categories[f] < 0 ? CTR_CODE_MISSING : codes[f][categories[f]];
    for (int f = ds->n_cat; f < encoder_first_cross(encoder); f++)
        x_cat[f] = encoder_bucket(encoder, f - ds->n_cat, numbers[f - ds->n_cat]);
    crosses_encode(encoder, raw_tail(ds, row)->role != CTR_ROLE_VALIDATION, x_num, x_cat, 1);
}

/* Are categories so rare that what each field's statistic weighs has to be learnt? */
static bool
categories_are_rare(const CtrDataset *ds, const CtrEncoder *encoder)
{
    int64 known = 0;

    for (int f = 0; f < ds->n_cat; f++)
        known += encoder->categories[f] - CTR_CODE_KNOWN;
    return ds->n_training >= NN_ROWS_MANY && ds->n_training <= known * NN_ROWS_EACH;
}

int32 **
dataset_fit_columns(CtrDataset *ds, CtrEncoder *encoder, int min_count, NnPoints *points)
{
    int64 *missing = palloc0(sizeof(int64) * (ds->n_num + ds->n_cat));
    int32 **codes = count_categories(ds, missing);

    if (ds->known) {
        for (int i = 0; i < ds->n_num; i++)
            encoder_keep_number(encoder, i, ds->known, missing[i]);
    } else {
        fit_numbers(ds, encoder, missing, points);
    }
    for (int f = 0; f < ds->n_cat; f++) {
        int32 *counts = codes[f];

        encoder->features[ds->n_num + f].differs =
            ds->known == NULL &&
            is_key(counts, vocab_count(ds->seen[f]), ds->n_training - missing[ds->n_num + f]);
        codes[f] = encoder_fit_categories(encoder, f, ds->seen[f], counts, min_count, ds->known,
                                          missing[ds->n_num + f]);
        pfree(counts);
        MemoryContextDelete(ds->seen_contexts[f]);
    }
    encoder->rare = categories_are_rare(ds, encoder);
    return codes;
}

int32 **
dataset_common_codes(CtrDataset *ds)
{
    int32 **codes = palloc(sizeof(int32 *) * Max(ds->n_cat, 1));

    for (int f = 0; f < ds->n_cat; f++) {
        codes[f] = encoder_find_codes(ds->common, f, ds->seen[f]);
        MemoryContextDelete(ds->seen_contexts[f]);
    }
    return codes;
}

Fitted
dataset_fit(CtrDataset *ds, CtrEncoder *encoder)
{
    Fitted fitted = {0};

    if (ds->common) {
        fitted.codes = dataset_common_codes(ds);
        fitted.out_of_fold = encoder_fit_statistics(encoder, NULL);
        return fitted;
    }
    fitted.codes = dataset_fit_columns(ds, encoder, ds->options->min_count, NULL);
    dataset_fit_crosses(ds, encoder, fitted.codes);
    if (encoder->n_statistics > 0)
        fitted.out_of_fold = fit_statistics(ds, encoder, fitted.codes);
    return fitted;
}
