/*
 * transform.c: numerical columns to the network's inputs: imputation by the mean, then one of quantile
 * transform, standardisation, standardised logarithm, or nothing.
 *
 * The quantile transform is scikit-learn's (QuantileTransformer, uniform output, no subsample): the column's
 * values at NN_QUANTILES evenly spaced ranks; a value's image is its interpolated rank in [0, 1], and among
 * equal values the middle of their ranks. Ranks are computed with the same roundings as numpy's percentile,
 * because one unit in the last place decides whether a rank still belongs to a run of equal values.
 */
#include "nn/math/transform.h"

#include <float.h>
#include <math.h>

#include "nn/math/radix.h"

void
sort_doubles(double *values, double *scratch, size_t n)
{
    uint64_t *keys = (uint64_t *)(void *)values;

    for (size_t i = 0; i < n; i++) {
        uint64_t key = ordered_from_double(values[i]);
        memcpy(&keys[i], &key, sizeof(key));
    }
    radix_sort(keys, scratch, n, sizeof(uint64_t), 0, NULL);
    for (size_t i = 0; i < n; i++) {
        uint64_t key;
        memcpy(&key, &keys[i], sizeof(key));
        values[i] = double_from_ordered(key);
    }
}

/* ------------------------------------------------------------------ fitting */

/* A sum whose rounding error does not grow with the number of terms (Neumaier 1974). */
typedef struct Sum {
    double sum, lost;
} Sum;

static void
sum_add(Sum *s, double x)
{
    double t = s->sum + x;

    s->lost += fabs(s->sum) >= fabs(x) ? (s->sum - t) + x : (x - t) + s->sum;
    s->sum = t;
}

static double
sum_value(const Sum *s)
{
    return s->sum + s->lost;
}

/* total on negative numbers, 0 at 0 */
static double
signed_log(double x)
{
    return copysign(log1p(fabs(x)), x);
}

double
transform_space(NnTransformKind kind, double x)
{
    return kind == NN_LOG ? signed_log(x) : x;
}

/*
 * The rank of quantile i of q among n ordered values, counted from 0, with a fraction: i / (q - 1) of the way
 * from the first to the last, by way of percent, as sklearn and numpy round it.
 */
static double
quantile_rank(int i, int q, size_t n)
{
    double reference = i == q - 1 ? 1.0 : i * (1.0 / (q - 1));

    return q == 1 ? 0.0 : reference * 100 / 100 * (double)(n - 1);
}

/* as numpy interpolates between order statistics: exact at both ends */
static double
interpolate(double a, double b, double t)
{
    return t >= 0.5 ? b - (b - a) * (1 - t) : a + (b - a) * t;
}

/*
 * The column with its missing values imputed, in ascending order: `missing` copies of the mean stand in their
 * place.
 */
typedef struct Imputed {
    NnColumn *column;
    double mean;
    size_t read;    /* values taken from the column */
    size_t imputed; /* copies of the mean still to come */
    double ahead;   /* the column's value number read - 1, not yet given out */
} Imputed;

static void
imputed_start(Imputed *in, NnColumn *column, double mean, size_t missing)
{
    column_rewind(column);
    *in = (Imputed){.column = column, .mean = mean, .imputed = missing};
    if (column->n > 0) {
        in->ahead = column_next(column);
        in->read = 1;
    }
}

static double
imputed_next(Imputed *in)
{
    double x = in->ahead;

    if (in->imputed > 0 && (in->read == 0 || x >= in->mean)) {
        in->imputed--;
        return in->mean;
    }
    if (in->read < in->column->n) {
        in->ahead = column_next(in->column);
        in->read++;
    } else {
        in->read = 0; /* the column is used up */
    }
    return x;
}

