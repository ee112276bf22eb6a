/*
 * moments.h: means and sums of squares of a numerical column, such that those of parts of a table can be
 * added.
 */
#ifndef NN_MOMENTS_H
#define NN_MOMENTS_H

#include "nn/nn.h"

/* Of the values themselves, and in the space of the transform that is to be fitted. */
typedef struct NnMoments {
    double rows;
    double mean, squares; /* squares: the sum of squared distances from the mean */
    double scaled_mean, scaled_squares;
} NnMoments;

struct NnColumn;

/* kind: an NnTransformKind */
void moments_fit(NnMoments *m, int kind, struct NnColumn *column);
void moments_add(NnMoments *to, const NnMoments *a, const NnMoments *b);
/* Are they finite, and squares not below 0? */
bool moments_are_sound(const NnMoments *m);

#endif /* NN_MOMENTS_H */
