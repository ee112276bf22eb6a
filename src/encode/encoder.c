/*
 * encoder.c: features to the network's inputs. A numerical column goes through its transform
 * (nn/math/transform.c); a category becomes its code: 0 unseen or rare, 1 missing, from 2 on the known
 * ones. From these the options may derive more: a numerical column's bucket as one more category field,
 * and the categories' target statistics as more numbers (nn/math/derive.c).
 */
#include "encode/encoder.h"

#include <math.h>

#include "miscadmin.h"

#include "nn/denormals.h"

/* Are the target statistics one input, or two, instead of one for each field? */
static bool
sums_statistics(const CtrEncoder *encoder, const CtrOptions *options, int fields)
{
    if (options->statistics != NN_STATISTICS_BY_SIZE)
        return options->statistics == NN_STATISTICS_SUM;
    return !encoder->rare ||
           encoder->n_num + encoder->n_statistics + encoder->n_counted + fields > NN_INPUTS_FEW;
}

void
encoder_widths(CtrEncoder *encoder, const CtrOptions *options)
{
    const int plain = encoder->n_cat + (options->numerical_buckets > 0 ? encoder->n_num : 0);
    int derived;

    encoder->d_cat = plain + encoder->n_crosses;
    encoder->n_statistics = options->target_statistics ? encoder->d_cat : 0;
    encoder->sums_statistics = sums_statistics(encoder, options, plain);
    derived = encoder->sums_statistics ? (plain > 0) + (encoder->n_crosses > 0) : encoder->n_statistics;
    encoder->d_num = encoder->n_num + (options->target_statistics ? derived : 0) + encoder->n_counted;
}

int32
encoder_bucket(const CtrEncoder *encoder, int i, double value)
{
    const CtrBuckets *buckets = &encoder->buckets[i];

    return isnan(value) ? CTR_CODE_MISSING
                        : CTR_CODE_KNOWN + bucket_find(buckets->bounds, buckets->n_bounds, value);
}

void
encoder_derive(const CtrEncoder *encoder, float *const *statistics, int stride, int fold, float *x_num,
               const int32 *x_cat, Size ld_cat)
{
    const int first_cross = encoder_first_cross(encoder);
    float *derived = x_num + encoder->n_num;
    float sums[2] = {0, 0}; /* of the crosses', after that of all others */

    for (int f = 0; f < encoder->n_statistics; f++) {
        float value = statistics[f][(Size)x_cat[f * ld_cat] * stride + fold];

        if (encoder->sums_statistics)
            sums[f >= first_cross] += value;
        else
            derived[f] = value;
    }
    if (encoder->n_statistics == 0 || !encoder->sums_statistics)
        return;
    derived[0] = sums[0] / sqrtf((float)first_cross);
    if (encoder->n_crosses > 0)
        derived[1] = sums[1] / sqrtf((float)encoder->n_crosses);
}

static inline void
encode_number(const CtrEncoder *encoder, int i, double value, float *x_num, int32 *x_cat, Size ld_cat)
{
    x_num[i] = transform_apply(&encoder->transforms[i], value);
    if (encoder->buckets != NULL)
        x_cat[(encoder->n_cat + i) * ld_cat] = encoder_bucket(encoder, i, value);
}

void
encoder_encode(const CtrEncoder *encoder, CtrRowMap *map, float *x_num, int32 *x_cat, Size ld_cat)
{
    CtrColumn *columns = map->features + encoder->n_num;

    categories_of_row(map, columns, encoder->n_cat,
                      encoder->vocabs); /* what it prefetches arrives while the numbers are transformed */
    for (int i = 0; i < encoder->n_num; i++)
        encode_number(encoder, i, row_number(map, &map->features[i]), x_num, x_cat, ld_cat);
    for (int f = 0; f < encoder->n_cat; f++) {
        int32 code = CTR_CODE_MISSING;

        if (columns[f].bytes) {
            int32 id = vocab_find(encoder->vocabs[f], columns[f].bytes, columns[f].length, columns[f].hash);

            code = id < 0 ? CTR_CODE_UNSEEN : id + CTR_CODE_KNOWN;
        }
        x_cat[f * ld_cat] = code;
    }
    crosses_encode(encoder, false, x_num, x_cat, ld_cat);
    encoder_derive(encoder, encoder->statistics, 1, 0, x_num, x_cat, ld_cat);
}

