/*
 * bilinear.c: FiBiNET's bilinear interactions (Huang et al. 2019) and the first Linear of its MLP in one
 * layer.
 *
 * The interaction of fields i < j is (v_i W^T) * v_j, d floats, with one W for all (field_all), one per i
 * (field_each) or one per pair (field_interaction). All pairs of the plain fields, then all pairs of the
 * re-weighted ones, are the Linear's input. That matrix is the largest of the net (39 fields of 8 floats:
 * 11856 columns), so it is never whole: pairs that share i lie side by side, and as many i as make up about
 * STRIP columns are built for a block of rows, multiplied by their columns of the Linear's weight and
 * forgotten; the backward pass builds them again.
 */
#include "nn/layers/layers.h"

#include <math.h>
#include <string.h>

#include "nn/math/products.h"
#include "nn/math/rows.h"

#define STRIP 320 /* columns: with NN_BLOCK rows they stay in the L2 cache and make a good gemm */

enum { WEIGHT, BIAS, BILINEAR }; /* param[]: [d_out, 2 pairs d], [d_out], the first of the [d, d] matrices */
enum { FIELDS, WIDTH, TYPE };    /* size[] */

/* one of the two sides, plain or re-weighted, of one block */
typedef struct Side {
    const NnLayer *l;
    const NnBlock *b;
    int fields, d;  /* field i is columns [i d, (i + 1) d) */
    const float *x; /* [n, fields d] */
    float *dx;      /* likewise, +=; NULL in the forward pass */
    int ldx;
    float *strip;    /* [n, strip_width()] interactions, at the distance of `ld` floats */
    float *dstrip;   /* their gradient */
    float *project;  /* [n, fields d] v_i W_i^T, or (field_interaction) [n, (fields - 1) d] for one i */
    float *dproject; /* its gradient */
    float *stacked;  /* field_interaction: [(fields - 1) d, d] matrices of one i */
    float *dstacked; /* their gradient */
    int ld;
} Side;

static int
pair_columns(int fields, int d, int i)
{
    return (fields - 1 - i) * d;
}

/* a strip has fewer than STRIP columns before its last field is added */
static int
strip_width(int fields, int d)
{
    return STRIP + fields * d;
}

/* the first field that no longer belongs to the strip of `first` on; *width: the strip's columns */
static int
strip_end(int fields, int d, int first, int *width)
{
    int i = first;

    *width = 0;
    while (i < fields - 1 && *width < STRIP)
        *width += pair_columns(fields, d, i++);
    return i;
}

/*
 * y[r, j d + c] = q[r,c] v[r, j d + c]: a field's projection q [n, d] times the k fields v [n, k d] after it
 */
static NN_KERNEL void
pairs_forward(float *restrict y, int ldy, const float *restrict q, int ldq, const float *restrict v, int ldv,
              int n, int k, int d)
{
    for (int r = 0; r < n; r++)
        for (int j = 0; j < k; j++) {
            float *restrict yr = y + (size_t)r * ldy + (size_t)j * d;
            const float *restrict qr = q + (size_t)r * ldq;
            const float *restrict vr = v + (size_t)r * ldv + (size_t)j * d;
            int c = 0;

            for (; c + 8 <= d; c += 8)
                for (int lane = 0; lane < 8; lane++)
                    yr[c + lane] = qr[c + lane] * vr[c + lane];
            for (; c < d; c++)
                yr[c] = qr[c] * vr[c];
        }
}

/*
 * dq [n, d]    += sum over j of dy[r, j d + c] v[r, j d + c]
 * dv [n, k d]  += dy[r, j d + c] q[r,c]
 */
static NN_KERNEL void
pairs_backward(float *restrict dq, float *restrict dv, const float *restrict dy, int lddy,
               const float *restrict q, int ldq, const float *restrict v, int ldv, int n, int k, int d)
{
    for (int r = 0; r < n; r++)
        for (int j = 0; j < k; j++) {
            float *restrict dqr = dq + (size_t)r * ldq, *restrict dvr = dv + (size_t)r * ldv + (size_t)j * d;
            const float *restrict g = dy + (size_t)r * lddy + (size_t)j * d;
            const float *restrict qr = q + (size_t)r * ldq;
            const float *restrict vr = v + (size_t)r * ldv + (size_t)j * d;
            int c = 0;

            for (; c + 8 <= d; c += 8)
                for (int lane = 0; lane < 8; lane++) {
                    dqr[c + lane] += g[c + lane] * vr[c + lane];
                    dvr[c + lane] += g[c + lane] * qr[c + lane];
                }
            for (; c < d; c++) {
                dqr[c] += g[c] * vr[c];
                dvr[c] += g[c] * qr[c];
            }
        }
}

