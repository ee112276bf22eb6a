/*
 * pair_regression.c: what the columns say of the labels each by itself, which pairs have to add to (pairs.c):
 * the target statistics of all fields, and a logistic regression on them, whose weights take steps of
 * Newton's in turn.
 */
#include "nn/math/pair_work.h"

#include <math.h>
#include <string.h>

#include "nn/math/vecmath.h"

/* ------------------------------------------------------------------ memory */

static void *
take(NnAlloc alloc, size_t n, size_t size, bool *good)
{
    void *p = *good ? alloc.alloc(alloc.owner, (n > 0 ? n : 1) * size) : NULL;

    *good = p != NULL;
    return p;
}

/* Numbers a field's codes anew, in order of appearance, so that there are no more than rows; unseen is 0. */
static void
renumber(NnPairSample *sample, int f, int32_t *numbers)
{
    int n = 1;

    memset(numbers, 0xff, sizeof(int32_t) * (size_t)sample->categories[f]);
    numbers[sample->unseen] = 0;
    for (int i = 0; i < sample->rows; i++) {
        int32_t *code = &sample->codes[f][i];

        if (numbers[*code] < 0)
            numbers[*code] = n++;
        *code = numbers[*code];
    }
    sample->categories[f] = n;
}

static void
renumber_all(NnPairs *pairs, NnAlloc alloc, bool *good)
{
    NnPairSample *sample = &pairs->sample;
    int most = 1;
    int32_t *numbers;

    for (int f = 0; f < sample->fields; f++)
        most = sample->categories[f] > most ? sample->categories[f] : most;
    numbers = take(alloc, (size_t)most, sizeof(int32_t), good);
    for (int f = 0; f < sample->fields && *good; f++)
        renumber(sample, f, numbers);
}

NnPairs *
pairs_create(const NnPairSample *sample, int threads, NnAlloc alloc)
{
    const size_t rows = (size_t)sample->rows, fields = (size_t)sample->fields;
    bool good = true;
    NnPairs *pairs = take(alloc, 1, sizeof(NnPairs), &good);

    if (!good)
        return NULL;
    pairs->sample = *sample;
    for (size_t i = 0; i < rows; i++)
        pairs->mean_weight += sample->weight[i] / (double)rows;
    for (pairs->n_slots = 2; pairs->n_slots < 2 * rows;)
        pairs->n_slots *= 2;
    pairs->x = take(alloc, fields, sizeof(float *), &good);
    for (size_t f = 0; f < fields && good; f++)
        pairs->x[f] = take(alloc, rows, sizeof(float), &good);
    pairs->ones = take(alloc, rows, sizeof(float), &good);
    for (size_t i = 0; i < rows && good; i++)
        pairs->ones[i] = 1;
    pairs->logits = take(alloc, rows, sizeof(double), &good);
    pairs->residual = take(alloc, rows, sizeof(float), &good);
    pairs->curvature = take(alloc, rows, sizeof(float), &good);
    pairs->weights = take(alloc, fields, sizeof(double), &good);
    pairs->candidates = take(alloc, PAIR_COLUMNS_MOST * (PAIR_COLUMNS_MOST - 1) / 2, sizeof(NnPair), &good);
    pairs->scratch = take(alloc, (size_t)threads, sizeof(PairScratch), &good);
    for (int t = 0; t < threads && good; t++) {
        PairScratch *s = &pairs->scratch[t];

        s->keys = take(alloc, rows, sizeof(uint64_t), &good);
        s->slots = take(alloc, pairs->n_slots, sizeof(int32_t), &good);
        s->sums = take(alloc, (rows + 1) * NN_STATISTICS_GROUPS, sizeof(NnKeptSum), &good);
        s->statistics = take(alloc, (rows + 1) * NN_STATISTICS_GROUPS, sizeof(float), &good);
        s->expected = take(alloc, rows, sizeof(NnExpected), &good);
        s->all = take(alloc, rows + 1, sizeof(float), &good);
        s->category = take(alloc, rows, sizeof(int32_t), &good);
        s->x = take(alloc, rows, sizeof(float), &good);
    }
    renumber_all(pairs, alloc, &good);
    return good ? pairs : NULL;
}

/* ------------------------------------------------------------------ what the fields say each by itself */

static void
add_label(NnKeptSum *sums, const NnPairSample *sample, int i)
{
    NnKeptSum *sum = &sums[sample->fold[i]];

    sum->weight += sample->weight[i];
    sum->positive += sample->weight[i] * sample->label[i];
}

