/*
 * curves.h: what scores look like beside labels: calibration by quantiles, the ROC curve.
 */
#ifndef NN_CURVES_H
#define NN_CURVES_H

#include "nn/math/metrics.h"

/* Rows whose scores lie between two neighbouring quantiles. */
typedef struct NnCalibrationBin {
    double score, label; /* means */
    int64_t rows;
} NnCalibrationBin;

typedef struct NnRocPoint {
    double false_positives, true_positives; /* shares of all negatives and positives */
} NnRocPoint;

/* Sorts by score, ascending. scratch [n] */
void scores_sort(NnScore *scores, NnScore *scratch, size_t n, NnPause pause);

/*
 * Sorted scores, cut by their quantiles into at most `bins` bins of equal counts; equal scores are never cut
 * apart, and bins without rows are left out. As scikit-learn's calibration_curve(strategy="quantile").
 * out [bins], ascending; returns how many.
 */
int calibration_bins(NnCalibrationBin *out, int bins, const NnScore *sorted, size_t n, NnPause pause);

/*
 * Points of the ROC curve of sorted scores, from (0, 0) to (1, 1), in the order of falling scores. Of more
 * than `most`, 3 or more, every so many-th: between them the curve moves by no more than 2 / (most - 2) along
 * both axes together. out [most]; returns how many, or 0 if all labels are the same.
 */
int roc_points(NnRocPoint *out, int most, const NnScore *sorted, size_t n, NnPause pause);

#endif /* NN_CURVES_H */
