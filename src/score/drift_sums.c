/*
 * drift_sums.c: counts of rows by feature and bin, for ctr_drift.
 *
 * A category that 1 % of the training rows have has a bin of its own; the other known ones share one, those
 * that are unseen another, rows without a value a third. A number's bins are tenths of the training rows, by
 * their quantile points, and one for rows without a value. So the index of similar rows is small, however
 * many categories there are.
 */
#include "score/drift_sums.h"

#include <math.h>

#include "miscadmin.h"

#include "nn/math/derive.h"
#include "nn/math/drift.h"
#include "nn/math/loss.h"

struct CtrDriftBins {
    int n;                            /* bounds of a number; categories with bins of their own */
    double bounds[NN_DRIFT_BINS - 1]; /* of a number, */
    double low, high;                 /* and the range of its training values */
    int32 *codes;                     /* ascending: the categories with bins of their own */
    double shares[NN_DRIFT_BINS];     /* of a number's training rows */
};

static CtrDriftFeature *
features_of(const CtrDriftSums *sums)
{
    return (CtrDriftFeature *)((char *)sums + sums->features);
}

static int64 *
counts_of(const CtrDriftSums *sums)
{
    return (int64 *)((char *)sums + sums->counts);
}

static double *
doubles_at(const CtrDriftSums *sums, Size offset)
{
    return (double *)((char *)sums + offset);
}

/* ------------------------------------------------------------------ what the model keeps */

/*
 * Rows that the model's counts of categories and missing values are of: more than its training's where that
 * went on from another model.
 */
static double
counted_rows(const CtrModel *model)
{
    const CtrEncoder *encoder = model->encoder;
    double most = (double)model->train_rows;

    for (int f = 0; f < encoder->n_cat; f++) {
        double rows = (double)encoder->features[encoder->n_num + f].missing;

        for (int32 i = 0; i < vocab_count(encoder->vocabs[f]); i++) {
            ctr_pause_at(i);
            rows += encoder->frequencies[f][i];
        }
        most = fmax(most, rows);
    }
    return most;
}

/* Of a number: its bounds, and how many bins. */
static int
number_bins(const CtrEncoder *encoder, int i, CtrDriftBins *bins)
{
    const NnTransform *t = &encoder->transforms[i];

    bins->low = t->low;
    bins->high = t->high;
    bins->n = drift_bounds(bins->bounds, bins->shares, t->quantiles, t->n_quantiles);
    return t->n_quantiles > 0 ? bins->n + 2 : 0;
}

static int
category_bins(const CtrEncoder *encoder, int f, double rows, CtrDriftBins *bins)
{
    const int32 n = vocab_count(encoder->vocabs[f]);

    bins->codes = palloc(sizeof(int32) * (int)(1 / NN_DRIFT_SHARE + 1));
    for (int32 i = 0; i < n; i++) {
        ctr_pause_at(i);
        if (encoder->frequencies[f][i] >= fmax(NN_DRIFT_SHARE * rows, 1))
            bins->codes[bins->n++] = i + CTR_CODE_KNOWN;
    }
    return bins->n + 3;
}

/* Quantile points have the mean in place of what is missing; a bin of their own has those rows instead. */
static void
number_trained(const CtrModel *model, int i, double rows, const CtrDriftBins *bins, CtrDriftFeature *feature,
               double *trained)
{
    const double missing = fmin((double)model->encoder->features[i].missing, rows);
    const double mean = model->encoder->transforms[i].mean;

    feature->missing_trained = rows > 0 ? missing / rows : NAN;
    feature->unseen_trained = 0;
    feature->mean_trained = missing < rows ? mean : NAN;
    for (int k = 0; k + 1 < feature->bins; k++)
        trained[k] = rows * bins->shares[k];
    if (feature->bins > 0) {
        double *imputed = &trained[bucket_find(bins->bounds, bins->n, mean)];

        *imputed = fmax(*imputed - missing, 0);
        trained[feature->bins - 1] = missing;
    }
}