void
encoder_encode_block(const CtrEncoder *encoder, const CtrRowBlock *block, int first, int n, float *x_num,
                     int32 *x_cat, Size ld_cat)
{
    const uint64_t mode = denormals_keep();

    for (int f = 0; f < encoder->n_cat; f++)
        categories_find(block, f, first, n, encoder->vocabs[f], x_cat + f * ld_cat);
    for (int row = 0; row < n; row++) {
        const double *numbers = block->numbers + (Size)(first + row) * encoder->n_num;
        float *to = x_num + (Size)row * encoder->d_num;

        for (int i = 0; i < encoder->n_num; i++)
            encode_number(encoder, i, numbers[i], to, x_cat + row, ld_cat);
        crosses_encode(encoder, false, to, x_cat + row, ld_cat);
        encoder_derive(encoder, encoder->statistics, 1, 0, to, x_cat + row, ld_cat);
    }
    denormals_restore(mode);
}

CtrEncoder *
encoder_create(MemoryContext context, const CtrOptions *options, const CtrFeature *features, int n_num,
               int n_cat, const CtrEncoder *known)
{
    MemoryContext old = MemoryContextSwitchTo(context);
    CtrEncoder *encoder = palloc0(sizeof(CtrEncoder));

    encoder->context = context;
    encoder->n_num = n_num;
    encoder->n_cat = n_cat;
    encoder_widths(encoder, options);
    encoder->features = palloc(sizeof(CtrFeature) * Max(n_num + n_cat, 1));
    for (int i = 0; i < n_num + n_cat; i++) {
        encoder->features[i] = features[i];
        encoder->features[i].name = pstrdup(features[i].name);
        encoder->features[i].missing = known ? known->features[i].missing : 0;
    }
    encoder->transforms = palloc0(sizeof(NnTransform) * Max(n_num, 1));
    encoder->vocabs = palloc0(sizeof(CtrVocab *) * Max(n_cat, 1));
    encoder->frequencies = palloc0(sizeof(int32 *) * Max(n_cat, 1));
    encoder->categories = palloc0(sizeof(int) * Max(encoder->d_cat, 1));
    if (options->numerical_buckets > 0)
        encoder->buckets = palloc0(sizeof(CtrBuckets) * Max(n_num, 1));
    MemoryContextSwitchTo(old);
    return encoder;
}

void
encoder_set_crosses(CtrEncoder *encoder, const CtrOptions *options, const CtrCross *crosses, int n)
{
    const Size vocabs = encoder->n_cat + n;

    encoder->n_crosses = n;
    encoder_widths(encoder, options);
    if (n == 0)
        return;
    encoder->crosses = MemoryContextAlloc(encoder->context, sizeof(CtrCross) * n);
    memcpy(encoder->crosses, crosses, sizeof(CtrCross) * n);
    encoder->pair_rows = MemoryContextAllocZero(encoder->context, sizeof(int32 *) * n);
    encoder->vocabs = repalloc(encoder->vocabs, sizeof(CtrVocab *) * vocabs);
    encoder->frequencies = repalloc(encoder->frequencies, sizeof(int32 *) * vocabs);
    encoder->categories = repalloc(encoder->categories, sizeof(int) * encoder->d_cat);
}

void
encoder_add_missing(CtrEncoder *encoder, int feature, int64 missing)
{
    int64 *sum = &encoder->features[feature].missing;

    *sum = Min(*sum + missing, CTR_COUNT_MOST);
}

