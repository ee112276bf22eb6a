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
#include "nn/net/interactions.h"

#define STRIP 320 /* columns: with NN_BLOCK rows they stay in the L2 cache and make a good gemm */

enum { WEIGHT, BIAS, BILINEAR }; /* param[]: [d_out, 2 pairs d], [d_out], the first of the [d, d] matrices */
enum { FIELDS, WIDTH, TYPE };    /* size[] */

/* one of the two sides, plain or re-weighted, of one block; gradients only in the backward pass */
typedef struct Side {
    const NnLayer *l;
    const NnBlock *b;
    int fields, d;            /* field i is columns [i d, (i + 1) d) */
    NnRowsIn x;               /* [n, fields d] */
    NnRows dx;                /* += */
    NnRows strip, dstrip;     /* [n, strip_width()] interactions */
    NnRows project, dproject; /* [n, fields d] v_i W_i^T; field_interaction: [n, (fields - 1) d], one i */
    NnRows stacked, dstacked; /* field_interaction: [(fields - 1) d, d] for matrices of one i */
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
 * One row's pairs, and their way back. Functions of their own, because a compiler believes `restrict` of a
 * parameter: it need not look, row by row, whether the columns overlap.
 */
static inline __attribute__((always_inline)) void
row_forward(float *restrict y, const float *restrict q, const float *restrict v, int k, int d)
{
    for (int j = 0; j < k; j++, y += d, v += d) {
        int c = 0;

        for (; c + 8 <= d; c += 8)
            for (int lane = 0; lane < 8; lane++)
                y[c + lane] = q[c + lane] * v[c + lane];
        for (; c < d; c++)
            y[c] = q[c] * v[c];
    }
}

static inline __attribute__((always_inline)) void
row_backward(float *restrict dq, float *restrict dv, const float *restrict dy, const float *restrict q,
             const float *restrict v, int k, int d)
{
    for (int j = 0; j < k; j++, dv += d, dy += d, v += d) {
        int c = 0;

        for (; c + 8 <= d; c += 8)
            for (int lane = 0; lane < 8; lane++) {
                dq[c + lane] += dy[c + lane] * v[c + lane];
                dv[c + lane] += dy[c + lane] * q[c + lane];
            }
        for (; c < d; c++) {
            dq[c] += dy[c] * v[c];
            dv[c] += dy[c] * q[c];
        }
    }
}

/*
 * y[r, j d + c] = q[r,c] v[r, j d + c]: a field's projection q [n, d] times the k fields v [n, k d] after it
 */
static NN_KERNEL void
pairs_forward(NnRows y, NnRowsIn q, NnRowsIn v, int n, int k, int d)
{
    for (int r = 0; r < n; r++)
        row_forward(rows_row(y, r), rows_in_row(q, r), rows_in_row(v, r), k, d);
}

/*
 * dq [n, d]    += sum over j of dy[r, j d + c] v[r, j d + c]
 * dv [n, k d]  += dy[r, j d + c] q[r,c]
 */
static NN_KERNEL void
pairs_backward(NnRows dq, NnRows dv, NnRowsIn dy, NnRowsIn q, NnRowsIn v, int n, int k, int d)
{
    for (int r = 0; r < n; r++)
        row_backward(rows_row(dq, r), rows_row(dv, r), rows_in_row(dy, r), rows_in_row(q, r),
                     rows_in_row(v, r), k, d);
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
    const int n = s->b->n, d = s->d;

    for (int i = 0; i < s->fields - 1; i++)
        gemm(false, true, n, d, d, rows_in_part(s->x, 0, i * d), block_weight(s->b, field_matrix(s, i)),
             false, rows_part(s->project, 0, i * d));
}

/* dW_i += dproject_i^T v_i     dv_i += dproject_i W_i */
static void
project_fields_backward(const Side *s)
{
    const int n = s->b->n, d = s->d;

    for (int i = 0; i < s->fields - 1; i++) {
        const NnRowsIn dproject = rows_in_part(s->dproject.in, 0, i * d);
        const int p = field_matrix(s, i);

        if (s->b->grads)
            gemm(true, false, d, d, n, dproject, rows_in_part(s->x, 0, i * d), true,
                 block_weight_grad(s->b, p));
        gemm(false, false, n, d, d, dproject, block_weight(s->b, p), true, rows_part(s->dx, 0, i * d));
    }
}

/*
 * field_interaction: the matrices of field i's pairs, one below the other [(fields - 1 - i) d, d]. They lie
 * so among the parameters, unless there is padding between them.
 */
static NnRowsIn
pair_matrices(const Side *s, int i)
{
    const int d = s->d, k = s->fields - 1 - i, p = pair_matrix(s, i);
    const size_t size = (size_t)d * (size_t)d;

    if (block_param(s->b, p + k - 1) == block_param(s->b, p) + (size_t)(k - 1) * size)
        return rows_in(block_param(s->b, p), d);
    for (int j = 0; j < k; j++)
        memcpy(rows_row(s->stacked, j * d), block_param(s->b, p + j), size * sizeof(float));
    return s->stacked.in;
}

/* Is the field zero in the only row of the block? SENet's attention closes many. */
static bool
is_closed(const Side *s, int i)
{
    const float *v = s->x.p + (size_t)i * (size_t)s->d;
    int c = 0;

    while (c < s->d && v[c] == 0)
        c++;
    return s->b->n == 1 && c == s->d;
}

/* field_interaction: v_i times the matrices of all its pairs at once */
static void
project_pairs(const Side *s, int i)
{
    const int n = s->b->n, d = s->d, k = s->fields - 1 - i;

    if (is_closed(s, i))
        rows_zero(s->project, n, k * d);
    else
        gemm(false, true, n, k * d, d, rows_in_part(s->x, 0, i * d), pair_matrices(s, i), false, s->project);
}

static void
project_pairs_backward(const Side *s, int i)
{
    const int n = s->b->n, d = s->d, k = s->fields - 1 - i, p = pair_matrix(s, i);

    if (s->b->grads)
        gemm(true, false, k * d, d, n, s->dproject.in, rows_in_part(s->x, 0, i * d), false, s->dstacked);
    for (int j = 0; s->b->grads && j < k; j++)
        rows_copy(block_weight_grad(s->b, p + j), rows_in_part(s->dstacked.in, j * d, 0), d, d, true);
    gemm(false, false, n, d, k * d, s->dproject.in, pair_matrices(s, i), true, rows_part(s->dx, 0, i * d));
}

/* strip = interactions of fields [first, end) with all fields after them */
static void
build_strip(const Side *s, int first, int end)
{
    const int n = s->b->n, d = s->d;
    int column = 0;

    for (int i = first; i < end; i++) {
        const int k = s->fields - 1 - i;
        const NnRowsIn after = rows_in_part(s->x, 0, (i + 1) * d);
        const NnRows y = rows_part(s->strip, 0, column);

        if (s->l->size[TYPE] == NN_FIELD_INTERACTION) {
            project_pairs(s, i);
            rows_multiply(y, s->project.in, after, n, k * d, false);
        } else {
            pairs_forward(y, rows_in_part(s->project.in, 0, i * d), after, n, k, d);
        }
        column += pair_columns(s->fields, d, i);
    }
}

/* dx, dproject and the matrices' gradients from dstrip */
static void
strip_backward(const Side *s, int first, int end)
{
    const int n = s->b->n, d = s->d;
    int column = 0;

    for (int i = first; i < end; i++) {
        const int k = s->fields - 1 - i;
        const NnRowsIn after = rows_in_part(s->x, 0, (i + 1) * d), dy = rows_in_part(s->dstrip.in, 0, column);
        const NnRows dafter = rows_part(s->dx, 0, (i + 1) * d);

        if (s->l->size[TYPE] == NN_FIELD_INTERACTION) {
            project_pairs(s, i);
            rows_multiply(dafter, dy, s->project.in, n, k * d, true);
            rows_multiply(s->dproject, dy, after, n, k * d, false);
            project_pairs_backward(s, i);
        } else {
            pairs_backward(rows_part(s->dproject, 0, i * d), dafter, dy,
                           rows_in_part(s->project.in, 0, i * d), after, n, k, d);
        }
        column += pair_columns(s->fields, d, i);
    }
}

/*
 * y [n, d_out] += interactions of this side times its columns of the Linear's weight, which begin at `column`
 */
static void
side_forward(const Side *s, NnRows y, int column, int d_out)
{
    int width;

    if (s->l->size[TYPE] != NN_FIELD_INTERACTION)
        project_fields(s);
    for (int first = 0, end; first < s->fields - 1; first = end) {
        end = strip_end(s->fields, s->d, first, &width);
        build_strip(s, first, end);
        weight_product(s->b, y, s->strip.in, s->l->param[WEIGHT], column, width, d_out, true);
        column += width;
    }
}

/*
 * From dy [n, d_out]: s->dx, the matrices' gradients, and those of this side's columns of the Linear's
 * weight, which begin at `column`: dW (+)= dy^T strip
 */
static void
side_backward(const Side *s, NnRowsIn dy, int column, int d_out)
{
    const NnRowsIn weight = block_weight(s->b, s->l->param[WEIGHT]);
    const NnRows dweight = block_weight_grad(s->b, s->l->param[WEIGHT]);
    const int n = s->b->n;
    int width;

    if (s->l->size[TYPE] != NN_FIELD_INTERACTION) {
        project_fields(s);
        rows_zero(s->dproject, n, s->fields * s->d);
    }
    for (int first = 0, end; first < s->fields - 1; first = end) {
        end = strip_end(s->fields, s->d, first, &width);
        build_strip(s, first, end);
        if (s->b->grads)
            gemm(true, false, d_out, width, n, dy, s->strip.in, !s->b->first, rows_part(dweight, 0, column));
        gemm(false, false, n, width, d_out, dy, rows_in_part(weight, 0, column), false, s->dstrip);
        strip_backward(s, first, end);
        column += width;
    }
    if (s->l->size[TYPE] != NN_FIELD_INTERACTION)
        project_fields_backward(s);
}

/* the next [n, ld] of the scratch */
static NnRows
take_rows(float **scratch, int n, int ld)
{
    const NnRows rows = rows_of(*scratch, ld);

    *scratch += (size_t)n * (size_t)ld;
    return rows;
}

static Side
side_of(const NnLayer *l, const NnBlock *b, int tensor)
{
    const int fields = l->size[FIELDS], d = l->size[WIDTH];
    Side s = {.l = l, .b = b, .fields = fields, .d = d, .x = block_value(b, tensor).in};
    float *scratch = b->scratch;

    s.strip = take_rows(&scratch, NN_BLOCK, strip_width(fields, d));
    s.project = take_rows(&scratch, NN_BLOCK, s.x.ld);
    s.stacked = take_rows(&scratch, fields * d, d);
    if (b->dvalues) {
        s.dx = block_dvalue(b, tensor);
        s.dstacked = take_rows(&scratch, fields * d, d);
        s.dproject = take_rows(&scratch, NN_BLOCK, s.x.ld);
        s.dstrip = take_rows(&scratch, NN_BLOCK, strip_width(fields, d));
    }
    return s;
}

/* columns of the interactions of one side */
static int
pairs_width(const NnLayer *l)
{
    return l->size[FIELDS] * (l->size[FIELDS] - 1) / 2 * l->size[WIDTH];
}

static void
forward(const NnLayer *l, const NnBlock *b)
{
    const int d_out = tensor_width(b->net, l->y);
    const Side plain = side_of(l, b, l->x), reweighted = side_of(l, b, l->x2);
    const NnRows y = block_value(b, l->y);

    rows_fill(y, block_param(b, l->param[BIAS]), b->n, d_out, false);
    side_forward(&plain, y, 0, d_out);
    side_forward(&reweighted, y, pairs_width(l), d_out);
}

static void
backward(const NnLayer *l, const NnBlock *b)
{
    const int d_out = tensor_width(b->net, l->y);
    const Side plain = side_of(l, b, l->x), reweighted = side_of(l, b, l->x2);
    const NnRowsIn dy = block_dvalue(b, l->y).in;

    if (b->grads)
        rows_sum(block_grad(b, l->param[BIAS]), dy, b->n, d_out);
    if (!l->dx_add)
        rows_zero(plain.dx, b->n, plain.fields * plain.d);
    side_backward(&plain, dy, 0, d_out);
    if (!l->dx2_add)
        rows_zero(reweighted.dx, b->n, reweighted.fields * reweighted.d);
    side_backward(&reweighted, dy, pairs_width(l), d_out);
}

/* the interactions of both sides, which share their matrices, Concat and Linear */
static int
describe(const NnLayer *l, const NnNet *net, NnModule *modules)
{
    const int pairs_d = pairs_width(l);

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

/* (v_i W^T) * v_j: column a of field i times W[c, a] times column c of field j */
static void
interact(const NnLayer *l, const NnNet *net, NnInteractions *all)
{
    const int d = l->size[WIDTH], fields = l->size[FIELDS];
    int pair = 0;

    for (int i = 0; i < fields; i++)
        for (int j = i + 1; j < fields; j++, pair++) {
            const int matrix = l->size[TYPE] == NN_FIELD_ALL ? 0 : l->size[TYPE] == NN_FIELD_EACH ? i : pair;
            const float *w = all->params + net->params[l->param[BILINEAR] + matrix].offset;

            if (all->pause)
                all->pause();
            for (int e = 0; e < d * d; e++)
                interactions_add(all, i * d + e % d, j * d + e / d, w[e]);
        }
}

static const NnLayerType bilinear_type = {.kind = "BilinearInteraction",
                                          .forward = forward,
                                          .backward = backward,
                                          .describe = describe,
                                          .interact = interact};

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