static void
category_trained(const CtrModel *model, int f, double rows, const CtrDriftBins *bins,
                 CtrDriftFeature *feature, double *trained)
{
    const CtrEncoder *encoder = model->encoder;
    const double missing = (double)encoder->features[encoder->n_num + f].missing;
    double known = 0, own = 0;

    for (int32 i = 0; i < vocab_count(encoder->vocabs[f]); i++) {
        ctr_pause_at(i);
        known += encoder->frequencies[f][i];
    }
    for (int k = 0; k < bins->n; k++) {
        trained[k] = encoder->frequencies[f][bins->codes[k] - CTR_CODE_KNOWN];
        own += trained[k];
    }
    trained[bins->n] = known - own;
    trained[bins->n + 1] = fmax(rows - missing - known, 0);
    trained[bins->n + 2] = missing;
    feature->missing_trained = rows > 0 ? missing / rows : NAN;
    feature->unseen_trained = rows > 0 ? trained[bins->n + 1] / rows : NAN;
    feature->mean_trained = NAN;
}

/* ------------------------------------------------------------------ the piece of memory */

static void
lay_out(CtrDriftSums *sums, Size names)
{
    sums->features = MAXALIGN(sizeof(CtrDriftSums));
    sums->counts = sums->features + MAXALIGN(sizeof(CtrDriftFeature) * sums->n_features);
    sums->trained = sums->counts + sizeof(int64) * sums->n_bins;
    sums->scores = sums->trained + sizeof(double) * sums->n_bins;
    sums->labels = sums->scores + sizeof(double) * sums->n_classes;
    sums->names = sums->labels + sizeof(double) * sums->n_classes;
    sums->size = sums->names + names;
}

/* The share of each class among the training's labels; of one class, that of label 1. */
static void
fill_labels(const CtrModel *model, double *labels)
{
    const int classes = model->options.net.n_classes;
    double all = 0;

    for (int k = 0; model->label_rows != NULL && k < Max(classes, 2); k++)
        all += (double)model->label_rows[k];
    for (int k = 0; k < classes; k++)
        labels[k] = all > 0 ? (double)model->label_rows[classes == 1 ? 1 : k] / all : NAN;
}

static void
fill_features(const CtrModel *model, CtrDriftSums *sums, const CtrDriftBins *bins, double rows)
{
    CtrDriftFeature *features = features_of(sums);
    char *names = (char *)sums + sums->names;

    for (int i = 0; i < sums->n_features; i++) {
        const char *name = model->encoder->features[i].name;
        double *trained = doubles_at(sums, sums->trained) + features[i].first;

        strcpy(names + features[i].name, name);
        if (i < sums->n_num)
            number_trained(model, i, rows, &bins[i], &features[i], trained);
        else
            category_trained(model, i - sums->n_num, rows, &bins[i], &features[i], trained);
    }
}

CtrDriftSums *
drift_sums_create(const CtrModel *model, MemoryContext context, CtrDriftBins **bins)
{
    const CtrEncoder *encoder = model->encoder;
    const double rows = counted_rows(model);
    MemoryContext old = MemoryContextSwitchTo(context);
    CtrDriftSums head = {.n_num = encoder->n_num,
                         .n_features = encoder->n_num + encoder->n_cat,
                         .n_classes = model->options.net.n_classes};
    CtrDriftFeature *features = palloc0(sizeof(CtrDriftFeature) * Max(head.n_features, 1));
    CtrDriftSums *sums;
    Size names = 0;

    *bins = palloc0(sizeof(CtrDriftBins) * Max(head.n_features, 1));
    for (int i = 0; i < head.n_features; i++) {
        CtrDriftBins *feature = &(*bins)[i];

        features[i].name = (int32)names;
        features[i].first = head.n_bins;
        features[i].bins = i < head.n_num ? number_bins(encoder, i, feature)
                                          : category_bins(encoder, i - head.n_num, rows, feature);
        head.n_bins += features[i].bins;
        names += strlen(encoder->features[i].name) + 1;
    }
    memcpy(head.digest, model->digest, CTR_MODEL_DIGEST_SIZE);
    lay_out(&head, names);
    sums = palloc0(head.size);
    *sums = head;
    memcpy(features_of(sums), features, sizeof(CtrDriftFeature) * head.n_features);
    pfree(features);
    fill_features(model, sums, *bins, rows);
    fill_labels(model, doubles_at(sums, sums->labels));
    MemoryContextSwitchTo(old);
    return sums;
}

/* ------------------------------------------------------------------ counting */