void
pair_find_statistics(const NnPairSample *sample, const PairScratch *s, const int32_t *category, int n,
                     const NnExpected *expected, int rows, float *x)
{
    NnKeptSum totals[NN_STATISTICS_GROUPS] = {{0, 0}};

    memset(s->sums, 0, (size_t)n * NN_STATISTICS_GROUPS * sizeof(NnKeptSum));
    for (int i = 0; i < rows; i++) {
        add_label(s->sums + (size_t)category[i] * NN_STATISTICS_GROUPS, sample, i);
        add_label(totals, sample, i);
    }
    statistics_fit(s->statistics, s->all, s->sums, totals, expected, (size_t)n);
    for (int i = 0; i < rows; i++)
        x[i] = s->statistics[(size_t)category[i] * NN_STATISTICS_GROUPS + sample->fold[i]];
}

void
pairs_statistic_task(void *arg, int task, int worker)
{
    const NnPairs *pairs = arg;
    const NnPairSample *sample = &pairs->sample;

    pair_find_statistics(sample, &pairs->scratch[worker], sample->codes[task], sample->categories[task], NULL,
                         sample->rows, pairs->x[task]);
}

/* What the logits leave of the labels. */
NN_KERNEL static void
find_residuals(float *restrict residual, float *restrict curvature, const double *restrict logits,
               const float *restrict label, const float *restrict weight, double mean_weight, int rows)
{
    for (int i = 0; i < rows; i++) {
        const double p = nn_sigmoidf((float)logits[i]), w = weight[i] / mean_weight;

        residual[i] = (float)(w * (label[i] - p));
        curvature[i] = (float)(w * p * (1 - p));
    }
}

static void
set_residuals(NnPairs *pairs)
{
    const NnPairSample *sample = &pairs->sample;

    find_residuals(pairs->residual, pairs->curvature, pairs->logits, sample->label, sample->weight,
                   pairs->mean_weight, sample->rows);
}

/* The slope of the log likelihood along the weight of x [rows], and its curvature. */
NN_KERNEL static void
add_slopes(double *slope, double *curvature, const float *restrict x, const float *restrict residuals,
           const float *restrict curvatures, int rows)
{
    double first[PAIR_SUMS] = {0}, second[PAIR_SUMS] = {0};
    const int whole = rows / PAIR_SUMS * PAIR_SUMS;

    for (int i = 0; i < whole; i += PAIR_SUMS) {
        for (int part = 0; part < PAIR_SUMS; part++) {
            const double xi = x[i + part];

            first[part] += xi * residuals[i + part];
            second[part] += xi * xi * curvatures[i + part];
        }
    }
    for (int i = whole; i < rows; i++) {
        first[i - whole] += (double)x[i] * residuals[i];
        second[i - whole] += (double)x[i] * x[i] * curvatures[i];
    }
    *slope += pair_sum(first);
    *curvature += pair_sum(second);
}

NN_KERNEL static void
move_logits(double *restrict logits, const float *restrict x, double step, int rows)
{
    for (int i = 0; i < rows; i++)
        logits[i] += step * x[i];
}

double
pair_move_weight(NnPairs *pairs, const float *x, double weight)
{
    double slope = -PAIR_RIDGE * weight, curvature = PAIR_RIDGE, step;

    add_slopes(&slope, &curvature, x, pairs->residual, pairs->curvature, pairs->sample.rows);
    step = slope / curvature;
    move_logits(pairs->logits, x, step, pairs->sample.rows);
    set_residuals(pairs);
    return step;
}

void
pair_regress(NnPairs *pairs, NnPause pause)
{
    set_residuals(pairs);
    for (int sweep = 0; sweep < PAIR_SWEEPS; sweep++) {
        pair_move_weight(pairs, pairs->ones, 0);
        for (int f = 0; f < pairs->sample.fields; f++) {
            if (pause)
                pause();
            pairs->weights[f] += pair_move_weight(pairs, pairs->x[f], pairs->weights[f]);
        }
    }
}

/* What field f contributes to the logits: its sum of squares. */
static double
contribution(const NnPairs *pairs, int f)
{
    double squares = 0;

    for (int i = 0; i < pairs->sample.rows; i++)
        squares += (double)pairs->x[f][i] * pairs->x[f][i];
    return pairs->weights[f] * pairs->weights[f] * squares;
}

int
pair_choose_columns(const NnPairs *pairs, int *chosen)
{
    const int n = pairs->sample.columns;
    double contributions[PAIR_COLUMNS_MOST];
    int kept = 0;

    for (int f = 0; f < n; f++) {
        const double value = contribution(pairs, f);
        int at = kept;

        while (at > 0 && contributions[at - 1] < value)
            at--;
        if (at == PAIR_COLUMNS_MOST)
            continue;
        kept += kept < PAIR_COLUMNS_MOST;
        memmove(contributions + at + 1, contributions + at, (size_t)(kept - 1 - at) * sizeof(*contributions));
        memmove(chosen + at + 1, chosen + at, (size_t)(kept - 1 - at) * sizeof(*chosen));
        contributions[at] = value;
        chosen[at] = f;
    }
    return kept;
}
