/*
 * transform.h: numerical columns, as the network sees them.
 */
#ifndef NN_TRANSFORM_H
#define NN_TRANSFORM_H

#include "nn/nn.h"
#include "nn/math/moments.h"

typedef enum NnTransformKind { NN_QUANTILE, NN_STANDARD, NN_LOG, NN_NONE } NnTransformKind;

#define NN_QUANTILES      1000
#define NN_LARGEST        1e140 /* numbers beyond count as infinite, so that no sum of squares overflows */
#define NN_SAMPLES        32
#define NN_SAMPLE_STRETCH 32 /* quantiles for each sample; so the last sample lies beyond the last quantile */

/* Fitted on one column. Everything in float8 until the result. */
typedef struct NnTransform {
    NnTransformKind kind;
    double mean;                /* of the finite values in raw units: what a missing value becomes */
    double low, high;           /* smallest and largest finite training value (after imputation) */
    double shift, scale;        /* standard and log: (f(x) - shift) / scale */
    int n_quantiles;            /* 0 unless kind is NN_QUANTILE */
    const double *quantiles;    /* [n_quantiles] ascending */
    double samples[NN_SAMPLES]; /* the last quantile of every stretch, or infinity: by transform_sample */
} NnTransform;

/*
 * A column's n training values in ascending order: in memory (values), or from a sort that keeps them
 * elsewhere.
 */
typedef struct NnColumn {
    size_t n;
    const double *values; /* NULL: next and rewind give them */
    size_t position;
    double (*next)(void *source); /* called at most n times after a rewind */
    void (*rewind)(void *source); /* called before the first next, too */
    void *source;
} NnColumn;

static inline double
column_next(NnColumn *column)
{
    return column->values ? column->values[column->position++] : column->next(column->source);
}

static inline void
column_rewind(NnColumn *column)
{
    column->position = 0;
    if (!column->values && column->n > 0)
        column->rewind(column->source);
}

/*
 * column: the training values, missing ones and infinities (beyond NN_LARGEST) left out; missing: how many
 * training rows had none. quantiles: room for NN_QUANTILES doubles (may be NULL for other kinds). Equals
 * sklearn's SimpleImputer(mean) followed by QuantileTransformer() / StandardScaler() on the same rows. A
 * column without any value is 0 everywhere.
 */
void transform_fit(NnTransform *t, NnTransformKind kind, NnColumn *column, size_t missing, double *quantiles);
/*
 * The same of a column that stands for one of more rows, or is known nearly (points.h): mean and scale come
 * from its moments; missing: rows without a value, of all, and as many as belong to the column's.
 */
void transform_fit_nearly(NnTransform *t, NnTransformKind kind, NnColumn *column, size_t missing,
                          const NnMoments *moments, double all_missing, double *quantiles);
/* x in the space in which a transform of this kind has its mean and scale */
double transform_space(NnTransformKind kind, double x);
/* Fills samples from the quantiles; transform_fit does so itself. */
void transform_sample(NnTransform *t);
/*
 * NaN is missing. A number beyond the smallest or largest training value, an infinity too, counts as that
 * one: what the network was never shown, it is never asked. The result is always finite.
 */
float transform_apply(const NnTransform *t, double x);
/* the largest absolute value that it gives to a number that is not missing */
double transform_largest(const NnTransform *t);
/* ascending, in place; scratch [n]. Radix sort: linear. No NaN. */
void sort_doubles(double *values, double *scratch, size_t n);

#endif /* NN_TRANSFORM_H */
