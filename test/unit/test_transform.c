/*
 * test_transform.c: numerical transforms against scikit-learn's values (transform_fixture.h), and where
 * scikit-learn has none: infinities, empty columns, huge numbers, columns that are not in memory.
 */
#include "unit.h"

#include "transform_fixture.h"

#define LARGEST_N 5000

typedef struct Column {
    double values[LARGEST_N], scratch[LARGEST_N];
    size_t n, missing;
} Column;

/* the formula of transform_fixture.py */
static void
column_make(Column *c, const Fixture *f, uint64_t seed)
{
    uint64_t state = seed;

    c->n = c->missing = 0;
    for (int i = 0; i < f->n; i++) {
        double x;

        state = state * 6364136223846793005u + 1442695040888963407u;
        x = (double)((int64_t)((state >> 33) % (uint64_t)f->distinct) - f->offset) / f->divisor;
        if (f->cubed)
            x = x * x * x;
        if (f->missing && (state >> 20) % (uint64_t)f->missing == 0)
            c->missing++;
        else
            c->values[c->n++] = x;
    }
    sort_doubles(c->values, c->scratch, c->n);
}

static NnColumn
in_memory(const Column *c)
{
    return (NnColumn){.n = c->n, .values = c->values};
}

static void
check_kind(const Fixture *f, Column *c, NnTransformKind kind, const double *expected)
{
    double quantiles[NN_QUANTILES];
    NnColumn column = in_memory(c);
    NnTransform t;

    transform_fit(&t, kind, &column, c->missing, quantiles);
    CHECK_NEAR(t.mean, f->mean, 1e-9 * (1 + fabs(f->mean)));
    for (size_t i = 0; i < sizeof(f->query) / sizeof(f->query[0]); i++) {
        float y = transform_apply(&t, f->query[i]);

        if (f->query[i] < t.low || f->query[i] > t.high) /* scikit-learn goes on, but for quantiles */
            continue;
        CHECK_MESSAGE(fabs(y - expected[i]) <= 1e-6 * (1 + fabs(expected[i])),
                      "%s, kind %d, query %zu (%.17g): %.9g, not %.9g", f->name, (int)kind, i, f->query[i], y,
                      expected[i]);
    }
}

static void
test_sklearn(void)
{
    static Column c;

    for (size_t i = 0; i < sizeof(fixtures) / sizeof(fixtures[0]); i++) {
        const Fixture *f = &fixtures[i];

        column_make(&c, f, i + 1);
        check_kind(f, &c, NN_QUANTILE, f->quantile);
        check_kind(f, &c, NN_STANDARD, f->standard);
        check_kind(f, &c, NN_LOG, f->log);
    }
}

static void
test_sort(void)
{
    double values[] = {3, -1, INFINITY, 0, -0.0, 1e-320, -1e300, 2, -INFINITY, 2, -1e-320, 1e300};
    enum { n = sizeof(values) / sizeof(values[0]) };
    double scratch[n];

    sort_doubles(values, scratch, n);
    for (int i = 1; i < n; i++)
        CHECK(values[i - 1] <= values[i]);
    CHECK(values[0] == -INFINITY && values[n - 1] == INFINITY);
    sort_doubles(values, scratch, 0);
    sort_doubles(values, scratch, 1);
    CHECK(values[0] == -INFINITY);
}

/* whatever comes in, what comes out is a float4 that a network can bear */
static void
test_edges(void)
{
    static const double odd[] = {NAN,    INFINITY, -INFINITY, 1e308,  -1e308, 1e140,
                                 -1e140, 0,        -0.0,      5e-324, 0.5,    3};
    static double columns[][3] = {
        {-1, 0, 1}, {-1e140, 0, 1e140}, {0, 0, 0}, {5e-324, 5e-324, 1e-323}, {1e140, 1e140, 1e140}};

    for (int kind = NN_QUANTILE; kind <= NN_NONE; kind++) {
        for (size_t c = 0; c < sizeof(columns) / sizeof(columns[0]); c++) {
            for (size_t n = 0; n <= 3; n++) {
                double quantiles[NN_QUANTILES];
                NnColumn column = {.n = n, .values = columns[c]};
                NnTransform t;

                transform_fit(&t, (NnTransformKind)kind, &column, 2, quantiles);
                for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
                    CHECK(isfinite(transform_apply(&t, odd[i])) &&
                          fabs((double)transform_apply(&t, odd[i])) <=
                              fmax(transform_largest(&t), fabs((double)transform_apply(&t, t.mean))));
                CHECK(transform_apply(&t, INFINITY) == transform_apply(&t, t.high));
                CHECK(transform_apply(&t, -INFINITY) == transform_apply(&t, t.low));
                CHECK(transform_apply(&t, NAN) == transform_apply(&t, t.mean));
                CHECK(t.scale != 0 && isfinite(t.scale) && isfinite(t.shift) && isfinite(t.mean));
            }
        }
    }
}

