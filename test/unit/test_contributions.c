/*
 * test_contributions.c: integrated gradients of every architecture add up to the difference of the logits;
 * the average input row is the mean of the rows'.
 */
#include "unit.h"

#include "nn/infer/average.h"
#include "nn/infer/contributions.h"

#define ROWS  200
#define N_NUM 4
#define N_CAT 3

static const int categories[N_CAT] = {5, 30, 2};

typedef struct Check {
    UnitMemory memory;
    NnNet net;
    float *params;
    float x_num[ROWS][N_NUM];
    int32_t x_cat[ROWS][N_CAT];
    NnContributions *contributions;
    NnInputSums sums;
    float *inputs, *average, *spread; /* [ROWS, d_input], [d_input] */
    double *gradient;                 /* [d_input] */
} Check;

static void
start(Check *c, const NnConfig *config)
{
    NnRng rng;
    size_t d;

    *c = (Check){0};
    rng_seed(&rng, 5, 0);
    CHECK(net_create(&c->net, config, unit_alloc(&c->memory)) == NN_OK);
    d = (size_t)c->net.d_input;
    c->params = unit_take(&c->memory, c->net.n_block * sizeof(float));
    net_init(&c->net, c->params, 0.3f, 11, NULL);
    c->average = unit_take(&c->memory, d * sizeof(float));
    CHECK(contributions_create(&c->contributions, &c->net, c->params, c->average, unit_alloc(&c->memory)) ==
          NN_OK);
    CHECK(input_sums_create(&c->sums, &c->net, c->net.config.n_cat, c->net.config.categories,
                            unit_alloc(&c->memory)) == NN_OK);
    c->inputs = unit_take(&c->memory, ROWS * d * sizeof(float));
    c->spread = unit_take(&c->memory, d * sizeof(float));
    c->gradient = unit_take(&c->memory, d * sizeof(double));
    for (int r = 0; r < ROWS; r++) {
        for (int i = 0; i < N_NUM; i++)
            c->x_num[r][i] = (float)(2 * rng_uniform(&rng) - 0.5);
        for (int f = 0; f < N_CAT; f++)
            c->x_cat[r][f] = (int32_t)rng_below(&rng, (uint64_t)categories[f]);
        input_sums_add(&c->sums, c->x_num[r], c->x_cat[r]);
        contributions_inputs(c->contributions, c->x_num[r], c->x_cat[r], 1, c->inputs + (size_t)r * d);
    }
    input_sums_average(&c->sums, c->params, c->average, c->spread, NULL);
}

static void
check_average(const Check *c, const char *what)
{
    const int d = c->net.d_input;

    for (int j = 0; j < d; j++) {
        double sum = 0, squares = 0;

        for (int r = 0; r < ROWS; r++) {
            sum += c->inputs[r * d + j];
            squares += (double)c->inputs[r * d + j] * c->inputs[r * d + j];
        }
        CHECK_MESSAGE(fabs(c->average[j] - sum / ROWS) < 1e-6, "%s: input %d", what, j);
        CHECK_MESSAGE(fabs(c->spread[j] - sqrt(squares / ROWS - sum / ROWS * sum / ROWS)) < 1e-4,
                      "%s: spread of input %d", what, j);
    }
}

/* parts [d_input] of a row's inputs, by as many points as are enough */
static NnPath
contribute(Check *c, const float *to, int k, double *parts)
{
    const int d = c->net.d_input;
    NnPath path = {0};

    contributions_start(c->contributions, to, 1, k, NN_PATH_LEAST);
    for (int points = NN_PATH_LEAST;; points *= 2) {
        path = contributions_line(c->contributions, 0, parts);
        for (int j = 0; j < d; j++)
            parts[j] *= (double)to[j] - c->average[j];
        if (points == NN_PATH_MOST || contributions_close(&path, parts, d))
            return path;
        contributions_refine(c->contributions);
    }
}

static void
check_sums(Check *c, int k, const char *what)
{
    const int d = c->net.d_input;

    for (int r = 0; r < ROWS; r++) {
        double sum = 0, size = 0;
        const NnPath path = contribute(c, c->inputs + r * d, k, c->gradient);

        for (int j = 0; j < d; j++) {
            sum += c->gradient[j];
            size += fabs(c->gradient[j]);
        }
        CHECK(fabs(sum - path.sum) <= 1e-9 && size > 1e-4);
        CHECK_MESSAGE(fabs(sum - (path.to - path.from)) <= 0.01 * size, "%s: row %d: %g, not %g", what, r,
                      sum, path.to - path.from);
        contributions_complete(&path, c->gradient, d);
        sum = 0;
        for (int j = 0; j < d; j++)
            sum += c->gradient[j];
        CHECK_NEAR(sum, path.to - path.from, 1e-9);
    }
}

/* of the class with the highest logit */
static void
check_class(Check *c)
{
    const NnPath best = contribute(c, c->inputs, NN_PATH_BEST_CLASS, c->gradient);

    for (int k = 0; k < c->net.config.n_classes; k++) {
        const NnPath path = contribute(c, c->inputs, k, c->gradient);

        CHECK(path.k == k && path.to <= best.to && (k != best.k || path.to == best.to));
    }
}

