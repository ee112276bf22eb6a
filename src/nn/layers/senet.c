/*
 * senet.c: squeeze-and-excitation attention over fields (Hu et al. 2018), as FiBiNET uses it (Huang et al.
 * 2019):
 *
 *     z[f] = mean of field f's embedding        (squeeze)
 *     h = relu(z W1^T), a = relu(h W2^T)        (excitation)
 *     y[f, :] = x[f, :] * a[f]                  (re-weighting)
 */
#include "nn/layers/layers.h"

#include <math.h>

#include "nn/math/products.h"
#include "nn/math/rows.h"

enum { W1, W2 };                 /* param[]: [reduced, fields], [fields, reduced] */
enum { FIELDS, WIDTH, REDUCED }; /* size[] */
enum { Z, H, A };                /* saved[]: [n, fields], [n, reduced], [n, fields] */

/* z [n, fields] = mean over the d floats of every field of x [n, fields, d] */
static NN_KERNEL void
squeeze(NnRows z, NnRowsIn x, int n, int fields, int d)
{
    for (int r = 0; r < n; r++)
        for (int f = 0; f < fields; f++) {
            const float *restrict v = rows_in_row(x, r) + (size_t)f * d;
            float sum = 0;

            for (int c = 0; c < d; c++)
                sum += v[c];
            rows_row(z, r)[f] = sum / (float)d;
        }
}

/* x [n, d] in place */
static NN_KERNEL void
relu_rows(NnRows x, int n, int d)
{
    for (int r = 0; r < n; r++)
        for (int c = 0; c < d; c++) {
            float *v = rows_row(x, r) + c;

            *v = *v <= 0 ? 0 : *v; /* NaN stays */
        }
}

/* dx [n, d] in place: zero where the ReLU's output y [n, d] is */
static NN_KERNEL void
relu_rows_backward(NnRows dx, NnRowsIn y, int n, int d)
{
    for (int r = 0; r < n; r++) {
        float *restrict dxr = rows_row(dx, r);
        const float *restrict yr = rows_in_row(y, r);

        for (int c = 0; c < d; c++)
            dxr[c] = yr[c] > 0 ? dxr[c] : 0;
    }
}

/* y [n, fields, d] = x [n, fields, d] times a [n, fields] */
static NN_KERNEL void
reweight(NnRows y, NnRowsIn x, NnRowsIn a, int n, int fields, int d)
{
    for (int r = 0; r < n; r++)
        for (int f = 0; f < fields; f++) {
            const float attention = rows_in_row(a, r)[f];
            const float *restrict v = rows_in_row(x, r) + (size_t)f * d;
            float *restrict out = rows_row(y, r) + (size_t)f * d;

            for (int c = 0; c < d; c++)
                out[c] = v[c] * attention;
        }
}

/* da [n, fields] = dy . x within every field; dy, x [n, fields, d] */
static NN_KERNEL void
reweight_backward(NnRows da, NnRowsIn dy, NnRowsIn x, int n, int fields, int d)
{
    for (int r = 0; r < n; r++)
        for (int f = 0; f < fields; f++) {
            const float *restrict g = rows_in_row(dy, r) + (size_t)f * d;
            const float *restrict v = rows_in_row(x, r) + (size_t)f * d;
            float sum = 0;

            for (int c = 0; c < d; c++)
                sum += g[c] * v[c];
            rows_row(da, r)[f] = sum;
        }
}

/*
 * dx [n, fields, d]  (+)= dy * a + dz / d: through the re-weighting and through the mean
 * dy [n, fields, d]
 * a, dz [n, fields]
 */
static NN_KERNEL void
squeeze_reweight_backward(NnRows dx, NnRowsIn dy, NnRowsIn a, NnRowsIn dz, int n, int fields, int d, bool add)
{
    for (int r = 0; r < n; r++)
        for (int f = 0; f < fields; f++) {
            const float attention = rows_in_row(a, r)[f], mean = rows_in_row(dz, r)[f] / (float)d;
            const float *restrict g = rows_in_row(dy, r) + (size_t)f * d;
            float *restrict out = rows_row(dx, r) + (size_t)f * d;

            for (int c = 0; c < d; c++)
                out[c] = (add ? out[c] : 0) + (g[c] * attention + mean);
        }
}

