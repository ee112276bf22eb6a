/*
 * test_derive.c: buckets of numerical columns, and target statistics that a row's own label does not reach.
 */
#include "unit.h"

#include "nn/math/derive.h"

#include <float.h>
#include <string.h>

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
    double values[1000], bounds[NN_BUCKETS_MOST];
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
    const double constant[] = {3, 3, 3, 3, 3}, two[] = {0, 0, 0, 0, 0, 0, 0, 0, 7, 7, 7};
    double bounds[NN_BUCKETS_MOST];
    int n;

    CHECK(fit(bounds, 16, constant, 5) == 0);
    n = fit(bounds, 16, two, 11);
    CHECK(n == 1 && bucket_find(bounds, n, 0) == 0 && bucket_find(bounds, n, 7) == 1);
    CHECK(fit(bounds, 16, two, 0) == 0);
    CHECK(fit(bounds, 1, two, 11) == 0 && bucket_find(bounds, 0, 5) == 0);
}

/* A column that is 0 in nearly every row, and else one of many values: these share all buckets but one. */
static void
a_frequent_value_has_a_bucket_of_its_own(void)
{
    double values[10000], bounds[NN_BUCKETS_MOST];
    int rows[NN_BUCKETS_MOST] = {0}, n;

    for (int i = 0; i < 10000; i++)
        values[i] = i < 400 ? i - 400 : i < 9000 ? 0 : i - 8999;
    n = fit(bounds, 14, values, 10000);
    for (int i = 0; i < 10000; i++)
        rows[bucket_find(bounds, n, values[i])]++;
    CHECK(n >= 14 && n <= 15);
    CHECK(rows[bucket_find(bounds, n, 0)] == 8600);
    for (int b = 0; b <= n; b++)
        CHECK(rows[b] == 8600 || (rows[b] >= 90 && rows[b] <= 110));
}

/* Few different values: each has a bucket of its own, but rare ones, which share theirs with neighbours. */
static void
a_discrete_column_has_a_bucket_for_each_value(void)
{
    double values[2500], bounds[NN_BUCKETS_MOST];
    int n;

    for (int i = 0; i < 2500; i++)
        values[i] = i / 25; /* 0 … 99, 25 rows each */
    n = fit(bounds, 16, values, 2500);
    CHECK(n == 99);
    for (int v = 0; v < 100; v++)
        CHECK(bucket_find(bounds, n, v) == v);
    for (int i = 0; i < 4; i++)
        values[i] = -2 + 0.1 * i; /* rare ones share theirs, sixteen of which would hold all rare values */
    n = fit(bounds, 16, values, 2500);
    CHECK(n == 103 && bucket_find(bounds, n, -2) == 0 && bucket_find(bounds, n, 0) == 4);
}

/* However many frequent values there are, no more buckets than there is room for, and none holds the rest. */
static void
buckets_have_an_end(void)
{
    static double values[45000];
    double bounds[NN_BUCKETS_MOST];
    int rows[NN_BUCKETS_MOST], n, size = 0;

    for (int v = 0; v < 150; v++) { /* frequent values, and rare ones between them */
        for (int i = 0; i < 250; i++)
            values[size++] = v;
        for (int i = 0; i < 50; i++)
            values[size++] = v + 0.01 * (i + 1);
    }
    for (int n_buckets = 2; n_buckets <= NN_BUCKETS_MOST; n_buckets++) {
        n = fit(bounds, n_buckets, values, (size_t)size);
        CHECK(n > 0 && n < NN_BUCKETS_MOST);
        memset(rows, 0, sizeof(rows));
        for (int i = 0; i < size; i++)
            rows[bucket_find(bounds, n, values[i])]++;
        for (int b = 0; b <= n; b++)
            CHECK(rows[b] > 0 && rows[b] <= size / n_buckets + 551);
    }
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
    float out_of_fold[CATEGORIES][NN_STATISTICS_GROUPS], all[CATEGORIES];
} Statistics;

static int
row_category(int row)
{
    return row * row % (CATEGORIES - 1);
}

static int
row_fold(int row)
{
    return row / 3 % NN_STATISTICS_GROUPS;
}

