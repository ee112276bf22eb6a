/*
 * batchnorm.c: batch normalisation (Ioffe, Szegedy 2015) with torch.nn.BatchNorm1d's conventions: eps 1e-5,
 * the batch's biased variance to normalise, an exponential mean (momentum 0.1) of the unbiased one for
 * evaluation. A single row has no variance, and PyTorch refuses it; here it is normalised as in evaluation,
 * and moves no statistics.
 *
 * The batch's mean and variance come from every block's mean and sum of squared deviations (M2), merged by
 * the formula of Chan, Golub and LeVeque (1979), in float8: no cancellation however far the mean is from
 * zero. Within a block, STRETCH rows at a time are added up in float4, which is twice as fast and as exact:
 * what is added are differences from a value of the column's own size.
 */
#include "nn/layers/layers.h"

#include <math.h>
#include <string.h>

#include "nn/math/rows.h"

#define EPSILON  1e-5
#define MOMENTUM 0.1
#define COLUMNS  16    /* that are summed up side by side in registers */
#define STRETCH  16    /* rows */
#define ROUNDING 1e-11 /* what it leaves of variance, by the mean's square */
#define NOTHING  1e-11 /* variance of which a standard deviation of 0.001 is left; products begin at 1e-10 */

enum { WEIGHT, BIAS, RUNNING_MEAN, RUNNING_VAR, BATCHES }; /* param[] */

/* batch_stats: d floats each */
enum { MEAN, INV_STD, UNBIASED_VAR, MEAN_DY, MEAN_DY_XHAT, N_BATCH_STATS };

/*
 * stats: a lane's sums. Forward: rows so far, then d means, then d M2; backward: d sums of dy, then d sums of
 * dy * xhat
 */

/* column_moments for `width` columns */
static inline __attribute__((always_inline)) void
moments_of(double *restrict mean, double *restrict m2, NnRowsIn x, int n, const int width)
{
    double sum[COLUMNS] = {0}, square[COLUMNS] = {0};
    float center[COLUMNS];

    for (int c = 0; c < width; c++)
        center[c] = x.p[c];
    for (int first = 0; first < n; first += STRETCH) {
        const int end = n - first < STRETCH ? n : first + STRETCH;
        float part[COLUMNS] = {0};

        for (int r = first; r < end; r++)
            for (int c = 0; c < width; c++)
                part[c] += rows_in_row(x, r)[c] - center[c];
        for (int c = 0; c < width; c++)
            sum[c] += part[c];
    }
    for (int c = 0; c < width; c++) {
        mean[c] = center[c] + sum[c] / n;
        center[c] = (float)mean[c];
    }
    for (int first = 0; first < n; first += STRETCH) {
        const int end = n - first < STRETCH ? n : first + STRETCH;
        float part[COLUMNS] = {0};

        for (int r = first; r < end; r++)
            for (int c = 0; c < width; c++) {
                const float deviation = rows_in_row(x, r)[c] - center[c];

                part[c] += deviation * deviation;
            }
        for (int c = 0; c < width; c++)
            square[c] += part[c];
    }
    for (int c = 0; c < width; c++) {
        const double rounded_off = mean[c] - center[c];

        m2[c] = fmax(square[c] - n * rounded_off * rounded_off, 0);
    }
}

/*
 * mean, m2 [d]  of x's columns
 * x        [n, d]
 */
static NN_KERNEL void
column_moments(double *restrict mean, double *restrict m2, NnRowsIn x, int n, int d)
{
    int first = 0;

    for (; d - first >= COLUMNS; first += COLUMNS)
        moments_of(mean + first, m2 + first, rows_in_part(x, 0, first), n, COLUMNS);
    if (first < d)
        moments_of(mean + first, m2 + first, rows_in_part(x, 0, first), n, d - first);
}

/* adds the moments (mean_b, m2_b) of n_b rows to (mean, m2) of n_a rows; all [d] */
static void
merge_moments(double *mean, double *m2, double n_a, const double *mean_b, const double *m2_b, double n_b,
              int d)
{
    const double n = n_a + n_b;

    if (n_b == 0)
        return;
    for (int c = 0; c < d; c++) {
        const double delta = mean_b[c] - mean[c];

        mean[c] += delta * (n_b / n);
        m2[c] += m2_b[c] + delta * delta * (n_a * n_b / n);
    }
}

/* what belongs to each column: [d] */
typedef struct Norm {
    const float *mean, *inv_std, *weight, *bias;
    const float *mean_dy, *mean_dy_xhat; /* backward: sums over all rows of the batch, divided by them */
} Norm;

