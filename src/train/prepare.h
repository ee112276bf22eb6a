/*
 * prepare.h: a start that the trainings on parts of a table have in common, made in passes: ctr_prepare looks
 * at a part, ctr_merge at what it gave of all parts.
 */
#ifndef CTR_PREPARE_H
#define CTR_PREPARE_H

#include "train/train.h"

/* The next pass over the parts, once what they have in common is merged; CTR_STAGE_MODEL: there is none. */
CtrStage prepare_next(const CtrModel *common);

/* A count of rows that several parts have together. */
static inline int64
prepare_add_rows(int64 sum, int64 more)
{
    return Min(sum + more, CTR_COUNT_MOST);
}

/* ------------------------------------------------------------------ dataset_prepare.c */

/*
 * Makes the pass that part->stage names over the dataset's rows, all of which have been added, and fills what
 * the part has of it. Serves interrupts.
 */
void dataset_prepare(CtrDataset *dataset, CtrModel *part);

/* ------------------------------------------------------------------ merge*.c */

/* What ctr_merge was given, in the order of the digests: so it does not matter in which order they came. */
typedef struct CtrParts {
    int n;
    Datum *values; /* in memory, or TOAST pointers */
} CtrParts;

CtrModel *parts_unpack(const CtrParts *parts, int i, MemoryContext context);
/* Errors: the parts' options, columns, encoders or starts differ. */
void parts_check_same(const CtrModel *first, const CtrModel *part);
void parts_check_encoder(Datum first, Datum part);

/* Each in `context`; serves interrupts. */
CtrModel *merge_columns(const CtrParts *parts, MemoryContext context);
CtrModel *merge_labels(const CtrParts *parts, MemoryContext context);
CtrModel *merge_models(const CtrParts *parts, MemoryContext context);

/* ------------------------------------------------------------------ start.c */

/* What is merged, of all passes, becomes the start: a model that ctr_train takes. */
void start_create(CtrModel *model);

#endif /* CTR_PREPARE_H */
