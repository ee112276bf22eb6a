/*
 * arena.h: one allocation cut into arrays. The same code first runs without memory, to learn the size, and
 * then with it, so that the two cannot differ.
 */
#ifndef NN_ARENA_H
#define NN_ARENA_H

#include "nn/nn.h"

typedef struct NnArena {
    char *base; /* NULL: only count */
    size_t used;
} NnArena;

/* an array that starts on a cache line; NULL while counting */
static inline void *
arena_take(NnArena *arena, size_t n, size_t item_size)
{
    void *items = arena->base ? arena->base + arena->used : NULL;

    arena->used += (n * item_size + 63) / 64 * 64;
    return items;
}

#endif /* NN_ARENA_H */
