/*
 * value.c: a member of CtrOptions as a table's row describes it: set, read, and written as JSON.
 */
#include "options/table.h"

#include "common/shortest_dec.h"
#include "utils/json.h"

void
option_set(CtrOptions *options, const OptionSpec *spec, double value)
{
    char *member = (char *)options + spec->offset;

    switch (spec->type) {
    case OPTION_INTEGER:
    case OPTION_NAMED:
    case OPTION_BOOLEAN:
        if (spec->size == sizeof(int64))
            *(int64 *)member = (int64)value;
        else if (spec->size == sizeof(int))
            *(int *)member = (int)value;
        else
            *(bool *)member = value != 0;
        break;
    case OPTION_NUMBER:
        if (spec->size == sizeof(double))
            *(double *)member = value;
        else
            *(float *)member = (float)value;
        break;
    case OPTION_COLUMN:
    case OPTION_COLUMNS:
    case OPTION_WIDTHS:
        break;
    }
}

int64
option_integer(const CtrOptions *options, const OptionSpec *spec)
{
    const char *member = (const char *)options + spec->offset;

    if (spec->size == sizeof(int64))
        return *(const int64 *)member;
    if (spec->size == sizeof(int))
        return *(const int *)member;
    return *(const bool *)member;
}

static void
append_number(StringInfo text, const CtrOptions *options, const OptionSpec *spec)
{
    const char *member = (const char *)options + spec->offset;
    char digits[Max(DOUBLE_SHORTEST_DECIMAL_LEN, FLOAT_SHORTEST_DECIMAL_LEN)];

    if (spec->size == sizeof(double))
        double_to_shortest_decimal_buf(*(const double *)member, digits);
    else
        float_to_shortest_decimal_buf(*(const float *)member, digits);
    appendStringInfoString(text, digits);
}

void
option_append(StringInfo text, const CtrOptions *options, const OptionSpec *spec)
{
    const char *member = (const char *)options + spec->offset;

    switch (spec->type) {
    case OPTION_INTEGER:
        appendStringInfo(text, INT64_FORMAT, option_integer(options, spec));
        break;
    case OPTION_NUMBER:
        append_number(text, options, spec);
        break;
    case OPTION_BOOLEAN:
        appendStringInfoString(text, option_integer(options, spec) ? "true" : "false");
        break;
    case OPTION_NAMED: {
        const OptionName *name = spec->names;

        while (name->value != option_integer(options, spec))
            name++;
        escape_json(text, name->name);
        break;
    }
    case OPTION_COLUMN:
        if (*(char *const *)member != NULL)
            escape_json(text, *(char *const *)member);
        else
            appendStringInfoString(text, "null");
        break;
    case OPTION_COLUMNS:
        if (((const CtrNameList *)member)->given)
            json_append_strings(text, ((const CtrNameList *)member)->names, ((const CtrNameList *)member)->n);
        else
            appendStringInfoString(text, "null");
        break;
    case OPTION_WIDTHS:
        for (int i = 0; i < options->net.n_mlp; i++)
            appendStringInfo(text, "%c%d", i == 0 ? '[' : ',', options->net.mlp_layers[i]);
        appendStringInfoChar(text, ']');
        break;
    }
}