void
drift_sums_add_number(CtrDriftSums *sums, const CtrDriftBins *bins, int i, double value)
{
    CtrDriftFeature *feature = &features_of(sums)[i];
    const CtrDriftBins *b = &bins[i];

    if (feature->bins > 0)
        counts_of(sums)[feature->first +
                        (isnan(value) ? feature->bins - 1 : bucket_find(b->bounds, b->n, value))]++;
    feature->missing += isnan(value);
    feature->unseen += value < b->low || value > b->high;
    if (fabs(value) <= NN_LARGEST) {
        feature->values++;
        feature->sum += value;
    }
}

/* the bin of a code: its own, or that of the others, of those unseen, of those missing */
static int
code_bin(const CtrDriftBins *bins, int32 code)
{
    int low = 0, high = bins->n;

    if (code == CTR_CODE_UNSEEN || code == CTR_CODE_MISSING)
        return bins->n + (code == CTR_CODE_UNSEEN ? 1 : 2);
    while (low < high) {
        const int middle = (low + high) / 2;

        if (bins->codes[middle] < code)
            low = middle + 1;
        else
            high = middle;
    }
    return low < bins->n && bins->codes[low] == code ? low : bins->n;
}

void
drift_sums_add(CtrDriftSums *sums, const CtrDriftBins *bins, const int32 *codes, Size ld, const float *logits)
{
    double *scores = doubles_at(sums, sums->scores), p[2], *all = p;
    const int classes = sums->n_classes;

    sums->rows++;
    for (int i = sums->n_num; i < sums->n_features; i++) {
        CtrDriftFeature *feature = &features_of(sums)[i];
        const int32 code = codes[(i - sums->n_num) * ld];

        feature->missing += code == CTR_CODE_MISSING;
        feature->unseen += code == CTR_CODE_UNSEEN;
        counts_of(sums)[feature->first + code_bin(&bins[i], code)]++;
    }
    if (classes > 2)
        all = palloc(sizeof(double) * classes);
    class_probabilities(all, logits, classes);
    for (int k = 0; k < classes; k++)
        scores[k] += classes == 1 ? all[1] : all[k];
    if (all != p)
        pfree(all);
}

void
drift_sums_merge(CtrDriftSums *into, const CtrDriftSums *from)
{
    CtrDriftFeature *features = features_of(into);

    into->rows += from->rows;
    for (int i = 0; i < into->n_features; i++) {
        const CtrDriftFeature *other = &features_of(from)[i];

        features[i].missing += other->missing;
        features[i].unseen += other->unseen;
        features[i].values += other->values;
        features[i].sum += other->sum;
    }
    for (int i = 0; i < into->n_bins; i++)
        counts_of(into)[i] += counts_of(from)[i];
    for (int k = 0; k < into->n_classes; k++)
        doubles_at(into, into->scores)[k] += doubles_at(from, from->scores)[k];
}

/* ------------------------------------------------------------------ the result */

int
drift_sums_rows(const CtrDriftSums *sums)
{
    return sums->n_classes + sums->n_features;
}

static CtrDriftRow
score_row(const CtrDriftSums *sums, int k)
{
    return (CtrDriftRow){.feature = psprintf("%d", sums->n_classes == 1 ? 1 : k),
                         .kind = "score",
                         .missing = NAN,
                         .missing_trained = NAN,
                         .unseen = NAN,
                         .unseen_trained = NAN,
                         .mean = doubles_at(sums, sums->scores)[k] / (double)sums->rows,
                         .mean_trained = doubles_at(sums, sums->labels)[k],
                         .psi = NAN};
}

CtrDriftRow
drift_sums_row(const CtrDriftSums *sums, int i)
{
    const CtrDriftFeature *feature = &features_of(sums)[i - sums->n_classes];
    const double rows = (double)sums->rows;

    if (i < sums->n_classes)
        return score_row(sums, i);
    return (CtrDriftRow){.feature = (char *)sums + sums->names + feature->name,
                         .kind = i - sums->n_classes < sums->n_num ? "numerical" : "categorical",
                         .missing = (double)feature->missing / rows,
                         .missing_trained = feature->missing_trained,
                         .unseen = (double)feature->unseen / rows,
                         .unseen_trained = feature->unseen_trained,
                         .mean = feature->values > 0 ? feature->sum / (double)feature->values : NAN,
                         .mean_trained = feature->mean_trained,
                         .psi = drift_index(counts_of(sums) + feature->first,
                                            doubles_at(sums, sums->trained) + feature->first, feature->bins)};
}
