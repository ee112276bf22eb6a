/*
 * radix.h: least-significant-digit radix sort of fixed-size items, each of which begins with an unsigned key.
 * Linear in n, stable; digits in which all keys agree cost nothing but their histogram.
 */
#ifndef NN_RADIX_H
#define NN_RADIX_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define NN_RADIX_KEY_BYTES 8
#define NN_RADIX_PAUSE     ((size_t)1 << 20)

/* The bits of a number so that unsigned order is the order of the numbers (NaN: beyond the infinities). */
static inline uint64_t
ordered_from_double(double x)
{
    uint64_t bits;

    x += 0.0; /* -0 becomes 0 */
    memcpy(&bits, &x, sizeof(bits));
    return bits >> 63 ? ~bits : bits | (uint64_t)1 << 63;
}

static inline double
double_from_ordered(uint64_t key)
{
    double x;

    key = key >> 63 ? key & ~((uint64_t)1 << 63) : ~key;
    memcpy(&x, &key, sizeof(x));
    return x;
}

static inline uint32_t
ordered_from_float(float x)
{
    uint32_t bits;

    x += 0.0f;
    memcpy(&bits, &x, sizeof(bits));
    return bits >> 31 ? ~bits : bits | (uint32_t)1 << 31;
}

/*
 * items, scratch: n items of `size` bytes (a constant at the call, so that copies are moves), each beginning
 * with a uint64 key. Sorts by the key's bits from byte first_byte (0 = lowest) upwards, ascending, in place.
 * pause: called every NN_RADIX_PAUSE items, and may never return; or NULL.
 */
static inline __attribute__((always_inline)) void
radix_sort(void *items, void *scratch, size_t n, size_t size, int first_byte, void (*pause)(void))
{
    size_t counts[NN_RADIX_KEY_BYTES][256] = {{0}};
    char *from = items;
    char *to = scratch;
    uint64_t key;

    for (size_t i = 0; i < n; i++) {
        if (pause && i % NN_RADIX_PAUSE == 0)
            pause();
        memcpy(&key, from + i * size, sizeof(key));
        for (int b = first_byte; b < NN_RADIX_KEY_BYTES; b++)
            counts[b][key >> 8 * b & 255]++;
    }
    for (int b = first_byte; n > 0 && b < NN_RADIX_KEY_BYTES; b++) {
        size_t *next = counts[b];
        size_t sum = 0;
        char *swap = from;

        memcpy(&key, from, sizeof(key));
        if (next[key >> 8 * b & 255] == n)
            continue;
        for (int digit = 0; digit < 256; digit++) {
            size_t count = next[digit];
            next[digit] = sum;
            sum += count;
        }
        for (size_t i = 0; i < n; i++) {
            if (pause && i % NN_RADIX_PAUSE == 0)
                pause();
            memcpy(&key, from + i * size, sizeof(key));
            memcpy(to + next[key >> 8 * b & 255]++ * size, from + i * size, size);
        }
        from = to;
        to = swap;
    }
    for (size_t i = 0; from != (char *)items && i < n; i += NN_RADIX_PAUSE) {
        if (pause)
            pause();
        memcpy((char *)items + i * size, from + i * size,
               (n - i < NN_RADIX_PAUSE ? n - i : NN_RADIX_PAUSE) * size);
    }
}

#endif /* NN_RADIX_H */
