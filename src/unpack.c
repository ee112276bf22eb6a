/*
 * unpack.c: reads a model's bytes (their layout is in model.h) and is the only judge of them: whatever passes
 * can be scored. Sizes that the file claims are compared with what it has before memory is asked for.
 */
#include "model.h"

#include <math.h>

#include "access/htup_details.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "nn/derive.h"

typedef struct Unpacker {
    SafeFile *file;
    bool *used; /* [file->n_tensors] */
    Model *model;
    MemoryContext scratch; /* gone when the model is read */
    VocabLoad *loading;    /* of the vocabularies */
} Unpacker;

/* ------------------------------------------------------------------ tensors and metadata */

static char *
shape_text(int ndim, const int64 *shape)
{
    StringInfoData text;

    initStringInfo(&text);
    appendStringInfoChar(&text, '[');
    for (int i = 0; i < ndim; i++)
        appendStringInfo(&text, "%s" INT64_FORMAT, i > 0 ? ", " : "", shape[i]);
    appendStringInfoChar(&text, ']');
    return text.data;
}

/* The tensor of this name, which must have this type and shape. */
static const SafeTensor *
take(Unpacker *u, const char *name, SafeDtype dtype, int ndim, const int64 *shape)
{
    const SafeTensor *tensor = safetensors_find(u->file, name);
    bool same;

    if (tensor == NULL)
        safetensors_invalid("tensor \"%s\" is missing", name);
    same = tensor->dtype == dtype && tensor->ndim == ndim;
    for (int i = 0; same && i < ndim; i++)
        same = tensor->shape[i] == shape[i];
    if (!same)
        safetensors_invalid("tensor \"%s\" is %s %s, not %s %s", name, safetensors_dtype_name(tensor->dtype),
                            shape_text(tensor->ndim, tensor->shape), safetensors_dtype_name(dtype),
                            shape_text(ndim, shape));
    u->used[tensor - u->file->tensors] = true;
    return tensor;
}

/* The elements of a tensor [n], aligned, in the current context. */
static void *
take_vector(Unpacker *u, const char *name, SafeDtype dtype, int64 n)
{
    const SafeTensor *tensor = take(u, name, dtype, 1, &n);
    void *copy = MemoryContextAllocHuge(CurrentMemoryContext, Max(tensor->size, 1));

    ctr_huge_pages(copy, tensor->size);
    safetensors_read(u->file, tensor, copy);
    return copy;
}

static const char *
take_entry(Unpacker *u, const char *key)
{
    const char *value = safetensors_entry(u->file, key);

    if (value == NULL)
        safetensors_invalid("metadata entry \"%s\" is missing", key);
    return value;
}

/* a metadata entry that is a number from 0 to limit */
static int64
take_number(Unpacker *u, const char *key, int64 limit)
{
    const char *text = take_entry(u, key);
    int64 value = 0;
    bool good = text[0] != '\0' && strlen(text) <= 18;

    for (const char *c = text; good && *c != '\0'; c++) {
        good = *c >= '0' && *c <= '9';
        value = value * 10 + (*c - '0');
    }
    if (!good || value > limit)
        safetensors_invalid("metadata entry \"%s\" is \"%s\", not a number from 0 to " INT64_FORMAT, key,
                            text, limit);
    return value;
}

/* ------------------------------------------------------------------ version, digest, options */

static void
unpack_version(Unpacker *u)
{
    int64 version = take_number(u, "format_version", PG_INT32_MAX);

    if (version > CTR_FORMAT_VERSION)
        ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                        errmsg("ctr_model has format version " INT64_FORMAT ", but ctr %s reads up to %d",
                               version, CTR_VERSION, CTR_FORMAT_VERSION),
                        errhint("Install the version of ctr that wrote it, or a later one.")));
    if (version < 1)
        safetensors_invalid("there is no format version " INT64_FORMAT, version);
    u->model->version = MemoryContextStrdup(u->model->context, take_entry(u, "ctr_version"));
}

