/*
 * image.h: structs and arrays as one block of memory without addresses, which several processes map where
 * they like and read in place (image.c).
 *
 * One function names the parts of a thing, in order. The same function counts their bytes, writes them to a
 * block, and opens a block: there each part lies where the function, going through them again, comes to it.
 * So the three cannot differ. Large arrays without pointers are parts: they stay in the block. Structs and
 * arrays with pointers are copied out of it, and get their pointers from the parts that follow.
 *
 * Writer and readers run the same build of the library, on the same machine.
 */
#ifndef CTR_IMAGE_H
#define CTR_IMAGE_H

#include "ctr.h"

typedef struct CtrImage {
    enum { CTR_IMAGE_COUNT, CTR_IMAGE_WRITE, CTR_IMAGE_OPEN } does;
    char *block; /* NULL while counting */
    Size used;
} CtrImage;

/*
 * A part of so many bytes, which begins on a cache line. Counting returns `given`; writing copies it, unless
 * it is NULL, and returns its place; opening returns its place. Writing serves interrupts.
 */
void *image_part(CtrImage *image, const void *given, Size size);
/* A part that is copied: counting and writing return `given`, opening a copy in the current context. */
void *image_copy(CtrImage *image, const void *given, Size size);
/* The same for a string, or NULL. */
char *image_string(CtrImage *image, const char *given);

#define CTR_IMAGE_PART(image, pointer, n) image_part(image, pointer, mul_size(n, sizeof(*(pointer))))
#define CTR_IMAGE_COPY(image, pointer, n) image_copy(image, pointer, mul_size(n, sizeof(*(pointer))))

#endif /* CTR_IMAGE_H */