static void
fit_quantiles(NnTransform *t, NnColumn *column, size_t missing, double *quantiles)
{
    size_t n = column->n + missing;
    size_t position = 0; /* of `value` among the ordered values */
    double before = 0, value;
    Imputed in;

    t->n_quantiles = n < NN_QUANTILES ? (int)n : NN_QUANTILES;
    t->quantiles = quantiles;
    imputed_start(&in, column, t->mean, missing);
    before = value = imputed_next(&in);
    for (int i = 0; i < t->n_quantiles; i++) {
        double rank = quantile_rank(i, t->n_quantiles, n);
        size_t lower = (size_t)rank;
        size_t upper = lower + 1 < n ? lower + 1 : n - 1;

        while (position < upper) {
            before = value;
            value = imputed_next(&in);
            position++;
        }
        quantiles[i] = upper == lower ? value : interpolate(before, value, rank - (double)lower);
    }
    transform_sample(t);
}

void
transform_sample(NnTransform *t)
{
    for (int i = 0; i < NN_SAMPLES; i++) {
        const int last = (i + 1) * NN_SAMPLE_STRETCH - 1;

        t->samples[i] = last < t->n_quantiles ? t->quantiles[last] : INFINITY;
    }
}

/* mean and standard deviation over the imputed column, in the space of the transform */
static void
fit_scale(NnTransform *t, NnColumn *column, size_t missing)
{
    double n = (double)column->n + (double)missing;
    double imputed = transform_space(t->kind, t->mean);
    double deviation = 0;
    Sum sum = {0, 0}, squares = {0, 0};

    sum_add(&sum, (double)missing * imputed);
    column_rewind(column);
    for (size_t i = 0; i < column->n; i++)
        sum_add(&sum, transform_space(t->kind, column_next(column)));
    t->shift =
        fmin(fmax(sum_value(&sum) / n, transform_space(t->kind, t->low)), transform_space(t->kind, t->high));

    sum_add(&squares, (double)missing * (imputed - t->shift) * (imputed - t->shift));
    column_rewind(column);
    for (size_t i = 0; i < column->n; i++) {
        deviation = transform_space(t->kind, column_next(column)) - t->shift;
        sum_add(&squares, deviation * deviation);
    }
    t->scale = sqrt(sum_value(&squares) / n);
    if (t->scale == 0)
        t->scale = 1;
}

/* The kind, and of the column's values the smallest, the largest and the mean. */
static void
fit_mean(NnTransform *t, NnTransformKind kind, NnColumn *column)
{
    Sum sum = {0, 0};

    *t = (NnTransform){.kind = kind, .scale = 1};
    column_rewind(column);
    for (size_t i = 0; i < column->n; i++) {
        t->high = column_next(column);
        if (i == 0)
            t->low = t->high;
        sum_add(&sum, t->high);
    }
    /* rounding must not carry the mean out of the column: a constant stays one when it is imputed */
    if (column->n > 0)
        t->mean = fmin(fmax(sum_value(&sum) / (double)column->n, t->low), t->high);
}

void
transform_fit(NnTransform *t, NnTransformKind kind, NnColumn *column, size_t missing, double *quantiles)
{
    fit_mean(t, kind, column);
    if (column->n + missing == 0)
        missing = 1; /* nothing but infinities: a constant, as where all are missing */
    if (kind == NN_QUANTILE)
        fit_quantiles(t, column, missing, quantiles);
    else if (kind == NN_STANDARD || kind == NN_LOG)
        fit_scale(t, column, missing);
}

/* Mean and standard deviation of the imputed column from the moments of its values. */
static void
scale_from_moments(NnTransform *t, const NnMoments *m, double missing)
{
    const double n = m->rows + missing, imputed = transform_space(t->kind, t->mean);
    double away;

    if (n == 0)
        return;
    t->shift = (m->rows * m->scaled_mean + missing * imputed) / n;
    t->shift = fmin(fmax(t->shift, transform_space(t->kind, t->low)), transform_space(t->kind, t->high));
    away = m->scaled_squares + m->rows * (m->scaled_mean - t->shift) * (m->scaled_mean - t->shift) +
           missing * (imputed - t->shift) * (imputed - t->shift);
    t->scale = sqrt(away / n);
    if (t->scale == 0)
        t->scale = 1;
}

