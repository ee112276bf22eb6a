/*
 * sql.c: the functions that make and explain options in SQL. One for each architecture, and ctr_fit, turn
 * their arguments into a JSON object under the arguments' names, and ctr_options() lists what there is. What
 * a value may be is known to parse.c alone, which checks the result.
 *
 * The builders are IMMUTABLE: no setting, such as extra_float_digits, may change a digit of what they write.
 */
#include "options/table.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "common/shortest_dec.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/syscache.h"

#include "nn/arch/arch.h"
#include "srf.h"

/* ------------------------------------------------------------------ from arguments to JSON */

/* JSON has no NaN or infinity: a string, which the parser then shows in its error. */
static void
append_float(StringInfo json, double value)
{
    if (isfinite(value))
        appendStringInfoString(json, double_to_shortest_decimal(value));
    else
        escape_json(json, double_to_shortest_decimal(value));
}

/* A text, which for "crosses" may be an array in JSON. */
static void
append_text(StringInfo json, const OptionSpec *spec, const char *text)
{
    if (spec->type == OPTION_CROSSES && text[0] == '[')
        appendStringInfoString(json, text);
    else
        escape_json(json, text);
}

/*
 * A value of one of the types that the builders' arguments have; arrays are of integers or texts, of any
 * shape.
 */
static void
append_argument(StringInfo json, const OptionSpec *spec, Oid type, Datum value)
{
    switch (type) {
    case INT4OID:
        appendStringInfo(json, "%d", DatumGetInt32(value));
        break;
    case INT8OID:
        appendStringInfo(json, INT64_FORMAT, DatumGetInt64(value));
        break;
    case FLOAT8OID:
        append_float(json, DatumGetFloat8(value));
        break;
    case BOOLOID:
        appendStringInfoString(json, DatumGetBool(value) ? "true" : "false");
        break;
    case TEXTOID:
        append_text(json, spec, TextDatumGetCString(value));
        break;
    case INT4ARRAYOID:
    case TEXTARRAYOID:
        appendStringInfoString(json, TextDatumGetCString(DirectFunctionCall1(array_to_json, value)));
        break;
    default:
        elog(ERROR, "type %u is not one of an option", type);
    }
}

/*
 * The options that the call of a builder gives: its arguments that are not NULL, by their names.
 * architecture: what the function stands for; NULL: none. Error 22023 for what the parser refuses.
 */
static Jsonb *
options_of_call(FunctionCallInfo fcinfo, const char *architecture)
{
    HeapTuple function = SearchSysCache1(PROCOID, ObjectIdGetDatum(fcinfo->flinfo->fn_oid));
    StringInfoData json;
    CtrOptions options;
    Jsonb *result;
    Oid *types;
    char **names, *modes;

    if (!HeapTupleIsValid(function) || get_func_arg_info(function, &types, &names, &modes) != PG_NARGS())
        elog(ERROR, "function %u is not a builder of options", fcinfo->flinfo->fn_oid);
    initStringInfo(&json);
    appendStringInfoChar(&json, '{');
    if (architecture != NULL)
        appendStringInfo(&json, "\"architecture\":\"%s\"", architecture);
    for (int i = 0; i < PG_NARGS(); i++) {
        if (PG_ARGISNULL(i))
            continue;
        if (json.len > 1)
            appendStringInfoChar(&json, ',');
        escape_json(&json, names[i]);
        appendStringInfoChar(&json, ':');
        append_argument(&json, option_find(names[i]), types[i], PG_GETARG_DATUM(i));
    }
    appendStringInfoChar(&json, '}');
    ReleaseSysCache(function);
    result = jsonb_from_text(json.data);
    options_parse(&options, result);
    return result;
}

/* CREATE FUNCTION ctr_deepcross(cross_type text, n_cross integer, …) RETURNS jsonb */
PG_FUNCTION_INFO_V1(ctr_deepcross);
Datum
ctr_deepcross(PG_FUNCTION_ARGS)
{
    PG_RETURN_JSONB_P(options_of_call(fcinfo, nn_arch(NN_DEEPCROSS)->name));
}

/* CREATE FUNCTION ctr_fibinet(d_embed integer, mlp_layers integer[], …) RETURNS jsonb */
PG_FUNCTION_INFO_V1(ctr_fibinet);
Datum
ctr_fibinet(PG_FUNCTION_ARGS)
{
    PG_RETURN_JSONB_P(options_of_call(fcinfo, nn_arch(NN_FIBINET)->name));
}

