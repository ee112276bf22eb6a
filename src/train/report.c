/*
 * report.c: what a training says, as NOTICEs and WARNINGs: a listener to its events. On its own it tells what
 * it trains on, each epoch, why it stops. As one group of many it says a single line at its end. Rows that no
 * model can be trained on are an error or a warning, as the option if_untrainable says.
 */
#include "train/train.h"

#include <math.h>

#include "common/shortest_dec.h"

#include "nn/math/evaluation.h"

/* "1 row", "2 rows" */
static void
append_count(StringInfo text, int64 n, const char *one, const char *many)
{
    appendStringInfo(text, INT64_FORMAT " %s", n, n == 1 ? one : many);
}

static void
append_size(StringInfo text, Size bytes)
{
    if (bytes < 1000 * 1000)
        appendStringInfo(text, "%.0f kB", (double)bytes / 1000);
    else
        appendStringInfo(text, "%.1f MB", (double)bytes / 1e6);
}

/* the beginning of a message about a group; empty without GROUP BY */
static const char *
prefix(const CtrReport *report)
{
    return report->group ? psprintf("%s: ", report->group) : "";
}

void
report_untrainable(const CtrReport *report, int code, const char *message, const char *detail,
                   const char *hint)
{
    const bool gives_null = report->options->untrainable_is_null;

    ereport(gives_null ? WARNING : ERROR,
            (errcode(gives_null ? ERRCODE_WARNING : code), errmsg("%s%s", prefix(report), message),
             detail ? errdetail("%s", detail) : 0, hint ? errhint("%s", hint) : 0));
}

/* A NOTICE of columns that are keys rather than features, which a user may have forgotten to leave out. */
static void
report_keys(const CtrEncoder *encoder)
{
    StringInfoData names;
    int n = 0;

    initStringInfo(&names);
    for (int i = 0; i < encoder->n_num + encoder->n_cat; i++) {
        if (encoder->features[i].differs)
            appendStringInfo(&names, "%s\"%s\"", n++ > 0 ? ", " : "", encoder->features[i].name);
    }
    if (n > 0)
        ereport(NOTICE,
                (errmsg_plural("column %s differs in nearly every training row",
                               "columns %s differ in nearly every training row", n, names.data),
                 errhint("What tells rows apart and nothing else belongs in the option \"ignore\".")));
    pfree(names.data);
}

/* A NOTICE of the pairs of columns that the training has chosen. */
static void
report_crosses(const CtrModel *model)
{
    const CtrEncoder *encoder = model->encoder;
    StringInfoData names;

    if (model->options.crosses.kind != CTR_CROSSES_AUTO || encoder->n_crosses == 0)
        return;
    initStringInfo(&names);
    for (int k = 0; k < encoder->n_crosses; k++)
        appendStringInfo(&names, "%s\"%s\"", k > 0 ? ", " : "", cross_name(encoder, k));
    ereport(NOTICE,
            (errmsg_plural("pair of columns %s is a category besides",
                           "pairs of columns %s are categories besides", encoder->n_crosses, names.data)));
    pfree(names.data);
}

/* What it trains on: rows, inputs, the model's size. */
static void
report_rows(const CtrModel *model)
{
    const CtrEncoder *encoder = model->encoder;
    int64 values = 0, parameters = 0;
    StringInfoData line;

    for (int f = 0; f < encoder->n_cat; f++)
        values += vocab_count(encoder->vocabs[f]);
    for (int i = 0; i < model->net.n_params; i++)
        parameters += model->net.params[i].kind != NN_BUFFER ? (int64)model->net.params[i].count : 0;
    initStringInfo(&line);
    append_count(&line, model->train_rows, "row trains", "rows train");
    appendStringInfo(&line, ", " INT64_FORMAT " %s: ", model->validation_rows,
                     model->validation_rows == 1 ? "validates" : "validate");
    append_count(&line, encoder->n_num, "number", "numbers");
    appendStringInfoString(&line, ", ");
    append_count(&line, encoder->n_cat, "category column", "category columns");
    if (encoder->n_cat > 0) {
        appendStringInfoString(&line, " (");
        append_count(&line, values, "value", "values");
        appendStringInfoChar(&line, ')');
    }
    appendStringInfoString(&line, ", ");
    append_count(&line, parameters, "parameter", "parameters");
    appendStringInfoString(&line, ", ");
    append_size(&line, model_estimate(&model->net, encoder));
    ereport(NOTICE, (errmsg_internal("%s", line.data)));
    pfree(line.data);
    report_keys(encoder);
    report_crosses(model);
}

