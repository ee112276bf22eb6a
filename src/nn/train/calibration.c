/*
 * calibration.c: where a network's logits start, how far they spread, and the last bias: where it must be so
 * that predictions are on average the labels'. The start matters where one class is rare: steps are too few
 * to get there from one half, or to unlearn what the first weights say by chance.
 */
#include "nn/train/calibration.h"

#include <math.h>
#include <string.h>

#include "nn/math/loss.h"

#define START_SCALE 0.3f
#define SHARE_LEAST 1e-6 /* of a class; also what a mean prediction counts as that underflows */
#define CHANCE      2.0  /* standard errors of a mean prediction */

int
net_last_bias(const NnNet *net)
{
    for (int i = 0; i < net->n_layers; i++)
        if (net->layers[i].y == net->output && net->layers[i].linear_bias >= 0)
            return net->layers[i].linear_bias;
    return -1;
}

/* Multiplies the parameters of a layer; of its embeddings only if `tables`. */
static void
scale_layer(const NnNet *net, const NnLayer *l, float *params, float factor, bool tables)
{
    for (int j = 0; l->param[j] >= 0; j++) {
        const NnParam *p = &net->params[l->param[j]];

        for (size_t i = 0; i < p->count && (tables || p->kind == NN_DENSE); i++)
            params[p->offset + i] *= factor;
    }
}

void
calibration_start_weights(const NnNet *net, float *params, int first, int n)
{
    const int n_num = net->config.n_num;

    for (int i = 0; i < net->n_layers; i++) {
        const NnLayer *l = &net->layers[i];

        if (l->y != net->output)
            continue;
        scale_layer(net, l, params, START_SCALE, false);
        if (l->x < 0 || l->x != net->x_num)
            continue;
        for (int k = 0; k < net->config.n_classes * n_num; k++)
            if (k % n_num >= first && k % n_num < first + n)
                params[net->params[l->param[0]].offset + (size_t)k] = 1;
    }
}

void
calibration_scale(const NnNet *net, float *params, float factor)
{
    for (int i = 0; i < net->n_layers; i++)
        if (net->layers[i].y == net->output && net->layers[i].param[0] < 0)
            return;
    for (int i = 0; i < net->n_layers; i++)
        if (net->layers[i].y == net->output)
            scale_layer(net, &net->layers[i], params, factor, true);
}

static double
log_share(double part, double whole)
{
    return log(fmax(part / whole, SHARE_LEAST));
}

static double
sum_of(const double *weights, int n)
{
    double sum = 0;

    for (int k = 0; k < n; k++)
        sum += weights[k];
    return sum;
}

void
calibration_start(float *bias, const double *weights, int classes)
{
    const double all = sum_of(weights, classes == 1 ? 2 : classes);

    if (classes == 1)
        bias[0] = (float)(log_share(weights[1], all) - log_share(weights[0], all));
    for (int k = 0; classes > 1 && k < classes; k++)
        bias[k] = (float)log_share(weights[k], all);
}

/* Adds weight * p to sum [classes], p being the softmax of z + shift. */
static void
add_softmax(double *sum, const float *z, const double *shift, int classes, double weight)
{
    double largest = -INFINITY, total = 0;

    for (int k = 0; k < classes; k++) {
        const double x = (double)z[k] + shift[k];

        largest = x > largest ? x : largest; /* fmax() here makes GCC 12 for 64-bit ARM fail */
    }
    for (int k = 0; k < classes; k++)
        total += exp((double)z[k] + shift[k] - largest);
    for (int k = 0; k < classes; k++)
        sum[k] += weight * exp((double)z[k] + shift[k] - largest) / total;
}

/*
 * Adds weight * probability of label 0 and of label 1, each computed so that it keeps its digits where it is
 * small.
 */
static void
add_sigmoid(double *sum, double z, double weight)
{
    sum[0] += weight / (1 + exp(z));
    sum[1] += weight / (1 + exp(-z));
}

void
calibration_means(double *means, const double *shift, const float *logits, const float *row_weights, int n,
                  int classes)
{
    const int labels = classes == 1 ? 2 : classes;
    double all;

    memset(means, 0, (size_t)labels * sizeof(double));
    for (int r = 0; r < n; r++) {
        if (classes == 1)
            add_sigmoid(means, (double)logits[r] + shift[0], (double)row_weights[r]);
        else
            add_softmax(means, logits + (size_t)r * (size_t)classes, shift, classes, (double)row_weights[r]);
    }
    all = sum_of(means, labels);
    for (int k = 0; k < labels; k++)
        means[k] /= all;
}

double
calibration_step(double *shift, double *scratch, const float *logits, const float *row_weights, int n,
                 int classes, const double *class_weights)
{
    const int labels = classes == 1 ? 2 : classes;
    const double all = sum_of(class_weights, labels);
    double largest = 0;

    calibration_means(scratch, shift, logits, row_weights, n, classes);
    for (int k = 0; k < labels; k++)
        scratch[k] = log_share(class_weights[k], all) - log_share(scratch[k], 1);
    if (classes == 1)
        scratch[0] = scratch[1] - scratch[0];
    for (int k = 0; k < classes; k++) {
        shift[k] += scratch[k];
        largest = fmax(largest, fabs(scratch[k]));
    }
    return largest;
}

void
held_back_add(NnHeldBack *sums, const float *logits, const float *weight, int n)
{
    for (int i = 0; i < n; i++) {
        const double w = weight ? (double)weight[i] : 1, p = probability(logits[i]);

        sums->weight += w;
        sums->weight_squares += w * w;
        sums->p += w * p;
        sums->p_squares += w * p * p;
    }
}

/*
 * The mean prediction moves by p (1 - p), averaged over the rows, for each unit that is added to the logits;
 * if all predictions were equal, its log odds would move as the logits do. The quotient of the two slopes
 * makes the step exact for small shifts and for equal predictions.
 */
double
held_back_shift(const NnHeldBack *sums, double share)
{
    const double mean = sums->p / sums->weight;
    const double variance = fmax(sums->p_squares / sums->weight - mean * mean, 0);
    const double slope = mean * (1 - mean) - variance;
    double shift, error;

    if (sums->weight <= 0 || slope < SHARE_LEAST)
        return 0;
    shift = log_share(share, 1) - log_share(1 - share, 1) - log(mean / (1 - mean));
    shift *= mean * (1 - mean) / slope;
    error = sqrt(variance * sums->weight_squares) / sums->weight / slope;
    return copysign(fmax(fabs(shift) - CHANCE * error, 0), shift);
}
