/*
 * test_architectures.c: the gradients of whole networks against central differences of their loss, through
 * the trainer: every cross type stacked and parallel, every bilinear type, DeepFM, Wide & Deep, one class and three, numerical
 * inputs only, categories only and both. Dropout is off.
 */
#include "unit.h"

#define ROWS      129 /* two lanes */
#define TOLERANCE 1e-2

static const int categories[] = {5, 30, 2};

/* a loss of float rows is known to about 1e-7 of itself, so a gradient to 1e-7 / step */
static const double noise = 2e-5;

typedef struct Check {
    UnitMemory memory;
    NnNet net;
    float *params, *gradients, *scratch;
    NnTrainer *trainer;
    NnBatch batch;
} Check;

static double
mean_loss(Check *c)
{
    double loss = 0;

    CHECK(trainer_gradients(c->trainer, &c->batch, &loss, NULL, c->scratch) == NN_OK);
    return loss / ROWS;
}

static double
numerical_gradient(Check *c, float *x, float h)
{
    const float before = *x;
    double plus, minus, step;

    *x = before + h;
    step = *x;
    plus = mean_loss(c);
    *x = before - h;
    step -= *x;
    minus = mean_loss(c);
    *x = before;
    return (plus - minus) / step;
}

/*
 * All elements of a small parameter, some of a large one. A bias before a batch normalisation has no
 * gradient: it must be as small as the difference says. Returns whether any gradient was clearly not zero.
 */
static bool
check_param(Check *c, const NnParam *p, const char *what)
{
    const size_t stride = 1 + p->count / 12;
    double largest = 0;

    for (size_t i = 0; i < p->count; i++)
        largest = fmax(largest, fabs(c->gradients[p->offset + i]));
    for (size_t i = 0; i < p->count; i += stride) {
        const double found = c->gradients[p->offset + i];
        double expected = 0, error = INFINITY;

        /* a ReLU's kink within a step (SENet's) spoils the difference, so smaller steps get a chance too */
        for (float h = 1e-2f; h > 5e-4f && !(error <= TOLERANCE * largest + noise); h /= 4) {
            expected = numerical_gradient(c, c->params + p->offset + i, h);
            error = fabs(found - expected);
        }
        CHECK_MESSAGE(error <= TOLERANCE * largest + noise, "%s %s[%zu]: %g, not %g", what, p->name, i, found,
                      expected);
    }
    return largest > 3e-4;
}

/*
 * Moves the MLP's ReLUs away from their kinks: a normalised value is at most sqrt(ROWS), so a weight of 0.25
 * and a bias of 3 leave every unit open (and of 3 below zero, the first one closed), where the loss is
 * smooth.
 */
static void
open_units(Check *c)
{
    for (int i = 0; i < c->net.n_params; i++) {
        const NnParam *p = &c->net.params[i];
        const bool weight = strstr(p->name, ".1.weight") || strstr(p->name, ".5.weight");
        const bool bias = strstr(p->name, ".1.bias") || strstr(p->name, ".5.bias");

        if (strncmp(p->name, "mlp.mlp.", 8) == 0 && (weight || bias))
            for (size_t j = 0; j < p->count; j++)
                c->params[p->offset + j] = weight ? 0.25f : j > 0 ? 3 : -3;
    }
}

static void
fill_batch(Check *c, int n_num, int n_cat, int n_classes)
{
    float *x_num = unit_take(&c->memory, sizeof(float) * (size_t)(ROWS * n_num + 1));
    int32_t *x_cat = unit_take(&c->memory, sizeof(int32_t) * (size_t)(ROWS * n_cat + 1));
    float *label = unit_take(&c->memory, sizeof(float) * ROWS),
          *weight = unit_take(&c->memory, sizeof(float) * ROWS);
    NnRng rng;

    rng_seed(&rng, 3, 0);
    for (int i = 0; i < ROWS * n_num; i++)
        x_num[i] = (float)rng_uniform(&rng);
    for (int i = 0; i < ROWS * n_cat; i++)
        x_cat[i] = (int32_t)rng_below(&rng, (uint64_t)categories[i / ROWS]);
    for (int i = 0; i < ROWS; i++) {
        label[i] = (float)rng_below(&rng, n_classes > 1 ? (uint64_t)n_classes : 2);
        weight[i] = i % 2 ? 0.5f : 1.5f;
    }
    c->batch = (NnBatch){ROWS, x_num, x_cat, ROWS, label, weight, 1};
}

