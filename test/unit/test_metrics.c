/* test_metrics.c: AUC against exact small cases and against counting all pairs; loss; curves of scores. */
#include "unit.h"

#include "nn/math/curves.h"

#define MAX_ROWS 400

typedef struct Rows {
    NnScore rows[MAX_ROWS];
    size_t n;
} Rows;

/* the definition: all pairs of a positive and a negative row */
static double
auc_by_pairs(const NnScore *s, size_t n)
{
    double won = 0, pairs = 0;

    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++) {
            double weight = (double)s[i].weight * s[j].weight;

            if (s[i].label <= 0.5f || s[j].label > 0.5f)
                continue;
            pairs += weight;
            if (s[i].score >= s[j].score)
                won += s[i].score > s[j].score ? weight : 0.5 * weight;
        }
    }
    return won / pairs;
}

/* scores from `distinct` values around 0 (so that there are ties), also as float4 */
static void
rows_make(Rows *r, NnRng *rng, size_t n, uint64_t distinct, bool weighted)
{
    r->n = n;
    for (size_t i = 0; i < n; i++) {
        r->rows[i].label = (float)rng_below(rng, 2);
        r->rows[i].score = (float)(((double)rng_below(rng, distinct) - (double)distinct / 2) / 7);
        r->rows[i].weight = weighted ? (float)rng_below(rng, 5) : 1;
    }
    r->rows[0].label = 0;
    r->rows[1].label = 1;
    r->rows[0].weight = r->rows[1].weight = 1;
}

static double
auc_of(const NnScore *rows, size_t n)
{
    NnScore copy[MAX_ROWS], scratch[MAX_ROWS];

    memcpy(copy, rows, n * sizeof(NnScore));
    return auc(copy, scratch, n, NULL);
}

static double
streamed_auc(NnAuc *a, const NnScore *rows, size_t n)
{
    auc_reset(a);
    for (size_t i = 0; i < n; i++)
        auc_add(a, (float)rows[i].score, rows[i].label > 0.5f, rows[i].weight);
    return auc_value(a);
}

static void
test_exact_cases(void)
{
    static const NnScore perfect[] = {{0.1, 0, 1}, {0.2, 0, 1}, {0.8, 1, 1}, {0.9, 1, 1}};
    static const NnScore reversed[] = {{0.1, 1, 1}, {0.9, 0, 1}};
    static const NnScore tied[] = {{0.5, 1, 1}, {0.5, 0, 1}, {0.5, 0, 1}};
    /* scikit-learn's own example: 0.75 */
    static const NnScore example[] = {{0.1, 0, 1}, {0.4, 0, 1}, {0.35, 1, 1}, {0.8, 1, 1}};
    static const NnScore zeros[] = {{-0.0, 1, 1}, {0.0, 0, 1}};
    static const NnScore infinite[] = {{INFINITY, 1, 1}, {-INFINITY, 0, 1}, {0, 0, 1}};
    /* won: 3 * 1 of 3 * (1 + 2) */
    static const NnScore weighted[] = {{0.5, 1, 3}, {0.1, 0, 1}, {0.7, 0, 2}};

    CHECK(auc_of(perfect, 4) == 1);
    CHECK(auc_of(reversed, 2) == 0);
    CHECK(auc_of(tied, 3) == 0.5);
    CHECK(auc_of(example, 4) == 0.75);
    CHECK(auc_of(zeros, 2) == 0.5);
    CHECK(auc_of(infinite, 3) == 1);
    CHECK_NEAR(auc_of(weighted, 3), 1.0 / 3, 1e-15);
}

static void
test_undefined(void)
{
    static const NnScore one_class[] = {{0.1, 1, 1}, {0.2, 1, 1}};
    static const NnScore no_number[] = {{0.1, 1, 1}, {NAN, 0, 1}};
    static const NnScore no_weight[] = {{0.1, 1, 1}, {0.2, 0, 0}};
    UnitMemory memory = {0};
    NnAuc *a = auc_create(unit_alloc(&memory), 10);

    CHECK(isnan(auc_of(one_class, 0)));
    CHECK(isnan(auc_of(one_class, 2)));
    CHECK(isnan(auc_of(no_number, 2)));
    CHECK(isnan(auc_of(no_weight, 2)));
    CHECK(isnan(streamed_auc(a, one_class, 0)));
    CHECK(isnan(streamed_auc(a, one_class, 2)));
    CHECK(isnan(streamed_auc(a, no_number, 2)));
    CHECK(isnan(streamed_auc(a, no_weight, 2)));
    unit_release(&memory);
}

