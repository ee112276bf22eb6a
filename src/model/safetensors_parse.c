/*
 * safetensors_parse.c: reads the header of a safetensors file, whose format safetensors.c describes,
 * strictly.
 */
#include "model/safetensors_format.h"

#include "common/int.h"
#include "common/jsonapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"

#include "rows/spelling.h"

typedef struct HeaderReader {
    CtrSafeFile *file;
    const char *what; /* it should be, for messages */
    bool foreign;     /* a file of others, whose metadata say nothing here */
    Node *escontext;
    int max_tensors;
    Size data, data_size; /* where they begin, how many there are */
    int depth;            /* 1: tensors; 2: a tensor or the metadata; 3: a list of numbers */
    bool in_metadata, seen_metadata;
    CtrSafeTensor *tensor; /* the one at hand */
    const char *field;     /* its field at hand */
    bool seen_dtype, seen_shape, seen_offsets;
    int64 offsets[2];
    int n_offsets;
} HeaderReader;

#define refuse(reader, ...) safetensors_refuse((reader)->escontext, (reader)->what, __VA_ARGS__)

static bool
begin_tensor(HeaderReader *reader, const char *name)
{
    CtrSafeFile *file = reader->file;

    if (file->n_tensors == CTR_SAFE_TENSORS_MOST)
        return refuse(reader, "it has more than %d tensors", CTR_SAFE_TENSORS_MOST);
    if (file->n_tensors == reader->max_tensors) {
        reader->max_tensors *= 2;
        file->tensors = repalloc(file->tensors, mul_size(reader->max_tensors, sizeof(CtrSafeTensor)));
    }
    reader->tensor = &file->tensors[file->n_tensors++];
    memset(reader->tensor, 0, sizeof(CtrSafeTensor));
    reader->tensor->name = name;
    reader->seen_dtype = reader->seen_shape = reader->seen_offsets = false;
    reader->n_offsets = 0;
    return true;
}

static bool
end_tensor(HeaderReader *reader)
{
    CtrSafeTensor *tensor = reader->tensor;
    int64 size;

    if (!reader->seen_dtype || !reader->seen_shape || reader->n_offsets != 2)
        return refuse(reader, "tensor \"%s\" lacks a dtype, a shape or two data_offsets", tensor->name);
    size = safetensors_dtypes[tensor->dtype].size;
    for (int i = 0; i < tensor->ndim; i++) {
        if (pg_mul_s64_overflow(size, tensor->shape[i], &size))
            return refuse(reader, "tensor \"%s\" is too large", tensor->name);
    }
    if (reader->offsets[0] > reader->offsets[1] || reader->offsets[1] > (int64)reader->data_size)
        return refuse(reader, "data_offsets of tensor \"%s\" are out of bounds", tensor->name);
    if (reader->offsets[1] - reader->offsets[0] != size)
        return refuse(reader,
                      "tensor \"%s\" has " INT64_FORMAT " bytes, not the " INT64_FORMAT " of its shape",
                      tensor->name, reader->offsets[1] - reader->offsets[0], size);
    tensor->at = reader->data + (Size)reader->offsets[0];
    tensor->size = (Size)size;
    return true;
}

static bool
add_entry(HeaderReader *reader, const char *key)
{
    CtrSafeFile *file = reader->file;

    if (reader->foreign)
        return true;
    if (file->n_entries == CTR_SAFE_ENTRIES_MOST)
        return refuse(reader, "it has more than %d metadata entries", CTR_SAFE_ENTRIES_MOST);
    file->entries[file->n_entries++] = (CtrSafeEntry){.key = key};
    return true;
}

static CTR_JSON_ACTION
on_object_start(void *state)
{
    HeaderReader *reader = state;

    CTR_JSON_ACTION_END(++reader->depth <= 2 || refuse(reader, "its header is nested too deeply"));
}

static CTR_JSON_ACTION
on_object_end(void *state)
{
    HeaderReader *reader = state;

    CTR_JSON_ACTION_END(reader->depth-- != 2 || reader->in_metadata || end_tensor(reader));
}

static CTR_JSON_ACTION
on_array_start(void *state)
{
    HeaderReader *reader = state;

    CTR_JSON_ACTION_END(
        (++reader->depth == 3 && !reader->in_metadata && strcmp(reader->field, "dtype") != 0) ||
        refuse(reader, "its header has a list where none belongs"));
}

static CTR_JSON_ACTION
on_array_end(void *state)
{
    ((HeaderReader *)state)->depth--;
    CTR_JSON_ACTION_END(true);
}

