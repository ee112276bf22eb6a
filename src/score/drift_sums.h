/*
 * drift_sums.h: what ctr_drift counts of rows, beside what the model keeps of its training's (drift_sums.c):
 * one piece of memory, which processes send one another as it is.
 */
#ifndef CTR_DRIFT_SUMS_H
#define CTR_DRIFT_SUMS_H

#include "model/model.h"

/* One feature. Shares of the training are NaN where the model does not know them. */
typedef struct CtrDriftFeature {
    int32 name;        /* where it begins among the names */
    int32 first, bins; /* its bins among all; none: the model keeps no quantile points of the number */
    int64 missing, unseen;
    int64 values; /* of a number, finite ones; sum: theirs */
    double sum;
    double missing_trained, unseen_trained, mean_trained;
} CtrDriftFeature;

typedef struct CtrDriftSums {
    char digest[CTR_MODEL_DIGEST_SIZE]; /* of the model that scores the rows: one in a state */
    Size size;                          /* of all, in bytes */
    int32 n_num, n_features, n_bins, n_classes;
    int64 rows;
    Size features, counts, trained, scores, labels, names; /* offsets of the arrays below */
} CtrDriftSums;

/* Where the values of one feature fall. */
typedef struct CtrDriftBins CtrDriftBins;

/* Zeroed sums for this model, and *bins [n_features], both in `context`. */
CtrDriftSums *drift_sums_create(const CtrModel *model, MemoryContext context, CtrDriftBins **bins);
/* Counts number i of a row. NaN: missing */
void drift_sums_add_number(CtrDriftSums *sums, const CtrDriftBins *bins, int i, double value);
/* Counts a row's codes of the categorical features, ld apart, and its logits [n_classes]. */
void drift_sums_add(CtrDriftSums *sums, const CtrDriftBins *bins, const int32 *codes, Size ld,
                    const float *logits);
/* Adds what another process has counted for the same model. */
void drift_sums_merge(CtrDriftSums *into, const CtrDriftSums *from);
/* rows of the result: the classes' scores, and the features */
int drift_sums_rows(const CtrDriftSums *sums);

/* One row of the result; NaN: not known, or not to be said of such a feature */
typedef struct CtrDriftRow {
    const char *feature, *kind;
    double missing, missing_trained, unseen, unseen_trained, mean, mean_trained, psi;
} CtrDriftRow;

CtrDriftRow drift_sums_row(const CtrDriftSums *sums, int i);

#endif /* CTR_DRIFT_SUMS_H */