static void
fit_labels(Statistics *s, const double *labels, const double *weights)
{
    NnLabelSum sums[CATEGORIES][NN_STATISTICS_GROUPS] = {{{0, 0}}}, totals[NN_STATISTICS_GROUPS] = {{0, 0}};
    NnKeptSum kept[CATEGORIES][NN_STATISTICS_GROUPS], kept_totals[NN_STATISTICS_GROUPS];

    for (int i = 0; i < ROWS; i++) {
        NnLabelSum *sum = &sums[row_category(i)][row_fold(i)];

        sum->weight += weights[i];
        sum->positive += weights[i] * labels[i];
        totals[row_fold(i)].weight += weights[i];
        totals[row_fold(i)].positive += weights[i] * labels[i];
    }
    label_sums_keep(&kept[0][0], &sums[0][0], CATEGORIES);
    label_sums_keep(kept_totals, totals, 1);
    statistics_fit(&s->out_of_fold[0][0], s->all, &kept[0][0], kept_totals, NULL, CATEGORIES);
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
        const int c = row_category(i), k = row_fold(i), other = (k + 1) % NN_STATISTICS_FOLDS;

        labels[i] = 1 - labels[i];
        fit_labels(&after, labels, weights);
        CHECK(after.out_of_fold[c][k] == before.out_of_fold[c][k]);
        CHECK((after.out_of_fold[c][other] != before.out_of_fold[c][other]) == (k != NN_FOLD_VALIDATION));
        CHECK(after.all[c] != before.all[c]);
        labels[i] = 1 - labels[i];
    }
}

static void
statistics_are_shrunk_log_odds(void)
{
    NnKeptSum sums[2][NN_STATISTICS_GROUPS] = {{{0, 0}}}, totals[NN_STATISTICS_GROUPS] = {{0, 0}};
    Statistics s;
    double average = (30 + 0.5) / (70 + 0.5), share = average / (1 + average);
    double others = (2 + 0.5) / (38 + 0.5), others_share = others / (1 + others);

    sums[0][0] = (NnKeptSum){30, 24};
    sums[0][3] = (NnKeptSum){10, 1};
    totals[0] = (NnKeptSum){60, 28};
    totals[3] = (NnKeptSum){40, 2};
    statistics_fit(&s.out_of_fold[0][0], s.all, &sums[0][0], totals, NULL, 2);
    CHECK_NEAR(s.all[0], log((25 + 20 * share) / (15 + 20 * (1 - share)) / average), 1e-6);
    CHECK_NEAR(s.out_of_fold[0][0], log((1 + 20 * others_share) / (9 + 20 * (1 - others_share)) / others),
               1e-6);
    CHECK_NEAR(s.out_of_fold[0][1], s.all[0], 1e-6);
    CHECK(s.all[1] == 0);
}

/* What is expected takes the average's place, by which a category without rows of its own is 0 again. */
static void
statistics_are_shrunk_to_what_is_expected(void)
{
    const NnExpected expected[2] = {{.out_of_fold = {0.3f, -1, 0, 0, 0, 0}, .all = 0.7f}, {.all = 2}};
    NnKeptSum sums[2][NN_STATISTICS_GROUPS] = {{{0, 0}}}, totals[NN_STATISTICS_GROUPS] = {{0, 0}};
    double average = (30 + 0.5) / (70 + 0.5), odds = average * exp(0.7), share = odds / (1 + odds);
    double others = (2 + 0.5) / (38 + 0.5) * exp(0.3), others_share = others / (1 + others);
    Statistics s;

    sums[0][0] = (NnKeptSum){30, 24};
    sums[0][3] = (NnKeptSum){10, 1};
    totals[0] = (NnKeptSum){60, 28};
    totals[3] = (NnKeptSum){40, 2};
    statistics_fit(&s.out_of_fold[0][0], s.all, &sums[0][0], totals, expected, 2);
    CHECK_NEAR(s.all[0], log((25 + 8 * share) / (15 + 8 * (1 - share)) / odds), 1e-6);
    CHECK_NEAR(s.out_of_fold[0][0], log((1 + 8 * others_share) / (9 + 8 * (1 - others_share)) / others),
               1e-6);
    CHECK(s.out_of_fold[0][1] > s.out_of_fold[0][2]);
    CHECK(s.all[1] == 0);
}

