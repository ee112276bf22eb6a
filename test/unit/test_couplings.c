/*
 * test_couplings.c: what two inputs have together in a whole net: where only a factorization machine multiplies,
 * it is what that layer multiplies; a net of sums has none.
 */
#include "unit.h"

#include "nn/infer/average.h"
#include "nn/infer/couplings.h"
#include "nn/net/interactions.h"

#define ROWS  500
#define N_NUM 2
#define N_CAT 3
#define N     (N_NUM + N_CAT)

static const int categories[N_CAT] = {5, 30, 2};

typedef struct Check {
    UnitMemory memory;
    NnNet net;
    float *params, *average, *spread;
    double squares[N * N], expected[N * N];
} Check;

/* the parameters of the MLP and of what follows it are so many times what they begin as */
static void
scale_mlp(Check *c, float factor)
{
    for (int i = 0; i < c->net.n_params; i++) {
        const NnParam *p = &c->net.params[i];

        if (p->dtype != NN_F32 || !strstr(p->name, "mlp"))
            continue;
        for (size_t j = 0; j < p->count; j++)
            c->params[p->offset + j] *= factor;
    }
}

static void
start(Check *c, NnConfig config, float mlp, int64_t work)
{
    NnInputSums sums;
    NnRng rng;
    size_t d;

    *c = (Check){0};
    config.n_num = N_NUM;
    config.n_cat = N_CAT;
    config.categories = categories;
    rng_seed(&rng, 5, 0);
    CHECK(net_create(&c->net, &config, unit_alloc(&c->memory)) == NN_OK);
    d = (size_t)c->net.d_input * sizeof(float);
    c->params = unit_take(&c->memory, c->net.n_block * sizeof(float));
    c->average = unit_take(&c->memory, d);
    c->spread = unit_take(&c->memory, d);
    net_init(&c->net, c->params, 0.3f, 11, NULL);
    scale_mlp(c, mlp);
    CHECK(input_sums_create(&sums, &c->net, c->net.config.n_cat, c->net.config.categories,
                            unit_alloc(&c->memory)) == NN_OK);
    for (int r = 0; r < ROWS; r++) {
        float x_num[N_NUM];
        int32_t x_cat[N_CAT];

        for (int i = 0; i < N_NUM; i++)
            x_num[i] = (float)(2 * rng_uniform(&rng) - 0.5);
        for (int f = 0; f < N_CAT; f++)
            x_cat[f] = (int32_t)rng_below(&rng, (uint64_t)categories[f]);
        input_sums_add(&sums, x_num, x_cat);
    }
    input_sums_average(&sums, c->params, c->average, c->spread, NULL);
    CHECK(couplings(&c->net, c->params, c->average, c->spread, c->squares, work, unit_alloc(&c->memory),
                    NULL) == NN_OK);
}

static double
pair(const double *squares, int a, int b)
{
    return squares[a * N + b] + squares[b * N + a];
}

/* what the layer of this kind multiplies */
static void
expect(Check *c, const char *kind)
{
    float *spread = unit_take(&c->memory, (size_t)interactions_columns(&c->net) * sizeof(float));
    int *input = unit_take(&c->memory, (size_t)interactions_columns(&c->net) * sizeof(int));
    int found = 0;

    for (const NnLayer *l = c->net.layers; l < c->net.layers + c->net.n_layers; l++) {
        if (strcmp(l->type->kind, kind) == 0)
            found +=
                interactions_of_layer(&c->net, l, c->params, c->spread, spread, input, c->expected, NULL);
    }
    CHECK(found == 1);
}

/*
 * work: as couplings has it. Little makes it take columns with random signs: what two embeddings multiply column
 * by column is still exact; of a number with an embedding only the expectation is, and bounds are.
 */
static void
check_products(int64_t work)
{
    static Check c;

    start(&c,
          (NnConfig){.architecture = NN_DEEPFM, .n_classes = 1, .d_embed = 3, .n_mlp = 1, .mlp_layers = {8}},
          0, work);
    expect(&c, "FactorizationMachine");
    for (int a = 0; a < N; a++) {
        for (int b = N_NUM; b < N; b++) {
            const double ratio = a == b ? 1 : pair(c.squares, a, b) / pair(c.expected, a, b);

            if (work > 1 || a >= N_NUM)
                CHECK_NEAR(ratio, 1, 1e-3);
            else
                CHECK_MESSAGE(ratio > 0.499 && ratio < 2.001, "%d, %d: %g", a, b, ratio);
        }
    }
    unit_release(&c.memory);
}

static void
test_products(void)
{
    check_products(NN_COUPLINGS_WORK);
    check_products(1);
}

/* nothing but a linear part */
static void
test_sums(void)
{
    static Check c;

    start(
        &c,
        (NnConfig){.architecture = NN_WIDE_DEEP, .n_classes = 3, .d_embed = 3, .n_mlp = 1, .mlp_layers = {8}},
        0, NN_COUPLINGS_WORK);
    for (int a = 0; a < N; a++) {
        for (int b = 0; b < N; b++)
            CHECK(a == b || c.squares[a * N + b] < 1e-12);
    }
    unit_release(&c.memory);
}

int
main(void)
{
    RUN(test_products);
    RUN(test_sums);
    return unit_end();
}