static void
unpack_digest(Unpacker *u, bool verify)
{
    ValueBytes *bytes = u->file->bytes;
    char head[MODEL_HEAD_SIZE], computed[MODEL_DIGEST_SIZE];
    Size size = Min(bytes->size, MODEL_HEAD_SIZE);

    value_read(bytes, 0, size, head);
    model_peek_digest(head, size, u->model->digest);
    if (!verify)
        return;
    safetensors_compute_digest(bytes->memory, bytes->size, computed);
    if (memcmp(computed, u->model->digest, MODEL_DIGEST_SIZE) != 0)
        safetensors_invalid("its digest does not fit its bytes");
}

static void
options_context(void *arg)
{
    errcontext("options of a ctr_model: %s", (const char *)arg);
}

static void
unpack_options(Unpacker *u)
{
    const char *text = take_entry(u, "options");
    ErrorContextCallback context = {
        .previous = error_context_stack, .callback = options_context, .arg = unconstify(char *, text)};
    Jsonb *json;

    error_context_stack = &context;
    json = jsonb_from_text(text);
    MemoryContextSwitchTo(u->model->context);
    options_parse(&u->model->options, json);
    MemoryContextSwitchTo(u->scratch);
    error_context_stack = context.previous;
}

/* ------------------------------------------------------------------ encoder */

static char **
take_names(Unpacker *u, const char *key, int *n)
{
    Jsonb *json = jsonb_from_text(take_entry(u, key));
    JsonbValue value = {.type = jbvBinary};
    char **names;

    value.val.binary.data = &json->root;
    value.val.binary.len = (int)VARSIZE(json) - VARHDRSZ;
    if (JB_ROOT_IS_SCALAR(json) || !jsonb_strings(&value, n, &names))
        safetensors_invalid("metadata entry \"%s\" is not an array of names", key);
    return names;
}

