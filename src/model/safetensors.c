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
    [CTR_SAFE_U8] = {"U8", 1},   [CTR_SAFE_I32] = {"I32", 4},   [CTR_SAFE_U32] = {"U32", 4},
    [CTR_SAFE_I64] = {"I64", 8}, [CTR_SAFE_F32] = {"F32", 4},   [CTR_SAFE_F64] = {"F64", 8},
    [CTR_SAFE_F16] = {"F16", 2}, [CTR_SAFE_BF16] = {"BF16", 2},
};

const char *
safetensors_dtype_name(CtrSafeDtype dtype)
{
    return safetensors_dtypes[dtype].name;
}

char *
safetensors_shape_text(int ndim, const int64 *shape)
{
    StringInfoData text;

    initStringInfo(&text);
    appendStringInfoChar(&text, '[');
    for (int i = 0; i < ndim; i++)
        appendStringInfo(&text, "%s" INT64_FORMAT, i > 0 ? ", " : "", shape[i]);
    appendStringInfoChar(&text, ']');
    return text.data;
}

/* Formats into text; false: it has been enlarged instead, so the same call is made again. */
static bool append_formatted(StringInfo text, const char *format, va_list args) pg_attribute_printf(2, 0);

static bool
append_formatted(StringInfo text, const char *format, va_list args)
{
    const int needed = appendStringInfoVA(text, format, args);

    if (needed > 0)
        enlargeStringInfo(text, needed);
    return needed == 0;
}

static bool
report_invalid(Node *escontext, const char *what, const char *why)
{
    errsave(escontext, (errcode(ERRCODE_INVALID_BINARY_REPRESENTATION), errmsg("invalid %s: %s", what, why)));
    return false;
}

#define FORMAT_ARGUMENTS(text, format)                                                                       \
    do {                                                                                                     \
        bool whole;                                                                                          \
        initStringInfo(&(text));                                                                             \
        do {                                                                                                 \
            va_list args;                                                                                    \
            va_start(args, format);                                                                          \
            whole = append_formatted(&(text), format, args);                                                 \
            va_end(args);                                                                                    \
        } while (!whole);                                                                                    \
    } while (0)

bool
safetensors_invalid(Node *escontext, const char *format, ...)
{
    StringInfoData text;

    FORMAT_ARGUMENTS(text, format);
    return report_invalid(escontext, "ctr_model", text.data);
}

bool
safetensors_refuse(Node *escontext, const char *what, const char *format, ...)
{
    StringInfoData text;

    FORMAT_ARGUMENTS(text, format);
    return report_invalid(escontext, what, text.data);
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
