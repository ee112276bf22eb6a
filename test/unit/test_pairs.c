/*
 * test_pairs.c: pairs of columns are found by what they say together, and only by that.
 */
#include "unit.h"

#include "nn/math/pairs.h"
#include "nn/pool.h"

#define ROWS   6000
#define FIELDS 5
#define MOST   4

static double
uniform(uint64_t a, uint64_t b)
{
    return (double)(rng_mix(a * 1000003 + b) >> 11) * 0x1p-53;
}

/* Columns of 13, 17, 13, 7 and 3 values; the logit of row i is set later. */
static NnPairSample
sample_create(double weight)
{
    static const int sizes[FIELDS] = {13, 17, 13, 7, 3};
    NnPairSample sample = {.rows = ROWS, .fields = FIELDS, .columns = 4, .unseen = 0};

    sample.categories = calloc(FIELDS, sizeof(int));
    sample.codes = calloc(FIELDS, sizeof(int32_t *));
    sample.label = calloc(ROWS, sizeof(float));
    sample.weight = calloc(ROWS, sizeof(float));
    sample.fold = calloc(ROWS, 1);
    for (int f = 0; f < FIELDS; f++) {
        sample.categories[f] = sizes[f] + 1;
        sample.codes[f] = calloc(ROWS, sizeof(int32_t));
        for (int i = 0; i < ROWS; i++)
            sample.codes[f][i] = 1 + (int32_t)(uniform((uint64_t)f + 1, (uint64_t)i) * sizes[f]);
    }
    for (int i = 0; i < ROWS; i++) {
        sample.weight[i] = (float)weight;
        sample.fold[i] = (uint8_t)(uniform(77, (uint64_t)i) * NN_STATISTICS_FOLDS);
    }
    return sample;
}

static void
draw_label(NnPairSample *sample, int i, double logit)
{
    sample->label[i] = uniform(99, (uint64_t)i) < 1 / (1 + exp(-logit));
}

static void
sample_free(const NnPairSample *sample)
{
    for (int f = 0; f < FIELDS; f++)
        free(sample->codes[f]);
    free(sample->categories);
    free(sample->codes);
    free(sample->label);
    free(sample->weight);
    free(sample->fold);
}

/* Chooses, and frees the sample. */
static int
choose(const NnPairSample *sample, int threads, NnPair *chosen)
{
    UnitMemory memory = {0};
    NnAlloc alloc = unit_alloc(&memory);
    NnPool *pool = pool_create(alloc, threads, NULL);
    NnPairs *pairs = pairs_create(sample, threads, alloc);
    int n;

    pool_run(pool, pairs_statistic_task, pairs, sample->fields, false);
    n = pairs_expect(pairs, NULL);
    CHECK(n == 4 * 3 / 2);
    pool_run(pool, pairs_gain_task, pairs, n, false);
    n = pairs_choose(pairs, chosen, MOST, NULL);
    pool_stop(pool);
    unit_release(&memory);
    sample_free(sample);
    return n;
}

/* what columns a and b say together of row i: 1 or -1 */
static double
together(const NnPairSample *sample, int a, int b, int i)
{
    return uniform((uint64_t)sample->codes[a][i], (uint64_t)sample->codes[b][i] + 500) < 0.5 ? 1 : -1;
}

static bool
is_pair(const NnPair *pair, int a, int b)
{
    return pair->columns[0] == a && pair->columns[1] == b;
}

static void
a_planted_pair_is_found_first(void)
{
    NnPair one[MOST], three[MOST];
    int n[2];

    for (int t = 0; t < 2; t++) {
        NnPairSample sample = sample_create(1);

        for (int i = 0; i < ROWS; i++)
            draw_label(&sample, i, 2 * together(&sample, 1, 3, i) + 0.8 * together(&sample, 0, 2, i));
        n[t] = choose(&sample, t == 0 ? 1 : 3, t == 0 ? one : three);
    }
    CHECK(n[0] == 2 && n[1] == 2);
    CHECK(is_pair(&one[0], 1, 3) && is_pair(&one[1], 0, 2));
    CHECK(memcmp(one, three, 2 * sizeof(NnPair)) == 0);
    CHECK(one[0].gain > 3 * one[1].gain);
}

