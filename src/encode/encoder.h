/*
 * encoder.h: fitting an encoder on a training's rows; private to dataset.c, dataset_fit.c, encoder.c and
 * column_sort.c.
 */
#ifndef CTR_ENCODER_H
#define CTR_ENCODER_H

#include "encode/encode.h"

/* With room for every field; everything in it is still to be fitted, or taken over from `known`. */
CtrEncoder *encoder_create(MemoryContext context, const CtrOptions *options, const CtrFeature *features,
                           int n_num, int n_cat, const CtrEncoder *known);
/* Numerical column i: its transform and buckets. missing: training rows without a value. */
void encoder_fit_number(CtrEncoder *encoder, int i, const CtrOptions *options, NnColumn *column,
                        int64 missing);
/* The same where they are taken over. */
void encoder_keep_number(CtrEncoder *encoder, int i, const CtrEncoder *known, int64 missing);
/*
 * Category field f. seen: the categories of all rows; counts: in how many training rows each occurs, [seen].
 * Known are those of `known` (may be NULL), under their old codes, then those that occur at least min_count
 * times, in the order of their first appearance. Returns the code of every category in `seen`, in the current
 * context.
 */
int32 *encoder_fit_categories(CtrEncoder *encoder, int f, const CtrVocab *seen, const int32 *counts,
                              int min_count, const CtrEncoder *known, int64 missing);

/*
 * Once all categories are known: room for the statistics and their sums, which stand beside these totals
 * [NN_STATISTICS_GROUPS].
 */
void encoder_create_statistics(CtrEncoder *encoder, const NnKeptSum *totals);
/* the code of numerical column i's value as a category */
int32 encoder_bucket(const CtrEncoder *encoder, int i, double value);
/*
 * Writes the derived numerical inputs of a row to x_num from its codes: category c of field f has statistic
 * statistics[f][c * stride + fold].
 */
void encoder_derive(const CtrEncoder *encoder, float *const *statistics, int stride, int fold, float *x_num,
                    const int32 *x_cat, Size ld_cat);

/* ------------------------------------------------------------------ column_sort.c */

typedef struct CtrColumnSort CtrColumnSort;

/* bytes at most for so many columns of n values inside of memory, sorted one after the other */
Size column_sort_memory(int64 n, int columns);
/*
 * For at most n values, in so many bytes and in files; memory 0: inside of memory. From the current context.
 */
CtrColumnSort *column_sort_create(int64 n, Size memory);
void column_sort_add(CtrColumnSort *cs, double value); /* finite, and no -0 */
NnColumn *column_sort_finish(CtrColumnSort *cs);
/* After column_sort_finish: are they integers of which none comes twice? */
bool column_sort_is_key(CtrColumnSort *cs);
void column_sort_free(CtrColumnSort *cs);

#endif /* CTR_ENCODER_H */
