/*
 * adam_avx512.c: Adam's formula for CPUs with AVX-512.
 *
 * A square root and a division of 16 floats take such a CPU longer than all the rest of the formula. Both are
 * replaced by the CPU's estimates (14 bits), each made exact to about a unit in the last place by one step of
 * Newton's method. Replayed steps keep their numbers in registers from the first to the last.
 *
 * A row that has come to rest (see adam.h) costs a replay next to nothing: its steps only shrink v.
 */
#include "avx512.h"

#ifdef NN_AVX512

#include <float.h>
#include <immintrin.h>

#define LANES   16
#define AT_ONCE 8 /* vectors that are replayed side by side: enough to hide the estimates' latency */

typedef struct State {
    __m512 w, m, v;
} State;

/* 1 / (sqrt(v) + epsilon); v > 0 */
NN_AVX512_INLINE __m512
inverse_root(__m512 v, __m512 epsilon)
{
    const __m512 one = _mm512_set1_ps(1), half = _mm512_set1_ps(0.5f), r = _mm512_rsqrt14_ps(v);
    __m512 root = _mm512_mul_ps(v, r), d, q;

    root = _mm512_fmadd_ps(_mm512_mul_ps(root, half), _mm512_fnmadd_ps(root, r, one), root);
    d = _mm512_add_ps(root, epsilon);
    q = _mm512_rcp14_ps(d);
    return _mm512_fmadd_ps(q, _mm512_fnmadd_ps(d, q, one), q);
}

/* adam_element in adam.c, where the gradient's share of the moments is m_part and v_part already */
NN_AVX512_INLINE State
adam_vector(State s, __m512 m_part, __m512 v_part, AdamBetas b, AdamStep step)
{
    s.m = _mm512_fmadd_ps(_mm512_set1_ps(b.beta1), s.m, m_part);
    s.v = _mm512_fmadd_ps(_mm512_set1_ps(b.beta2), s.v, v_part);
    s.w = _mm512_fnmadd_ps(_mm512_mul_ps(_mm512_set1_ps(step.rate), s.m),
                           inverse_root(s.v, _mm512_set1_ps(step.epsilon)), s.w);
    return s;
}

/* x^2 * factor, but never 0, whose inverse root is no number */
NN_AVX512_INLINE __m512
square(__m512 x, float factor)
{
    return _mm512_fmadd_ps(_mm512_mul_ps(x, x), _mm512_set1_ps(factor), _mm512_set1_ps(FLT_MIN));
}

/* g: the gradient without L2 */
NN_AVX512_INLINE State
adam_with_gradient(State s, __m512 g, AdamBetas b, AdamStep step)
{
    g = _mm512_fmadd_ps(_mm512_set1_ps(b.decay), s.w, g);
    return adam_vector(s, _mm512_mul_ps(_mm512_set1_ps(1 - b.beta1), g), square(g, 1 - b.beta2), b, step);
}

/* the gradient is that of L2 alone: its factors are one number each */
NN_AVX512_INLINE State
adam_without_gradient(State s, AdamBetas b, AdamStep step)
{
    const float m_factor = (1 - b.beta1) * b.decay, v_factor = (1 - b.beta2) * b.decay * b.decay;

    return adam_vector(s, _mm512_mul_ps(_mm512_set1_ps(m_factor), s.w), square(s.w, v_factor), b, step);
}

NN_AVX512_INLINE State
load(const float *w, const float *m, const float *v)
{
    return (State){_mm512_loadu_ps(w), _mm512_loadu_ps(m), _mm512_loadu_ps(v)};
}

NN_AVX512_INLINE void
store(State s, float *w, float *m, float *v)
{
    _mm512_storeu_ps(w, s.w);
    _mm512_storeu_ps(m, s.m);
    _mm512_storeu_ps(v, s.v);
}

NN_AVX512 void
adam_step_avx512(float *restrict w, float *restrict m, float *restrict v, const float *restrict gradient,
                 float scale, size_t n, AdamBetas b, AdamStep step)
{
    for (size_t i = 0; i < n; i += LANES) {
        const __m512 g = _mm512_mul_ps(_mm512_set1_ps(scale), _mm512_loadu_ps(gradient + i));

        store(adam_with_gradient(load(w + i, m + i, v + i), g, b, step), w + i, m + i, v + i);
    }
}

/* adam_settle in adam.c */
NN_AVX512_INLINE State
settle(State s, AdamBetas b)
{
    const __m512 limit = _mm512_set1_ps(ADAM_NEARLY_ZERO), pull = _mm512_mul_ps(_mm512_set1_ps(b.decay), s.w);
    const __mmask16 moving = _mm512_cmp_ps_mask(_mm512_abs_ps(s.m), limit, _CMP_NLT_UQ) |
                             _mm512_cmp_ps_mask(_mm512_abs_ps(pull), limit, _CMP_NLT_UQ);

    s.m = _mm512_maskz_mov_ps(moving, s.m);
    s.w = _mm512_maskz_mov_ps(b.decay > 0 ? moving : 0xFFFF, s.w);
    return s;
}

/* without momentum, nor anything that could give it any: all settled */
NN_AVX512_INLINE bool
at_rest(const State *s, AdamBetas b, const int vectors)
{
    __m512i bits = _mm512_setzero_si512();

    for (int i = 0; i < vectors; i++) {
        bits = _mm512_or_si512(bits, _mm512_castps_si512(s[i].m));
        if (b.decay > 0)
            bits = _mm512_or_si512(bits, _mm512_castps_si512(s[i].w));
    }
    return _mm512_test_epi32_mask(bits, bits) == 0;
}

/* `vectors` of them from w, m and v on; first: number of the first step */
NN_AVX512_INLINE void
replay_vectors(float *restrict w, float *restrict m, float *restrict v, AdamBetas b,
               const AdamStep *restrict steps, int64_t first, int64_t n_steps, const int vectors)
{
    State s[AT_ONCE];

    for (int i = 0; i < vectors; i++)
        s[i] = load(w + i * LANES, m + i * LANES, v + i * LANES);
    for (int64_t step = 0; step < n_steps;) {
        const int64_t left = ADAM_SETTLE_STEPS - (first + step) % ADAM_SETTLE_STEPS;
        const int64_t end = left < n_steps - step ? step + left : n_steps;

        if (at_rest(s, b, vectors)) {
            for (; step < end; step++)
                for (int i = 0; i < vectors; i++)
                    s[i].v = _mm512_fmadd_ps(_mm512_set1_ps(b.beta2), s[i].v, _mm512_set1_ps(FLT_MIN));
        } else {
            for (; step < end; step++)
                for (int i = 0; i < vectors; i++)
                    s[i] = adam_without_gradient(s[i], b, steps[step]);
        }
        for (int i = 0; i < vectors && (first + step) % ADAM_SETTLE_STEPS == 0; i++)
            s[i] = settle(s[i], b);
    }
    for (int i = 0; i < vectors; i++)
        store(s[i], w + i * LANES, m + i * LANES, v + i * LANES);
}

NN_AVX512 void
adam_replay_avx512(float *restrict w, float *restrict m, float *restrict v, size_t n, AdamBetas b,
                   const AdamStep *restrict steps, int64_t first, int64_t n_steps)
{
    size_t i = 0;

    for (; n - i >= AT_ONCE * LANES; i += AT_ONCE * LANES)
        replay_vectors(w + i, m + i, v + i, b, steps, first, n_steps, AT_ONCE);
    for (; i < n; i += LANES)
        replay_vectors(w + i, m + i, v + i, b, steps, first, n_steps, 1);
}

#endif /* NN_AVX512 */
