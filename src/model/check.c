/*
 * check.c: what the numbers of a model must be. A model that training returns and one that comes from outside
 * pass the same check, so that whatever can be written can be read.
 */
#include "model/layout.h"

#include <float.h>
#include <math.h>

static int
compare_strings(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static const char *
names_fault(const CtrEncoder *encoder)
{
    int n = encoder->n_num + encoder->n_cat;
    const char **names = palloc(sizeof(char *) * Max(n, 1));
    const char *fault = NULL;

    for (int i = 0; i < n; i++)
        names[i] = encoder->features[i].name;
    qsort(names, n, sizeof(char *), compare_strings);
    for (int i = 0; i < n && fault == NULL; i++) {
        if (names[i][0] == '\0')
            fault = "a feature has no name";
        else if (i > 0 && strcmp(names[i - 1], names[i]) == 0)
            fault = psprintf("it has two features \"%s\"", names[i]);
    }
    pfree(names);
    return fault;
}

/* Counts of rows must be far from an overflow, because going on from the model adds to them. */
static const char *
counts_fault(const CtrModel *model)
{
    const CtrEncoder *encoder = model->encoder;

    for (int i = 0; i < encoder->n_num + encoder->n_cat; i++) {
        const CtrFeature *feature = &encoder->features[i];

        if (feature->missing < 0 || feature->missing > CTR_COUNT_MOST)
            return psprintf("feature \"%s\" is missing in " INT64_FORMAT " rows", feature->name,
                            feature->missing);
    }
    for (int f = 0; f < encoder->n_cat + encoder->n_crosses; f++) {
        const char *name = f < encoder->n_cat ? encoder->features[encoder->n_num + f].name
                                              : cross_name(encoder, f - encoder->n_cat);

        for (int id = 0; id < vocab_count(encoder->vocabs[f]); id++) {
            ctr_pause_at(id);
            if (encoder->frequencies[f][id] < 0)
                return psprintf("a category of feature \"%s\" occurs in %d rows", name,
                                encoder->frequencies[f][id]);
        }
    }
    return NULL;
}

/* Is this a category that cross_key gives? */
static bool
key_is_sound(const CtrEncoder *encoder, const CtrCross *cross, const CtrCrossKey *key)
{
    bool missing = true;

    for (int i = 0; i < 2; i++) {
        if (key->codes[i] <= CTR_CODE_UNSEEN || key->codes[i] >= encoder->categories[cross->columns[i]])
            return false;
        missing &= key->codes[i] == CTR_CODE_MISSING;
    }
    return !missing;
}

static const char *
crosses_fault(const CtrEncoder *encoder)
{
    for (int k = 0; k < encoder->n_crosses; k++) {
        const CtrCross *cross = &encoder->crosses[k];
        const CtrVocab *vocab = encoder->vocabs[encoder->n_cat + k];

        for (int j = 0; j < k; j++) {
            if (memcmp(cross, &encoder->crosses[j], sizeof(CtrCross)) == 0)
                return psprintf("it has two crosses \"%s\"", cross_name(encoder, k));
        }
        for (int32 id = 0; id < vocab_count(vocab); id++) {
            CtrCrossKey key;
            uint32 length;

            ctr_pause_at(id);
            memcpy(&key, vocab_get(vocab, id, &length), sizeof(key));
            if (encoder->pair_rows[k] && encoder->pair_rows[k][id] < 0)
                return psprintf("a pair of cross \"%s\" occurs in %d rows", cross_name(encoder, k),
                                encoder->pair_rows[k][id]);
            if (!key_is_sound(encoder, cross, &key))
                return psprintf("a category of cross \"%s\" has codes %d and %d", cross_name(encoder, k),
                                key.codes[0], key.codes[1]);
        }
    }
    return NULL;
}

static bool
transform_is_sound(const NnTransform *t)
{
    bool good = isfinite(t->mean) && isfinite(t->low) && isfinite(t->high) && isfinite(t->shift) &&
                isfinite(t->scale) && t->low <= t->high && t->scale != 0 &&
                (t->kind == NN_QUANTILE) == (t->n_quantiles > 0);

    for (int q = 0; good && q < t->n_quantiles; q++)
        good = isfinite(t->quantiles[q]) && (q == 0 || t->quantiles[q - 1] <= t->quantiles[q]);
    return good;
}

static bool
buckets_are_sound(const CtrBuckets *buckets)
{
    bool good = true;

    for (int i = 0; good && i < buckets->n_bounds; i++)
        good = isfinite(buckets->bounds[i]) && (i == 0 || buckets->bounds[i - 1] < buckets->bounds[i]);
    return good;
}

static const char *
numbers_fault(const CtrEncoder *encoder)
{
    for (int i = 0; i < encoder->n_num; i++) {
        if (!transform_is_sound(&encoder->transforms[i]))
            return psprintf("the transform of feature \"%s\" is unusable", encoder->features[i].name);
        if (encoder->buckets != NULL && !buckets_are_sound(&encoder->buckets[i]))
            return psprintf("the buckets of feature \"%s\" are unusable", encoder->features[i].name);
    }
    return NULL;
}

static const char *
statistics_fault(const CtrEncoder *encoder)
{
    for (int f = 0; f < encoder->n_statistics; f++) {
        for (int i = 0; i < encoder->categories[f]; i++) {
            ctr_pause_at(i);
            if (!(fabsf(encoder->statistics[f][i]) <= NN_STATISTIC_LARGEST))
                return psprintf("a target statistic is %g", encoder->statistics[f][i]);
        }
    }
    return NULL;
}

static const char *
sums_fault(const CtrEncoder *encoder)
{
    const NnKeptSum *unsound = NULL;

    if (encoder->n_statistics > 0)
        unsound = label_sums_find_unsound(encoder->totals, 1);
    for (int f = 0; f < encoder->n_statistics; f++) {
        for (int c = 0; c < encoder->categories[f] && unsound == NULL; c++) {
            ctr_pause_at(c);
            unsound = label_sums_find_unsound(encoder->sums[f] + (Size)c * NN_STATISTICS_GROUPS, 1);
        }
    }
    return unsound == NULL ? NULL
                           : psprintf("a sum of labels is %g of %g", unsound->positive, unsound->weight);
}

static const char *
params_fault(const CtrModel *model)
{
    const int unsound = net_find_unsound(&model->net, model->params, ctr_pause);

    return unsound < 0 ? NULL
                       : psprintf("tensor \"%s\" has a number that is not finite or out of its range",
                                  model->net.params[unsound].name);
}

/* What explanations subtract and add up must be finite, and sizes are not below 0. */
static const char *
insight_fault(CtrModel *model)
{
    CtrInsightTensor tensors[CTR_MODEL_INSIGHTS];

    insight_tensors(model, tensors);
    for (int t = 0; t < CTR_MODEL_INSIGHTS; t++) {
        const bool is_size = strcmp(tensors[t].name, CTR_MODEL_AVERAGE) != 0 &&
                             strcmp(tensors[t].name, CTR_MODEL_AVERAGE_STATISTICS) != 0;

        for (int i = 0; i < tensors[t].n; i++) {
            const float value = (*tensors[t].values)[i];

            ctr_pause_at(i);
            if (!isfinite(value) || (is_size && value < 0))
                return psprintf("tensor \"%s\" has a number %g", tensors[t].name, value);
        }
    }
    return NULL;
}

static const char *
code_rows_fault(const CtrModel *model)
{
    int64 at = 0;

    for (int f = 0; model->code_rows && f < model->encoder->d_cat; f++) {
        for (int c = 0; c < model->encoder->categories[f]; c++, at++) {
            ctr_pause_at(at);
            if (model->code_rows[at] < 0)
                return psprintf("a code of its part occurs in %d rows", model->code_rows[at]);
        }
    }
    return NULL;
}

/* ------------------------------------------------------------------ what is prepared */

static const char *
class_weights_fault(const CtrModel *model)
{
    for (int k = 0; k < Max(model->options.net.n_classes, 2); k++) {
        const double weight = model->prepared.class_weights[k];

        if (!(weight >= 0 && weight <= FLT_MAX))
            return psprintf("rows of one label weigh %g", weight);
    }
    return NULL;
}

static const char *
points_fault(const CtrModel *model)
{
    for (int i = 0; model->prepared.points && i < model->encoder->n_num; i++) {
        if (!points_are_sound(&model->prepared.points[i]))
            return psprintf("the points of feature \"%s\" are unusable", model->encoder->features[i].name);
    }
    return NULL;
}

/* Could no pass have given a value of this stage, or none go on from it? */
static bool
stage_is_lost(const CtrModel *model)
{
    const CtrEncoder *encoder = model->encoder;
    const CtrCrossOption *crosses = &model->options.crosses;

    switch (model->stage) {
    case CTR_STAGE_COLUMNS:
        return false;
    case CTR_STAGE_SAMPLE:
        return !crosses_need_rows(&model->options, encoder);
    case CTR_STAGE_COMMON_COLUMNS:
        return stage_next(model) == CTR_STAGE_MODEL || (stage_next(model) == CTR_STAGE_LABELS &&
                                                        crosses->kind == CTR_CROSSES_GIVEN && crosses->n > 0);
    case CTR_STAGE_PAIRS:
        return encoder->n_crosses == 0;
    case CTR_STAGE_LABELS:
        return encoder->n_statistics == 0;
    default:
        return stage_next(model) == CTR_STAGE_MODEL;
    }
}

/* What only some prepared values have, but the passes that follow rely on. */
static const char *
stage_fault(const CtrModel *model)
{
    if (stage_is_lost(model))
        return psprintf("it is %s, which its options have no use for", stage_words(model->stage));
    if (model->label_rows == NULL)
        return psprintf("tensor \"%s\" is missing", CTR_MODEL_LABELS);
    return NULL;
}

static const char *
prepared_fault(const CtrModel *model)
{
    const char *fault = stage_fault(model);

    if (fault == NULL)
        fault = class_weights_fault(model);
    if (fault == NULL)
        fault = points_fault(model);
    if (fault == NULL && stage_knows_crosses(model->stage))
        fault = crosses_fault(model->encoder);
    if (fault == NULL && model->stage == CTR_STAGE_LABELS)
        fault = sums_fault(model->encoder);
    return fault;
}

/* ------------------------------------------------------------------ all of it */

const char *
model_trained_fault(const CtrModel *model)
{
    const char *fault = code_rows_fault(model);

    if (fault == NULL)
        fault = params_fault(model);
    if (fault == NULL)
        fault = insight_fault(unconstify(CtrModel *, model));
    return fault;
}

const char *
model_fault(const CtrModel *model)
{
    const char *fault = names_fault(model->encoder);

    if (fault == NULL)
        fault = counts_fault(model);
    if (fault == NULL)
        fault = numbers_fault(model->encoder);
    if (fault != NULL)
        return fault;
    if (model->stage != CTR_STAGE_MODEL)
        return prepared_fault(model);
    fault = crosses_fault(model->encoder);
    if (fault == NULL)
        fault = statistics_fault(model->encoder);
    if (fault == NULL)
        fault = sums_fault(model->encoder);
    if (fault == NULL)
        fault = model_trained_fault(model);
    return fault;
}
