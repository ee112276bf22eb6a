/*
 * rng.h: random numbers.
 */
#ifndef NN_RNG_H
#define NN_RNG_H

#include "nn/nn.h"

typedef struct NnRng {
    uint64_t state[4];
} NnRng;

uint64_t rng_mix(uint64_t x);                              /* one round of splitmix64: a hash of x */
void rng_seed(NnRng *rng, uint64_t seed, uint64_t stream); /* xoshiro256** */
uint64_t rng_next(NnRng *rng);
uint64_t rng_below(NnRng *rng, uint64_t n); /* 0 .. n-1, without bias */
double rng_uniform(NnRng *rng);             /* [0, 1) */
double rng_normal(NnRng *rng);
void rng_shuffle(NnRng *rng, uint32_t *items, size_t n); /* Fisher-Yates */

#endif /* NN_RNG_H */
