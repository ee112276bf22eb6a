/*
 * inspect.c: a model's inside as SQL sees it: configuration, history, features, tensors.
 */
#include "model/model.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/tuplestore.h"

#include "model/tried.h"
#include "nn/arch/arch.h"
#include "see/see.h"
#include "srf.h"

/* ------------------------------------------------------------------ arguments and results */

/* The outline of the model of argument 0, or of the prepared value, in a context that the caller deletes. */
static CtrModel *
argument_model(FunctionCallInfo fcinfo)
{
    MemoryContext scratch =
        AllocSetContextCreate(CurrentMemoryContext, "ctr model bytes", ALLOCSET_DEFAULT_SIZES);
    MemoryContext caller = MemoryContextSwitchTo(scratch);
    CtrValueBytes *bytes = value_bytes(PG_GETARG_DATUM(0));
    CtrModel *model;

    MemoryContextSwitchTo(caller);
    model = model_unpack_outline(bytes, false, caller);
    MemoryContextDelete(scratch);
    return model;
}

/* ------------------------------------------------------------------ ctr_config */

static void
append_name(StringInfo text, const char *key, const char *value)
{
    appendStringInfo(text, "\"%s\":", key);
    if (value != NULL)
        escape_json(text, value);
    else
        appendStringInfoString(text, "null");
    appendStringInfoChar(text, ',');
}

static void
append_features(StringInfo text, const char *key, const CtrFeature *features, int n)
{
    char **names = palloc(sizeof(char *) * Max(n, 1));

    for (int i = 0; i < n; i++)
        names[i] = features[i].name;
    appendStringInfo(text, "\"%s\":", key);
    json_append_strings(text, names, n);
}

/* The pairs of columns that are fields of their own. */
static void
append_crosses(StringInfo text, const CtrEncoder *encoder)
{
    appendStringInfoString(text, ",\"crosses\":[");
    for (int k = 0; k < encoder->n_crosses; k++) {
        const CtrFeature *columns = encoder->features + encoder->n_num;
        char *names[] = {columns[encoder->crosses[k].columns[0]].name,
                         columns[encoder->crosses[k].columns[1]].name};

        if (k > 0)
            appendStringInfoChar(text, ',');
        json_append_strings(text, names, 2);
    }
    appendStringInfoChar(text, ']');
}

/*
 * The network's inputs: the sizes that the constructor of the reference's class takes, and the names of
 * inputs that are not columns.
 */
static void
append_inputs(StringInfo text, const CtrModel *model)
{
    const CtrEncoder *encoder = model->encoder;
    const int n = encoder->d_cat;
    CtrFeature *fields = palloc(sizeof(CtrFeature) * Max(n, 2)),
               *statistics = palloc(sizeof(CtrFeature) * (Max(n, 2) + encoder->n_counted));

    appendStringInfo(text, ",\"inputs\":{\"d_numerical\":%d,\"categories\":[", encoder->d_num);
    for (int f = 0; f < n; f++) {
        fields[f].name = encoder_field_name(encoder, f);
        statistics[f].name = psprintf("%s.target_statistic", fields[f].name);
        if (f < model_net_config(model).n_cat)
            appendStringInfo(text, "%s%d", f > 0 ? "," : "", encoder->categories[f]);
    }
    if (encoder->sums_statistics) {
        statistics[0].name = "sum.target_statistic";
        statistics[1].name = "crosses.target_statistic";
    }
    for (int i = 0; i < encoder->n_counted; i++)
        statistics[encoder_first_count(encoder) - encoder->n_num + i].name =
            psprintf("%s.count", cross_name(encoder, cross_of_count(encoder, i)));
    appendStringInfoString(text, "],");
    append_features(text, "derived_numerical", statistics, encoder->d_num - encoder->n_num);
    appendStringInfoChar(text, ',');
    append_features(text, "derived_categorical", fields + encoder->n_cat,
                    model_net_config(model).n_cat - encoder->n_cat);
    append_crosses(text, encoder);
    appendStringInfoChar(text, '}');
}

/* For users, weights that came from elsewhere are loaded, whether or not rows have been seen with them. */
static const char *
weights_word(const CtrModel *model)
{
    return model->weights == CTR_WEIGHTS_TRAINED    ? "trained"
           : model->weights == CTR_WEIGHTS_INITIAL  ? "initial"
           : model->weights == CTR_WEIGHTS_VELOCITY ? "velocity"
                                                    : "loaded";
}

