/*
 * layout.h: the layout of a model's bytes, which pack.c writes and unpack.c reads.
 *
 * A ctr_model is one safetensors file (safetensors.c). All text is UTF-8, but for categories that cannot be
 * spelt in it (spelling.c) and those of databases of encoding SQL_ASCII, which are any bytes.
 *
 * Tensors of the network: each parameter under its state_dict name with its own shape, F32 (I64 for counters
 * and offsets). All other names begin with "ctr.".
 *
 * Tensors of the encoder, features in the order of the metadata lists (numerical, then categorical):
 *   ctr.features.missing         I64 [features]    training rows without a value
 *   ctr.numerical.kind           U8  [numerical]   NnTransformKind
 *   ctr.numerical.mean … scale   F64 [numerical]   the members of NnTransform, one tensor each
 *   ctr.numerical.quantile_count U32 [numerical]
 *   ctr.numerical.quantiles      F64 [their sum]   column after column, ascending in each
 *   ctr.categorical.count        U32 [categorical] known categories of each column
 *   ctr.categorical.frequency    I32 [their sum]   training rows of each known category, column after column
 *   ctr.categorical.end          U32 [their sum]   where its bytes end in:
 *   ctr.categorical.bytes        U8  [bytes]       all categories, one after the other
 *
 * Tensors of crosses, unless the option "crosses" is "none":
 *   ctr.crosses.columns          U32 [crosses, 2]  each pair's categorical columns, from 0, ascending
 *   ctr.crosses.count            U32 [crosses]     pairs of codes of each
 *   ctr.crosses.frequency        I32 [their sum]   training rows of each pair, cross after cross
 *   ctr.crosses.codes            I32 [their sum, 2]  the pairs: a code of each of the two columns
 * and, where the option "cross_counts" is true,
 *   ctr.crosses.counted          U8  [crosses]     0 or 1: how often a row's pair occurs is an input
 *   ctr.crosses.known            U32 [crosses]     so many of each one's pairs have codes, the first ones;
 *                                                  without this tensor all have
 *   ctr.crosses.rows             I32 [the sum of the counted crosses' pairs]  rows that each occurs in
 *
 * Tensors of derived inputs, where the options ask for them (numerical_buckets, target_statistics):
 *   ctr.derived.bound_count      U32 [numerical]   bounds between each column's buckets
 *   ctr.derived.bounds           F64 [their sum]   column after column, ascending in each
 *   ctr.derived.statistics       F32 [codes]       target statistic of each code: categorical columns, then
 *                                                  buckets, then crosses
 *   ctr.derived.label_sums       F32 [codes, 6, 2] what it comes from: in each of five folds of the training
 *                                                  rows and among the rows held back by chance, the sum of
 *                                                  weights and that of weight * label. Only going on from the
 *                                                  model reads them
 *   ctr.derived.label_totals     F32 [6, 2]        the same of all rows
 *
 * Tensors that explanations need (CtrInsight); inputs are what the network reads of a row, numbers and then
 * the rows of embedding tables in the order of its lookups (nn/infer/gradients.h):
 *   ctr.average.inputs           F32 [inputs]      of the training's rows; ctr.average.spread likewise
 *   ctr.average.statistics       F32 [fields]      where the network reads sums of target statistics
 *   ctr.importance.features      F32 [features]
 *   ctr.importance.attention     F32 [features]    where the network has an attention over fields
 *   ctr.importance.crosses       F32 [crosses]     where there are crosses
 *
 * Tensors of the training:
 *   ctr.labels.rows              I64 [classes]     training rows of each label, 2 where there is one
 *                                                  class. Files of before have none
 *   ctr.history                  F64 [epochs, 6]   the members of CtrEpoch but seconds
 *
 * A prepared value (CtrStage) has no tensors of a network, statistics, insight and labels' sums but those
 * that its stage has; crosses as far as they are known; and
 *   ctr.prepared.class_weights   F64 [classes]     sums of weights by label, of all rows but those of a
 *                                                  validation_column; 2 where there is one class
 *   ctr.points.exact             U8  [numerical]   0 or 1: every value of the column is a point (points.h)
 *   ctr.points.count             U32 [numerical]   points of each column
 *   ctr.points.value             F64 [their sum]   column after column, ascending in each
 *   ctr.points.rows              I64 [their sum]   rows that each stands for
 *   ctr.points.moments           F64 [numerical, 5]  the members of NnMoments
 * the last five only where the stage is "columns", and, where it is "sample",
 *   ctr.sample.codes             I32 [fields, rows]  without crosses, of which there are none yet
 *   ctr.sample.hash              I64 [rows]        of each row, ascending as unsigned numbers
 *   ctr.sample.label             F32 [rows]        ctr.sample.weight likewise
 *   ctr.sample.fold              U8  [rows]
 * Of crosses, "common crosses" has the columns alone, "pairs" all pairs that occur in a part.
 *
 * A model with a shared encoder:
 *   ctr.part.rows                I32 [codes]       in how many rows that trained it each code occurs, in the
 *                                                  order of ctr.derived.statistics
 *
 * Metadata (all of them strings):
 *   digest          SHA-256 of all but itself and the next two; always first, so that a file's head has it
 *   epoch_seconds   wall-clock seconds of each epoch, CTR_MODEL_SECONDS_WIDTH characters each, as in
 *                   "[  0.012345,  0.012311]"; always second, because the digest leaves it out (digest.c):
 *                   the same training gives the same digest
 *   trained_at      when the training ended, in UTC, as in "2026-11-27T08:15:00Z"; always third, and left out
 *                   likewise. Files of before have none
 *   format_version  of this layout; version 1 was never released
 *   ctr_version     of the extension that wrote the file
 *   options         JSON object, see record.c
 *   numerical       JSON array of column names; categorical likewise
 *   candidates      JSON array of the settings that were compared (tried.c), where some were
 *   weights         where they come from, unless they were trained (CtrWeights): initial, loaded, measured,
 *                   velocity
 *   prepared        the stage of a value that is no model (model_stage_names)
 *   encoder         "shared": CtrEncoder.shared
 *   start           the digest of the model that a training on a shared encoder went on from
 *   training_rows, validation_rows, skipped_rows, best_epoch
 */
