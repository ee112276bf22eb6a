/*
 * interactions.c: ctr_interactions: which features act on one another, in the network as a whole and in each
 * layer that multiplies them, and how strongly. Strengths between the network's inputs are told of the
 * columns that these come from.
 */
#include "see/insights.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/builtins.h"

#include "srf.h"
#include "nn/infer/couplings.h"
#include "nn/net/interactions.h"

/* the columns of a net input: one, or the two of a cross; none of a sum over all */
static int
columns_of_input(const CtrModel *model, int input, int *columns)
{
    const CtrEncoder *encoder = model->encoder;
    const int n_num = model->net.config.n_num;
    int f = input < n_num ? input - encoder->n_num : input - n_num;

    if (input < encoder->n_num)
        return columns[0] = input, 1;
    if (input >= encoder_first_count(encoder) && input < n_num)
        f = encoder_first_cross(encoder) + cross_of_count(encoder, input - encoder_first_count(encoder));
    else if (input < n_num && encoder->sums_statistics)
        return 0;
    if (f >= encoder_first_cross(encoder)) {
        f -= encoder_first_cross(encoder);
        for (int i = 0; i < 2; i++)
            columns[i] = encoder->n_num + encoder->crosses[f].columns[i];
        return 2;
    }
    return columns[0] = f < encoder->n_cat ? encoder->n_num + f : f - encoder->n_cat, 1;
}

/* folded [features, features], of which a < b counts: squares of net inputs, told of columns */
static void
fold_squares(const CtrModel *model, const double *squares, double *folded)
{
    const int n = model->net.config.n_num + model->net.config.n_cat;
    const int features = model->encoder->n_num + model->encoder->n_cat;

    memset(folded, 0, sizeof(double) * features * features);
    for (int64 i = 0; i < (int64)n * n; i++) {
        int a[2], b[2];
        const int n_a = columns_of_input(model, (int)(i / n), a);
        const int n_b = columns_of_input(model, (int)(i % n), b);

        ctr_pause_at(i);
        for (int k = 0; k < n_a * n_b; k++) {
            const int x = a[k / n_b], y = b[k % n_b];

            if (x != y)
                folded[(Size)Min(x, y) * features + Max(x, y)] += squares[i] / (n_a * n_b);
        }
    }
}

/* Error if it is not finite: models of ctr_train give none, but a model may come from elsewhere. */
static double
strength_of(double square)
{
    if (!isfinite(square))
        ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
                        errmsg("the model gives two features a strength that is not finite"),
                        errdetail("Products of its weights pass what floats hold."),
                        errhint("Check where the model's weights come from, or train it again with "
                                "numerical_transform => 'quantile'.")));
    return sqrt(square);
}

static int
compare_strength(const void *a, const void *b)
{
    const CtrInteraction *x = a, *y = b;

    CHECK_FOR_INTERRUPTS();
    if (x->strength != y->strength)
        return x->strength > y->strength ? -1 : 1;
    return x < y ? -1 : x > y;
}

static void
add_layer(const CtrModel *model, const char *layer, const double *folded, CtrInteraction *rows)
{
    const int features = model->encoder->n_num + model->encoder->n_cat;
    int64 n = 0;

    for (int a = 0; a < features; a++)
        for (int b = a + 1; b < features; b++)
            rows[n++] =
                (CtrInteraction){layer, model->encoder->features[a].name, model->encoder->features[b].name,
                                 strength_of(folded[(Size)a * features + b])};
    qsort(rows, n, sizeof(CtrInteraction), compare_strength);
}

/* What the inputs of chosen pairs contribute, as the training has measured it. */
static void
add_crosses(const CtrModel *model, CtrInteraction *rows)
{
    const CtrEncoder *encoder = model->encoder;
    const CtrFeature *columns = encoder->features + encoder->n_num;

    for (int k = 0; k < encoder->n_crosses; k++)
        rows[k] = (CtrInteraction){"crosses", columns[encoder->crosses[k].columns[0]].name,
                                   columns[encoder->crosses[k].columns[1]].name, model->insight.crosses[k]};
    qsort(rows, encoder->n_crosses, sizeof(CtrInteraction), compare_strength);
}

/*
 * folded [features, features], of which a < b counts: squares of what pairs of features have together in the
 * whole network; what a chosen pair's own inputs contribute is theirs, too. squares: room for the net inputs'
 */
