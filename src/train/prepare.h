/*
 * prepare.h: a start that the trainings on parts of a table have in common, made in passes: ctr_prepare looks
 * at a part, ctr_merge at what it gave of all parts.
 */
#ifndef CTR_PREPARE_H
#define CTR_PREPARE_H

#include "train/train.h"

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
    Datum *values;       /* in memory, or TOAST pointers */
    CtrValueBytes *base; /* of the model that they are changes of; NULL: they are values of their own */
} CtrParts;

/* The bytes of one, in the current context. */
CtrValueBytes *parts_bytes(const CtrParts *parts, int i);
CtrModel *parts_unpack(const CtrParts *parts, int i, MemoryContext context);
/*
 * Errors: the parts' options, columns, encoders or starts differ. stage: in that of pairs, each part has its
 * own.
 */
void parts_check_same(const CtrModel *first, const CtrModel *part);
void parts_check_encoder(Datum first, Datum part, CtrStage stage);
void parts_check_encoder_of(const CtrSafeFile *first, const CtrSafeFile *part, CtrStage stage);

/* Each in `context`; serves interrupts. */
CtrModel *merge_columns(const CtrParts *parts, MemoryContext context);
CtrModel *merge_samples(const CtrParts *parts, MemoryContext context);
CtrModel *merge_pairs(const CtrParts *parts, MemoryContext context);
CtrModel *merge_labels(const CtrParts *parts, MemoryContext context);
/* The bytes, in `result`. */
ctr_model *merge_models(const CtrParts *parts, MemoryContext context, MemoryContext result);

/* ------------------------------------------------------------------ merge_union.c */

/* Categories of all parts, and in how many rows each occurs, counted in one way or in two. */
typedef struct CtrUnion {
    CtrVocab *seen;
    int32 *counts, *rows;
    int32 room;
} CtrUnion;

CtrUnion union_create(MemoryContext context);
/* counts, rows [vocab]; NULL: none of these. Serves interrupts. */
void union_add(CtrUnion *all, const CtrVocab *vocab, const int32 *counts, const int32 *rows);

/* ------------------------------------------------------------------ start.c */

/* What is merged, of all passes, becomes the start: a model that ctr_train takes. */
void start_create(CtrModel *model);

#endif /* CTR_PREPARE_H */
