/*
 * couplings.c: mixed second derivatives of the logits, for each two inputs of a net.
 *
 * To second order, the part of a logit that inputs a and b have only together is da' H db, where H is the
 * block of second derivatives between them, and da, db are their distances from a row in the middle. Where
 * the columns of both are independent and vary as in the training, the mean square of that part is the
 * squared norm of H, its rows and columns times their spreads.
 *
 * H db is half of what the gradient with respect to a changes by between two rows that differ by 2 db in b
 * alone: each direction of b gives its products with all a. It is averaged over a few rows drawn around the
 * average before it is squared, because the kinks of rectifiers change gradients, too, without multiplying:
 * but elsewhere in every row, one way and the other. Directions are b's columns, one by one; where that would
 * take too long, random signs of all of them, by which the square has the same expectation; where even one
 * direction of each b would, fewer rows.
 */
#include "nn/infer/couplings.h"

#include <math.h>
#include <string.h>

#include "nn/infer/gradients.h"
#include "nn/math/rng.h"

#define POINTS       8                       /* rows around the average */
#define POINTS_LEAST 2                       /* where more would take too long */
#define BATCH        (NN_BLOCK / 2 / POINTS) /* directions whose gradients are taken together */
#define PAUSE        INT64_C(500000000)      /* dense weights times rows between two pauses */
#define SEED         7

typedef struct Walk {
    const NnNet *net;
    const float *average, *spread; /* [d_input] */
    NnGradients *gradients;
    int n;      /* net inputs */
    int *input; /* [d_input]: the net input that a column belongs to */
    int n_points;
    float *points;          /* [n_points, d_input] */
    float *rows, *gradient; /* [BATCH, 2 * n_points, d_input]: all points one way, then the other */
    float *logits;          /* [BATCH, 2 * n_points, n_classes] */
    int waiting, of[BATCH]; /* directions whose rows are set, and the net inputs that they belong to */
    double *products;       /* [d_input]: H db */
    double *squares;        /* [n, n] */
    int k[NN_BLOCK];        /* the logit, for each row the same */
    double factor;          /* of a square */
    NnPause pause;
} Walk;

static NnStatus
walk_create(Walk *w, const float *params, NnAlloc alloc)
{
    const size_t d = (size_t)w->net->d_input, points = (size_t)w->n_points * d * sizeof(float);
    const size_t logits = BATCH * 2 * (size_t)w->n_points * (size_t)w->net->config.n_classes;

    w->input = alloc.alloc(alloc.owner, d * sizeof(int));
    w->points = alloc.alloc(alloc.owner, points);
    w->rows = alloc.alloc(alloc.owner, BATCH * 2 * points);
    w->gradient = alloc.alloc(alloc.owner, BATCH * 2 * points);
    w->logits = alloc.alloc(alloc.owner, logits * sizeof(float));
    w->products = alloc.alloc(alloc.owner, d * sizeof(double));
    if (!w->input || !w->points || !w->rows || !w->gradient || !w->logits || !w->products)
        return NN_NO_MEMORY;
    return gradients_create(&w->gradients, w->net, params, alloc);
}

static void
find_inputs(Walk *w)
{
    const NnNet *net = w->net;

    for (int i = 0; i < net->config.n_num; i++)
        w->input[i] = i;
    for (const NnLookup *l = net->lookups; l < net->lookups + net->n_lookups; l++) {
        for (int c = 0; c < l->d; c++)
            w->input[l->column + c] = net->config.n_num + l->field;
    }
}

static void
draw_points(Walk *w, NnRng *rng)
{
    const int d = w->net->d_input;

    for (int i = 0; i < w->n_points * d; i++)
        w->points[i] = (float)(w->average[i % d] + w->spread[i % d] * sqrt(3) * (2 * rng_uniform(rng) - 1));
}

/* The gradients of all rows that wait, in slices between which the caller may be interrupted. */
static void
take_gradients(const Walk *w)
{
    const size_t d = (size_t)w->net->d_input, classes = (size_t)w->net->config.n_classes;
    const int64_t fit = PAUSE / (int64_t)(w->net->n_dense + 1);
    const int rows = w->waiting * 2 * w->n_points, slice = fit < 1 ? 1 : fit > rows ? rows : (int)fit;

    for (int r = 0; r < rows; r += slice) {
        const size_t at = (size_t)r;

        if (w->pause)
            w->pause();
        gradients_run(w->gradients, w->rows + at * d, rows - r < slice ? rows - r : slice, w->k,
                      w->logits + at * classes, w->gradient + at * d);
    }
}