static int
compare_strings(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void
check_unique(char **names, int n)
{
    qsort(names, n, sizeof(char *), compare_strings);
    for (int i = 0; i < n; i++) {
        if (names[i][0] == '\0')
            safetensors_invalid("a feature has no name");
        if (i > 0 && strcmp(names[i - 1], names[i]) == 0)
            safetensors_invalid("it has two features \"%s\"", names[i]);
    }
}

static void
unpack_features(Unpacker *u)
{
    Encoder *encoder = u->model->encoder;
    MemoryContext context = u->model->context;
    char **numerical = take_names(u, "numerical", &encoder->n_num);
    char **categorical = take_names(u, "categorical", &encoder->n_cat);
    int n = encoder->n_num + encoder->n_cat;
    char **all = palloc(sizeof(char *) * Max(n, 1));
    int64 *missing;

    if (n < 1 || n > MaxTupleAttributeNumber)
        safetensors_invalid("it has %d features, not 1 to %d", n, MaxTupleAttributeNumber);
    encoder_widths(encoder, &u->model->options);
    encoder->categories = MemoryContextAlloc(context, sizeof(int) * Max(encoder->d_cat, 1));
    encoder->features = MemoryContextAllocZero(context, sizeof(Feature) * n);
    missing = take_vector(u, MODEL_MISSING, SAFE_I64, n);
    for (int i = 0; i < n; i++) {
        bool is_number = i < encoder->n_num;

        all[i] = is_number ? numerical[i] : categorical[i - encoder->n_num];
        if (missing[i] < 0)
            safetensors_invalid("feature \"%s\" is missing in " INT64_FORMAT " rows", all[i], missing[i]);
        encoder->features[i].name = MemoryContextStrdup(context, all[i]);
        encoder->features[i].kind = is_number ? FEATURE_NUMERICAL : FEATURE_CATEGORICAL;
        encoder->features[i].missing = missing[i];
    }
    check_unique(all, n);
}

static void
check_transform(const NnTransform *t, const char *name)
{
    bool good = isfinite(t->mean) && isfinite(t->low) && isfinite(t->high) && isfinite(t->shift) &&
                isfinite(t->scale) && t->low <= t->high && t->scale != 0 &&
                (t->kind == NN_QUANTILE) == (t->n_quantiles > 0);

    for (int q = 0; good && q < t->n_quantiles; q++)
        good = isfinite(t->quantiles[q]) && (q == 0 || t->quantiles[q - 1] <= t->quantiles[q]);
    if (!good)
        safetensors_invalid("the transform of feature \"%s\" is unusable", name);
}

static void
unpack_transforms(Unpacker *u)
{
    Encoder *encoder = u->model->encoder;
    int n = encoder->n_num;
    uint8 *kinds = take_vector(u, MODEL_KIND, SAFE_U8, n);
    uint32 *counts = take_vector(u, MODEL_QUANTILE_COUNT, SAFE_U32, n);
    int64 total = 0;
    double *quantiles;

    for (int i = 0; i < n; i++) {
        if (kinds[i] > NN_NONE || counts[i] > NN_QUANTILES)
            safetensors_invalid("the transform of feature \"%s\" is unknown", encoder->features[i].name);
        total += counts[i];
    }
    encoder->transforms = MemoryContextAllocZero(u->model->context, sizeof(NnTransform) * Max(n, 1));
    for (int s = 0; s < MODEL_N_STATISTICS; s++) {
        double *values = take_vector(u, model_statistics[s].name, SAFE_F64, n);

        for (int i = 0; i < n; i++)
            *(double *)((char *)&encoder->transforms[i] + model_statistics[s].offset) = values[i];
    }
    MemoryContextSwitchTo(u->model->context);
    quantiles = take_vector(u, MODEL_QUANTILES, SAFE_F64, total);
    MemoryContextSwitchTo(u->scratch);
    for (int i = 0; i < n; i++) {
        encoder->transforms[i].kind = (NnTransformKind)kinds[i];
        encoder->transforms[i].n_quantiles = (int)counts[i];
        encoder->transforms[i].quantiles = counts[i] > 0 ? quantiles : NULL;
        check_transform(&encoder->transforms[i], encoder->features[i].name);
        transform_sample(&encoder->transforms[i]);
        quantiles += counts[i];
    }
}

/* Puts all strings [n] into the server's encoding, which moves their ends. */
static const char *
convert_categories(const char *bytes, uint32 *ends, int64 n)
{
    StringInfoData converted;
    uint32 begin = 0;

    initStringInfo(&converted);
    for (int64 i = 0; i < n; i++) {
        char *given = pnstrdup(bytes + begin, ends[i] - begin);
        char *string = pg_any_to_server(given, (int)(ends[i] - begin), PG_UTF8);

        if ((i & 0xffff) == 0)
            CHECK_FOR_INTERRUPTS();
        appendStringInfoString(&converted, string);
        begin = ends[i];
        ends[i] = (uint32)converted.len;
        if (string != given)
            pfree(string);
        pfree(given);
    }
    return converted.data;
}

static void
check_ends(const uint32 *ends, const int32 *frequencies, int64 n, Size bytes)
{
    bool good = n == 0 ? bytes == 0 : ends[n - 1] == bytes;

    for (int64 i = 0; good && i < n; i++)
        good = frequencies[i] >= 0 && (i == 0 || ends[i - 1] <= ends[i]);
    if (!good)
        safetensors_invalid("its categories do not fit their bytes");
}

/* All columns' categories, one after the other: *ends and frequencies of each, and their bytes. */
static const char *
read_categories(Unpacker *u, int64 total, uint32 **ends, int32 **frequencies)
{
    const SafeTensor *tensor = safetensors_find(u->file, MODEL_BYTES);
    int64 size = tensor != NULL ? (int64)tensor->size : 0;
    const char *bytes = take_vector(u, MODEL_BYTES, SAFE_U8, size);

    *ends = take_vector(u, MODEL_END, SAFE_U32, total);
    MemoryContextSwitchTo(u->model->context);
    *frequencies = take_vector(u, MODEL_FREQUENCY, SAFE_I32, total);
    MemoryContextSwitchTo(u->scratch);
    check_ends(*ends, *frequencies, total, (Size)size);
    if (model_converts_text())
        bytes = convert_categories(bytes, *ends, total);
    return bytes;
}

static void
unpack_vocabs(Unpacker *u)
{
    Encoder *encoder = u->model->encoder;
    MemoryContext context = u->model->context;
    int n = encoder->n_cat;
    uint32 *counts = take_vector(u, MODEL_COUNT, SAFE_U32, n);
    int64 total = 0;
    uint32 *ends;
    int32 *frequencies;
    const char *bytes;

    for (int f = 0; f < n; f++)
        total += counts[f];
    bytes = read_categories(u, total, &ends, &frequencies);
    encoder->vocabs = MemoryContextAlloc(context, sizeof(Vocab *) * Max(n, 1));
    encoder->frequencies = MemoryContextAlloc(context, sizeof(int32 *) * Max(n, 1));
    for (int f = 0; f < n; f++) {
        encoder->frequencies[f] = frequencies;
        encoder->categories[f] = (int)counts[f] + CODE_KNOWN;
        frequencies += counts[f];
    }
    u->loading = vocab_load_begin(encoder->vocabs, context, bytes, ends, counts, n);
}

/* ------------------------------------------------------------------ derived inputs */

static void
check_bounds(const Buckets *buckets, const char *name)
{
    bool good = true;

    for (int i = 0; good && i < buckets->n_bounds; i++)
        good = isfinite(buckets->bounds[i]) && (i == 0 || buckets->bounds[i - 1] < buckets->bounds[i]);
    if (!good)
        safetensors_invalid("the buckets of feature \"%s\" are unusable", name);
}

static void
unpack_buckets(Unpacker *u)
{
    Encoder *encoder = u->model->encoder;
    int n = encoder->n_num, most = u->model->options.numerical_buckets - 1;
    int64 total = 0;
    uint32 *counts;
    double *bounds;

    if (u->model->options.numerical_buckets == 0)
        return;
    counts = take_vector(u, MODEL_BOUND_COUNT, SAFE_U32, n);
    for (int i = 0; i < n; i++) {
        if (counts[i] > (uint32)most)
            safetensors_invalid("feature \"%s\" has %u bounds between its buckets, more than %d",
                                encoder->features[i].name, counts[i], most);
        total += counts[i];
    }
    MemoryContextSwitchTo(u->model->context);
    bounds = take_vector(u, MODEL_BOUNDS, SAFE_F64, total);
    encoder->buckets = palloc(sizeof(Buckets) * Max(n, 1));
    MemoryContextSwitchTo(u->scratch);
    for (int i = 0; i < n; i++) {
        encoder->buckets[i] = (Buckets){.n_bounds = (int)counts[i], .bounds = bounds};
        check_bounds(&encoder->buckets[i], encoder->features[i].name);
        encoder->categories[encoder->n_cat + i] = encoder->buckets[i].n_bounds + 1 + CODE_KNOWN;
        bounds += counts[i];
    }
}

static void
unpack_statistics(Unpacker *u)
{
    Encoder *encoder = u->model->encoder;
    int64 total = 0;
    float *values;

    if (encoder->n_statistics == 0)
        return;
    for (int f = 0; f < encoder->n_statistics; f++)
        total += encoder->categories[f];
    MemoryContextSwitchTo(u->model->context);
    values = take_vector(u, MODEL_STATISTICS, SAFE_F32, total);
    encoder->statistics = palloc(sizeof(float *) * encoder->n_statistics);
    MemoryContextSwitchTo(u->scratch);
    for (int64 i = 0; i < total; i++) {
        if (!(fabsf(values[i]) <= STATISTIC_LARGEST))
            safetensors_invalid("a target statistic is %g", values[i]);
    }
    for (int f = 0; f < encoder->n_statistics; f++) {
        encoder->statistics[f] = values;
        values += encoder->categories[f];
    }
}

/* ------------------------------------------------------------------ network */

void
model_create_net(Model *model)
{
    NnConfig config = model->options.net;
    int64 fields;

    config.n_num = model->encoder->d_num;
    config.n_cat = model->encoder->d_cat;
    config.categories = model->encoder->categories;
    fields = (int64)config.n_num + config.n_cat;
    if (config.architecture == NN_FIBINET && fields < 2)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("architecture \"fibinet\" needs at least two features"),
                        errhint("Use architecture \"deepcross\".")));
    if (config.architecture == NN_FIBINET && fields * (fields - 1) * config.d_embed > PG_INT32_MAX)
        ereport(ERROR,
                (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                 errmsg("too many features for architecture \"fibinet\""),
                 errdetail("The interactions of " INT64_FORMAT " features with embeddings of width %d are "
                           "more than %d numbers.",
                           fields, config.d_embed, PG_INT32_MAX),
                 errhint("Use architecture \"deepcross\", or list some features in \"ignore\".")));
    ctr_check_status(net_create(&model->net, &config, ctr_nn_alloc(model->context)), "lay out the network");
}

