/*
 * test_gradients.c: gradients of logits with respect to the inputs, for every architecture: against central
 * differences of the logits, logits against those of a scorer, and along a path they add up to its ends'
 * difference. Statistics of batch normalisations are not their first ones.
 */
#include "unit.h"

#include "nn/infer/gradients.h"

#define ROWS      300 /* two blocks */
#define CHECKED   7   /* rows for differences, some in each block */
#define N_NUM     4
#define N_CAT     3
#define TOLERANCE 1e-2
#define PATH      64 /* steps */

static const int categories[N_CAT] = {5, 30, 2};

typedef struct Check {
    UnitMemory memory;
    NnNet net;
    float *params;
    NnGradients *gradients;
    float x_num[ROWS * N_NUM];
    int32_t x_cat[ROWS * N_CAT];
    float *inputs, *logits, *gradient; /* [ROWS, …] */
    int k[ROWS];                       /* the logit of each row */
} Check;

/* a logit is known to about 1e-7 of itself, so a gradient to 1e-7 / step */
static const double noise = 5e-5;

static void
draw_params(Check *c, NnRng *rng)
{
    net_init(&c->net, c->params, 0, 11, NULL);
    for (const NnParam *p = c->net.params; p < c->net.params + c->net.n_params; p++) {
        const bool weight = strstr(p->name, ".1.weight") || strstr(p->name, ".5.weight");
        const bool bias = strstr(p->name, ".1.bias") || strstr(p->name, ".5.bias");
        const bool mean = strstr(p->name, "running_mean");

        for (size_t i = 0; i < p->count; i++)
            if (strncmp(p->name, "mlp.mlp.", 8) == 0 && (weight || bias))
                c->params[p->offset + i] = weight  ? 1
                                           : i > 0 ? 1.5f
                                                   : -5; /* most units open, the first closed */
            else if (mean || p->variance)
                c->params[p->offset + i] = (float)(mean ? rng_uniform(rng) - 0.5 : 0.5 + rng_uniform(rng));
    }
}

static void
start(Check *c, const NnConfig *config)
{
    NnRng rng;
    size_t d;

    rng_seed(&rng, 5, 0);
    CHECK(net_create(&c->net, config, unit_alloc(&c->memory)) == NN_OK);
    c->params = unit_take(&c->memory, c->net.n_block * sizeof(float));
    draw_params(c, &rng);
    for (int i = 0; i < ROWS * N_NUM; i++)
        c->x_num[i] = (float)(2 * rng_uniform(&rng) - 0.5);
    for (int i = 0; i < ROWS * N_CAT; i++)
        c->x_cat[i] = (int32_t)rng_below(&rng, (uint64_t)categories[i / ROWS]);
    d = (size_t)c->net.d_input;
    c->inputs = unit_take(&c->memory, ROWS * d * sizeof(float));
    c->gradient = unit_take(&c->memory, ROWS * d * sizeof(float));
    c->logits = unit_take(&c->memory, ROWS * (size_t)config->n_classes * sizeof(float));
    CHECK(gradients_create(&c->gradients, &c->net, c->params, unit_alloc(&c->memory)) == NN_OK);
    gradients_inputs(c->gradients, c->x_num, c->x_cat, ROWS, ROWS, c->inputs);
}

static double
logit(Check *c, const float *input, int k)
{
    float logits[3], gradient[256];

    gradients_run(c->gradients, input, 1, &k, logits, gradient);
    return logits[k];
}

static double
difference(Check *c, float *x, const float *input, int k, float h)
{
    const float before = *x;
    double plus, minus, step;

    *x = before + h;
    step = *x;
    plus = logit(c, input, k);
    *x = before - h;
    step -= *x;
    minus = logit(c, input, k);
    *x = before;
    return (plus - minus) / step;
}

