/*
 * cross_mix.c: the cross network of DCN-Mix (Wang et al. 2020): a mixture of low-rank experts, one level per
 * layer. With E experts of rank R:
 *
 *     a_e = tanh(x V_e)   c_e = tanh(a_e C_e)   g = softmax over e of (x . G_e)
 *     u = sum over e of (g_e c_e) U_e^T + bias            (the gates add up to 1, so bias stands outside)
 *     y = x0 * u + x
 *
 * All levels share the gates' weights G_e. What belongs to the experts lies side by side: column e * R + k of
 * a row.
 */
#include "nn/layers/layers.h"

#include <math.h>

#include "nn/math/products.h"
#include "nn/math/rows.h"
#include "nn/math/vecmath.h"

enum { U, V, C, BIAS, GATE }; /* param[]: [E, d, R], [E, d, R], [E, R, R], [d], first of E times [1, d] */
enum { EXPERTS, RANK };       /* size[] */
enum { A, C_OUT, GATES, PRODUCT }; /* saved[]: [n, E R] a, [n, E R] c, [n, E] g, [n, d] u */

/* everything a level reads and writes; ld: a row of the tensor of the same name */
typedef struct Mix {
    int n, d, experts, rank;
    const float *x0, *x, *u_weight, *v_weight, *c_weight, *bias;
    const float *gate_weight; /* [E, d] */
    int ldx0, ldx, ldgate;
    float *a, *c, *g, *u; /* [n, E R], [n, E R], [n, E], [n, d] */
    int lda, ldc, ldg, ldu;
    float *h; /* [n, R]: one expert's gated output */
} Mix;

/* x [n, d] in place */
static NN_KERNEL void
tanh_rows(float *x, int ldx, int n, int d)
{
    for (int r = 0; r < n; r++) {
        float *xr = x + (size_t)r * ldx;

        for (int c = 0; c < d; c++)
            xr[c] = nn_tanhf(xr[c]);
    }
}

/* dx [n, d] in place: times the derivative of tanh, whose value was y */
static NN_KERNEL void
tanh_rows_backward(float *restrict dx, int lddx, const float *restrict y, int ldy, int n, int d)
{
    for (int r = 0; r < n; r++) {
        float *restrict dxr = dx + (size_t)r * lddx;
        const float *restrict yr = y + (size_t)r * ldy;

        for (int c = 0; c < d; c++)
            dxr[c] *= 1 - yr[c] * yr[c];
    }
}

/* y [n, d] = x [n, d] times s [n, 1] */
static NN_KERNEL void
scale_rows(float *restrict y, int ldy, const float *restrict x, int ldx, const float *restrict s, int lds,
           int n, int d)
{
    for (int r = 0; r < n; r++) {
        float *restrict yr = y + (size_t)r * ldy;
        const float *restrict xr = x + (size_t)r * ldx;
        const float sr = s[(size_t)r * lds];

        for (int c = 0; c < d; c++)
            yr[c] = xr[c] * sr;
    }
}

/* g [n, experts] in place */
static void
softmax_rows(float *g, int ldg, int n, int experts)
{
    for (int r = 0; r < n; r++) {
        float *gr = g + (size_t)r * ldg, top = gr[0], sum = 0;

        for (int e = 1; e < experts; e++)
            top = gr[e] > top ? gr[e] : top;
        for (int e = 0; e < experts; e++) {
            gr[e] = nn_expf(gr[e] - top);
            sum += gr[e];
        }
        for (int e = 0; e < experts; e++)
            gr[e] /= sum;
    }
}

/* dg [n, experts] in place: the gradient of the gates becomes that of their logits */
static void
softmax_rows_backward(float *dg, int lddg, const float *g, int ldg, int n, int experts)
{
    for (int r = 0; r < n; r++) {
        float *dgr = dg + (size_t)r * lddg, mean = 0;
        const float *gr = g + (size_t)r * ldg;

        for (int e = 0; e < experts; e++)
            mean += gr[e] * dgr[e];
        for (int e = 0; e < experts; e++)
            dgr[e] = gr[e] * (dgr[e] - mean);
    }
}

/*
 * The way back of h [n, d] = g * c, with the gate g [n, 1], and of c = tanh of something, from h's gradient
 * dh [n, d]: dg [n, 1], and dc [n, d] of that something.
 */
static NN_KERNEL void
gate_rows_backward(float *restrict dc, int lddc, float *restrict dg, const float *restrict dh, int lddh,
                   const float *restrict c, int ldc, const float *restrict g, int ldg, int n, int d)
{
    for (int r = 0; r < n; r++) {
        float *restrict dcr = dc + (size_t)r * lddc;
        const float *restrict dhr = dh + (size_t)r * lddh, *restrict cr = c + (size_t)r * ldc;
        const float gr = g[(size_t)r * ldg];
        float sum = 0;

#pragma omp simd reduction(+ : sum)
        for (int k = 0; k < d; k++) {
            sum += dhr[k] * cr[k];
            dcr[k] = dhr[k] * gr * (1 - cr[k] * cr[k]);
        }
        dg[(size_t)r * ldg] = sum;
    }
}

