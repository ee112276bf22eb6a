/* unpack_take.c: takes tensors and metadata entries out of a model's bytes by name: they must be as asked. */
#include "model/unpack.h"

/* The tensor of this name, which must have this type and shape. */
const CtrSafeTensor *
unpack_tensor(CtrUnpacker *u, const char *name, CtrSafeDtype dtype, int ndim, const int64 *shape)
{
    const CtrSafeTensor *tensor = safetensors_find(u->file, name);
    bool same;

    if (tensor == NULL)
        return safetensors_invalid(u->escontext, "tensor \"%s\" is missing", name), NULL;
    same = tensor->dtype == dtype && tensor->ndim == ndim;
    for (int i = 0; same && i < ndim; i++)
        same = tensor->shape[i] == shape[i];
    if (!same)
        return safetensors_invalid(u->escontext, "tensor \"%s\" is %s %s, not %s %s", name,
                                   safetensors_dtype_name(tensor->dtype),
                                   safetensors_shape_text(tensor->ndim, tensor->shape),
                                   safetensors_dtype_name(dtype), safetensors_shape_text(ndim, shape)),
               NULL;
    u->used[tensor - u->file->tensors] = true;
    return tensor;
}

/* The elements of a tensor [n], aligned, in the current context. */
void *
unpack_vector(CtrUnpacker *u, const char *name, CtrSafeDtype dtype, int64 n)
{
    const CtrSafeTensor *tensor = unpack_tensor(u, name, dtype, 1, &n);
    void *copy;

    if (tensor == NULL)
        return NULL;
    copy = MemoryContextAllocHuge(CurrentMemoryContext, Max(tensor->size, 1));
    ctr_huge_pages(copy, tensor->size);
    safetensors_read(u->file, tensor, copy);
    return copy;
}

const char *
unpack_entry(CtrUnpacker *u, const char *key)
{
    const char *value = safetensors_entry(u->file, key);

    if (value == NULL)
        safetensors_invalid(u->escontext, "metadata entry \"%s\" is missing", key);
    return value;
}

/* a metadata entry that is a number from 0 to limit, which has at most 18 digits */
bool
unpack_number(CtrUnpacker *u, const char *key, int64 limit, int64 *value)
{
    const char *text = unpack_entry(u, key);
    bool good;

    if (text == NULL)
        return false;
    *value = 0;
    good = text[0] != '\0' && strlen(text) <= 18;
    for (const char *c = text; good && *c != '\0'; c++) {
        good = *c >= '0' && *c <= '9';
        *value = *value * 10 + (*c - '0');
    }
    return (good && *value <= limit) ||
           safetensors_invalid(u->escontext,
                               "metadata entry \"%s\" is \"%s\", not a number from 0 to " INT64_FORMAT, key,
                               text, limit);
}

/* a metadata entry that is JSON */
const CtrJsonNode *
unpack_json(CtrUnpacker *u, const char *key)
{
    const char *text = unpack_entry(u, key);
    const CtrJsonNode *tree = text != NULL ? json_tree(text) : NULL;

    if (text != NULL && tree == NULL)
        safetensors_invalid(u->escontext, "metadata entry \"%s\" is no JSON of the kind that belongs there",
                            key);
    return tree;
}
