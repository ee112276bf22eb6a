/*
 * points.c: a sorted column cut into points. A column of no more than NN_POINTS different values keeps them
 * all, with their rows: merged, such parts are exactly what the whole table would give. Any other column is
 * cut into NN_POINTS parts of about equally many rows, each of which is shown by the value in its middle. A
 * value that fills such a part by itself, and the smallest and the largest one, are points of their own. What
 * a rank is off by adds up over the parts of a table as their rows do, so the merged column is no worse than
 * its parts.
 *
 * Means and sums of squares are kept beside (moments.c), because points would give them only nearly.
 */
#include "nn/math/points.h"

#include <math.h>

/* ------------------------------------------------------------------ cutting */

/* Reads a column run by run of equal values. */
typedef struct Runs {
    NnColumn *column;
    size_t unread;
    double value, ahead;
    int64_t rows;
    bool more; /* ahead has been read */
} Runs;

static void
runs_start(Runs *runs, NnColumn *column)
{
    column_rewind(column);
    *runs = (Runs){.column = column, .unread = column->n, .more = column->n > 0};
    if (runs->more) {
        runs->ahead = column_next(column);
        runs->unread--;
    }
}

static bool
runs_next(Runs *runs)
{
    if (!runs->more)
        return false;
    runs->value = runs->ahead;
    runs->rows = 1;
    for (runs->more = false; runs->unread > 0 && !runs->more; runs->unread--) {
        runs->ahead = column_next(runs->column);
        runs->more = runs->ahead != runs->value;
        runs->rows += !runs->more;
    }
    return true;
}

static bool
has_few_values(NnColumn *column)
{
    int64_t different = 0;
    Runs runs;

    for (runs_start(&runs, column); different <= NN_POINTS && runs_next(&runs);)
        different++;
    return different <= NN_POINTS;
}

static void
add_point(NnPoints *points, double value, int64_t rows)
{
    points->values[points->n] = value;
    points->rows[points->n++] = rows;
}

/* A part of the column, whose values share a point: its rows so far, and the value in its middle. */
typedef struct Part {
    int64_t rows;
    double middle;
} Part;

static void
part_end(NnPoints *points, Part *part)
{
    if (part->rows > 0)
        add_point(points, part->middle, part->rows);
    part->rows = 0;
}

static void
cut(NnPoints *points, NnColumn *column)
{
    const int64_t full = points->exact ? 1 : (int64_t)((column->n + NN_POINTS - 1) / NN_POINTS);
    bool first = true;
    Part part = {0};
    Runs runs;

    for (runs_start(&runs, column); runs_next(&runs); first = false) {
        if (runs.rows >= full || first || !runs.more) {
            part_end(points, &part);
            add_point(points, runs.value, runs.rows);
            continue;
        }
        if (part.rows + runs.rows > full)
            part_end(points, &part);
        if (part.rows < (full + 1) / 2)
            part.middle = runs.value;
        part.rows += runs.rows;
    }
}

void
points_fit(NnPoints *points, NnTransformKind kind, NnColumn *column)
{
    points->exact = has_few_values(column);
    points->n = 0;
    cut(points, column);
    moments_fit(&points->moments, kind, column);
}

/* ------------------------------------------------------------------ merging */

void
points_merge(NnPoints *to, const NnPoints *a, const NnPoints *b)
{
    to->exact = a->exact && b->exact;
    to->n = 0;
    for (int64_t i = 0, j = 0; i < a->n || j < b->n;) {
        const bool from_a = j == b->n || (i < a->n && a->values[i] <= b->values[j]);
        const double value = from_a ? a->values[i] : b->values[j];
        const int64_t rows = from_a ? a->rows[i++] : b->rows[j++];

        if (to->n > 0 && to->values[to->n - 1] == value)
            to->rows[to->n - 1] += rows;
        else
            add_point(to, value, rows);
    }
    moments_add(&to->moments, &a->moments, &b->moments);
}

bool
points_are_sound(const NnPoints *points)
{
    int64_t rows = 0;

    for (int64_t i = 0; i < points->n; i++) {
        if (!(fabs(points->values[i]) <= NN_LARGEST) || points->rows[i] < 1 ||
            points->rows[i] > NN_POINTS_LARGEST - rows ||
            (i > 0 && points->values[i - 1] >= points->values[i]))
            return false;
        rows += points->rows[i];
    }
    return moments_are_sound(&points->moments) && points->moments.rows == (double)rows;
}

/* ------------------------------------------------------------------ the points as a column */

static double
points_next(void *source)
{
    NnPointsColumn *c = source;
    const size_t n = c->column.n;
    /* the rank among all rows: the same step from each row that is read to the next, the last one exactly */
    const int64_t rank =
        (int64_t)n == c->all || n < 2
            ? (int64_t)c->read
            : (int64_t)((long double)c->read / (long double)(n - 1) * (long double)(c->all - 1));

    while (c->upto <= rank && c->at + 1 < c->points->n)
        c->upto += c->points->rows[++c->at];
    c->read++;
    return c->points->values[c->at];
}

static void
points_rewind(void *source)
{
    NnPointsColumn *c = source;

    c->read = 0;
    c->at = 0;
    c->upto = c->points->n > 0 ? c->points->rows[0] : 0;
}

void
points_column(NnPointsColumn *c, const NnPoints *points, int64_t missing)
{
    int64_t rows = 0, n;

    for (int64_t i = 0; i < points->n; i++)
        rows += points->rows[i];
    n = rows;
    c->exact = points->exact;
    if (rows + missing > NN_POINTS_ROWS) {
        const double share = (double)NN_POINTS_ROWS / ((double)rows + (double)missing);

        n = rows > 0 ? (int64_t)((double)rows * share) + 1 : 0;
        missing = (int64_t)((double)missing * share);
        c->exact = false;
    }
    c->column = (NnColumn){.n = (size_t)n, .next = points_next, .rewind = points_rewind, .source = c};
    c->missing = (size_t)missing;
    c->points = points;
    c->all = rows;
    points_rewind(c);
}