static void
test_pairs(void)
{
    static const uint64_t distinct[] = {1, 2, 3, 10, 1000, 1000000};
    UnitMemory memory = {0};
    NnAuc *a = auc_create(unit_alloc(&memory), MAX_ROWS);
    static Rows r;
    NnRng rng;

    rng_seed(&rng, 7, 0);
    for (size_t d = 0; d < sizeof(distinct) / sizeof(distinct[0]); d++) {
        for (size_t n = 2; n <= MAX_ROWS; n = n * 3 / 2 + 1) {
            for (int weighted = 0; weighted < 2; weighted++) {
                double expected;

                rows_make(&r, &rng, n, distinct[d], weighted);
                expected = auc_by_pairs(r.rows, n);
                CHECK_NEAR(auc_of(r.rows, n), expected, 1e-12);
                CHECK_NEAR(streamed_auc(a, r.rows, n), expected, 1e-12);
            }
        }
    }
    unit_release(&memory);
}

/* float8 scores that are one in float4 are still told apart */
static void
test_float8(void)
{
    static const NnScore close[] = {{0.5, 0, 1}, {0.5 + 1e-12, 1, 1}};

    CHECK(auc_of(close, 2) == 1);
}

/* more may be added after a value was asked for, and a reset forgets everything */
static void
test_continue(void)
{
    static Rows r;
    UnitMemory memory = {0};
    NnAuc *a = auc_create(unit_alloc(&memory), MAX_ROWS);
    NnRng rng;

    rng_seed(&rng, 8, 0);
    rows_make(&r, &rng, 100, 50, true);
    CHECK_NEAR(streamed_auc(a, r.rows, 60), auc_by_pairs(r.rows, 60), 1e-12);
    for (int i = 60; i < 100; i++)
        auc_add(a, (float)r.rows[i].score, r.rows[i].label > 0.5f, r.rows[i].weight);
    CHECK_NEAR(auc_value(a), auc_by_pairs(r.rows, 100), 1e-12);
    CHECK_NEAR(streamed_auc(a, r.rows, 40), auc_by_pairs(r.rows, 40), 1e-12);
    auc_add(a, NAN, true, 1);
    CHECK(isnan(auc_value(a)));
    CHECK_NEAR(streamed_auc(a, r.rows, 40), auc_by_pairs(r.rows, 40), 1e-12);
    unit_release(&memory);
}

/* How row i of n of a long stream is drawn: its logit, and how much its label depends on it. */
typedef struct Stream {
    const char *name;
    double mean, deviation, drift; /* of logits, at first; how far the mean moves until the end */
    double slope, share;           /* the log odds rise by slope a deviation; of positives, about */
    bool ascending, weighted;
} Stream;

static const Stream streams[] = {
    {"of a plausible model", -1.3, 1.2, 0, 1, 0.25, false, false},
    {"within a thousandth", -3, 2e-4, 0, 1, 0.05, false, false},
    {"within few float4 numbers", 2, 1e-6, 0, 1, 0.5, false, false},
    {"that drift as in training", 0, 0.3, -4, 1, 0.02, false, false},
    {"one by one upwards", -1, 1e-3, 0, 2, 0.3, true, false},
    {"of rare clicks, weighted", -5, 0.7, 1, 0.5, 0.003, false, true},
};

static void
stream_draw(const Stream *s, NnScore *rows, size_t n)
{
    NnRng rng;

    rng_seed(&rng, 9, 0);
    for (size_t i = 0; i < n; i++) {
        const double along = (double)i / (double)n;
        const double x = s->ascending ? 4 * along - 2 : rng_normal(&rng);
        const double odds = s->share / (1 - s->share) * exp(s->slope * x);

        rows[i].score = (float)(s->mean + s->drift * along + s->deviation * x);
        rows[i].label = rng_uniform(&rng) < odds / (1 + odds);
        rows[i].weight = s->weighted ? (float)exp(2 * rng_normal(&rng)) : 1;
    }
}

/* beyond NN_AUC_EXACT rows, wherever the logits lie */
static void
test_long_streams(void)
{
    const size_t n = 3 * NN_AUC_EXACT + 500000;
    UnitMemory memory = {0};
    NnAuc *a = auc_create(unit_alloc(&memory), n);
    NnScore *rows = malloc(n * sizeof(NnScore)), *scratch = malloc(n * sizeof(NnScore));

    for (size_t i = 0; i < sizeof(streams) / sizeof(streams[0]); i++) {
        double streamed, exact;

        stream_draw(&streams[i], rows, n);
        streamed = streamed_auc(a, rows, n);
        CHECK(auc_value(a) == streamed && streamed_auc(a, rows, n) == streamed);
        exact = auc(rows, scratch, n, NULL);
        CHECK_MESSAGE(fabs(streamed - exact) < 1e-5 && exact > 0.55 && exact < 0.95,
                      "logits %s: area %.9f, not %.9f", streams[i].name, streamed, exact);
    }
    unit_release(&memory);
    free(rows);
    free(scratch);
}

