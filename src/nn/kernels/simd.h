/*
 * simd.h: kernels written with a CPU's vector instructions, where a compiler does not find them.
 *
 *   simd_avx512.h, simd_avx2.h, simd_neon.h   a vector, and the instructions on it, under common names
 *   gemm_kernel.h, matvec_kernel.h,
 *   adam_kernel.h                             the kernels, in these names
 *   kernels_avx512.c, kernels_avx2.c,
 *   kernels_neon.c                            the kernels for one kind of vector
 *
 * On a CPU that can run none, the BLAS library and the plain formula in train/ take their place.
 */
#ifndef NN_SIMD_H
#define NN_SIMD_H

#include "nn/kernels/adam_step.h"
#include "nn/pool.h"

#define NN_MATVEC_VECTORS 13 /* at most: with x, what AVX2's 16 registers hold */

typedef struct NnSimdKernels {
    const char *name;
    const char *openblas_core; /* what OpenBLAS calls kernels as wide; NULL: it may choose */
    /* as gemm(); k >= 1 */
    void (*gemm)(bool transpose_a, bool transpose_b, int m, int n, int k, const float *a, int lda,
                 const float *b, int ldb, bool add, float *c, int ldc);
    /* c [n] (+)= a [k] B, with B [k, n] as stored, or transposed; k >= 1 */
    void (*gemv)(bool transpose_b, int n, int k, const float *a, const float *b, int ldb, bool add, float *c);
    int lanes; /* of a vector */
    int depth; /* how many terms gemm and gemv sum at a time, each such sum being added to the ones before */
    /*
     * y [vectors * lanes] = x [d_in] w; w [d_in, vectors * lanes]; 1 <= vectors <= NN_MATVEC_VECTORS. Rows of
     * w where eight x are zero may be left out.
     */
    void (*matvec)(float *y, const float *x, const float *w, int d_in, int vectors);
    /* as adam_step_plain() in adam.c and adam_replay_plain() in replay.c. first: number of the first step */
    void (*adam_step)(float *w, float *m, float *v, const float *gradient, float scale, size_t n, float decay,
                      NnAdamStep step);
    void (*adam_replay)(float *w, float *m, float *v, size_t n, float decay, NnAdamKeep keep,
                        const NnAdamStep *steps, int64_t first, int64_t n_steps);
} NnSimdKernels;

#if defined(__x86_64__) && defined(__GNUC__)
#define NN_SIMD_X86
extern const NnSimdKernels simd_avx512, simd_avx2;
#elif defined(__aarch64__) && defined(__GNUC__) && !defined(__AARCH64EB__)
#define NN_SIMD_NEON /* a part of every such CPU */
extern const NnSimdKernels simd_neon;
#endif

/* The i-th of those that this CPU can run, the widest first; NULL when there are no more. */
static inline const NnSimdKernels *
simd_kernels(int i)
{
#ifdef NN_SIMD_X86
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512cd") && i-- == 0)
        return &simd_avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && i-- == 0)
        return &simd_avx2;
#elif defined(NN_SIMD_NEON)
    if (i-- == 0)
        return &simd_neon;
#endif
    (void)i;
    return NULL;
}

#endif /* NN_SIMD_H */
