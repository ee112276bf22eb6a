/*
 * rows.h: Criteo-shaped rows by the million for benchmarks: 13 numbers and 26 categories, of which a million
 * rows show 1.3 million values, five columns between 150,000 and 300,000 each.
 *
 * Everything is a hash of (row, column): any row can be made on its own, and the same way by every program.
 * Labels depend a little on a few columns, so that training has something to find; test/demo/generate.sql
 * plants a harder model and is the one for questions of quality.
 */
#ifndef BENCH_ROWS_H
#define BENCH_ROWS_H

#include "nn/arch/arch.h"
#include "nn/infer/scorer.h"
#include "nn/math/products.h"
#include "nn/math/rng.h"
#include "nn/train/trainer.h"

#define N_NUMBERS    13
#define N_CATEGORIES 26

/*
 * Categories that a column could have. Half of the rows draw evenly from all of them, half from a heavy tail:
 * so a million rows show about 300,000 of 330,000, and a batch of 2048 rows repeats the frequent ones.
 */
static const int bench_categories[N_CATEGORIES] = {
    1400, 550,   330000, 153000, 300,  16,   11000, 600,    3,  40000, 5000,  300000, 3200,
    26,   10500, 235000, 10,     4500, 2000, 4,     165000, 17, 15,    60000, 85,     40000};

/* share of rows without a value, in 256ths */
static const int bench_missing[N_NUMBERS + N_CATEGORIES] = {
    115, 0, 54, 54, 7, 56, 10, 0, 10, 115, 10, 197, 54,  0, 0,   9, 9, 0,   31, 0,
    0,   0, 0,  0,  0, 9,  0,  0, 0,  0,   0,  112, 112, 9, 194, 0, 9, 112, 112};

static inline uint64_t
bench_hash(uint64_t row, int column)
{
    return rng_mix(rng_mix(row) + (uint64_t)column * 0x9e3779b97f4a7c15ULL);
}

static inline double
bench_uniform(uint64_t hash)
{
    return (double)(hash >> 11) * 0x1p-53;
}

static inline bool
bench_is_missing(uint64_t row, int column)
{
    return (int)(bench_hash(row, 100 + column) & 255) < bench_missing[column];
}

/* heavy-tailed whole number, or -1 for a missing one */
static inline int
bench_number(uint64_t row, int column)
{
    double u = bench_uniform(bench_hash(row, column));

    return bench_is_missing(row, column) ? -1 : (int)(4.0 * (1 + column) * u * u / (1.0001 - u));
}

/* category of column 0 … 25 below `limit`, or -1 for a missing one */
static inline int
bench_category(uint64_t row, int column, int limit)
{
    uint64_t hash = bench_hash(row, N_NUMBERS + column);
    double u = bench_uniform(hash);

    if (bench_is_missing(row, N_NUMBERS + column))
        return -1;
    if (hash & 1)
        u = u * u * u * u;
    return (int)(u * limit);
}

/* share of clicks about a quarter, moved by a few columns */
static inline int
bench_label(uint64_t row)
{
    double u = bench_uniform(bench_hash(row, 99));
    double p = 0.1 + 0.2 * (bench_category(row, 5, bench_categories[5]) % 2 == 0) +
               0.2 * (bench_number(row, 6) > 20) * (bench_category(row, 13, bench_categories[13]) > 2);

    return u < p;
}

#endif /* BENCH_ROWS_H */
