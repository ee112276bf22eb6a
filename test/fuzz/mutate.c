/*
 * mutate.c: changes a safetensors file by its parts, so that what comes out is one again: numbers in tensors,
 * their shapes, types and names, entries of the metadata. A model gets the digest that fits.
 */
#include "fuzz.h"

#include <float.h>
#include <math.h>

#include "model/safetensors_format.h"

#define CHANGES_MOST 4
#define ENTRY_MORE   64 /* bytes that an entry may grow by */

static unsigned random_state;

static unsigned
random_below(unsigned n)
{
    random_state = random_state * 1664525u + 1013904223u;
    return n == 0 ? 0 : (random_state >> 8) % n;
}

/* ------------------------------------------------------------------ numbers */

static int64
odd_integer(int64 now)
{
    static const int64 odd[] = {0,
                                1,
                                -1,
                                2,
                                3,
                                7,
                                100,
                                INT8_MAX,
                                UINT8_MAX,
                                INT16_MAX,
                                INT32_MAX,
                                INT32_MIN,
                                INT64_MAX,
                                INT64_MIN,
                                1 << 24,
                                1 << 20,
                                1000000,
                                1000001,
                                -2,
                                UINT32_MAX,
                                0x100000000,
                                (INT64CONST(1) << 53) - 1,
                                INT64CONST(1) << 53};

    switch (random_below(4)) {
    case 0:
        return (int64)((uint64)now + 1);
    case 1:
        return (int64)((uint64)now - 1);
    default:
        return odd[random_below(lengthof(odd))];
    }
}

static double
odd_number(double now)
{
    static const double odd[] = {0,     -0.0,    1,     -1,     0.5,  1e-30, -1e-30,  1e-45, 1e30,
                                 -1e30, FLT_MAX, 1e300, 1e-320, 1e10, 2,     FLT_MIN, 1e-8,  16777216};

    switch (random_below(8)) {
    case 0:
        return random_below(2) ? NAN : random_below(2) ? INFINITY : -INFINITY;
    case 1:
        return -now;
    case 2:
        return now * 2;
    case 3:
        return now + (random_below(2001) - 1000.0) / 100;
    default:
        return odd[random_below(lengthof(odd))];
    }
}

static void
change_number(CtrSafeDtype dtype, char *at)
{
    int32 narrow;
    int64 wide;
    float single;
    double number;

    switch (dtype) {
    case CTR_SAFE_I32:
    case CTR_SAFE_U32:
        memcpy(&narrow, at, sizeof(narrow));
        narrow = (int32)odd_integer(narrow);
        memcpy(at, &narrow, sizeof(narrow));
        break;
    case CTR_SAFE_I64:
        memcpy(&wide, at, sizeof(wide));
        wide = odd_integer(wide % INT32_MAX);
        memcpy(at, &wide, sizeof(wide));
        break;
    case CTR_SAFE_F32:
        memcpy(&single, at, sizeof(single));
        single = (float)odd_number(single);
        memcpy(at, &single, sizeof(single));
        break;
    case CTR_SAFE_F64:
        memcpy(&number, at, sizeof(number));
        number = odd_number(number);
        memcpy(at, &number, sizeof(number));
        break;
    case CTR_SAFE_F16:
    case CTR_SAFE_BF16:
        at[random_below(2)] = (char)random_below(256);
        break;
    case CTR_SAFE_U8:
        *at = random_below(2) ? (char)random_below(256) : "az\"\\,<&\xff"[random_below(8)];
        break;
    }
}

/* Changes one number, puts another of the same tensor in its place, or fills a run of them. */
static void
change_data(CtrSafeTensor *tensor)
{
    const int width = safetensors_dtypes[tensor->dtype].size;
    const unsigned n = (unsigned)(tensor->size / width);
    char *data = unconstify(char *, tensor->data);
    unsigned at;

    if (n == 0)
        return;
    at = random_below(n);
    switch (random_below(8)) {
    case 0:
    case 6:
    case 7:
        memmove(data + (size_t)at * width, data + (size_t)random_below(n) * width, width);
        break;
    case 1:
        for (unsigned i = at; i < Min(n, at + 8); i++)
            change_number(tensor->dtype, data + (size_t)i * width);
        break;
    case 2:
        change_number(tensor->dtype, data);
        break;
    default:
        change_number(tensor->dtype, data + (size_t)at * width);
    }
}

/* ------------------------------------------------------------------ tensors and entries */

static void
set_size(CtrSafeTensor *tensor, Size most)
{
    Size size = safetensors_dtypes[tensor->dtype].size;
    char *data;

    for (int i = 0; i < tensor->ndim; i++) {
        if (tensor->shape[i] < 0 || tensor->shape[i] > (int64)most || size * (Size)tensor->shape[i] > most)
            tensor->shape[i] = 1;
        size *= (Size)tensor->shape[i];
    }
    data = palloc0(Max(size, 1));
    memcpy(data, tensor->data, Min(size, tensor->size));
    tensor->data = data;
    tensor->size = size;
}

static void
change_shape(CtrSafeTensor *tensor, Size most)
{
    if (tensor->ndim == 0 || random_below(8) == 0)
        tensor->ndim = (int)random_below(4);
    for (int i = 0; i < tensor->ndim; i++) {
        if (random_below(2))
            tensor->shape[i] = random_below(2) ? tensor->shape[i] + 1 : (int64)random_below(20);
    }
    set_size(tensor, most);
}

