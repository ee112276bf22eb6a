/*
 * denormals.h: numbers below 1e-38 count as zero while the engine computes.
 *
 * L2 on rows that no batch touches takes them to zero, and past it through the denormal numbers, with which a
 * CPU computes twenty times slower. The mode belongs to a thread; a caller's own is put back, for SQL's
 * float8, and what a pool's threads do with float8 keeps them.
 */
#ifndef NN_DENORMALS_H
#define NN_DENORMALS_H

#include <stdint.h>

/*
 * The register that holds a thread's mode, and the bits of it that say so; a CPU that is not named here goes
 * on computing with denormal numbers.
 */
#if defined(__SSE__)
#include <xmmintrin.h>

#define NN_HAS_DENORMALS_ZERO
#define NN_DENORMALS_ZERO 0x8040u /* results (bit 15), operands (bit 6) */

static inline uint64_t
float_mode(void)
{
    return _mm_getcsr();
}

static inline void
float_mode_set(uint64_t mode)
{
    _mm_setcsr((unsigned)mode);
}
#elif defined(__aarch64__)
#define NN_HAS_DENORMALS_ZERO
#define NN_DENORMALS_ZERO (UINT64_C(1) << 24) /* results and operands */

static inline uint64_t
float_mode(void)
{
    uint64_t mode;

    __asm__ __volatile__("mrs %0, fpcr" : "=r"(mode));
    return mode;
}

static inline void
float_mode_set(uint64_t mode)
{
    __asm__ __volatile__("msr fpcr, %0" : : "r"(mode) : "memory");
}
#else
#define NN_DENORMALS_ZERO 0u

static inline uint64_t
float_mode(void)
{
    return 0;
}

static inline void
float_mode_set(uint64_t mode)
{
    (void)mode;
}
#endif

/* Returns the mode before, for denormals_restore. */
static inline uint64_t
denormals_flush(void)
{
    const uint64_t before = float_mode();

    float_mode_set(before | NN_DENORMALS_ZERO);
    return before;
}

/* The contrary, inside of a pool's task. */
static inline uint64_t
denormals_keep(void)
{
    const uint64_t before = float_mode();

    float_mode_set(before & ~(uint64_t)NN_DENORMALS_ZERO);
    return before;
}

static inline void
denormals_restore(uint64_t before)
{
    float_mode_set(before);
}

#endif /* NN_DENORMALS_H */