static void
fold_network(const CtrModel *model, double *squares, double *folded)
{
    const CtrEncoder *encoder = model->encoder;
    const CtrInsight *insight = &model->insight;
    const int features = encoder->n_num + encoder->n_cat;
    MemoryContext scratch =
        AllocSetContextCreate(CurrentMemoryContext, "ctr couplings", ALLOCSET_DEFAULT_SIZES);

    ctr_check_status(couplings(&model->net, model->params, insight->average, insight->spread, squares,
                               NN_COUPLINGS_WORK, ctr_nn_alloc(scratch), ctr_pause),
                     "look for interactions");
    MemoryContextDelete(scratch);
    fold_squares(model, squares, folded);
    for (int k = 0; k < encoder->n_crosses; k++) {
        const int *columns = encoder->crosses[k].columns;

        folded[(Size)(encoder->n_num + columns[0]) * features + encoder->n_num + columns[1]] +=
            (double)insight->crosses[k] * insight->crosses[k];
    }
}

/* room for n squares of numbers */
static double *
squares_create(Size n)
{
    return MemoryContextAllocHuge(CurrentMemoryContext, mul_size(mul_size(n, n), sizeof(double)));
}

double *
interaction_matrix(const CtrModel *model)
{
    const Size features = model->encoder->n_num + model->encoder->n_cat;
    double *squares = squares_create(model->net.config.n_num + model->net.config.n_cat);
    double *folded = squares_create(features);

    fold_network(model, squares, folded);
    pfree(squares);
    for (Size a = 0; a < features; a++)
        for (Size b = a + 1; b < features; b++)
            folded[a * features + b] = folded[b * features + a] = strength_of(folded[a * features + b]);
    return folded;
}

/* Appends the rows of every layer that multiplies. squares, folded: room, as above. Returns how many. */
static int64
add_layers(const CtrModel *model, double *squares, double *folded, int64 pairs, CtrInteraction *rows)
{
    const NnNet *net = &model->net;
    const Size columns = interactions_columns(net);
    float *spread = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(float) * columns);
    int *input = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(int) * columns);
    int64 n = 0;

    for (const NnLayer *l = net->layers; l < net->layers + net->n_layers; l++) {
        if (!interactions_of_layer(net, l, model->params, model->insight.spread, spread, input, squares,
                                   ctr_pause))
            continue;
        fold_squares(model, squares, folded);
        /* a cross level has its name; what FiBiNET and DeepFM multiply is part of a layer of another name */
        add_layer(model, l->type->interact_first ? l->name : l->type->kind, folded, rows + n);
        n += pairs;
    }
    return n;
}

CtrInteraction *
interaction_rows(const CtrModel *model, int64 *n)
{
    const NnNet *net = &model->net;
    const int64 features = model->encoder->n_num + model->encoder->n_cat,
                pairs = features * (features - 1) / 2;
    double *squares = squares_create(net->config.n_num + net->config.n_cat);
    double *folded = squares_create(features);
    CtrInteraction *rows;
    Size layers = 1;

    for (int i = 0; i < net->n_layers; i++)
        layers += net->layers[i].type->interact != NULL;
    rows = MemoryContextAllocHuge(
        CurrentMemoryContext,
        mul_size(add_size(mul_size(layers, pairs), model->encoder->n_crosses + 1), sizeof(CtrInteraction)));
    fold_network(model, squares, folded);
    add_layer(model, "network", folded, rows);
    add_crosses(model, rows + pairs);
    *n = pairs + model->encoder->n_crosses;
    *n += add_layers(model, squares, folded, pairs, rows + *n);
    return rows;
}

/* CREATE FUNCTION ctr_interactions(ctr_model) RETURNS TABLE (layer, feature_a, feature_b, strength) */
PG_FUNCTION_INFO_V1(ctr_interactions);
Datum
ctr_interactions(PG_FUNCTION_ARGS)
{
    TupleDesc desc;
    Tuplestorestate *store = srf_begin(fcinfo, &desc);
    MemoryContext context =
        AllocSetContextCreate(CurrentMemoryContext, "ctr interactions", ALLOCSET_DEFAULT_SIZES);
    MemoryContext row = AllocSetContextCreate(CurrentMemoryContext, "ctr row", ALLOCSET_SMALL_SIZES);
    MemoryContext old = MemoryContextSwitchTo(context);
    const CtrModel *model = model_unpack(PG_GETARG_DATUM(0), context);
    int64 n;
    const CtrInteraction *rows;

    model_check_insight(model);
    rows = interaction_rows(model, &n);
    MemoryContextSwitchTo(row);
    for (int64 i = 0; i < n; i++) {
        Datum values[] = {CStringGetTextDatum(rows[i].layer), CStringGetTextDatum(rows[i].feature_a),
                          CStringGetTextDatum(rows[i].feature_b), Float8GetDatum(rows[i].strength)};
        bool nulls[4] = {false};

        CHECK_FOR_INTERRUPTS();
        tuplestore_putvalues(store, desc, values, nulls);
        MemoryContextReset(row);
    }
    MemoryContextSwitchTo(old);
    MemoryContextDelete(row);
    MemoryContextDelete(context);
    return (Datum)0;
}
