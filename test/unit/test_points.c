/*
 * test_points.c: columns cut into points: parts merged give the transform and buckets of the whole, exactly
 * where values are few, within a thousandth of rank where they are many.
 */
#include "unit.h"

#include "nn/math/derive.h"
#include "nn/math/points.h"

#define N     60000
#define PARTS 7

static double whole[N], part[N], scratch[N];

static void
sort_values(double *values, size_t n)
{
    sort_doubles(values, scratch, n);
}

/* kind 0: as good as all different; 1: skewed, most of them 0; 2: few; 3: many, and one of a third of rows */
static double
draw(NnRng *rng, int kind)
{
    const double u = rng_uniform(rng);

    switch (kind) {
    case 0:
        return 1e6 * u - 3e5;
    case 1:
        return u < 0.6 ? 0 : floor(exp(12 * u));
    case 2:
        return floor(90 * u * u);
    default:
        return u < 1.0 / 3 ? 7 : 20 * log(u) / (1.1 - u);
    }
}

static NnPoints
room_for(int64_t n)
{
    return (NnPoints){.exact = true,
                      .values = malloc((size_t)n * sizeof(double)),
                      .rows = malloc((size_t)n * sizeof(int64_t))};
}

static void
release(NnPoints *points)
{
    free(points->values);
    free(points->rows);
}

/* Fills `whole`, sorted, and returns the points of its parts, merged; parts differ in size and in values. */
static NnPoints
merged_points(int kind, NnTransformKind transform)
{
    NnPoints sum = room_for(1);
    NnRng rng;
    size_t at = 0;

    rng_seed(&rng, 11, (uint64_t)kind);
    for (int p = 0; p < PARTS; p++) {
        const size_t n = p == PARTS - 1 ? N - at : (size_t)(N / 28 * (p + 1));
        NnColumn column = {.n = n, .values = part};
        NnPoints points = room_for(NN_POINTS_MOST), both;

        for (size_t i = 0; i < n; i++)
            whole[at + i] = part[i] = draw(&rng, kind) + (kind == 0 ? p : 0);
        at += n;
        sort_values(part, n);
        points_fit(&points, transform, &column);
        CHECK(points.n <= NN_POINTS_MOST && points_are_sound(&points));
        both = room_for(sum.n + points.n);
        points_merge(&both, &sum, &points);
        release(&sum);
        release(&points);
        sum = both;
    }
    sort_values(whole, N);
    CHECK(points_are_sound(&sum));
    return sum;
}

/* by how much of all rows a value's rank is at least away from `rank`, 0 … 1 */
static double
rank_distance(double value, double rank)
{
    size_t below = 0, not_above = 0;

    for (size_t i = 0; i < N; i++) {
        below += whole[i] < value;
        not_above += whole[i] <= value;
    }
    if (rank * N < (double)below)
        return (double)below / N - rank;
    return rank * N > (double)not_above ? rank - (double)not_above / N : 0;
}

static void
test_ranks(void)
{
    for (int kind = 0; kind < 4; kind++) {
        NnPoints points = merged_points(kind, NN_QUANTILE);
        double quantiles[NN_QUANTILES], worst = 0, expected[NN_QUANTILES];
        NnColumn column = {.n = N, .values = whole};
        NnPointsColumn c;
        NnTransform t, exact;

        points_column(&c, &points, 0);
        CHECK(c.column.n == N && c.exact == (kind == 2));
        transform_fit_nearly(&t, NN_QUANTILE, &c.column, c.missing, &points.moments, 0, quantiles);
        transform_fit(&exact, NN_QUANTILE, &column, 0, expected);
        CHECK(t.low == exact.low && t.high == exact.high);
        CHECK_NEAR(t.mean, exact.mean, 1e-9 * (1 + fabs(exact.mean)));
        for (int i = 0; i < NN_QUANTILES; i++)
            worst = fmax(worst, rank_distance(quantiles[i], i / (NN_QUANTILES - 1.0)));
        CHECK_MESSAGE(worst < 0.001, "kind %d: a quantile is %g of all rows away from its rank", kind, worst);
        release(&points);
    }
}

/* With few values, parts merged are the whole to the bit: quantiles, mean, scale and buckets. */
static void
test_few_values(void)
{
    NnPoints points = merged_points(2, NN_LOG);
    NnColumn column = {.n = N, .values = whole};
    double bounds[NN_BUCKETS_MOST], other_bounds[NN_BUCKETS_MOST];
    int n, m;

    for (int kind = NN_QUANTILE; kind <= NN_NONE; kind++) {
        double quantiles[NN_QUANTILES], expected[NN_QUANTILES];
        NnPointsColumn c;
        NnTransform t, exact;

        points_column(&c, &points, 100);
        CHECK(c.exact && c.missing == 100);
        transform_fit(&t, kind, &c.column, c.missing, quantiles);
        transform_fit(&exact, kind, &column, 100, expected);
        CHECK(t.mean == exact.mean && t.shift == exact.shift && t.scale == exact.scale);
        CHECK(t.n_quantiles == exact.n_quantiles &&
              memcmp(quantiles, expected, sizeof(double) * (size_t)t.n_quantiles) == 0);
        n = buckets_fit(bounds, 16, &c.column);
        m = buckets_fit(other_bounds, 16, &column);
        CHECK(n == m && n > 10 && memcmp(bounds, other_bounds, sizeof(double) * (size_t)n) == 0);
    }
    release(&points);
}