static void
test_log_loss(void)
{
    CHECK_NEAR(log_loss(0.5, 1), log(2), 1e-15);
    CHECK_NEAR(log_loss(0.25, 0), -log(0.75), 1e-15);
    CHECK_NEAR(log_loss(0.25, 0.5), -0.5 * (log(0.25) + log(0.75)), 1e-15);
    /* scikit-learn clips float8 probabilities to [2.2e-16, 1 - 2.2e-16] */
    CHECK_NEAR(log_loss(0, 1), 36.04365338911715, 1e-12);
    CHECK_NEAR(log_loss(1, 0), 36.04365338911715, 1e-12);
    CHECK_NEAR(log_loss(1, 1), 0, 1e-15);
    CHECK(isnan(log_loss(NAN, 0)));
}

/* a row is of the class that is more probable; of one class, of 1 where that is more probable than 0 */
static void
test_accuracy(void)
{
    static const float one[] = {0, 0, 0.4f, -0.4f, 0.4f}, three[] = {-1, 0, -0.5f};
    static const int labels[] = {0, 0, 1, 0, 0};
    int64_t rows[3] = {0};
    NnEvaluation e = {.classes = 1, .class_rows = rows};

    for (int i = 0; i < 5; i++)
        evaluation_add(&e, &one[i], labels[i]);
    CHECK(e.rows == 5 && e.correct == 4 && rows[0] == 4 && rows[1] == 1);
    e = (NnEvaluation){.classes = 3, .class_rows = rows};
    for (int label = 0; label < 3; label++)
        evaluation_add(&e, three, label);
    CHECK(e.rows == 3 && e.correct == 1);
    CHECK_NEAR(e.loss, 3 * log(exp(-1) + 1 + exp(-0.5)) + 1.5, 1e-12);
}

/* the area under the points, by trapezes */
static double
area_under(const NnRocPoint *points, int n)
{
    double area = 0;

    for (int i = 1; i < n; i++)
        area += (points[i].false_positives - points[i - 1].false_positives) *
                (points[i].true_positives + points[i - 1].true_positives) / 2;
    return area;
}

/* All points give the area; fewer go nearly there and are no more than asked for. */
static void
test_roc_points(void)
{
    NnRng rng;
    NnScore scratch[MAX_ROWS];
    NnRocPoint points[MAX_ROWS + 1];
    Rows r;

    rng_seed(&rng, 11, 0);
    for (int weighted = 0; weighted < 2; weighted++) {
        rows_make(&r, &rng, MAX_ROWS, 1000, weighted == 1);
        const double exact = auc_by_pairs(r.rows, r.n);

        scores_sort(r.rows, scratch, r.n, NULL);
        for (int most = 1000; most >= 3; most /= 3) {
            const int n = roc_points(points, most > MAX_ROWS ? MAX_ROWS + 1 : most, r.rows, r.n, NULL);

            CHECK_MESSAGE(n >= 2 && n <= most, "%d points of %d", n, most);
            CHECK_NEAR(area_under(points, n), exact, most > MAX_ROWS ? 0.01 : 2.0 / (most - 2));
            CHECK(points[0].true_positives == 0 && points[n - 1].false_positives == 1);
        }
    }
    r.rows[0].label = 1;
    CHECK(roc_points(points, 10, r.rows, 1, NULL) == 0);
}

/* Bins hold all rows, in order, and equal scores share one. */
static void
test_calibration_bins(void)
{
    NnRng rng;
    NnScore scratch[MAX_ROWS];
    NnCalibrationBin bins[20];
    Rows r;

    rng_seed(&rng, 12, 0);
    for (uint64_t distinct = 1; distinct <= 1000; distinct *= 10) {
        int64_t rows = 0;
        double score = 0, label = 0;
        int n;

        rows_make(&r, &rng, MAX_ROWS, distinct, false);
        scores_sort(r.rows, scratch, r.n, NULL);
        n = calibration_bins(bins, 20, r.rows, r.n, NULL);
        CHECK(n >= 1 && n <= 20 && (uint64_t)n <= distinct);
        for (int k = 0; k < n; k++) {
            CHECK(bins[k].rows > 0 && (k == 0 || bins[k].score > bins[k - 1].score));
            rows += bins[k].rows;
            score += bins[k].score * (double)bins[k].rows;
            label += bins[k].label * (double)bins[k].rows;
        }
        CHECK(rows == MAX_ROWS);
        for (int i = 0; i < MAX_ROWS; i++) {
            score -= r.rows[i].score;
            label -= r.rows[i].label;
            CHECK(i == 0 || r.rows[i].score >= r.rows[i - 1].score);
        }
        CHECK_NEAR(score, 0, 1e-9);
        CHECK_NEAR(label, 0, 1e-9);
    }
}

int
main(void)
{
    RUN(test_exact_cases);
    RUN(test_undefined);
    RUN(test_pairs);
    RUN(test_float8);
    RUN(test_continue);
    RUN(test_long_streams);
    RUN(test_log_loss);
    RUN(test_accuracy);
    RUN(test_roc_points);
    RUN(test_calibration_bins);
    return unit_end();
}