/* a, c and u from x and the gates' logits, which become the gates */
static void
cross_mix_forward(const Mix *m)
{
    const int n = m->n, d = m->d, k = m->rank;

    softmax_rows(m->g, m->ldg, n, m->experts);
    rows_fill(m->u, m->ldu, m->bias, n, d, false);
    for (int e = 0; e < m->experts; e++) {
        const size_t dk = (size_t)e * d * k, kk = (size_t)e * k * k;
        float *a = m->a + e * k, *c = m->c + e * k;

        gemm(false, false, n, k, d, m->x, m->ldx, m->v_weight + dk, k, false, a, m->lda);
        tanh_rows(a, m->lda, n, k);
        gemm(false, false, n, k, k, a, m->lda, m->c_weight + kk, k, false, c, m->ldc);
        tanh_rows(c, m->ldc, n, k);
        scale_rows(m->h, k, c, m->ldc, m->g + e, m->ldg, n, k);
        gemm(false, true, n, d, k, m->h, k, m->u_weight + dk, k, true, m->u, m->ldu);
    }
}

/*
 * dx     [n, d]    +=, the experts' part
 * du     [n, d]    gradient of u
 * da, dc [n, E R]  room
 * dg     [n, E]    gradient of the gates' logits
 * du_weight, dv_weight, dc_weight (+)=; all NULL: not wanted
 */
static void
cross_mix_backward(float *dx, int lddx, float *da, float *dc, float *dg, float *du_weight, float *dv_weight,
                   float *dc_weight, bool dweight_add, const float *du, const Mix *m)
{
    const int n = m->n, d = m->d, k = m->rank;

    for (int e = 0; e < m->experts; e++) {
        const size_t dk = (size_t)e * d * k, kk = (size_t)e * k * k;
        const float *a = m->a + e * k, *c = m->c + e * k, *g = m->g + e;
        float *da_e = da + e * k, *dc_e = dc + e * k;

        scale_rows(m->h, k, c, m->ldc, g, m->ldg, n, k);
        if (du_weight)
            gemm(true, false, d, k, n, du, m->ldu, m->h, k, dweight_add, du_weight + dk, k);
        /* h: now its gradient */
        gemm(false, false, n, k, d, du, m->ldu, m->u_weight + dk, k, false, m->h, k);
        gate_rows_backward(dc_e, m->ldc, dg + e, m->h, k, c, m->ldc, g, m->ldg, n, k);
        if (dc_weight)
            gemm(true, false, k, k, n, a, m->lda, dc_e, m->ldc, dweight_add, dc_weight + kk, k);
        gemm(false, true, n, k, k, dc_e, m->ldc, m->c_weight + kk, k, false, da_e, m->lda);
        tanh_rows_backward(da_e, m->lda, a, m->lda, n, k);
        if (dv_weight)
            gemm(true, false, d, k, n, m->x, m->ldx, da_e, m->lda, dweight_add, dv_weight + dk, k);
        gemm(false, true, n, d, k, da_e, m->lda, m->v_weight + dk, k, true, dx, lddx);
    }
    softmax_rows_backward(dg, m->ldg, m->g, m->ldg, n, m->experts);
}

/*
 * The gates' weights are parameters of their own, but lie one after the other: a matrix with a row for each.
 */
static int
gate_distance(const NnLayer *l, const NnNet *net)
{
    const NnParam *first = &net->params[l->param[GATE]];

    return l->size[EXPERTS] > 1 ? (int)(first[1].offset - first[0].offset) : (int)first->count;
}

static Mix
mix_of(const NnLayer *l, const NnBlock *b)
{
    return (Mix){.n = b->n,
                 .d = tensor_width(b->net, l->y),
                 .experts = l->size[EXPERTS],
                 .rank = l->size[RANK],
                 .x0 = block_value(b, l->x2),
                 .ldx0 = tensor_ld(b, l->x2),
                 .x = block_value(b, l->x),
                 .ldx = tensor_ld(b, l->x),
                 .u_weight = block_param(b, l->param[U]),
                 .v_weight = block_param(b, l->param[V]),
                 .c_weight = block_param(b, l->param[C]),
                 .bias = block_param(b, l->param[BIAS]),
                 .gate_weight = block_param(b, l->param[GATE]),
                 .ldgate = gate_distance(l, b->net),
                 .a = block_value(b, l->saved[A]),
                 .lda = tensor_ld(b, l->saved[A]),
                 .c = block_value(b, l->saved[C_OUT]),
                 .ldc = tensor_ld(b, l->saved[C_OUT]),
                 .g = block_value(b, l->saved[GATES]),
                 .ldg = tensor_ld(b, l->saved[GATES]),
                 .u = block_value(b, l->saved[PRODUCT]),
                 .ldu = tensor_ld(b, l->saved[PRODUCT]),
                 .h = b->scratch};
}

