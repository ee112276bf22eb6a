/*
 * hash.h: hashes of byte strings and of sequences of 64-bit words. They multiply words into 128 bits and fold
 * the halves together, the idea of Wang Yi's wyhash. Equal input and seed give equal hashes on every machine.
 */
#ifndef CTR_HASH_H
#define CTR_HASH_H

#include "ctr.h"

/* arbitrary odd constants with as many ones as zeros */
#define CTR_HASH_A UINT64CONST(0xa0761d6478bd642f)
#define CTR_HASH_B UINT64CONST(0xe7037ed1a0b428db)

static inline uint64
hash_multiply(uint64 a, uint64 b)
{
    unsigned __int128 product = (unsigned __int128)a * b;

    return (uint64)product ^ (uint64)(product >> 64);
}

static inline uint64
hash_read8(const char *p)
{
    uint64 x;

    memcpy(&x, p, sizeof(x));
    return x;
}

static inline uint64
hash_read4(const char *p)
{
    uint32 x;

    memcpy(&x, p, sizeof(x));
    return x;
}

/* the hash of a sequence that has one word more than that of `hash` */
static inline uint64
hash_word(uint64 hash, uint64 word)
{
    return hash_multiply(word ^ CTR_HASH_B, hash ^ CTR_HASH_A);
}

/* Who knows a key can construct strings of equal hash. */
typedef struct CtrHashKey {
    uint64 seed, a, b;
} CtrHashKey;

static inline uint64
hash_bytes_keyed(CtrHashKey key, const char *bytes, uint32 length)
{
    uint64 hash = key.seed ^ length;
    uint64 low, high;

    /* sixteen bytes at a time; the last one to sixteen, overlapping what was read where needed, come below */
    for (; length > 16; length -= 16, bytes += 16)
        hash = hash_multiply(hash_read8(bytes) ^ key.b, hash_read8(bytes + 8) ^ hash);
    if (length >= 8) {
        low = hash_read8(bytes);
        high = hash_read8(bytes + length - 8);
    } else if (length >= 4) {
        low = hash_read4(bytes);
        high = hash_read4(bytes + length - 4);
    } else if (length > 0) {
        low = (uint64)(unsigned char)bytes[0] << 16 | (uint64)(unsigned char)bytes[length / 2] << 8 |
              (unsigned char)bytes[length - 1];
        high = 0;
    } else {
        low = high = 0;
    }
    hash = hash_multiply(low ^ key.b, high ^ hash);
    return hash_multiply(hash ^ key.a, key.b);
}

static inline uint64
hash_bytes_seeded(uint64 seed, const char *bytes, uint32 length)
{
    return hash_bytes_keyed((CtrHashKey){seed, CTR_HASH_A, CTR_HASH_B}, bytes, length);
}

#endif /* CTR_HASH_H */
