/*
 * pair_work.h: what choosing pairs works with; private to pairs.c and pair_regression.c.
 */
#ifndef NN_PAIR_WORK_H
#define NN_PAIR_WORK_H

#include "nn/math/pairs.h"

#define PAIR_COLUMNS_MOST 90  /* that are paired */
#define PAIR_RIDGE        1.0 /* of the regression's weights */
#define PAIR_SWEEPS       4   /* of the regression, over all fields */
#define PAIR_SUMS         8   /* partial sums of a sum over rows: a vector of doubles */

/* What one thread works with. */
typedef struct PairScratch {
    uint64_t *keys;       /* [rows] of the categories of a pair, in order of appearance */
    int32_t *slots;       /* [n_slots] one of these, or -1 */
    int32_t *category;    /* [rows] */
    NnKeptSum *sums;      /* [rows + 1][NN_STATISTICS_GROUPS] of each category */
    float *statistics;    /* the same shape */
    NnExpected *expected; /* [rows] of each category of a pair */
    float *all;           /* [rows + 1] */
    float *x;             /* [rows] statistics of the rows */
} PairScratch;

struct NnPairs {
    NnPairSample sample;
    size_t n_slots;     /* a power of two, at least twice the rows */
    float **x;          /* [fields][rows] statistics */
    float *ones;        /* [rows] the constant */
    double *logits;     /* [rows] */
    float *residual;    /* [rows] label - p, weighted */
    float *curvature;   /* [rows] p * (1 - p), weighted */
    double mean_weight; /* of the rows, which the residuals are divided by */
    double *weights;    /* [fields] of the regression */
    int n_candidates;
    int rows; /* on which candidates are compared */
    NnPair *candidates;
    PairScratch *scratch;
};

/* of partial sums */
static inline double
pair_sum(const double *parts)
{
    double sum = 0;

    for (int i = 0; i < PAIR_SUMS; i++)
        sum += parts[i];
    return sum;
}

/* ------------------------------------------------------------------ pair_regression.c */

/*
 * x [rows] = the first `rows` rows' statistics, each from the other folds; row i has category [i] of n.
 * expected [n], or NULL: as statistics_fit has it.
 */
void pair_find_statistics(const NnPairSample *sample, const PairScratch *s, const int32_t *category, int n,
                          const NnExpected *expected, int rows, float *x);
/*
 * One step of Newton's for the weight of x [rows]; the logits follow. weight: that so far, 0 where none is
 * kept small. Returns the step.
 */
double pair_move_weight(NnPairs *pairs, const float *x, double weight);
/* Fits all weights. */
void pair_regress(NnPairs *pairs, NnPause pause);
/*
 * The columns that are paired: those that contribute most to the logits where not all can be. Returns how
 * many.
 */
int pair_choose_columns(const NnPairs *pairs, int *chosen);

#endif /* NN_PAIR_WORK_H */