static void
change_tensor(CtrSafeFile *file, Size most)
{
    const unsigned i = random_below((unsigned)file->n_tensors), j = random_below((unsigned)file->n_tensors);
    CtrSafeTensor *tensor = &file->tensors[i], *other = &file->tensors[j];
    CtrSafeTensor swapped;

    switch (random_below(20)) {
    case 0:
        change_shape(tensor, most);
        break;
    case 1:
        tensor->dtype = (CtrSafeDtype)random_below(SAFETENSORS_DTYPES);
        set_size(tensor, most);
        break;
    case 2:
        *tensor = file->tensors[--file->n_tensors];
        break;
    case 3:
        swapped = *tensor;
        *tensor = *other;
        tensor->name = swapped.name;
        swapped.name = other->name;
        *other = swapped;
        break;
    case 4:
        tensor->name = psprintf("%s%d", tensor->name, (int)random_below(3));
        break;
    default:
        change_data(tensor);
    }
}

/* A number in the text becomes another, or libFuzzer changes the text. */
static void
change_entry(CtrSafeEntry *entry)
{
    const size_t size = strlen(entry->value), most = size + ENTRY_MORE;
    char *text = palloc0(most + 1);
    const size_t digits = strcspn(entry->value, "0123456789");
    const size_t from = digits + random_below((unsigned)(size - digits + 1));
    const size_t at = from + strcspn(entry->value + from, "0123456789");

    if (at < size && random_below(3) > 0) {
        const char *rest = entry->value + at + strspn(entry->value + at, "0123456789.");

        entry->value = psprintf("%.*s" INT64_FORMAT "%s", (int)at, entry->value,
                                odd_integer(strtoll(entry->value + at, NULL, 10)), rest);
        return;
    }
    memcpy(text, entry->value, size);
    text[LLVMFuzzerMutate((uint8 *)text, size, most)] = '\0';
    if (fuzz_text((uint8 *)text, strlen(text)) != NULL)
        entry->value = text;
}

/* ------------------------------------------------------------------ files */

/* The first entries of a model, in the order that its digest asks for; the others as they are sorted. */
static void
add_entries(CtrSafeFile *to, const CtrSafeFile *from)
{
    static const char *const first[] = {"digest", "epoch_seconds", "trained_at"};

    for (int i = 0; i < (int)lengthof(first); i++) {
        const char *value = safetensors_entry(from, first[i]);

        if (value != NULL)
            safetensors_add_entry(to, first[i], value);
    }
    for (int i = 0; i < from->n_entries && to->n_entries < CTR_SAFE_ENTRIES_WRITTEN; i++) {
        bool is_first = false;

        for (int k = 0; k < (int)lengthof(first); k++)
            is_first |= strcmp(from->entries[i].key, first[k]) == 0;
        if (!is_first)
            safetensors_add_entry(to, from->entries[i].key, from->entries[i].value);
    }
}

static CtrSafeFile *
read_parts(CtrSafeFile *file)
{
    CtrSafeFile *parts = safetensors_create(Max(file->n_tensors, 1));

    add_entries(parts, file);
    for (int i = 0; i < file->n_tensors; i++) {
        char *data = palloc(Max(file->tensors[i].size, 1));

        safetensors_read(file, &file->tensors[i], data);
        parts->tensors[parts->n_tensors] = file->tensors[i];
        parts->tensors[parts->n_tensors++].data = data;
    }
    return parts;
}

static bool
can_sign(const char *bytes, Size size)
{
    char digest[CTR_MODEL_DIGEST_SIZE];

    return model_peek_digest(bytes, size, digest, NULL);
}

/* again: how often a change has changed nothing so far. */
static size_t
mutate(uint8 *data, size_t size, size_t most, unsigned seed, bool is_model, int again)
{
    Datum value = fuzz_value(data, size);
    CtrSafeFile *file = is_model ? safetensors_parse(value, NULL) : safetensors_parse_foreign(value);
    struct varlena *bytes;
    int changes;

    random_state = seed;
    if (random_below(20) == 0)
        return LLVMFuzzerMutate(data, size, most);
    file = read_parts(file);
    changes = random_below(4) > 0 ? 1 : 2 + (int)random_below(CHANGES_MOST - 1);
    for (int i = 0; i < changes; i++) {
        if (file->n_entries > 1 && random_below(6) == 0)
            change_entry(&file->entries[1 + random_below((unsigned)file->n_entries - 1)]);
        else if (file->n_tensors > 0)
            change_tensor(file, most / 4);
    }
    bytes = safetensors_write(file, CurrentMemoryContext);
    if (VARSIZE_ANY_EXHDR(bytes) > most)
        return size;
    if (VARSIZE_ANY_EXHDR(bytes) == size && memcmp(VARDATA(bytes), data, size) == 0 && again < 8)
        return mutate(data, size, most, seed + 1, is_model, again + 1);
    if (is_model && can_sign(VARDATA(bytes), VARSIZE_ANY_EXHDR(bytes)))
        model_sign(VARDATA(bytes), VARSIZE_ANY_EXHDR(bytes));
    memcpy(data, VARDATA(bytes), VARSIZE_ANY_EXHDR(bytes));
    return VARSIZE_ANY_EXHDR(bytes);
}

size_t
fuzz_mutate_model(uint8 *data, size_t size, size_t most, unsigned seed)
{
    return mutate(data, size, most, seed, true, 0);
}

size_t
fuzz_mutate_weights(uint8 *data, size_t size, size_t most, unsigned seed)
{
    return mutate(data, size, most, seed, false, 0);
}
