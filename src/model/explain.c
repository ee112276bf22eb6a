/*
 * explain.c: contributions of the network's inputs (nn/infer/contributions.h), summed to the columns that a
 * user has: what a number's bucket or a category's target statistic contributes counts for its column, what a
 * cross contributes for both of its columns, half for each.
 */
#include "model/explain.h"

#include <math.h>

CtrExplainer *
explainer_create(const CtrModel *model, MemoryContext context)
{
    const CtrEncoder *encoder = model->encoder;
    const NnNet *net = &model->net;
    MemoryContext old = MemoryContextSwitchTo(context);
    CtrExplainer *e = palloc0(sizeof(CtrExplainer));

    e->model = model;
    ctr_check_status(contributions_create(&e->contributions, net, model->params, ctr_nn_alloc(context)),
                     "explain rows");
    e->inputs = palloc(sizeof(float) * net->d_input);
    e->gradient = palloc(sizeof(double) * net->d_input);
    e->features = palloc(sizeof(double) * (encoder->n_num + encoder->n_cat));
    e->crosses = palloc(sizeof(double) * Max(encoder->n_crosses, 1));
    if (net->attention >= 0)
        e->attention = palloc0(sizeof(float) * tensor_width(net, net->attention));
    MemoryContextSwitchTo(old);
    return e;
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

/* What the columns [column, column + n) of the input row contribute. */
static double
part(const CtrExplainer *e, int column, int n)
{
    const float *average = e->model->insight.average;
    double sum = 0;

    for (int j = column; j < column + n; j++)
        sum += e->gradient[j] * ((double)e->inputs[j] - average[j]);
    return sum;
}

/* The fields' part in an input that is the sum of target statistics of fields [first, end). */
static void
credit_sum(CtrExplainer *e, int column, int first, int end, const int32 *x_cat, Size ld_cat)
{
    const CtrModel *model = e->model;
    const double scale = e->gradient[column] / sqrt((double)(end - first));

    for (int f = first; f < end; f++)
        credit(e, f,
               scale *
                   ((double)model->encoder->statistics[f][x_cat[f * ld_cat]] - model->insight.statistics[f]));
}

static void
credit_derived(CtrExplainer *e, const int32 *x_cat, Size ld_cat)
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
            credit_sum(e, i, 0, first_cross, x_cat, ld_cat);
        else
            credit_sum(e, i, first_cross, encoder->d_cat, x_cat, ld_cat);
    }
}

/* Sums what the inputs contribute to features and crosses. */
static void
credit_inputs(CtrExplainer *e, const int32 *x_cat, Size ld_cat)
{
    const CtrEncoder *encoder = e->model->encoder;
    const NnNet *net = &e->model->net;

    for (int i = 0; i < encoder->n_num + encoder->n_cat; i++)
        e->features[i] = i < encoder->n_num ? part(e, i, 1) : 0;
    memset(e->crosses, 0, sizeof(double) * encoder->n_crosses);
    credit_derived(e, x_cat, ld_cat);
    for (const NnLookup *l = net->lookups; l < net->lookups + net->n_lookups; l++)
        credit(e, l->field, part(e, l->column, l->d));
}

NnPath
explainer_run(CtrExplainer *e, const float *x_num, const int32 *x_cat, Size ld_cat, int k, int most)
{
    const int features = e->model->encoder->n_num + e->model->encoder->n_cat;
    NnPath path = {.k = k};

    contributions_inputs(e->contributions, x_num, x_cat, ld_cat, e->inputs);
    for (int points = NN_PATH_LEAST; points <= most; points *= 2) {
        path = contributions_run(e->contributions, e->model->insight.average, e->inputs, path.k, points,
                                 e->gradient, e->attention);
        credit_inputs(e, x_cat, ld_cat);
        if (contributions_close(&path, e->features, features))
            break;
    }
    contributions_complete(&path, e->features, features);
    return path;
}

float
explainer_attention(const CtrExplainer *e, int feature)
{
    const CtrEncoder *encoder = e->model->encoder;

    return e->attention[feature < encoder->n_num ? feature
                                                 : e->model->net.config.n_num + feature - encoder->n_num];
}