/* 20 categories of 50 rows in each fold, of which `clicks[category]` are clicks. */
static float
trust_of(const int *clicks, double prior)
{
    NnKeptSum sums[20][NN_STATISTICS_GROUPS] = {{{0, 0}}}, totals[NN_STATISTICS_GROUPS] = {{0, 0}};
    float out_of_fold[20][NN_STATISTICS_GROUPS], all[20];
    NnTrust whole = {0, 0}, parts = {0, 0};

    for (int c = 0; c < 20; c++) {
        for (int k = 0; k < NN_STATISTICS_FOLDS; k++) {
            sums[c][k] = (NnKeptSum){50, (float)(clicks[c] / 5 + (k < clicks[c] % 5))};
            totals[k].weight += sums[c][k].weight;
            totals[k].positive += sums[c][k].positive;
        }
        sums[c][NN_FOLD_VALIDATION] = (NnKeptSum){1000, 999}; /* says nothing of what training rows show */
    }
    totals[NN_FOLD_VALIDATION] = (NnKeptSum){20000, 19980};
    statistics_fit(&out_of_fold[0][0], all, &sums[0][0], totals, NULL, 20);
    trust_add(&whole, &out_of_fold[0][0], &sums[0][0], totals, 20);
    trust_add(&parts, &out_of_fold[0][0], &sums[0][0], totals, 7);
    trust_add(&parts, &out_of_fold[7][0], &sums[7][0], totals, 13);
    CHECK(parts.slope == whole.slope && parts.information == whole.information);
    return trust_factor(&whole, prior);
}

static void
statistics_are_trusted_as_far_as_they_foretell(void)
{
    const int single[20] = {1, 1, 1, 1, 1, 1, 1, 1},
              same[20] = {25, 25, 25, 25, 25, 25, 25, 25, 25, 25, 25, 25, 25, 25, 25, 25, 25, 25, 25, 25},
              telling[20] = {90, 80, 80, 80, 20, 20, 20, 20, 20, 10, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5};

    CHECK(trust_of(single, 0) < 0.05f); /* where a category has one click, its row is shown none */
    CHECK(trust_of(same, 0) < 0.05f);
    CHECK(trust_of(telling, 0) > 0.8f && trust_of(telling, 0) <= 1);
    CHECK(trust_of(telling, 1) > trust_of(telling, 0));
    CHECK(trust_factor(&(NnTrust){0, 0}, 0) == 0 && trust_factor(&(NnTrust){0, 0}, 1) == 1);
    CHECK_NEAR(trust_factor(&(NnTrust){10, 30}, 0), 0.25 + 0.75 * 30 / 1030, 1e-6);
    CHECK_NEAR(trust_factor(&(NnTrust){10, 30}, 1), 0.5 + 0.5 * 30 / 1030, 1e-6);
    CHECK(trust_factor(&(NnTrust){-50, 30}, 1) < 0.03f);
}

/* Categories whose rows training could not show another value than 0, each as the groups that have rows. */
static void
what_training_did_not_show_is_zero(void)
{
    const bool groups[][NN_STATISTICS_GROUPS] = {
        {0}, {[NN_FOLD_VALIDATION] = true}, {[2] = true}, {[2] = true, [NN_FOLD_VALIDATION] = true}};
    const int n = sizeof(groups) / sizeof(groups[0]);
    const NnKeptSum totals[NN_STATISTICS_GROUPS] = {{1000, 100}, {1000, 90}, {1000, 110},
                                                    {0, 0},      {0, 0},     {800, 80}};
    NnKeptSum sums[5][NN_STATISTICS_GROUPS] = {{{0, 0}}};
    Statistics s;

    for (int c = 0; c < n; c++) {
        for (int k = 0; k < NN_STATISTICS_GROUPS; k++)
            sums[c][k] = groups[c][k] ? (NnKeptSum){500, 400} : (NnKeptSum){0, 0};
    }
    sums[n][1] = sums[n][2] = (NnKeptSum){500, 400};
    statistics_fit(&s.out_of_fold[0][0], s.all, &sums[0][0], totals, NULL, (size_t)n + 1);
    for (int c = 0; c < n; c++) {
        CHECK(s.all[c] == 0);
        for (int k = 0; k < NN_STATISTICS_GROUPS; k++)
            CHECK(s.out_of_fold[c][k] == 0);
    }
    CHECK(s.all[n] > 2 && s.out_of_fold[n][1] > 2 && s.out_of_fold[n][NN_FOLD_VALIDATION] > 2);
}

