/*
 * contributions.c: integrated gradients. The line is cut into panels, each with the eight points of
 * Gauss-Legendre quadrature; all points of a line, and its ends, go through the network as one block.
 *
 * Networks with ReLUs have gradients that jump along a line, where no quadrature is exact. How far the sum of
 * the contributions is from the logits' difference says whether the points were enough.
 */
#include "nn/infer/contributions.h"

#include <math.h>
#include <string.h>

#include "nn/infer/gradients.h"

#define PANEL      8    /* points */
#define CLOSE      0.01 /* of a contribution's size */
#define NODES_ROOM (NN_PATH_MOST + 1)

_Static_assert(NODES_ROOM <= NN_BLOCK, "a line fits a block");
_Static_assert(NN_PATH_LEAST == PANEL && NN_PATH_MOST % PANEL == 0, "lines are panels");

/* of the interval from -1 to 1; the other four points lie opposite */
static const double nodes[PANEL / 2] = {0.1834346424956498, 0.5255324099163290, 0.7966664774136267,
                                        0.9602898564975363};
static const double weights[PANEL / 2] = {0.3626837833783620, 0.3137066458778873, 0.2223810344533745,
                                          0.1012285362903763};

struct NnContributions {
    const NnNet *net;
    NnGradients *gradients;
    float *inputs, *gradient;  /* [NODES_ROOM, d_input] */
    float *logits;             /* [NODES_ROOM, n_classes] */
    double share[NODES_ROOM];  /* of the line, that each point stands for */
    float *from, *from_logits; /* [d_input] where the last line began, and the logits [n_classes] there */
    bool has_from;
};

NnStatus
contributions_create(NnContributions **contributions, const NnNet *net, const float *params, NnAlloc alloc)
{
    const size_t floats = NODES_ROOM * (size_t)net->d_input * sizeof(float);
    NnContributions *c = alloc.alloc(alloc.owner, sizeof(NnContributions));

    if (!c)
        return NN_NO_MEMORY;
    c->net = net;
    c->inputs = alloc.alloc(alloc.owner, floats);
    c->gradient = alloc.alloc(alloc.owner, floats);
    c->logits = alloc.alloc(alloc.owner, NODES_ROOM * (size_t)net->config.n_classes * sizeof(float));
    c->from = alloc.alloc(alloc.owner, (size_t)net->d_input * sizeof(float));
    c->from_logits = alloc.alloc(alloc.owner, (size_t)net->config.n_classes * sizeof(float));
    if (!c->inputs || !c->gradient || !c->logits || !c->from || !c->from_logits)
        return NN_NO_MEMORY;
    *contributions = c;
    return gradients_create(&c->gradients, net, params, alloc);
}

void
contributions_inputs(const NnContributions *c, const float *x_num, const int32_t *x_cat, size_t ld_cat,
                     float *inputs)
{
    gradients_inputs(c->gradients, x_num, x_cat, ld_cat, 1, inputs);
}

/* point i of a line of so many: where it lies, from 0 to 1, and its share */
static double
place(int i, int points, double *share)
{
    const int node = i % PANEL, panels = points / PANEL;
    const double middle = (i / PANEL + 0.5) / panels, half = 0.5 / panels;
    const double offset = nodes[node / 2] * half;

    *share = weights[node / 2] * half;
    return node % 2 ? middle + offset : middle - offset;
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

/* The logits where a line begins: many lines begin where the last one did. */
static void
take_from(NnContributions *c, const float *from)
{
    const size_t size = (size_t)c->net->d_input * sizeof(float);

    if (c->has_from && memcmp(c->from, from, size) == 0)
        return;
    memcpy(c->from, from, size);
    gradients_run(c->gradients, from, 1, 0, c->from_logits, c->gradient);
    c->has_from = true;
}

/* Takes the gradients at so many points; row `points` is the line's end. */
static void
take_points(NnContributions *c, const float *from, const float *to, int k, int points, double *gradient)
{
    const int d = c->net->d_input;

    for (int i = 0; i < points; i++)
        interpolate(c->inputs + (size_t)i * d, from, to, place(i, points, &c->share[i]), d);
    memcpy(c->inputs + (size_t)points * d, to, (size_t)d * sizeof(float));
    gradients_run(c->gradients, c->inputs, points + 1, k, c->logits, c->gradient);
    memset(gradient, 0, (size_t)d * sizeof(double));
    for (int i = 0; i < points; i++)
        add_scaled(gradient, c->gradient + (size_t)i * d, c->share[i], d);
}

static int
best_class(NnContributions *c, const float *row)
{
    const int classes = c->net->config.n_classes;
    int best = 0;

    if (classes == 1)
        return 0;
    gradients_run(c->gradients, row, 1, 0, c->logits, c->gradient);
    for (int k = 1; k < classes; k++)
        best = c->logits[k] > c->logits[best] ? k : best;
    return best;
}

NnPath
contributions_run(NnContributions *c, const float *from, const float *to, int k, int points, double *gradient,
                  float *attention)
{
    const int d = c->net->d_input, classes = c->net->config.n_classes, a = c->net->attention;
    NnPath path = {.k = k == NN_PATH_BEST_CLASS ? best_class(c, to) : k};

    take_from(c, from);
    take_points(c, from, to, path.k, points, gradient);
    path.from = c->from_logits[path.k];
    path.to = c->logits[points * classes + path.k];
    for (int j = 0; j < d; j++)
        path.sum += gradient[j] * ((double)to[j] - from[j]);
    if (attention && a >= 0)
        memcpy(attention, gradients_value(c->gradients, a, points),
               (size_t)tensor_width(c->net, a) * sizeof(float));
    return path;
}

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
