/*
 * test_calibration.c: the last bias answers the labels' shares at the start, and on average at the end; what else
 * gives logits becomes smaller; rows held back tell what is missing.
 */
#include "unit.h"

#define ROWS 400

/* the mean prediction of class k over the rows, weighted */
static double
mean_prediction(const float *logits, const double *shift, const float *weights, int classes, int k)
{
    double sum = 0, all = 0;

    for (int r = 0; r < ROWS; r++) {
        float z[4];
        double p[4];

        for (int c = 0; c < classes; c++)
            z[c] = (float)((double)logits[r * classes + c] + shift[c]);
        class_probabilities(p, z, classes);
        sum += (double)weights[r] * p[classes == 1 ? 1 : k];
        all += (double)weights[r];
    }
    return sum / all;
}

static void
test_start(void)
{
    float bias[3];

    calibration_start(bias, (const double[]){98, 2}, 1);
    CHECK_NEAR((double)bias[0], log(2.0 / 98), 1e-6);
    calibration_start(bias, (const double[]){0, 7}, 1);
    CHECK(isfinite(bias[0]) && bias[0] > 10);
    calibration_start(bias, (const double[]){1e-30, 3e-30, 0}, 3);
    CHECK_NEAR((double)bias[1] - (double)bias[0], log(3), 1e-5);
    CHECK(isfinite(bias[2]) && bias[2] < bias[0] - 10);
}

static void
calibrated(int classes, const double *class_weights, double spread)
{
    const int labels = classes == 1 ? 2 : classes;
    float logits[ROWS * 4], weights[ROWS];
    double shift[4] = {0}, scratch[4], all = 0, change = 1, before = INFINITY;
    int steps = 0;
    NnRng rng;

    rng_seed(&rng, 3, (uint64_t)classes);
    for (int i = 0; i < ROWS * classes; i++)
        logits[i] = (float)(1 + spread * rng_normal(&rng));
    for (int r = 0; r < ROWS; r++)
        weights[r] = (float)(r % 3);
    for (; steps < 200 && change > 1e-6; steps++) {
        change = calibration_step(shift, scratch, logits, weights, ROWS, classes, class_weights);
        CHECK(change <= before + 1e-9);
        before = change;
    }
    CHECK_MESSAGE(steps < 200, "%d classes: %d steps, the last by %g", classes, steps, change);
    for (int k = 0; k < labels; k++)
        all += class_weights[k];
    calibration_means(scratch, shift, logits, weights, ROWS, classes);
    for (int k = 0; k < classes; k++) {
        const int label = classes == 1 ? 1 : k;

        CHECK_NEAR(mean_prediction(logits, shift, weights, classes, k), class_weights[label] / all, 1e-5);
        CHECK_NEAR(scratch[label], class_weights[label] / all, 1e-5);
    }
}

static void
test_steps(void)
{
    calibrated(1, (const double[]){98, 2}, 2);
    calibrated(1, (const double[]){1, 1}, 0.1);
    calibrated(1, (const double[]){0.06, 0.94}, 4);
    calibrated(3, (const double[]){5, 80, 15}, 1.5);
    calibrated(4, (const double[]){1, 1, 1, 97}, 3);
}

/* Logits far out and classes without rows leave the shift finite. */
static void
test_ends(void)
{
    const float logits[] = {900, -900}, weights[] = {1, 1};
    double shift[3] = {0}, scratch[3];

    for (int i = 0; i < 20; i++)
        calibration_step(shift, scratch, logits, weights, 2, 1, (const double[]){3, 1});
    CHECK(isfinite(shift[0]));
    memset(shift, 0, sizeof shift);
    for (int i = 0; i < 20; i++)
        calibration_step(shift, scratch, (const float[]){800, 0, 0, 0, 0, -800}, weights, 2, 3,
                         (const double[]){1, 1, 0});
    CHECK(isfinite(shift[0]) && isfinite(shift[1]) && isfinite(shift[2]));
}

#define PARAMS 4096

static const float *
param_of(const NnNet *net, const float *params, const char *name)
{
    const int i = net_find_param(net, name);

    return i < 0 ? NULL : params + net->params[i].offset;
}

/* The second number is evidence; what adds to the logits becomes smaller, and nothing else changes. */
static void
check_weights(const NnNet *net, float *params)
{
    const char *last = net->config.architecture == NN_DEEPCROSS ? "last_linear.weight" : "mlp.mlp.4.weight";
    const float *weight = param_of(net, params, last), *wide = param_of(net, params, "num_linear.weight"),
                *table = param_of(net, params, "cat_linear.fc.weight"),
                *mlp = param_of(net, params, "mlp.mlp.0.weight");
    const bool scales = net->config.architecture != NN_DEEPFM || net->config.n_classes > 1;
    const float before = weight[1], wide_before = wide ? wide[0] : 0, table_before = table ? table[0] : 0,
                mlp_before = mlp[0];

    calibration_start_weights(net, params, 1, 1);
    CHECK_NEAR(weight[1], 0.3f * before, 1e-7);
    CHECK(!wide || (wide[0] == 0.3f * wide_before && wide[1] == 1));
    CHECK(!table || table[0] == table_before);
    calibration_scale(net, params, 0.5f);
    CHECK_NEAR(weight[1], (scales ? 0.15f : 0.3f) * before, 1e-7);
    CHECK(!wide || wide[1] == (scales ? 0.5f : 1));
    CHECK(!table || table[0] == (scales ? 0.5f : 1) * table_before);
    CHECK(mlp[0] == mlp_before);
}