void
transform_fit_nearly(NnTransform *t, NnTransformKind kind, NnColumn *column, size_t missing,
                     const NnMoments *moments, double all_missing, double *quantiles)
{
    fit_mean(t, kind, column);
    if (column->n > 0)
        t->mean = fmin(fmax(moments->mean, t->low), t->high);
    if (kind == NN_QUANTILE)
        fit_quantiles(t, column, column->n + missing == 0 ? 1 : missing, quantiles);
    else if (kind == NN_STANDARD || kind == NN_LOG)
        scale_from_moments(t, moments, all_missing);
}

/* ------------------------------------------------------------------ applying */

/* how many of the n values lie below x, and how many do not lie above it */
static inline __attribute__((always_inline)) void
count_values(const double *values, size_t n, double x, size_t *below, size_t *not_above)
{
    size_t less = 0, less_or_equal = 0;

    for (size_t i = 0; i < n; i++) {
        less += values[i] < x;
        less_or_equal += values[i] <= x;
    }
    *below = less;
    *not_above = less_or_equal;
}

/*
 * The same among all quantiles. Samples of them tell which stretch to look at: two rows of comparisons
 * without a branch, which the CPU makes eight at a time, are several times as fast as a binary search.
 */
static NN_KERNEL void
count_quantiles(const NnTransform *t, double x, size_t *below, size_t *not_above)
{
    const size_t n = (size_t)t->n_quantiles, stretch = NN_SAMPLE_STRETCH;
    size_t first, last, unused;

    if (n < stretch) {
        count_values(t->quantiles, n, x, below, not_above);
        return;
    }
    count_values(t->samples, NN_SAMPLES, x, &first, &last);
    /* the last stretch may be short: what lies before it is known to be smaller and may be counted again */
    first = first * stretch < n - stretch ? first * stretch : n - stretch;
    last = last * stretch < n - stretch ? last * stretch : n - stretch;
    count_values(t->quantiles + first, NN_SAMPLE_STRETCH, x, below, &unused);
    count_values(t->quantiles + last, NN_SAMPLE_STRETCH, x, &unused, not_above);
    *below += first;
    *not_above += last;
}

static double
quantile_apply(const NnTransform *t, double x)
{
    const double *q = t->quantiles;
    size_t n = (size_t)t->n_quantiles;
    size_t below, end;
    double step;

    if (n <= 1 || x <= q[0])
        return 0;
    if (x >= q[n - 1])
        return 1;
    step = 1.0 / (double)(n - 1);
    count_quantiles(t, x, &below, &end);
    if (end > below) /* x is quantile `below` … end - 1 */
        return 0.5 * ((double)below + (double)(end - 1)) * step;
    return ((double)(below - 1) + (x - q[below - 1]) / (q[below] - q[below - 1])) * step;
}

static double
clip(double x, double low, double high)
{
    return x < low ? low : x > high ? high : x;
}

static double
apply(const NnTransform *t, double x)
{
    switch (t->kind) {
    case NN_QUANTILE:
        return quantile_apply(t, x);
    case NN_STANDARD:
    case NN_LOG:
        return (transform_space(t->kind, x) - t->shift) / t->scale;
    case NN_NONE:
        break;
    }
    return x;
}

float
transform_apply(const NnTransform *t, double x)
{
    x = isnan(x) ? t->mean : clip(x, t->low, t->high);
    return (float)clip(apply(t, x), -FLT_MAX, FLT_MAX);
}

double
transform_largest(const NnTransform *t)
{
    return fmax(fabs((double)transform_apply(t, t->low)), fabs((double)transform_apply(t, t->high)));
}