/* A field of a tensor; each may come once. */
static bool
begin_field(HeaderReader *reader, const char *field)
{
    bool *seen = strcmp(field, "dtype") == 0          ? &reader->seen_dtype
                 : strcmp(field, "shape") == 0        ? &reader->seen_shape
                 : strcmp(field, "data_offsets") == 0 ? &reader->seen_offsets
                                                      : NULL;

    if (seen == NULL)
        return refuse(reader, "tensor \"%s\" has an unknown key \"%s\"", reader->tensor->name, field);
    if (*seen)
        return refuse(reader, "tensor \"%s\" has two keys \"%s\"", reader->tensor->name, field);
    *seen = true;
    reader->field = field;
    return true;
}

/* A key of the header itself: a tensor's name, or the metadata. */
static bool
begin_part(HeaderReader *reader, const char *name)
{
    reader->in_metadata = strcmp(name, "__metadata__") == 0;
    if (!reader->in_metadata)
        return begin_tensor(reader, name);
    if (reader->seen_metadata)
        return refuse(reader, "its header has two keys \"__metadata__\"");
    reader->seen_metadata = true;
    return true;
}

static CTR_JSON_ACTION
on_field_start(void *state, char *name, bool isnull)
{
    HeaderReader *reader = state;

    CHECK_FOR_INTERRUPTS();
    CTR_JSON_ACTION_END(reader->depth == 1    ? begin_part(reader, name)
                        : reader->in_metadata ? add_entry(reader, name)
                                              : begin_field(reader, name));
}

static bool
set_dtype(HeaderReader *reader, const char *name)
{
    for (int i = 0; i < SAFETENSORS_DTYPES; i++) {
        if (strcmp(safetensors_dtypes[i].name, name) == 0) {
            reader->tensor->dtype = (CtrSafeDtype)i;
            return true;
        }
    }
    return refuse(reader, "tensor \"%s\" has an unknown dtype \"%s\"", reader->tensor->name, name);
}

/* Only digits will do: no sign, no fraction, no exponent. */
static bool
parse_size(const char *digits, int64 *value)
{
    *value = 0;
    for (const char *c = digits; *c != '\0'; c++) {
        if (*c < '0' || *c > '9' || pg_mul_s64_overflow(*value, 10, value) ||
            pg_add_s64_overflow(*value, *c - '0', value))
            return false;
    }
    return true;
}

static bool
add_number(HeaderReader *reader, const char *digits)
{
    CtrSafeTensor *tensor = reader->tensor;
    bool is_shape = strcmp(reader->field, "shape") == 0;
    int64 value;

    if (!parse_size(digits, &value))
        return refuse(reader, "tensor \"%s\" has \"%s\" in its %s", tensor->name, digits, reader->field);
    if (is_shape ? tensor->ndim == lengthof(tensor->shape) : reader->n_offsets == 2)
        return refuse(reader, "tensor \"%s\" has too many numbers in its %s", tensor->name, reader->field);
    if (is_shape)
        tensor->shape[tensor->ndim++] = value;
    else
        reader->offsets[reader->n_offsets++] = value;
    return true;
}

static CTR_JSON_ACTION
on_scalar(void *state, char *token, JsonTokenType type)
{
    HeaderReader *reader = state;

    if (reader->depth == 2 && reader->in_metadata && type == JSON_TOKEN_STRING) {
        if (!reader->foreign)
            reader->file->entries[reader->file->n_entries - 1].value = token;
    } else if (reader->depth == 2 && !reader->in_metadata && type == JSON_TOKEN_STRING &&
               strcmp(reader->field, "dtype") == 0)
        CTR_JSON_ACTION_END(set_dtype(reader, token));
    else if (reader->depth == 3 && type == JSON_TOKEN_NUMBER)
        CTR_JSON_ACTION_END(add_number(reader, token));
    else
        CTR_JSON_ACTION_END(
            refuse(reader, "its header has a value %s where none of its kind belongs", token));
    CTR_JSON_ACTION_END(true);
}

static bool
parse_header(HeaderReader *reader, const char *header, Size size)
{
    JsonSemAction actions = {.semstate = reader,
                             .object_start = on_object_start,
                             .object_end = on_object_end,
                             .array_start = on_array_start,
                             .array_end = on_array_end,
                             .object_field_start = on_field_start,
                             .scalar = on_scalar};
    JsonLexContext *lexer;
    char *text;
    JsonParseErrorType status;

    if (size == 0 || header[0] != '{')
        return refuse(reader, "its header is no JSON object");
    if (!pg_verify_mbstr(PG_UTF8, header, (int)size, true))
        return refuse(reader, "its header is not UTF-8");
    text = spelling_for_database(header, size);
    if (text == NULL) {
        errsave(reader->escontext, (errcode(ERRCODE_UNTRANSLATABLE_CHARACTER),
                                    errmsg("%s has names that encoding \"%s\" cannot spell", reader->what,
                                           GetDatabaseEncodingName())));
        return false;
    }
    lexer = json_lexer(text, (int)strlen(text), GetDatabaseEncoding());
    status = pg_parse_json(lexer, &actions);
    if (status == JSON_SUCCESS || json_action_ended(status))
        return status == JSON_SUCCESS;
    return refuse(reader, "its header is no valid JSON: %s", json_errdetail(status, lexer));
}