/* Means and standard deviations do not come from points: they are right however few these are. */
static void
test_moments(void)
{
    for (int kind = 0; kind < 4; kind++) {
        for (int transform = NN_STANDARD; transform <= NN_LOG; transform++) {
            NnPoints points = merged_points(kind, transform);
            NnColumn column = {.n = N, .values = whole};
            NnPointsColumn c;
            NnTransform t, exact;

            points_column(&c, &points, 1234);
            transform_fit_nearly(&t, transform, &c.column, c.missing, &points.moments, 1234, NULL);
            transform_fit(&exact, transform, &column, 1234, NULL);
            CHECK_NEAR(t.mean, exact.mean, 1e-9 * (1 + fabs(exact.mean)));
            CHECK_NEAR(t.shift, exact.shift, 1e-9 * (1 + fabs(exact.shift)));
            CHECK_NEAR(t.scale, exact.scale, 1e-9 * exact.scale);
            release(&points);
        }
    }
}

/* Points of more rows than a column is read as: as many are read, from the first to the last. */
static void
test_many_rows(void)
{
    double values[] = {1, 2, 3, 4};
    int64_t rows[] = {1, (int64_t)1 << 40, (int64_t)1 << 40, 1};
    NnPoints points = {.exact = true, .n = 4, .values = values, .rows = rows};
    double quantiles[NN_QUANTILES];
    NnPointsColumn c;
    NnTransform t;

    points.moments = (NnMoments){.rows = 2 * pow(2, 40) + 2, .mean = 2.5};
    points_column(&c, &points, (int64_t)1 << 40);
    CHECK(!c.exact && (int64_t)(c.column.n + c.missing) <= NN_POINTS_ROWS + 1);
    CHECK_NEAR((double)c.missing / (double)c.column.n, 0.5, 1e-5);
    transform_fit_nearly(&t, NN_QUANTILE, &c.column, c.missing, &points.moments, pow(2, 40), quantiles);
    CHECK(t.low == 1 && t.high == 4 && t.mean == 2.5);
    CHECK(quantiles[1] == 2 && quantiles[500] == 2.5 && quantiles[998] == 3 && quantiles[999] == 4);
}

static void
test_empty(void)
{
    NnPoints none = room_for(NN_POINTS_MOST), both = room_for(1), empty = room_for(1);
    NnColumn column = {.n = 0, .values = whole};
    double quantiles[NN_QUANTILES];
    NnPointsColumn c;
    NnTransform t;

    points_fit(&none, NN_QUANTILE, &column);
    points_merge(&both, &empty, &none);
    CHECK(none.n == 0 && both.n == 0 && both.exact && points_are_sound(&both));
    points_column(&c, &both, 5);
    transform_fit(&t, NN_QUANTILE, &c.column, c.missing, quantiles);
    CHECK(t.mean == 0 && transform_apply(&t, 3) == 0);
    points_column(&c, &both, NN_POINTS_ROWS * 2);
    transform_fit_nearly(&t, NN_STANDARD, &c.column, c.missing, &both.moments, 1e7, NULL);
    CHECK(t.mean == 0 && t.scale == 1);
    release(&none);
    release(&both);
    release(&empty);
}

static void
test_unsound(void)
{
    double values[] = {1, 2, 3};
    int64_t rows[] = {1, 2, 3};
    const NnPoints good = {.exact = true, .n = 3, .values = values, .rows = rows, .moments = {.rows = 6}};
    NnPoints bad = good;

    CHECK(points_are_sound(&good));
    values[1] = 1;
    CHECK(!points_are_sound(&good));
    values[1] = NAN;
    CHECK(!points_are_sound(&good));
    values[1] = INFINITY;
    CHECK(!points_are_sound(&good));
    values[1] = 2;
    rows[1] = 0;
    CHECK(!points_are_sound(&good));
    rows[1] = INT64_MAX;
    CHECK(!points_are_sound(&good));
    rows[1] = 2;
    bad.moments.squares = -1;
    CHECK(!points_are_sound(&bad));
    bad.moments = (NnMoments){.rows = 6, .mean = NAN};
    CHECK(!points_are_sound(&bad));
    bad.moments = (NnMoments){.rows = 7};
    CHECK(!points_are_sound(&bad));
}

int
main(void)
{
    RUN(test_ranks);
    RUN(test_few_values);
    RUN(test_moments);
    RUN(test_many_rows);
    RUN(test_empty);
    RUN(test_unsound);
    return unit_end();
}
