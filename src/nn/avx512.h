/*
 * avx512.h: kernels for CPUs with AVX-512, written with its instructions where a compiler does not find them. Each
 * has a plain twin that other CPUs use; which one runs is decided by cpu_has_avx512().
 */
#ifndef NN_AVX512_H
#define NN_AVX512_H

#include "adam.h"

#if defined(__x86_64__) && defined(__GNUC__)
#define NN_AVX512        __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,fma")))
#define NN_AVX512_INLINE static inline __attribute__((always_inline)) NN_AVX512

/* gemm_avx512.c; its twin is the BLAS library. As gemm(); k >= 1. */
void gemm_avx512(bool transpose_a, bool transpose_b, int m, int n, int k, const float *a, int lda,
                 const float *b, int ldb, bool add, float *c, int ldc);

/* adam_avx512.c; as adam_step_plain() and adam_replay_plain() in adam.c. first: number of the first step */
void adam_step_avx512(float *restrict w, float *restrict m, float *restrict v, const float *restrict gradient,
                      float scale, size_t n, float decay, AdamStep step);
void adam_replay_avx512(float *restrict w, float *restrict m, float *restrict v, size_t n, float decay,
                        AdamKeep keep, const AdamStep *restrict steps, int64_t first, int64_t n_steps);

static inline bool
cpu_has_avx512(void)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512cd");
}
#else
static inline bool
cpu_has_avx512(void)
{
    return false;
}
#endif

#endif /* NN_AVX512_H */
