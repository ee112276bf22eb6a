/*
 * derive.c: buckets of numerical columns, and target statistics of categories.
 *
 * A target statistic is the log odds of label 1 among a category's rows, less the log odds among all rows.
 * Both are shrunk: the category's as if SMOOTHING rows of the average had been seen besides (Micci-Barreca
 * 2001), the average by half a row of each label. So a category without rows has exactly 0. A training row
 * must not see its own label: its statistic, average included, is computed without the fold that the row is
 * in. Rows held back for validation lend their labels only to what rows outside of this training get.
 *
 * The category of a pair of columns is compared with what the statistics of the two add up to, and shrunk
 * towards that. So few rows of a pair are no reason to doubt what the columns say each by itself, and what
 * they say already is not said again.
 *
 * What rows outside get must not be strange to the network: where no training row was shown another value
 * than 0, there is no other. An example is a code that only rows held back have.
 *
 * Statistics are believed as far as they foretell labels that they have not seen. A few clicks say little of
 * a category, and what they say is even turned round for training rows: where a category has one click, the
 * row that has it is shown none. A network that learns from that does worse than none. So all statistics of
 * a field are multiplied by the slope of the labels' log odds on them, over the training rows. The slope has
 * a prior that counts as TRUST_PRIOR of information: ten clicks where statistics differ by one or so.
 *
 * Going on from a model, its sums stay where it has any, so its statistics stay, and only categories that are
 * new to it get sums from the new rows. These are compared with the average that the model began with, as all
 * others are.
 */
#include "nn/math/derive.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define SMOOTHING      20.0   /* rows */
#define PAIR_SMOOTHING 8.0    /* the same for a pair of columns, of which something is expected */
#define TRUST_PRIOR    10.0   /* 1 / variance of a slope, before any row is seen */
#define TRUST_ENOUGH   1000.0 /* information with which a network finds the slope itself */
#define COUNT_SCALE    0.5f
#define FEW_VALUES     128 /* a column with no more different ones is discrete */

/* ------------------------------------------------------------------ buckets */

/* Reads a sorted column value by value, each with the number of its rows. */
typedef struct Values {
    NnColumn *column;
    size_t unread;
    double value; /* that was read last */
    size_t count; /* its rows; 0: none is read yet */
    double ahead; /* the first of the next value's, where there is one */
    bool more;
} Values;

static void
values_start(Values *values, NnColumn *column)
{
    column_rewind(column);
    *values = (Values){.column = column, .unread = column->n, .more = column->n > 0};
    if (values->more) {
        values->ahead = column_next(column);
        values->unread--;
    }
}

/* false: there are no more */
static bool
values_next(Values *values)
{
    if (!values->more)
        return false;
    values->value = values->ahead;
    values->count = 1;
    for (values->more = false; values->unread > 0 && !values->more; values->unread--) {
        values->ahead = column_next(values->column);
        values->more = values->ahead != values->value;
        values->count += !values->more;
    }
    return true;
}

/* The rows that a value needs to have a bucket of its own. */
static size_t
rows_of_own(int n_buckets, NnColumn *column)
{
    size_t different = 0;
    Values values;

    for (values_start(&values, column); different <= FEW_VALUES && values_next(&values);)
        different++;
    return different <= FEW_VALUES ? (size_t)SMOOTHING : column->n / (size_t)n_buckets + 1;
}

/* The bounds where a value of `own` rows has a bucket of its own; -1: there would be more than have room. */
static int
cut_buckets(double *bounds, int n_buckets, size_t own, NnColumn *column)
{
    size_t shared = 0, full, rows = 0;
    double before = 0;
    Values values;
    int n = 0;

    for (values_start(&values, column); values_next(&values);)
        shared += values.count < own ? values.count : 0;
    full = (shared + (size_t)n_buckets - 1) / (size_t)n_buckets;
    for (values_start(&values, column); values_next(&values);) {
        if (n + 2 > NN_BUCKETS_MOST - 1)
            return -1;
        if (values.count >= own && rows > 0) {
            bounds[n++] = before;
            rows = 0;
        }
        rows += values.count;
        before = values.value;
        if (values.more && (values.count >= own || rows >= full)) {
            bounds[n++] = values.value;
            rows = 0;
        }
    }
    return n;
}

int
buckets_fit(double *bounds, int n_buckets, NnColumn *column)
{
    size_t own;
    int n;

    if (n_buckets <= 1 || column->n == 0)
        return 0;
    own = rows_of_own(n_buckets, column);
    while ((n = cut_buckets(bounds, n_buckets, own, column)) < 0) {
        if (own > column->n)
            n_buckets--;
        own *= 2;
    }
    return n;
}

int
bucket_find(const double *bounds, int n, double x)
{
    int below = 0;

    while (n > 0) { /* the bounds from `below` on, n of them, are still to be compared */
        const int half = n / 2;
        const bool beyond = bounds[below + half] < x;

        below += beyond ? half + 1 : 0;
        n = beyond ? n - half - 1 : half;
    }
    return below;
}

/* ------------------------------------------------------------------ counts */

float
count_input(int64_t rows)
{
    return rows > 0 ? COUNT_SCALE * logf((float)rows + 1) : 0;
}

/* ------------------------------------------------------------------ target statistics */