/* the parameter of field i's matrix: field_all and field_each */
static int
field_matrix(const Side *s, int i)
{
    return s->l->param[BILINEAR] + (s->l->size[TYPE] == NN_FIELD_ALL ? 0 : i);
}

/* the parameter of the matrix of pair (i, i + 1), which those of (i, i + 2), … follow: field_interaction */
static int
pair_matrix(const Side *s, int i)
{
    return s->l->param[BILINEAR] + i * (s->fields - 1) - i * (i - 1) / 2;
}

/* field_all and field_each: project = v_i W_i^T for every field that begins a pair */
static void
project_fields(const Side *s)
{
    for (int i = 0; i < s->fields - 1; i++)
        gemm(false, true, s->b->n, s->d, s->d, s->x + i * s->d, s->ldx, block_param(s->b, field_matrix(s, i)),
             s->d, false, s->project + i * s->d, s->ldx);
}

static void
project_fields_backward(const Side *s)
{
    for (int i = 0; i < s->fields - 1; i++) {
        const int p = field_matrix(s, i), at = i * s->d;

        if (s->b->grads)
            gemm(true, false, s->d, s->d, s->b->n, s->dproject + at, s->ldx, s->x + at, s->ldx, true,
                 block_grad(s->b, p), s->d);
        gemm(false, false, s->b->n, s->d, s->d, s->dproject + at, s->ldx, block_param(s->b, p), s->d, true,
             s->dx + at, s->ldx);
    }
}

/* field_interaction: v_i times the matrices of all its pairs at once */
static void
project_pairs(const Side *s, int i)
{
    const size_t matrix = (size_t)s->d * s->d;
    const int k = s->fields - 1 - i, p = pair_matrix(s, i);

    for (int j = 0; j < k; j++)
        memcpy(s->stacked + j * matrix, block_param(s->b, p + j), matrix * sizeof(float));
    gemm(false, true, s->b->n, k * s->d, s->d, s->x + i * s->d, s->ldx, s->stacked, s->d, 0, s->project,
         s->ldx);
}

static void
project_pairs_backward(const Side *s, int i)
{
    const int d = s->d, k = s->fields - 1 - i, p = pair_matrix(s, i);

    if (s->b->grads)
        gemm(true, false, k * d, d, s->b->n, s->dproject, s->ldx, s->x + i * d, s->ldx, false, s->dstacked,
             d);
    for (int j = 0; s->b->grads && j < k; j++)
        rows_copy(block_grad(s->b, p + j), d, s->dstacked + (size_t)j * d * d, d, d, d, true);
    gemm(false, false, s->b->n, d, k * d, s->dproject, s->ldx, s->stacked, d, true, s->dx + i * d, s->ldx);
}

/* strip = interactions of fields [first, end) with all fields after them */
static void
build_strip(const Side *s, int first, int end)
{
    float *y = s->strip;

    for (int i = first; i < end; i++) {
        const int k = s->fields - 1 - i;
        const float *after = s->x + (i + 1) * s->d;

        if (s->l->size[TYPE] == NN_FIELD_INTERACTION) {
            project_pairs(s, i);
            rows_multiply(y, s->ld, s->project, s->ldx, after, s->ldx, s->b->n, k * s->d, false);
        } else {
            pairs_forward(y, s->ld, s->project + i * s->d, s->ldx, after, s->ldx, s->b->n, k, s->d);
        }
        y += pair_columns(s->fields, s->d, i);
    }
}

/* dx, dproject and the matrices' gradients from dstrip */
static void
strip_backward(const Side *s, int first, int end)
{
    const float *dy = s->dstrip;

    for (int i = first; i < end; i++) {
        const int k = s->fields - 1 - i, n = s->b->n, at = (i + 1) * s->d;

        if (s->l->size[TYPE] == NN_FIELD_INTERACTION) {
            project_pairs(s, i);
            rows_multiply(s->dx + at, s->ldx, dy, s->ld, s->project, s->ldx, n, k * s->d, true);
            rows_multiply(s->dproject, s->ldx, dy, s->ld, s->x + at, s->ldx, n, k * s->d, false);
            project_pairs_backward(s, i);
        } else {
            pairs_backward(s->dproject + i * s->d, s->dx + at, dy, s->ld, s->project + i * s->d, s->ldx,
                           s->x + at, s->ldx, n, k, s->d);
        }
        dy += pair_columns(s->fields, s->d, i);
    }
}

