/* test_outer.c: the average of parameters that were trained apart, and the coordinator's step with momentum. */
#include "unit.h"

#include "nn/train/outer.h"

#define FIELDS 2
#define CODES  11 /* of both fields */

static const int categories[FIELDS] = {5, 6};

static NnNet
small_net(UnitMemory *memory)
{
    NnConfig config = {.architecture = NN_FIBINET,
                       .n_classes = 1,
                       .n_mlp = 1,
                       .mlp_layers = {4},
                       .d_embed = 3,
                       .reduction_ratio = 3,
                       .n_num = 1,
                       .n_cat = FIELDS,
                       .categories = categories};
    NnNet net;

    CHECK(net_create(&net, &config, unit_alloc(memory)) == NN_OK);
    return net;
}

static float *
random_params(const NnNet *net, uint64_t seed)
{
    float *params = calloc(net->n_block, sizeof(float));
    NnRng rng;

    CHECK(net_init(net, params, 0.5f, seed, NULL) == NN_OK);
    rng_seed(&rng, seed, 7);
    for (int i = 0; i < net->n_params; i++) {
        const NnParam *p = &net->params[i];

        for (size_t k = 0; k < p->count && p->dtype == NN_F32; k++)
            params[p->offset + k] = (float)rng_uniform(&rng);
    }
    return params;
}

static void
set_steps(const NnNet *net, float *params, int64_t steps)
{
    for (int i = 0; i < net->n_params; i++) {
        if (net->params[i].dtype == NN_I64 && net->params[i].ndim == 0)
            memcpy(params + net->params[i].offset, &steps, sizeof(steps));
    }
}

static void
test_average(void)
{
    UnitMemory memory = {0};
    const NnNet net = small_net(&memory);
    float *a = random_params(&net, 1), *b = random_params(&net, 2), *mean = random_params(&net, 1);
    double *sum = calloc(net.n_block, sizeof(double));
    int32_t a_rows[CODES] = {0}, b_rows[CODES] = {0};
    int64_t all[CODES];
    int checked = 0, tables = 0;

    for (int c = 0; c < CODES; c++) {
        a_rows[c] = c % 3;
        b_rows[c] = c % 4 == 3 ? 0 : 3 * (c % 3);
        all[c] = a_rows[c] + b_rows[c];
    }
    set_steps(&net, a, 10);
    set_steps(&net, b, 50);
    outer_add(&net, sum, a, &(NnShare){0.25, a_rows, all}, NULL);
    outer_add(&net, sum, b, &(NnShare){0.75, b_rows, all}, NULL);
    outer_mean(&net, mean, sum, NULL);
    for (int i = 0; i < net.n_params; i++) {
        const NnParam *p = &net.params[i];

        if (p->kind == NN_TABLE)
            continue;
        for (size_t k = 0; k < p->count && p->dtype == NN_F32; k++, checked++)
            CHECK_NEAR(mean[p->offset + k], 0.25 * a[p->offset + k] + 0.75 * b[p->offset + k], 1e-6);
        if (p->dtype == NN_I64 && p->ndim == 0) {
            int64_t steps;

            memcpy(&steps, mean + p->offset, sizeof(steps));
            CHECK(steps == 40);
        } else if (p->dtype == NN_I64)
            CHECK(memcmp(mean + p->offset, a + p->offset, p->count * sizeof(int64_t)) == 0);
    }
    for (int i = 0; i < net.n_lookups; i++) {
        const NnLookup *l = &net.lookups[i];
        const size_t table = net.params[l->param].offset;

        for (int c = 0; c < l->rows; c++) {
            const int code = (l->field == 0 ? 0 : categories[0]) + c;
            const double share = all[code] > 0 ? (double)a_rows[code] / (double)all[code] : 0.25;

            for (int k = 0; k < l->d; k++, tables++) {
                const size_t at = table + (size_t)(l->row_offset + c) * (size_t)l->d + (size_t)k;

                CHECK_NEAR(mean[at], share * a[at] + (1 - share) * b[at], 1e-6);
            }
        }
    }
    CHECK(checked > 20 && tables >= CODES * 3);
    free(a);
    free(b);
    free(mean);
    free(sum);
    unit_release(&memory);
}

/* Two rounds, against the formula written out for one number. */
static void
test_momentum(void)
{
    UnitMemory memory = {0};
    const NnNet net = small_net(&memory);
    float *previous = random_params(&net, 1), *merged = random_params(&net, 2),
          *second = random_params(&net, 3);
    float *next = random_params(&net, 4), *velocity = calloc(net.n_block, sizeof(float));
    double v, x;

    outer_step(&net, next, velocity, previous, merged, 0.5, NULL);
    v = (double)merged[0] - previous[0];
    x = previous[0] + v + 0.5 * v;
    CHECK_NEAR(next[0], x, 1e-6);
    CHECK_NEAR(velocity[0], v, 1e-6);
    CHECK(memcmp(next + net.n_trained, merged + net.n_trained,
                 (net.n_block - net.n_trained) * sizeof(float)) == 0);
    outer_step(&net, second, velocity, next, second, 0.5, NULL);
    CHECK(fabs(velocity[0] - 0.5 * v) > 1e-4);
    memset(velocity, 0, net.n_block * sizeof(float));
    outer_step(&net, next, velocity, previous, merged, 0, NULL);
    for (size_t i = 0; i < net.n_trained; i++)
        CHECK_NEAR(next[i], merged[i], 1e-6);
    free(previous);
    free(merged);
    free(second);
    free(next);
    free(velocity);
    unit_release(&memory);
}

int
main(void)
{
    RUN(test_average);
    RUN(test_momentum);
    return unit_end();
}