static int
compare_positions(const void *a, const void *b, void *unused)
{
    const CtrSafeTensor *x = a, *y = b;

    if (x->at != y->at)
        return x->at < y->at ? -1 : 1;
    return x->size < y->size ? -1 : x->size > y->size; /* empty ones first */
}

static int
compare_names(const void *a, const void *b, void *unused)
{
    return strcmp((*(CtrSafeTensor *const *)a)->name, (*(CtrSafeTensor *const *)b)->name);
}

/* Data lie back to back from the first byte to the last. */
static bool
check_layout(HeaderReader *reader)
{
    CtrSafeFile *file = reader->file;
    Size at = reader->data;

    sort_interruptible(file->tensors, file->n_tensors, sizeof(CtrSafeTensor), compare_positions);
    for (int i = 0; i < file->n_tensors; i++) {
        if (file->tensors[i].at != at)
            return refuse(reader, "tensor \"%s\" does not begin where the one before it ends",
                          file->tensors[i].name);
        at += file->tensors[i].size;
    }
    if (at != reader->data + reader->data_size)
        return refuse(reader, "it has %zu bytes after its last tensor",
                      reader->data + reader->data_size - at);
    return true;
}

static bool
check_names(HeaderReader *reader)
{
    CtrSafeFile *file = reader->file;

    file->by_name = palloc(mul_size(Max(file->n_tensors, 1), sizeof(CtrSafeTensor *)));
    for (int i = 0; i < file->n_tensors; i++)
        file->by_name[i] = &file->tensors[i];
    sort_interruptible(file->by_name, file->n_tensors, sizeof(CtrSafeTensor *), compare_names);
    for (int i = 1; i < file->n_tensors; i++) {
        if (compare_names(&file->by_name[i - 1], &file->by_name[i], NULL) == 0)
            return refuse(reader, "it has two tensors \"%s\"", file->by_name[i]->name);
    }
    qsort(file->entries, file->n_entries, sizeof(CtrSafeEntry), safetensors_compare_keys);
    for (int i = 1; i < file->n_entries; i++) {
        if (safetensors_compare_keys(&file->entries[i - 1], &file->entries[i]) == 0)
            return refuse(reader, "it has two metadata entries \"%s\"", file->entries[i].key);
    }
    return true;
}

static CtrSafeFile *
parse(CtrValueBytes *bytes, HeaderReader reader)
{
    uint64 header_size;
    char *header;
    bool good;

    if (bytes->size < SAFETENSORS_LENGTH_SIZE)
        return refuse(&reader, "its size in bytes is %zu", bytes->size), NULL;
    value_read(bytes, 0, SAFETENSORS_LENGTH_SIZE, &header_size);
    if (header_size > bytes->size - SAFETENSORS_LENGTH_SIZE)
        return refuse(&reader, "its header of " UINT64_FORMAT " bytes ends after its %zu bytes", header_size,
                      bytes->size),
               NULL;
    if (header_size > CTR_SAFE_HEADER_SIZE)
        return refuse(&reader, "its header of " UINT64_FORMAT " bytes is larger than %zu", header_size,
                      CTR_SAFE_HEADER_SIZE),
               NULL;
    header = palloc(Max(header_size, 1));
    value_read(bytes, SAFETENSORS_LENGTH_SIZE, header_size, header);
    reader.max_tensors = 64;
    reader.data = SAFETENSORS_LENGTH_SIZE + header_size;
    reader.data_size = bytes->size - reader.data;
    reader.file = palloc0(sizeof(CtrSafeFile));
    reader.file->bytes = bytes;
    reader.file->tensors = palloc(reader.max_tensors * sizeof(CtrSafeTensor));
    reader.file->entries = palloc(CTR_SAFE_ENTRIES_MOST * sizeof(CtrSafeEntry));
    good = parse_header(&reader, header, header_size) && check_layout(&reader) && check_names(&reader);
    return good ? reader.file : NULL;
}

CtrSafeFile *
safetensors_parse(Datum value, Node *escontext)
{
    return safetensors_parse_bytes(value_bytes(value), escontext);
}

CtrSafeFile *
safetensors_parse_bytes(CtrValueBytes *bytes, Node *escontext)
{
    return parse(bytes, (HeaderReader){.what = "ctr_model", .escontext = escontext});
}

CtrSafeFile *
safetensors_parse_foreign(Datum value)
{
    return parse(value_bytes(value), (HeaderReader){.what = "safetensors file", .foreign = true});
}