/*
 * y [n, d_out] += interactions of this side times its columns of the Linear's weight, which begin at `column`
 */
static void
side_forward(float *y, int ldy, int column, const Side *s, int d_out)
{
    int width;

    if (s->l->size[TYPE] != NN_FIELD_INTERACTION)
        project_fields(s);
    for (int first = 0, end; first < s->fields - 1; first = end) {
        end = strip_end(s->fields, s->d, first, &width);
        build_strip(s, first, end);
        weight_product(s->b, y, ldy, s->strip, s->ld, s->l->param[WEIGHT], column, width, d_out, true);
        column += width;
    }
}

/*
 * s->dx and the matrices' gradients, and
 * dweight [d_out, pairs d]  (+)= dy^T strip; NULL: not wanted
 * dy      [n, d_out]
 */
static void
side_backward(float *dweight, const float *dy, int lddy, const float *weight, int ldw, const Side *s,
              int d_out)
{
    const int n = s->b->n;
    int width;

    if (s->l->size[TYPE] != NN_FIELD_INTERACTION) {
        project_fields(s);
        rows_zero(s->dproject, s->ldx, n, s->fields * s->d);
    }
    for (int first = 0, end; first < s->fields - 1; first = end) {
        end = strip_end(s->fields, s->d, first, &width);
        build_strip(s, first, end);
        if (dweight) {
            gemm(true, false, d_out, width, n, dy, lddy, s->strip, s->ld, !s->b->first, dweight, ldw);
            dweight += width;
        }
        gemm(false, false, n, width, d_out, dy, lddy, weight, ldw, false, s->dstrip, s->ld);
        strip_backward(s, first, end);
        weight += width;
    }
    if (s->l->size[TYPE] != NN_FIELD_INTERACTION)
        project_fields_backward(s);
}

static Side
side_of(const NnLayer *l, const NnBlock *b, int tensor)
{
    const int fields = l->size[FIELDS], d = l->size[WIDTH], ldx = tensor_ld(b, tensor);
    Side s = {.l = l, .b = b, .fields = fields, .d = d, .x = block_value(b, tensor), .ldx = ldx};

    s.ld = strip_width(fields, d);
    s.strip = b->scratch;
    s.project = s.strip + (size_t)NN_BLOCK * s.ld;
    s.stacked = s.project + (size_t)NN_BLOCK * ldx;
    if (b->dvalues) {
        s.dx = block_dvalue(b, tensor);
        s.dstacked = s.stacked + (size_t)fields * d * d;
        s.dproject = s.dstacked + (size_t)fields * d * d;
        s.dstrip = s.dproject + (size_t)NN_BLOCK * ldx;
    }
    return s;
}

static void
forward(const NnLayer *l, const NnBlock *b)
{
    const int d_out = tensor_width(b->net, l->y), ldy = tensor_ld(b, l->y);
    const int pairs_d = l->size[FIELDS] * (l->size[FIELDS] - 1) / 2 * l->size[WIDTH];
    const Side plain = side_of(l, b, l->x), reweighted = side_of(l, b, l->x2);
    float *y = block_value(b, l->y);

    rows_fill(y, ldy, block_param(b, l->param[BIAS]), b->n, d_out, false);
    side_forward(y, ldy, 0, &plain, d_out);
    side_forward(y, ldy, pairs_d, &reweighted, d_out);
}

