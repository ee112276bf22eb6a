/*
 * derive.h: inputs that are derived from a training's rows: buckets of numerical columns and target
 * statistics of categories.
 */
#ifndef NN_DERIVE_H
#define NN_DERIVE_H

#include "nn/nn.h"
#include "nn/math/transform.h"

#define NN_BUCKETS_MOST      256
#define NN_STATISTIC_LARGEST 1000.0f /* far beyond what statistics_fit can return */
#define NN_STATISTICS_FOLDS  5       /* a training row's statistic comes from the folds that it is not in */
#define NN_FOLD_VALIDATION                                                                                   \
    NN_STATISTICS_FOLDS /* rows held back: their statistic comes from all training rows */
#define NN_STATISTICS_GROUPS (NN_STATISTICS_FOLDS + 1)

/*
 * The bounds that cut a column into buckets. A value has one of its own where it fills a part of n_buckets
 * equal parts or, in a column of at most 128 different values, where it has 20 rows; the others share
 * n_buckets that are about equally full. bounds [NN_BUCKETS_MOST - 1] become ascending and distinct; returns
 * how many there are.
 */
int buckets_fit(double *bounds, int n_buckets, NnColumn *column);
/* The bucket of x, 0 … n: how many of the n bounds lie below it. x is not NaN. */
int bucket_find(const double *bounds, int n, double x);

/* What the network sees of a number of other rows; 0 for none, and for what is below 0. */
float count_input(int64_t rows);

/* Over the rows of one category in one group: a fold of the training rows, or those held back. */
typedef struct NnLabelSum {
    double weight, positive; /* sum of weights, and of weight * label */
} NnLabelSum;

/*
 * The same as a model keeps it, where all statistics come from. Up to 2^24 rows without weights it is exact.
 */
typedef struct NnKeptSum {
    float weight, positive;
} NnKeptSum;

/*
 * The first of sums [n][NN_STATISTICS_GROUPS] that none can be, or that might overflow where it is added;
 * NULL: there is none.
 */
const NnKeptSum *label_sums_find_unsound(const NnKeptSum *sums, size_t n);
/* kept [n][NN_STATISTICS_GROUPS] = sums of the same shape */
void label_sums_keep(NnKeptSum *kept, const NnLabelSum *sums, size_t n);
/*
 * Going on from a model: its sums [n][NN_STATISTICS_GROUPS] take the place of the new rows', `kept`, where it
 * has seen training rows of a category. Adding them would count rows twice that it has trained on already.
 */
void label_sums_take_over(NnKeptSum *kept, const NnKeptSum *known, size_t n);

/* What a category's statistics are expected to be: those of the two that a pair is of, added. */
typedef struct NnExpected {
    float out_of_fold[NN_STATISTICS_GROUPS], all;
} NnExpected;

/*
 * How far a category's log odds lie above the average's and what is expected of it besides (expected [n];
 * NULL: nothing), shrunk towards 0 where rows are few; 0 for a category whose training rows, if it has any,
 * are all in one fold: they could not be shown another value.
 * sums [n][NN_STATISTICS_GROUPS], totals [NN_STATISTICS_GROUPS]: the same of all rows; out_of_fold
 * [n][NN_STATISTICS_GROUPS]: the statistic for each group's rows, from training rows of other folds; all [n]:
 * from everything, for all other rows. Finite for all sums that are sound.
 */
void statistics_fit(float *out_of_fold, float *all, const NnKeptSum *sums, const NnKeptSum *totals,
                    const NnExpected *expected, size_t n);

/*
 * How much a field's statistics say of labels that they have not seen: the slope of the labels' log odds on
 * them over the training rows, added up category by category. Start from zeros.
 */
typedef struct NnTrust {
    double slope,
        information; /* of the log likelihood at a slope of 0: its derivative, and minus its second */
} NnTrust;

/* Adds n categories; shapes as statistics_fit has them. */
void trust_add(NnTrust *trust, const float *out_of_fold, const NnKeptSum *sums, const NnKeptSum *totals,
               size_t n);
/*
 * What all statistics of the field are to be multiplied by, 0 … 1: the slope that is to be expected, and
 * towards 1 the more rows there are, because with many the network finds the slope itself. prior: the slope
 * to expect if there were no rows.
 */
float trust_factor(const NnTrust *trust, double prior);

#endif /* NN_DERIVE_H */
