/* drift.c: shares in bins, and the population stability index. */
#include "nn/math/drift.h"

#include <math.h>

#define SPARE 0.5 /* rows that every bin has besides */

/* how many of the quantile points are at most x */
static int
points_up_to(const double *quantiles, int n, double x)
{
    int low = 0, high = n;

    while (low < high) {
        const int middle = (low + high) / 2;

        if (quantiles[middle] <= x)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

int
drift_bounds(double *bounds, double *shares, const double *quantiles, int n)
{
    int n_bounds = 0, before = 0;

    for (int k = 1; k < NN_DRIFT_BINS && n > 0; k++) {
        const double bound = quantiles[(int64_t)(n - 1) * k / NN_DRIFT_BINS];
        const int points = points_up_to(quantiles, n, bound);

        if (n_bounds > 0 && bound <= bounds[n_bounds - 1])
            continue;
        shares[n_bounds] = (double)(points - before) / n;
        bounds[n_bounds++] = bound;
        before = points;
    }
    if (n > 0)
        shares[n_bounds] = (double)(n - before) / n;
    return n_bounds;
}

double
drift_index(const int64_t *rows, const double *trained, int bins)
{
    double all = 0, all_trained = 0, sum = 0;

    for (int i = 0; i < bins; i++) {
        all += (double)rows[i];
        all_trained += trained[i];
    }
    if (!(all > 0) || !(all_trained > 0))
        return NAN;
    for (int i = 0; i < bins; i++) {
        const double p = ((double)rows[i] + SPARE) / (all + SPARE * bins);
        const double q = (trained[i] + SPARE) / (all_trained + SPARE * bins);

        sum += (p - q) * log(p / q);
    }
    return sum;
}
