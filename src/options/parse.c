/*
 * parse.c: what a user may set: reading, checking, explaining and writing options, all of it by loops over
 * the table of table.c.
 */
#include "options/table.h"

#include <math.h>

#include "common/shortest_dec.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/varlena.h"

#include "nn/arch/arch.h"

static const int default_mlp_layers[] = {128, 64, 32};

/* ------------------------------------------------------------------ specs and defaults */

const OptionSpec *
option_find(const char *key)
{
    for (int i = 0; i < n_option_specs; i++) {
        if (strcmp(option_specs[i].key, key) == 0)
            return &option_specs[i];
    }
    return NULL;
}

void
options_set_defaults(CtrOptions *options)
{
    bool reference = options->recipe == CTR_RECIPE_REFERENCE;
    int n_classes = options->net.n_classes;

    for (int i = 0; i < n_option_specs; i++) {
        const OptionSpec *spec = &option_specs[i];

        if (spec->offset != offsetof(CtrOptions, net.architecture) &&
            spec->offset != offsetof(CtrOptions, recipe))
            option_set(options, spec, reference ? spec->reference : spec->robust[options->net.architecture]);
    }
    if (n_classes > 1)
        options->target_statistics = false; /* unless it is asked for, which is an error */
    options->label = pstrdup("label");
    options->net.n_mlp = lengthof(default_mlp_layers);
    memcpy(options->net.mlp_layers, default_mlp_layers, sizeof(default_mlp_layers));
}

/* ------------------------------------------------------------------ errors */

/* The nearest of n words to `word`, fewer than `most` letters away; NULL: none is. */
static const char *
nearest_word(const char *word, const char **words, int n, int most)
{
    const char *nearest = NULL;
    int length = (int)strlen(word);

    if (length > NAMEDATALEN)
        return NULL;
    for (int i = 0; i < n; i++) {
        int distance =
            varstr_levenshtein_less_equal(word, length, words[i], (int)strlen(words[i]), 1, 1, 1, most, true);

        if (distance < most) {
            most = distance;
            nearest = words[i];
        }
    }
    return nearest;
}

/* How many letters may be wrong in a word that is meant. */
static int
few_letters(const char *word)
{
    return Min(4, (int)strlen(word) / 2 + 1);
}

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
        break;
    }
    initStringInfo(&text);
    appendStringInfoString(&text, "one of ");
    for (const OptionName *name = spec->names; name->name != NULL; name++)
        appendStringInfo(&text, "%s\"%s\"", name == spec->names ? "" : ", ", name->name);
    return text.data;
}

static void
value_error(const OptionSpec *spec, const JsonbValue *value)
{
    const char *near = NULL;

    if (spec->type == OPTION_NAMED && value->type == jbvString) {
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
 * The nearest valid key: one with few other letters, else one that has the word in it, else the least far
 * one.
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

static void
unknown_key_error(const CtrOptions *options, const char *key, const JsonbValue *value)
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

/* an option of another architecture */
static void
foreign_key_error(const CtrOptions *options, const OptionSpec *spec, const JsonbValue *value)
{
    NnArchitecture other = 0;

    while (!(spec->architectures & (1 << other)))
        other++;

    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("option \"%s\" (value %s) does not belong to architecture \"%s\"", spec->key,
                           value_text(value), nn_arch(options->net.architecture)->name),
                    errdetail("The options of architecture \"%s\" are: %s.",
                              nn_arch(options->net.architecture)->name, keys_text(options->net.architecture)),
                    errhint("It is an option of architecture \"%s\".", nn_arch(other)->name)));
}

/* ------------------------------------------------------------------ reading */

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
    }
    return false;
}

static void
option_take(CtrOptions *options, const OptionSpec *spec, const JsonbValue *value)
{
    if (value->type != jbvNull && !option_read(options, spec, value))
        value_error(spec, value);
}