static void
what_columns_say_each_by_itself_is_no_pair(void)
{
    NnPair chosen[MOST];
    NnPairSample sample = sample_create(1);

    for (int i = 0; i < ROWS; i++)
        draw_label(&sample, i,
                   0.3 * (sample.codes[0][i] - 7) + 0.2 * (sample.codes[1][i] - 9) -
                       (sample.codes[3][i] % 3));
    CHECK(choose(&sample, 2, chosen) == 0);
    sample = sample_create(1);
    for (int i = 0; i < ROWS; i++)
        draw_label(&sample, i, 0);
    CHECK(choose(&sample, 2, chosen) == 0);
}

/* A column that repeats another has nothing to add, with whichever column it is paired. */
static void
pairs_that_say_the_same_are_taken_once(void)
{
    NnPair chosen[MOST];
    NnPairSample sample = sample_create(1);

    memcpy(sample.codes[2], sample.codes[0], ROWS * sizeof(int32_t));
    for (int i = 0; i < ROWS; i++)
        draw_label(&sample, i, 1.5 * together(&sample, 0, 1, i));
    CHECK(choose(&sample, 2, chosen) == 1);
    CHECK(is_pair(&chosen[0], 0, 1) || is_pair(&chosen[0], 1, 2));
}

static void
gains_do_not_depend_on_the_scale_of_weights(void)
{
    NnPair light[MOST], heavy[MOST];
    int n[2];

    for (int t = 0; t < 2; t++) {
        NnPairSample sample = sample_create(t == 0 ? 100 : 1e6);

        for (int i = 0; i < ROWS; i++)
            draw_label(&sample, i, together(&sample, 1, 3, i));
        n[t] = choose(&sample, 2, t == 0 ? light : heavy);
    }
    CHECK(n[0] == 1 && n[1] == 1);
    CHECK_NEAR(light[0].gain / heavy[0].gain, 1, 0.05); /* only statistics are shrunk by so many rows */
}

/* All pairs with an unseen member are one category, so what they say apart is lost. */
static void
unseen_members_make_unseen_pairs(void)
{
    NnPair unseen[MOST], seen[MOST];

    for (int t = 0; t < 2; t++) {
        NnPairSample sample = sample_create(1);

        for (int i = 0; i < ROWS; i++) {
            draw_label(&sample, i, 2 * together(&sample, 1, 3, i));
            if (t == 0 && sample.codes[1][i] == 1)
                sample.codes[1][i] = 0;
        }
        CHECK(choose(&sample, 1, t == 0 ? unseen : seen) == 1);
    }
    CHECK(unseen[0].gain > 0.5 * seen[0].gain && unseen[0].gain < 0.99 * seen[0].gain);
}

/*
 * A pair's statistic has what its columns' have, which the regression has already. The gain is that of the rest
 * alone, measured by how far the rest varies.
 */
static void
strong_columns_do_not_hide_a_pair(void)
{
    NnPair alone[MOST], beside[MOST];

    for (int t = 0; t < 2; t++) {
        NnPairSample sample = sample_create(1);

        for (int i = 0; i < ROWS; i++)
            draw_label(&sample, i, together(&sample, 1, 3, i) + 0.3 * t * (sample.codes[3][i] - 4));
        CHECK(choose(&sample, 1, t == 0 ? alone : beside) == 1);
    }
    CHECK(beside[0].gain > 0.8 * alone[0].gain);
}

int
main(void)
{
    RUN(a_planted_pair_is_found_first);
    RUN(what_columns_say_each_by_itself_is_no_pair);
    RUN(pairs_that_say_the_same_are_taken_once);
    RUN(gains_do_not_depend_on_the_scale_of_weights);
    RUN(unseen_members_make_unseen_pairs);
    RUN(strong_columns_do_not_hide_a_pair);
    return unit_end();
}
