/*
 * tried.c: the settings that a training has compared, as JSON: in the model's bytes, and for ctr_config.
 * [{"setting": "first", "epochs": 8, "val_loss": 0.41, "val_auc": null, "chosen": true}, ...]
 */
#include "model/tried.h"

#include <math.h>
#include <stdlib.h>

#include "common/shortest_dec.h"
#include "utils/json.h"

#define LOSS_LARGEST 1e308

static void
append_metric(StringInfo text, const char *key, double value)
{
    appendStringInfo(text, ", \"%s\": %s", key, isnan(value) ? "null" : double_to_shortest_decimal(value));
}

char *
tried_write(const CtrModel *model)
{
    StringInfoData text;

    initStringInfo(&text);
    appendStringInfoChar(&text, '[');
    for (int i = 0; i < model->n_tried; i++) {
        const CtrTried *tried = &model->tried[i];

        appendStringInfoString(&text, i > 0 ? ", {\"setting\": " : "{\"setting\": ");
        escape_json(&text, tried->name);
        appendStringInfo(&text, ", \"epochs\": %d", tried->epochs);
        append_metric(&text, "val_loss", tried->val_loss);
        append_metric(&text, "val_auc", tried->val_auc);
        appendStringInfo(&text, ", \"chosen\": %s}", i == model->chosen ? "true" : "false");
    }
    appendStringInfoChar(&text, ']');
    return text.data;
}

/* Printable ASCII, which every database can show. */
static bool
read_name(CtrTried *tried, const CtrJsonNode *node)
{
    if (node == NULL || node->type != JSON_TOKEN_STRING || strlen(node->text) > CTR_TRIED_NAME_MOST)
        return false;
    for (const char *c = node->text; *c != '\0'; c++) {
        if (*c < ' ' || *c > '~')
            return false;
    }
    tried->name = pstrdup(node->text);
    return node->text[0] != '\0';
}

/* A number from 0 to `most`; null, which is NaN, where it may be. */
static bool
read_number(double *value, const CtrJsonNode *node, double most, bool may_be_null)
{
    char *end;

    if (node != NULL && node->type == JSON_TOKEN_NULL) {
        *value = NAN;
        return may_be_null;
    }
    if (node == NULL || node->type != JSON_TOKEN_NUMBER)
        return false;
    *value = strtod(node->text, &end);
    return *end == '\0' && *value >= 0 && *value <= most;
}

static bool
read_setting(CtrTried *tried, const CtrJsonNode *node)
{
    double epochs;

    if (!read_name(tried, json_member(node, "setting")) ||
        !read_number(&epochs, json_member(node, "epochs"), CTR_MODEL_EPOCHS_MOST, false) ||
        !read_number(&tried->val_loss, json_member(node, "val_loss"), LOSS_LARGEST, true) ||
        !read_number(&tried->val_auc, json_member(node, "val_auc"), 1, true))
        return false;
    tried->epochs = (int)epochs;
    return epochs == floor(epochs);
}

/* Adds one of an array's elements. */
static bool
take_setting(CtrModel *model, const CtrJsonNode *node)
{
    const CtrJsonNode *chosen = json_member(node, "chosen");

    if (chosen == NULL || (chosen->type != JSON_TOKEN_TRUE && chosen->type != JSON_TOKEN_FALSE))
        return false;
    if (chosen->type == JSON_TOKEN_TRUE)
        model->chosen = model->n_tried;
    return read_setting(&model->tried[model->n_tried++], node);
}

bool
tried_read(CtrModel *model, const CtrJsonNode *tried)
{
    MemoryContext old = MemoryContextSwitchTo(model->context);
    bool good = tried->type == JSON_TOKEN_ARRAY_START && tried->first != NULL;
    int n = 0, chosen = 0;

    for (const CtrJsonNode *node = good ? tried->first : NULL; node != NULL; node = node->next, n++) {
        const CtrJsonNode *mark = json_member(node, "chosen");

        chosen += mark != NULL && mark->type == JSON_TOKEN_TRUE;
    }
    good = good && n <= CTR_TRIED_MOST && chosen == 1;
    model->tried = palloc0(sizeof(CtrTried) * Max(good ? n : 0, 1));
    for (const CtrJsonNode *node = tried->first; good && node != NULL; node = node->next)
        good = take_setting(model, node);
    MemoryContextSwitchTo(old);
    return good;
}
