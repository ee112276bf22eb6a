/*
 * metrics.c: area under the ROC curve, and the logarithmic loss.
 *
 * The area is the probability that a positive row's score is higher than a negative one's, ties counting half
 * (Mann and Whitney 1947), with weights: rows are put in the order of their scores, and every group of equal scores
 * adds positives * (negatives below + negatives in the group / 2).
 */
#include "nn.h"
#include "radix.h"

#include <float.h>
#include <math.h>

/* Groups of equal scores, fed in ascending order. */
typedef struct Area {
    double positives, negatives; /* weights of the groups before the current one */
    double area;
} Area;

static void
area_add(Area *a, double positives, double negatives)
{
    a->area += positives * (a->negatives + 0.5 * negatives);
    a->positives += positives;
    a->negatives += negatives;
}

static double
area_value(const Area *a)
{
    if (!(a->positives > 0 && a->negatives > 0))
        return NAN;
    return a->area / (a->positives * a->negatives);
}

/* ------------------------------------------------------------------ all rows at hand */

static uint64_t
score_key(const NnScore *s)
{
    uint64_t key;

    memcpy(&key, &s->score, sizeof(key));
    return key;
}

double
auc(NnScore *scores, NnScore *scratch, size_t n, void (*pause)(void))
{
    Area area = {0, 0, 0};

    for (size_t i = 0; i < n; i++) {
        uint64_t key = ordered_from_double(scores[i].score);
        if (isnan(scores[i].score))
            return NAN;
        memcpy(&scores[i].score, &key, sizeof(key));
    }
    radix_sort(scores, scratch, n, sizeof(NnScore), 0, pause);
    for (size_t i = 0; i < n;) {
        uint64_t key = score_key(&scores[i]);
        double positives = 0, negatives = 0;
        for (; i < n && score_key(&scores[i]) == key; i++) {
            if (scores[i].label > 0.5f)
                positives += scores[i].weight;
            else
                negatives += scores[i].weight;
        }
        area_add(&area, positives, negatives);
    }
    return area_value(&area);
}

double
log_loss(double p, double label)
{
    if (isnan(p))
        return NAN; /* fmax would hide it */
    p = fmin(fmax(p, DBL_EPSILON), 1 - DBL_EPSILON);
    return -(label * log(p) + (1 - label) * log1p(-p));
}

/* ------------------------------------------------------------------ streams */

#define BIN_BITS 20
#define BINS     ((size_t)1 << BIN_BITS)

/* Weight of the rows in one bin, or of one score. */
typedef struct Bin {
    double positives, negatives;
} Bin;

/*
 * A row takes eight bytes: the score's ordered bits above, the weight's bits below, with the weight's sign bit telling
 * a negative row. The room that sorting needs becomes the bins when the rows get too many.
 */
struct NnAuc {
    size_t max_rows, n; /* rows kept one by one: room, number */
    bool binned;
    bool nan; /* a score was NaN */
    uint64_t *rows;
    union {
        uint64_t *scratch;
        Bin *bins;
    } u;
};

NnAuc *
auc_create(NnAlloc alloc, size_t max_rows)
{
    NnAuc *a = alloc.alloc(alloc.owner, sizeof(NnAuc));
    bool long_stream = max_rows > NN_AUC_EXACT;

    if (a == NULL)
        return NULL;
    a->max_rows = long_stream ? NN_AUC_EXACT : max_rows;
    a->rows = alloc.alloc(alloc.owner, a->max_rows * sizeof(uint64_t) + 1);
    a->u.scratch =
        alloc.alloc(alloc.owner, long_stream ? BINS * sizeof(Bin) : a->max_rows * sizeof(uint64_t) + 1);
    return a->rows && a->u.scratch ? a : NULL;
}

void
auc_reset(NnAuc *a)
{
    a->n = 0;
    a->binned = a->nan = false;
}

static void
bin_add(Bin *bin, uint64_t row)
{
    uint32_t bits = (uint32_t)row & INT32_MAX;
    float weight;

    memcpy(&weight, &bits, sizeof(weight));
    if (row & (uint64_t)1 << 31)
        bin->negatives += weight;
    else
        bin->positives += weight;
}

static Bin *
bin_of(NnAuc *a, uint64_t row)
{
    return &a->u.bins[row >> (64 - BIN_BITS)];
}

static void
rows_to_bins(NnAuc *a)
{
    memset(a->u.bins, 0, BINS * sizeof(Bin));
    for (size_t i = 0; i < a->n; i++)
        bin_add(bin_of(a, a->rows[i]), a->rows[i]);
    a->binned = true;
}

void
auc_add(NnAuc *a, float score, bool positive, float weight)
{
    uint32_t bits;
    uint64_t row;

    memcpy(&bits, &weight, sizeof(bits));
    row = (uint64_t)ordered_from_float(score) << 32 | (bits & INT32_MAX) | (positive ? 0 : (uint32_t)1 << 31);
    a->nan |= isnan(score);
    if (!a->binned && a->n == a->max_rows)
        rows_to_bins(a);
    if (a->binned)
        bin_add(bin_of(a, row), row);
    else
        a->rows[a->n++] = row;
}

static double
exact_value(NnAuc *a)
{
    Area area = {0, 0, 0};

    radix_sort(a->rows, a->u.scratch, a->n, sizeof(uint64_t), 4, NULL);
    for (size_t i = 0; i < a->n;) {
        uint64_t score = a->rows[i] >> 32;
        Bin group = {0, 0};
        for (; i < a->n && a->rows[i] >> 32 == score; i++)
            bin_add(&group, a->rows[i]);
        area_add(&area, group.positives, group.negatives);
    }
    return area_value(&area);
}

double
auc_value(NnAuc *a)
{
    Area area = {0, 0, 0};

    if (a->nan)
        return NAN;
    if (!a->binned)
        return exact_value(a);
    for (size_t i = 0; i < BINS; i++)
        area_add(&area, a->u.bins[i].positives, a->u.bins[i].negatives);
    return area_value(&area);
}