const NnKeptSum *
label_sums_find_unsound(const NnKeptSum *sums, size_t n)
{
    for (size_t i = 0; i < n * NN_STATISTICS_GROUPS; i++) {
        if (!(sums[i].positive >= 0 && sums[i].positive <= sums[i].weight && sums[i].weight <= FLT_MAX))
            return &sums[i];
    }
    return NULL;
}

void
label_sums_keep(NnKeptSum *kept, const NnLabelSum *sums, size_t n)
{
    for (size_t i = 0; i < n * NN_STATISTICS_GROUPS; i++)
        kept[i] = (NnKeptSum){(float)sums[i].weight, (float)sums[i].positive};
}

/* in how many folds there are training rows */
static int
count_folds(const NnKeptSum *groups)
{
    int n = 0;

    for (int k = 0; k < NN_STATISTICS_FOLDS; k++)
        n += groups[k].weight > 0;
    return n;
}

void
label_sums_take_over(NnKeptSum *kept, const NnKeptSum *known, size_t n)
{
    for (size_t i = 0; i < n * NN_STATISTICS_GROUPS; i += NN_STATISTICS_GROUPS) {
        if (count_folds(known + i) > 0)
            memcpy(kept + i, known + i, NN_STATISTICS_GROUPS * sizeof(NnKeptSum));
    }
}

static NnLabelSum
sum_all(const NnKeptSum *groups)
{
    NnLabelSum all = {0, 0};

    for (int k = 0; k < NN_STATISTICS_GROUPS; k++) {
        all.weight += groups[k].weight;
        all.positive += groups[k].positive;
    }
    return all;
}

/* the training folds but one; added anew, so that nothing of that fold stays behind as a rounding error */
static NnLabelSum
sum_others(const NnKeptSum *groups, int group)
{
    NnLabelSum others = {0, 0};

    for (int k = 0; k < NN_STATISTICS_FOLDS; k++) {
        others.weight += k != group ? groups[k].weight : 0;
        others.positive += k != group ? groups[k].positive : 0;
    }
    return others;
}

static double
average_odds(const NnLabelSum *all)
{
    return (all->positive + 0.5) / (fmax(all->weight - all->positive, 0) + 0.5);
}

/* How far its log odds lie above `odds`, its own if it says nothing, as if `smoothing` rows had these. */
static float
statistic(const NnLabelSum *category, double odds, double smoothing)
{
    double positive = category->positive + smoothing * odds / (1 + odds);
    double negative = fmax(category->weight - category->positive, 0) + smoothing / (1 + odds);

    return category->weight > 0 ? (float)log(positive / negative / odds) : 0;
}

/* The statistic for each group's rows, and for all others, of a category that is shown. */
static void
fit_shown(float *out_of_fold, float *all, const NnKeptSum *groups, const double *odds,
          const NnExpected *expected)
{
    const double smoothing = expected ? PAIR_SMOOTHING : SMOOTHING;
    const NnLabelSum category = sum_all(groups);

    *all = statistic(&category, odds[NN_STATISTICS_GROUPS] * (expected ? exp(expected->all) : 1), smoothing);
    for (int k = 0; k < NN_STATISTICS_GROUPS; k++) {
        const NnLabelSum others = sum_others(groups, k);

        out_of_fold[k] =
            statistic(&others, odds[k] * (expected ? exp(expected->out_of_fold[k]) : 1), smoothing);
    }
}

void
statistics_fit(float *out_of_fold, float *all, const NnKeptSum *sums, const NnKeptSum *totals,
               const NnExpected *expected, size_t n)
{
    NnLabelSum total = sum_all(totals);
    double odds[NN_STATISTICS_GROUPS + 1]; /* the average's, without each fold, and of all */

    odds[NN_STATISTICS_GROUPS] = average_odds(&total);
    for (int k = 0; k < NN_STATISTICS_GROUPS; k++) {
        NnLabelSum others = sum_others(totals, k);

        odds[k] = average_odds(&others);
    }
    memset(out_of_fold, 0, n * NN_STATISTICS_GROUPS * sizeof(float));
    memset(all, 0, n * sizeof(float));
    for (size_t i = 0; i < n; i++) {
        const NnKeptSum *groups = sums + i * NN_STATISTICS_GROUPS;

        if (count_folds(groups) > 1)
            fit_shown(out_of_fold + i * NN_STATISTICS_GROUPS, &all[i], groups, odds,
                      expected ? &expected[i] : NULL);
    }
}

void
trust_add(NnTrust *trust, const float *out_of_fold, const NnKeptSum *sums, const NnKeptSum *totals, size_t n)
{
    const NnLabelSum total = sum_others(totals, NN_FOLD_VALIDATION);
    const double share = total.weight > 0 ? total.positive / total.weight : 0;

    for (size_t i = 0; i < n * NN_STATISTICS_GROUPS; i++) {
        const double x = out_of_fold[i];

        if (i % NN_STATISTICS_GROUPS == NN_FOLD_VALIDATION)
            continue;
        trust->slope += x * (sums[i].positive - share * sums[i].weight);
        trust->information += x * x * share * (1 - share) * sums[i].weight;
    }
}

float
trust_factor(const NnTrust *trust, double prior)
{
    const double slope = (trust->slope + prior * TRUST_PRIOR) / (trust->information + TRUST_PRIOR);
    const double believed = fmin(fmax(slope, 0), 1);
    const double many = trust->information / (trust->information + TRUST_ENOUGH);

    return (float)(believed + (1 - believed) * many);
}