/* Adds the squares of a direction's products, scaled by the spreads. */
static void
add_squares(Walk *w, int direction)
{
    const size_t d = (size_t)w->net->d_input, b = (size_t)w->of[direction], points = (size_t)w->n_points;
    const float *gradient = w->gradient + (size_t)direction * 2 * points * d;

    memset(w->products, 0, d * sizeof(double));
    for (size_t p = 0; p < points; p++) {
        for (size_t j = 0; j < d; j++)
            w->products[j] += (double)gradient[p * d + j] - gradient[(p + points) * d + j];
    }
    for (size_t j = 0; j < d; j++) {
        const double product = w->products[j] / (2 * (double)points) * w->spread[j];

        w->squares[(size_t)w->input[j] * (size_t)w->n + b] += w->factor * product * product;
    }
}

static void
flush(Walk *w)
{
    take_gradients(w);
    for (int i = 0; i < w->waiting; i++)
        add_squares(w, i);
    w->waiting = 0;
}

/* Another direction, of net input b; its rows are the points, until columns are set. */
static void
begin_direction(Walk *w, int b)
{
    const size_t floats = (size_t)w->n_points * (size_t)w->net->d_input;
    float *rows;

    if (w->waiting == BATCH)
        flush(w);
    w->of[w->waiting] = b;
    rows = w->rows + 2 * floats * (size_t)w->waiting++;
    memcpy(rows, w->points, floats * sizeof(float));
    memcpy(rows + floats, w->points, floats * sizeof(float));
}

/* Column j of the direction begun last is one spread from the average, this way and the other. */
static void
set_column(const Walk *w, int j, float sign)
{
    const size_t d = (size_t)w->net->d_input, points = (size_t)w->n_points;
    float *rows = w->rows + (size_t)(w->waiting - 1) * 2 * points * d + j;

    for (size_t r = 0; r < 2 * points; r++)
        rows[r * d] = w->average[j] + (r < points ? sign : -sign) * w->spread[j];
}

static void
walk_columns(Walk *w)
{
    for (int j = 0; j < w->net->d_input; j++) {
        if (w->spread[j] == 0)
            continue;
        begin_direction(w, w->input[j]);
        set_column(w, j, 1);
    }
    flush(w);
}

static void
walk_signs(Walk *w, int directions, NnRng *rng)
{
    for (int i = 0; i < w->n * directions; i++) {
        begin_direction(w, i % w->n);
        for (int j = 0; j < w->net->d_input; j++) {
            if (w->input[j] == i % w->n)
                set_column(w, j, rng_next(rng) >> 63 ? 1 : -1);
        }
    }
    flush(w);
}

/* fit: of each net input's one direction */
static int
points_of(int64_t fit)
{
    return fit < POINTS_LEAST ? POINTS_LEAST : fit > POINTS ? POINTS : (int)fit;
}

NnStatus
couplings(const NnNet *net, const float *params, const float *average, const float *spread, double *squares,
          int64_t work, NnAlloc alloc, NnPause pause)
{
    const int classes = net->config.n_classes;
    const int n_k = classes < NN_COUPLINGS_CLASSES ? classes : NN_COUPLINGS_CLASSES;
    const int64_t pairs_of_rows = work / (int64_t)(net->n_dense + 1) / 2 / n_k;
    Walk w = {.net = net, .average = average, .spread = spread, .squares = squares, .pause = pause};
    int64_t directions;
    NnStatus status;
    NnRng rng;

    w.n = net->config.n_num + net->config.n_cat;
    w.n_points = points_of(pairs_of_rows / w.n);
    directions = pairs_of_rows / w.n_points;
    status = walk_create(&w, params, alloc);
    if (status != NN_OK)
        return status;
    find_inputs(&w);
    rng_seed(&rng, SEED, 0);
    draw_points(&w, &rng);
    memset(squares, 0, (size_t)w.n * (size_t)w.n * sizeof(double));
    for (int i = 0; i < n_k; i++) {
        const int some = directions < w.n ? 1 : (int)(directions / w.n);

        for (int r = 0; r < NN_BLOCK; r++)
            w.k[r] = (int)((int64_t)i * classes / n_k);
        /* half, because (a, b) and (b, a) are the same and will be added up */
        w.factor = 0.5 / n_k / (directions < net->d_input ? some : 1);
        if (directions < net->d_input)
            walk_signs(&w, some, &rng);
        else
            walk_columns(&w);
    }
    return NN_OK;
}
