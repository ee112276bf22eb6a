/*
 * test_scorer.c: a row scored alone against the same row in a block: FiBiNET, whose attention closes fields. Weights
 * that only meet closed fields are not read for a row alone.
 */
#include "unit.h"

#include "nn/kernels/simd.h"

#define ROWS   40
#define N_NUM  2
#define N_CAT  4
#define FIELDS (N_NUM + N_CAT)

static const int categories[N_CAT] = {7, 3, 9, 5};
static const bool closed[FIELDS] = {true, false, false, true, true, false};

typedef struct Case {
    NnNet net;
    float *params;
    float x_num[ROWS * N_NUM];
    int32_t x_cat[N_CAT * ROWS];
    UnitMemory memory;
} Case;

static float *
param(const Case *c, const char *name, const NnParam **found)
{
    for (int i = 0; i < c->net.n_params; i++) {
        if (strcmp(c->net.params[i].name, name) != 0)
            continue;
        *found = &c->net.params[i];
        return c->params + c->net.params[i].offset;
    }
    CHECK_MESSAGE(false, "no parameter %s", name);
    exit(1);
}

/* Attention that is 0 for the closed fields, and above for the others: all that is squeezed is positive. */
static void
close_fields(const Case *c)
{
    const NnParam *squeeze, *excite;
    float *w1 = param(c, "se_attention.excitation.0.weight", &squeeze);
    float *w2 = param(c, "se_attention.excitation.2.weight", &excite);

    for (size_t i = 0; i < squeeze->count; i++)
        w1[i] = 0.3f;
    for (size_t i = 0; i < excite->count; i++)
        w2[i] = closed[i / (size_t)excite->shape[1]] ? -1.0f : 0.5f;
}

static void
draw(float *values, size_t n, bool positive, NnRng *rng)
{
    for (size_t i = 0; i < n; i++)
        values[i] = positive ? 0.2f + (float)rng_uniform(rng) : 0.3f * (float)rng_normal(rng);
}

static void
create(Case *c, NnBilinearType type, int d)
{
    const NnConfig config = {.architecture = NN_FIBINET,
                             .bilinear_type = type,
                             .n_classes = 1,
                             .d_embed = d,
                             .reduction_ratio = 2,
                             .n_mlp = 2,
                             .mlp_layers = {48, 5},
                             .n_num = N_NUM,
                             .n_cat = N_CAT,
                             .categories = categories};
    NnRng rng;

    CHECK(net_create(&c->net, &config, unit_alloc(&c->memory)) == NN_OK);
    c->params = unit_take(&c->memory, c->net.n_block * sizeof(float));
    net_init(&c->net, c->params, 0, 11, NULL);
    rng_seed(&rng, 5, 0);
    for (int i = 0; i < c->net.n_params; i++)
        if (c->net.params[i].kind != NN_BUFFER)
            draw(c->params + c->net.params[i].offset, c->net.params[i].count,
                 strstr(c->net.params[i].name, "embedding") != NULL, &rng);
    for (int i = 0; i < ROWS * N_NUM; i++)
        c->x_num[i] = i % 7 == 0 ? 0 : (float)rng_uniform(&rng);
    for (int i = 0; i < N_CAT * ROWS; i++)
        c->x_cat[i] = (int32_t)rng_below(&rng, (uint64_t)categories[i / ROWS]);
    close_fields(c);
}

static void
score(Case *c, float *logits, bool alone)
{
    NnScorer *scorer;

    scorer = unit_scorer(&c->memory, &c->net, c->params, ROWS);
    if (!alone)
        scorer_run(scorer, c->x_num, c->x_cat, ROWS, ROWS, logits);
    for (int r = 0; r < ROWS && alone; r++)
        scorer_run(scorer, c->x_num + r * N_NUM, c->x_cat + r, ROWS, 1, &logits[r]);
}

static double
largest_difference(const float *a, const float *b)
{
    double off = 0;

    for (int r = 0; r < ROWS; r++)
        if (!(fabs((double)a[r] - (double)b[r]) <= off)) /* also NaN, which stays */
            off = fabs((double)a[r] - (double)b[r]);
    return off;
}

static void
alone_as_in_a_block(void)
{
    for (int i = 0; i < 3 * 3; i++) {
        const int widths[] = {8, 5, 16};
        float whole[ROWS], single[ROWS];
        double least = INFINITY, most = -INFINITY;
        Case c = {0};

        create(&c, (NnBilinearType)(i % 3), widths[i / 3]);
        score(&c, whole, false);
        score(&c, single, true);
        for (int r = 0; r < ROWS; r++) {
            least = fmin(least, (double)whole[r]);
            most = fmax(most, (double)whole[r]);
        }
        CHECK(most - least > 0.01);
        CHECK_NEAR(largest_difference(whole, single), 0, simd_kernels(0) ? 0 : 1e-6);
        unit_release(&c.memory);
    }
}

/* Makes the weights NaN that only meet interactions of closed fields. */
static void
poison(const Case *c, int d)
{
    const NnParam *linear;
    float *weight = param(c, "mlp.mlp.0.weight", &linear);
    int column = FIELDS * (FIELDS - 1) / 2 * d; /* the re-weighted fields' begin here */

    for (int i = 0; i < FIELDS; i++)
        for (int j = i + 1; j < FIELDS; j++, column += d)
            for (int k = 0; k < (int)linear->shape[0] * d && (closed[i] || closed[j]); k++)
                weight[k / d * (int)linear->shape[1] + column + k % d] = NAN;
}

static void
closed_fields_read_no_weights(void)
{
    for (int i = 0; i < 3; i++) {
        float before[ROWS], after[ROWS];
        Case c = {0};

        create(&c, (NnBilinearType)i, 8);
        score(&c, before, true);
        poison(&c, 8);
        score(&c, after, true);
        CHECK(largest_difference(before, after) == 0);
        unit_release(&c.memory);
    }
}

int
main(void)
{
    RUN(alone_as_in_a_block);
    if (simd_kernels(0)) /* without kernels a row alone is a product like others */
        RUN(closed_fields_read_no_weights);
    return unit_end();
}
