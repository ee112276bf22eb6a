/*
 * metrics.h: the area under the ROC curve, and the log loss of a probability.
 */
#ifndef NN_METRICS_H
#define NN_METRICS_H

#include "nn/nn.h"

/* One scored row. */
typedef struct NnScore {
    double score;
    float label, weight;
} NnScore;

/*
 * Area under the ROC curve, ties count half; labels > 0.5 are positive. Exact. Leaves scores in no useful
 * state; scratch [n]. NaN if there is one class only or a score is NaN.
 */
double auc(NnScore *scores, NnScore *scratch, size_t n, NnPause pause);

/*
 * The same over a stream of any length in fixed memory: exact up to NN_AUC_EXACT rows; from then on
 * neighbouring scores share a group, each of no more than some millionths of the positives' and negatives'
 * weights. The area is wrong by less than 1e-5 wherever the scores lie, and however close together.
 */
typedef struct NnAuc NnAuc;
#define NN_AUC_EXACT ((size_t)1 << 20)

/* max_rows: the longest stream to expect, for its memory (24 MB at most). NULL when memory is out. */
NnAuc *auc_create(NnAlloc alloc, size_t max_rows);
void auc_reset(NnAuc *a);
void auc_add(NnAuc *a, float score, bool positive, float weight); /* weight >= 0 */
double auc_value(NnAuc *a);              /* NaN as auc(); more rows may be added afterwards */
double log_loss(double p, double label); /* p clipped to [eps, 1 - eps] of float8, as sklearn's log_loss */

#endif /* NN_METRICS_H */
