/*
 * drift.h: how far the shares of some rows in bins are from those of a training.
 */
#ifndef NN_DRIFT_H
#define NN_DRIFT_H

#include "nn/nn.h"

#define NN_DRIFT_BINS  10   /* of a number, about equally full in the training */
#define NN_DRIFT_SHARE 0.01 /* of the training rows: a category with so many has a bin of its own */

/*
 * bounds [NN_DRIFT_BINS - 1], ascending and distinct, that cut the quantile points [n] of a training into
 * bins (bucket_find), and shares [NN_DRIFT_BINS], the points' in each. Returns how many bounds there are; 0
 * for n = 0.
 */
int drift_bounds(double *bounds, double *shares, const double *quantiles, int n);
/*
 * The population stability index, the sum over bins of (p - q) ln(p / q), of the rows' shares p and the
 * training's shares q. In both, every bin has half a row more than it has, so that none is empty. NaN where
 * either has no rows.
 */
double drift_index(const int64_t *rows, const double *trained, int bins);

#endif /* NN_DRIFT_H */
