/* simd_neon.h: the instructions of 64-bit ARM under the names of simd.h: 32 registers of 4 floats. */
#include <arm_neon.h>

#define SIMD        /* every such CPU has them */
#define SIMD_INLINE static inline __attribute__((always_inline)) SIMD

#define LANES        4
#define TILE_ROWS    8 /* gemm_kernel.h: TILE_ROWS * MOST_VECTORS sums leave registers for their terms */
#define MOST_VECTORS 3
#define DEPTH        256

typedef float32x4_t Vector;
typedef uint32x4_t Mask; /* all bits of a lane, or none */

SIMD_INLINE Vector
zero(void)
{
    return vdupq_n_f32(0);
}

SIMD_INLINE Vector
splat(float x)
{
    return vdupq_n_f32(x);
}

SIMD_INLINE Vector
load(const float *x)
{
    return vld1q_f32(x);
}

SIMD_INLINE void
store(float *x, Vector a)
{
    vst1q_f32(x, a);
}

/* x[0 .. n-1], then zeros; 1 <= n <= LANES. Nothing behind x[n - 1] is touched, also when storing. */
SIMD_INLINE Vector
load_lanes(const float *x, int n)
{
    Vector a;

    if (n == LANES)
        return load(x);
    a = vld1q_lane_f32(x, zero(), 0);
    if (n > 1)
        a = vld1q_lane_f32(x + 1, a, 1);
    if (n > 2)
        a = vld1q_lane_f32(x + 2, a, 2);
    return a;
}

SIMD_INLINE void
store_lanes(float *x, Vector a, int n)
{
    if (n == LANES) {
        store(x, a);
        return;
    }
    vst1q_lane_f32(x, a, 0);
    if (n > 1)
        vst1q_lane_f32(x + 1, a, 1);
    if (n > 2)
        vst1q_lane_f32(x + 2, a, 2);
}

SIMD_INLINE Vector
add(Vector a, Vector b)
{
    return vaddq_f32(a, b);
}

SIMD_INLINE Vector
mul(Vector a, Vector b)
{
    return vmulq_f32(a, b);
}

SIMD_INLINE Vector
larger(Vector a, Vector b)
{
    return vmaxnmq_f32(a, b);
}

/* a b + c */
SIMD_INLINE Vector
fmadd(Vector a, Vector b, Vector c)
{
    return vfmaq_f32(c, a, b);
}

/* c - a b */
SIMD_INLINE Vector
fnmadd(Vector a, Vector b, Vector c)
{
    return vfmsq_f32(c, a, b);
}

/*
 * About 1 / sqrt(a) and 1 / a, to 15 bits: the CPU's own estimates have 8, and a step of Newton's method
 * doubles them.
 */
SIMD_INLINE Vector
estimate_rsqrt(Vector a)
{
    const Vector r = vrsqrteq_f32(a);

    return mul(r, vrsqrtsq_f32(mul(a, r), r));
}

SIMD_INLINE Vector
estimate_reciprocal(Vector a)
{
    const Vector r = vrecpeq_f32(a);

    return mul(r, vrecpsq_f32(a, r));
}

/* where |a| or |b| is not below the limit, or is no number */
SIMD_INLINE Mask
either_reaches(Vector a, Vector b, float limit)
{
    return vmvnq_u32(vandq_u32(vcaltq_f32(a, splat(limit)), vcaltq_f32(b, splat(limit))));
}

/* a where the mask is set, 0 elsewhere */
SIMD_INLINE Vector
keep_where(Mask mask, Vector a)
{
    return vreinterpretq_f32_u32(vandq_u32(mask, vreinterpretq_u32_f32(a)));
}

SIMD_INLINE Vector
or_bits(Vector a, Vector b)
{
    return vreinterpretq_f32_u32(vorrq_u32(vreinterpretq_u32_f32(a), vreinterpretq_u32_f32(b)));
}

SIMD_INLINE bool
no_bits(Vector a)
{
    return vmaxvq_u32(vreinterpretq_u32_f32(a)) == 0;
}

/* r [LANES] = its transpose */
SIMD_INLINE void
transpose(Vector *r)
{
    Vector t[LANES];

    /* pairs of numbers, then halves of the vectors change places */
    for (int i = 0; i < LANES; i += 2) {
        t[i] = vtrn1q_f32(r[i], r[i + 1]);
        t[i + 1] = vtrn2q_f32(r[i], r[i + 1]);
    }
    for (int i = 0; i < 2; i++) {
        r[i] = vcombine_f32(vget_low_f32(t[i]), vget_low_f32(t[i + 2]));
        r[i + 2] = vcombine_f32(vget_high_f32(t[i]), vget_high_f32(t[i + 2]));
    }
}