#ifndef CTR_LAYOUT_H
#define CTR_LAYOUT_H

#include "model/model.h"

#define CTR_MODEL_PREFIX             "ctr."
#define CTR_MODEL_MISSING            "ctr.features.missing"
#define CTR_MODEL_KIND               "ctr.numerical.kind"
#define CTR_MODEL_QUANTILE_COUNT     "ctr.numerical.quantile_count"
#define CTR_MODEL_QUANTILES          "ctr.numerical.quantiles"
#define CTR_MODEL_COUNT              "ctr.categorical.count"
#define CTR_MODEL_FREQUENCY          "ctr.categorical.frequency"
#define CTR_MODEL_END                "ctr.categorical.end"
#define CTR_MODEL_BYTES              "ctr.categorical.bytes"
#define CTR_MODEL_CROSSES            "ctr.crosses.columns"
#define CTR_MODEL_CROSS_COUNT        "ctr.crosses.count"
#define CTR_MODEL_CROSS_FREQUENCY    "ctr.crosses.frequency"
#define CTR_MODEL_CROSS_CODES        "ctr.crosses.codes"
#define CTR_MODEL_CROSS_COUNTED      "ctr.crosses.counted"
#define CTR_MODEL_CROSS_KNOWN        "ctr.crosses.known"
#define CTR_MODEL_CROSS_ROWS         "ctr.crosses.rows"
#define CTR_MODEL_BOUND_COUNT        "ctr.derived.bound_count"
#define CTR_MODEL_BOUNDS             "ctr.derived.bounds"
#define CTR_MODEL_STATISTICS         "ctr.derived.statistics"
#define CTR_MODEL_LABEL_SUMS         "ctr.derived.label_sums"
#define CTR_MODEL_LABEL_TOTALS       "ctr.derived.label_totals"
#define CTR_MODEL_LABELS             "ctr.labels.rows"
#define CTR_MODEL_HISTORY            "ctr.history"
#define CTR_MODEL_AVERAGE            "ctr.average.inputs"
#define CTR_MODEL_SPREAD             "ctr.average.spread"
#define CTR_MODEL_AVERAGE_STATISTICS "ctr.average.statistics"
#define CTR_MODEL_IMPORTANCE         "ctr.importance.features"
#define CTR_MODEL_ATTENTION          "ctr.importance.attention"
#define CTR_MODEL_CROSS_IMPORTANCE   "ctr.importance.crosses"
#define CTR_MODEL_INSIGHTS           6 /* of these tensors */

#define CTR_MODEL_CLASS_WEIGHTS  "ctr.prepared.class_weights"
#define CTR_MODEL_POINTS_EXACT   "ctr.points.exact"
#define CTR_MODEL_POINTS_COUNT   "ctr.points.count"
#define CTR_MODEL_POINTS_VALUE   "ctr.points.value"
#define CTR_MODEL_POINTS_ROWS    "ctr.points.rows"
#define CTR_MODEL_POINTS_MOMENTS "ctr.points.moments"
#define CTR_MODEL_SAMPLE_CODES   "ctr.sample.codes"
#define CTR_MODEL_SAMPLE_HASH    "ctr.sample.hash"
#define CTR_MODEL_SAMPLE_LABEL   "ctr.sample.label"
#define CTR_MODEL_SAMPLE_WEIGHT  "ctr.sample.weight"
#define CTR_MODEL_SAMPLE_FOLD    "ctr.sample.fold"
#define CTR_MODEL_PART_ROWS      "ctr.part.rows"

#define CTR_MODEL_N_WEIGHTS       (CTR_WEIGHTS_VELOCITY + 1)
#define CTR_MODEL_EPOCH_MEMBERS   6
#define CTR_MODEL_SECONDS_WIDTH   16 /* "%16.6f" */
#define CTR_MODEL_SECONDS_LARGEST 999999999.0
#define CTR_MODEL_N_STATISTICS    5

/* the float8 members of NnTransform that are stored, one tensor [n_num] each */
typedef struct CtrModelStatistic {
    const char *name;
    size_t offset;
} CtrModelStatistic;

/* A tensor [n] of a model's insight; n = 0: the model has no such tensor. */
typedef struct CtrInsightTensor {
    const char *name;
    float **values; /* the member of CtrInsight */
    int n;
} CtrInsightTensor;

/* Writes the tensors of the model's insight into tensors [CTR_MODEL_INSIGHTS]. */
void insight_tensors(CtrModel *model, CtrInsightTensor *tensors);

/* What a tensor of the encoder has, for messages; NULL: the tensor is no encoder's. */
const char *layout_encoder_part(const char *tensor);

extern const char *const model_weights_names[CTR_MODEL_N_WEIGHTS]; /* by CtrWeights */
extern const char *const model_stage_names[CTR_N_STAGES];          /* by CtrStage */
extern const CtrModelStatistic model_statistics[CTR_MODEL_N_STATISTICS];

#endif /* CTR_LAYOUT_H */
