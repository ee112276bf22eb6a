/*
 * adam_avx512.c: Adam's formula for CPUs with AVX-512.
 *
 * A square root and a division of 16 floats take such a CPU longer than all the rest of the formula. Both are
 * replaced by the CPU's estimates (14 bits), each made exact to about a unit in the last place by one step of
 * Newton's method. Replayed steps keep their numbers in registers from the first to the last.
 *
 * A row that has come to rest (see adam.h) costs a replay next to nothing: the ends of stretches, which shrink v.
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

/*
 * The formula of adam.h, where the gradient's share of the moments is factor times share. v > 0. Newton's step for the
 * root, v r (3 - v r r) / 2, is left doubled, with the rate and epsilon: a multiplication less.
 */
NN_AVX512_INLINE State
adam_vector(State s, __m512 m_factor, __m512 m_share, __m512 v_factor, __m512 v_share, float rate,
            float epsilon)
{
    const __m512 two = _mm512_set1_ps(2), three = _mm512_set1_ps(3);
    __m512 r, root, d, q;

    s.m = _mm512_fmadd_ps(m_factor, m_share, s.m);
    s.v = _mm512_fmadd_ps(v_factor, v_share, s.v);
    r = _mm512_rsqrt14_ps(s.v);
    root = _mm512_mul_ps(s.v, r);
    d = _mm512_fmadd_ps(root, _mm512_fnmadd_ps(root, r, three), _mm512_set1_ps(2 * epsilon));
    q = _mm512_rcp14_ps(d);
    s.w = _mm512_fnmadd_ps(_mm512_mul_ps(_mm512_mul_ps(_mm512_set1_ps(2 * rate), s.m), q),
                           _mm512_fnmadd_ps(d, q, two), s.w);
    return s;
}

/* g: the gradient without L2 */
NN_AVX512_INLINE State
adam_with_gradient(State s, __m512 g, float decay, AdamStep step)
{
    g = _mm512_fmadd_ps(_mm512_set1_ps(decay), s.w, g);
    return adam_vector(s, _mm512_set1_ps(step.m_part), g, _mm512_set1_ps(step.v_part), _mm512_mul_ps(g, g),
                       step.rate, step.epsilon);
}

/* the gradient is that of L2 alone: its factors are one number each */
NN_AVX512_INLINE State
adam_without_gradient(State s, float decay, AdamStep step)
{
    return adam_vector(s, _mm512_set1_ps(step.m_part * decay), s.w,
                       _mm512_set1_ps(step.v_part * decay * decay), _mm512_mul_ps(s.w, s.w), step.rate,
                       step.epsilon);
}

/* never a v of 0, whose inverse root is no number */
NN_AVX512_INLINE State
load(const float *w, const float *m, const float *v)
{
    return (State){_mm512_loadu_ps(w), _mm512_loadu_ps(m),
                   _mm512_max_ps(_mm512_loadu_ps(v), _mm512_set1_ps(FLT_MIN))};
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
                 float scale, size_t n, float decay, AdamStep step)
{
    for (size_t i = 0; i < n; i += LANES) {
        const __m512 g = _mm512_mul_ps(_mm512_set1_ps(scale), _mm512_loadu_ps(gradient + i));

        store(adam_with_gradient(load(w + i, m + i, v + i), g, decay, step), w + i, m + i, v + i);
    }
}

/* a stretch ends: adam_keep and adam_settle in adam.c */
NN_AVX512_INLINE State
keep_and_settle(State s, float decay, AdamKeep keep)
{
    const __m512 limit = _mm512_set1_ps(ADAM_NEARLY_ZERO), pull = _mm512_mul_ps(_mm512_set1_ps(decay), s.w);
    __mmask16 moving;

    s.m = _mm512_mul_ps(_mm512_set1_ps(keep.m), s.m);
    s.v = _mm512_max_ps(_mm512_mul_ps(_mm512_set1_ps(keep.v), s.v), _mm512_set1_ps(FLT_MIN));
    moving = _mm512_cmp_ps_mask(_mm512_abs_ps(s.m), limit, _CMP_NLT_UQ) |
             _mm512_cmp_ps_mask(_mm512_abs_ps(pull), limit, _CMP_NLT_UQ);
    s.m = _mm512_maskz_mov_ps(moving, s.m);
    s.w = _mm512_maskz_mov_ps(decay > 0 ? moving : 0xFFFF, s.w);
    return s;
}

/* without momentum, nor anything that could give it any: all settled */
NN_AVX512_INLINE bool
at_rest(const State *s, float decay, const int vectors)
{
    __m512i bits = _mm512_setzero_si512();

    for (int i = 0; i < vectors; i++) {
        bits = _mm512_or_si512(bits, _mm512_castps_si512(s[i].m));
        if (decay > 0)
            bits = _mm512_or_si512(bits, _mm512_castps_si512(s[i].w));
    }
    return _mm512_test_epi32_mask(bits, bits) == 0;
}

/* `vectors` of them from w, m and v on; first: number of the first step */
NN_AVX512_INLINE void
replay_vectors(float *restrict w, float *restrict m, float *restrict v, float decay, AdamKeep keep,
               const AdamStep *restrict steps, int64_t first, int64_t n_steps, const int vectors)
{
    State s[AT_ONCE];

    for (int i = 0; i < vectors; i++)
        s[i] = load(w + i * LANES, m + i * LANES, v + i * LANES);
    for (int64_t step = 0; step < n_steps;) {
        const int64_t left = ADAM_STRETCH - (first + step) % ADAM_STRETCH;
        const int64_t end = left < n_steps - step ? step + left : n_steps;

        if (at_rest(s, decay, vectors))
            step = end;
        for (; step < end; step++)
            for (int i = 0; i < vectors; i++)
                s[i] = adam_without_gradient(s[i], decay, steps[step]);
        for (int i = 0; i < vectors && (first + step) % ADAM_STRETCH == 0; i++)
            s[i] = keep_and_settle(s[i], decay, keep);
    }
    for (int i = 0; i < vectors; i++)
        store(s[i], w + i * LANES, m + i * LANES, v + i * LANES);
}

NN_AVX512 void
adam_replay_avx512(float *restrict w, float *restrict m, float *restrict v, size_t n, float decay,
                   AdamKeep keep, const AdamStep *restrict steps, int64_t first, int64_t n_steps)
{
    size_t i = 0;

    for (; n - i >= AT_ONCE * LANES; i += AT_ONCE * LANES)
        replay_vectors(w + i, m + i, v + i, decay, keep, steps, first, n_steps, AT_ONCE);
    for (; i < n; i += LANES)
        replay_vectors(w + i, m + i, v + i, decay, keep, steps, first, n_steps, 1);
}

#endif /* NN_AVX512 */
