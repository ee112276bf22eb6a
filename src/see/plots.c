/* plots.c: the pictures that SQL asks for: ctr_plot, ctr_plot_roc, ctr_plot_calibration. */
#include "see/see.h"

#include <math.h>
#include <stddef.h>

#include "utils/builtins.h"

#include "metrics/curve.h"
#include "see/insights.h"
#include "see/plot.h"

#define ROC_POINTS_MOST 400

/* ------------------------------------------------------------------ of a model */

/* a member of each epoch */
static double *
epoch_values(const CtrModel *model, size_t member)
{
    double *values = palloc(sizeof(double) * Max(model->n_epochs, 1));

    for (int i = 0; i < model->n_epochs; i++)
        memcpy(&values[i], (const char *)&model->history[i] + member, sizeof(double));
    return values;
}

static void
plot_loss(StringInfo out, const CtrModel *model)
{
    CtrEpochCurves curves = {.title = "Training and validation loss",
                             .unit = "logarithmic loss (nats per row)",
                             .names = {"train_loss", "val_loss"},
                             .values = {epoch_values(model, offsetof(CtrEpoch, train_loss)),
                                        epoch_values(model, offsetof(CtrEpoch, val_loss))},
                             .n = model->n_epochs,
                             .best = model->best_epoch};

    plot_epochs(out, &curves);
}

static void
plot_auc(StringInfo out, const CtrModel *model)
{
    CtrEpochCurves curves = {.title = "Training and validation AUC",
                             .unit = "area under the ROC curve",
                             .names = {"train_auc", "val_auc"},
                             .values = {epoch_values(model, offsetof(CtrEpoch, train_auc)),
                                        epoch_values(model, offsetof(CtrEpoch, val_auc))},
                             .n = model->n_epochs,
                             .best = model->best_epoch};

    plot_epochs(out, &curves);
}

static void
plot_importance(StringInfo out, const CtrModel *model)
{
    int n;
    const CtrImportance *rows = importance_rows(model, &n);
    const char **names = palloc(sizeof(char *) * Max(n, 1));
    double *values = palloc(sizeof(double) * Max(n, 1));
    CtrBars bars = {.title = "Importance of features",
                    .unit = "mean size of the contribution to a row's logit",
                    .names = names,
                    .values = values,
                    .n = n};

    for (int i = 0; i < n; i++) {
        names[i] = rows[i].feature;
        values[i] = rows[i].importance;
    }
    plot_bars(out, &bars);
}

static void
plot_interactions(StringInfo out, const CtrModel *model)
{
    const CtrEncoder *encoder = model->encoder;
    const int n = encoder->n_num + encoder->n_cat;
    const char **names = palloc(sizeof(char *) * Max(n, 1));
    CtrHeatmap map = {.title = "Interactions of features",
                      .unit = "what two features have together: its size in a row's logit",
                      .names = names,
                      .values = interaction_matrix(model),
                      .n = n};

    for (int i = 0; i < n; i++)
        names[i] = encoder->features[i].name;
    plot_heatmap(out, &map);
}

const CtrPlot plots[] = {{"loss", plot_loss, false},
                         {"auc", plot_auc, false},
                         {"importance", plot_importance, true},
                         {"interactions", plot_interactions, true},
                         {0}};

static const CtrPlot *
find_plot(const char *name)
{
    StringInfoData names;

    initStringInfo(&names);
    for (const CtrPlot *plot = plots; plot->name != NULL; plot++) {
        if (strcmp(plot->name, name) == 0)
            return plot;
        appendStringInfo(&names, "%s\"%s\"", plot == plots ? "" : ", ", plot->name);
    }
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("there is no plot \"%s\"", name),
                    errhint("The plots are %s.", names.data)));
}

