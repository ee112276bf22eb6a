/*
 * report.c: ctr_report, all that a model says of itself on one page of HTML that needs nothing else: no
 * script, no network. All that comes from columns and options goes through markup_append.
 */
#include "see/see.h"

#include <math.h>

#include "access/detoast.h"
#include "utils/builtins.h"

#include "see/plot.h"
#include "see/style.h"

#define EPOCHS_MOST   100 /* the last ones, in the table */
#define FEATURES_MANY 16

/* ------------------------------------------------------------------ pieces */

static void
put_heading(StringInfo page, const char *text)
{
    appendStringInfoString(page, "<h2>");
    markup_append(page, text);
    appendStringInfoString(page, "</h2>\n");
}

static void
put_card(StringInfo page, const char *name, const char *value)
{
    appendStringInfoString(page, "<div><dt>");
    markup_append(page, name);
    appendStringInfoString(page, "</dt><dd>");
    markup_append(page, value);
    appendStringInfoString(page, "</dd></div>");
}

/* heads: of the columns, ending with NULL; one that begins with '#' is of numbers */
static void
begin_table(StringInfo page, const char *const *heads)
{
    appendStringInfoString(page, "<div class=\"wide\"><table><thead><tr>");
    for (; *heads != NULL; heads++) {
        const bool number = **heads == '#';

        appendStringInfo(page, "<th%s>", number ? " class=\"n\"" : "");
        markup_append(page, *heads + number);
        appendStringInfoString(page, "</th>");
    }
    appendStringInfoString(page, "</tr></thead><tbody>\n");
}

static void
end_table(StringInfo page)
{
    appendStringInfoString(page, "</tbody></table></div>\n");
}

static void
put_cell(StringInfo page, const char *text)
{
    appendStringInfoString(page, "<td>");
    markup_append(page, text);
    appendStringInfoString(page, "</td>");
}

/* a number; NULL: there is none */
static void
put_number(StringInfo page, const char *text)
{
    appendStringInfo(page, "<td class=\"n\">%s</td>", text == NULL ? "&#x2013;" : text);
}

/* a metric with four digits, or NULL */
static char *
metric_text(double value)
{
    return isnan(value) ? NULL : psprintf("%.4f", value);
}

/* ------------------------------------------------------------------ what was trained */

static void
put_summary(StringInfo page, const CtrModel *model, int64 size)
{
    const CtrEncoder *encoder = model->encoder;
    const char *skipped = model->skipped_rows > 0
                              ? psprintf(", " INT64_FORMAT " without a label skipped", model->skipped_rows)
                              : "";

    appendStringInfoString(page, "<h1>");
    markup_append(page, words_architecture(&model->options));
    appendStringInfoString(page, "</h1>\n<p class=\"soft\">");
    markup_append(page,
                  psprintf("Predicts \"%s\" from %d numerical and %d categorical columns. Written by ctr "
                           "%s%s. SHA-256 %s.",
                           model->options.label, encoder->n_num, encoder->n_cat, model->version,
                           words_time(model), model->digest));
    appendStringInfoString(page, "</p>\n<dl class=\"cards\">");
    put_card(page, "Training rows", psprintf(INT64_FORMAT "%s", model->train_rows, skipped));
    put_card(page, "Validation rows", psprintf(INT64_FORMAT, model->validation_rows));
    put_card(page, "Features", psprintf("%d", encoder->n_num + encoder->n_cat));
    put_card(page, "Categories", words_count(words_categories(encoder)));
    put_card(page, "Parameters", words_count(words_parameters(&model->net)));
    put_card(page, "Size", words_bytes(size));
    appendStringInfoString(page, "</dl>\n");
}

/* the figures of the epoch whose weights the model has */
static void
put_metrics(StringInfo page, const CtrModel *model)
{
    double seconds = 0;
    const CtrEpoch *best;

    if (model->best_epoch == 0)
        return;
    best = &model->history[model->best_epoch - 1];
    for (int i = 0; i < model->n_epochs; i++)
        seconds += model->history[i].seconds;
    put_heading(page, "Quality");
    appendStringInfoString(page, "<dl class=\"cards\">");
    put_card(page, "Best epoch", psprintf("%d of %d", model->best_epoch, model->n_epochs));
    if (!isnan(best->val_auc))
        put_card(page, "Validation AUC", metric_text(best->val_auc));
    if (!isnan(best->val_loss))
        put_card(page, "Validation loss", metric_text(best->val_loss));
    if (!isnan(best->train_auc))
        put_card(page, "Training AUC", metric_text(best->train_auc));
    if (!isnan(best->train_loss))
        put_card(page, "Training loss", metric_text(best->train_loss));
    put_card(page, "Time", psprintf("%.1f s", seconds));
    appendStringInfoString(page, "</dl>\n");
}

