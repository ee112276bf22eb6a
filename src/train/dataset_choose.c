/*
 * dataset_choose.c: which columns the option "crosses" => 'auto' pairs. A sample of the training rows decides
 * (nn/math/pairs.c): the first ones in the order of the rows, which is that of a hash.
 */
#include "train/dataset.h"

#include "miscadmin.h"

#include "nn/math/pairs.h"
#include "threads.h"

#define CHOSEN_MOST 8

/* The sample, as it arrives and column by column. */
static NnPairSample
sample_create(const CtrDataset *ds, const CtrEncoder *encoder)
{
    const Size row_size = sizeof(int32) * 2 * (Size)encoder->d_cat + 64; /* codes, statistics, and the rest */
    const Size most = Min(DATASET_WORKING_MEMORY / row_size, NN_PAIR_ROWS_MOST);
    NnPairSample sample = {.rows = (int)Min((int64)most, ds->n_training), .unseen = CTR_CODE_UNSEEN};

    sample.fields = encoder->d_cat;
    sample.columns = encoder->n_cat;
    sample.categories = palloc(sizeof(int) * sample.fields);
    memcpy(sample.categories, encoder->categories, sizeof(int) * sample.fields);
    sample.codes = palloc(sizeof(int32 *) * sample.fields);
    for (int f = 0; f < sample.fields; f++)
        sample.codes[f] = palloc(sizeof(int32) * sample.rows);
    sample.label = palloc(sizeof(float) * sample.rows);
    sample.weight = palloc(sizeof(float) * sample.rows);
    sample.fold = palloc(sample.rows);
    return sample;
}

static NnPairSample
sample_rows(const CtrDataset *ds, const CtrEncoder *encoder, int32 *const *codes)
{
    NnPairSample sample = sample_create(ds, encoder);
    int32 *x_cat = palloc(sizeof(int32) * sample.fields);
    RawScan scan;

    raw_scan_start(ds, &scan);
    for (int i = 0; i < sample.rows; i++) {
        const char *row = raw_scan_next_training(&scan);

        raw_codes(ds, encoder, codes, row, NULL, x_cat);
        for (int f = 0; f < sample.fields; f++)
            sample.codes[f][i] = x_cat[f];
        sample.label[i] = raw_tail(ds, row)->label;
        sample.weight[i] = raw_tail(ds, row)->weight;
        sample.fold[i] = (uint8)scan.sampler.fold;
    }
    return sample;
}

static int
choose(CtrDataset *ds, const CtrEncoder *encoder, int32 *const *codes, CtrCross *crosses)
{
    NnPairSample sample = sample_rows(ds, encoder, codes);
    NnPairs *pairs = pairs_create(&sample, pool_threads(ds->pool), ctr_nn_alloc(CurrentMemoryContext));
    NnPair chosen[CHOSEN_MOST];
    int n;

    if (pairs == NULL)
        ctr_check_status(NN_NO_MEMORY, "choose pairs of columns");
    threads_run(ds->pool, pairs_statistic_task, pairs, sample.fields);
    n = pairs_expect(pairs, ctr_pause);
    threads_run(ds->pool, pairs_gain_task, pairs, n);
    n = pairs_choose(pairs, chosen, CHOSEN_MOST, ctr_pause);
    for (int k = 0; k < n; k++) {
        crosses[k] = (CtrCross){{chosen[k].columns[0], chosen[k].columns[1]}};
        ereport(DEBUG1,
                (errmsg("ctr: columns \"%s\" and \"%s\" together gain %.5f per row",
                        ds->features[ds->n_num + chosen[k].columns[0]].name,
                        ds->features[ds->n_num + chosen[k].columns[1]].name, chosen[k].gain / sample.rows)));
    }
    return n;
}

int
dataset_choose_crosses(CtrDataset *ds, const CtrEncoder *encoder, int32 *const *codes, CtrCross *crosses)
{
    MemoryContext context, old;
    int n;

    if (ds->n_cat < 2)
        return 0;
    context = AllocSetContextCreate(CurrentMemoryContext, "ctr choose pairs", ALLOCSET_DEFAULT_SIZES);
    old = MemoryContextSwitchTo(context);
    n = choose(ds, encoder, codes, crosses);
    MemoryContextSwitchTo(old);
    MemoryContextDelete(context);
    return n;
}