static void
append_metrics(StringInfo text, const CtrEpoch *e)
{
    appendStringInfo(text, "train_loss %.4f", e->train_loss);
    if (!isnan(e->val_loss))
        appendStringInfo(text, " val_loss %.4f", e->val_loss);
    if (!isnan(e->val_auc))
        appendStringInfo(text, " val_auc %.4f", e->val_auc);
}

static void
report_epoch(const CtrReport *report, int epoch, const CtrEpoch *e)
{
    StringInfoData line;

    initStringInfo(&line);
    appendStringInfo(&line, "epoch %d/%d: ", epoch, report->options->epochs);
    append_metrics(&line, e);
    if (e->is_best)
        appendStringInfoString(&line, " (best)");
    ereport(NOTICE, (errmsg_internal("%s", line.data)));
    pfree(line.data);
}

static void
report_skipped(const CtrReport *report, const CtrEvent *event)
{
    const CtrOptions *options = report->options;

    if (event->skipped > 0)
        ereport(NOTICE, (errmsg_plural("skipped " INT64_FORMAT " row whose label \"%s\" is NULL",
                                       "skipped " INT64_FORMAT " rows whose label \"%s\" is NULL",
                                       event->skipped, event->skipped, options->label)));
    if (event->weightless > 0)
        ereport(NOTICE, (errmsg_plural("skipped " INT64_FORMAT " row whose weight \"%s\" is 0",
                                       "skipped " INT64_FORMAT " rows whose weight \"%s\" is 0",
                                       event->weightless, event->weightless, options->weight)));
}

static void
report_early_stop(const CtrReport *report, const CtrEvent *event)
{
    const char *metric = event->watches_auc ? "val_auc" : "val_loss";
    const int patience = report->options->patience;

    if (event->best_epoch > event->epoch - patience)
        ereport(NOTICE, (errmsg("stopped early: %s has hardly improved for %d epochs, the best was epoch %d",
                                metric, patience, event->best_epoch)));
    else
        ereport(NOTICE,
                (errmsg_plural("stopped early: %s has not improved for %d epoch, the best was epoch %d",
                               "stopped early: %s has not improved for %d epochs, the best was epoch %d",
                               patience, metric, patience, event->best_epoch)));
}

static void
report_cooldown(const CtrEvent *event)
{
    const char *rows = event->all_rows ? ", and validation rows train as well" : "";

    if (event->best_epoch == 0)
        ereport(NOTICE, (errmsg("the learning rate falls to 0 now%s", rows)));
    else
        ereport(NOTICE,
                (errmsg("the learning rate falls to 0 now, from epoch %d on%s", event->best_epoch, rows)));
}

/* "learning_rate => 0.001: val_loss 0.4512 val_auc 0.7791" */
static void
append_tried(StringInfo text, const CtrTried *tried)
{
    appendStringInfo(text, "%s: val_loss %.4f", tried->name, tried->val_loss);
    if (!isnan(tried->val_auc))
        appendStringInfo(text, " val_auc %.4f", tried->val_auc);
}

/* The NOTICE of settings that were compared. */
static void
report_chosen(const CtrModel *model)
{
    StringInfoData line;

    initStringInfo(&line);
    appendStringInfo(&line, "of %d settings the best is ", model->n_tried);
    append_tried(&line, &model->tried[model->chosen]);
    for (int i = 0; i < model->n_tried; i++) {
        if (i == model->chosen)
            continue;
        appendStringInfoString(&line, "; ");
        append_tried(&line, &model->tried[i]);
    }
    ereport(NOTICE, (errmsg_internal("%s", line.data)));
    pfree(line.data);
}

