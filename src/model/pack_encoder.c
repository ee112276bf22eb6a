/*
 * pack_encoder.c: writes what a model knows of its features: columns, transforms, categories, and what is
 * derived of them.
 */
#include "model/pack.h"

#include "lib/stringinfo.h"
#include "miscadmin.h"

#include "rows/spelling.h"

static void
pack_features(CtrSafeFile *file, const CtrEncoder *encoder)
{
    int n = encoder->n_num + encoder->n_cat;
    int64 *missing = pack_vector(file, CTR_MODEL_MISSING, CTR_SAFE_I64, n, sizeof(int64));

    for (int i = 0; i < n; i++)
        missing[i] = encoder->features[i].missing;
}

static void
pack_transforms(CtrSafeFile *file, const CtrEncoder *encoder)
{
    int n = encoder->n_num;
    int64 total = 0;
    uint8 *kinds = pack_vector(file, CTR_MODEL_KIND, CTR_SAFE_U8, n, sizeof(uint8));
    uint32 *counts = pack_vector(file, CTR_MODEL_QUANTILE_COUNT, CTR_SAFE_U32, n, sizeof(uint32));
    double *quantiles;

    for (int i = 0; i < n; i++) {
        kinds[i] = (uint8)encoder->transforms[i].kind;
        counts[i] = (uint32)encoder->transforms[i].n_quantiles;
        total += counts[i];
    }
    for (int s = 0; s < CTR_MODEL_N_STATISTICS; s++) {
        double *values = pack_vector(file, model_statistics[s].name, CTR_SAFE_F64, n, sizeof(double));

        for (int i = 0; i < n; i++)
            values[i] = *(const double *)((const char *)&encoder->transforms[i] + model_statistics[s].offset);
    }
    quantiles = pack_vector(file, CTR_MODEL_QUANTILES, CTR_SAFE_F64, total, sizeof(double));
    for (int i = 0; i < n; i++) {
        if (counts[i] > 0)
            memcpy(quantiles, encoder->transforms[i].quantiles, counts[i] * sizeof(double));
        quantiles += counts[i];
    }
}

static void
pack_vocabs(CtrSafeFile *file, const CtrEncoder *encoder)
{
    CtrSpelling spelling;
    bool differs = spelling_start(&spelling);
    int64 total = 0, length;
    uint32 *counts = pack_vector(file, CTR_MODEL_COUNT, CTR_SAFE_U32, encoder->n_cat, sizeof(uint32));
    int32 *frequencies;
    uint32 *ends;
    StringInfoData bytes;

    for (int f = 0; f < encoder->n_cat; f++) {
        counts[f] = (uint32)vocab_count(encoder->vocabs[f]);
        total += counts[f];
    }
    frequencies = pack_vector(file, CTR_MODEL_FREQUENCY, CTR_SAFE_I32, total, sizeof(int32));
    ends = pack_vector(file, CTR_MODEL_END, CTR_SAFE_U32, total, sizeof(uint32));
    initStringInfo(&bytes);
    for (int f = 0; f < encoder->n_cat; f++) {
        for (uint32 i = 0; i < counts[f]; i++) {
            uint32 n;
            const char *category = vocab_get(encoder->vocabs[f], (int32)i, &n);

            ctr_pause_at(i);
            if (differs)
                spelling_append_for_file(&spelling, &bytes, category, n);
            else
                appendBinaryStringInfo(&bytes, category, (int)n);
            *ends++ = (uint32)bytes.len;
            *frequencies++ = encoder->frequencies[f][i];
        }
    }
    length = bytes.len;
    pack_tensor(file, CTR_MODEL_BYTES, CTR_SAFE_U8, 1, &length, bytes.data, (Size)length);
}

static void
pack_buckets(CtrSafeFile *file, const CtrEncoder *encoder)
{
    int64 total = 0;
    uint32 *counts;
    double *bounds;

    if (encoder->buckets == NULL)
        return;
    counts = pack_vector(file, CTR_MODEL_BOUND_COUNT, CTR_SAFE_U32, encoder->n_num, sizeof(uint32));
    for (int i = 0; i < encoder->n_num; i++) {
        counts[i] = (uint32)encoder->buckets[i].n_bounds;
        total += counts[i];
    }
    bounds = pack_vector(file, CTR_MODEL_BOUNDS, CTR_SAFE_F64, total, sizeof(double));
    for (int i = 0; i < encoder->n_num; i++) {
        if (counts[i] > 0)
            memcpy(bounds, encoder->buckets[i].bounds, counts[i] * sizeof(double));
        bounds += counts[i];
    }
}

static void
pack_statistics(CtrSafeFile *file, const CtrEncoder *encoder)
{
    int64 total = 0;
    float *values;

    for (int f = 0; f < encoder->n_statistics; f++)
        total += encoder->categories[f];
    if (encoder->n_statistics == 0)
        return;
    values = pack_vector(file, CTR_MODEL_STATISTICS, CTR_SAFE_F32, total, sizeof(float));
    for (int f = 0; f < encoder->n_statistics; f++) {
        ctr_copy(values, encoder->statistics[f], encoder->categories[f] * sizeof(float));
        values += encoder->categories[f];
    }
}

static void
pack_label_sums(CtrSafeFile *file, const CtrEncoder *encoder)
{
    int64 shape[] = {0, NN_STATISTICS_GROUPS, 2};
    char *sums, *to;

    if (encoder->n_statistics == 0)
        return;
    for (int f = 0; f < encoder->n_statistics; f++)
        shape[0] += encoder->categories[f];
    to = sums = MemoryContextAllocHuge(CurrentMemoryContext,
                                       mul_size((Size)shape[0], NN_STATISTICS_GROUPS * sizeof(NnKeptSum)));
    for (int f = 0; f < encoder->n_statistics; f++) {
        Size size = (Size)encoder->categories[f] * NN_STATISTICS_GROUPS * sizeof(NnKeptSum);

        ctr_copy(to, encoder->sums[f], size);
        to += size;
    }
    pack_tensor(file, CTR_MODEL_LABEL_SUMS, CTR_SAFE_F32, 3, shape, sums, (Size)(to - sums));
    pack_tensor(file, CTR_MODEL_LABEL_TOTALS, CTR_SAFE_F32, 2, shape + 1, encoder->totals,
                NN_STATISTICS_GROUPS * sizeof(NnKeptSum));
}

void
pack_encoder(CtrSafeFile *file, const CtrModel *model)
{
    pack_features(file, model->encoder);
    pack_transforms(file, model->encoder);
    pack_vocabs(file, model->encoder);
    pack_buckets(file, model->encoder);
    if (stage_knows_crosses(model->stage)) {
        pack_crosses(file, model);
        pack_cross_counts(file, model);
    }
    if (model->stage == CTR_STAGE_MODEL || model->stage == CTR_STAGE_LABELS)
        pack_label_sums(file, model->encoder);
    if (model->stage == CTR_STAGE_MODEL)
        pack_statistics(file, model->encoder);
}

void
pack_encoder_of(CtrSafeFile *file, const CtrSafeFile *from)
{
    for (int i = 0; i < from->n_tensors; i++) {
        const CtrSafeTensor *t = &from->tensors[i];

        if (layout_encoder_part(t->name) != NULL)
            pack_tensor(file, t->name, t->dtype, t->ndim, t->shape, NULL, t->size)->at = t->at;
    }
    file->bytes = from->bytes;
}
