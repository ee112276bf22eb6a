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
#include "nn/net/interactions.h"

enum { U, V, C, BIAS, GATE }; /* param[]: [E, d, R], [E, d, R], [E, R, R], [d], first of E times [1, d] */
enum { EXPERTS, RANK };       /* size[] */
enum { A, C_OUT, GATES, PRODUCT }; /* saved[]: [n, E R] a, [n, E R] c, [n, E] g, [n, d] u */

/* what a level reads and writes */
typedef struct Mix {
    int n, d, experts, rank;
    NnRowsIn x0, x;                        /* [n, d] */
    NnRowsIn u_weight, v_weight, c_weight; /* [E d, R], [E d, R], [E R, R] */
    NnRowsIn gate_weight;                  /* [E, d] */
    NnRows a, c, g, u;                     /* [n, E R], [n, E R], [n, E], [n, d] */
    NnRows h;                              /* [n, R]: one expert's gated output */
} Mix;

/* the gradients of what has the same name there */
typedef struct MixGradient {
    NnRows dx, da, dc, dg, du;              /* dg becomes that of the gates' logits */
    NnRows du_weight, dv_weight, dc_weight; /* where b->grads is not NULL */
} MixGradient;

/* x [n, d] in place */
static NN_KERNEL void
tanh_rows(NnRows x, int n, int d)
{
    for (int r = 0; r < n; r++) {
        float *xr = rows_row(x, r);

        for (int c = 0; c < d; c++)
            xr[c] = nn_tanhf(xr[c]);
    }
}

/* dx [n, d] in place: times the derivative of tanh, whose value was y */
static NN_KERNEL void
tanh_rows_backward(NnRows dx, NnRowsIn y, int n, int d)
{
    for (int r = 0; r < n; r++) {
        float *restrict dxr = rows_row(dx, r);
        const float *restrict yr = rows_in_row(y, r);

        for (int c = 0; c < d; c++)
            dxr[c] *= 1 - yr[c] * yr[c];
    }
}

/* y [n, d] = x [n, d] times s [n, 1] */
static NN_KERNEL void
scale_rows(NnRows y, NnRowsIn x, NnRowsIn s, int n, int d)
{
    for (int r = 0; r < n; r++) {
        float *restrict yr = rows_row(y, r);
        const float *restrict xr = rows_in_row(x, r);
        const float sr = *rows_in_row(s, r);

        for (int c = 0; c < d; c++)
            yr[c] = xr[c] * sr;
    }
}