/* a column without values is 0 everywhere */
static void
test_empty(void)
{
    double quantiles[NN_QUANTILES];
    NnColumn column = {.n = 0, .values = quantiles};
    NnTransform t;

    for (int kind = NN_QUANTILE; kind <= NN_NONE; kind++) {
        transform_fit(&t, (NnTransformKind)kind, &column, 10, quantiles);
        CHECK(t.mean == 0 && t.low == 0 && t.high == 0);
        CHECK(transform_apply(&t, NAN) == 0);
    }
}

static void
test_none(void)
{
    double values[] = {-2, 5};
    NnColumn column = {.n = 2, .values = values};
    NnTransform t;

    transform_fit(&t, NN_NONE, &column, 0, NULL);
    CHECK(transform_apply(&t, 3.25) == 3.25f);
    CHECK(transform_apply(&t, NAN) == 1.5f);
    CHECK(transform_largest(&t) == 5);
}

/*
 * a number beyond the training values counts as the nearest of them, however far away it is, in every
 * transform
 */
static void
test_beyond(void)
{
    static const double beyond[] = {1.001, 1e6, 1e16, 1e38, 1e39, 9.9e139, 1.01e140, 1e308, INFINITY};
    double values[] = {-3, -2, 0, 1, 7}, quantiles[NN_QUANTILES];
    NnColumn column = {.n = 5, .values = values};
    NnTransform t;

    for (int kind = NN_QUANTILE; kind <= NN_NONE; kind++) {
        transform_fit(&t, (NnTransformKind)kind, &column, 3, quantiles);
        CHECK(transform_apply(&t, 7) > transform_apply(&t, 6.9));
        CHECK(transform_apply(&t, -3) < transform_apply(&t, -2.9));
        for (size_t i = 0; i < sizeof(beyond) / sizeof(beyond[0]); i++) {
            CHECK(transform_apply(&t, 7 * beyond[i]) == transform_apply(&t, 7));
            CHECK(transform_apply(&t, -3 * beyond[i]) == transform_apply(&t, -3));
        }
    }
}

/* the constant that rounding would carry out of itself when it is averaged */
static void
test_constant(void)
{
    static double values[1003], quantiles[NN_QUANTILES];
    NnColumn column = {.n = 1003, .values = values};
    NnTransform t;

    for (int i = 0; i < 1003; i++)
        values[i] = 0.1;
    for (int kind = NN_QUANTILE; kind <= NN_LOG; kind++) {
        transform_fit(&t, (NnTransformKind)kind, &column, 77, quantiles);
        CHECK(t.mean == 0.1);
        CHECK(transform_apply(&t, 0.1) == 0);
        CHECK(transform_apply(&t, NAN) == 0);
    }
}

typedef struct Stream {
    const Column *column;
    size_t position;
} Stream;

static double
stream_next(void *source)
{
    Stream *s = source;

    return s->column->values[s->position++];
}

static void
stream_rewind(void *source)
{
    ((Stream *)source)->position = 0;
}

/* a column that comes from elsewhere gives the same bits */
static void
test_stream(void)
{
    static Column c;
    Stream stream = {&c, 0};

    for (int kind = NN_QUANTILE; kind <= NN_NONE; kind++) {
        double quantiles[2][NN_QUANTILES] = {{0}};
        NnColumn columns[2];
        NnTransform t[2];

        column_make(&c, &fixtures[1], 2);
        columns[0] = in_memory(&c);
        columns[1] = (NnColumn){.n = c.n, .next = stream_next, .rewind = stream_rewind, .source = &stream};
        for (int i = 0; i < 2; i++)
            transform_fit(&t[i], (NnTransformKind)kind, &columns[i], c.missing, quantiles[i]);
        CHECK(t[0].mean == t[1].mean && t[0].shift == t[1].shift && t[0].scale == t[1].scale);
        CHECK(t[0].n_quantiles == t[1].n_quantiles);
        CHECK(memcmp(quantiles[0], quantiles[1], sizeof(quantiles[0])) == 0);
    }
}

int
main(void)
{
    RUN(test_sklearn);
    RUN(test_sort);
    RUN(test_edges);
    RUN(test_empty);
    RUN(test_none);
    RUN(test_beyond);
    RUN(test_constant);
    RUN(test_stream);
    return unit_end();
}
