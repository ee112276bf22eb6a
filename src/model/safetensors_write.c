/*
 * safetensors_write.c: writes a safetensors file, whose format safetensors.c describes: the same content
 * gives the same bytes.
 */
#include "model/safetensors_format.h"

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/json.h"
#include "utils/memutils.h"

#define DATA_ALIGN 64

static void
append_tensor(StringInfo header, const CtrSafeTensor *tensor, Size offset)
{
    if (header->data[header->len - 1] != '{')
        appendStringInfoChar(header, ',');
    escape_json(header, tensor->name);
    appendStringInfo(header, ":{\"dtype\":\"%s\",\"shape\":[", safetensors_dtypes[tensor->dtype].name);
    for (int i = 0; i < tensor->ndim; i++)
        appendStringInfo(header, "%s" INT64_FORMAT, i > 0 ? "," : "", tensor->shape[i]);
    appendStringInfo(header, "],\"data_offsets\":[%zu,%zu]}", offset, offset + tensor->size);
}

static void
append_metadata(StringInfo header, const CtrSafeFile *file)
{
    appendStringInfoString(header, file->n_entries > 0 ? "{\"__metadata__\":{" : "{");
    for (int i = 0; i < file->n_entries; i++) {
        if (i > 0)
            appendStringInfoChar(header, ',');
        escape_json(header, file->entries[i].key);
        appendStringInfoChar(header, ':');
        escape_json(header, file->entries[i].value);
    }
    if (file->n_entries > 0)
        appendStringInfoChar(header, '}');
}

/* The tensors in the order of their data: wide elements first, else as given. */
static const CtrSafeTensor **
order_tensors(const CtrSafeFile *file)
{
    const CtrSafeTensor **ordered = palloc(mul_size(Max(file->n_tensors, 1), sizeof(CtrSafeTensor *)));
    int n = 0;

    for (int width = 8; width > 0; width /= 2) {
        for (int i = 0; i < file->n_tensors; i++) {
            if (safetensors_dtypes[file->tensors[i].dtype].size == width)
                ordered[n++] = &file->tensors[i];
        }
    }
    return ordered;
}

CtrSafeFile *
safetensors_create(int max_tensors)
{
    CtrSafeFile *file = palloc0(sizeof(CtrSafeFile));

    file->room = max_tensors;
    file->tensors = palloc(mul_size(max_tensors, sizeof(CtrSafeTensor)));
    file->entries = palloc(CTR_SAFE_ENTRIES_WRITTEN * sizeof(CtrSafeEntry));
    return file;
}

void
safetensors_add_entry(CtrSafeFile *file, const char *key, const char *value)
{
    file->entries[file->n_entries++] = (CtrSafeEntry){.key = key, .value = value};
}

struct varlena *
safetensors_write(const CtrSafeFile *file, MemoryContext context)
{
    const CtrSafeTensor **tensors = order_tensors(file);
    StringInfoData header;
    Size data_size = 0, size;
    uint64 header_size;
    char *text, *at;
    struct varlena *result;

    initStringInfo(&header);
    append_metadata(&header, file);
    for (int i = 0; i < file->n_tensors; i++) {
        append_tensor(&header, tensors[i], data_size);
        data_size = add_size(data_size, tensors[i]->size);
    }
    appendStringInfoChar(&header, '}');
    text = pg_server_to_any(header.data, header.len, PG_UTF8);
    size = text == header.data ? (Size)header.len : strlen(text);
    header_size = TYPEALIGN(DATA_ALIGN, size + SAFETENSORS_LENGTH_SIZE) - SAFETENSORS_LENGTH_SIZE;
    if (header_size > CTR_SAFE_HEADER_SIZE)
        ereport(ERROR,
                (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("the model would have too many tensors"),
                 errdetail("Its header would take %zu MB; other readers end at %zu MB.",
                           (Size)header_size / 1000000, CTR_SAFE_HEADER_SIZE / 1000000)));
    if (add_size(data_size, header_size) > MaxAllocSize - VARHDRSZ - SAFETENSORS_LENGTH_SIZE)
        ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("the model would be too large"),
                        errdetail("It would take %zu MB; a value cannot pass 1024 MB.",
                                  (data_size + header_size) >> 20)));

    result = MemoryContextAlloc(context, VARHDRSZ + SAFETENSORS_LENGTH_SIZE + header_size + data_size);
    SET_VARSIZE(result, VARHDRSZ + SAFETENSORS_LENGTH_SIZE + header_size + data_size);
    memcpy(VARDATA(result), &header_size, SAFETENSORS_LENGTH_SIZE);
    memcpy(VARDATA(result) + SAFETENSORS_LENGTH_SIZE, text, size);
    memset(VARDATA(result) + SAFETENSORS_LENGTH_SIZE + size, ' ', header_size - size);
    at = VARDATA(result) + SAFETENSORS_LENGTH_SIZE + header_size;
    for (int i = 0; i < file->n_tensors; i++) {
        if (tensors[i]->data != NULL)
            ctr_copy(at, tensors[i]->data, tensors[i]->size);
        else
            safetensors_read(file, tensors[i], at);
        at += tensors[i]->size;
    }
    return result;
}