static void
forward(const NnLayer *l, const NnBlock *b)
{
    const Mix m = mix_of(l, b);

    gemm(false, true, m.n, m.experts, m.d, m.x, m.ldx, m.gate_weight, m.ldgate, false, m.g, m.ldg);
    cross_mix_forward(&m);
    rows_gate(block_value(b, l->y), tensor_ld(b, l->y), m.x0, m.ldx0, m.x, m.ldx, m.u, m.ldu, m.n, m.d);
}

static void
backward(const NnLayer *l, const NnBlock *b)
{
    const Mix m = mix_of(l, b);
    const int lddx = tensor_ld(b, l->x);
    float *dx = block_dvalue(b, l->x), *dg = block_dvalue(b, l->saved[GATES]);
    float *du = block_dvalue(b, l->saved[PRODUCT]);

    rows_gate_backward(du, m.ldu, block_grad(b, l->param[BIAS]), dx, lddx, block_dvalue(b, l->x2),
                       tensor_ld(b, l->x2), block_dvalue(b, l->y), tensor_ld(b, l->y), m.x0, m.ldx0, m.u,
                       m.ldu, m.n, m.d, l->dx_add, l->dx2_add);
    cross_mix_backward(dx, lddx, block_dvalue(b, l->saved[A]), block_dvalue(b, l->saved[C_OUT]), dg,
                       block_grad(b, l->param[U]), block_grad(b, l->param[V]), block_grad(b, l->param[C]),
                       !b->first, du, &m);
    gemm(false, false, m.n, m.d, m.experts, dg, m.ldg, m.gate_weight, m.ldgate, true, dx, lddx);
    if (b->grads)
        gemm(true, false, m.experts, m.d, m.n, dg, m.ldg, m.x, m.ldx, true, block_grad(b, l->param[GATE]),
             m.ldgate);
}

/* Gating, whose parameters all levels share and the first has, and the level */
static int
describe(const NnLayer *l, const NnNet *net, NnModule *modules)
{
    modules[0] = (NnModule){.kind = "Gating",
                            .input = {l->x, -1, -1},
                            .output = l->saved[GATES],
                            .d = l->size[EXPERTS],
                            .first_param = l->param[GATE],
                            .n_params = l->x == l->x2 ? l->size[EXPERTS] : 0};
    modules[1] = layer_module(l, net);
    modules[1].input[2] = l->saved[GATES];
    return 2;
}

static const NnLayerType cross_mix_type = {
    .kind = "CrossNetMix", .forward = forward, .backward = backward, .describe = describe};

/* torch.nn.init.xavier_normal_ on [a, b, c]: b c inputs and a c outputs */
static int
xavier_param(NnNet *net, int a, int b, int c, const char *name, const char *list, int i)
{
    const float std = (float)sqrt(2 / ((double)b * c + (double)a * c));

    return net_product_param(net, net_param(net, NN_DENSE, NN_NORMAL, std, 3, (const int64_t[]){a, b, c},
                                            "%s.%s.%d", name, list, i));
}

int
net_cross_mix(NnNet *net, int x0, int n_cross, int low_rank, int n_experts, const char *name)
{
    const int d = tensor_width(net, x0);
    int x = x0, gate = -1;

    for (int e = 0; e < n_experts; e++) {
        /* the gates belong to the module: without a level they are there, but get no gradient */
        const int p = net_param(net, n_cross > 0 ? NN_DENSE : NN_BUFFER, NN_UNIFORM, 1 / sqrtf((float)d), 2,
                                (const int64_t[]){1, d}, "%s.gating.%d.weight", name, e);

        gate = e == 0 ? p : gate;
    }
    for (int i = 0; i < n_cross; i++) {
        const int y = net_tensor(net, d);
        NnLayer *l = net_layer(net, &cross_mix_type, x, y, "%s.%d", name, i);

        l->x2 = x0;
        l->size[EXPERTS] = n_experts;
        l->size[RANK] = low_rank;
        l->scratch = (size_t)NN_BLOCK * (size_t)low_rank;
        l->saved[A] = net_tensor(net, n_experts * low_rank);
        l->saved[C_OUT] = net_tensor(net, n_experts * low_rank);
        l->saved[GATES] = net_tensor(net, n_experts);
        l->saved[PRODUCT] = net_tensor(net, d);
        l->param[U] = xavier_param(net, n_experts, d, low_rank, name, "U_list", i);
        l->param[V] = xavier_param(net, n_experts, d, low_rank, name, "V_list", i);
        l->param[C] = xavier_param(net, n_experts, low_rank, low_rank, name, "C_list", i);
        l->param[GATE] = gate;
        l->param[BIAS] =
            net_param(net, NN_DENSE, NN_ZERO, 0, 1, (const int64_t[]){d}, "%s.biases.%d", name, i);
        x = y;
    }
    return x;
}
