/*
 * pairs.c: chooses pairs of categorical columns.
 *
 * What the columns say each by itself is taken first: a logistic regression on the target statistics of all
 * fields (pair_regression.c), each row's from the other folds. A pair's target statistic, which comes from
 * the other folds as well, would be one more input of it. Its gain is by how much the log likelihood would
 * then grow, as far as slope and curvature at the weights that were found tell: with residuals r = y - p,
 * curvatures c = p (1 - p), and z, what the pair's statistic has that those of its two columns and a
 * constant have not (by least squares with weights c), the pair's weight would be w = sum(z r) / sum(c
 * z^2), and the gain w sum(z r) / 2. A pair whose weight is negative gains nothing: there chance speaks.
 *
 * All pairs are compared on as many rows as there is time for, the best of them on all rows of the sample.
 * Once a pair is taken, the regression has its statistic, and the next pair has to say something besides. So
 * has, at the end, in how many other rows of the sample a row's pair occurs; its weight may have either sign.
 */
#include <math.h>
#include <string.h>

#include "nn/math/pair_work.h"
#include "nn/math/rng.h"
#include "nn/pool.h"

#define WORK        (1 << 24) /* rows times pairs that are looked at before the best are known */
#define FINALISTS   32
#define GAIN_LEAST  1e-4 /* per row, of a pair that is worth it */
#define COUNT_LEAST 2e-4 /* the same of a pair's counts */
#define EVIDENCE    6.0  /* and in all: what chance hardly gives */
#define PAUSE_ROWS  4096

int
pairs_expect(NnPairs *pairs, NnPause pause)
{
    int columns[PAIR_COLUMNS_MOST], n, least;

    pair_regress(pairs, pause);
    n = pair_choose_columns(pairs, columns);
    for (int a = 0; a < n; a++) {
        for (int b = a + 1; b < n; b++) {
            const int low = columns[a] < columns[b] ? columns[a] : columns[b];

            pairs->candidates[pairs->n_candidates++] =
                (NnPair){.columns = {low, columns[a] + columns[b] - low}};
        }
    }
    least = pairs->n_candidates > 0 ? WORK / pairs->n_candidates : 0;
    pairs->rows = pairs->sample.rows < least ? pairs->sample.rows : least;
    return pairs->n_candidates;
}

/* ------------------------------------------------------------------ what a pair says */

/*
 * The number of row i's category in a pair, of which there are n so far. Slots: one for each pair of codes
 * where they suffice, else a hash table with linear probing.
 */
static int32_t
find_category(const NnPairs *pairs, const PairScratch *s, const NnPair *pair, int i, int *n)
{
    const NnPairSample *sample = &pairs->sample;
    const uint64_t a = (uint64_t)sample->codes[pair->columns[0]][i],
                   b = (uint64_t)sample->codes[pair->columns[1]][i];
    const uint64_t n_a = (uint64_t)sample->categories[pair->columns[0]],
                   n_b = (uint64_t)sample->categories[pair->columns[1]];
    const uint64_t key = a == 0 || b == 0 ? 0 : a * n_b + b; /* 0: a member is unseen, and so the pair */
    const bool direct = n_a * n_b <= pairs->n_slots;
    size_t at = direct ? key : rng_mix(key) & (pairs->n_slots - 1);

    while (s->slots[at] >= 0 && !direct && s->keys[s->slots[at]] != key)
        at = (at + 1) & (pairs->n_slots - 1);
    if (s->slots[at] < 0) {
        s->slots[at] = *n;
        s->keys[*n] = key;
        ++*n;
    }
    return s->slots[at];
}

/*
 * s->expected: what the statistics of the two columns add up to in each category of a pair, but for that of
 * unseen members. Categories have rows in some folds, and others are not asked for.
 */
static void
expect_pair(const NnPairs *pairs, const PairScratch *s, const NnPair *pair, int rows)
{
    const float *a = pairs->x[pair->columns[0]], *b = pairs->x[pair->columns[1]];

    for (int i = 0; i < rows; i++) {
        const int32_t category = s->category[i];

        s->expected[category].out_of_fold[pairs->sample.fold[i]] = s->keys[category] == 0 ? 0 : a[i] + b[i];
    }
}