/* CREATE FUNCTION ctr_deepfm(d_embed integer, mlp_layers integer[], …) RETURNS jsonb */
PG_FUNCTION_INFO_V1(ctr_deepfm);
Datum
ctr_deepfm(PG_FUNCTION_ARGS)
{
    PG_RETURN_JSONB_P(options_of_call(fcinfo, nn_arch(NN_DEEPFM)->name));
}

/* CREATE FUNCTION ctr_wide_deep(d_embed integer, mlp_layers integer[], …) RETURNS jsonb */
PG_FUNCTION_INFO_V1(ctr_wide_deep);
Datum
ctr_wide_deep(PG_FUNCTION_ARGS)
{
    PG_RETURN_JSONB_P(options_of_call(fcinfo, nn_arch(NN_WIDE_DEEP)->name));
}

/* CREATE FUNCTION ctr_fit(label text, weight text, …) RETURNS jsonb */
PG_FUNCTION_INFO_V1(ctr_fit);
Datum
ctr_fit(PG_FUNCTION_ARGS)
{
    PG_RETURN_JSONB_P(options_of_call(fcinfo, NULL));
}

/* ------------------------------------------------------------------ checking, listing */

/* CREATE FUNCTION ctr_options(jsonb) RETURNS jsonb: checks options and returns them as they came */
PG_FUNCTION_INFO_V1(ctr_options);
Datum
ctr_options(PG_FUNCTION_ARGS)
{
    CtrOptions options;

    options_parse(&options, PG_GETARG_JSONB_P(0));
    PG_RETURN_DATUM(PG_GETARG_DATUM(0));
}

/* The option's value in a recipe of an architecture; *null: it has none. */
static Datum
recipe_value(const OptionSpec *spec, const char *architecture, const char *recipe, bool *null)
{
    CtrOptions options;
    StringInfoData text;

    initStringInfo(&text);
    appendStringInfo(&text, "{\"architecture\":\"%s\",\"recipe\":\"%s\"}", architecture, recipe);
    options_parse(&options, jsonb_from_text(text.data));
    resetStringInfo(&text);
    option_append(&text, &options, spec);
    *null = strcmp(text.data, "null") == 0;
    return JsonbPGetDatum(jsonb_from_text(text.data));
}

/* the architectures, a set of 1 << NnArchitecture, that have the option with the same default as this one */
static int
alike_by_default(const OptionSpec *spec, NnArchitecture architecture)
{
    int alike = 0;

    for (int i = 0; i < NN_ARCHITECTURES; i++)
        if (spec->robust[i] == spec->robust[architecture])
            alike |= 1 << i;
    return alike & spec->architectures;
}

/* One row for the option in these architectures, a set of 1 << NnArchitecture, which share its values. */
static void
put_option(Tuplestorestate *rows, TupleDesc desc, const OptionSpec *spec, int architectures)
{
    const char *first = NULL;
    Datum names[sizeof(int) * BITS_PER_BYTE], values[6];
    bool nulls[6] = {false};
    int n = 0;

    for (const OptionName *name = option_find("architecture")->names; name->name != NULL; name++) {
        if (!(architectures & (1 << name->value)))
            continue;
        if (first == NULL)
            first = name->name;
        names[n++] = CStringGetTextDatum(name->name);
    }
    values[0] = CStringGetTextDatum(spec->key);
    values[1] = PointerGetDatum(construct_array(names, n, TEXTOID, -1, false, TYPALIGN_INT));
    values[2] = CStringGetTextDatum(option_allowed_text(spec));
    values[3] = recipe_value(spec, first, "robust", &nulls[3]);
    values[4] = recipe_value(spec, first, "reference", &nulls[4]);
    values[5] = CStringGetTextDatum(spec->help);
    tuplestore_putvalues(rows, desc, values, nulls);
}

/* CREATE FUNCTION ctr_options(OUT option text, …) RETURNS SETOF record: every option */
PG_FUNCTION_INFO_V1(ctr_options_list);
Datum
ctr_options_list(PG_FUNCTION_ARGS)
{
    TupleDesc desc;
    Tuplestorestate *rows = srf_begin(fcinfo, &desc);

    for (int i = 0; i < n_option_specs; i++) {
        const OptionSpec *spec = &option_specs[i];

        for (int architecture = 0; architecture < NN_ARCHITECTURES; architecture++) {
            const int alike = alike_by_default(spec, architecture);

            if ((alike & ((2 << architecture) - 1)) == 1 << architecture) /* the first of them */
                put_option(rows, desc, spec, alike);
        }
    }
    return (Datum)0;
}