/* Every architecture has a last bias: adding to it adds to the logits. */
static void
test_last_bias(void)
{
    const int categories[] = {5, 7};
    const NnConfig configs[] = {
        {.architecture = NN_DEEPCROSS, .cross_type = NN_CROSS_MATRIX, .n_cross = 1, .d_embed_max = 4},
        {.architecture = NN_DEEPCROSS,
         .cross_type = NN_CROSS_VECTOR,
         .n_cross = 2,
         .d_embed_max = 4,
         .stacked = true},
        {.architecture = NN_FIBINET, .d_embed = 4, .reduction_ratio = 3},
        {.architecture = NN_DEEPFM, .d_embed = 4},
        {.architecture = NN_WIDE_DEEP, .d_embed = 4},
        {.architecture = NN_DEEPFM, .d_embed = 4},
    };
    const char *names[] = {"last_linear.bias", "last_linear.bias", "mlp.mlp.4.bias",
                           "mlp.mlp.4.bias",   "mlp.mlp.4.bias",   "mlp.mlp.4.bias"};

    for (int i = 0; i < 6; i++) {
        UnitMemory memory = {0};
        NnConfig config = configs[i];
        float params[PARAMS];
        NnNet net;

        config.n_classes = 1 + i % 5;
        config.n_mlp = 1;
        config.mlp_layers[0] = 8;
        config.n_num = 2;
        config.n_cat = 2;
        config.categories = categories;
        CHECK(net_create(&net, &config, unit_alloc(&memory)) == NN_OK);
        CHECK(net_last_bias(&net) >= 0 && strcmp(net.params[net_last_bias(&net)].name, names[i]) == 0);
        CHECK(net.params[net_last_bias(&net)].count == (size_t)config.n_classes);
        CHECK(net.n_block <= PARAMS && net_init(&net, params, 0.05f, 7, NULL) == NN_OK);
        check_weights(&net, params);
        unit_release(&memory);
    }
}

/* Of n rows, with logits around `centre`, weights `weight` and share `share`. */
static double
shift_of(int n, double centre, double spread, float weight, double share)
{
    NnHeldBack sums = {0};
    NnRng rng;

    rng_seed(&rng, 5, 0);
    for (int i = 0; i < n; i++) {
        const float z = (float)(centre + spread * rng_normal(&rng));

        held_back_add(&sums, &z, weight == 1 ? NULL : &weight, 1);
    }
    return held_back_shift(&sums, share);
}

/* The mean prediction of many such rows, shifted */
static double
mean_after(double centre, double spread, double shift)
{
    double sum = 0;
    NnRng rng;

    rng_seed(&rng, 6, 0);
    for (int i = 0; i < 100000; i++)
        sum += probability((float)(centre + shift + spread * rng_normal(&rng)));
    return sum / 100000;
}

/* Logits half a unit too low, of rows enough to tell, and of too few. */
static void
test_held_back(void)
{
    const double share = mean_after(-4, 1.5, 0), few = shift_of(50, -4.5, 1.5, 1, share),
                 some = shift_of(400, -4.5, 1.5, 1, share), many = shift_of(100000, -4.5, 1.5, 1, share);

    CHECK_NEAR(shift_of(1, log(0.01 / 0.99), 0, 1, 0.02), log(0.02 / 0.98) - log(0.01 / 0.99), 1e-5);
    CHECK_NEAR(many, 0.5, 0.03);
    CHECK_NEAR(mean_after(-4.5, 1.5, many), share, 0.02 * share);
    CHECK_MESSAGE(some > 0.02 && some < 0.48, "400 rows: %g", some);
    CHECK_NEAR(few, 0, 0);
    CHECK_NEAR(shift_of(400, -4, 1.5, 1, share), 0, 0);
    CHECK_NEAR(shift_of(400, -4.5, 1.5, 7, share), some, 1e-9);
    CHECK_MESSAGE(shift_of(100000, 4.5, 1.5, 1, 1 - share) < -0.45, "mirrored");
    CHECK_NEAR(shift_of(0, 0, 1, 1, 0.5), 0, 0);
    CHECK_NEAR(shift_of(10, -1000, 1, 1, 0.5), 0, 0);
}

static void
test_entropy(void)
{
    CHECK_NEAR(label_entropy((const double[]){3, 3}, 1), log(2), 1e-12);
    CHECK_NEAR(label_entropy((const double[]){5, 0}, 1), 0, 0);
    CHECK_NEAR(label_entropy((const double[]){1, 1, 2}, 3), 1.5 * log(2), 1e-12);
}

int
main(void)
{
    RUN(test_start);
    RUN(test_steps);
    RUN(test_ends);
    RUN(test_last_bias);
    RUN(test_held_back);
    RUN(test_entropy);
    return unit_end();
}
