/* curves.c: calibration by quantiles, and the ROC curve, of scores in ascending order. */
#include "nn/math/curves.h"

#include "nn/math/radix.h"

void
scores_sort(NnScore *scores, NnScore *scratch, size_t n, NnPause pause)
{
    for (size_t i = 0; i < n; i++) {
        const uint64_t key = ordered_from_double(scores[i].score);

        if (pause && i % NN_RADIX_PAUSE == 0)
            pause();
        memcpy(&scores[i].score, &key, sizeof(key));
    }
    radix_sort(scores, scratch, n, sizeof(NnScore), 0, pause);
    for (size_t i = 0; i < n; i++) {
        uint64_t key;

        if (pause && i % NN_RADIX_PAUSE == 0)
            pause();
        memcpy(&key, &scores[i].score, sizeof(key));
        scores[i].score = double_from_ordered(key);
    }
}

/* numpy.percentile(scores, 100 * share), which interpolates between neighbours: from the nearer one */
static double
quantile(const NnScore *sorted, size_t n, double share)
{
    const double at = share * (double)(n - 1);
    const size_t low = (size_t)at, high = low + 1 < n ? low + 1 : n - 1;
    const double a = sorted[low].score, b = sorted[high].score, t = at - (double)low;

    return t < 0.5 ? a + (b - a) * t : b - (b - a) * (1 - t);
}

int
calibration_bins(NnCalibrationBin *out, int bins, const NnScore *sorted, size_t n, NnPause pause)
{
    size_t i = 0;
    int filled = 0;

    for (int k = 1; k <= bins && i < n; k++) {
        const double edge = quantile(sorted, n, (double)k / bins);
        NnCalibrationBin bin = {0};

        for (; i < n && (k == bins || sorted[i].score <= edge); i++) {
            if (pause && i % NN_RADIX_PAUSE == 0)
                pause();
            bin.score += sorted[i].score;
            bin.label += sorted[i].label;
            bin.rows++;
        }
        if (bin.rows == 0)
            continue;
        bin.score /= (double)bin.rows;
        bin.label /= (double)bin.rows;
        out[filled++] = bin;
    }
    return filled;
}

/* the weights of the positive rows, and of the negative ones */
static NnRocPoint
class_weights(const NnScore *scores, size_t n)
{
    NnRocPoint sum = {0, 0};

    for (size_t i = 0; i < n; i++)
        *(scores[i].label > 0.5f ? &sum.true_positives : &sum.false_positives) += scores[i].weight;
    return sum;
}

int
roc_points(NnRocPoint *out, int most, const NnScore *sorted, size_t n, NnPause pause)
{
    const NnRocPoint all = class_weights(sorted, n);
    const double step = 2.0 / (most - 2);
    NnRocPoint sum = {0, 0};
    double last = 0;
    int points = 0;

    if (!(all.false_positives > 0 && all.true_positives > 0))
        return 0;
    out[points++] = sum;
    for (size_t i = n; i-- > 0;) {
        NnRocPoint point;

        if (pause && i % NN_RADIX_PAUSE == 0)
            pause();
        *(sorted[i].label > 0.5f ? &sum.true_positives : &sum.false_positives) += sorted[i].weight;
        if (i == 0 || sorted[i - 1].score == sorted[i].score)
            continue; /* equal scores are one step; the last point is (1, 1) */
        point.false_positives = sum.false_positives / all.false_positives;
        point.true_positives = sum.true_positives / all.true_positives;
        if (point.false_positives + point.true_positives - last < step || points == most - 1)
            continue;
        last = point.false_positives + point.true_positives;
        out[points++] = point;
    }
    out[points++] = (NnRocPoint){1, 1};
    return points;
}
