/*
 * moments.c: means and sums of squared distances from them, by two passes over a column, and added up without
 * taking large numbers from one another (Chan, Golub and LeVeque 1979).
 */
#include "nn/math/transform.h"

#include <math.h>

#define SQUARES_LARGEST 1e300

void
moments_fit(NnMoments *m, int kind, NnColumn *column)
{
    const double n = (double)column->n;

    *m = (NnMoments){.rows = n};
    column_rewind(column);
    for (size_t i = 0; i < column->n; i++) {
        const double x = column_next(column);

        m->mean += x / n;
        m->scaled_mean += transform_space(kind, x) / n;
    }
    column_rewind(column);
    for (size_t i = 0; i < column->n; i++) {
        const double x = column_next(column), d = x - m->mean, e = transform_space(kind, x) - m->scaled_mean;

        m->squares += d * d;
        m->scaled_squares += e * e;
    }
}

/* Adds the second one's mean and squares, of m rows, to the first one's, of n. */
static void
add(double *mean, double *squares, double n, double other_mean, double other_squares, double m)
{
    const double distance = other_mean - *mean;

    *squares += other_squares + distance * distance * (n * m / (n + m));
    *mean += distance * (m / (n + m));
}

void
moments_add(NnMoments *to, const NnMoments *a, const NnMoments *b)
{
    NnMoments sum = *a;

    if (b->rows > 0) {
        add(&sum.mean, &sum.squares, a->rows, b->mean, b->squares, b->rows);
        add(&sum.scaled_mean, &sum.scaled_squares, a->rows, b->scaled_mean, b->scaled_squares, b->rows);
        sum.rows += b->rows;
    }
    *to = sum;
}

bool
moments_are_sound(const NnMoments *m)
{
    return m->rows >= 0 && fabs(m->mean) <= NN_LARGEST && fabs(m->scaled_mean) <= NN_LARGEST &&
           m->squares >= 0 && m->squares <= SQUARES_LARGEST && m->scaled_squares >= 0 &&
           m->scaled_squares <= SQUARES_LARGEST;
}
