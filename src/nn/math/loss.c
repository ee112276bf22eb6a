/*
 * loss.c: binary cross-entropy of a logit, softmax cross-entropy of several, and probabilities from both.
 * Training's are float4, a block of rows at a time; those of scored rows are float8, so that they tell apart
 * what logits do.
 */
#include "nn/math/loss.h"

#include <float.h>
#include <math.h>

#include "nn/math/vecmath.h"

/* weight of row r, where no weights means 1 */
static inline float
row_weight(const float *weight, int r)
{
    return weight ? weight[r] : 1.0f;
}

/* z, y, weight [n]; dz [n] or NULL */
NN_KERNEL static double
binary_loss(float *dz, const float *z, const float *y, const float *weight, int n, float scale)
{
    double sum = 0.0;

    for (int r = 0; r < n; r++)
        sum += (double)(row_weight(weight, r) * (nn_softplusf(z[r]) - y[r] * z[r]));
    if (dz)
        for (int r = 0; r < n; r++)
            dz[r] = row_weight(weight, r) * scale * (nn_sigmoidf(z[r]) - y[r]);
    return sum;
}

/* log of the sum of exp(z[0 .. classes - 1]), without overflow */
static double
log_sum_exp(const float *z, int classes)
{
    float largest = z[0];
    double sum = 0.0;

    for (int c = 1; c < classes; c++)
        largest = z[c] > largest ? z[c] : largest;
    for (int c = 0; c < classes; c++)
        sum += exp((double)z[c] - (double)largest);
    return (double)largest + log(sum);
}

/* z [n, classes], y and weight [n]; dz [n, classes] or NULL */
static double
softmax_loss(float *dz, const float *z, const float *y, const float *weight, int n, int classes, float scale)
{
    double sum = 0.0;

    for (int r = 0; r < n; r++) {
        const float *row = z + (size_t)r * (size_t)classes;
        double log_sum = log_sum_exp(row, classes), w = row_weight(weight, r);
        int class = (int)y[r];

        sum += w * (log_sum - (double)row[class]);
        for (int c = 0; dz && c < classes; c++)
            dz[(size_t)r * (size_t)classes + (size_t)c] =
                (float)(w * (double)scale * (exp((double)row[c] - log_sum) - (c == class ? 1.0 : 0.0)));
    }
    return sum;
}

double
loss_forward_backward(float *dz, const float *z, const float *y, const float *weight, int n, int classes,
                      float scale)
{
    return classes == 1 ? binary_loss(dz, z, y, weight, n, scale)
                        : softmax_loss(dz, z, y, weight, n, classes, scale);
}

double
loss_forward(const float *z, const float *y, const float *weight, int n, int classes)
{
    return loss_forward_backward(NULL, z, y, weight, n, classes, 0.0f);
}

/* ------------------------------------------------------------------ scores, in float8 */

double
probability(float logit)
{
    return 1.0 / (1.0 + exp(-(double)logit));
}

void
class_probabilities(double *p, const float *logits, int classes)
{
    double log_sum;

    if (classes == 1) {
        p[0] = probability(-logits[0]);
        p[1] = probability(logits[0]);
        return;
    }
    log_sum = log_sum_exp(logits, classes);
    for (int c = 0; c < classes; c++)
        p[c] = exp((double)logits[c] - log_sum);
}

double
logit_loss(const float *logits, int classes, int label)
{
    double z;

    if (classes > 1)
        return log_sum_exp(logits, classes) - (double)logits[label];
    z = label ? -(double)logits[0] : (double)logits[0];
    return fmax(z, 0.0) + log1p(exp(-fabs(z)));
}

NN_KERNEL bool
logits_finite(const float *logits, size_t n)
{
    int bad = 0;

    for (size_t i = 0; i < n; i++)
        bad |= !(fabsf(logits[i]) <= FLT_MAX);
    return bad == 0;
}