/* g [n, experts] in place */
static void
softmax_rows(NnRows g, int n, int experts)
{
    for (int r = 0; r < n; r++) {
        float *gr = rows_row(g, r), top = gr[0], sum = 0;

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
softmax_rows_backward(NnRows dg, NnRowsIn g, int n, int experts)
{
    for (int r = 0; r < n; r++) {
        float *dgr = rows_row(dg, r), mean = 0;
        const float *gr = rows_in_row(g, r);

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
gate_rows_backward(NnRows dc, NnRows dg, NnRowsIn dh, NnRowsIn c, NnRowsIn g, int n, int d)
{
    for (int r = 0; r < n; r++) {
        float *restrict dcr = rows_row(dc, r);
        const float *restrict dhr = rows_in_row(dh, r), *restrict cr = rows_in_row(c, r);
        const float gr = *rows_in_row(g, r);
        float sum = 0;

#pragma omp simd reduction(+ : sum)
        for (int k = 0; k < d; k++) {
            sum += dhr[k] * cr[k];
            dcr[k] = dhr[k] * gr * (1 - cr[k] * cr[k]);
        }
        *rows_row(dg, r) = sum;
    }
}

/* u += (g_e c_e) U_e^T, where c_e = tanh(a_e C_e) and a_e = tanh(x V_e) */
static void
expert_forward(const Mix *m, int e)
{
    const int n = m->n, d = m->d, k = m->rank;
    const NnRows a = rows_part(m->a, 0, e * k), c = rows_part(m->c, 0, e * k), g = rows_part(m->g, 0, e);

    gemm(false, false, n, k, d, m->x, rows_in_part(m->v_weight, e * d, 0), false, a);
    tanh_rows(a, n, k);
    gemm(false, false, n, k, k, a.in, rows_in_part(m->c_weight, e * k, 0), false, c);
    tanh_rows(c, n, k);
    scale_rows(m->h, c.in, g.in, n, k);
    gemm(false, true, n, d, k, m->h.in, rows_in_part(m->u_weight, e * d, 0), true, m->u);
}

/* from du: the gradients of the expert's gate and weights, and its part of dx */
static void
expert_backward(const Mix *m, const MixGradient *dm, int e, const NnBlock *b)
{
    const int n = m->n, d = m->d, k = m->rank;
    const NnRowsIn a = rows_in_part(m->a.in, 0, e * k), c = rows_in_part(m->c.in, 0, e * k);
    const NnRowsIn g = rows_in_part(m->g.in, 0, e);
    const NnRows da = rows_part(dm->da, 0, e * k), dc = rows_part(dm->dc, 0, e * k);
    const NnRows h = m->h, dh = m->h; /* in the same room, h first */

    scale_rows(h, c, g, n, k);
    if (b->grads)
        gemm(true, false, d, k, n, dm->du.in, h.in, !b->first, rows_part(dm->du_weight, e * d, 0));
    gemm(false, false, n, k, d, dm->du.in, rows_in_part(m->u_weight, e * d, 0), false, dh);
    gate_rows_backward(dc, rows_part(dm->dg, 0, e), dh.in, c, g, n, k);
    if (b->grads)
        gemm(true, false, k, k, n, a, dc.in, !b->first, rows_part(dm->dc_weight, e * k, 0));
    gemm(false, true, n, k, k, dc.in, rows_in_part(m->c_weight, e * k, 0), false, da);
    tanh_rows_backward(da, a, n, k);
    if (b->grads)
        gemm(true, false, d, k, n, m->x, da.in, !b->first, rows_part(dm->dv_weight, e * d, 0));
    gemm(false, true, n, d, k, da.in, rows_in_part(m->v_weight, e * d, 0), true, dm->dx);
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
                 .x0 = block_value(b, l->x2).in,
                 .x = block_value(b, l->x).in,
                 .u_weight = block_weight(b, l->param[U]),
                 .v_weight = block_weight(b, l->param[V]),
                 .c_weight = block_weight(b, l->param[C]),
                 .gate_weight = rows_in(block_param(b, l->param[GATE]), gate_distance(l, b->net)),
                 .a = block_value(b, l->saved[A]),
                 .c = block_value(b, l->saved[C_OUT]),
                 .g = block_value(b, l->saved[GATES]),
                 .u = block_value(b, l->saved[PRODUCT]),
                 .h = rows_of(b->scratch, l->size[RANK])};
}

static MixGradient
mix_gradient_of(const NnLayer *l, const NnBlock *b)
{
    return (MixGradient){.dx = block_dvalue(b, l->x),
                         .da = block_dvalue(b, l->saved[A]),
                         .dc = block_dvalue(b, l->saved[C_OUT]),
                         .dg = block_dvalue(b, l->saved[GATES]),
                         .du = block_dvalue(b, l->saved[PRODUCT]),
                         .du_weight = block_weight_grad(b, l->param[U]),
                         .dv_weight = block_weight_grad(b, l->param[V]),
                         .dc_weight = block_weight_grad(b, l->param[C])};
}

static void
forward(const NnLayer *l, const NnBlock *b)
{
    const Mix m = mix_of(l, b);

    gemm(false, true, m.n, m.experts, m.d, m.x, m.gate_weight, false, m.g);
    softmax_rows(m.g, m.n, m.experts);
    rows_fill(m.u, block_param(b, l->param[BIAS]), m.n, m.d, false);
    for (int e = 0; e < m.experts; e++)
        expert_forward(&m, e);
    rows_gate(block_value(b, l->y), m.x0, m.x, m.u.in, m.n, m.d);
}

static void
backward(const NnLayer *l, const NnBlock *b)
{
    const Mix m = mix_of(l, b);
    const MixGradient dm = mix_gradient_of(l, b);
    const NnGateBackward gate = {.dy = block_dvalue(b, l->y).in,
                                 .x0 = m.x0,
                                 .u = m.u.in,
                                 .du = dm.du,
                                 .dbias = block_grad(b, l->param[BIAS]),
                                 .dx = dm.dx,
                                 .dx_add = l->dx_add,
                                 .dx0 = block_dvalue(b, l->x2),
                                 .dx0_add = l->dx2_add};

    rows_gate_backward(&gate, m.n, m.d);
    for (int e = 0; e < m.experts; e++)
        expert_backward(&m, &dm, e, b);
    softmax_rows_backward(dm.dg, m.g.in, m.n, m.experts);
    gemm(false, false, m.n, m.d, m.experts, dm.dg.in, m.gate_weight, true, dm.dx);
    if (b->grads)
        gemm(true, false, m.experts, m.d, m.n, dm.dg.in, m.x, true,
             rows_of(block_grad(b, l->param[GATE]), m.gate_weight.ld));
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

/* what an expert multiplies by column j, seen from row i of U: (U C^T V^T)[i, j], the tanh left out */
static double
expert_weight(const float *u, const float *c, const float *v, int rank)
{
    double sum = 0;

    for (int k = 0; k < rank; k++) {
        double inner = 0;

        for (int m = 0; m < rank; m++)
            inner += (double)v[m] * c[m * rank + k];
        sum += inner * u[k];
    }
    return sum;
}

/* All experts' matrices: squares of the experts add up. */
static void
interact(const NnLayer *l, const NnNet *net, NnInteractions *all)
{
    const size_t d = (size_t)all->d, rank = (size_t)l->size[RANK];
    const float *u = all->params + net->params[l->param[U]].offset;
    const float *v = all->params + net->params[l->param[V]].offset;
    const float *c = all->params + net->params[l->param[C]].offset;

    for (size_t e = 0; e < (size_t)l->size[EXPERTS]; e++)
        for (size_t i = 0; i < d; i++) {
            for (size_t j = 0; j < d; j++) {
                if (all->pause && j % 64 == 0)
                    all->pause();
                interactions_add(all, (int)i, (int)j,
                                 expert_weight(u + (e * d + i) * rank, c + e * rank * rank,
                                               v + (e * d + j) * rank, (int)rank));
            }
        }
}

static const NnLayerType cross_mix_type = {.kind = "CrossNetMix",
                                           .forward = forward,
                                           .backward = backward,
                                           .describe = describe,
                                           .interact = interact,
                                           .interact_first = true};

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
