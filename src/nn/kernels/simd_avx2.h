/* simd_avx2.h: AVX2's and FMA's instructions under the names of simd.h: 16 registers of 8 floats. */
#include <immintrin.h>

#define SIMD        __attribute__((target("avx2,fma")))
#define SIMD_INLINE static inline __attribute__((always_inline)) SIMD

#define LANES        8
#define TILE_ROWS    6 /* gemm_kernel.h: TILE_ROWS * MOST_VECTORS sums leave registers for their terms */
#define MOST_VECTORS 2
#define DEPTH        256

typedef __m256 Vector;
typedef __m256 Mask; /* all bits of a lane, or none */

SIMD_INLINE Vector
zero(void)
{
    return _mm256_setzero_ps();
}

SIMD_INLINE Vector
splat(float x)
{
    return _mm256_set1_ps(x);
}

SIMD_INLINE Vector
load(const float *x)
{
    return _mm256_loadu_ps(x);
}

SIMD_INLINE void
store(float *x, Vector a)
{
    _mm256_storeu_ps(x, a);
}

/* x[0 .. n-1], then zeros; 1 <= n <= LANES. Nothing behind x[n - 1] is touched, also when storing. */
SIMD_INLINE Vector
load_lanes(const float *x, int n)
{
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);

    return n == LANES ? load(x) : _mm256_maskload_ps(x, _mm256_cmpgt_epi32(_mm256_set1_epi32(n), lane));
}

/*
 * Part of a vector goes by way of memory: AMD's CPUs take tens of clocks for the instruction that stores
 * under a mask.
 */
SIMD_INLINE void
store_lanes(float *x, Vector a, int n)
{
    float lanes[LANES];

    if (n == LANES) {
        store(x, a);
        return;
    }
    store(lanes, a);
    for (int i = 0; i < n; i++)
        x[i] = lanes[i];
}

SIMD_INLINE Vector
add(Vector a, Vector b)
{
    return _mm256_add_ps(a, b);
}

SIMD_INLINE Vector
mul(Vector a, Vector b)
{
    return _mm256_mul_ps(a, b);
}

SIMD_INLINE Vector
larger(Vector a, Vector b)
{
    return _mm256_max_ps(a, b);
}

/* a b + c */
SIMD_INLINE Vector
fmadd(Vector a, Vector b, Vector c)
{
    return _mm256_fmadd_ps(a, b, c);
}

/* c - a b */
SIMD_INLINE Vector
fnmadd(Vector a, Vector b, Vector c)
{
    return _mm256_fnmadd_ps(a, b, c);
}

/* about 1 / sqrt(a) and 1 / a, to 12 bits */
SIMD_INLINE Vector
estimate_rsqrt(Vector a)
{
    return _mm256_rsqrt_ps(a);
}

SIMD_INLINE Vector
estimate_reciprocal(Vector a)
{
    return _mm256_rcp_ps(a);
}

/* where |a| or |b| is not below the limit, or is no number */
SIMD_INLINE Mask
either_reaches(Vector a, Vector b, float limit)
{
    const __m256 sign = splat(-0.0f);

    return _mm256_or_ps(_mm256_cmp_ps(_mm256_andnot_ps(sign, a), splat(limit), _CMP_NLT_UQ),
                        _mm256_cmp_ps(_mm256_andnot_ps(sign, b), splat(limit), _CMP_NLT_UQ));
}

/* a where the mask is set, 0 elsewhere */
SIMD_INLINE Vector
keep_where(Mask mask, Vector a)
{
    return _mm256_and_ps(mask, a);
}

SIMD_INLINE Vector
or_bits(Vector a, Vector b)
{
    return _mm256_or_ps(a, b);
}

SIMD_INLINE bool
no_bits(Vector a)
{
    const __m256i bits = _mm256_castps_si256(a);

    return _mm256_testz_si256(bits, bits);
}

/* r [LANES] = its transpose */
SIMD_INLINE void
transpose(Vector *r)
{
    Vector t[LANES];

    /* pairs of numbers, pairs of pairs, then halves of the vectors change places */
    for (int i = 0; i < LANES; i += 2) {
        t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
    for (int i = 0; i < LANES; i += 4)
        for (int j = 0; j < 2; j++) {
            r[i + 2 * j] = _mm256_shuffle_ps(t[i + j], t[i + j + 2], 0x44);
            r[i + 2 * j + 1] = _mm256_shuffle_ps(t[i + j], t[i + j + 2], 0xEE);
        }
    for (int i = 0; i < 4; i++) {
        t[i] = _mm256_permute2f128_ps(r[i], r[i + 4], 0x20);
        t[i + 4] = _mm256_permute2f128_ps(r[i], r[i + 4], 0x31);
    }
    for (int i = 0; i < LANES; i++)
        r[i] = t[i];
}
