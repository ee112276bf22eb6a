/* write.c: options as JSON: one of them, and all. */
#include "options/table.h"

#include "common/shortest_dec.h"
#include "utils/json.h"

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
    case OPTION_CROSSES:
        if (((const CtrCrossOption *)member)->kind == CTR_CROSSES_GIVEN) {
            crosses_append(text, (const CtrCrossOption *)member);
            break;
        }
        /* FALLTHROUGH */
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

Jsonb *
options_to_jsonb(const CtrOptions *options)
{
    StringInfoData text;

    initStringInfo(&text);
    for (int i = 0; i < n_option_specs; i++) {
        if (option_specs[i].architectures & (1 << options->net.architecture)) {
            appendStringInfo(&text, "%c\"%s\":", i == 0 ? '{' : ',', option_specs[i].key);
            option_append(&text, options, &option_specs[i]);
        }
    }
    appendStringInfoChar(&text, '}');
    return jsonb_from_text(text.data);
}