/* CREATE FUNCTION ctr_plot(ctr_model, text) RETURNS text */
PG_FUNCTION_INFO_V1(ctr_plot);
Datum
ctr_plot(PG_FUNCTION_ARGS)
{
    const CtrPlot *plot = find_plot(text_to_cstring(PG_GETARG_TEXT_PP(1)));
    CtrModel *model = model_unpack(PG_GETARG_DATUM(0), CurrentMemoryContext);
    StringInfoData svg;

    if (plot->needs_insight)
        model_check_insight(model);
    initStringInfo(&svg);
    plot->draw(&svg, model);
    MemoryContextDelete(model->context);
    PG_RETURN_TEXT_P(cstring_to_text_with_len(svg.data, svg.len));
}

/* ------------------------------------------------------------------ of scores */

/* the state of an aggregate over scores; NULL: there are no rows */
static const CtrCurve *
curve_argument(FunctionCallInfo fcinfo)
{
    const CtrCurve *curve = PG_ARGISNULL(0) ? NULL : (const CtrCurve *)PG_GETARG_POINTER(0);

    return curve == NULL || curve->scores.n == 0 ? NULL : curve;
}

/* CREATE FUNCTION ctr_plot_roc_final(internal) RETURNS text: NULL where the rows show one class only */
PG_FUNCTION_INFO_V1(ctr_plot_roc_final);
Datum
ctr_plot_roc_final(PG_FUNCTION_ARGS)
{
    const CtrCurve *curve = curve_argument(fcinfo);
    NnRocPoint points[ROC_POINTS_MOST];
    double x[ROC_POINTS_MOST], y[ROC_POINTS_MOST];
    CtrSquareCurve picture = {.title = "ROC curve",
                              .x_label = "false positive rate",
                              .y_label = "true positive rate",
                              .x = x,
                              .y = y,
                              .most = 1};
    StringInfoData svg;

    if (curve == NULL)
        PG_RETURN_NULL();
    picture.n = roc_points(points, ROC_POINTS_MOST, curve_sorted(curve), (size_t)curve->scores.n, ctr_pause);
    if (picture.n == 0)
        PG_RETURN_NULL();
    for (int i = 0; i < picture.n; i++) {
        x[i] = points[i].false_positives;
        y[i] = points[i].true_positives;
    }
    picture.note = psprintf("AUC %.4f on " INT64_FORMAT " rows", scores_auc(&curve->scores), curve->scores.n);
    initStringInfo(&svg);
    plot_square(&svg, &picture);
    PG_RETURN_TEXT_P(cstring_to_text_with_len(svg.data, svg.len));
}

/* CREATE FUNCTION ctr_plot_calibration_final(internal) RETURNS text: NULL without rows */
PG_FUNCTION_INFO_V1(ctr_plot_calibration_final);
Datum
ctr_plot_calibration_final(PG_FUNCTION_ARGS)
{
    const CtrCurve *curve = curve_argument(fcinfo);
    CtrSquareCurve picture = {
        .title = "Calibration", .x_label = "mean score", .y_label = "mean label", .dots = true};
    const NnCalibrationBin *bins;
    double *x, *y;
    StringInfoData svg;

    if (curve == NULL)
        PG_RETURN_NULL();
    bins = curve_calibration(curve, &picture.n);
    picture.x = x = palloc(sizeof(double) * picture.n);
    picture.y = y = palloc(sizeof(double) * picture.n);
    picture.hints = palloc(sizeof(char *) * picture.n);
    for (int i = 0; i < picture.n; i++) {
        x[i] = bins[i].score;
        y[i] = bins[i].label;
        picture.most = fmax(picture.most, fmax(x[i], y[i]));
        picture.hints[i] =
            psprintf("score %.4f, label %.4f, " INT64_FORMAT " rows", x[i], y[i], bins[i].rows);
    }
    picture.most = picture.most > 0 ? fmin(picture.most * 1.1, 1) : 1;
    picture.note = psprintf("%d bins of " INT64_FORMAT " rows; on the dotted line scores are right",
                            picture.n, curve->scores.n);
    initStringInfo(&svg);
    plot_square(&svg, &picture);
    PG_RETURN_TEXT_P(cstring_to_text_with_len(svg.data, svg.len));
}
