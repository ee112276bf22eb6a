/*
 * contributions.c: integrated gradients, by Clenshaw and Curtis's quadrature (1960). Its points for twice as
 * many intervals contain those for as many, so that a line which needs more points keeps the gradients that
 * it has; and its first point, where all lines begin, is taken once.
 *
 * Networks with ReLUs have gradients that jump along a line, where no quadrature is exact. How far the sum of
 * the contributions is from the logits' difference says whether the points were enough.
 */
#include "nn/infer/contributions.h"

#include <math.h>
#include <string.h>

#include "nn/infer/gradients.h"

#define CLOSE 0.01 /* of a contribution's size */

_Static_assert(NN_LINES_MOST *NN_PATH_LEAST <= NN_BLOCK && NN_PATH_MOST <= NN_BLOCK, "lines fit a block");

struct NnContributions {
    const NnNet *net;
    NnGradients *gradients;
    double cosine[2 * NN_PATH_MOST]; /* of pi i / NN_PATH_MOST */
    const float *from;               /* [d_input]: where all lines begin */
    float *from_logits;              /* [n_classes] */
    float *from_gradient;            /* [n_classes, d_input] */
    bool *has_from;                  /* [n_classes]: is it there? */
    int lines, points;               /* points: of each line, without its first */
    const float *to;                 /* [lines, d_input]: where they end */
    int k[NN_BLOCK];                 /* the logit of each point */
    float *inputs, *gradient;        /* [NN_BLOCK, d_input] of the points, line after line */
    float *logits;                   /* [NN_BLOCK, n_classes] */
    float *attention;                /* [NN_LINES_MOST, fields] at the ends */
};

NnStatus
contributions_create(NnContributions **contributions, const NnNet *net, const float *params,
                     const float *from, NnAlloc alloc)
{
    const size_t row = (size_t)net->d_input * sizeof(float), classes = (size_t)net->config.n_classes;
    const size_t fields = (size_t)tensor_width(net, net->attention);
    NnContributions *c = alloc.alloc(alloc.owner, sizeof(NnContributions));

    if (!c)
        return NN_NO_MEMORY;
    *c = (NnContributions){.net = net, .from = from};
    for (int i = 0; i < 2 * NN_PATH_MOST; i++)
        c->cosine[i] = cos(acos(-1) * i / NN_PATH_MOST);
    c->from_logits = alloc.alloc(alloc.owner, classes * sizeof(float));
    c->from_gradient = alloc.alloc(alloc.owner, classes * row);
    c->has_from = alloc.alloc(alloc.owner, classes * sizeof(bool));
    c->inputs = alloc.alloc(alloc.owner, NN_BLOCK * row);
    c->gradient = alloc.alloc(alloc.owner, NN_BLOCK * row);
    c->logits = alloc.alloc(alloc.owner, NN_BLOCK * classes * sizeof(float));
    c->attention = alloc.alloc(alloc.owner, (NN_LINES_MOST * fields + 1) * sizeof(float));
    if (!c->from_logits || !c->from_gradient || !c->has_from || !c->inputs || !c->gradient || !c->logits ||
        !c->attention)
        return NN_NO_MEMORY;
    memset(c->has_from, 0, classes * sizeof(bool));
    *contributions = c;
    return gradients_create(&c->gradients, net, params, alloc);
}

void
contributions_inputs(const NnContributions *c, const float *x_num, const int32_t *x_cat, size_t ld_cat,
                     float *inputs)
{
    gradients_inputs(c->gradients, x_num, x_cat, ld_cat, 1, inputs);
}

/* ------------------------------------------------------------------ points of a line */

/*
 * Point i of a line but its beginning, as an angle from 0 (the beginning) to NN_PATH_MOST (the end): the line
 * is the diameter of a circle, and the points lie below equal angles. The end comes first, then, again and
 * again, the middles between those before: the first n, for a power of 2, are those of n intervals.
 */
static int
point_angle(int i)
{
    int n = 1;

    if (i == 0)
        return NN_PATH_MOST;
    while (2 * n <= i)
        n *= 2;
    return (2 * (i - n) + 1) * NN_PATH_MOST / (2 * n);
}

/* where on the line it lies, from 0 to 1 */
static double
point_place(const NnContributions *c, int angle)
{
    return (1 - c->cosine[angle]) / 2;
}

/* the share of a line of n intervals that it stands for */
static double
point_share(const NnContributions *c, int angle, int n)
{
    const bool is_end = angle == 0 || angle == NN_PATH_MOST;
    double sum = 1;

    for (int k = 1; k <= n / 2; k++)
        sum -= (2 * k == n ? 1 : 2) * c->cosine[2 * k * angle % (2 * NN_PATH_MOST)] / (4.0 * k * k - 1);
    return (is_end ? 1 : 2) * sum / (2 * n);
}