/* s->x: the pair's statistics of the first `rows` rows. */
static void
find_pair_statistics(const NnPairs *pairs, const PairScratch *s, const NnPair *pair, int rows)
{
    int n = 0;

    memset(s->slots, 0xff, sizeof(int32_t) * pairs->n_slots);
    for (int i = 0; i < rows; i++) {
        s->category[i] = find_category(pairs, s, pair, i, &n);
        if (i % PAUSE_ROWS == 0 && pool_task_interrupted())
            return;
    }
    memset(s->expected, 0, (size_t)n * sizeof(NnExpected));
    expect_pair(pairs, s, pair, rows);
    pair_find_statistics(&pairs->sample, s, s->category, n, s->expected, rows, s->x);
}

#define INPUTS 4 /* a constant, the statistics of a pair's two columns, and what the pair has besides */

/* Sums over rows, in PAIR_SUMS parts each, so that rows are added side by side. */
typedef struct InputSums {
    double m[INPUTS][INPUTS + 1][PAIR_SUMS]; /* of products of inputs, of which one half is filled; slopes */
} InputSums;

static inline __attribute__((always_inline)) void
add_input(InputSums *sums, int part, double a, double b, double x_last, double curvature, double residual)
{
    const double x[INPUTS] = {1, a, b, x_last};

    for (int j = 0; j < INPUTS; j++) {
        for (int k = j; k < INPUTS; k++)
            sums->m[j][k][part] += x[j] * x[k] * curvature;
        sums->m[j][INPUTS][part] += x[j] * residual;
    }
}

/* What rows [0, rows) add to the sums; x_last [rows]: the last input. */
NN_KERNEL static void
add_inputs(InputSums *to, const float *restrict a, const float *restrict b, const float *restrict x_last,
           const float *restrict curvature, const float *restrict residual, int rows)
{
    const int whole = rows / PAIR_SUMS * PAIR_SUMS;
    InputSums sums = *to;

    for (int i = 0; i < whole; i += PAIR_SUMS)
        for (int part = 0; part < PAIR_SUMS; part++)
            add_input(&sums, part, a[i + part], b[i + part], x_last[i + part], curvature[i + part],
                      residual[i + part]);
    for (int i = whole; i < rows; i++)
        add_input(&sums, i - whole, a[i], b[i], x_last[i], curvature[i], residual[i]);
    *to = sums;
}

/*
 * By how much the log likelihood of the first `rows` rows would grow with one more input, x_last [rows],
 * beside the statistics of the pair's columns. *sign: that of its weight.
 */
static double
gain_of_input(const NnPairs *pairs, const NnPair *pair, const float *x_last, int rows, double *sign)
{
    InputSums sums = {{{{0}}}};
    double m[INPUTS][INPUTS + 1];
    double slope, curvature;

    add_inputs(&sums, pairs->x[pair->columns[0]], pairs->x[pair->columns[1]], x_last, pairs->curvature,
               pairs->residual, rows);
    for (int j = 0; j < INPUTS; j++)
        for (int k = j; k <= INPUTS; k++)
            m[j][k] = pair_sum(sums.m[j][k]);
    for (int j = 0; j < INPUTS - 1; j++) { /* takes input j out of those after it */
        for (int k = j + 1; k < INPUTS; k++) {
            const double share = m[j][k] / (m[j][j] + PAIR_RIDGE);

            for (int l = k; l <= INPUTS; l++)
                m[k][l] -= share * m[j][l];
        }
    }
    slope = m[INPUTS - 1][INPUTS];
    curvature = m[INPUTS - 1][INPUTS - 1] + PAIR_RIDGE;
    *sign = slope;
    return slope * slope / curvature / 2;
}

/* By how much the log likelihood of the first `rows` rows would grow with the pair's statistics. */
static double
gain_of(const NnPairs *pairs, const PairScratch *s, const NnPair *pair, int rows)
{
    double sign, gain;

    find_pair_statistics(pairs, s, pair, rows);
    gain = gain_of_input(pairs, pair, s->x, rows, &sign);
    return sign > 0 ? gain : 0;
}

void
pairs_gain_task(void *arg, int task, int worker)
{
    NnPairs *pairs = arg;
    NnPair *pair = &pairs->candidates[task];

    pair->gain = gain_of(pairs, &pairs->scratch[worker], pair, pairs->rows);
}

