/*
 * metrics.c: area under the ROC curve, and the logarithmic loss.
 *
 * The area is the probability that a positive row's score is higher than a negative one's, ties counting half
 * (Mann and Whitney 1947), with weights: rows are put in the order of their scores, and every group of equal
 * scores adds positives * (negatives below + negatives in the group / 2).
 */
#include "nn/math/metrics.h"

#include <float.h>
#include <math.h>

#include "nn/math/radix.h"

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
auc(NnScore *scores, NnScore *scratch, size_t n, NnPause pause)
{
    Area area = {0, 0, 0};

    for (size_t i = 0; i < n; i++) {
        uint64_t key = ordered_from_double(scores[i].score);

        if (pause && i % NN_RADIX_PAUSE == 0)
            pause();
        if (isnan(scores[i].score))
            return NAN;
        memcpy(&scores[i].score, &key, sizeof(key));
    }
    radix_sort(scores, scratch, n, sizeof(NnScore), 0, pause);
    for (size_t i = 0; i < n;) {
        uint64_t key = score_key(&scores[i]);
        double positives = 0, negatives = 0;

        for (; i < n && score_key(&scores[i]) == key; i++) {
            if (pause && i % NN_RADIX_PAUSE == 0)
                pause();
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

#define MOST_GROUPS ((size_t)1 << 18)

/* Weights of the rows of one score, or of a few neighbouring ones. */
typedef struct Group {
    double positives, negatives;
    uint64_t score; /* its ordered bits, in 32; of neighbours, the middle one's */
} Group;

/*
 * Rows are kept one by one, eight bytes each: the score's ordered bits above, the weight's bits below, with
 * the weight's sign bit telling a negative row. When there is no more room they are sorted and merged into
 * the groups of those before them, which are then united until there are MOST_GROUPS at most, each of about
 * the same share of the positives' and the negatives' weights.
 *
 * A pair of a positive and a negative row is judged wrongly at most where one is added while the other's
 * group spans its score, and counts half where both end in one group. Each is the case of no more than a
 * group's share of all pairs.
 */
struct NnAuc {
    size_t max_rows, n; /* rows kept one by one: room, number */
    size_t n_groups;
    bool nan; /* a score was NaN */
    uint64_t *rows;
    void *scratch; /* for sorting rows, then for the groups to be */
    Group *groups; /* [MOST_GROUPS] ascending by score; NULL where max_rows is the whole stream */
};

NnAuc *
auc_create(NnAlloc alloc, size_t max_rows)
{
    NnAuc *a = alloc.alloc(alloc.owner, sizeof(NnAuc));
    const bool long_stream = max_rows > NN_AUC_EXACT;
    size_t size;

    if (a == NULL)
        return NULL;
    a->max_rows = long_stream ? NN_AUC_EXACT : max_rows;
    size = a->max_rows * sizeof(uint64_t) + 1;
    _Static_assert(MOST_GROUPS * sizeof(Group) <= NN_AUC_EXACT * sizeof(uint64_t), "groups take rows' room");
    a->rows = alloc.alloc(alloc.owner, size);
    a->scratch = alloc.alloc(alloc.owner, size);
    a->groups = long_stream ? alloc.alloc(alloc.owner, size) : NULL;
    return a->rows && a->scratch && (a->groups || !long_stream) ? a : NULL;
}

void
auc_reset(NnAuc *a)
{
    a->n = a->n_groups = 0;
    a->nan = false;
}

static void
group_add_row(Group *group, uint64_t row)
{
    uint32_t bits = (uint32_t)row & INT32_MAX;
    float weight;

    memcpy(&weight, &bits, sizeof(weight));
    if (row & (uint64_t)1 << 31)
        group->negatives += weight;
    else
        group->positives += weight;
}

/* Reads groups and sorted rows in the order of their scores. */
typedef struct Merge {
    const NnAuc *a;
    size_t row, group; /* the next ones */
} Merge;

/* All that has the next score; false: nothing is left. */
static bool
merge_next(Merge *m, Group *next)
{
    const NnAuc *a = m->a;
    const bool row = m->row < a->n, group = m->group < a->n_groups;

    if (!row && !group)
        return false;
    if (group && (!row || a->groups[m->group].score <= a->rows[m->row] >> 32))
        *next = a->groups[m->group++];
    else
        *next = (Group){.score = a->rows[m->row] >> 32};
    while (m->row < a->n && a->rows[m->row] >> 32 == next->score)
        group_add_row(next, a->rows[m->row++]);
    return true;
}

/* Starts to read; the rows must not be added to before it is done. */
static Merge
merge_start(NnAuc *a)
{
    radix_sort(a->rows, a->scratch, a->n, sizeof(uint64_t), 4, NULL);
    return (Merge){.a = a};
}

/* a group's share of the positives plus its share of the negatives */
static double
group_share(const Group *group, const Group *all)
{
    return (all->positives > 0 ? group->positives / all->positives : 0) +
           (all->negatives > 0 ? group->negatives / all->negatives : 0);
}

/* the weights of everything so far */
static Group
total(const NnAuc *a)
{
    Group sum = {0, 0, 0};

    for (size_t i = 0; i < a->n; i++)
        group_add_row(&sum, a->rows[i]);
    for (size_t i = 0; i < a->n_groups; i++) {
        sum.positives += a->groups[i].positives;
        sum.negatives += a->groups[i].negatives;
    }
    return sum;
}

/* Makes groups of the rows: those whose shares' middles lie in one part of [0, 2] are one group. */
static void
rows_to_groups(NnAuc *a)
{
    const Group all = total(a);
    Group *groups = a->scratch, next;
    Merge merge = merge_start(a);
    double before = 0; /* shares of the groups before */
    size_t n = 0, part = 0;

    while (merge_next(&merge, &next)) {
        const double share = group_share(&next, &all);
        const double middle = (before + share / 2) * ((double)MOST_GROUPS / 2);

        before += share;
        if (n == 0 || (size_t)middle > part) {
            part = (size_t)middle;
            groups[n++] = next;
            continue;
        }
        groups[n - 1].positives += next.positives;
        groups[n - 1].negatives += next.negatives;
        if (middle < (double)part + 0.5)
            groups[n - 1].score = next.score;
    }
    a->scratch = a->groups;
    a->groups = groups;
    a->n_groups = n;
    a->n = 0;
}

void
auc_add(NnAuc *a, float score, bool positive, float weight)
{
    uint32_t bits;

    memcpy(&bits, &weight, sizeof(bits));
    a->nan |= isnan(score);
    if (a->n == a->max_rows)
        rows_to_groups(a);
    a->rows[a->n++] =
        (uint64_t)ordered_from_float(score) << 32 | (bits & INT32_MAX) | (positive ? 0 : (uint32_t)1 << 31);
}

double
auc_value(NnAuc *a)
{
    Area area = {0, 0, 0};
    Merge merge;
    Group next;

    if (a->nan)
        return NAN;
    merge = merge_start(a);
    while (merge_next(&merge, &next))
        area_add(&area, next.positives, next.negatives);
    return area_value(&area);
}
