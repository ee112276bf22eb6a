/*
 * rng.c: random numbers, the same on every machine and in any number of independent streams.
 *
 * xoshiro256** and splitmix64 after D. Blackman and S. Vigna, "Scrambled linear pseudorandom number
 * generators" (2021); rng_below after D. Lemire, "Fast random integer generation in an interval" (2019);
 * rng_normal: Marsaglia's polar method.
 */
#include "nn/math/rng.h"

#include <math.h>

uint64_t
rng_mix(uint64_t x)
{
    x += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

void
rng_seed(NnRng *rng, uint64_t seed, uint64_t stream)
{
    uint64_t x = rng_mix(seed) ^ rng_mix(~stream);

    for (int i = 0; i < 4; i++) {
        x = rng_mix(x);
        rng->state[i] = x;
    }
}

static inline uint64_t
rotate_left(uint64_t x, int bits)
{
    return (x << bits) | (x >> (64 - bits));
}

uint64_t
rng_next(NnRng *rng)
{
    uint64_t *s = rng->state;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9, t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

uint64_t
rng_below(NnRng *rng, uint64_t n)
{
    unsigned __int128 product = (unsigned __int128)rng_next(rng) * n;

    if ((uint64_t)product < n) {
        uint64_t rejected = -n % n; /* so many low halves would make small results too frequent */

        while ((uint64_t)product < rejected)
            product = (unsigned __int128)rng_next(rng) * n;
    }
    return (uint64_t)(product >> 64);
}

double
rng_uniform(NnRng *rng)
{
    return (double)(rng_next(rng) >> 11) * 0x1.0p-53;
}

double
rng_normal(NnRng *rng)
{
    double x, y, square;

    do {
        x = 2.0 * rng_uniform(rng) - 1.0;
        y = 2.0 * rng_uniform(rng) - 1.0;
        square = x * x + y * y;
    } while (square >= 1.0 || square == 0.0);
    return x * sqrt(-2.0 * log(square) / square);
}

void
rng_shuffle(NnRng *rng, uint32_t *items, size_t n)
{
    for (size_t i = n; i > 1; i--) {
        size_t j = (size_t)rng_below(rng, i);
        uint32_t item = items[j];

        items[j] = items[i - 1];
        items[i - 1] = item;
    }
}
