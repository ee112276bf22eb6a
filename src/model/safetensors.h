/*
 * safetensors.h: the container format of a model's bytes (safetensors.c), and large values piece by piece
 * (value_bytes.c).
 */
#ifndef CTR_SAFETENSORS_H
#define CTR_SAFETENSORS_H

#include "ctr.h"

/* ------------------------------------------------------------ value_bytes.c: large values, piece by piece */

typedef struct ValueBytes {
    Size size;
    const char *memory;    /* the whole; NULL: in a TOAST table */
    Datum toasted;         /* the pointer there */
    struct varlena *piece; /* the bytes that were read last: */
    Size piece_begin, piece_end;
    MemoryContext context; /* of the piece */
} ValueBytes;

/* In the current context. A compressed value is decompressed whole. */
ValueBytes *value_bytes(Datum value);
/* to [n] = the bytes from `at` on. Serves interrupts. */
void value_read(ValueBytes *bytes, Size at, Size n, void *to);

/* ------------------------------------------------------------------ safetensors.c: the container format */

#define SAFE_HEADER_SIZE     ((Size)100 * 1000 * 1000) /* largest header, as in Hugging Face's library */
#define SAFE_TENSORS_MOST    800000 /* so many entries of the header are about its largest size */
#define SAFE_ENTRIES_MOST    100    /* of metadata */
#define SAFE_ENTRIES_WRITTEN 16     /* of them, at most, by us */

typedef enum SafeDtype { SAFE_U8, SAFE_I32, SAFE_U32, SAFE_I64, SAFE_F32, SAFE_F64 } SafeDtype;

typedef struct SafeTensor {
    const char *name;
    SafeDtype dtype;
    int ndim;
    int64 shape[8];
    Size size;        /* of its data, in bytes */
    Size at;          /* where they begin in the file that was read; safetensors_read gets them */
    const char *data; /* to be written; NULL: those at `at` of the file's `bytes` */
} SafeTensor;

typedef struct SafeEntry {
    const char *key, *value; /* server encoding */
} SafeEntry;

typedef struct SafeFile {
    int n_tensors, n_entries;
    SafeTensor *tensors;  /* as their data lie in the file */
    SafeTensor **by_name; /* sorted; only a parsed file has it */
    SafeEntry *entries;   /* __metadata__ */
    ValueBytes *bytes;    /* it was read from; or that its writer reads from */
} SafeFile;

/*
 * Reports ERRCODE_INVALID_BINARY_REPRESENTATION, "invalid ctr_model: …", to escontext as errsave does: the
 * error is raised unless that is an ErrorSaveContext. Returns false.
 */
bool safetensors_invalid(Node *escontext, const char *format, ...) __attribute__((format(printf, 2, 3)));
const char *safetensors_dtype_name(SafeDtype dtype); /* "F32" */

/*
 * Reads the header strictly; anything amiss in it, or in where it says the tensors are, is reported to
 * escontext, and the result NULL. Memory from the current context.
 */
SafeFile *safetensors_parse(Datum value, Node *escontext);
/* to [tensor->size] = its data */
void safetensors_read(const SafeFile *file, const SafeTensor *tensor, void *to);
/*
 * An empty file to write, with room for so many tensors and SAFE_ENTRIES_WRITTEN entries, in the current
 * context
 */
SafeFile *safetensors_create(int max_tensors);
void safetensors_add_entry(SafeFile *file, const char *key, const char *value);
/*
 * One varlena in `context`, the same for the same input. Error when it would pass 1 GB, or its header
 * SAFE_HEADER_SIZE.
 */
struct varlena *safetensors_write(const SafeFile *file, MemoryContext context);
/* NULL: no such tensor / key */
const SafeTensor *safetensors_find(const SafeFile *file, const char *name);
const char *safetensors_entry(const SafeFile *file, const char *key);

#endif /* CTR_SAFETENSORS_H */
