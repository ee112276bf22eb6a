/* simd_avx512.h: AVX-512's instructions under the names of simd.h: 32 registers of 16 floats. */
#include <immintrin.h>

#define SIMD        __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,fma")))
#define SIMD_INLINE static inline __attribute__((always_inline)) SIMD

#define LANES        16
#define TILE_ROWS    8 /* gemm_kernel.h: TILE_ROWS * MOST_VECTORS sums leave registers for their terms */
#define MOST_VECTORS 3
#define DEPTH        128

typedef __m512 Vector;
typedef __mmask16 Mask;

SIMD_INLINE Vector
zero(void)
{
    return _mm512_setzero_ps();
}

SIMD_INLINE Vector
splat(float x)
{
    return _mm512_set1_ps(x);
}

SIMD_INLINE Vector
load(const float *x)
{
    return _mm512_loadu_ps(x);
}

SIMD_INLINE void
store(float *x, Vector a)
{
    _mm512_storeu_ps(x, a);
}

SIMD_INLINE __mmask16
first_lanes(int n)
{
    return (__mmask16)(0xFFFF >> (LANES - n));
}

/* x[0 .. n-1], then zeros; 1 <= n <= LANES. Nothing behind x[n - 1] is touched, also when storing. */
SIMD_INLINE Vector
load_lanes(const float *x, int n)
{
    return _mm512_maskz_loadu_ps(first_lanes(n), x);
}

SIMD_INLINE void
store_lanes(float *x, Vector a, int n)
{
    _mm512_mask_storeu_ps(x, first_lanes(n), a);
}

SIMD_INLINE Vector
add(Vector a, Vector b)
{
    return _mm512_add_ps(a, b);
}

SIMD_INLINE Vector
mul(Vector a, Vector b)
{
    return _mm512_mul_ps(a, b);
}

SIMD_INLINE Vector
larger(Vector a, Vector b)
{
    return _mm512_max_ps(a, b);
}

/* a b + c */
SIMD_INLINE Vector
fmadd(Vector a, Vector b, Vector c)
{
    return _mm512_fmadd_ps(a, b, c);
}

/* c - a b */
SIMD_INLINE Vector
fnmadd(Vector a, Vector b, Vector c)
{
    return _mm512_fnmadd_ps(a, b, c);
}

/* about 1 / sqrt(a) and 1 / a, to 14 bits */
SIMD_INLINE Vector
estimate_rsqrt(Vector a)
{
    return _mm512_rsqrt14_ps(a);
}

SIMD_INLINE Vector
estimate_reciprocal(Vector a)
{
    return _mm512_rcp14_ps(a);
}

/* where |a| or |b| is not below the limit, or is no number */
SIMD_INLINE Mask
either_reaches(Vector a, Vector b, float limit)
{
    return _mm512_cmp_ps_mask(_mm512_abs_ps(a), splat(limit), _CMP_NLT_UQ) |
           _mm512_cmp_ps_mask(_mm512_abs_ps(b), splat(limit), _CMP_NLT_UQ);
}

/* a where the mask is set, 0 elsewhere */
SIMD_INLINE Vector
keep_where(Mask mask, Vector a)
{
    return _mm512_maskz_mov_ps(mask, a);
}

SIMD_INLINE Vector
or_bits(Vector a, Vector b)
{
    return _mm512_or_ps(a, b);
}

SIMD_INLINE bool
no_bits(Vector a)
{
    const __m512i bits = _mm512_castps_si512(a);

    return _mm512_test_epi32_mask(bits, bits) == 0;
}

/* r [LANES] = its transpose */
SIMD_INLINE void
transpose(Vector *r)
{
    Vector t[LANES];

    /* pairs of numbers, pairs of pairs, then quarters of the vectors change places */
    for (int i = 0; i < LANES; i += 2) {
        t[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
    }
    for (int i = 0; i < LANES; i += 4)
        for (int j = 0; j < 2; j++) {
            const __m512d a = _mm512_castps_pd(t[i + j]), b = _mm512_castps_pd(t[i + j + 2]);

            r[i + 2 * j] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, b));
            r[i + 2 * j + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, b));
        }
    for (int half = 0; half < LANES; half += 8)
        for (int i = half; i < half + 4; i++) {
            t[i] = _mm512_shuffle_f32x4(r[i], r[i + 4], 0x88);
            t[i + 4] = _mm512_shuffle_f32x4(r[i], r[i + 4], 0xDD);
        }
    for (int i = 0; i < 8; i++) {
        r[i] = _mm512_shuffle_f32x4(t[i], t[i + 8], 0x88);
        r[i + 8] = _mm512_shuffle_f32x4(t[i], t[i + 8], 0xDD);
    }
}
