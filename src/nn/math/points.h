/*
 * points.h: a numerical column in a few thousand numbers, such that those of many parts of a table can be
 * merged into a transform and buckets of the whole (points.c).
 */
#ifndef NN_POINTS_H
#define NN_POINTS_H

#include "nn/math/transform.h"

#define NN_POINTS         4000                /* parts of equal rows, into which a column is cut */
#define NN_POINTS_MOST    (3 * NN_POINTS + 2) /* points of a column, at most */
#define NN_POINTS_ROWS    ((int64_t)1 << 22)  /* rows that a merged column is read as, at most */
#define NN_POINTS_LARGEST ((int64_t)1 << 53)  /* rows that points stand for, at most */

/* Ascending values and the rows that each stands for. */
typedef struct NnPoints {
    bool exact; /* every value is a point of its own */
    int64_t n;
    double *values;
    int64_t *rows;
    NnMoments moments;
} NnPoints;

/*
 * Cuts the column, whose values are as transform_fit takes them, into points; kind: of the transform that is
 * to be fitted. values, rows: room for NN_POINTS_MOST. The rank of any value among the points' rows is less
 * than 1 / NN_POINTS of all rows away from its rank among the column's.
 */
void points_fit(NnPoints *points, NnTransformKind kind, NnColumn *column);
/* The same of both parts; values and rows of `to` have room for the sum of both. */
void points_merge(NnPoints *to, const NnPoints *a, const NnPoints *b);
/* Are these points that points_fit or points_merge can give? */
bool points_are_sound(const NnPoints *points);

/* The points as a column, which is read as no more than NN_POINTS_ROWS rows, `missing` ones included. */
typedef struct NnPointsColumn {
    NnColumn column;
    size_t missing; /* rows without a value, beside the column's */
    bool exact;     /* the column is that of which the points are, row by row */
    const NnPoints *points;
    int64_t all;  /* rows that the points stand for */
    size_t read;  /* rows of the column that have been read */
    int64_t at;   /* the point of the last one, */
    int64_t upto; /* and the rows of all points up to and including this one */
} NnPointsColumn;

void points_column(NnPointsColumn *c, const NnPoints *points, int64_t missing);

#endif /* NN_POINTS_H */