static void
forward(const NnLayer *l, const NnBlock *b)
{
    const int n = b->n, fields = l->size[FIELDS], d = l->size[WIDTH], reduced = l->size[REDUCED];
    const NnRowsIn w1 = block_weight(b, l->param[W1]), w2 = block_weight(b, l->param[W2]);
    const NnRowsIn x = block_value(b, l->x).in;
    const NnRows z = block_value(b, l->saved[Z]), h = block_value(b, l->saved[H]);
    const NnRows a = block_value(b, l->saved[A]);

    squeeze(z, x, n, fields, d);
    gemm(false, true, n, reduced, fields, z.in, w1, false, h);
    relu_rows(h, n, reduced);
    gemm(false, true, n, fields, reduced, h.in, w2, false, a);
    relu_rows(a, n, fields);
    reweight(block_value(b, l->y), x, a.in, n, fields, d);
}

static void
backward(const NnLayer *l, const NnBlock *b)
{
    const int n = b->n, fields = l->size[FIELDS], d = l->size[WIDTH], reduced = l->size[REDUCED];
    const NnRowsIn w1 = block_weight(b, l->param[W1]), w2 = block_weight(b, l->param[W2]);
    const NnRowsIn x = block_value(b, l->x).in, dy = block_dvalue(b, l->y).in;
    const NnRowsIn z = block_value(b, l->saved[Z]).in, h = block_value(b, l->saved[H]).in;
    const NnRowsIn a = block_value(b, l->saved[A]).in;
    const NnRows dz = block_dvalue(b, l->saved[Z]), dh = block_dvalue(b, l->saved[H]);
    const NnRows da = block_dvalue(b, l->saved[A]);

    reweight_backward(da, dy, x, n, fields, d);
    relu_rows_backward(da, a, n, fields);
    if (b->grads)
        gemm(true, false, fields, reduced, n, da.in, h, true, block_weight_grad(b, l->param[W2]));
    gemm(false, false, n, reduced, fields, da.in, w2, false, dh);
    relu_rows_backward(dh, h, n, reduced);
    if (b->grads)
        gemm(true, false, reduced, fields, n, dh.in, z, true, block_weight_grad(b, l->param[W1]));
    gemm(false, false, n, fields, reduced, dh.in, w1, false, dz);
    squeeze_reweight_backward(block_dvalue(b, l->x), dy, a, dz.in, n, fields, d, l->dx_add);
}

static const NnLayerType senet_type = {.kind = "SENetAttention", .forward = forward, .backward = backward};

int
net_senet(NnNet *net, int x, int n_fields, double reduction_ratio, const char *name)
{
    const int width = tensor_width(net, x), y = net_tensor(net, width);
    const double quotient = n_fields / reduction_ratio;
    const int reduced = quotient < 1 ? 1 : (int)quotient;
    NnLayer *l = net_layer(net, &senet_type, x, y, "%s", name);

    l->size[FIELDS] = n_fields;
    l->size[WIDTH] = width / n_fields;
    l->size[REDUCED] = reduced;
    l->saved[Z] = net_tensor(net, n_fields);
    l->saved[H] = net_tensor(net, reduced);
    l->saved[A] = net->attention = net_tensor(net, n_fields);
    l->param[W1] = net_param(net, NN_DENSE, NN_UNIFORM, 1 / sqrtf((float)n_fields), 2,
                             (const int64_t[]){reduced, n_fields}, "%s.excitation.0.weight", name);
    l->param[W2] = net_param(net, NN_DENSE, NN_UNIFORM, 1 / sqrtf((float)reduced), 2,
                             (const int64_t[]){n_fields, reduced}, "%s.excitation.2.weight", name);
    return y;
}