/*
 * y [n, d]  (x - mean) * inv_std * weight + bias
 * x [n, d]
 */
static NN_KERNEL void
batchnorm_forward(NnRows y, NnRowsIn x, const Norm *norm, int n, int d)
{
    const float *restrict mean = norm->mean, *restrict inv_std = norm->inv_std;
    const float *restrict weight = norm->weight, *restrict bias = norm->bias;

    for (int r = 0; r < n; r++) {
        float *restrict yr = rows_row(y, r);
        const float *restrict xr = rows_in_row(x, r);

#pragma omp simd
        for (int c = 0; c < d; c++)
            yr[c] = (xr[c] - mean[c]) * inv_std[c] * weight[c] + bias[c];
    }
}

/* batchnorm_backward_sums for `width` columns */
static inline __attribute__((always_inline)) void
backward_sums_of(double *restrict sum_dy, double *restrict sum_dy_xhat, NnRowsIn dy, NnRowsIn x,
                 const float *restrict mean, const float *restrict inv_std, int n, const int width)
{
    double sum[COLUMNS] = {0}, product[COLUMNS] = {0};

    for (int first = 0; first < n; first += STRETCH) {
        const int end = n - first < STRETCH ? n : first + STRETCH;
        float sum_part[COLUMNS] = {0}, product_part[COLUMNS] = {0};

        for (int r = first; r < end; r++)
            for (int c = 0; c < width; c++) {
                const float g = rows_in_row(dy, r)[c];

                sum_part[c] += g;
                product_part[c] += g * ((rows_in_row(x, r)[c] - mean[c]) * inv_std[c]);
            }
        for (int c = 0; c < width; c++) {
            sum[c] += sum_part[c];
            product[c] += product_part[c];
        }
    }
    memcpy(sum_dy, sum, (size_t)width * sizeof(double));
    memcpy(sum_dy_xhat, product, (size_t)width * sizeof(double));
}

/*
 * sum_dy, sum_dy_xhat [d]  over these rows, where xhat is the normalised x
 * dy, x               [n, d]
 */
static NN_KERNEL void
batchnorm_backward_sums(double *restrict sum_dy, double *restrict sum_dy_xhat, NnRowsIn dy, NnRowsIn x,
                        const float *restrict mean, const float *restrict inv_std, int n, int d)
{
    int first = 0;

    for (; d - first >= COLUMNS; first += COLUMNS)
        backward_sums_of(sum_dy + first, sum_dy_xhat + first, rows_in_part(dy, 0, first),
                         rows_in_part(x, 0, first), mean + first, inv_std + first, n, COLUMNS);
    if (first < d)
        backward_sums_of(sum_dy + first, sum_dy_xhat + first, rows_in_part(dy, 0, first),
                         rows_in_part(x, 0, first), mean + first, inv_std + first, n, d - first);
}

/*
 * dx    [n, d]  (+)= weight * inv_std * (dy - mean_dy - xhat * mean_dy_xhat)
 * dy, x [n, d]
 */
static NN_KERNEL void
batchnorm_backward(NnRows dx, NnRowsIn dy, NnRowsIn x, const Norm *norm, int n, int d, bool add)
{
    const float *restrict mean = norm->mean, *restrict inv_std = norm->inv_std;
    const float *restrict mean_dy = norm->mean_dy, *restrict mean_dy_xhat = norm->mean_dy_xhat;
    const float *restrict weight = norm->weight;

    for (int r = 0; r < n; r++) {
        float *restrict dxr = rows_row(dx, r);
        const float *restrict dyr = rows_in_row(dy, r), *restrict xr = rows_in_row(x, r);

#pragma omp simd
        for (int c = 0; c < d; c++) {
            const float xhat = (xr[c] - mean[c]) * inv_std[c];
            const float g = weight[c] * inv_std[c] * (dyr[c] - mean_dy[c] - xhat * mean_dy_xhat[c]);

            dxr[c] = add ? dxr[c] + g : g;
        }
    }
}

static void
forward_stats(const NnLayer *l, const NnBlock *b)
{
    const int d = tensor_width(b->net, l->x);
    double *stats = b->stats + l->stats_offset;
    double *moments = (double *)b->scratch;

    column_moments(moments, moments + d, block_value(b, l->x).in, b->n, d);
    merge_moments(stats + 1, stats + 1 + d, stats[0], moments, moments + d, b->n, d);
    stats[0] += b->n;
}

