/*
 * adam_kernel.h: Adam's formula for the vectors of simd_*.h.
 *
 * A square root and a division of a vector take a CPU longer than all the rest of the formula. Both are
 * replaced by the CPU's estimates (12 to 15 bits), each made exact to one or two units in the last place by a
 * step of Newton's method. Replayed steps keep their numbers in registers, as far as there are enough, from
 * the first to the last.
 *
 * A row that has come to rest (see adam.h) costs a replay next to nothing: the ends of stretches, which
 * shrink v.
 */
#include <float.h>

#define AT_ONCE 8 /* vectors that are replayed side by side: enough to hide the estimates' latency */

typedef struct State {
    Vector w, m, v;
} State;

/*
 * The formula of adam.h, where the gradient's share of the moments is factor times share. v > 0. Newton's
 * step for the root, v r (3 - v r r) / 2, is left doubled, with the rate and epsilon: a multiplication less.
 */
SIMD_INLINE State
adam_vector(State s, Vector m_factor, Vector m_share, Vector v_factor, Vector v_share, float rate,
            float epsilon)
{
    Vector r, root, d, q;

    s.m = fmadd(m_factor, m_share, s.m);
    s.v = fmadd(v_factor, v_share, s.v);
    r = estimate_rsqrt(s.v);
    root = mul(s.v, r);
    d = fmadd(root, fnmadd(root, r, splat(3)), splat(2 * epsilon));
    q = estimate_reciprocal(d);
    s.w = fnmadd(mul(mul(splat(2 * rate), s.m), q), fnmadd(d, q, splat(2)), s.w);
    return s;
}

/* g: the gradient without L2 */
SIMD_INLINE State
adam_with_gradient(State s, Vector g, float decay, NnAdamStep step)
{
    g = fmadd(splat(decay), s.w, g);
    return adam_vector(s, splat(step.m_part), g, splat(step.v_part), mul(g, g), step.rate, step.epsilon);
}

/* the gradient is that of L2 alone: its factors are one number each */
SIMD_INLINE State
adam_without_gradient(State s, float decay, NnAdamStep step)
{
    return adam_vector(s, splat(step.m_part * decay), s.w, splat(step.v_part * decay * decay), mul(s.w, s.w),
                       step.rate, step.epsilon);
}

/* never a v of 0, whose inverse root is no number */
SIMD_INLINE State
load_state(const float *w, const float *m, const float *v)
{
    return (State){load(w), load(m), larger(load(v), splat(FLT_MIN))};
}

SIMD_INLINE void
store_state(State s, float *w, float *m, float *v)
{
    store(w, s.w);
    store(m, s.m);
    store(v, s.v);
}

SIMD static void
adam_step_kernel(float *restrict w, float *restrict m, float *restrict v, const float *restrict gradient,
                 float scale, size_t n, float decay, NnAdamStep step)
{
    for (size_t i = 0; i < n; i += LANES) {
        const Vector g = mul(splat(scale), load(gradient + i));

        store_state(adam_with_gradient(load_state(w + i, m + i, v + i), g, decay, step), w + i, m + i, v + i);
    }
}

/* a stretch ends: adam_keep in adam.c and adam_settle in replay.c */
SIMD_INLINE State
keep_and_settle(State s, float decay, NnAdamKeep keep)
{
    Mask moving;

    s.m = mul(splat(keep.m), s.m);
    s.v = larger(mul(splat(keep.v), s.v), splat(FLT_MIN));
    moving = either_reaches(s.m, mul(splat(decay), s.w), NN_ADAM_NEARLY_ZERO);
    s.m = keep_where(moving, s.m);
    if (decay > 0)
        s.w = keep_where(moving, s.w);
    return s;
}

/* without momentum, nor anything that could give it any: all settled */
SIMD_INLINE bool
at_rest(const State *s, float decay, const int vectors)
{
    Vector bits = zero();

    for (int i = 0; i < vectors; i++) {
        bits = or_bits(bits, s[i].m);
        if (decay > 0)
            bits = or_bits(bits, s[i].w);
    }
    return no_bits(bits);
}

/* `vectors` of them from w, m and v on; first: number of the first step */
SIMD_INLINE void
replay_vectors(float *restrict w, float *restrict m, float *restrict v, float decay, NnAdamKeep keep,
               const NnAdamStep *restrict steps, int64_t first, int64_t n_steps, const int vectors)
{
    State s[AT_ONCE];

    for (int i = 0; i < vectors; i++)
        s[i] = load_state(w + i * LANES, m + i * LANES, v + i * LANES);
    for (int64_t step = 0; step < n_steps;) {
        const int64_t left = NN_ADAM_STRETCH - (first + step) % NN_ADAM_STRETCH;
        const int64_t end = left < n_steps - step ? step + left : n_steps;

        if (at_rest(s, decay, vectors))
            step = end;
        for (; step < end; step++)
            for (int i = 0; i < vectors; i++)
                s[i] = adam_without_gradient(s[i], decay, steps[step]);
        for (int i = 0; i < vectors && (first + step) % NN_ADAM_STRETCH == 0; i++)
            s[i] = keep_and_settle(s[i], decay, keep);
    }
    for (int i = 0; i < vectors; i++)
        store_state(s[i], w + i * LANES, m + i * LANES, v + i * LANES);
}

SIMD static void
adam_replay_kernel(float *restrict w, float *restrict m, float *restrict v, size_t n, float decay,
                   NnAdamKeep keep, const NnAdamStep *restrict steps, int64_t first, int64_t n_steps)
{
    size_t i = 0;

    for (; n - i >= AT_ONCE * LANES; i += AT_ONCE * LANES)
        replay_vectors(w + i, m + i, v + i, decay, keep, steps, first, n_steps, AT_ONCE);
    for (; i < n; i += LANES)
        replay_vectors(w + i, m + i, v + i, decay, keep, steps, first, n_steps, 1);
}
