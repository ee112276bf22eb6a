/*
 * errors.c: errors about options: values that they do not allow, keys that there are not, or not for this
 * architecture; each with what there is instead.
 */
#include "options/table.h"

#include "common/shortest_dec.h"
#include "mb/pg_wchar.h"

#include "nn/arch/arch.h"

/* a JSON value as an error message shows it */
static char *
value_text(const JsonbValue *value)
{
    Jsonb *json = JsonbValueToJsonb(unconstify(JsonbValue *, value));
    char *text = JsonbToCString(NULL, &json->root, VARSIZE(json));
    int length = (int)strlen(text);
    int shown = pg_mbcliplen(text, length, 60);

    return shown < length ? psprintf("%.*s...", shown, text) : text;
}

char *
option_allowed_text(const OptionSpec *spec)
{
    StringInfoData text;

    switch (spec->type) {
    case OPTION_INTEGER:
        return psprintf("an integer between %.0f and %.0f", spec->low, spec->high);
    case OPTION_NUMBER:
        return psprintf("a number between %s and %s", double_to_shortest_decimal(spec->low),
                        double_to_shortest_decimal(spec->high));
    case OPTION_BOOLEAN:
        return pstrdup("true or false");
    case OPTION_COLUMN:
        return pstrdup("a column's name");
    case OPTION_COLUMNS:
        return pstrdup("an array of column names");
    case OPTION_WIDTHS:
        return psprintf("an array of 1 to %d integers between %.0f and %.0f", NN_MAX_MLP, spec->low,
                        spec->high);
    case OPTION_NAMED:
    case OPTION_CROSSES:
        break;
    }
    initStringInfo(&text);
    appendStringInfoString(&text, "one of ");
    for (const OptionName *name = spec->names; name->name != NULL; name++)
        appendStringInfo(&text, "%s\"%s\"", name == spec->names ? "" : ", ", name->name);
    if (spec->type == OPTION_CROSSES)
        appendStringInfo(&text, ", or an array of at most %.0f pairs [\"column\", \"column\"]", spec->high);
    return text.data;
}

void
option_value_error(const OptionSpec *spec, const JsonbValue *value)
{
    const char *near = NULL;

    if ((spec->type == OPTION_NAMED || spec->type == OPTION_CROSSES) && value->type == jbvString) {
        const char *words[8], *word;
        int n = 0;

        while (spec->names[n].name != NULL) {
            words[n] = spec->names[n].name;
            n++;
        }
        word = pnstrdup(value->val.string.val, value->val.string.len);
        near = nearest_word(word, words, n, few_letters(word));
    }
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("invalid value for option \"%s\": %s", spec->key, value_text(value)),
                    errdetail("\"%s\" (%s) must be %s.", spec->key, spec->help, option_allowed_text(spec)),
                    near != NULL ? errhint("Perhaps you meant \"%s\".", near) : 0));
}

/* the keys of an architecture's options, for a reader */
static char *
keys_text(NnArchitecture architecture)
{
    StringInfoData text;

    initStringInfo(&text);
    for (int i = 0; i < n_option_specs; i++) {
        if (option_specs[i].architectures & (1 << architecture))
            appendStringInfo(&text, "%s%s", text.len > 0 ? ", " : "", option_specs[i].key);
    }
    return text.data;
}

/*
 * The nearest key: one that differs in a few letters, else one that contains the word, else the one with
 * the smallest distance.
 */
static const char *
nearest_key(NnArchitecture architecture, const char *word)
{
    const char **keys = palloc(sizeof(char *) * n_option_specs), *near;
    int n = 0;

    for (int i = 0; i < n_option_specs; i++) {
        if (option_specs[i].architectures & (1 << architecture))
            keys[n++] = option_specs[i].key;
    }
    near = nearest_word(word, keys, n, few_letters(word));
    for (int i = 0; near == NULL && word[0] != '\0' && i < n; i++)
        near = strstr(keys[i], word) ? keys[i] : NULL;
    return near ? near : nearest_word(word, keys, n, NAMEDATALEN);
}

void
option_unknown_error(const CtrOptions *options, const char *key, const JsonbValue *value)
{
    const char *near = nearest_key(options->net.architecture, key);

    ereport(ERROR,
            (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
             errmsg("unknown option \"%s\" (value %s)", key, value_text(value)),
             errdetail("The options of architecture \"%s\" are: %s.",
                       nn_arch(options->net.architecture)->name, keys_text(options->net.architecture)),
             near != NULL
                 ? errhint("The nearest option is \"%s\". SELECT * FROM ctr_options() explains all.", near)
                 : errhint("SELECT * FROM ctr_options() explains all options.")));
}

/* the names of the architectures that have the option, for a reader */
static char *
architectures_text(const OptionSpec *spec)
{
    StringInfoData text;

    initStringInfo(&text);
    for (int i = 0; i < NN_ARCHITECTURES; i++) {
        if (spec->architectures & (1 << i))
            appendStringInfo(&text, "%s\"%s\"", text.len > 0 ? ", " : "", nn_arch((NnArchitecture)i)->name);
    }
    return text.data;
}

void
option_foreign_error(const CtrOptions *options, const OptionSpec *spec, const JsonbValue *value)
{
    const bool one = (spec->architectures & (spec->architectures - 1)) == 0;

    ereport(ERROR,
            (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
             errmsg("option \"%s\" (value %s) does not belong to architecture \"%s\"", spec->key,
                    value_text(value), nn_arch(options->net.architecture)->name),
             errdetail("The options of architecture \"%s\" are: %s.",
                       nn_arch(options->net.architecture)->name, keys_text(options->net.architecture)),
             errhint("It is an option of architecture%s %s.", one ? "" : "s", architectures_text(spec))));
}
