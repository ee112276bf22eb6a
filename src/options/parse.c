/*
 * parse.c: reads the options that a user gives as JSON, by a loop over the table of table.c, and checks them.
 * How to go on from a model is in continue.c, what is not given in defaults.c.
 */
#include "options/table.h"

#include <math.h>

#include "utils/builtins.h"

/* ±infinity for what float8 cannot hold, so that range checks see it */
static double
jsonb_number(const JsonbValue *value)
{
    return DatumGetFloat8(
        DirectFunctionCall1(numeric_float8_no_overflow, NumericGetDatum(value->val.numeric)));
}

static bool
is_integer_between(const JsonbValue *value, double low, double high)
{
    double number;

    if (value->type != jbvNumeric)
        return false;
    number = jsonb_number(value);
    return number >= low && number <= high && number == floor(number);
}

static bool
read_widths(CtrOptions *options, const OptionSpec *spec, const JsonbValue *value)
{
    int n;
    JsonbValue *elements = jsonb_elements(value, &n);

    if (elements == NULL || n < 1 || n > NN_MAX_MLP)
        return false;
    for (int i = 0; i < n; i++) {
        if (!is_integer_between(&elements[i], spec->low, spec->high))
            return false;
        options->net.mlp_layers[i] = (int)jsonb_number(&elements[i]);
    }
    options->net.n_mlp = n;
    return true;
}

static bool
read_named(CtrOptions *options, const OptionSpec *spec, const JsonbValue *value)
{
    if (value->type != jbvString)
        return false;
    for (const OptionName *name = spec->names; name->name != NULL; name++) {
        if (strlen(name->name) == (size_t)value->val.string.len &&
            memcmp(name->name, value->val.string.val, value->val.string.len) == 0) {
            option_set(options, spec, name->value);
            return true;
        }
    }
    return false;
}

static bool
read_columns(CtrNameList *list, const JsonbValue *value)
{
    list->given = true;
    if (!jsonb_strings(value, &list->n, &list->names))
        return false;
    for (int i = 0; i < list->n; i++) {
        if (list->names[i][0] == '\0')
            return false;
    }
    return true;
}

/* false: not what the spec allows */
static bool
option_read(CtrOptions *options, const OptionSpec *spec, const JsonbValue *value)
{
    char *member = (char *)options + spec->offset;

    switch (spec->type) {
    case OPTION_INTEGER:
        if (!is_integer_between(value, spec->low, spec->high))
            return false;
        option_set(options, spec, jsonb_number(value));
        return true;
    case OPTION_NUMBER: {
        double number = value->type == jbvNumeric ? jsonb_number(value) : NAN;

        if (!(number >= spec->low && number <= spec->high))
            return false;
        option_set(options, spec, number);
        return true;
    }
    case OPTION_BOOLEAN:
        if (value->type != jbvBool)
            return false;
        option_set(options, spec, value->val.boolean);
        return true;
    case OPTION_NAMED:
        return read_named(options, spec, value);
    case OPTION_COLUMN:
        if (value->type != jbvString || value->val.string.len == 0)
            return false;
        *(char **)member = pnstrdup(value->val.string.val, value->val.string.len);
        return true;
    case OPTION_COLUMNS:
        return read_columns((CtrNameList *)member, value);
    case OPTION_WIDTHS:
        return read_widths(options, spec, value);
    case OPTION_CROSSES:
        return read_named(options, spec, value) || crosses_read((CtrCrossOption *)member, value);
    }
    return false;
}

static void
option_take(CtrOptions *options, const OptionSpec *spec, const JsonbValue *value)
{
    if (value->type == jbvNull)
        return;
    if (!option_read(options, spec, value))
        option_value_error(spec, value);
    options->given |= UINT64CONST(1) << (spec - option_specs);
}

void
options_take_first(CtrOptions *options, const Jsonb *json, const char *name)
{
    JsonbValue key = {.type = jbvString};
    JsonbValue *value;

    key.val.string.val = unconstify(char *, name);
    key.val.string.len = (int)strlen(name);
    value = findJsonbValueFromContainer(unconstify(JsonbContainer *, &json->root), JB_FOBJECT, &key);
    if (value != NULL)
        option_take(options, option_find(name), value);
}

void
options_take(CtrOptions *options, const Jsonb *json)
{
    JsonbIterator *iterator = JsonbIteratorInit(unconstify(JsonbContainer *, &json->root));
    JsonbIteratorToken token;
    JsonbValue value;
    char *key = NULL;

    while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE) {
        if (token == WJB_KEY) {
            key = pnstrdup(value.val.string.val, value.val.string.len);
        } else if (token == WJB_VALUE) {
            const OptionSpec *spec = option_find(key);

            if (spec == NULL)
                option_unknown_error(options, key, &value);
            if (!(spec->architectures & (1 << options->net.architecture)))
                option_foreign_error(options, spec, &value);
            option_take(options, spec, &value);
        }
    }
}

/* What keeps settings from being compared; NULL: nothing. */
static const char *
not_comparable(const CtrOptions *options)
{
    if (options->epochs < 2)
        return psprintf("epochs is %d, and only trainings of two epochs or more are compared.",
                        options->epochs);
    if (options->validation_column == NULL && options->validation == 0)
        return "No rows validate: validation is 0.";
    return NULL;
}

/* By default, what cannot be compared is not; asking for it is an error. */
static void
check_candidates(CtrOptions *options)
{
    const char *obstacle = not_comparable(options);

    if (options->candidates == 1 || obstacle == NULL)
        return;
    if (option_given(options, option_find("candidates")))
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("option \"candidates\" cannot be %d here", options->candidates),
                        errdetail("%s", obstacle), errhint("Leave the option out, or set it to 1.")));
    options->candidates = 1;
}

/* Not for options that go on from a model: there a contradiction to the model is reported first. */
static void
check_together(CtrOptions *options)
{
    check_candidates(options);
    crosses_check(&options->crosses);
    if (options->crosses.kind == CTR_CROSSES_AUTO && options->net.n_classes > 1)
        ereport(ERROR,
                (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                 errmsg("option \"crosses\" cannot be \"auto\" with n_classes = %d", options->net.n_classes),
                 errdetail("Pairs are chosen for labels 0 and 1 only."),
                 errhint("Name the pairs of columns, or leave the option out.")));
    if (options->target_statistics && options->net.n_classes > 1)
        ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                        errmsg("option \"target_statistics\" cannot be true with n_classes = %d",
                               options->net.n_classes),
                        errdetail("Target statistics are there for labels 0 and 1 only.")));
}

void
options_check_object(const Jsonb *json)
{
    if (!JB_ROOT_IS_OBJECT(json))
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("options must be a JSON object"),
                        errhint("Write them as ctr_deepcross() || ctr_fit(), or as in '{\"epochs\": 10}'.")));
}

void
options_parse(CtrOptions *options, const Jsonb *json)
{
    memset(options, 0, sizeof(*options));
    options->net.architecture = NN_DEEPCROSS;
    options->recipe = CTR_RECIPE_ROBUST;
    if (json != NULL) {
        options_check_object(json);
        options_take_first(options, json, "architecture");
        options_take_first(options, json, "recipe");
        options_take_first(options, json, "n_classes");
    }
    options_set_defaults(options);
    if (json != NULL)
        options_take(options, json);
    check_together(options);
}
