/*
 * denormals.h: numbers below 1e-38 count as zero while the engine computes.
 *
 * L2 on rows that no batch touches takes them to zero, and past it through the denormal numbers, with which a
 * CPU computes twenty times slower. The mode belongs to a thread; a caller's own is put back, for SQL's
 * float8, and what a pool's threads do with float8 keeps them.
 */
#ifndef NN_DENORMALS_H
#define NN_DENORMALS_H

#if defined(__SSE__)
#include <xmmintrin.h>

#define NN_DENORMALS_ZERO 0x8040u /* of the control register: results (bit 15), operands (bit 6) */

/* Returns the mode before, for denormals_restore. */
static inline unsigned
denormals_flush(void)
{
    const unsigned before = _mm_getcsr();

    _mm_setcsr(before | NN_DENORMALS_ZERO);
    return before;
}

/* The contrary, inside of a pool's task. */
static inline unsigned
denormals_keep(void)
{
    const unsigned before = _mm_getcsr();

    _mm_setcsr(before & ~NN_DENORMALS_ZERO);
    return before;
}

static inline void
denormals_restore(unsigned before)
{
    _mm_setcsr(before);
}
#else
static inline unsigned
denormals_flush(void)
{
    return 0;
}

static inline unsigned
denormals_keep(void)
{
    return 0;
}

static inline void
denormals_restore(unsigned before)
{
    (void)before;
}
#endif

#endif /* NN_DENORMALS_H */
