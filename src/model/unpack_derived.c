/* unpack_derived.c: reads what is derived from a model's features: buckets, target statistics, their sums. */
#include "model/unpack.h"

bool
unpack_buckets(CtrUnpacker *u)
{
    CtrEncoder *encoder = u->model->encoder;
    const int n = encoder->n_num, most = NN_BUCKETS_MOST - 1;
    int64 total = 0;
    uint32 *counts;
    double *bounds;

    if (u->model->options.numerical_buckets == 0)
        return true;
    counts = unpack_vector(u, CTR_MODEL_BOUND_COUNT, CTR_SAFE_U32, n);
    if (counts == NULL)
        return false;
    for (int i = 0; i < n; i++) {
        if (counts[i] > (uint32)most)
            return safetensors_invalid(u->escontext,
                                       "feature \"%s\" has %u bounds between its buckets, more than %d",
                                       encoder->features[i].name, counts[i], most);
        total += counts[i];
    }
    MemoryContextSwitchTo(u->model->context);
    bounds = unpack_vector(u, CTR_MODEL_BOUNDS, CTR_SAFE_F64, total);
    encoder->buckets = palloc(sizeof(CtrBuckets) * Max(n, 1));
    MemoryContextSwitchTo(u->scratch);
    if (bounds == NULL)
        return false;
    for (int i = 0; i < n; i++) {
        encoder->buckets[i] = (CtrBuckets){.n_bounds = (int)counts[i], .bounds = bounds};
        encoder->categories[encoder->n_cat + i] = encoder->buckets[i].n_bounds + 1 + CTR_CODE_KNOWN;
        bounds += counts[i];
    }
    return true;
}

bool
unpack_statistics(CtrUnpacker *u)
{
    CtrEncoder *encoder = u->model->encoder;
    int64 total = 0;
    float *values;

    if (encoder->n_statistics == 0)
        return true;
    for (int f = 0; f < encoder->n_statistics; f++)
        total += encoder->categories[f];
    MemoryContextSwitchTo(u->model->context);
    values = unpack_vector(u, CTR_MODEL_STATISTICS, CTR_SAFE_F32, total);
    encoder->statistics = palloc(sizeof(float *) * encoder->n_statistics);
    MemoryContextSwitchTo(u->scratch);
    if (values == NULL)
        return false;
    for (int f = 0; f < encoder->n_statistics; f++) {
        encoder->statistics[f] = values;
        values += encoder->categories[f];
    }
    return true;
}

static NnKeptSum *
read_label_sums(CtrUnpacker *u, const CtrSafeTensor *tensor)
{
    NnKeptSum *sums = MemoryContextAllocHuge(u->model->context, tensor->size);

    safetensors_read(u->file, tensor, sums);
    return sums;
}

bool
unpack_label_sums(CtrUnpacker *u)
{
    CtrEncoder *encoder = u->model->encoder;
    int64 shape[] = {0, NN_STATISTICS_GROUPS, 2};
    const CtrSafeTensor *sums, *totals;
    NnKeptSum *values;

    if (encoder->n_statistics == 0)
        return true;
    for (int f = 0; f < encoder->n_statistics; f++)
        shape[0] += encoder->categories[f];
    if ((sums = unpack_tensor(u, CTR_MODEL_LABEL_SUMS, CTR_SAFE_F32, 3, shape)) == NULL ||
        (totals = unpack_tensor(u, CTR_MODEL_LABEL_TOTALS, CTR_SAFE_F32, 2, shape + 1)) == NULL)
        return false;
    if (u->use == CTR_UNPACK_TO_SCORE)
        return true;
    encoder->totals = read_label_sums(u, totals);
    values = read_label_sums(u, sums);
    encoder->sums = MemoryContextAlloc(u->model->context, sizeof(NnKeptSum *) * encoder->n_statistics);
    for (int f = 0; f < encoder->n_statistics; f++) {
        encoder->sums[f] = values;
        values += (Size)encoder->categories[f] * NN_STATISTICS_GROUPS;
    }
    return true;
}