static void
check_architecture(const NnConfig *config, const char *what)
{
    const NnHyper hyper = {.beta1 = 0.9f, .beta2 = 0.999f, .epsilon = 1e-8f};
    Check c = {0};
    NnPool *pool;
    int moving = 0, dense = 0;

    CHECK(net_create(&c.net, config, unit_alloc(&c.memory)) == NN_OK);
    c.params = unit_take(&c.memory, c.net.n_block * sizeof(float));
    c.gradients = unit_take(&c.memory, c.net.n_trained * sizeof(float));
    c.scratch = unit_take(&c.memory, c.net.n_trained * sizeof(float));
    net_init(&c.net, c.params, 0, 11, NULL);
    open_units(&c);
    fill_batch(&c, config->n_num, config->n_cat, config->n_classes);
    pool = pool_create(unit_alloc(&c.memory), 1, NULL);
    CHECK(trainer_create(&c.trainer, &c.net, c.params, &hyper, ROWS, pool, unit_alloc(&c.memory)) == NN_OK);
    mean_loss(&c);
    memcpy(c.gradients, c.scratch, c.net.n_trained * sizeof(float));
    for (int i = 0; i < c.net.n_params; i++)
        if (c.net.params[i].kind != NN_BUFFER) {
            moving += check_param(&c, &c.net.params[i], what);
            dense++;
        }
    /* half at least: the rest are biases before a normalisation, or attention that a ReLU has closed */
    CHECK_MESSAGE(moving >= dense / 2, "%s: only %d of %d parameters have a gradient", what, moving, dense);
    pool_stop(pool);
    unit_release(&c.memory);
}

static void
set_inputs(NnConfig *config, int inputs)
{
    config->n_num = inputs == 1 ? 0 : 4;
    config->n_cat = inputs == 0 ? 0 : 3;
    config->categories = categories;
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
                           .d_embed_max = 3,
                           .n_mlp = 2,
                           .mlp_layers = {7, 5}};
        char what[100];

        set_inputs(&config, i / 12);
        snprintf(what, sizeof what, "%s %s, %d classes, %d + %d inputs", names[i % 3],
                 config.stacked ? "stacked" : "parallel", config.n_classes, config.n_num, config.n_cat);
        check_architecture(&config, what);
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
                           .reduction_ratio = 2,
                           .n_mlp = 2,
                           .mlp_layers = {7, 5}};
        char what[100];

        set_inputs(&config, i / 6);
        snprintf(what, sizeof what, "%s, %d classes, %d + %d inputs", names[i % 3], config.n_classes,
                 config.n_num, config.n_cat);
        check_architecture(&config, what);
    }
}

static void
test_baselines(void)
{
    for (int i = 0; i < 2 * 2 * 3; i++) {
        NnConfig config = {.architecture = i % 2 ? NN_WIDE_DEEP : NN_DEEPFM,
                           .n_classes = i / 2 % 2 ? 3 : 1,
                           .d_embed = 3,
                           .n_mlp = 2,
                           .mlp_layers = {7, 5}};
        char what[100];

        set_inputs(&config, i / 4);
        snprintf(what, sizeof what, "%s, %d classes, %d + %d inputs", nn_arch(config.architecture)->name,
                 config.n_classes, config.n_num, config.n_cat);
        check_architecture(&config, what);
    }
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
    return unit_end();
}
