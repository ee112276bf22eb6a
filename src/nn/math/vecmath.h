/*
 * vecmath.h: exp, tanh, sigmoid and softplus to float rounding (a few ulp), without branches, tables or
 * calls, so that a compiler turns loops over them into vector code.
 *
 * exp and tanh after Cephes (S. L. Moshier, expf.c and tanhf.c: range reduction and minimax polynomials).
 */
#ifndef NN_VECMATH_H
#define NN_VECMATH_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#define NN_INLINE static inline __attribute__((always_inline))

/* 2^n for -126 <= n <= 127 */
NN_INLINE float
nn_exp2i(int32_t n)
{
    uint32_t bits = (uint32_t)(n + 127) << 23;
    float x;

    memcpy(&x, &bits, sizeof(x));
    return x;
}

/* 0 below -103.97, infinity above 88.72, NaN for NaN */
NN_INLINE float
nn_expf(float x)
{
    const float round = 12582912.0f; /* 1.5 * 2^23: adding it leaves an integer in the low bits */
    float t, n, r, p;
    int32_t bits, half;

    x = x < -104.0f ? -104.0f : x;
    x = x > 89.0f ? 89.0f : x;
    t = x * 1.44269504088896341f + round;
    n = t - round;
    /* ln 2 in two parts, the first exact in few bits */
    r = x - n * 0.693359375f;
    r = r - n * -2.12194440e-4f;
    p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * (r * r) + r + 1.0f;
    /* 2^n in two factors, because n reaches beyond a float's exponent at both ends */
    memcpy(&bits, &t, sizeof(bits));
    bits = (int32_t)((uint32_t)bits - 0x4B400000u);
    half = bits >> 1;
    return p * nn_exp2i(half) * nn_exp2i(bits - half);
}

NN_INLINE float
nn_sigmoidf(float x)
{
    return 1.0f / (1.0f + nn_expf(-x));
}

NN_INLINE float
nn_tanhf(float x)
{
    float a = fabsf(x), s = x * x, p, small, large;

    p = -5.70498872745e-3f;
    p = p * s + 2.06390887954e-2f;
    p = p * s - 5.37397155531e-2f;
    p = p * s + 1.33314422036e-1f;
    p = p * s - 3.33332819422e-1f;
    small = p * s * x + x;
    large = copysignf(1.0f - 2.0f / (nn_expf(2.0f * a) + 1.0f), x);
    return a < 0.625f ? small : large;
}

/* log(1 + exp(x)) */
NN_INLINE float
nn_softplusf(float x)
{
    /* log(1 + u) = 2 artanh(u / (2 + u)) for u = exp(-|x|) in (0, 1]: the series converges like 9^-k */
    float u = nn_expf(-fabsf(x)), s = u / (2.0f + u), z = s * s, p;

    p = 1.0f / 15.0f;
    p = p * z + 1.0f / 13.0f;
    p = p * z + 1.0f / 11.0f;
    p = p * z + 1.0f / 9.0f;
    p = p * z + 1.0f / 7.0f;
    p = p * z + 1.0f / 5.0f;
    p = p * z + 1.0f / 3.0f;
    p = p * z + 1.0f;
    return (x > 0.0f ? x : 0.0f) + 2.0f * s * p;
}

#endif /* NN_VECMATH_H */
