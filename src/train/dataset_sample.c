/*
 * dataset_sample.c: the sample of training rows that tells which columns to pair (choose_crosses.c): the
 * first ones in the order of the rows, which is that of a hash. So the samples of a table's parts, taken
 * together and cut to that size, are the whole table's.
 */
#include "train/dataset.h"

int
sample_rows_most(const CtrEncoder *encoder)
{
    const Size row_size = sizeof(int32) * 2 * (Size)encoder->d_cat + 64; /* codes, statistics, and the rest */

    return (int)Min(DATASET_WORKING_MEMORY / row_size, NN_PAIR_ROWS_MOST);
}

CtrSample
sample_create(const CtrEncoder *encoder, int rows)
{
    const int fields = encoder->d_cat;
    CtrSample sample = {.rows = {.fields = fields, .columns = encoder->n_cat, .unseen = CTR_CODE_UNSEEN}};

    sample.hashes = palloc(sizeof(uint64) * Max(rows, 1));
    sample.rows.categories = palloc(sizeof(int) * Max(fields, 1));
    memcpy(sample.rows.categories, encoder->categories, sizeof(int) * fields);
    sample.rows.codes = palloc(sizeof(int32 *) * Max(fields, 1));
    for (int f = 0; f < fields; f++)
        sample.rows.codes[f] = palloc(sizeof(int32) * Max(rows, 1));
    sample.rows.label = palloc(sizeof(float) * Max(rows, 1));
    sample.rows.weight = palloc(sizeof(float) * Max(rows, 1));
    sample.rows.fold = palloc(Max(rows, 1));
    return sample;
}

CtrSample
dataset_sample(const CtrDataset *ds, const CtrEncoder *encoder, int32 *const *codes)
{
    const int most = (int)Min((int64)sample_rows_most(encoder), rowstore_count(ds->raw));
    CtrSample sample = sample_create(encoder, most);
    int32 *x_cat = palloc(sizeof(int32) * Max(encoder->d_cat, 1));
    const char *row;
    RawScan scan;

    for (raw_scan_start(ds, &scan); sample.rows.rows < most && (row = raw_scan_next_training(&scan)) != NULL;
         sample.rows.rows++) {
        const int i = sample.rows.rows;

        raw_codes(ds, encoder, codes, row, NULL, x_cat);
        for (int f = 0; f < sample.rows.fields; f++)
            sample.rows.codes[f][i] = x_cat[f];
        sample.hashes[i] = *raw_hash(row);
        sample.rows.label[i] = raw_tail(ds, row)->label;
        sample.rows.weight[i] = raw_tail(ds, row)->weight;
        sample.rows.fold[i] = (uint8)scan.sampler.fold;
    }
    return sample;
}