/* Of one part of an input row, columns [first, first + d). Returns how many gradients are clearly not 0. */
static int
check_part(Check *c, int r, int first, int d, int k, const char *what)
{
    const float *gradient = c->gradient + r * c->net.d_input;
    float *input = c->inputs + r * c->net.d_input;
    double largest = 0;
    int moving = 0;

    for (int i = first; i < first + d; i++)
        largest = fmax(largest, fabs(gradient[i]));
    for (int i = first; i < first + d; i++) {
        double expected = 0, error = INFINITY;

        /* a ReLU's kink within a step spoils the difference, so smaller steps get a chance too */
        for (float h = 2e-2f; h > 5e-4f && !(error <= TOLERANCE * largest + noise); h /= 3) {
            expected = difference(c, input + i, input, k, h);
            error = fabs(gradient[i] - expected);
        }
        CHECK_MESSAGE(error <= TOLERANCE * largest + noise, "%s: logit %d, row %d, input %d: %g, not %g",
                      what, k, r, i, gradient[i], expected);
        moving += fabs(gradient[i]) > 10 * noise;
    }
    return moving;
}

static void
check_differences(Check *c, int k, const char *what)
{
    const int n_num = c->net.config.n_num;
    int moving = 0, all = 0;

    for (int r = 0; r < ROWS; r += ROWS / (CHECKED - 1) - 1, all += n_num) {
        moving += check_part(c, r, 0, n_num, k, what);
        for (const NnLookup *l = c->net.lookups; l < c->net.lookups + c->net.n_lookups; l++) {
            moving += check_part(c, r, l->column, l->d, k, what);
            /* a wide part adds to each logit from a column of its own */
            all += l->y == c->net.output ? 1 : l->d;
        }
    }
    CHECK_MESSAGE(moving >= all * 3 / 4, "%s: only %d of %d gradients are not 0", what, moving, all);
}

static void
check_logits(Check *c, const char *what)
{
    const int n = ROWS * c->net.config.n_classes;
    float *expected = unit_take(&c->memory, (size_t)n * sizeof(float));
    NnScorer *scorer;
    double largest = 0, error = 0;

    scorer = unit_scorer(&c->memory, &c->net, c->params, ROWS);
    scorer_run(scorer, c->x_num, c->x_cat, ROWS, ROWS, expected);
    for (int i = 0; i < n; i++) {
        largest = fmax(largest, fabs(expected[i]));
        error = fmax(error, fabs(expected[i] - c->logits[i]));
    }
    CHECK_MESSAGE(largest > 0.01 && error <= 1e-5 * largest, "%s: logits off by %g of %g", what, error,
                  largest);
}

/* Integrated gradients: from the second row's inputs to the first's, middle of each step. */
static void
check_path(Check *c, int k, const char *what)
{
    const int d = c->net.d_input, classes = c->net.config.n_classes;
    const float *from = c->inputs + d, *to = c->inputs;
    float *path = unit_take(&c->memory, PATH * (size_t)d * sizeof(float));
    float *gradient = unit_take(&c->memory, PATH * (size_t)d * sizeof(float));
    float *logits = unit_take(&c->memory, PATH * (size_t)classes * sizeof(float));
    const double change = c->logits[k] - c->logits[classes + k];
    double sum = 0, size = 0;

    for (int i = 0; i < PATH * d; i++)
        path[i] = from[i % d] + ((float)(i / d) + 0.5f) / PATH * (to[i % d] - from[i % d]);
    gradients_run(c->gradients, path, PATH, c->k, logits, gradient);
    for (int i = 0; i < PATH * d; i++) {
        const double part = (double)gradient[i] * (to[i % d] - from[i % d]) / PATH;

        sum += part;
        size += fabs(part);
    }
    CHECK_MESSAGE(size > 1e-3 && fabs(sum - change) <= 1e-2 * size, "%s: parts add up to %g, not %g", what,
                  sum, change);
}

static void
check(const NnConfig *config, const char *what)
{
    static Check c;

    c = (Check){0};
    start(&c, config);
    for (int k = 0; k < config->n_classes; k++) {
        for (int r = 0; r < ROWS; r++)
            c.k[r] = k;
        gradients_run(c.gradients, c.inputs, ROWS, c.k, c.logits, c.gradient);
        check_differences(&c, k, what);
        check_path(&c, k, what);
    }
    check_logits(&c, what);
    unit_release(&c.memory);
}