/* A net's description may have a tensor per pair of features: the file must have them before it is made. */
static void
unpack_net(Unpacker *u)
{
    const NnConfig *config = &u->model->options.net;
    int64 fields = (int64)u->model->encoder->d_num + u->model->encoder->d_cat;

    if (config->architecture == NN_FIBINET && config->bilinear_type == NN_FIELD_INTERACTION &&
        fields * (fields - 1) / 2 > u->file->n_tensors)
        safetensors_invalid("it has only %d tensors for the interactions of " INT64_FORMAT " features",
                            u->file->n_tensors, fields);
    model_create_net(u->model);
}

static void
check_offsets(const NnParam *p, const float *block, const int *categories)
{
    int64 expected = 0;

    for (int f = 0; f < p->shape[0]; f++) {
        int64 offset;

        memcpy(&offset, (const char *)(block + p->offset) + sizeof(offset) * f, sizeof(offset));
        if (offset != expected)
            safetensors_invalid("tensor \"%s\" does not fit the categories", p->name);
        expected += categories[f];
    }
}

static void
unpack_params(Unpacker *u)
{
    const NnNet *net = &u->model->net;
    const SafeTensor **tensors = palloc(mul_size(net->n_params, sizeof(SafeTensor *)));
    float *block;

    for (int i = 0; i < net->n_params; i++) {
        const NnParam *p = &net->params[i];

        tensors[i] = take(u, p->name, p->dtype == NN_F32 ? SAFE_F32 : SAFE_I64, p->ndim, p->shape);
    }
    block = MemoryContextAllocHuge(u->model->context, add_size(mul_size(net->n_block, sizeof(float)), 64));
    block = (float *)TYPEALIGN(64, block);
    ctr_huge_pages(block, net->n_block * sizeof(float));
    for (int i = 0; i < net->n_params; i++) {
        const NnParam *p = &net->params[i];

        CHECK_FOR_INTERRUPTS();
        safetensors_read(u->file, tensors[i], block + p->offset);
        memset((char *)(block + p->offset) + tensors[i]->size, 0,
               TYPEALIGN(NN_ALIGN * sizeof(float), tensors[i]->size) - tensors[i]->size);
        if (p->init == NN_OFFSETS)
            check_offsets(p, block, u->model->encoder->categories);
    }
    u->model->params = block;
}