/* inv_std [d] from running variances */
static void
inverse_deviations(float *inv_std, const float *var, int d)
{
    for (int c = 0; c < d; c++)
        inv_std[c] = (float)(1 / sqrt((double)var[c] + EPSILON));
}

static void
forward_merge(const NnLayer *l, const NnNet *net, const float *params, const double *stats, size_t stride,
              int lanes, int rows, float *batch_stats)
{
    const int d = l->size[0];

    if (rows == 1) {
        memcpy(batch_stats + MEAN * d, params + net->params[l->param[RUNNING_MEAN]].offset,
               (size_t)d * sizeof(float));
        inverse_deviations(batch_stats + INV_STD * d, params + net->params[l->param[RUNNING_VAR]].offset, d);
        return;
    }
    for (int c = 0; c < d; c++) {
        double n = 0, mean = 0, m2 = 0;

        for (int lane = 0; lane < lanes; lane++) {
            const double *s = stats + lane * stride;

            merge_moments(&mean, &m2, n, s + 1 + c, s + 1 + d + c, s[0], 1);
            n += s[0];
        }
        batch_stats[MEAN * d + c] = (float)mean;
        batch_stats[INV_STD * d + c] = (float)(1 / sqrt(m2 / rows + EPSILON));
        batch_stats[UNBIASED_VAR * d + c] = (float)(m2 / (rows - 1));
    }
}

/* of the batch, or (evaluation) from running statistics, in scratch */
static Norm
norm_of(const NnLayer *l, const NnBlock *b)
{
    const int d = l->size[0];
    Norm norm = {.weight = block_param(b, l->param[WEIGHT]), .bias = block_param(b, l->param[BIAS])};

    if (b->train) {
        const float *batch_stats = b->batch_stats + l->batch_stats_offset;

        norm.mean = batch_stats + MEAN * d;
        norm.inv_std = batch_stats + INV_STD * d;
        norm.mean_dy = batch_stats + MEAN_DY * d;
        norm.mean_dy_xhat = batch_stats + MEAN_DY_XHAT * d;
    } else {
        norm.mean = block_param(b, l->param[RUNNING_MEAN]);
        norm.inv_std = b->scratch;
        inverse_deviations(b->scratch, block_param(b, l->param[RUNNING_VAR]), d);
    }
    return norm;
}

static void
forward(const NnLayer *l, const NnBlock *b)
{
    const int d = l->size[0];
    const NnRowsIn x = block_value(b, l->x).in;
    const NnRows y = block_value(b, l->y);

    if (b->fused) {
        rows_copy(y, x, b->n, d, false);
    } else {
        const Norm norm = norm_of(l, b);

        batchnorm_forward(y, x, &norm, b->n, d);
    }
}

static void
backward_stats(const NnLayer *l, const NnBlock *b)
{
    const int d = l->size[0];
    const float *batch_stats = b->batch_stats + l->batch_stats_offset;
    double *stats = b->stats + l->stats_offset;
    double *sums = (double *)b->scratch;
    float *dweight = block_grad(b, l->param[WEIGHT]), *dbias = block_grad(b, l->param[BIAS]);

    batchnorm_backward_sums(sums, sums + d, block_dvalue(b, l->y).in, block_value(b, l->x).in,
                            batch_stats + MEAN * d, batch_stats + INV_STD * d, b->n, d);
    for (int c = 0; c < 2 * d; c++)
        stats[c] += sums[c];
    for (int c = 0; c < d; c++) {
        dbias[c] += (float)sums[c];
        dweight[c] += (float)sums[d + c];
    }
}

static void
backward_merge(const NnLayer *l, const double *stats, size_t stride, int lanes, int rows, float *batch_stats)
{
    const int d = l->size[0];

    for (int c = 0; c < d; c++) {
        double sum_dy = 0, sum_dy_xhat = 0;

        for (int lane = 0; lane < lanes; lane++) {
            sum_dy += stats[lane * stride + c];
            sum_dy_xhat += stats[lane * stride + d + c];
        }
        /* running statistics do not depend on the row */
        batch_stats[MEAN_DY * d + c] = rows > 1 ? (float)(sum_dy / rows) : 0;
        batch_stats[MEAN_DY_XHAT * d + c] = rows > 1 ? (float)(sum_dy_xhat / rows) : 0;
    }
}

