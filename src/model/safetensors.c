/*
 * safetensors.c: the container format of Hugging Face's safetensors library, read strictly, and written so
 * that the same content gives the same bytes.
 *
 *   bytes 0-7   length of the header, little-endian
 *   header      JSON, UTF-8, padded with blanks so that the data begin at a multiple of 64:
 *               {"__metadata__": {key: string, …},
 *                name: {"dtype": …, "shape": […], "data_offsets": [begin, end]}, …}
 *   data        the tensors' little-endian elements, row-major: no gap, no overlap, nothing after
 *
 * The writer puts wide elements first, so that every tensor is aligned to its own elements: readers that map
 * the file rely on that. In memory, names are in the server's encoding.
 */
#include "model/safetensors_format.h"

#include "lib/stringinfo.h"

#ifdef WORDS_BIGENDIAN
#error "ctr keeps tensors as they are in memory, which must be little-endian"
#endif

const CtrSafeDtypeInfo safetensors_dtypes[SAFETENSORS_DTYPES] = {
    [CTR_SAFE_U8] = {"U8", 1},   [CTR_SAFE_I32] = {"I32", 4}, [CTR_SAFE_U32] = {"U32", 4},
    [CTR_SAFE_I64] = {"I64", 8}, [CTR_SAFE_F32] = {"F32", 4}, [CTR_SAFE_F64] = {"F64", 8},
};

const char *
safetensors_dtype_name(CtrSafeDtype dtype)
{
    return safetensors_dtypes[dtype].name;
}

bool
safetensors_invalid(Node *escontext, const char *format, ...)
{
    StringInfoData text;

    initStringInfo(&text);
    for (;;) {
        va_list args;
        int needed;

        va_start(args, format);
        needed = appendStringInfoVA(&text, format, args);
        va_end(args);
        if (needed == 0)
            break;
        enlargeStringInfo(&text, needed);
    }
    errsave(escontext,
            (errcode(ERRCODE_INVALID_BINARY_REPRESENTATION), errmsg("invalid ctr_model: %s", text.data)));
    return false;
}

void
safetensors_read(const CtrSafeFile *file, const CtrSafeTensor *tensor, void *to)
{
    value_read(file->bytes, tensor->at, tensor->size, to);
}

static int
compare_with_name(const void *name, const void *tensor)
{
    return strcmp(name, (*(CtrSafeTensor *const *)tensor)->name);
}

const CtrSafeTensor *
safetensors_find(const CtrSafeFile *file, const char *name)
{
    CtrSafeTensor **found =
        bsearch(name, file->by_name, file->n_tensors, sizeof(CtrSafeTensor *), compare_with_name);

    return found != NULL ? *found : NULL;
}

const char *
safetensors_entry(const CtrSafeFile *file, const char *key)
{
    CtrSafeEntry probe = {.key = key};
    CtrSafeEntry *found =
        bsearch(&probe, file->entries, file->n_entries, sizeof(CtrSafeEntry), safetensors_compare_keys);

    return found != NULL ? found->value : NULL;
}