static void
backward(const NnLayer *l, const NnBlock *b)
{
    const int d_out = tensor_width(b->net, l->y), lddy = tensor_ld(b, l->y);
    const int pairs_d = l->size[FIELDS] * (l->size[FIELDS] - 1) / 2 * l->size[WIDTH];
    const float *weight = block_param(b, l->param[WEIGHT]), *dy = block_dvalue(b, l->y);
    const Side plain = side_of(l, b, l->x), reweighted = side_of(l, b, l->x2);
    float *dweight = block_grad(b, l->param[WEIGHT]);

    if (dweight)
        rows_sum(block_grad(b, l->param[BIAS]), dy, lddy, b->n, d_out);
    if (!l->dx_add)
        rows_zero(plain.dx, plain.ldx, b->n, plain.fields * plain.d);
    side_backward(dweight, dy, lddy, weight, 2 * pairs_d, &plain, d_out);
    if (!l->dx2_add)
        rows_zero(reweighted.dx, reweighted.ldx, b->n, reweighted.fields * reweighted.d);
    side_backward(dweight ? dweight + pairs_d : NULL, dy, lddy, weight + pairs_d, 2 * pairs_d, &reweighted,
                  d_out);
}

/* the interactions of both sides, which share their matrices, Concat and Linear */
static int
describe(const NnLayer *l, const NnNet *net, NnModule *modules)
{
    const int pairs_d = l->size[FIELDS] * (l->size[FIELDS] - 1) / 2 * l->size[WIDTH];

    modules[0] = (NnModule){.kind = "BilinearInteraction",
                            .input = {l->x, -1, -1},
                            .output = -1,
                            .d = pairs_d,
                            .first_param = l->param[BILINEAR],
                            .n_params = l->param[WEIGHT] - l->param[BILINEAR]};
    modules[1] = modules[0];
    modules[1].input[0] = l->x2;
    modules[1].n_params = 0;
    modules[2] = (NnModule){
        .kind = "Concat", .input = {NN_OF_MODULE(0), NN_OF_MODULE(1), -1}, .output = -1, .d = 2 * pairs_d};
    modules[3] = layer_module(l, net);
    modules[3].kind = "Linear";
    modules[3].input[0] = NN_OF_MODULE(2);
    modules[3].input[1] = -1;
    return 4;
}

static const NnLayerType bilinear_type = {
    .kind = "BilinearInteraction", .forward = forward, .backward = backward, .describe = describe};

/* the [d, d] matrices; returns the first */
static int
bilinear_params(NnNet *net, int fields, int d, NnBilinearType type, const char *name)
{
    const float bound = 1 / sqrtf((float)d);
    const int64_t shape[] = {d, d};
    const int count = type == NN_FIELD_EACH ? fields : fields * (fields - 1) / 2;
    int first = -1;

    if (type == NN_FIELD_ALL)
        return net_param(net, NN_DENSE, NN_UNIFORM, bound, 2, shape, "%s.weight", name);
    for (int i = 0; i < count; i++) {
        /* the last field begins no pair: field_each has a matrix for it, but no gradient ever reaches it */
        const NnParamKind kind = type == NN_FIELD_EACH && i == count - 1 ? NN_BUFFER : NN_DENSE;
        const int p = net_param(net, kind, NN_UNIFORM, bound, 2, shape, "%s.%d.weight", name, i);

        first = i == 0 ? p : first;
    }
    return first;
}

int
net_bilinear_linear(NnNet *net, int x, int reweighted, int n_fields, NnBilinearType type, int d_out,
                    const char *name, const char *linear)
{
    const int d = tensor_width(net, x) / n_fields, d_in = n_fields * (n_fields - 1) * d;
    const float bound = d_in > 0 ? 1 / sqrtf((float)d_in) : 0;
    const int y = net_tensor(net, d_out);
    NnLayer *l = net_layer(net, &bilinear_type, x, y, "%s", linear);
    const size_t row =
        (size_t)strip_width(n_fields, d) + (size_t)n_fields * d + NN_ALIGN; /* + a tensor's padding */

    l->x2 = reweighted;
    l->size[FIELDS] = n_fields;
    l->size[WIDTH] = d;
    l->size[TYPE] = type;
    l->scratch = 2 * ((size_t)NN_BLOCK * row + (size_t)n_fields * d * d);
    l->param[BILINEAR] = bilinear_params(net, n_fields, d, type, name);
    l->param[WEIGHT] = net_product_param(net, net_param(net, NN_DENSE, NN_UNIFORM, bound, 2,
                                                        (const int64_t[]){d_out, d_in}, "%s.weight", linear));
    l->param[BIAS] =
        net_param(net, NN_DENSE, NN_UNIFORM, bound, 1, (const int64_t[]){d_out}, "%s.bias", linear);
    l->linear_weight = l->param[WEIGHT];
    l->linear_bias = l->param[BIAS];
    return y;
}