/* ------------------------------------------------------------------ choosing */

/* Adds the pair's statistics, which are those that were found last, to the regression. */
static void
accept(NnPairs *pairs, const NnPair *pair)
{
    const PairScratch *s = &pairs->scratch[0];
    double weight = 0;

    for (int sweep = 0; sweep < PAIR_SWEEPS; sweep++) {
        pair_move_weight(pairs, pairs->ones, 0);
        weight += pair_move_weight(pairs, s->x, weight);
        for (int c = 0; c < 2; c++) {
            const int f = pair->columns[c];

            pairs->weights[f] += pair_move_weight(pairs, pairs->x[f], pairs->weights[f]);
        }
    }
}

/* the place of the best candidate from `from` on */
static int
best_from(const NnPairs *pairs, int from)
{
    int best = from;

    for (int c = from + 1; c < pairs->n_candidates; c++) {
        if (pairs->candidates[c].gain > pairs->candidates[best].gain)
            best = c;
    }
    return best;
}

/* Moves the best candidates to the front, and judges them by all rows, if fewer have judged them so far. */
static void
choose_finalists(NnPairs *pairs, NnPause pause)
{
    int n = 0;

    for (; n < pairs->n_candidates && n < FINALISTS; n++) {
        const int best = best_from(pairs, n);
        const NnPair pair = pairs->candidates[best];

        /* the others stay in order, so that of equal ones the first is taken */
        memmove(pairs->candidates + n + 1, pairs->candidates + n, (size_t)(best - n) * sizeof(NnPair));
        pairs->candidates[n] = pair;
    }
    pairs->n_candidates = n;
    for (int c = 0; c < n && pairs->rows < pairs->sample.rows; c++) {
        if (pause)
            pause();
        pairs->candidates[c].gain =
            gain_of(pairs, &pairs->scratch[0], &pairs->candidates[c], pairs->sample.rows);
    }
}

/*
 * Gains are those beside the pairs that were taken before, and seldom grow when another is taken. So only the
 * one that seems best is judged anew, until it stays the best.
 */
int
pairs_choose(NnPairs *pairs, NnPair *chosen, int most, NnPause pause)
{
    const double least = fmax(GAIN_LEAST * pairs->sample.rows, EVIDENCE);
    int n = 0;

    choose_finalists(pairs, pause);
    while (n < most && pairs->n_candidates > 0) {
        const int best = best_from(pairs, 0);
        NnPair *pair = &pairs->candidates[best];
        const double before = pair->gain;

        if (pause)
            pause();
        pair->gain = gain_of(pairs, &pairs->scratch[0], pair, pairs->sample.rows);
        if (before < least)
            break;
        if (pair->gain < before && best_from(pairs, 0) != best)
            continue;
        if (pair->gain < least)
            break;
        chosen[n++] = *pair;
        accept(pairs, pair);
        *pair = pairs->candidates[--pairs->n_candidates];
    }
    return n;
}

void
pairs_take(NnPairs *pairs, const NnPair *pair)
{
    find_pair_statistics(pairs, &pairs->scratch[0], pair, pairs->sample.rows);
    accept(pairs, pair);
}

/* ------------------------------------------------------------------ counts */

double
pairs_count(NnPairs *pairs, const NnPair *pair)
{
    const int rows = pairs->sample.rows;
    const PairScratch *s = &pairs->scratch[0];
    double sign, gain;
    int n = 0;

    memset(s->slots, 0xff, sizeof(int32_t) * pairs->n_slots);
    for (int i = 0; i < rows; i++)
        s->category[i] = find_category(pairs, s, pair, i, &n);
    memset(s->all, 0, (size_t)n * sizeof(float));
    for (int i = 0; i < rows; i++)
        s->all[s->category[i]]++;
    for (int i = 0; i < rows; i++)
        s->x[i] = s->keys[s->category[i]] == 0 ? 0 : count_input((int64_t)s->all[s->category[i]] - 1);
    gain = gain_of_input(pairs, pair, s->x, rows, &sign);
    return gain >= fmax(COUNT_LEAST * rows, EVIDENCE) ? gain : 0;
}
