/*
 * safetensors.h: the container format of a model's bytes (safetensors.c), and large values piece by piece
 * (value_bytes.c).
 */
#ifndef CTR_SAFETENSORS_H
#define CTR_SAFETENSORS_H

#include "ctr.h"

/* ------------------------------------------------------------ value_bytes.c: large values, piece by piece */

#define CTR_VALUE_PIECES 4

/* A stretch of bytes that are those of another value, and after them some of a value of their own. */
typedef struct CtrValueOp {
    uint32 at, base_at, copied; /* where it begins, here and there; how many are the other's */
    uint32 own_at;              /* where the bytes after them begin in the value of their own */
} CtrValueOp;

typedef struct CtrValueBytes {
    Size size;
    /* bytes as those of another value, with differences (changes.c); NULL: they are not */
    struct CtrValueBytes *base, *own;
    CtrValueOp *ops; /* [n_ops], and one that begins at `size` */
    int n_ops;
    const char *memory; /* the whole; NULL: in a TOAST table */
    Datum toasted;      /* the pointer there */
    struct {
        struct varlena *bytes; /* NULL: none yet */
        Size at;               /* where they begin */
    } pieces[CTR_VALUE_PIECES];
    MemoryContext context; /* of the pieces */
} CtrValueBytes;

/* In the current context. A compressed value is decompressed whole. */
CtrValueBytes *value_bytes(Datum value);
/* to [n] = the bytes from `at` on. Serves interrupts. */
void value_read(CtrValueBytes *bytes, Size at, Size n, void *to);
/* Are the n bytes from `at` on taken from those of `base` that begin at base_at? false: that is not known. */
bool value_is_same(const CtrValueBytes *bytes, Size at, Size n, const CtrValueBytes *base, Size base_at);

/* ----------------------- safetensors*.c: the container format */

#define CTR_SAFE_HEADER_SIZE     ((Size)100 * 1000 * 1000) /* largest header, as in Hugging Face's library */
#define CTR_SAFE_TENSORS_MOST    800000 /* a header of so many entries is about as large as it may be */
#define CTR_SAFE_ENTRIES_MOST    100    /* of metadata */
#define CTR_SAFE_ENTRIES_WRITTEN 16     /* the most entries that ctr writes */

typedef enum CtrSafeDtype {
    CTR_SAFE_U8,
    CTR_SAFE_I32,
    CTR_SAFE_U32,
    CTR_SAFE_I64,
    CTR_SAFE_F32,
    CTR_SAFE_F64,
    CTR_SAFE_F16, /* these two only in files of others */
    CTR_SAFE_BF16
} CtrSafeDtype;

typedef struct CtrSafeTensor {
    const char *name;
    CtrSafeDtype dtype;
    int ndim;
    int64 shape[8];
    Size size;        /* of its data, in bytes */
    Size at;          /* where they begin in the file that was read; safetensors_read gets them */
    const char *data; /* to be written; NULL: the writer copies them from `at` of the file's `bytes` */
} CtrSafeTensor;

typedef struct CtrSafeEntry {
    const char *key, *value; /* server encoding */
} CtrSafeEntry;

typedef struct CtrSafeFile {
    int n_tensors, n_entries;
    int room;                /* of a file to be written: so many tensors at most */
    CtrSafeTensor *tensors;  /* as their data lie in the file */
    CtrSafeTensor **by_name; /* sorted; only a parsed file has it */
    CtrSafeEntry *entries;   /* __metadata__ */
    /* of the file that was read; or of another one, whose tensors the writer copies */
    CtrValueBytes *bytes;
} CtrSafeFile;

/*
 * Reports ERRCODE_INVALID_BINARY_REPRESENTATION, "invalid ctr_model: …", to escontext as errsave does: the
 * error is raised unless that is an ErrorSaveContext. Returns false.
 */
bool safetensors_invalid(Node *escontext, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same for what should be something else: "invalid <what>: …". */
bool safetensors_refuse(Node *escontext, const char *what, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
const char *safetensors_dtype_name(CtrSafeDtype dtype); /* "F32" */

/*
 * Reads the header strictly. Anything wrong in it, or in the positions of tensors that it gives, is
 * reported to escontext, and the result is NULL. Memory from the current context.
 */
CtrSafeFile *safetensors_parse(Datum value, Node *escontext);
CtrSafeFile *safetensors_parse_bytes(CtrValueBytes *bytes, Node *escontext);
/*
 * The same for a safetensors file that others wrote: errors are raised and call it that, and its metadata are
 * left out, however many there are.
 */
CtrSafeFile *safetensors_parse_foreign(Datum value);
/* to [tensor->size] = its data */
void safetensors_read(const CtrSafeFile *file, const CtrSafeTensor *tensor, void *to);
/* to [elements] = its elements, of whatever type, as floats (safetensors_floats.c) */
void safetensors_read_floats(const CtrSafeFile *file, const CtrSafeTensor *tensor, float *to);
/* "[3, 4]" */
char *safetensors_shape_text(int ndim, const int64 *shape);
/*
 * An empty file to write, with room for so many tensors and CTR_SAFE_ENTRIES_WRITTEN entries, in the current
 * context
 */
CtrSafeFile *safetensors_create(int max_tensors);
void safetensors_add_entry(CtrSafeFile *file, const char *key, const char *value);
/*
 * One varlena in `context`, the same for the same input. Error when it would pass 1 GB, or its header
 * CTR_SAFE_HEADER_SIZE.
 */
struct varlena *safetensors_write(const CtrSafeFile *file, MemoryContext context);
/* Of a parsed file; NULL: no such tensor, no such key. */
const CtrSafeTensor *safetensors_find(const CtrSafeFile *file, const char *name);
const char *safetensors_entry(const CtrSafeFile *file, const char *key);

#endif /* CTR_SAFETENSORS_H */