/* CREATE FUNCTION ctr_config(ctr_model) RETURNS jsonb */
PG_FUNCTION_INFO_V1(ctr_config);
Datum
ctr_config(PG_FUNCTION_ARGS)
{
    CtrModel *model = argument_model(fcinfo);
    const CtrOptions *options = &model->options;
    const CtrEncoder *encoder = model->encoder;
    Jsonb *all = options_to_jsonb(options);
    StringInfoData text;
    Jsonb *config;

    initStringInfo(&text);
    appendStringInfo(&text,
                     "{\"architecture\":\"%s\",\"options\":", nn_arch(options->net.architecture)->name);
    JsonbToCString(&text, &all->root, VARSIZE(all));
    appendStringInfoString(&text, ",\"columns\":{");
    append_name(&text, "label", options->label);
    append_name(&text, "weight", options->weight);
    append_name(&text, "validation", options->validation_column);
    append_features(&text, "numerical", encoder->features, encoder->n_num);
    appendStringInfoChar(&text, ',');
    append_features(&text, "categorical", encoder->features + encoder->n_num, encoder->n_cat);
    appendStringInfo(&text,
                     "},\"rows\":{\"training\":" INT64_FORMAT ",\"validation\":" INT64_FORMAT
                     ",\"skipped\":" INT64_FORMAT
                     "},\"weights\":\"%s\",\"epochs\":%d,\"best_epoch\":%d,\"parameters\":" INT64_FORMAT,
                     model->train_rows, model->validation_rows, model->skipped_rows,
                     model->stage == CTR_STAGE_MODEL ? weights_word(model) : "prepared", model->n_epochs,
                     model->best_epoch, words_parameters(&model->net));
    append_inputs(&text, model);
    appendStringInfo(&text, ",\"candidates\":%s", tried_write(model));
    appendStringInfoString(&text, ",\"trained_at\":");
    if (model->trained_at[0] != '\0')
        escape_json(&text, model->trained_at);
    else
        appendStringInfoString(&text, "null");
    appendStringInfo(&text, ",\"format_version\":%d,\"ctr_version\":", CTR_FORMAT_VERSION);
    escape_json(&text, model->version);
    appendStringInfoChar(&text, '}');
    config = jsonb_from_text(text.data);
    MemoryContextDelete(model->context);
    PG_RETURN_JSONB_P(config);
}

/* ------------------------------------------------------------------ ctr_history, ctr_features */

static void
set_metric(Datum *value, bool *isnull, double metric)
{
    *value = Float8GetDatum(metric);
    *isnull = isnan(metric);
}

/* CREATE FUNCTION ctr_history(ctr_model) RETURNS TABLE (epoch, …) */
PG_FUNCTION_INFO_V1(ctr_history);
Datum
ctr_history(PG_FUNCTION_ARGS)
{
    TupleDesc desc;
    Tuplestorestate *rows = srf_begin(fcinfo, &desc);
    CtrModel *model = argument_model(fcinfo);

    for (int i = 0; i < model->n_epochs; i++) {
        const CtrEpoch *e = &model->history[i];
        Datum values[8];
        bool nulls[8] = {false};

        values[0] = Int32GetDatum(i + 1);
        set_metric(&values[1], &nulls[1], e->train_loss);
        set_metric(&values[2], &nulls[2], e->train_auc);
        set_metric(&values[3], &nulls[3], e->val_loss);
        set_metric(&values[4], &nulls[4], e->val_auc);
        set_metric(&values[5], &nulls[5], e->learning_rate);
        set_metric(&values[6], &nulls[6], e->seconds);
        values[7] = BoolGetDatum(e->is_best);
        tuplestore_putvalues(rows, desc, values, nulls);
    }
    MemoryContextDelete(model->context);
    return (Datum)0;
}

/* the names of the first n, 1 or 2, of these features, as an array of texts */
static Datum
names_datum(const CtrFeature *a, const CtrFeature *b, int n)
{
    Datum names[] = {CStringGetTextDatum(a->name), CStringGetTextDatum(b->name)};

    return PointerGetDatum(construct_array(names, n, TEXTOID, -1, false, TYPALIGN_INT));
}

/* A row for each pair of columns. How often it is missing nobody counts. */
static void
put_crosses(Tuplestorestate *rows, TupleDesc desc, const CtrEncoder *encoder)
{
    const CtrFeature *columns = encoder->features + encoder->n_num;

    for (int k = 0; k < encoder->n_crosses; k++) {
        const CtrCross *cross = &encoder->crosses[k];
        Datum values[7] = {0};
        bool nulls[7] = {false, false, false, false, true, true, false};

        values[0] = Int32GetDatum(encoder->n_num + encoder->n_cat + k + 1);
        values[1] = CStringGetTextDatum(cross_name(encoder, k));
        values[2] = CStringGetTextDatum("cross");
        values[3] = Int32GetDatum(encoder->categories[encoder_first_cross(encoder) + k]);
        values[6] = names_datum(&columns[cross->columns[0]], &columns[cross->columns[1]], 2);
        tuplestore_putvalues(rows, desc, values, nulls);
    }
}