static void
backward(const NnLayer *l, const NnBlock *b)
{
    const int d = l->size[0];
    Norm norm = norm_of(l, b);

    if (!b->train) /* mean and variance are constants, and no gradient goes through them */
        norm.mean_dy = norm.mean_dy_xhat = memset(b->scratch + d, 0, (size_t)d * sizeof(float));
    batchnorm_backward(block_dvalue(b, l->x), block_dvalue(b, l->y).in, block_value(b, l->x).in, &norm, b->n,
                       d, l->dx_add);
}

/*
 * A batch whose rows are alike, to rounding or so far below EPSILON that normalisation leaves nothing of what
 * distinguishes them, does not tell the column's scale. A running variance that fell to 0 with it would
 * magnify, three hundred times, what other rows have there.
 */
static bool
tells_scale(double mean, double var, double running_var)
{
    return var >= running_var || (var > NOTHING && var > ROUNDING * mean * mean);
}

static void
update_buffers(const NnLayer *l, const NnNet *net, float *params, const float *batch_stats, int rows,
               bool mean_first)
{
    const int d = l->size[0];
    float *mean = params + net->params[l->param[RUNNING_MEAN]].offset;
    float *var = params + net->params[l->param[RUNNING_VAR]].offset;
    float *counter = params + net->params[l->param[BATCHES]].offset;
    double momentum = MOMENTUM;
    int64_t batches;

    if (rows == 1)
        return;
    memcpy(&batches, counter, sizeof batches);
    batches += batches < NN_STEPS_MOST;
    if (mean_first)
        momentum = fmax(MOMENTUM, 1 / (double)batches);
    for (int c = 0; c < d; c++) {
        const float mean_of_batch = batch_stats[MEAN * d + c],
                    var_of_batch = batch_stats[UNBIASED_VAR * d + c];

        mean[c] = (float)((1 - momentum) * mean[c] + momentum * mean_of_batch);
        if (!mean_first || tells_scale(mean_of_batch, var_of_batch, var[c]))
            var[c] = (float)((1 - momentum) * var[c] + momentum * var_of_batch);
    }
    memcpy(counter, &batches, sizeof batches);
}

static void
fuse(const NnLayer *l, const NnNet *net, const float *params, float *fused, int weight, int bias, int r)
{
    const size_t d_in = net->params[weight].count / (size_t)l->size[0];
    const float *mean = params + net->params[l->param[RUNNING_MEAN]].offset;
    const float *var = params + net->params[l->param[RUNNING_VAR]].offset;
    const float *gamma = params + net->params[l->param[WEIGHT]].offset;
    const float *beta = params + net->params[l->param[BIAS]].offset;
    float *w = fused + net->params[weight].offset + (size_t)r * d_in;
    float *v = fused + net->params[bias].offset + r;
    const double scale = gamma[r] / sqrt((double)var[r] + EPSILON);

    for (size_t i = 0; i < d_in; i++)
        w[i] = (float)(w[i] * scale);
    *v = (float)(((double)*v - mean[r]) * scale + beta[r]);
}

static const NnLayerType batchnorm_type = {.kind = "BatchNorm1d",
                                           .forward = forward,
                                           .backward = backward,
                                           .forward_stats = forward_stats,
                                           .forward_merge = forward_merge,
                                           .backward_stats = backward_stats,
                                           .backward_merge = backward_merge,
                                           .update_buffers = update_buffers,
                                           .fuse = fuse};

int
net_batchnorm(NnNet *net, int x, const char *name)
{
    const int d = tensor_width(net, x), y = net_tensor(net, d);
    const int64_t shape[] = {d};
    NnLayer *l = net_layer(net, &batchnorm_type, x, y, "%s", name);

    l->size[0] = d;
    l->n_stats = 1 + 2 * d;
    l->n_batch_stats = N_BATCH_STATS * d;
    l->scratch = 4 * (size_t)d; /* two rows of float8 */
    l->param[WEIGHT] = net_param(net, NN_DENSE, NN_ONE, 0, 1, shape, "%s.weight", name);
    l->param[BIAS] = net_param(net, NN_DENSE, NN_ZERO, 0, 1, shape, "%s.bias", name);
    l->param[RUNNING_MEAN] = net_param(net, NN_BUFFER, NN_ZERO, 0, 1, shape, "%s.running_mean", name);
    l->param[RUNNING_VAR] =
        net_variance_param(net, net_param(net, NN_BUFFER, NN_ONE, 0, 1, shape, "%s.running_var", name));
    l->param[BATCHES] = net_param(net, NN_BUFFER, NN_ZERO, 0, 0, NULL, "%s.num_batches_tracked", name);
    if (l->param[BATCHES] >= 0)
        net->params[l->param[BATCHES]].dtype = NN_I64;
    return y;
}