static void
check_params(const Model *model)
{
    const int unsound = net_find_unsound(&model->net, model->params);

    if (unsound >= 0)
        safetensors_invalid("tensor \"%s\" has a number that is not finite, or a negative variance",
                            model->net.params[unsound].name);
}

/* ------------------------------------------------------------------ training's record */

static void
unpack_history(Unpacker *u)
{
    Model *model = u->model;
    const SafeTensor *tensor = safetensors_find(u->file, MODEL_HISTORY);
    int64 shape[] = {tensor != NULL ? tensor->shape[0] : 0, MODEL_EPOCH_MEMBERS};
    double *rows;
    int n_seconds;
    char **seconds = take_names(u, "epoch_seconds", &n_seconds);

    tensor = take(u, MODEL_HISTORY, SAFE_F64, 2, shape);
    if (shape[0] > PG_INT32_MAX / MODEL_EPOCH_MEMBERS)
        safetensors_invalid("it has " INT64_FORMAT " epochs", shape[0]);
    model->n_epochs = (int)shape[0];
    if (n_seconds != model->n_epochs)
        safetensors_invalid("metadata entry \"epoch_seconds\" speaks of %d epochs, not %d", n_seconds,
                            model->n_epochs);
    rows = palloc_extended(Max(tensor->size, 1), MCXT_ALLOC_HUGE);
    safetensors_read(u->file, tensor, rows);
    model->history = MemoryContextAllocHuge(model->context, mul_size(Max(model->n_epochs, 1), sizeof(Epoch)));
    for (int i = 0; i < model->n_epochs; i++) {
        const double *row = rows + i * MODEL_EPOCH_MEMBERS;

        model->history[i] = (Epoch){.train_loss = row[0],
                                    .train_auc = row[1],
                                    .val_loss = row[2],
                                    .val_auc = row[3],
                                    .learning_rate = row[4],
                                    .seconds = strtod(seconds[i], NULL),
                                    .is_best = row[5] != 0};
    }
    model->best_epoch = (int)take_number(u, "best_epoch", model->n_epochs);
    model->train_rows = take_number(u, "training_rows", PG_INT64_MAX);
    model->validation_rows = take_number(u, "validation_rows", PG_INT64_MAX);
    model->skipped_rows = take_number(u, "skipped_rows", PG_INT64_MAX);
}