/* A WARNING where the loss of validation rows is no less than that of answering their labels' shares. */
static void
report_no_better(const CtrReport *report, const CtrModel *model, const CtrDataset *dataset)
{
    const double loss = model->history[model->best_epoch - 1].val_loss;
    const double entropy =
        label_entropy(dataset_class_weights(dataset, true), report->options->net.n_classes);

    if (dataset_weight(dataset, true) <= 0 || entropy <= 0 || !(loss >= entropy))
        return;
    ereport(WARNING,
            (errmsg("%sthe model is no better than the mean of the labels", prefix(report)),
             errdetail("On " INT64_FORMAT
                       " validation rows its log loss is %.4f, that of their mean label %.4f: a normalized "
                       "entropy of %.3f.",
                       model->validation_rows, loss, entropy, loss / entropy),
             errhint("Train on more rows or other features, or hold more rows back for validation.")));
}

/* The NOTICE of a group of many that is trained. */
static void
report_group(const CtrReport *report, const CtrModel *model, const CtrDataset *dataset)
{
    const int64 *class_rows = dataset_class_rows(dataset, false);
    StringInfoData line;

    initStringInfo(&line);
    appendStringInfoString(&line, prefix(report));
    append_count(&line, model->train_rows, "row trains", "rows train");
    appendStringInfo(&line, ", " INT64_FORMAT " %s", model->validation_rows,
                     model->validation_rows == 1 ? "validates" : "validate");
    if (model->skipped_rows > 0)
        appendStringInfo(&line, ", " INT64_FORMAT " skipped", model->skipped_rows);
    if (report->options->net.n_classes == 1)
        appendStringInfo(&line, ", %.3g %% have label 1",
                         100.0 * (double)class_rows[1] / (double)(class_rows[0] + class_rows[1]));
    if (report->options->epochs == 0)
        appendStringInfoString(&line, "; nothing is trained: epochs is 0");
    else {
        appendStringInfo(&line, "; epoch %d: ", model->best_epoch);
        append_metrics(&line, &model->history[model->best_epoch - 1]);
        if (model->chosen > 0)
            appendStringInfo(&line, ", %s", model->tried[model->chosen].name);
    }
    ereport(NOTICE, (errmsg_internal("%s", line.data)));
    pfree(line.data);
}

/* A training that is the only one. */
static void
hear_alone(const CtrReport *report, const CtrEvent *event)
{
    switch (event->kind) {
    case CTR_EVENT_ROWS_READ:
        report_skipped(report, event);
        break;
    case CTR_EVENT_FIT_BEGINS:
        report_rows(event->model);
        break;
    case CTR_EVENT_NO_AUC:
        ereport(NOTICE, (errmsg("all validation rows have label %d: watching val_loss instead of val_auc",
                                event->only_label)));
        break;
    case CTR_EVENT_EPOCH_ENDS:
        report_epoch(report, event->epoch, event->metrics);
        break;
    case CTR_EVENT_OUT_OF_TIME:
        ereport(NOTICE, (errmsg("stopped after max_seconds = %s in epoch %d/%d",
                                double_to_shortest_decimal(report->options->max_seconds), event->epoch,
                                report->options->epochs)));
        break;
    case CTR_EVENT_STOPPED_EARLY:
        report_early_stop(report, event);
        break;
    case CTR_EVENT_COOLDOWN:
        report_cooldown(event);
        break;
    case CTR_EVENT_CHOSEN:
        report_chosen(event->model);
        break;
    case CTR_EVENT_UNTRAINED:
        ereport(NOTICE, (errmsg("nothing is trained: epochs is 0")));
        break;
    default:
        break;
    }
}

void
report_hear(void *arg, const CtrEvent *event)
{
    const CtrReport *report = arg;

    if (event->trial)
        return;
    if (event->kind == CTR_EVENT_DIVERGED)
        report_diverged(report, event->model,
                        event->fault ? event->fault
                                     : psprintf("the loss of epoch %d is not finite", event->epoch));
    if (event->kind == CTR_EVENT_TRAINED)
        report_no_better(report, event->model, event->dataset);
    if (!report->of_many)
        hear_alone(report, event);
    else if (event->kind == CTR_EVENT_TRAINED || event->kind == CTR_EVENT_UNTRAINED)
        report_group(report, event->model, event->dataset);
}