/* The settings that were compared, and what they were worth. */
static void
put_tried(StringInfo page, const CtrModel *model)
{
    static const char *const heads[] = {"setting", "#epochs", "#val_loss", "#val_auc", NULL};

    if (model->n_tried == 0)
        return;
    put_heading(page, "Settings");
    begin_table(page, heads);
    for (int i = 0; i < model->n_tried; i++) {
        const CtrTried *tried = &model->tried[i];

        appendStringInfo(page, "<tr%s>", i == model->chosen ? " class=\"best\"" : "");
        put_cell(page, tried->name);
        put_number(page, psprintf("%d", tried->epochs));
        put_number(page, metric_text(tried->val_loss));
        put_number(page, metric_text(tried->val_auc));
        appendStringInfoString(page, "</tr>\n");
    }
    end_table(page);
}

/* the curves of a training, or what it has measured for explanations */
static void
put_pictures(StringInfo page, const CtrModel *model, const char *class, bool needs_insight)
{
    appendStringInfo(page, "<div class=\"pictures %s\">", class);
    for (const CtrPlot *plot = plots; plot->name != NULL; plot++) {
        if (plot->needs_insight == needs_insight)
            plot->draw(page, model);
    }
    appendStringInfoString(page, "</div>\n");
}

/* After a cooldown the best epoch is not the last word: the weights are those that came of it. */
static void
put_cooldown(StringInfo page, const CtrModel *model)
{
    const CtrEpoch *last = &model->history[model->n_epochs - 1];

    if (model->options.lr_schedule == NN_COOLDOWN && model->best_epoch > 0 && isnan(last->val_loss) &&
        !isnan(model->history[model->best_epoch - 1].val_loss))
        appendStringInfo(page,
                         "<p>Epoch %d goes on from epoch %d, with the rows that had validated, and with a "
                         "learning rate that falls to 0. No rows are left to measure it.</p>\n",
                         model->n_epochs, model->best_epoch);
}

static void
put_history(StringInfo page, const CtrModel *model)
{
    static const char *const heads[] = {"#epoch",   "#train_loss",    "#train_auc", "#val_loss",
                                        "#val_auc", "#learning_rate", "#seconds",   NULL};
    const int features = model->encoder->n_num + model->encoder->n_cat;

    put_heading(page, "Training");
    if (model->n_epochs == 0)
        appendStringInfo(page, "<p>%s</p>\n",
                         model->weights == CTR_WEIGHTS_INITIAL
                             ? "Nothing has been trained: the weights are those that a training starts from."
                             : "The weights were trained elsewhere and came by ctr_load_weights.");
    if (model->n_epochs > 0)
        put_pictures(page, model, "curves", false);
    /* the heat map of many features has a line of its own, so that their names can be read */
    if (model_has_insight(model))
        put_pictures(page, model, features > FEATURES_MANY ? "many" : "few", true);
    if (model->n_epochs == 0)
        return;
    begin_table(page, heads);
    for (int i = Max(model->n_epochs - EPOCHS_MOST, 0); i < model->n_epochs; i++) {
        const CtrEpoch *e = &model->history[i];

        appendStringInfo(page, "<tr%s>", i + 1 == model->best_epoch ? " class=\"best\"" : "");
        put_number(page, psprintf("%d", i + 1));
        put_number(page, metric_text(e->train_loss));
        put_number(page, metric_text(e->train_auc));
        put_number(page, metric_text(e->val_loss));
        put_number(page, metric_text(e->val_auc));
        put_number(page, psprintf("%.3g", e->learning_rate));
        put_number(page, psprintf("%.2f", e->seconds));
        appendStringInfoString(page, "</tr>\n");
    }
    end_table(page);
    put_cooldown(page, model);
}

/* ------------------------------------------------------------------ columns and layers */

/* What share of the rows that have a value had a known category, as a number and a bar. */
static void
put_coverage(StringInfo page, const CtrModel *model, int f)
{
    const CtrEncoder *encoder = model->encoder;
    const int64 rows = model->train_rows - encoder->features[encoder->n_num + f].missing;
    double known = 0;

    if (rows <= 0) {
        put_number(page, NULL);
        return;
    }
    for (int i = 0; i < vocab_count(encoder->vocabs[f]); i++) {
        ctr_pause_at(i);
        known += encoder->frequencies[f][i];
    }
    known = fmin(known / (double)rows, 1);
    appendStringInfo(
        page, "<td class=\"n\">%.1f %%<span class=\"share\"><i style=\"width:%.0f%%\"></i></span></td>",
        100 * known, 100 * known);
}

static void
put_features(StringInfo page, const CtrModel *model)
{
    static const char *const heads[] = {
        "feature", "kind", "#categories", "#buckets", "#missing", "#rows with a known category", NULL};
    const CtrEncoder *encoder = model->encoder;

    put_heading(page, "Features");
    begin_table(page, heads);
    for (int i = 0; i < encoder->n_num + encoder->n_cat; i++) {
        const CtrFeature *feature = &encoder->features[i];
        const int f = i - encoder->n_num;
        const double all = (double)Max(model->train_rows, 1);

        appendStringInfoString(page, "<tr>");
        put_cell(page, feature->name);
        put_cell(page, f < 0 ? "numerical" : "categorical");
        put_number(page, f < 0 ? NULL : psprintf("%d", vocab_count(encoder->vocabs[f])));
        put_number(page, f < 0 && encoder->buckets != NULL ? psprintf("%d", encoder->buckets[i].n_bounds + 1)
                                                           : NULL);
        put_number(page, psprintf("%.1f %%", fmin(100 * (double)feature->missing / all, 100)));
        if (f < 0)
            put_number(page, NULL);
        else
            put_coverage(page, model, f);
        appendStringInfoString(page, "</tr>\n");
    }
    end_table(page);
}

