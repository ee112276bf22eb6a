/*
 * pairs.h: which pairs of categorical columns say more of a label than the columns do each by itself.
 */
#ifndef NN_PAIRS_H
#define NN_PAIRS_H

#include "nn/math/derive.h"

#define NN_PAIR_ROWS_MOST 65536 /* of a sample */

/* Training rows, column by column. */
typedef struct NnPairSample {
    int rows;
    int fields;      /* of which the rows' labels are expected first */
    int columns;     /* the first so many fields can be paired */
    int *categories; /* [fields] codes of each */
    int32_t **codes; /* [fields][rows]; code `unseen` stands for any category that has none of its own */
    int32_t unseen;
    float *label, *weight;
    uint8_t *fold; /* [rows] 0 … NN_STATISTICS_FOLDS - 1 */
} NnPairSample;

typedef struct NnPair {
    int columns[2]; /* ascending */
    double gain;
} NnPair;

typedef struct NnPairs NnPairs;

/*
 * What choosing takes, for so many threads. Takes the sample over and renumbers its codes. NULL: no memory.
 */
NnPairs *pairs_create(const NnPairSample *sample, int threads, NnAlloc alloc);
/* How far each field's categories stray from the average label: a task for every field. */
void pairs_statistic_task(void *pairs, int task, int worker);
/* Expects the labels from these, in the caller's thread; returns how many candidates there are. */
int pairs_expect(NnPairs *pairs, NnPause pause);
/* What a candidate says besides: a task for each of them. */
void pairs_gain_task(void *pairs, int task, int worker);
/*
 * Chooses at most `most` of the candidates, one after the other, each beside those before it; returns how
 * many are worth it.
 */
int pairs_choose(NnPairs *pairs, NnPair *chosen, int most, NnPause pause);

/* After pairs_expect, instead of pairs_choose: the pair is one that others are chosen. */
void pairs_take(NnPairs *pairs, const NnPair *pair);
/*
 * The gain from knowing, beside the pairs that were chosen or taken, in how many other rows a row's
 * categories of this one occur together; 0 where it is not worth it.
 */
double pairs_count(NnPairs *pairs, const NnPair *pair);

#endif /* NN_PAIRS_H */
