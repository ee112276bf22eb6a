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
squeeze(float *restrict z, int ldz, const float *restrict x, int ldx, int n, int fields, int d)
{
    for (int r = 0; r < n; r++)
        for (int f = 0; f < fields; f++) {
            const float *restrict v = x + (size_t)r * ldx + (size_t)f * d;
            float sum = 0;

            for (int c = 0; c < d; c++)
                sum += v[c];
            z[(size_t)r * ldz + f] = sum / (float)d;
        }
}

/* x [n, d] in place */
static NN_KERNEL void
relu_rows(float *x, int ldx, int n, int d)
{
    for (int r = 0; r < n; r++)
        for (int c = 0; c < d; c++) {
            float *v = x + (size_t)r * ldx + c;

            *v = *v <= 0 ? 0 : *v; /* NaN stays */
        }
}

/* dx [n, d] in place: zero where the ReLU's output y [n, d] is */
static NN_KERNEL void
relu_rows_backward(float *restrict dx, const float *restrict y, int ld, int n, int d)
{
    for (int r = 0; r < n; r++)
        for (int c = 0; c < d; c++)
            dx[(size_t)r * ld + c] = y[(size_t)r * ld + c] > 0 ? dx[(size_t)r * ld + c] : 0;
}

/* y [n, fields, d] = x [n, fields, d] times a [n, fields] */
static NN_KERNEL void
reweight(float *restrict y, int ldy, const float *restrict x, int ldx, const float *restrict a, int lda,
         int n, int fields, int d)
{
    for (int r = 0; r < n; r++)
        for (int f = 0; f < fields; f++) {
            const float attention = a[(size_t)r * lda + f];
            const float *restrict v = x + (size_t)r * ldx + (size_t)f * d;
            float *restrict out = y + (size_t)r * ldy + (size_t)f * d;

            for (int c = 0; c < d; c++)
                out[c] = v[c] * attention;
        }
}

/* da [n, fields] = dy . x within every field; dy, x [n, fields, d] */
static NN_KERNEL void
reweight_backward(float *restrict da, int ldda, const float *restrict dy, int lddy, const float *restrict x,
                  int ldx, int n, int fields, int d)
{
    for (int r = 0; r < n; r++)
        for (int f = 0; f < fields; f++) {
            const float *restrict g = dy + (size_t)r * lddy + (size_t)f * d;
            const float *restrict v = x + (size_t)r * ldx + (size_t)f * d;
            float sum = 0;

            for (int c = 0; c < d; c++)
                sum += g[c] * v[c];
            da[(size_t)r * ldda + f] = sum;
        }
}

/*
 * dx [n, fields, d]  (+)= dy * a + dz / d: through the re-weighting and through the mean
 * dy [n, fields, d]
 * a, dz [n, fields]
 */
static NN_KERNEL void
squeeze_reweight_backward(float *restrict dx, int lddx, const float *restrict dy, int lddy,
                          const float *restrict a, const float *restrict dz, int lda, int n, int fields,
                          int d, bool add)
{
    for (int r = 0; r < n; r++)
        for (int f = 0; f < fields; f++) {
            const float attention = a[(size_t)r * lda + f], mean = dz[(size_t)r * lda + f] / (float)d;
            const float *restrict g = dy + (size_t)r * lddy + (size_t)f * d;
            float *restrict out = dx + (size_t)r * lddx + (size_t)f * d;

            for (int c = 0; c < d; c++)
                out[c] = (add ? out[c] : 0) + (g[c] * attention + mean);
        }
}

static void
forward(const NnLayer *l, const NnBlock *b)
{
    const int fields = l->size[FIELDS], d = l->size[WIDTH], reduced = l->size[REDUCED];
    const int ldx = tensor_ld(b, l->x), ldz = tensor_ld(b, l->saved[Z]), ldh = tensor_ld(b, l->saved[H]);
    const int lda = tensor_ld(b, l->saved[A]);
    const float *x = block_value(b, l->x);
    float *z = block_value(b, l->saved[Z]), *h = block_value(b, l->saved[H]),
          *a = block_value(b, l->saved[A]);

    squeeze(z, ldz, x, ldx, b->n, fields, d);
    gemm(false, true, b->n, reduced, fields, z, ldz, block_param(b, l->param[W1]), fields, false, h, ldh);
    relu_rows(h, ldh, b->n, reduced);
    gemm(false, true, b->n, fields, reduced, h, ldh, block_param(b, l->param[W2]), reduced, false, a, lda);
    relu_rows(a, lda, b->n, fields);
    reweight(block_value(b, l->y), tensor_ld(b, l->y), x, ldx, a, lda, b->n, fields, d);
}

static void
backward(const NnLayer *l, const NnBlock *b)
{
    const int fields = l->size[FIELDS], d = l->size[WIDTH], reduced = l->size[REDUCED];
    const int lddy = tensor_ld(b, l->y), ldz = tensor_ld(b, l->saved[Z]), ldh = tensor_ld(b, l->saved[H]);
    const int lda = tensor_ld(b, l->saved[A]);
    const float *z = block_value(b, l->saved[Z]), *h = block_value(b, l->saved[H]);
    const float *a = block_value(b, l->saved[A]), *dy = block_dvalue(b, l->y);
    float *dz = block_dvalue(b, l->saved[Z]), *dh = block_dvalue(b, l->saved[H]);
    float *da = block_dvalue(b, l->saved[A]);

    reweight_backward(da, lda, dy, lddy, block_value(b, l->x), tensor_ld(b, l->x), b->n, fields, d);
    relu_rows_backward(da, a, lda, b->n, fields);
    if (b->grads)
        gemm(true, false, fields, reduced, b->n, da, lda, h, ldh, true, block_grad(b, l->param[W2]), reduced);
    gemm(false, false, b->n, reduced, fields, da, lda, block_param(b, l->param[W2]), reduced, false, dh, ldh);
    relu_rows_backward(dh, h, ldh, b->n, reduced);
    if (b->grads)
        gemm(true, false, reduced, fields, b->n, dh, ldh, z, ldz, true, block_grad(b, l->param[W1]), fields);
    gemm(false, false, b->n, fields, reduced, dh, ldh, block_param(b, l->param[W1]), fields, false, dz, ldz);
    squeeze_reweight_backward(block_dvalue(b, l->x), tensor_ld(b, l->x), dy, lddy, a, dz, lda, b->n, fields,
                              d, l->dx_add);
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
    l->saved[A] = net_tensor(net, n_fields);
    l->param[W1] = net_param(net, NN_DENSE, NN_UNIFORM, 1 / sqrtf((float)n_fields), 2,
                             (const int64_t[]){reduced, n_fields}, "%s.excitation.0.weight", name);
    l->param[W2] = net_param(net, NN_DENSE, NN_UNIFORM, 1 / sqrtf((float)reduced), 2,
                             (const int64_t[]){n_fields, reduced}, "%s.excitation.2.weight", name);
    return y;
}