static NN_KERNEL void
interpolate(float *restrict x, const float *restrict from, const float *restrict to, double at, int d)
{
    for (int j = 0; j < d; j++)
        x[j] = (float)(from[j] + at * ((double)to[j] - from[j]));
}

static NN_KERNEL void
add_scaled(double *restrict sum, const float *restrict x, double scale, int d)
{
    for (int j = 0; j < d; j++)
        sum[j] += scale * x[j];
}

/* Takes the gradients at all points from `done` on. */
static void
take_points(NnContributions *c, int done)
{
    const size_t d = (size_t)c->net->d_input, classes = (size_t)c->net->config.n_classes;
    const int n = c->lines * c->points;

    for (int i = done; i < n; i++)
        interpolate(c->inputs + (size_t)i * d, c->from, c->to + (size_t)(i / c->points) * d,
                    point_place(c, point_angle(i % c->points)), (int)d);
    gradients_run(c->gradients, c->inputs + (size_t)done * d, n - done, c->k + done,
                  c->logits + (size_t)done * classes, c->gradient + (size_t)done * d);
}

/* ------------------------------------------------------------------ lines */

static int
best_class(const float *logits, int classes)
{
    int best = 0;

    for (int k = 1; k < classes; k++)
        best = logits[k] > logits[best] ? k : best;
    return best;
}

/* Which logit each point is about. */
static void
choose_classes(NnContributions *c, int k)
{
    const int classes = c->net->config.n_classes;
    const bool best = k == NN_PATH_BEST_CLASS;

    if (best && classes > 1)
        gradients_run(c->gradients, c->to, c->lines, NULL, c->logits, NULL);
    for (int i = 0; i < c->lines * c->points; i++)
        c->k[i] = !best                ? k
                  : i % c->points == 0 ? best_class(c->logits + i / c->points * classes, classes)
                                       : c->k[i - 1];
}

static void
keep_attention(NnContributions *c)
{
    const size_t fields = (size_t)tensor_width(c->net, c->net->attention);

    for (int line = 0; line < c->lines && fields > 0; line++)
        memcpy(c->attention + (size_t)line * fields,
               gradients_value(c->gradients, c->net->attention, line * c->points), fields * sizeof(float));
}

void
contributions_start(NnContributions *c, const float *to, int lines, int k, int points)
{
    c->to = to;
    c->lines = lines;
    c->points = points;
    choose_classes(c, k);
    take_points(c, 0);
    keep_attention(c);
}

void
contributions_refine(NnContributions *c)
{
    const int done = c->points;

    c->points = 2 * done;
    for (int i = done; i < c->points; i++)
        c->k[i] = c->k[0];
    take_points(c, done);
}

/* The gradient of logit k where lines begin. */
static const float *
take_from(NnContributions *c, int k)
{
    float *gradient = c->from_gradient + (size_t)k * (size_t)c->net->d_input;

    if (!c->has_from[k])
        gradients_run(c->gradients, c->from, 1, &k, c->from_logits, gradient);
    c->has_from[k] = true;
    return gradient;
}

NnPath
contributions_line(NnContributions *c, int line, double *gradient)
{
    const int d = c->net->d_input, classes = c->net->config.n_classes, first = line * c->points;
    const float *to = c->to + (size_t)line * (size_t)d;
    NnPath path = {.k = c->k[first], .to = c->logits[first * classes + c->k[first]]};

    memset(gradient, 0, (size_t)d * sizeof(double));
    add_scaled(gradient, take_from(c, path.k), point_share(c, 0, c->points), d);
    for (int i = 0; i < c->points; i++)
        add_scaled(gradient, c->gradient + (size_t)(first + i) * (size_t)d,
                   point_share(c, point_angle(i), c->points), d);
    path.from = c->from_logits[path.k];
    for (int j = 0; j < d; j++)
        path.sum += gradient[j] * ((double)to[j] - c->from[j]);
    return path;
}

const float *
contributions_attention(const NnContributions *c, int line)
{
    const int fields = tensor_width(c->net, c->net->attention);

    return fields > 0 ? c->attention + line * fields : NULL;
}

/* ------------------------------------------------------------------ completeness */

static double
sizes(const double *parts, int n)
{
    double sum = 0;

    for (int i = 0; i < n; i++)
        sum += fabs(parts[i]);
    return sum;
}

static double
missed(const NnPath *path)
{
    return (path->to - path->from) - path->sum;
}

bool
contributions_close(const NnPath *path, const double *parts, int n)
{
    return fabs(missed(path)) <= CLOSE * sizes(parts, n);
}

void
contributions_complete(const NnPath *path, double *parts, int n)
{
    const double size = sizes(parts, n), factor = missed(path) / size;

    if (!(size > 0) || !isfinite(factor))
        return;
    for (int i = 0; i < n; i++)
        parts[i] += factor * fabs(parts[i]);
}
