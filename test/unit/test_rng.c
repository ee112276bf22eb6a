/* test_rng.c: random numbers against published sequences and their distributions' moments. */
#include "unit.h"

static void
published_sequences(void)
{
    /* splitmix64 from state 1234567, and xoshiro256** from state 1, 2, 3, 4 */
    static const uint64_t expected[] = {11520u, 0u, 1509978240u, 1215971899390074240u, 1216172134540287360u};
    NnRng rng = {{1, 2, 3, 4}};

    CHECK(rng_mix(1234567) == 6457827717110365317u);
    for (int i = 0; i < 5; i++)
        CHECK(rng_next(&rng) == expected[i]);
}

static void
streams_differ_and_repeat(void)
{
    NnRng a, b, c;

    rng_seed(&a, 7, 0);
    rng_seed(&b, 7, 0);
    rng_seed(&c, 7, 1);
    for (int i = 0; i < 10; i++) {
        uint64_t x = rng_next(&a);

        CHECK(x == rng_next(&b));
        CHECK(x != rng_next(&c));
    }
}

static void
moments(void)
{
    double sum = 0, square = 0, fourth = 0, uniform = 0;
    const int n = 200000;
    int outside = 0;
    NnRng rng;

    rng_seed(&rng, 1, 0);
    for (int i = 0; i < n; i++) {
        double x = rng_normal(&rng), u = rng_uniform(&rng);

        outside += !(u >= 0 && u < 1);
        uniform += u;
        sum += x;
        square += x * x;
        fourth += x * x * x * x;
    }
    CHECK(outside == 0);
    CHECK_NEAR(uniform / n, 0.5, 0.003);
    CHECK_NEAR(sum / n, 0, 0.01);
    CHECK_NEAR(square / n, 1, 0.02);
    CHECK_NEAR(fourth / n, 3, 0.15);
}

static void
below_is_even(void)
{
    int counts[8] = {0};
    NnRng rng;

    rng_seed(&rng, 2, 0);
    for (int i = 0; i < 70000; i++) {
        uint64_t k = rng_below(&rng, 7);

        counts[k < 7 ? k : 7]++;
    }
    CHECK(counts[7] == 0);
    for (int i = 0; i < 7; i++)
        CHECK_NEAR(counts[i], 10000, 400);
    CHECK(rng_below(&rng, 1) == 0);
}

static void
shuffle_permutes(void)
{
    uint32_t items[100];
    int seen[100] = {0}, moved = 0, twice = 0;
    NnRng rng;

    rng_seed(&rng, 3, 0);
    for (uint32_t i = 0; i < 100; i++)
        items[i] = i;
    rng_shuffle(&rng, items, 100);
    for (uint32_t i = 0; i < 100; i++) {
        seen[items[i]]++;
        moved += items[i] != i;
    }
    for (int i = 0; i < 100; i++)
        twice += seen[i] != 1;
    CHECK(twice == 0);
    CHECK(moved > 80);
    rng_shuffle(&rng, items, 0);
}

int
main(void)
{
    RUN(published_sequences);
    RUN(streams_differ_and_repeat);
    RUN(moments);
    RUN(below_is_even);
    RUN(shuffle_permutes);
    return unit_end();
}