static void
check_nothing_else(const Unpacker *u)
{
    for (int i = 0; i < u->file->n_tensors; i++) {
        if (!u->used[i])
            safetensors_invalid("tensor \"%s\" does not belong to its network", u->file->tensors[i].name);
    }
}

Model *
model_unpack(Datum value, MemoryContext parent, bool verify)
{
    MemoryContext context = AllocSetContextCreate(parent, "ctr model", ALLOCSET_DEFAULT_SIZES);
    MemoryContext caller;
    Unpacker u = {.model = MemoryContextAllocZero(context, sizeof(Model))};
    Model *model = u.model;
    int32 twice;

    model->context = context;
    model->encoder = MemoryContextAllocZero(context, sizeof(Encoder));
    model->encoder->context = context;
    u.scratch = AllocSetContextCreate(context, "ctr model unpack", ALLOCSET_DEFAULT_SIZES);
    caller = MemoryContextSwitchTo(u.scratch);
    u.file = safetensors_parse(value);
    u.used = palloc0(Max(u.file->n_tensors, 1));
    unpack_version(&u);
    unpack_digest(&u, verify);
    unpack_options(&u);
    unpack_features(&u);
    unpack_transforms(&u);
    unpack_vocabs(&u);
    unpack_buckets(&u);
    unpack_statistics(&u);
    unpack_net(&u);
    unpack_params(&u);
    if (verify)
        check_params(model);
    unpack_history(&u);
    check_nothing_else(&u);
    twice = vocab_load_end(u.loading);
    if (twice > 0)
        safetensors_invalid("a feature has its category number %d twice", twice);
    MemoryContextSwitchTo(caller);
    MemoryContextDelete(u.scratch);
    return model;
}
