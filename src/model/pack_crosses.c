/* pack_crosses.c: writes which columns of a model are paired, and the pairs of codes that it knows. */
#include "model/pack.h"

void
pack_crosses(CtrSafeFile *file, const CtrModel *model)
{
    const CtrEncoder *encoder = model->encoder;
    const int n = encoder->n_crosses;
    int64 shape[] = {n, 2}, total = 0;
    uint32 *columns, *counts;
    int32 *frequencies, *codes;

    if (model->options.crosses.kind == CTR_CROSSES_NONE)
        return;
    columns = palloc(sizeof(uint32) * 2 * Max(n, 1));
    counts = pack_vector(file, CTR_MODEL_CROSS_COUNT, CTR_SAFE_U32, n, sizeof(uint32));
    for (int k = 0; k < n; k++) {
        for (int i = 0; i < 2; i++)
            columns[2 * k + i] = (uint32)encoder->crosses[k].columns[i];
        counts[k] = (uint32)vocab_count(encoder->vocabs[encoder->n_cat + k]);
        total += counts[k];
    }
    pack_tensor(file, CTR_MODEL_CROSSES, CTR_SAFE_U32, 2, shape, columns, sizeof(uint32) * 2 * n);
    shape[0] = total;
    frequencies = pack_vector(file, CTR_MODEL_CROSS_FREQUENCY, CTR_SAFE_I32, total, sizeof(int32));
    codes = MemoryContextAllocHuge(CurrentMemoryContext, mul_size(Max(total, 1), sizeof(CtrCrossKey)));
    pack_tensor(file, CTR_MODEL_CROSS_CODES, CTR_SAFE_I32, 2, shape, codes,
                (Size)total * sizeof(CtrCrossKey));
    for (int k = 0; k < n; k++) {
        const int v = encoder->n_cat + k;

        for (uint32 i = 0; i < counts[k]; i++) {
            uint32 length;

            ctr_pause_at(i);
            memcpy(codes, vocab_get(encoder->vocabs[v], (int32)i, &length), sizeof(CtrCrossKey));
            codes += 2;
            *frequencies++ = encoder->frequencies[v][i];
        }
    }
}

void
pack_cross_counts(CtrSafeFile *file, const CtrModel *model)
{
    const CtrEncoder *encoder = model->encoder;
    const int n = encoder->n_crosses;
    int64 total = 0;
    uint8 *counted;
    uint32 *known;
    int32 *rows;

    if (model->options.crosses.kind == CTR_CROSSES_NONE || !model->options.cross_counts)
        return;
    counted = pack_vector(file, CTR_MODEL_CROSS_COUNTED, CTR_SAFE_U8, n, sizeof(uint8));
    known = pack_vector(file, CTR_MODEL_CROSS_KNOWN, CTR_SAFE_U32, n, sizeof(uint32));
    for (int k = 0; k < n; k++) {
        counted[k] = encoder->pair_rows[k] != NULL;
        known[k] = (uint32)(encoder->categories[encoder_first_cross(encoder) + k] - CTR_CODE_KNOWN);
        total += counted[k] ? vocab_count(encoder->vocabs[encoder->n_cat + k]) : 0;
    }
    rows = pack_vector(file, CTR_MODEL_CROSS_ROWS, CTR_SAFE_I32, total, sizeof(int32));
    for (int k = 0; k < n; k++) {
        const int32 pairs = vocab_count(encoder->vocabs[encoder->n_cat + k]);

        if (!counted[k])
            continue;
        ctr_copy(rows, encoder->pair_rows[k], pairs * sizeof(int32));
        rows += pairs;
    }
}
