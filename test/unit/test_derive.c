/*
 * test_derive.c: buckets of numerical columns, and target statistics that a row's own label does not reach.
 */
#include "unit.h"

#include "derive.h"

/* ------------------------------------------------------------------ buckets */

static int
fit(double *bounds, int n_buckets, const double *sorted, size_t n)
{
    NnColumn column = {.n = n, .values = sorted};

    return buckets_fit(bounds, n_buckets, &column);
}

static void
buckets_have_equal_shares(void)
{
    double values[1000], bounds[BUCKETS_MOST];
    int rows[8] = {0}, n;

    for (int i = 0; i < 1000; i++)
        values[i] = i * 0.5;
    n = fit(bounds, 8, values, 1000);
    CHECK(n == 7);
    for (int i = 0; i < 1000; i++)
        rows[bucket_find(bounds, n, values[i])]++;
    for (int b = 0; b < 8; b++)
        CHECK(rows[b] >= 124 && rows[b] <= 126);
}

static void
ties_make_fewer_buckets(void)
{
    const double constant[] = {3, 3, 3, 3, 3}, two[] = {0, 0, 0, 0, 0, 0, 0, 0, 7, 7};
    double bounds[BUCKETS_MOST];
    int n;

    n = fit(bounds, 16, constant, 5);
    CHECK(n == 1 && bucket_find(bounds, n, 3) == 0 && bucket_find(bounds, n, 4) == 1);
    n = fit(bounds, 16, two, 10);
    CHECK(n == 2 && bucket_find(bounds, n, 0) == 0 && bucket_find(bounds, n, 7) == 1);
    CHECK(fit(bounds, 16, two, 0) == 0);
    CHECK(fit(bounds, 1, two, 10) == 0 && bucket_find(bounds, 0, 5) == 0);
}

static void
infinities_are_in_the_end_buckets(void)
{
    const double bounds[] = {-1, 0, 2};

    CHECK(bucket_find(bounds, 3, -INFINITY) == 0);
    CHECK(bucket_find(bounds, 3, INFINITY) == 3);
}

/* ------------------------------------------------------------------ target statistics */

#define ROWS       400
#define CATEGORIES 7 /* the last one has no rows */

typedef struct Statistics {
    float apart[CATEGORIES][STATISTICS_GROUPS], all[CATEGORIES];
} Statistics;

static int
row_category(int row)
{
    return row * row % (CATEGORIES - 1);
}

static int
row_fold(int row)
{
    return row / 3 % STATISTICS_GROUPS;
}

static void
fit_labels(Statistics *s, const double *labels, const double *weights)
{
    NnLabelSum sums[CATEGORIES][STATISTICS_GROUPS] = {{{0, 0}}}, totals[STATISTICS_GROUPS] = {{0, 0}};

    for (int i = 0; i < ROWS; i++) {
        NnLabelSum *sum = &sums[row_category(i)][row_fold(i)];

        sum->weight += weights[i];
        sum->positive += weights[i] * labels[i];
        totals[row_fold(i)].weight += weights[i];
        totals[row_fold(i)].positive += weights[i] * labels[i];
    }
    statistics_fit(&s->apart[0][0], s->all, &sums[0][0], totals, CATEGORIES);
}

static void
own_label_has_no_influence(void)
{
    double labels[ROWS], weights[ROWS];
    Statistics before, after;

    for (int i = 0; i < ROWS; i++) {
        labels[i] = i % 5 == 0;
        weights[i] = 0.1 + i % 7;
    }
    fit_labels(&before, labels, weights);
    for (int i = 0; i < ROWS; i += 37) {
        const int c = row_category(i), k = row_fold(i), other = (k + 1) % STATISTICS_FOLDS;

        labels[i] = 1 - labels[i];
        fit_labels(&after, labels, weights);
        CHECK(after.apart[c][k] == before.apart[c][k]);
        CHECK((after.apart[c][other] != before.apart[c][other]) == (k != FOLD_VALIDATION));
        CHECK(after.all[c] != before.all[c]);
        labels[i] = 1 - labels[i];
    }
}

static void
statistics_are_shrunk_log_odds(void)
{
    NnLabelSum sums[2][STATISTICS_GROUPS] = {{{0, 0}}}, totals[STATISTICS_GROUPS] = {{0, 0}};
    Statistics s;
    double average = (30 + 0.5) / (70 + 0.5), share = average / (1 + average);

    sums[0][0] = (NnLabelSum){40, 25};
    totals[0] = (NnLabelSum){60, 28};
    totals[3] = (NnLabelSum){40, 2};
    statistics_fit(&s.apart[0][0], s.all, &sums[0][0], totals, 2);
    CHECK_NEAR(s.all[0], log((25 + 20 * share) / (15 + 20 * (1 - share)) / average), 1e-6);
    CHECK(s.apart[0][0] == 0); /* all of the category's rows are in fold 0 */
    CHECK(s.all[1] == 0);
}

static void
statistics_are_finite(void)
{
    const NnLabelSum cases[] = {{0, 0}, {1e48, 1e48}, {1e48, 0}, {1e-45, 1e-45}, {1e-45, 0}, {1, 1 + 1e-12}};
    const int n = sizeof(cases) / sizeof(cases[0]);

    for (int a = 0; a < n; a++) {
        for (int b = 0; b < n; b++) {
            NnLabelSum sums[STATISTICS_GROUPS] = {cases[a]}, totals[STATISTICS_GROUPS] = {cases[a], cases[b]};
            Statistics s;

            statistics_fit(&s.apart[0][0], s.all, sums, totals, 1);
            CHECK(fabsf(s.all[0]) < STATISTIC_LARGEST);
            for (int k = 0; k < STATISTICS_GROUPS; k++)
                CHECK(fabsf(s.apart[0][k]) < STATISTIC_LARGEST);
        }
    }
}

int
main(void)
{
    RUN(buckets_have_equal_shares);
    RUN(ties_make_fewer_buckets);
    RUN(infinities_are_in_the_end_buckets);
    RUN(own_label_has_no_influence);
    RUN(statistics_are_shrunk_log_odds);
    RUN(statistics_are_finite);
    return unit_end();
}
