/*
 * sample.c: a sample of a part's rows as bytes. Which columns to pair, only rows tell (nn/math/pairs.h), so a
 * few of them, as codes and labels, leave their part.
 */
#include "model/pack.h"
#include "model/unpack.h"

#include <float.h>

void
pack_sample(CtrSafeFile *file, const CtrModel *model)
{
    const CtrSample *sample = &model->prepared.sample;
    const NnPairSample *rows = &sample->rows;
    const int64 n = rows->rows, shape[] = {rows->fields, n};
    const Size size = (Size)n * sizeof(int32);
    int32 *codes = MemoryContextAllocHuge(CurrentMemoryContext, Max(mul_size(rows->fields, size), 1));

    for (int f = 0; f < rows->fields && n > 0; f++)
        memcpy(codes + (Size)f * n, rows->codes[f], size);
    pack_tensor(file, CTR_MODEL_SAMPLE_CODES, CTR_SAFE_I32, 2, shape, codes, rows->fields * size);
    pack_tensor(file, CTR_MODEL_SAMPLE_HASH, CTR_SAFE_I64, 1, &n, sample->hashes, n * sizeof(uint64));
    pack_tensor(file, CTR_MODEL_SAMPLE_LABEL, CTR_SAFE_F32, 1, &n, rows->label, n * sizeof(float));
    pack_tensor(file, CTR_MODEL_SAMPLE_WEIGHT, CTR_SAFE_F32, 1, &n, rows->weight, n * sizeof(float));
    pack_tensor(file, CTR_MODEL_SAMPLE_FOLD, CTR_SAFE_U8, 1, &n, rows->fold, n);
}

/* Could row i be one that ctr_prepare has put there? */
static bool
row_is_sound(const CtrSample *sample, int i)
{
    const NnPairSample *rows = &sample->rows;

    for (int f = 0; f < rows->fields; f++) {
        if (rows->codes[f][i] < 0 || rows->codes[f][i] >= rows->categories[f])
            return false;
    }
    return (i == 0 || sample->hashes[i - 1] <= sample->hashes[i]) &&
           (rows->label[i] == 0 || rows->label[i] == 1) && rows->weight[i] > 0 &&
           rows->weight[i] <= FLT_MAX && rows->fold[i] < NN_STATISTICS_FOLDS;
}

static bool
read_codes(CtrUnpacker *u, int64 n)
{
    NnPairSample *rows = &u->model->prepared.sample.rows;
    const CtrSafeTensor *tensor =
        unpack_tensor(u, CTR_MODEL_SAMPLE_CODES, CTR_SAFE_I32, 2, (int64[]){rows->fields, n});
    int32 *codes;

    if (tensor == NULL)
        return false;
    codes = MemoryContextAllocHuge(u->model->context, Max(tensor->size, 1));
    safetensors_read(u->file, tensor, codes);
    rows->codes = MemoryContextAlloc(u->model->context, sizeof(int32 *) * Max(rows->fields, 1));
    for (int f = 0; f < rows->fields; f++)
        rows->codes[f] = codes + f * n;
    return true;
}

static bool
read_vectors(CtrUnpacker *u, int64 n)
{
    CtrSample *sample = &u->model->prepared.sample;

    sample->hashes = unpack_vector(u, CTR_MODEL_SAMPLE_HASH, CTR_SAFE_I64, n);
    sample->rows.label = sample->hashes ? unpack_vector(u, CTR_MODEL_SAMPLE_LABEL, CTR_SAFE_F32, n) : NULL;
    sample->rows.weight =
        sample->rows.label ? unpack_vector(u, CTR_MODEL_SAMPLE_WEIGHT, CTR_SAFE_F32, n) : NULL;
    sample->rows.fold = sample->rows.weight ? unpack_vector(u, CTR_MODEL_SAMPLE_FOLD, CTR_SAFE_U8, n) : NULL;
    return sample->rows.fold != NULL;
}

bool
unpack_sample(CtrUnpacker *u)
{
    const CtrEncoder *encoder = u->model->encoder;
    const CtrSafeTensor *tensor = safetensors_find(u->file, CTR_MODEL_SAMPLE_HASH);
    const int64 n = tensor != NULL && tensor->ndim == 1 ? tensor->shape[0] : 0;
    CtrSample *sample = &u->model->prepared.sample;
    bool good;

    if (n > NN_PAIR_ROWS_MOST)
        return safetensors_invalid(u->escontext, "its sample has " INT64_FORMAT " rows, more than %d", n,
                                   NN_PAIR_ROWS_MOST);
    sample->rows = (NnPairSample){.rows = (int)n,
                                  .fields = encoder->d_cat,
                                  .columns = encoder->n_cat,
                                  .categories = encoder->categories,
                                  .unseen = CTR_CODE_UNSEEN};
    MemoryContextSwitchTo(u->model->context);
    good = read_codes(u, n) && read_vectors(u, n);
    MemoryContextSwitchTo(u->scratch);
    for (int i = 0; good && i < n; i++) {
        ctr_pause_at(i);
        if (!row_is_sound(sample, i))
            return safetensors_invalid(u->escontext, "row %d of its sample is none", i);
    }
    return good;
}