static void
known_sums_stay(void)
{
    NnKeptSum kept[3][NN_STATISTICS_GROUPS], known[2][NN_STATISTICS_GROUPS] = {{{0, 0}}};

    for (int c = 0; c < 3; c++) {
        for (int k = 0; k < NN_STATISTICS_GROUPS; k++)
            kept[c][k] = (NnKeptSum){10, 3};
    }
    known[0][4] = (NnKeptSum){7, 5};
    known[1][NN_FOLD_VALIDATION] = (NnKeptSum){7, 5};
    label_sums_take_over(&kept[0][0], &known[0][0], 2);
    CHECK(memcmp(kept[0], known[0], sizeof(known[0])) == 0);
    for (int k = 0; k < NN_STATISTICS_GROUPS; k++) /* one that had no training rows, and a new one */
        CHECK(kept[1][k].weight == 10 && kept[2][k].positive == 3);
}

static void
unsound_sums_are_found(void)
{
    const NnKeptSum unsound[] = {{1, 1.5f},      {1, -1},       {-1, -1},
                                 {0, 1},         {INFINITY, 1}, {INFINITY, INFINITY},
                                 {1, -INFINITY}, {NAN, 0},      {1, NAN}};
    NnKeptSum sums[2][NN_STATISTICS_GROUPS] = {{{0, 0}, {1, 0}, {1, 1}, {FLT_MAX, FLT_MAX}}};

    CHECK(label_sums_find_unsound(&sums[0][0], 2) == NULL);
    for (size_t i = 0; i < sizeof(unsound) / sizeof(unsound[0]); i++) {
        sums[1][NN_FOLD_VALIDATION] = unsound[i];
        CHECK(label_sums_find_unsound(&sums[0][0], 2) == &sums[1][NN_FOLD_VALIDATION]);
    }
}

static void
statistics_are_finite(void)
{
    const NnKeptSum cases[] = {{0, 0},           {FLT_MAX, FLT_MAX}, {FLT_MAX, 0},
                               {1e-45f, 1e-45f}, {1e-45f, 0},        {1, 1}};
    const int n = sizeof(cases) / sizeof(cases[0]);

    for (int a = 0; a < n; a++) {
        for (int b = 0; b < n; b++) {
            NnKeptSum sums[NN_STATISTICS_GROUPS] = {cases[a], cases[a]},
                      totals[NN_STATISTICS_GROUPS] = {cases[a], cases[b]};
            NnTrust trust = {0, 0};
            Statistics s;

            statistics_fit(&s.out_of_fold[0][0], s.all, sums, totals, NULL, 1);
            trust_add(&trust, &s.out_of_fold[0][0], sums, totals, 1);
            CHECK(trust_factor(&trust, 0) >= 0 && trust_factor(&trust, 1) <= 1);
            CHECK(fabsf(s.all[0]) < NN_STATISTIC_LARGEST);
            for (int k = 0; k < NN_STATISTICS_GROUPS; k++)
                CHECK(fabsf(s.out_of_fold[0][k]) < NN_STATISTIC_LARGEST);
        }
    }
}

int
main(void)
{
    RUN(buckets_have_equal_shares);
    RUN(ties_make_fewer_buckets);
    RUN(a_frequent_value_has_a_bucket_of_its_own);
    RUN(a_discrete_column_has_a_bucket_for_each_value);
    RUN(buckets_have_an_end);
    RUN(infinities_are_in_the_end_buckets);
    RUN(own_label_has_no_influence);
    RUN(statistics_are_shrunk_log_odds);
    RUN(statistics_are_shrunk_to_what_is_expected);
    RUN(statistics_are_trusted_as_far_as_they_foretell);
    RUN(what_training_did_not_show_is_zero);
    RUN(known_sums_stay);
    RUN(unsound_sums_are_found);
    RUN(statistics_are_finite);
    return unit_end();
}
