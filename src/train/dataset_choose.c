/*
 * dataset_choose.c: which columns the option "crosses" => 'auto' pairs, and of which pairs it is worth
 * knowing how often a row's categories occur together. A sample of the training rows decides
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

static NnPairs *
expect(CtrDataset *ds, const CtrEncoder *encoder, int32 *const *codes, int *candidates)
{
    NnPairSample sample = sample_rows(ds, encoder, codes);
    NnPairs *pairs = pairs_create(&sample, pool_threads(ds->pool), ctr_nn_alloc(CurrentMemoryContext));

    if (pairs == NULL)
        ctr_check_status(NN_NO_MEMORY, "choose pairs of columns");
    threads_run(ds->pool, pairs_statistic_task, pairs, sample.fields);
    *candidates = pairs_expect(pairs, ctr_pause);
    return pairs;
}

static int
choose(CtrDataset *ds, NnPairs *pairs, int candidates, CtrCross *crosses)
{
    NnPair chosen[CHOSEN_MOST];
    int n;

    threads_run(ds->pool, pairs_gain_task, pairs, candidates);
    n = pairs_choose(pairs, chosen, CHOSEN_MOST, ctr_pause);
    for (int k = 0; k < n; k++)
        crosses[k] = (CtrCross){{chosen[k].columns[0], chosen[k].columns[1]}};
    return n;
}

static NnPair
pair_of(const CtrCross *cross)
{
    return (NnPair){.columns = {cross->columns[0], cross->columns[1]}};
}

/* Whether the counts of each cross tell something besides. */
static void
judge_counts(const CtrDataset *ds, NnPairs *pairs, const CtrCross *crosses, int n, bool *counted)
{
    for (int k = 0; k < n; k++) {
        const NnPair pair = pair_of(&crosses[k]);

        CHECK_FOR_INTERRUPTS();
        counted[k] = ds->options->cross_counts && pairs_count(pairs, &pair) > 0;
    }
}

int
dataset_choose_crosses(CtrDataset *ds, const CtrEncoder *encoder, int32 *const *codes, CtrCross *crosses,
                       int n, bool *counted)
{
    const bool choosing = ds->options->crosses.kind == CTR_CROSSES_AUTO;
    MemoryContext context, old;
    NnPairs *pairs;
    int candidates;

    if (ds->n_cat < 2 || (!choosing && n == 0) || ds->options->net.n_classes > 1)
        return n;
    context = AllocSetContextCreate(CurrentMemoryContext, "ctr choose pairs", ALLOCSET_DEFAULT_SIZES);
    old = MemoryContextSwitchTo(context);
    pairs = expect(ds, encoder, codes, &candidates);
    if (choosing)
        n = choose(ds, pairs, candidates, crosses);
    for (int k = 0; !choosing && k < n; k++) {
        const NnPair pair = pair_of(&crosses[k]);

        CHECK_FOR_INTERRUPTS();
        pairs_take(pairs, &pair);
    }
    judge_counts(ds, pairs, crosses, n, counted);
    MemoryContextSwitchTo(old);
    MemoryContextDelete(context);
    return n;
}
