/*
 * derive.c: buckets of numerical columns, and target statistics of categories.
 *
 * A target statistic is the log odds of label 1 among a category's rows, less the log odds among all rows.
 * Both are shrunk: the category's as if SMOOTHING rows of the average had been seen besides (Micci-Barreca
 * 2001), the average by half a row of each label. So a category without rows has exactly 0. A training row
 * must not see its own label: its statistic, average included, is computed without the fold that the row is
 * in. Rows held back for validation lend their labels only to what rows outside of this training get.
 *
 * What rows outside get must not be strange to the network: where no training row was shown another value
 * than 0, there is no other. An example is a code that only rows held back have.
 *
 * Going on from a model, its sums stay where it has any, so its statistics stay, and only categories that are
 * new to it get sums from the new rows. These are compared with the average that the model began with, as all
 * others are.
 */
#include "nn/math/derive.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define SMOOTHING 20.0 /* rows */

/* ------------------------------------------------------------------ buckets */

static double
column_next(NnColumn *column)
{
    return column->values ? column->values[column->position++] : column->next(column->source);
}

int
buckets_fit(double *bounds, int n_buckets, NnColumn *column)
{
    size_t read = 0;
    double value = 0;
    int n = 0;

    column->position = 0;
    if (!column->values)
        column->rewind(column->source);
    for (int i = 1; i < n_buckets && column->n > 0; i++) {
        size_t rank = (size_t)((double)(column->n - 1) * i / n_buckets);

        for (; read <= rank; read++)
            value = column_next(column);
        if (n == 0 || value > bounds[n - 1])
            bounds[n++] = value;
    }
    return n;
}

int
bucket_find(const double *bounds, int n, double x)
{
    int below = 0;

    for (int i = 0; i < n; i++)
        below += bounds[i] < x;
    return below;
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

static float
statistic(const NnLabelSum *category, double odds)
{
    double positive = category->positive + SMOOTHING * odds / (1 + odds);
    double negative = fmax(category->weight - category->positive, 0) + SMOOTHING / (1 + odds);

    return category->weight > 0 ? (float)log(positive / negative / odds) : 0;
}

void
statistics_fit(float *out_of_fold, float *all, const NnKeptSum *sums, const NnKeptSum *totals, size_t n)
{
    NnLabelSum total = sum_all(totals);
    double odds = average_odds(&total);
    double odds_out_of_fold[NN_STATISTICS_GROUPS];

    for (int k = 0; k < NN_STATISTICS_GROUPS; k++) {
        NnLabelSum others = sum_others(totals, k);

        odds_out_of_fold[k] = average_odds(&others);
    }
    for (size_t i = 0; i < n; i++) {
        const NnKeptSum *groups = sums + i * NN_STATISTICS_GROUPS;
        NnLabelSum category = sum_all(groups);
        bool shown = count_folds(groups) > 1;

        all[i] = shown ? statistic(&category, odds) : 0;
        for (int k = 0; k < NN_STATISTICS_GROUPS; k++) {
            NnLabelSum others = sum_others(groups, k);

            out_of_fold[i * NN_STATISTICS_GROUPS + k] = shown ? statistic(&others, odds_out_of_fold[k]) : 0;
        }
    }
}
