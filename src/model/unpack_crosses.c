/* unpack_crosses.c: reads which columns of a model are paired, and the pairs of codes that it knows. */
#include "model/unpack.h"

/* Which crosses are counted; a NULL in pair_rows for those that are not. */
static bool
read_counted(CtrUnpacker *u)
{
    CtrEncoder *encoder = u->model->encoder;
    const int n = encoder->n_crosses;
    uint8 *counted;

    encoder->pair_rows = MemoryContextAllocZero(u->model->context, sizeof(int32 *) * Max(n, 1));
    if (!u->model->options.cross_counts || !stage_knows_crosses(u->model->stage))
        return true;
    counted = unpack_vector(u, CTR_MODEL_CROSS_COUNTED, CTR_SAFE_U8, n);
    if (counted == NULL)
        return false;
    for (int k = 0; k < n; k++) {
        if (counted[k] > 1)
            return safetensors_invalid(u->escontext, "cross %d is counted %d times", k, counted[k]);
        encoder->n_counted += counted[k];
    }
    u->counted = counted;
    return true;
}

bool
unpack_crosses(CtrUnpacker *u)
{
    const CtrCrossOption *option = &u->model->options.crosses;
    const CtrSafeTensor *tensor = safetensors_find(u->file, CTR_MODEL_CROSSES);
    CtrEncoder *encoder = u->model->encoder;
    int64 shape[] = {0, 2};
    uint32 *columns;

    if (option->kind == CTR_CROSSES_NONE || !stage_knows_crosses(u->model->stage))
        return true;
    if (tensor != NULL && tensor->ndim > 0)
        shape[0] = tensor->shape[0];
    tensor = unpack_tensor(u, CTR_MODEL_CROSSES, CTR_SAFE_U32, 2, shape);
    if (tensor == NULL)
        return false;
    if (shape[0] > CTR_CROSSES_MOST || (option->kind == CTR_CROSSES_GIVEN && shape[0] != option->n))
        return safetensors_invalid(u->escontext, "it has " INT64_FORMAT " crosses, not %d%s", shape[0],
                                   option->kind == CTR_CROSSES_GIVEN ? option->n : CTR_CROSSES_MOST,
                                   option->kind == CTR_CROSSES_GIVEN ? "" : " or fewer");
    encoder->n_crosses = (int)shape[0];
    encoder->crosses = MemoryContextAlloc(u->model->context, sizeof(CtrCross) * Max(encoder->n_crosses, 1));
    columns = palloc(Max(tensor->size, 1));
    safetensors_read(u->file, tensor, columns);
    for (int k = 0; k < encoder->n_crosses; k++, columns += 2) {
        if (columns[0] >= columns[1] || columns[1] >= (uint32)encoder->n_cat)
            return safetensors_invalid(u->escontext, "cross %d is of columns %u and %u", k, columns[0],
                                       columns[1]);
        encoder->crosses[k] = (CtrCross){{(int)columns[0], (int)columns[1]}};
    }
    return read_counted(u);
}

/* How many of each cross's pairs have codes: all, or as the model says. */
static bool
read_known(CtrUnpacker *u, const uint32 *counts)
{
    CtrEncoder *encoder = u->model->encoder;
    const int n = encoder->n_crosses;
    const uint32 *known = u->counted ? unpack_vector(u, CTR_MODEL_CROSS_KNOWN, CTR_SAFE_U32, n) : counts;

    if (known == NULL)
        return false;
    for (int k = 0; k < n; k++) {
        if (known[k] > counts[k] || (known[k] < counts[k] && !u->counted[k]))
            return safetensors_invalid(u->escontext, "cross %d knows %u of its %u pairs", k, known[k],
                                       counts[k]);
        encoder->categories[encoder_first_cross(encoder) + k] = (int)known[k] + CTR_CODE_KNOWN;
    }
    return true;
}

