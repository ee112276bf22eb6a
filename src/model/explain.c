/*
 * explain.c: contributions of the network's inputs (nn/infer/contributions.h), summed to the columns that a
 * user has: what a number's bucket or a category's target statistic contributes counts for its column, what a
 * cross contributes for both of its columns, half for each.
 */
#include "model/explain.h"

#include <math.h>

#define FIRST_POINTS 8 /* of a row alone: TILE_ROWS, which products take at once (nn/kernels/gemm_kernel.h) */

CtrExplainer *
explainer_create(const CtrModel *model, MemoryContext context)
{
    const CtrEncoder *encoder = model->encoder;
    const NnNet *net = &model->net;
    MemoryContext old = MemoryContextSwitchTo(context);
    CtrExplainer *e = palloc0(sizeof(CtrExplainer));

    e->model = model;
    ctr_check_status(contributions_create(&e->contributions, net, model->params, model->insight.average,
                                          ctr_nn_alloc(context)),
                     "explain rows");
    e->inputs = palloc(mul_size(sizeof(float) * CTR_EXPLAIN_MOST, net->d_input));
    e->gradient = palloc(sizeof(double) * net->d_input);
    e->n_features = encoder->n_num + encoder->n_cat;
    e->features = palloc(sizeof(double) * e->n_features);
    e->crosses = palloc(sizeof(double) * Max(encoder->n_crosses, 1));
    MemoryContextSwitchTo(old);
    return e;
}

static float *
row_inputs(const CtrExplainer *e, int row)
{
    return e->inputs + (Size)row * e->model->net.d_input;
}

/* Counts a contribution of categorical field f for the columns that it comes from. */
static void
credit(CtrExplainer *e, int f, double contribution)
{
    const CtrEncoder *encoder = e->model->encoder;
    const int k = f - encoder_first_cross(encoder);

    if (k >= 0) {
        const CtrCross *cross = &encoder->crosses[k];

        e->crosses[k] += contribution;
        for (int i = 0; i < 2; i++)
            e->features[encoder->n_num + cross->columns[i]] += contribution / 2;
    } else
        e->features[f < encoder->n_cat ? encoder->n_num + f : f - encoder->n_cat] += contribution;
}

/* What the columns [column, column + n) of the row's inputs contribute. */
static double
part(const CtrExplainer *e, int column, int n)
{
    const float *average = e->model->insight.average, *inputs = row_inputs(e, e->row);
    double sum = 0;

    for (int j = column; j < column + n; j++)
        sum += e->gradient[j] * ((double)inputs[j] - average[j]);
    return sum;
}

/* The fields' part in an input that is the sum of target statistics of fields [first, end). */
static void
credit_sum(CtrExplainer *e, int column, int first, int end)
{
    const CtrModel *model = e->model;
    const int32 *x_cat = e->x_cat + (Size)e->row * model->encoder->d_cat;
    const double scale = e->gradient[column] / sqrt((double)(end - first));

    for (int f = first; f < end; f++)
        credit(e, f,
               scale * ((double)model->encoder->statistics[f][x_cat[f]] - model->insight.statistics[f]));
}

static void
credit_derived(CtrExplainer *e)
{
    const CtrEncoder *encoder = e->model->encoder;
    const int first_cross = encoder_first_cross(encoder);

    for (int i = encoder->n_num; i < e->model->net.config.n_num; i++) {
        const int count = i - encoder_first_count(encoder);

        if (count >= 0)
            credit(e, first_cross + cross_of_count(encoder, count), part(e, i, 1));
        else if (!encoder->sums_statistics)
            credit(e, i - encoder->n_num, part(e, i, 1));
        else if (i == encoder->n_num && first_cross > 0)
            credit_sum(e, i, 0, first_cross);
        else
            credit_sum(e, i, first_cross, encoder->d_cat);
    }
}

/* Sums what the inputs contribute to features and crosses. */
static void
credit_inputs(CtrExplainer *e)
{
    const CtrEncoder *encoder = e->model->encoder;
    const NnNet *net = &e->model->net;

    for (int i = 0; i < e->n_features; i++)
        e->features[i] = i < encoder->n_num ? part(e, i, 1) : 0;
    memset(e->crosses, 0, sizeof(double) * encoder->n_crosses);
    credit_derived(e);
    for (const NnLookup *l = net->lookups; l < net->lookups + net->n_lookups; l++)
        credit(e, l->field, part(e, l->column, l->d));
}

/* Takes what the inputs of row `row` contribute. */
static NnPath
take_row(CtrExplainer *e, int row)
{
    const NnPath path = contributions_line(e->contributions, row, e->gradient);

    e->row = row;
    e->attention = contributions_attention(e->contributions, row);
    credit_inputs(e);
    return path;
}

void
explainer_start(CtrExplainer *e, const float *x_num, const int32 *x_cat, int rows, int k, int points)
{
    const CtrEncoder *encoder = e->model->encoder;

    e->x_cat = x_cat;
    for (int r = 0; r < rows; r++)
        contributions_inputs(e->contributions, x_num + (Size)r * encoder->d_num,
                             x_cat + (Size)r * encoder->d_cat, 1, row_inputs(e, r));
    contributions_start(e->contributions, e->inputs, rows, k, points);
}

NnPath
explainer_row(CtrExplainer *e, int row)
{
    NnPath path = take_row(e, row);

    contributions_complete(&path, e->features, e->n_features);
    return path;
}

NnPath
explainer_run(CtrExplainer *e, const float *x_num, const int32 *x_cat, int k)
{
    NnPath path;

    explainer_start(e, x_num, x_cat, 1, k, FIRST_POINTS);
    path = take_row(e, 0);
    for (int points = FIRST_POINTS;
         points < NN_PATH_MOST && !contributions_close(&path, e->features, e->n_features); points *= 2) {
        contributions_refine(e->contributions);
        path = take_row(e, 0);
    }
    contributions_complete(&path, e->features, e->n_features);
    return path;
}

float
explainer_attention(const CtrExplainer *e, int feature)
{
    const CtrEncoder *encoder = e->model->encoder;

    return e->attention[feature < encoder->n_num ? feature
                                                 : e->model->net.config.n_num + feature - encoder->n_num];
}
