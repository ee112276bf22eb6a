/* layout.c: what pack.c and unpack.c share of the layout. */
#include "model/layout.h"

const CtrModelStatistic model_statistics[CTR_MODEL_N_STATISTICS] = {
    {"ctr.numerical.mean", offsetof(NnTransform, mean)},
    {"ctr.numerical.low", offsetof(NnTransform, low)},
    {"ctr.numerical.high", offsetof(NnTransform, high)},
    {"ctr.numerical.shift", offsetof(NnTransform, shift)},
    {"ctr.numerical.scale", offsetof(NnTransform, scale)},
};

const char *const model_weights_names[CTR_MODEL_N_WEIGHTS] = {[CTR_WEIGHTS_TRAINED] = "trained",
                                                              [CTR_WEIGHTS_INITIAL] = "initial",
                                                              [CTR_WEIGHTS_LOADED] = "loaded",
                                                              [CTR_WEIGHTS_MEASURED] = "measured",
                                                              [CTR_WEIGHTS_VELOCITY] = "velocity"};

const char *const model_stage_names[CTR_N_STAGES] = {
    [CTR_STAGE_MODEL] = "model",
    [CTR_STAGE_COLUMNS] = "columns",
    [CTR_STAGE_COMMON_COLUMNS] = "common columns",
    [CTR_STAGE_SAMPLE] = "sample",
    [CTR_STAGE_COMMON_CROSSES] = "common crosses",
    [CTR_STAGE_PAIRS] = "pairs",
    [CTR_STAGE_COMMON_PAIRS] = "common pairs",
    [CTR_STAGE_LABELS] = "labels",
};

const char *
layout_encoder_part(const char *tensor)
{
    static const struct {
        const char *prefix, *what;
    } parts[] = {
        {"ctr.features.", "how often columns have no value"},
        {"ctr.numerical.", "the transforms of numbers"},
        {"ctr.categorical.", "the known categories"},
        {"ctr.crosses.", "the pairs of columns"},
        {"ctr.derived.bound", "the buckets of numbers"},
        {"ctr.derived.statistics", "the target statistics"},
        {"ctr.derived.label", "the labels by category"},
    };

    for (int i = 0; i < (int)lengthof(parts); i++) {
        if (strncmp(tensor, parts[i].prefix, strlen(parts[i].prefix)) == 0)
            return parts[i].what;
    }
    return NULL;
}