/* Rows together give what each gives alone, and points taken in steps what they give at once. */
static void
check_together(Check *c, const char *what)
{
    enum { LINES = 21, POINTS = 8 };
    const int d = c->net.d_input;
    NnPath paths[LINES];
    double *together = unit_take(&c->memory, LINES * (size_t)d * sizeof(double));

    contributions_start(c->contributions, c->inputs, LINES, NN_PATH_BEST_CLASS, POINTS);
    for (int r = 0; r < LINES; r++)
        paths[r] = contributions_line(c->contributions, r, together + r * d);
    for (int r = 0; r < LINES; r++) {
        NnPath path;
        double off = 0;

        contributions_start(c->contributions, c->inputs + r * d, 1, NN_PATH_BEST_CLASS, POINTS / 2);
        contributions_refine(c->contributions);
        path = contributions_line(c->contributions, 0, c->gradient);
        for (int j = 0; j < d; j++)
            off = fmax(off, fabs(c->gradient[j] - together[r * d + j]));
        CHECK_MESSAGE(path.k == paths[r].k && fabs(path.to - paths[r].to) < 1e-5 &&
                          fabs(path.sum - paths[r].sum) < 1e-4 && off < 1e-4,
                      "%s: row %d: off by %g", what, r, off);
    }
}

static void
check_attention(Check *c, bool has_it)
{
    enum { LINES = 3 };
    double sum = 0;

    contributions_start(c->contributions, c->inputs, LINES, 0, NN_PATH_LEAST);
    for (int r = 0; r < LINES; r++) {
        const float *attention = contributions_attention(c->contributions, r);

        CHECK((attention != NULL) == has_it);
        for (int f = 0; f < N_NUM + N_CAT && has_it; f++)
            sum += attention[f];
    }
    CHECK(sum > 0 || !has_it);
}

static void
check(NnConfig config, const char *what)
{
    static Check c;

    config.n_num = N_NUM;
    config.n_cat = N_CAT;
    config.categories = categories;
    config.n_mlp = 2;
    config.mlp_layers[0] = 128; /* the wider, the smaller the jumps of gradients at ReLUs */
    config.mlp_layers[1] = 64;
    config.mlp_dropout = 0.25f; /* which evaluation does not have */
    start(&c, &config);
    check_average(&c, what);
    for (int k = 0; k < config.n_classes; k++)
        check_sums(&c, k, what);
    check_class(&c);
    check_together(&c, what);
    check_attention(&c, config.architecture == NN_FIBINET);
    unit_release(&c.memory);
}

static void
test_architectures(void)
{
    for (int classes = 1; classes <= 3; classes += 2) {
        for (int i = 0; i < 3; i++) {
            check((NnConfig){.architecture = NN_DEEPCROSS,
                             .cross_type = (NnCrossType)i,
                             .stacked = i != 1,
                             .n_classes = classes,
                             .n_cross = 2,
                             .low_rank = 3,
                             .n_experts = 2,
                             .d_embed_max = 3},
                  "deepcross");
            check((NnConfig){.architecture = NN_FIBINET,
                             .bilinear_type = (NnBilinearType)i,
                             .n_classes = classes,
                             .d_embed = 3,
                             .reduction_ratio = 2},
                  "fibinet");
        }
        check((NnConfig){.architecture = NN_DEEPFM, .n_classes = classes, .d_embed = 3}, "deepfm");
        check((NnConfig){.architecture = NN_WIDE_DEEP, .n_classes = classes, .d_embed = 3}, "wide_deep");
    }
}

/*
 * Without its MLP a cross network of two levels is a polynomial of degree 3, whose gradients five points on a
 * line, its beginning among them, add up exactly.
 */
static void
polynomials(void)
{
    static Check c;
    const NnConfig config = {.architecture = NN_DEEPCROSS,
                             .cross_type = NN_CROSS_MATRIX,
                             .n_classes = 1,
                             .n_cross = 2,
                             .d_embed_max = 3,
                             .n_num = N_NUM,
                             .n_cat = N_CAT,
                             .categories = categories,
                             .n_mlp = 1,
                             .mlp_layers = {4}};
    float *last;

    start(&c, &config);
    last = c.params + c.net.params[net_find_param(&c.net, "last_linear.weight")].offset;
    memset(last, 0, 4 * sizeof(float)); /* of the MLP's columns, which come first */
    for (int r = 0; r < ROWS; r++) {
        const float *to = c.inputs + r * c.net.d_input;

        contributions_start(c.contributions, to, 1, 0, NN_PATH_LEAST);
        for (int points = NN_PATH_LEAST;; points *= 2) {
            const NnPath path = contributions_line(c.contributions, 0, c.gradient);

            CHECK_MESSAGE(fabs(path.to - path.from - path.sum) < 1e-5 && fabs(path.sum) > 1e-5,
                          "row %d, %d points: %g, not %g", r, points, path.sum, path.to - path.from);
            if (points == NN_PATH_MOST)
                break;
            contributions_refine(c.contributions);
        }
    }
    unit_release(&c.memory);
}

static void
field_means(void)
{
    static Check c;
    const NnConfig config = {.architecture = NN_DEEPFM,
                             .n_classes = 1,
                             .d_embed = 3,
                             .n_num = N_NUM,
                             .n_cat = N_CAT,
                             .categories = categories,
                             .n_mlp = 1,
                             .mlp_layers = {4}};
    const float values[5] = {1, -2, 4, 8, 16};
    double sum = 0;

    start(&c, &config);
    for (int r = 0; r < ROWS; r++)
        sum += values[c.x_cat[r][0]];
    CHECK_NEAR(input_sums_mean(&c.sums, 0, values, NULL), sum / ROWS, 1e-6);
    unit_release(&c.memory);
}

int
main(void)
{
    if (!gemm_prepare()) {
        printf("%s\n", blas_error());
        return 1;
    }
    RUN(test_architectures);
    RUN(polynomials);
    RUN(field_means);
    return unit_end();
}