/* Takes one option before the others, because their meaning depends on it. */
static void
option_take_first(CtrOptions *options, const Jsonb *json, const char *name)
{
    JsonbValue key = {.type = jbvString};
    JsonbValue *value;

    key.val.string.val = unconstify(char *, name);
    key.val.string.len = (int)strlen(name);
    value = findJsonbValueFromContainer(unconstify(JsonbContainer *, &json->root), JB_FOBJECT, &key);
    if (value != NULL)
        option_take(options, option_find(name), value);
}

/* Takes all options that json gives. */
static void
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
                unknown_key_error(options, key, &value);
            if (!(spec->architectures & (1 << options->net.architecture)))
                foreign_key_error(options, spec, &value);
            option_take(options, spec, &value);
        }
    }
}

/* Of options that do not go on from a model, which would be contradicted first. */
static void
check_statistics(const CtrOptions *options)
{
    if (options->target_statistics && options->net.n_classes > 1)
        ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                        errmsg("option \"target_statistics\" cannot be true with n_classes = %d",
                               options->net.n_classes),
                        errdetail("Target statistics are there for labels 0 and 1 only.")));
}

static void
check_object(const Jsonb *json)
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
        check_object(json);
        option_take_first(options, json, "architecture");
        option_take_first(options, json, "recipe");
        option_take_first(options, json, "n_classes");
    }
    options_set_defaults(options);
    if (json != NULL)
        options_take(options, json);
    check_statistics(options);
}

/* ------------------------------------------------------------------ writing */

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

/* ------------------------------------------------------------------ going on from a model */

/* Does the option describe what a model's tensors are, so that they would not fit another value? */
static bool
option_shapes_model(const OptionSpec *spec)
{
    return (spec->offset < offsetof(CtrOptions, net) + sizeof(NnConfig) &&
            spec->offset != offsetof(CtrOptions, net.mlp_dropout)) ||
           spec->offset == offsetof(CtrOptions, numerical_transform) ||
           spec->offset == offsetof(CtrOptions, numerical_buckets) ||
           spec->offset == offsetof(CtrOptions, target_statistics);
}

static void
check_continues(const CtrOptions *options, const CtrOptions *given, const OptionSpec *spec)
{
    StringInfoData wanted, had;

    initStringInfo(&wanted);
    initStringInfo(&had);
    option_append(&wanted, options, spec);
    option_append(&had, given, spec);
    if (strcmp(wanted.data, had.data) != 0)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("option \"%s\" is %s, but the model to go on from has %s", spec->key,
                               wanted.data, had.data),
                        errhint("Leave the option out, or train a new model.")));
}

/* Another recipe than the model's: what it says of the training, not of the model. */
static void
options_set_training_defaults(CtrOptions *options, const CtrOptions *given)
{
    options_set_defaults(options);
    for (int i = 0; i < n_option_specs; i++) {
        const OptionSpec *spec = &option_specs[i];

        if (option_shapes_model(spec) || spec->type == OPTION_COLUMN)
            memcpy((char *)options + spec->offset, (const char *)given + spec->offset, spec->size);
    }
    options->net = given->net;
}

void
options_check_continues(CtrOptions *options, const Jsonb *json, const CtrOptions *given)
{
    const OptionSpec *architecture = option_find("architecture");

    *options = *given;
    if (json != NULL) {
        check_object(json);
        option_take_first(options, json, "architecture");
        option_take_first(options, json, "recipe");
    }
    check_continues(options, given, architecture);
    if (options->recipe != given->recipe)
        options_set_training_defaults(options, given);
    options->numerical = options->categorical = options->ignore = (CtrNameList){0};
    if (json != NULL)
        options_take(options, json);
    for (int i = 0; i < n_option_specs; i++) {
        if ((option_specs[i].architectures & (1 << given->net.architecture)) &&
            option_shapes_model(&option_specs[i]))
            check_continues(options, given, &option_specs[i]);
    }
}

void
options_inherit_lists(CtrOptions *options, const CtrOptions *given)
{
    if (!options->numerical.given)
        options->numerical = given->numerical;
    if (!options->categorical.given)
        options->categorical = given->categorical;
    if (!options->ignore.given)
        options->ignore = given->ignore;
}
