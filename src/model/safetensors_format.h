/* safetensors_format.h: what the reader and the writer of a container share; private to safetensors*.c. */
#ifndef CTR_SAFETENSORS_FORMAT_H
#define CTR_SAFETENSORS_FORMAT_H

#include "model/safetensors.h"

#define SAFETENSORS_LENGTH_SIZE 8 /* bytes before the header: how long it is */

/* by CtrSafeDtype */
typedef struct CtrSafeDtypeInfo {
    const char *name;
    int size; /* of an element, in bytes */
} CtrSafeDtypeInfo;

#define SAFETENSORS_DTYPES (CTR_SAFE_BF16 + 1)

extern const CtrSafeDtypeInfo safetensors_dtypes[SAFETENSORS_DTYPES];

/* The order of a parsed file's metadata entries. */
static inline int
safetensors_compare_keys(const void *a, const void *b)
{
    return strcmp(((const CtrSafeEntry *)a)->key, ((const CtrSafeEntry *)b)->key);
}

#endif /* CTR_SAFETENSORS_FORMAT_H */
