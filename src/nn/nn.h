/*
 * nn.h: the engine that trains and runs click-through-rate networks. It knows no PostgreSQL.
 *
 * Glossary
 *   B          rows of a batch               n      rows of a block (at most NN_BLOCK of one batch)
 *   d          width of a tensor             ld     floats from one row of a tensor to the next
 *   field      one input column              code   a category's row in its field's table, 0 .. categories-1
 *   table      an embedding's weights, one row per category; only rows of a batch are read in a step
 *   dense      every other trained parameter buffer a parameter that is saved but not trained (running mean)
 *   logit      what the network says before the sigmoid (one class) or the softmax (several)
 *
 * How it is built
 *   1. An architecture (arch/) appends layers (layers/) to an NnNet. Each layer names its input and output
 *      tensors and its parameters; both are only descriptions: (name, shape, offset).
 *   2. net_finish() gives every parameter its offset in ONE block of floats: dense, then tables, then
 *      buffers. Saving, loading, Adam, counting and checking are single loops over that table.
 *   3. A layer's type is a row of functions over a block of rows. The executors (train/trainer.c,
 *      infer/scorer.c) cut the batch into blocks and give them to the threads; where a layer needs the whole
 *      batch (batch normalisation) they wait for all.
 *
 * Same bits for any number of threads
 *   A batch is always cut into the same lanes (at most NN_LANES, contiguous) and a lane into the same blocks,
 *   whatever the number of threads. A lane has its own gradients and sums, added up in lane order afterwards.
 *
 * Memory
 *   All memory comes from the caller's NnAlloc, before the first step; nothing is freed one by one.
 *   Errors are returned (NnStatus). Worker threads touch only this memory.
 */
#ifndef NN_H
#define NN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if SIZE_MAX < UINT64_MAX
#error "ctr needs a 64-bit platform: sizes of models and of batches are computed in size_t"
#endif

#define NN_BLOCK                                                                                             \
    256 /* rows that one layer function sees: few, so that what it wrote is still in a near cache */
#define NN_LANES      8  /* gradient accumulators; more would allow more threads and cost more additions */
#define NN_LANE_ROWS  64 /* a lane has at least so many rows: tiny batches are not worth cutting */
#define NN_MAX_MLP    16
#define NN_STEPS_MOST INT64_C(0x1FFFFFFFFFFFFF) /* that a saved count of steps can say: 2^53 - 1 */
#define NN_MAX_NAME   96
#define NN_ALIGN      16 /* floats; every parameter and tensor starts on a cache line */

/*
 * A function of element-wise loops, compiled for the widest vectors that the CPU may have and chosen when the
 * library is loaded, which musl's loader cannot do. Sanitizers start after such choices are made, so they get
 * the plain version. "fma" alone, which older compilers must do with, has no vectors of eight integers, and
 * loops with a few integers then get half as wide.
 */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && defined(__GLIBC__) &&                 \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#if __GNUC__ >= 12
#define NN_KERNEL __attribute__((target_clones("avx512f", "arch=x86-64-v3", "default")))
#else
#define NN_KERNEL __attribute__((target_clones("avx512f", "fma", "default")))
#endif
#else
#define NN_KERNEL
#endif

typedef enum NnStatus {
    NN_OK,
    NN_INTERRUPTED, /* the caller's interrupt said so; the same call goes on */
    NN_NO_MEMORY,
    NN_NO_BLAS, /* see blas_error() */
    NN_BAD_CONFIG
} NnStatus;

/*
 * Rows of a tensor or of a matrix: row r begins at p + r * ld. NnRowsIn are rows that are read; as such every
 * NnRows shows itself by its `in`, so that a call says which of its arguments it writes.
 */
typedef struct NnRowsIn {
    const float *p;
    int ld;
} NnRowsIn;

typedef union NnRows {
    struct {
        float *p;
        int ld;
    };
    NnRowsIn in;
} NnRows;

static inline NnRows
rows_of(float *p, int ld)
{
    return (NnRows){{p, ld}};
}

static inline NnRowsIn
rows_in(const float *p, int ld)
{
    return (NnRowsIn){p, ld};
}

static inline float *
rows_row(NnRows y, int r)
{
    return y.p + (size_t)r * (size_t)y.ld;
}

static inline const float *
rows_in_row(NnRowsIn x, int r)
{
    return x.p + (size_t)r * (size_t)x.ld;
}

/* from row r and column c on */
static inline NnRows
rows_part(NnRows y, int r, int c)
{
    return rows_of(rows_row(y, r) + c, y.ld);
}

static inline NnRowsIn
rows_in_part(NnRowsIn x, int r, int c)
{
    return rows_in(rows_in_row(x, r) + c, x.ld);
}

/* Returns zeroed memory aligned to 64 bytes, or NULL. Freed by its owner as a whole. */
typedef struct NnAlloc {
    void *(*alloc)(void *owner, size_t size);
    void *owner;
} NnAlloc;

/*
 * Called by long work of the caller's own thread every few milliseconds, where all memory is as its owner may
 * free it: so it may never return. NULL: nobody waits.
 */
typedef void (*NnPause)(void);

#endif /* NN_H */