/* What the network sees beside the columns */
static void
put_derived(StringInfo page, const CtrModel *model)
{
    const CtrEncoder *encoder = model->encoder;
    const char *between = "Pairs of columns: ";

    if (encoder->buckets == NULL && encoder->n_statistics == 0 && encoder->n_crosses == 0)
        return;
    put_heading(page, "Derived");
    if (encoder->buckets != NULL && encoder->n_num > 0)
        appendStringInfo(page,
                         "<p>Numerical columns cut into buckets, which are categories besides: %d.</p>\n",
                         encoder->n_num);
    if (encoder->n_statistics > 0)
        appendStringInfo(page,
                         "<p>Fields of categories with target statistics, the log odds of the label in a "
                         "category, from other rows than the row itself: %d%s.</p>\n",
                         encoder->n_statistics,
                         encoder->sums_statistics ? "; the network sees their sum" : "");
    if (encoder->n_crosses == 0)
        return;
    appendStringInfoString(page, "<p>");
    for (int k = 0; k < encoder->n_crosses; k++) {
        markup_append(page, between);
        markup_append(page, cross_name(encoder, k));
        between = ", ";
    }
    appendStringInfoString(page, ".</p>\n");
}

static void
put_layers(StringInfo page, const CtrModel *model)
{
    static const char *const heads[] = {"layer", "kind", "#output", "#parameters", NULL};
    int n;
    const CtrSummaryRow *rows = summary_rows(&model->net, &n);

    put_heading(page, "Layers");
    begin_table(page, heads);
    for (int i = 0; i < n; i++) {
        appendStringInfoString(page, "<tr>");
        put_cell(page, rows[i].layer);
        put_cell(page, rows[i].kind);
        put_number(page, psprintf("%d", rows[i].width));
        put_number(page, psprintf(INT64_FORMAT, rows[i].parameters));
        appendStringInfoString(page, "</tr>\n");
    }
    appendStringInfoString(page, "<tr>");
    put_cell(page, "in all");
    put_cell(page, "");
    put_number(page, "");
    put_number(page, psprintf(INT64_FORMAT, words_parameters(&model->net)));
    appendStringInfoString(page, "</tr>\n");
    end_table(page);
}

/* ------------------------------------------------------------------ options */

static char *
jsonb_text(JsonbValue *value)
{
    Jsonb *jsonb;

    if (value->type == jbvString)
        return pnstrdup(value->val.string.val, value->val.string.len);
    jsonb = JsonbValueToJsonb(value);
    return JsonbToCString(NULL, &jsonb->root, VARSIZE(jsonb));
}

static void
put_options(StringInfo page, const CtrModel *model)
{
    static const char *const heads[] = {"option", "value", NULL};
    Jsonb *options = options_to_jsonb(&model->options);
    JsonbIterator *it = JsonbIteratorInit(&options->root);
    JsonbIteratorToken token;
    JsonbValue value;

    put_heading(page, "Options");
    begin_table(page, heads);
    while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE) {
        if (token == WJB_KEY) {
            appendStringInfoString(page, "<tr>");
            put_cell(page, jsonb_text(&value));
        } else if (token == WJB_VALUE) {
            put_cell(page, jsonb_text(&value));
            appendStringInfoString(page, "</tr>\n");
        }
    }
    end_table(page);
}

/* ------------------------------------------------------------------ ctr_report */

/* CREATE FUNCTION ctr_report(ctr_model) RETURNS text */
PG_FUNCTION_INFO_V1(ctr_report);
Datum
ctr_report(PG_FUNCTION_ARGS)
{
    int64 size = (int64)toast_raw_datum_size(PG_GETARG_DATUM(0)) - VARHDRSZ;
    CtrModel *model = model_unpack(PG_GETARG_DATUM(0), CurrentMemoryContext);
    StringInfoData page;

    initStringInfo(&page);
    appendStringInfoString(&page, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>"
                                  "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"/>"
                                  "<link rel=\"icon\" href=\"data:,\"/><title>");
    markup_append(&page, words_architecture(&model->options));
    appendStringInfo(&page, "</title><style>%s</style></head><body><main>\n", style_page);
    put_summary(&page, model, size);
    put_metrics(&page, model);
    put_history(&page, model);
    put_tried(&page, model);
    put_features(&page, model);
    put_derived(&page, model);
    put_layers(&page, model);
    put_options(&page, model);
    appendStringInfoString(&page, "</main></body></html>\n");
    MemoryContextDelete(model->context);
    PG_RETURN_TEXT_P(cstring_to_text_with_len(page.data, page.len));
}