/* How often the counted crosses' pairs occur. */
static bool
read_pair_rows(CtrUnpacker *u, const uint32 *counts)
{
    CtrEncoder *encoder = u->model->encoder;
    int64 total = 0;
    int32 *rows;

    if (u->counted == NULL)
        return true;
    for (int k = 0; k < encoder->n_crosses; k++)
        total += u->counted[k] ? counts[k] : 0;
    MemoryContextSwitchTo(u->model->context);
    rows = unpack_vector(u, CTR_MODEL_CROSS_ROWS, CTR_SAFE_I32, total);
    MemoryContextSwitchTo(u->scratch);
    if (rows == NULL)
        return false;
    for (int k = 0; k < encoder->n_crosses; k++) {
        if (!u->counted[k])
            continue;
        encoder->pair_rows[k] = rows;
        rows += counts[k];
    }
    return true;
}

/* The pairs [n], as strings of one length: where each ends. */
static uint32 *
key_ends(int64 n)
{
    uint32 *ends = MemoryContextAllocHuge(CurrentMemoryContext, mul_size(Max(n, 1), sizeof(uint32)));

    for (int64 i = 0; i < n; i++) {
        ctr_pause_at(i);
        ends[i] = (uint32)(i + 1) * CTR_CROSS_KEY_LENGTH;
    }
    return ends;
}

static void
nothing_meanwhile(void *arg)
{
    (void)arg;
}

static bool
load_keys(CtrUnpacker *u, const CtrSafeTensor *tensor, const uint32 *counts)
{
    CtrEncoder *encoder = u->model->encoder;
    char *keys = MemoryContextAllocHuge(CurrentMemoryContext, Max(tensor->size, 1));
    int32 twice;

    safetensors_read(u->file, tensor, keys);
    twice = vocab_load(encoder->vocabs + encoder->n_cat, u->model->context, keys, key_ends(tensor->shape[0]),
                       counts, encoder->n_crosses, nothing_meanwhile, NULL);
    return twice == 0 || safetensors_invalid(u->escontext, "a cross has its category number %d twice", twice);
}

bool
unpack_cross_counts(CtrUnpacker *u)
{
    const uint32 *counts;

    if (u->model->options.crosses.kind == CTR_CROSSES_NONE || !stage_knows_crosses(u->model->stage))
        return true;
    counts = unpack_vector(u, CTR_MODEL_CROSS_COUNT, CTR_SAFE_U32, u->model->encoder->n_crosses);
    return counts != NULL && read_known(u, counts) && read_pair_rows(u, counts);
}

bool
unpack_cross_categories(CtrUnpacker *u)
{
    CtrEncoder *encoder = u->model->encoder;
    const int n = encoder->n_crosses;
    int64 shape[] = {0, 2};
    const CtrSafeTensor *codes;
    int32 *frequencies;
    uint32 *counts;

    if (u->model->options.crosses.kind == CTR_CROSSES_NONE || !stage_knows_crosses(u->model->stage))
        return true;
    counts = unpack_vector(u, CTR_MODEL_CROSS_COUNT, CTR_SAFE_U32, n);
    if (counts == NULL)
        return false;
    for (int k = 0; k < n; k++)
        shape[0] += counts[k];
    codes = unpack_tensor(u, CTR_MODEL_CROSS_CODES, CTR_SAFE_I32, 2, shape);
    if (codes == NULL)
        return false;
    MemoryContextSwitchTo(u->model->context);
    frequencies = unpack_vector(u, CTR_MODEL_CROSS_FREQUENCY, CTR_SAFE_I32, shape[0]);
    MemoryContextSwitchTo(u->scratch);
    if (frequencies == NULL)
        return false;
    for (int k = 0; k < n; k++) {
        encoder->frequencies[encoder->n_cat + k] = frequencies;
        frequencies += counts[k];
    }
    return read_known(u, counts) && read_pair_rows(u, counts) && load_keys(u, codes, counts);
}