/* CREATE FUNCTION ctr_features(ctr_model) RETURNS TABLE (position, …) */
PG_FUNCTION_INFO_V1(ctr_features);
Datum
ctr_features(PG_FUNCTION_ARGS)
{
    TupleDesc desc;
    Tuplestorestate *rows = srf_begin(fcinfo, &desc);
    CtrModel *model = argument_model(fcinfo);
    const CtrEncoder *encoder = model->encoder;

    for (int i = 0; i < encoder->n_num + encoder->n_cat; i++) {
        const CtrFeature *feature = &encoder->features[i];
        bool is_number = feature->kind == CTR_NUMERICAL;
        Datum values[7];
        bool nulls[7] = {false, false, false, is_number, false, !is_number, false};

        values[0] = Int32GetDatum(i + 1);
        values[1] = CStringGetTextDatum(feature->name);
        values[2] = CStringGetTextDatum(is_number ? "numerical" : "categorical");
        values[3] = Int32GetDatum(is_number ? 0 : encoder->categories[i - encoder->n_num]);
        values[4] = Int64GetDatum(feature->missing);
        values[5] = Float8GetDatum(is_number ? encoder->transforms[i].mean : 0);
        values[6] = names_datum(feature, feature, 1);
        tuplestore_putvalues(rows, desc, values, nulls);
    }
    put_crosses(rows, desc, encoder);
    MemoryContextDelete(model->context);
    return (Datum)0;
}

/* ------------------------------------------------------------------ ctr_tensors, ctr_tensor */

/* CREATE FUNCTION ctr_tensors(ctr_model) RETURNS TABLE (name, dtype, shape, bytes) */
PG_FUNCTION_INFO_V1(ctr_tensors);
Datum
ctr_tensors(PG_FUNCTION_ARGS)
{
    TupleDesc desc;
    Tuplestorestate *rows = srf_begin(fcinfo, &desc);
    CtrSafeFile *file = safetensors_parse(PG_GETARG_DATUM(0), NULL);

    for (int i = 0; i < file->n_tensors; i++) {
        const CtrSafeTensor *tensor = file->by_name[i];
        Datum shape[lengthof(tensor->shape)];
        Datum values[4];
        bool nulls[4] = {false};

        for (int k = 0; k < tensor->ndim; k++)
            shape[k] = Int64GetDatum(tensor->shape[k]);
        values[0] = CStringGetTextDatum(tensor->name);
        values[1] = CStringGetTextDatum(safetensors_dtype_name(tensor->dtype));
        values[2] = PointerGetDatum(
            construct_array(shape, tensor->ndim, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
        values[3] = Int64GetDatum((int64)tensor->size);
        tuplestore_putvalues(rows, desc, values, nulls);
    }
    return (Datum)0;
}

/* An array of the tensor's shape; a single number becomes an array of one. */
static ArrayType *
tensor_array(const CtrSafeFile *file, const CtrSafeTensor *tensor)
{
    int ndim = Max(tensor->ndim, 1);
    Size n = 1, size;
    ArrayType *array;

    if (ndim > MAXDIM)
        ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                        errmsg("tensor \"%s\" has %d dimensions, but arrays have at most %d", tensor->name,
                               ndim, MAXDIM)));
    for (int i = 0; i < tensor->ndim; i++)
        n *= (Size)tensor->shape[i];
    if (n == 0)
        return construct_empty_array(FLOAT4OID);
    size = ARR_OVERHEAD_NONULLS(ndim) + n * sizeof(float4);
    if (!AllocSizeIsValid(size))
        ereport(ERROR,
                (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                 errmsg("tensor \"%s\" with %zu elements is too large for an array", tensor->name, n)));
    array = palloc(size);
    memset(array, 0, ARR_OVERHEAD_NONULLS(ndim));
    SET_VARSIZE(array, size);
    array->ndim = ndim;
    array->elemtype = FLOAT4OID;
    for (int i = 0; i < ndim; i++) {
        ARR_DIMS(array)[i] = tensor->ndim > 0 ? (int)tensor->shape[i] : 1;
        ARR_LBOUND(array)[i] = 1;
    }
    safetensors_read_floats(file, tensor, (float4 *)((char *)array + ARR_OVERHEAD_NONULLS(ndim)));
    return array;
}

/* CREATE FUNCTION ctr_tensor(ctr_model, text) RETURNS float4[] */
PG_FUNCTION_INFO_V1(ctr_tensor);
Datum
ctr_tensor(PG_FUNCTION_ARGS)
{
    CtrSafeFile *file = safetensors_parse(PG_GETARG_DATUM(0), NULL);
    char *name = text_to_cstring(PG_GETARG_TEXT_PP(1));
    const CtrSafeTensor *tensor = safetensors_find(file, name);

    if (tensor == NULL)
        ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("the model has no tensor \"%s\"", name),
                        errhint("ctr_tensors(model) lists the names.")));
    PG_RETURN_ARRAYTYPE_P(tensor_array(file, tensor));
}