static void
set_inputs(NnConfig *config, int inputs)
{
    config->n_num = inputs == 1 ? 0 : N_NUM;
    config->n_cat = inputs == 0 ? 0 : N_CAT;
    config->categories = categories;
    config->n_mlp = 2;
    config->mlp_layers[0] = 7;
    config->mlp_layers[1] = 5;
    config->mlp_dropout = 0.25f; /* which evaluation does not have */
}

static void
test_deepcross(void)
{
    static const char *const names[] = {"matrix", "vector", "mix"};

    for (int i = 0; i < 3 * 2 * 2 * 3; i++) {
        NnConfig config = {.architecture = NN_DEEPCROSS,
                           .cross_type = (NnCrossType)(i % 3),
                           .stacked = i / 3 % 2,
                           .n_classes = i / 6 % 2 ? 3 : 1,
                           .n_cross = 2,
                           .low_rank = 3,
                           .n_experts = 2,
                           .d_embed_max = 3};
        char what[100];

        set_inputs(&config, i / 12);
        snprintf(what, sizeof what, "%s %s, %d classes, %d + %d inputs", names[i % 3],
                 config.stacked ? "stacked" : "parallel", config.n_classes, config.n_num, config.n_cat);
        check(&config, what);
    }
}

static void
test_fibinet(void)
{
    static const char *const names[] = {"field_interaction", "field_each", "field_all"};

    for (int i = 0; i < 3 * 2 * 3; i++) {
        NnConfig config = {.architecture = NN_FIBINET,
                           .bilinear_type = (NnBilinearType)(i % 3),
                           .n_classes = i / 3 % 2 ? 3 : 1,
                           .d_embed = 3,
                           .reduction_ratio = 2};
        char what[100];

        set_inputs(&config, i / 6);
        snprintf(what, sizeof what, "%s, %d classes, %d + %d inputs", names[i % 3], config.n_classes,
                 config.n_num, config.n_cat);
        check(&config, what);
    }
}

static void
test_baselines(void)
{
    for (int i = 0; i < 2 * 2 * 3; i++) {
        NnConfig config = {
            .architecture = i % 2 ? NN_WIDE_DEEP : NN_DEEPFM, .n_classes = i / 2 % 2 ? 3 : 1, .d_embed = 3};
        char what[100];

        set_inputs(&config, i / 4);
        snprintf(what, sizeof what, "%s, %d classes, %d + %d inputs", nn_arch(config.architecture)->name,
                 config.n_classes, config.n_num, config.n_cat);
        check(&config, what);
    }
}

/* where a caller finds an input in an input row */
static void
inputs_have_names(void)
{
    static Check c;
    NnConfig config = {.architecture = NN_FIBINET, .n_classes = 3, .d_embed = 2, .reduction_ratio = 2};

    set_inputs(&config, 2);
    c = (Check){0};
    start(&c, &config);
    CHECK(c.net.d_input == N_NUM + N_CAT * 2 + N_CAT * 3 && c.net.n_lookups == 2 * N_CAT);
    CHECK(c.net.x_num >= 0 && c.net.tensors[c.net.x_num].d == N_NUM);
    CHECK(memcmp(c.inputs + c.net.d_input, c.x_num + N_NUM, sizeof(float) * N_NUM) == 0);
    for (const NnLookup *l = c.net.lookups; l < c.net.lookups + c.net.n_lookups; l++) {
        const int code = c.x_cat[l->field * ROWS + 1];
        const float *row = c.params + c.net.params[l->param].offset + (l->row_offset + code) * l->d;

        CHECK(memcmp(c.inputs + c.net.d_input + l->column, row, sizeof(float) * (size_t)l->d) == 0);
    }
    unit_release(&c.memory);
}

int
main(void)
{
    if (!gemm_prepare()) {
        printf("%s\n", blas_error());
        return 1;
    }
    RUN(test_deepcross);
    RUN(test_fibinet);
    RUN(test_baselines);
    RUN(inputs_have_names);
    return unit_end();
}
