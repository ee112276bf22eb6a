/* record_value.c: reads one value of the options in a model's bytes (record.c). */
#include "model/record.h"

#include <math.h>
#include <stdlib.h>

static bool
read_number(const OptionSpec *spec, const CtrJsonNode *node, double *value)
{
    char *end;

    if (node->type != JSON_TOKEN_NUMBER)
        return false;
    *value = strtod(node->text, &end);
    return *end == '\0' && *value >= spec->low && *value <= spec->high;
}

static bool
read_named(const OptionSpec *spec, const CtrJsonNode *node, double *value)
{
    if (node->type != JSON_TOKEN_STRING)
        return false;
    for (const OptionName *name = spec->names; name->name != NULL; name++) {
        if (strcmp(name->name, node->text) == 0) {
            *value = name->value;
            return true;
        }
    }
    return false;
}

static bool
read_widths(NnConfig *net, const OptionSpec *spec, const CtrJsonNode *node)
{
    int n = 0;

    if (node->type != JSON_TOKEN_ARRAY_START)
        return false;
    for (const CtrJsonNode *element = node->first; element != NULL; element = element->next) {
        double width;

        if (n == NN_MAX_MLP || !read_number(spec, element, &width) || width != floor(width))
            return false;
        net->mlp_layers[n++] = (int)width;
    }
    net->n_mlp = n;
    return n > 0;
}

/* A column's name; null where none was given. */
static bool
read_column(char **column, const CtrJsonNode *node)
{
    if (node->type != JSON_TOKEN_NULL && (node->type != JSON_TOKEN_STRING || node->text[0] == '\0'))
        return false;
    *column = node->type == JSON_TOKEN_NULL ? NULL : pstrdup(node->text);
    return true;
}

static bool
read_columns(CtrNameList *list, const CtrJsonNode *node)
{
    *list = (CtrNameList){.given = node->type != JSON_TOKEN_NULL};
    return !list->given || json_tree_strings(node, &list->n, &list->names);
}

static bool
read_crosses(CtrCrossOption *crosses, const OptionSpec *spec, const CtrJsonNode *node)
{
    double kind;
    int n = 0, two;
    char **names;

    if (read_named(spec, node, &kind)) {
        *crosses = (CtrCrossOption){.kind = (CtrCrossesKind)kind};
        return true;
    }
    if (node->type != JSON_TOKEN_ARRAY_START)
        return false;
    for (const CtrJsonNode *pair = node->first; pair != NULL; pair = pair->next)
        n++;
    if (n > spec->high)
        return false;
    *crosses =
        (CtrCrossOption){.kind = CTR_CROSSES_GIVEN, .pairs = palloc(sizeof(CtrCrossNames) * Max(n, 1))};
    for (const CtrJsonNode *pair = node->first; pair != NULL; pair = pair->next) {
        if (!json_tree_strings(pair, &two, &names) || two != 2)
            return false;
        memcpy(crosses->pairs[crosses->n++].columns, names, sizeof(crosses->pairs->columns));
    }
    return true;
}

bool
record_read_value(CtrOptions *options, const OptionSpec *spec, const CtrJsonNode *node)
{
    char *member = (char *)options + spec->offset;
    double value = 0;
    bool good = false;

    switch (spec->type) {
    case OPTION_INTEGER:
        good = read_number(spec, node, &value) && value == floor(value);
        break;
    case OPTION_NUMBER:
        good = read_number(spec, node, &value);
        break;
    case OPTION_BOOLEAN:
        value = node->type == JSON_TOKEN_TRUE;
        good = node->type == JSON_TOKEN_TRUE || node->type == JSON_TOKEN_FALSE;
        break;
    case OPTION_NAMED:
        good = read_named(spec, node, &value);
        break;
    case OPTION_COLUMN:
        return read_column((char **)member, node);
    case OPTION_COLUMNS:
        return read_columns((CtrNameList *)member, node);
    case OPTION_WIDTHS:
        return read_widths(&options->net, spec, node);
    case OPTION_CROSSES:
        return read_crosses((CtrCrossOption *)member, spec, node);
    }
    if (good)
        option_set(options, spec, value);
    return good;
}