static double *
copy_numbers(const CtrEncoder *encoder, const double *numbers, int n)
{
    Size size = sizeof(double) * n;

    return n == 0 ? NULL : memcpy(MemoryContextAlloc(encoder->context, size), numbers, size);
}

/* room for them; NULL: the transform has none */
static double *
quantiles_create(const CtrEncoder *encoder, const CtrOptions *options)
{
    return options->numerical_transform == NN_QUANTILE
               ? MemoryContextAlloc(encoder->context, sizeof(double) * NN_QUANTILES)
               : NULL;
}

static void
fit_buckets(CtrEncoder *encoder, int i, const CtrOptions *options, NnColumn *column)
{
    CtrBuckets *buckets = &encoder->buckets[i];
    double bounds[NN_BUCKETS_MOST];

    buckets->n_bounds = buckets_fit(bounds, options->numerical_buckets, column);
    buckets->bounds = copy_numbers(encoder, bounds, buckets->n_bounds);
    encoder->categories[encoder->n_cat + i] = buckets->n_bounds + 1 + CTR_CODE_KNOWN;
}

void
encoder_fit_number(CtrEncoder *encoder, int i, const CtrOptions *options, NnColumn *column, int64 missing)
{
    transform_fit(&encoder->transforms[i], options->numerical_transform, column, missing,
                  quantiles_create(encoder, options));
    if (encoder->buckets != NULL)
        fit_buckets(encoder, i, options, column);
    encoder_add_missing(encoder, i, missing);
}

void
encoder_fit_points(CtrEncoder *encoder, int i, const CtrOptions *options, const NnPoints *points,
                   int64 missing)
{
    NnPointsColumn c;

    points_column(&c, points, missing);
    if (c.exact) {
        encoder_fit_number(encoder, i, options, &c.column, missing);
        return;
    }
    transform_fit_nearly(&encoder->transforms[i], options->numerical_transform, &c.column, c.missing,
                         &points->moments, (double)missing, quantiles_create(encoder, options));
    CHECK_FOR_INTERRUPTS();
    if (encoder->buckets != NULL)
        fit_buckets(encoder, i, options, &c.column);
    encoder_add_missing(encoder, i, missing);
}

void
encoder_keep_number(CtrEncoder *encoder, int i, const CtrEncoder *known, int64 missing)
{
    NnTransform *t = &encoder->transforms[i];

    *t = known->transforms[i];
    t->quantiles = copy_numbers(encoder, t->quantiles, t->n_quantiles);
    if (encoder->buckets != NULL) {
        CtrBuckets *buckets = &encoder->buckets[i];

        *buckets = known->buckets[i];
        buckets->bounds = copy_numbers(encoder, buckets->bounds, buckets->n_bounds);
        encoder->categories[encoder->n_cat + i] = known->categories[encoder->n_cat + i];
    }
    encoder_add_missing(encoder, i, missing);
}

void
encoder_create_statistics(CtrEncoder *encoder, const NnKeptSum *totals)
{
    Size size = NN_STATISTICS_GROUPS * sizeof(NnKeptSum);

    encoder->statistics =
        MemoryContextAlloc(encoder->context, sizeof(float *) * Max(encoder->n_statistics, 1));
    encoder->sums = MemoryContextAlloc(encoder->context, sizeof(NnKeptSum *) * Max(encoder->n_statistics, 1));
    encoder->totals = memcpy(MemoryContextAlloc(encoder->context, size), totals, size);
    for (int f = 0; f < encoder->n_statistics; f++) {
        Size n = (Size)encoder->categories[f];

        encoder->statistics[f] = MemoryContextAllocHuge(encoder->context, mul_size(n, sizeof(float)));
        encoder->sums[f] =
            MemoryContextAllocHuge(encoder->context, mul_size(n, NN_STATISTICS_GROUPS * sizeof(NnKeptSum)));
    }
}
