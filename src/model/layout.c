/* layout.c: what pack.c and unpack.c share of the layout. */
#include "model/layout.h"

const CtrModelStatistic model_statistics[CTR_MODEL_N_STATISTICS] = {
    {"ctr.numerical.mean", offsetof(NnTransform, mean)},
    {"ctr.numerical.low", offsetof(NnTransform, low)},
    {"ctr.numerical.high", offsetof(NnTransform, high)},
    {"ctr.numerical.shift", offsetof(NnTransform, shift)},
    {"ctr.numerical.scale", offsetof(NnTransform, scale)},
};
