/*
 * unit.h: a test program's checks and its closing line, and an allocator for the engine.
 *
 *     int main(void) { RUN(some_test); return unit_end(); }
 */
#ifndef UNIT_H
#define UNIT_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/arch/arch.h"
#include "nn/infer/scorer.h"
#include "nn/layers/layers.h"
#include "nn/math/evaluation.h"
#include "nn/math/loss.h"
#include "nn/math/metrics.h"
#include "nn/math/products.h"
#include "nn/math/rng.h"
#include "nn/math/transform.h"
#include "nn/train/calibration.h"
#include "nn/train/schedule.h"
#include "nn/train/trainer.h"

static int unit_passed, unit_failed;

/* one check; the message is printed only when it fails */
#define CHECK(condition) CHECK_MESSAGE(condition, "%s", #condition)

#define CHECK_MESSAGE(condition, ...)                                                                        \
    do {                                                                                                     \
        if (condition) {                                                                                     \
            unit_passed++;                                                                                   \
        } else {                                                                                             \
            unit_failed++;                                                                                   \
            printf("%s:%d: %s: ", __FILE__, __LINE__, __func__);                                             \
            printf(__VA_ARGS__);                                                                             \
            putchar('\n');                                                                                   \
        }                                                                                                    \
    } while (0)

/* |a - b| <= tolerance; NaN fails */
#define CHECK_NEAR(a, b, tolerance)                                                                          \
    do {                                                                                                     \
        double near_a = (a), near_b = (b);                                                                   \
        CHECK_MESSAGE(fabs(near_a - near_b) <= (tolerance), "%s = %.9g, %s = %.9g", #a, near_a, #b, near_b); \
    } while (0)

#define RUN(test) test()

/* On a CPU that a program plays, at a twentieth to a fiftieth of the speed: long tests are for others. */
static inline bool
unit_emulated(void)
{
    return getenv("UNIT_EMULATED") != NULL;
}

/* prints "N passed, N failed"; the program's exit code */
static inline int
unit_end(void)
{
    printf("%d passed, %d failed\n", unit_passed, unit_failed);
    return unit_failed > 0 || unit_passed == 0;
}

/* ------------------------------------------------------------------ memory */

typedef struct UnitMemory {
    void **blocks;
    int n;
} UnitMemory;

static inline void *
unit_take(void *owner, size_t size)
{
    UnitMemory *memory = owner;
    void *block = aligned_alloc(64, (size + 64) / 64 * 64);

    memory->blocks = realloc(memory->blocks, (size_t)(memory->n + 1) * sizeof(void *));
    if (!block || !memory->blocks)
        abort();
    memory->blocks[memory->n++] = block;
    return memset(block, 0, size);
}

static inline NnAlloc
unit_alloc(UnitMemory *memory)
{
    return (NnAlloc){unit_take, memory};
}

/* The same, full of NaN. */
static inline void *
unit_take_dirty(void *owner, size_t size)
{
    return memset(unit_take(owner, size), 0xff, size);
}

/*
 * A scorer whose weights have been copied elsewhere since they were prepared, and whose memory held NaN: it may
 * depend on neither.
 */
static inline NnScorer *
unit_scorer(UnitMemory *memory, const NnNet *net, const float *params, int capacity)
{
    const size_t size = scorer_weights_size(net);
    void *weights = unit_take_dirty(memory, size), *copy = unit_take(memory, size);
    NnScorer *scorer = NULL;

    scorer_prepare(net, params, weights, NULL);
    memcpy(copy, weights, size);
    memset(weights, 0xff, size);
    CHECK(scorer_create(&scorer, net, params, copy, capacity,
                        (NnAlloc){.alloc = unit_take_dirty, .owner = memory}) == NN_OK);
    return scorer;
}

static inline void
unit_release(UnitMemory *memory)
{
    for (int i = 0; i < memory->n; i++)
        free(memory->blocks[i]);
    free(memory->blocks);
    *memory = (UnitMemory){0};
}

#endif /* UNIT_H */
