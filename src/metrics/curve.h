/* curve.h: the state of the aggregates that look at scores in their order: calibration, the ROC curve. */
#ifndef CTR_CURVE_H
#define CTR_CURVE_H

#include "nn/math/curves.h"
#include "score/scores.h"

#define CTR_CALIBRATION_BINS      10
#define CTR_CALIBRATION_BINS_MOST 1000

typedef struct CtrCurve {
    CtrScores scores;
    int32 bins; /* of a calibration; 0: no row has come */
} CtrCurve;

/* A copy of the scores, ascending, in the current context: a window aggregate adds more afterwards. */
NnScore *curve_sorted(const CtrCurve *curve);
/* The bins, in the current context. Error where a score is no probability. *n: how many */
NnCalibrationBin *curve_calibration(const CtrCurve *curve, int *n);

#endif /* CTR_CURVE_H */
