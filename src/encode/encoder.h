/* encoder.h: fits an encoder on the rows of a training; for src/train only. */
#ifndef CTR_ENCODER_H
#define CTR_ENCODER_H

#include "encode/encode.h"

#include "nn/math/points.h"

/*
 * An encoder with room for every field. Everything in it is still to be fitted, or taken over from
 * `known`.
 */
CtrEncoder *encoder_create(MemoryContext context, const CtrOptions *options, const CtrFeature *features,
                           int n_num, int n_cat, const CtrEncoder *known);
/* Adds to the feature's count of rows without a value, up to the largest that a model can have. */
void encoder_add_missing(CtrEncoder *encoder, int feature, int64 missing);
/* Fits the transform and buckets of numerical column i. missing: training rows without a value. */
void encoder_fit_number(CtrEncoder *encoder, int i, const CtrOptions *options, NnColumn *column,
                        int64 missing);
/* The same by the points of the column in several parts of a table. */
void encoder_fit_points(CtrEncoder *encoder, int i, const CtrOptions *options, const NnPoints *points,
                        int64 missing);
/* Takes them over from `known` instead. */
void encoder_keep_number(CtrEncoder *encoder, int i, const CtrEncoder *known, int64 missing);
/* ------------------------------------------------------------------ encoder_vocabs.c */

/*
 * Category field f. seen: the categories of all rows; counts: in how many training rows each occurs, [seen].
 * Known are those of `known` (may be NULL), under their old codes, then those that occur at least min_count
 * times, the most frequent first. Returns the code of every category in `seen`, in the current context.
 */
int32 *encoder_fit_categories(CtrEncoder *encoder, int f, const CtrVocab *seen, const int32 *counts,
                              int min_count, const CtrEncoder *known, int64 missing);

/* The code of every category in `seen` by field f's vocabulary, in the current context. */
int32 *encoder_find_codes(const CtrEncoder *encoder, int f, const CtrVocab *seen);

/* The pairs of codes that occur in one cross, as cross_key has them, and how often. */
typedef struct CtrPairs {
    CtrVocab *seen;
    int32 *counts, *rows; /* of training rows, and of these and the rows that chance held back */
} CtrPairs;

/*
 * The crosses, n of them, once the columns' categories are known; then each of them is fitted, and then
 * encoder_widths is called again. Codes have the pairs of `known` and those that occur at least min_count
 * times, as for a column. counted: how often pairs occur should be an input; then the vocabulary has those
 * that `known` has without a code, too, and all others that are seen, unless that were too many. *rare: such
 * pairs of all crosses so far.
 */
void encoder_set_crosses(CtrEncoder *encoder, const CtrOptions *options, const CtrCross *crosses, int n);
void encoder_fit_cross(CtrEncoder *encoder, int k, const CtrPairs *pairs, const CtrOptions *options,
                       bool counted, const CtrEncoder *known, int64 *rare);
/* Instead: the crosses, whose pairs are still to be counted; counted [n]. */
void encoder_await_pairs(CtrEncoder *encoder, const CtrOptions *options, const CtrCross *crosses, int n,
                         const bool *counted);

/*
 * The same encoder without counts of pairs, as options without "cross_counts" would have fitted it. In
 * `context`, but for what both share.
 */
CtrEncoder *encoder_without_counts(const CtrEncoder *encoder, const CtrOptions *options,
                                   MemoryContext context);

/* ------------------------------------------------------------------ encoder.c again */

/*
 * Call it once all categories are known: makes room for the statistics and their sums, and copies the
 * totals [NN_STATISTICS_GROUPS].
 */
void encoder_create_statistics(CtrEncoder *encoder, const NnKeptSum *totals);
/*
 * The same, and keeps these sums: sums [n_statistics][categories][NN_STATISTICS_GROUPS], each of which is
 * freed, and totals [NN_STATISTICS_GROUPS]. Serves interrupts.
 */
void encoder_keep_sums(CtrEncoder *encoder, NnLabelSum *const *sums, const NnLabelSum *totals);
/*
 * statistics.c: fits the statistics from the sums and totals, which are there; known: of a model to go on
 * from, whose sums take the place of these. The result, in the current context: those for rows of this
 * training, [n_statistics][categories][NN_STATISTICS_GROUPS].
 */
float **encoder_fit_statistics(CtrEncoder *encoder, const CtrEncoder *known);
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

/* the most bytes that sorting so many columns of n values in memory takes, one column after the other */
Size column_sort_memory(int64 n, int columns);
/*
 * Sorts at most n values with so many bytes and temporary files; memory 0: in memory. In the current
 * context.
 */
CtrColumnSort *column_sort_create(int64 n, Size memory);
void column_sort_add(CtrColumnSort *cs, double value); /* finite, and no -0 */
NnColumn *column_sort_finish(CtrColumnSort *cs);
/* After column_sort_finish: are all values integers, and all different? */
bool column_sort_is_key(CtrColumnSort *cs);
void column_sort_free(CtrColumnSort *cs);

#endif /* CTR_ENCODER_H */
