/*
 * dataset_prepare.c: a pass over a part's rows, for ctr_prepare: what a training would learn of them before
 * its first epoch, as far as what all parts have in common is known.
 */
#include "train/dataset.h"
#include "train/prepare.h"

#include "threads.h"

/* Rows by what they are for, and by label. */
static void
count_labels(CtrDataset *ds, CtrModel *part)
{
    double *held_back = palloc0(sizeof(double) * ds->n_classes);
    double *weights = MemoryContextAllocZero(part->context, sizeof(double) * ds->n_classes);
    const char *row;
    RawScan scan;

    part->label_rows = MemoryContextAllocZero(part->context, sizeof(int64) * ds->n_classes);
    for (raw_scan_start(ds, &scan); (row = raw_scan_next(&scan)) != NULL;) {
        const RawTail *tail = raw_tail(ds, row);
        const int label = (int)tail->label;

        if (scan.sampler.group == NN_FOLD_VALIDATION) {
            part->validation_rows++;
            held_back[label] += tail->weight;
        } else {
            part->train_rows++;
            part->label_rows[label]++;
            weights[label] += tail->weight;
        }
    }
    for (int k = 0; k < ds->n_classes; k++)
        weights[k] += ds->options->validation_column ? 0 : held_back[k];
    part->prepared.class_weights = weights;
}

static void
prepare_columns(CtrDataset *ds, CtrModel *part)
{
    part->prepared.points = MemoryContextAllocZero(part->context, sizeof(NnPoints) * Max(ds->n_num, 1));
    dataset_fit_columns(ds, part->encoder, 1, part->prepared.points);
    count_labels(ds, part);
}

/* The passes over columns that are known. */
static void
prepare_more(CtrDataset *ds, CtrModel *part, int32 *const *codes)
{
    MemoryContext old = CurrentMemoryContext;

    switch (part->stage) {
    case CTR_STAGE_SAMPLE:
        MemoryContextSwitchTo(part->context);
        part->prepared.sample = dataset_sample(ds, part->encoder, codes);
        MemoryContextSwitchTo(old);
        break;
    case CTR_STAGE_PAIRS:
        dataset_count_pairs(ds, part->encoder, codes);
        break;
    default:
        dataset_sum_labels(ds, part->encoder, codes);
    }
}

void
dataset_prepare(CtrDataset *ds, CtrModel *part)
{
    MemoryContext scratch = AllocSetContextCreate(ds->context, "ctr prepare", ALLOCSET_DEFAULT_SIZES);
    MemoryContext old = MemoryContextSwitchTo(scratch);

    dataset_store_arrived(ds);
    rows_order(ds);
    if (part->stage == CTR_STAGE_COLUMNS)
        prepare_columns(ds, part);
    else
        prepare_more(ds, part, dataset_common_codes(ds));
    MemoryContextSwitchTo(old);
    MemoryContextDelete(scratch);
}
