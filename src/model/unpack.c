/*
 * unpack.c: reads a model's bytes, whose layout is in layout.h, and is the only judge of their form; check.c
 * judges the numbers. Sizes that the file claims are compared with what it has before memory is asked for.
 *
 * Functions that return a bool or a pointer return false or NULL where the bytes are invalid, and have
 * reported it.
 */
#include "model/layout.h"

#include <stdlib.h>

#include "access/htup_details.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "model/record.h"
#include "nn/arch/arch.h"
#include "rows/spelling.h"

#define VERSION_LONGEST 64 /* characters; messages quote it */

typedef enum UnpackUse { TO_SCORE, TO_TRAIN, TO_VALIDATE } UnpackUse;

typedef struct Unpacker {
    CtrSafeFile *file;
    bool *used; /* [file->n_tensors] */
    CtrModel *model;
    UnpackUse use;
    Node *escontext;
    MemoryContext scratch; /* gone when the model is read */
    bool good;             /* what unpack_rest has read */
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
static const CtrSafeTensor *
take(Unpacker *u, const char *name, CtrSafeDtype dtype, int ndim, const int64 *shape)
{
    const CtrSafeTensor *tensor = safetensors_find(u->file, name);
    bool same;

    if (tensor == NULL)
        return safetensors_invalid(u->escontext, "tensor \"%s\" is missing", name), NULL;
    same = tensor->dtype == dtype && tensor->ndim == ndim;
    for (int i = 0; same && i < ndim; i++)
        same = tensor->shape[i] == shape[i];
    if (!same)
        return safetensors_invalid(u->escontext, "tensor \"%s\" is %s %s, not %s %s", name,
                                   safetensors_dtype_name(tensor->dtype),
                                   shape_text(tensor->ndim, tensor->shape), safetensors_dtype_name(dtype),
                                   shape_text(ndim, shape)),
               NULL;
    u->used[tensor - u->file->tensors] = true;
    return tensor;
}

/* The elements of a tensor [n], aligned, in the current context. */
static void *
take_vector(Unpacker *u, const char *name, CtrSafeDtype dtype, int64 n)
{
    const CtrSafeTensor *tensor = take(u, name, dtype, 1, &n);
    void *copy;

    if (tensor == NULL)
        return NULL;
    copy = MemoryContextAllocHuge(CurrentMemoryContext, Max(tensor->size, 1));
    ctr_huge_pages(copy, tensor->size);
    safetensors_read(u->file, tensor, copy);
    return copy;
}

static const char *
take_entry(Unpacker *u, const char *key)
{
    const char *value = safetensors_entry(u->file, key);

    if (value == NULL)
        safetensors_invalid(u->escontext, "metadata entry \"%s\" is missing", key);
    return value;
}

/* a metadata entry that is a number from 0 to limit, which has at most 18 digits */
static bool
take_number(Unpacker *u, const char *key, int64 limit, int64 *value)
{
    const char *text = take_entry(u, key);
    bool good;

    if (text == NULL)
        return false;
    *value = 0;
    good = text[0] != '\0' && strlen(text) <= 18;
    for (const char *c = text; good && *c != '\0'; c++) {
        good = *c >= '0' && *c <= '9';
        *value = *value * 10 + (*c - '0');
    }
    return (good && *value <= limit) ||
           safetensors_invalid(u->escontext,
                               "metadata entry \"%s\" is \"%s\", not a number from 0 to " INT64_FORMAT, key,
                               text, limit);
}

/* ------------------------------------------------------------------ version, digest, options */

static bool
check_version(Unpacker *u, int64 version)
{
    if (version == CTR_FORMAT_VERSION)
        return true;
    if (version > CTR_FORMAT_VERSION)
        errsave(u->escontext,
                (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                 errmsg("ctr_model has format version " INT64_FORMAT ", but ctr %s reads up to %d", version,
                        CTR_VERSION, CTR_FORMAT_VERSION),
                 errhint("Install the version of ctr that wrote it, or a later one.")));
    else if (version == 1)
        errsave(u->escontext,
                (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                 errmsg("ctr_model was written by a development version of ctr before the first release"),
                 errhint("Train the model again.")));
    else
        safetensors_invalid(u->escontext, "there is no format version " INT64_FORMAT, version);
    return false;
}

static bool
unpack_version(Unpacker *u)
{
    int64 version;
    const char *writer;

    if (!take_number(u, "format_version", PG_INT32_MAX, &version) || !check_version(u, version) ||
        (writer = take_entry(u, "ctr_version")) == NULL)
        return false;
    if (strlen(writer) > VERSION_LONGEST)
        return safetensors_invalid(u->escontext, "metadata entry \"ctr_version\" is no version");
    u->model->version = MemoryContextStrdup(u->model->context, writer);
    return true;
}

static bool
unpack_digest(Unpacker *u)
{
    CtrValueBytes *bytes = u->file->bytes;
    char head[CTR_MODEL_HEAD_SIZE];
    Size size = Min(bytes->size, CTR_MODEL_HEAD_SIZE);

    value_read(bytes, 0, size, head);
    return model_peek_digest(head, size, u->model->digest, u->escontext) &&
           (u->use != TO_VALIDATE || model_verify_digest(bytes->memory, bytes->size, u->escontext));
}

/* a metadata entry that is JSON */
static const CtrJsonNode *
take_json(Unpacker *u, const char *key)
{
    const char *text = take_entry(u, key);
    const CtrJsonNode *tree = text != NULL ? json_tree(text) : NULL;

    if (text != NULL && tree == NULL)
        safetensors_invalid(u->escontext, "metadata entry \"%s\" is no JSON of the kind that belongs there",
                            key);
    return tree;
}

static bool
unpack_options(Unpacker *u)
{
    const CtrJsonNode *record = take_json(u, "options");
    bool good;

    if (record == NULL)
        return false;
    MemoryContextSwitchTo(u->model->context);
    good = record_read(&u->model->options, record, u->model->version, u->escontext);
    MemoryContextSwitchTo(u->scratch);
    return good;
}

/* ------------------------------------------------------------------ encoder */

static bool
take_names(Unpacker *u, const char *key, int *n, char ***names)
{
    const CtrJsonNode *tree = take_json(u, key);

    return tree != NULL &&
           (json_tree_strings(tree, n, names) ||
            safetensors_invalid(u->escontext, "metadata entry \"%s\" is not an array of names", key));
}

static bool
unpack_features(Unpacker *u)
{
    CtrEncoder *encoder = u->model->encoder;
    MemoryContext context = u->model->context;
    char **numerical, **categorical;
    int64 *missing;
    int n;

    if (!take_names(u, "numerical", &encoder->n_num, &numerical) ||
        !take_names(u, "categorical", &encoder->n_cat, &categorical))
        return false;
    n = encoder->n_num + encoder->n_cat;
    if (n < 1 || n > MaxTupleAttributeNumber)
        return safetensors_invalid(u->escontext, "it has %d features, not 1 to %d", n,
                                   MaxTupleAttributeNumber);
    encoder_widths(encoder, &u->model->options);
    encoder->categories = MemoryContextAlloc(context, sizeof(int) * Max(encoder->d_cat, 1));
    encoder->features = MemoryContextAllocZero(context, sizeof(CtrFeature) * n);
    missing = take_vector(u, CTR_MODEL_MISSING, CTR_SAFE_I64, n);
    if (missing == NULL)
        return false;
    for (int i = 0; i < n; i++) {
        bool is_number = i < encoder->n_num;
        const char *name = is_number ? numerical[i] : categorical[i - encoder->n_num];

        encoder->features[i] = (CtrFeature){.name = MemoryContextStrdup(context, name),
                                            .kind = is_number ? CTR_NUMERICAL : CTR_CATEGORICAL,
                                            .missing = missing[i]};
    }
    return true;
}

/* Reads kinds [n] and numbers of quantiles [n]; *total is their sum. */
static bool
read_kinds(Unpacker *u, uint8 **kinds, uint32 **counts, int64 *total)
{
    const CtrEncoder *encoder = u->model->encoder;

    *kinds = take_vector(u, CTR_MODEL_KIND, CTR_SAFE_U8, encoder->n_num);
    *counts = *kinds != NULL ? take_vector(u, CTR_MODEL_QUANTILE_COUNT, CTR_SAFE_U32, encoder->n_num) : NULL;
    if (*counts == NULL)
        return false;
    *total = 0;
    for (int i = 0; i < encoder->n_num; i++) {
        if ((*kinds)[i] > NN_NONE || (*counts)[i] > NN_QUANTILES)
            return safetensors_invalid(u->escontext, "the transform of feature \"%s\" is unknown",
                                       encoder->features[i].name);
        *total += (*counts)[i];
    }
    return true;
}

static bool
unpack_transforms(Unpacker *u)
{
    CtrEncoder *encoder = u->model->encoder;
    int n = encoder->n_num;
    uint8 *kinds;
    uint32 *counts;
    int64 total;
    double *quantiles;

    if (!read_kinds(u, &kinds, &counts, &total))
        return false;
    encoder->transforms = MemoryContextAllocZero(u->model->context, sizeof(NnTransform) * Max(n, 1));
    for (int s = 0; s < CTR_MODEL_N_STATISTICS; s++) {
        double *values = take_vector(u, model_statistics[s].name, CTR_SAFE_F64, n);

        if (values == NULL)
            return false;
        for (int i = 0; i < n; i++)
            *(double *)((char *)&encoder->transforms[i] + model_statistics[s].offset) = values[i];
    }
    MemoryContextSwitchTo(u->model->context);
    quantiles = take_vector(u, CTR_MODEL_QUANTILES, CTR_SAFE_F64, total);
    MemoryContextSwitchTo(u->scratch);
    if (quantiles == NULL)
        return false;
    for (int i = 0; i < n; i++) {
        encoder->transforms[i].kind = (NnTransformKind)kinds[i];
        encoder->transforms[i].n_quantiles = (int)counts[i];
        encoder->transforms[i].quantiles = counts[i] > 0 ? quantiles : NULL;
        transform_sample(&encoder->transforms[i]);
        quantiles += counts[i];
    }
    return true;
}

/* Spells all strings [n] as the database does, which moves their ends. */
static const char *
convert_categories(const CtrSpelling *spelling, const char *bytes, uint32 *ends, int64 n)
{
    StringInfoData converted;
    uint32 begin = 0;

    initStringInfo(&converted);
    for (int64 i = 0; i < n; i++) {
        const uint32 end = ends[i];

        if ((i & 0xffff) == 0)
            CHECK_FOR_INTERRUPTS();
        spelling_append_for_database(spelling, &converted, bytes + begin, end - begin);
        ends[i] = (uint32)converted.len;
        begin = end;
    }
    return converted.data;
}

static bool
check_ends(Unpacker *u, const uint32 *ends, int64 n, Size bytes)
{
    bool good = n == 0 ? bytes == 0 : ends[n - 1] == bytes;

    for (int64 i = 1; good && i < n; i++) {
        ctr_pause_at(i);
        good = ends[i - 1] <= ends[i];
    }
    return good || safetensors_invalid(u->escontext, "its categories do not fit their bytes");
}

/* All columns' categories, one after the other: *ends and frequencies of each, and their bytes. */
static const char *
read_categories(Unpacker *u, int64 total, uint32 **ends, int32 **frequencies)
{
    const CtrSafeTensor *tensor = safetensors_find(u->file, CTR_MODEL_BYTES);
    int64 size = tensor != NULL ? (int64)tensor->size : 0;
    const char *bytes = take_vector(u, CTR_MODEL_BYTES, CTR_SAFE_U8, size);
    CtrSpelling spelling;

    *ends = bytes != NULL ? take_vector(u, CTR_MODEL_END, CTR_SAFE_U32, total) : NULL;
    if (*ends == NULL || !check_ends(u, *ends, total, (Size)size))
        return NULL;
    MemoryContextSwitchTo(u->model->context);
    *frequencies = take_vector(u, CTR_MODEL_FREQUENCY, CTR_SAFE_I32, total);
    MemoryContextSwitchTo(u->scratch);
    if (*frequencies == NULL)
        return NULL;
    return spelling_start(&spelling) ? convert_categories(&spelling, bytes, *ends, total) : bytes;
}

/* ------------------------------------------------------------------ derived inputs */

static bool
unpack_buckets(Unpacker *u)
{
    CtrEncoder *encoder = u->model->encoder;
    int n = encoder->n_num, most = u->model->options.numerical_buckets - 1;
    int64 total = 0;
    uint32 *counts;
    double *bounds;

    if (u->model->options.numerical_buckets == 0)
        return true;
    counts = take_vector(u, CTR_MODEL_BOUND_COUNT, CTR_SAFE_U32, n);
    if (counts == NULL)
        return false;
    for (int i = 0; i < n; i++) {
        if (counts[i] > (uint32)most)
            return safetensors_invalid(u->escontext,
                                       "feature \"%s\" has %u bounds between its buckets, more than %d",
                                       encoder->features[i].name, counts[i], most);
        total += counts[i];
    }
    MemoryContextSwitchTo(u->model->context);
    bounds = take_vector(u, CTR_MODEL_BOUNDS, CTR_SAFE_F64, total);
    encoder->buckets = palloc(sizeof(CtrBuckets) * Max(n, 1));
    MemoryContextSwitchTo(u->scratch);
    if (bounds == NULL)
        return false;
    for (int i = 0; i < n; i++) {
        encoder->buckets[i] = (CtrBuckets){.n_bounds = (int)counts[i], .bounds = bounds};
        encoder->categories[encoder->n_cat + i] = encoder->buckets[i].n_bounds + 1 + CTR_CODE_KNOWN;
        bounds += counts[i];
    }
    return true;
}

static bool
unpack_statistics(Unpacker *u)
{
    CtrEncoder *encoder = u->model->encoder;
    int64 total = 0;
    float *values;

    if (encoder->n_statistics == 0)
        return true;
    for (int f = 0; f < encoder->n_statistics; f++)
        total += encoder->categories[f];
    MemoryContextSwitchTo(u->model->context);
    values = take_vector(u, CTR_MODEL_STATISTICS, CTR_SAFE_F32, total);
    encoder->statistics = palloc(sizeof(float *) * encoder->n_statistics);
    MemoryContextSwitchTo(u->scratch);
    if (values == NULL)
        return false;
    for (int f = 0; f < encoder->n_statistics; f++) {
        encoder->statistics[f] = values;
        values += encoder->categories[f];
    }
    return true;
}

static NnKeptSum *
read_label_sums(Unpacker *u, const CtrSafeTensor *tensor)
{
    NnKeptSum *sums = MemoryContextAllocHuge(u->model->context, tensor->size);

    safetensors_read(u->file, tensor, sums);
    return sums;
}

static bool
unpack_label_sums(Unpacker *u)
{
    CtrEncoder *encoder = u->model->encoder;
    int64 shape[] = {0, STATISTICS_GROUPS, 2};
    const CtrSafeTensor *sums, *totals;
    NnKeptSum *values;

    if (encoder->n_statistics == 0)
        return true;
    for (int f = 0; f < encoder->n_statistics; f++)
        shape[0] += encoder->categories[f];
    if ((sums = take(u, CTR_MODEL_LABEL_SUMS, CTR_SAFE_F32, 3, shape)) == NULL ||
        (totals = take(u, CTR_MODEL_LABEL_TOTALS, CTR_SAFE_F32, 2, shape + 1)) == NULL)
        return false;
    if (u->use == TO_SCORE)
        return true;
    encoder->totals = read_label_sums(u, totals);
    values = read_label_sums(u, sums);
    encoder->sums = MemoryContextAlloc(u->model->context, sizeof(NnKeptSum *) * encoder->n_statistics);
    for (int f = 0; f < encoder->n_statistics; f++) {
        encoder->sums[f] = values;
        values += (Size)encoder->categories[f] * STATISTICS_GROUPS;
    }
    return true;
}

/* ------------------------------------------------------------------ network */

/* A net's description may have a tensor per pair of features: the file must have them before it is made. */
static bool
unpack_net(Unpacker *u)
{
    const NnConfig config = model_net_config(u->model);

    if (nn_arch_least_params(&config) > u->file->n_tensors)
        return safetensors_invalid(u->escontext,
                                   "it has only %d tensors for the interactions of " INT64_FORMAT " features",
                                   u->file->n_tensors, (int64)config.n_num + config.n_cat);
    return model_create_net(u->model, u->escontext);
}

static bool
check_offsets(Unpacker *u, const NnParam *p, const float *block)
{
    const int *categories = u->model->encoder->categories;
    int64 expected = 0;

    for (int f = 0; f < p->shape[0]; f++) {
        int64 offset;

        memcpy(&offset, (const char *)(block + p->offset) + sizeof(offset) * f, sizeof(offset));
        if (offset != expected)
            return safetensors_invalid(u->escontext, "tensor \"%s\" does not fit the categories", p->name);
        expected += categories[f];
    }
    return true;
}

static bool
unpack_params(Unpacker *u)
{
    const NnNet *net = &u->model->net;
    const CtrSafeTensor **tensors = palloc(mul_size(net->n_params, sizeof(CtrSafeTensor *)));
    float *block;

    for (int i = 0; i < net->n_params; i++) {
        const NnParam *p = &net->params[i];

        ctr_pause_at(i);
        tensors[i] = take(u, p->name, p->dtype == NN_F32 ? CTR_SAFE_F32 : CTR_SAFE_I64, p->ndim, p->shape);
        if (tensors[i] == NULL)
            return false;
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
        if (p->init == NN_OFFSETS && !check_offsets(u, p, block))
            return false;
    }
    u->model->params = block;
    return true;
}

/* ------------------------------------------------------------------ training's record */

/* Strictly as pack.c writes them: no two texts say the same, so that a digest stands for few files. */
static bool
read_seconds(const char *text, CtrEpoch *history, int n)
{
    const Size stride = CTR_MODEL_SECONDS_WIDTH + 1;

    if (strlen(text) != (n == 0 ? 2 : n * stride + 1) || text[0] != '[' || text[strlen(text) - 1] != ']')
        return false;
    for (int i = 0; i < n; i++) {
        const char *field = text + 1 + i * stride;
        char digits[CTR_MODEL_SECONDS_WIDTH + 1], again[CTR_MODEL_SECONDS_WIDTH + 1];

        CHECK_FOR_INTERRUPTS();
        /* strlcpy would look for the end of all seconds each time */
        memcpy(digits, field, CTR_MODEL_SECONDS_WIDTH);
        digits[CTR_MODEL_SECONDS_WIDTH] = '\0';
        history[i].seconds = strtod(digits, NULL);
        snprintf(again, sizeof(again), "%*.6f", CTR_MODEL_SECONDS_WIDTH, history[i].seconds);
        if (strcmp(again, digits) != 0 || (i > 0 && field[-1] != ','))
            return false;
    }
    return true;
}

static bool
unpack_history(Unpacker *u)
{
    CtrModel *model = u->model;
    const CtrSafeTensor *tensor = safetensors_find(u->file, CTR_MODEL_HISTORY);
    int64 shape[] = {tensor != NULL ? tensor->shape[0] : 0, CTR_MODEL_EPOCH_MEMBERS};
    const char *seconds = take_entry(u, "epoch_seconds");
    double *rows;

    tensor = seconds != NULL ? take(u, CTR_MODEL_HISTORY, CTR_SAFE_F64, 2, shape) : NULL;
    if (tensor == NULL)
        return false;
    if (shape[0] > CTR_MODEL_EPOCHS_MOST)
        return safetensors_invalid(u->escontext, "it has " INT64_FORMAT " epochs, more than %d", shape[0],
                                   CTR_MODEL_EPOCHS_MOST);
    model->n_epochs = (int)shape[0];
    rows = palloc(Max(tensor->size, 1));
    safetensors_read(u->file, tensor, rows);
    model->history = MemoryContextAlloc(model->context, sizeof(CtrEpoch) * Max(model->n_epochs, 1));
    for (int i = 0; i < model->n_epochs; i++) {
        const double *row = rows + i * CTR_MODEL_EPOCH_MEMBERS;

        model->history[i] = (CtrEpoch){.train_loss = row[0],
                                       .train_auc = row[1],
                                       .val_loss = row[2],
                                       .val_auc = row[3],
                                       .learning_rate = row[4],
                                       .is_best = row[5] != 0};
    }
    return read_seconds(seconds, model->history, model->n_epochs) ||
           safetensors_invalid(u->escontext,
                               "metadata entry \"epoch_seconds\" has not one number for each of "
                               "%d epochs",
                               model->n_epochs);
}

static bool
unpack_counts(Unpacker *u)
{
    CtrModel *model = u->model;
    int64 best;

    if (!take_number(u, "best_epoch", model->n_epochs, &best) ||
        !take_number(u, "training_rows", CTR_COUNT_MOST, &model->train_rows) ||
        !take_number(u, "validation_rows", CTR_COUNT_MOST, &model->validation_rows) ||
        !take_number(u, "skipped_rows", CTR_COUNT_MOST, &model->skipped_rows))
        return false;
    model->best_epoch = (int)best;
    return true;
}

static bool
check_nothing_else(const Unpacker *u)
{
    for (int i = 0; i < u->file->n_tensors; i++) {
        if (!u->used[i])
            return safetensors_invalid(u->escontext, "tensor \"%s\" does not belong to its network",
                                       u->file->tensors[i].name);
    }
    return true;
}

/* ------------------------------------------------------------------ all of it */

/* What does not need the vocabularies. */
static void
unpack_rest(void *arg)
{
    Unpacker *u = arg;

    u->good = unpack_buckets(u) && unpack_statistics(u) && unpack_label_sums(u) && unpack_net(u) &&
              unpack_params(u) && unpack_history(u) && unpack_counts(u) && check_nothing_else(u);
}

/* The vocabularies by threads, and the rest meanwhile. */
static bool
unpack_vocabs(Unpacker *u)
{
    CtrEncoder *encoder = u->model->encoder;
    MemoryContext context = u->model->context;
    int n = encoder->n_cat;
    uint32 *counts = take_vector(u, CTR_MODEL_COUNT, CTR_SAFE_U32, n);
    int64 total = 0;
    uint32 *ends;
    int32 *frequencies, twice;
    const char *bytes;

    if (counts == NULL)
        return false;
    for (int f = 0; f < n; f++)
        total += counts[f];
    bytes = read_categories(u, total, &ends, &frequencies);
    if (bytes == NULL)
        return false;
    encoder->vocabs = MemoryContextAlloc(context, sizeof(CtrVocab *) * Max(n, 1));
    encoder->frequencies = MemoryContextAlloc(context, sizeof(int32 *) * Max(n, 1));
    for (int f = 0; f < n; f++) {
        encoder->frequencies[f] = frequencies;
        encoder->categories[f] = (int)counts[f] + CTR_CODE_KNOWN;
        frequencies += counts[f];
    }
    twice = vocab_load(encoder->vocabs, context, bytes, ends, counts, n, unpack_rest, u);
    if (!u->good)
        return false;
    return twice == 0 ||
           safetensors_invalid(u->escontext, "a feature has its category number %d twice", twice);
}

static bool
unpack_parts(Unpacker *u, Datum value)
{
    u->file = safetensors_parse(value, u->escontext);
    if (u->file == NULL)
        return false;
    u->used = palloc0(Max(u->file->n_tensors, 1));
    return unpack_version(u) && unpack_digest(u) && unpack_options(u) && unpack_features(u) &&
           unpack_transforms(u) && unpack_vocabs(u);
}

/* NULL: invalid, and nothing of it is left. */
static CtrModel *
unpack(Datum value, MemoryContext parent, UnpackUse use, Node *escontext)
{
    MemoryContext context = AllocSetContextCreate(parent, "ctr model", ALLOCSET_DEFAULT_SIZES);
    MemoryContext caller;
    Unpacker u = {
        .model = MemoryContextAllocZero(context, sizeof(CtrModel)), .use = use, .escontext = escontext};
    bool good;

    u.model->context = context;
    u.model->encoder = MemoryContextAllocZero(context, sizeof(CtrEncoder));
    u.model->encoder->context = context;
    u.scratch = AllocSetContextCreate(context, "ctr model unpack", ALLOCSET_DEFAULT_SIZES);
    caller = MemoryContextSwitchTo(u.scratch);
    good = unpack_parts(&u, value);
    MemoryContextSwitchTo(caller);
    MemoryContextDelete(good ? u.scratch : context);
    return good ? u.model : NULL;
}

CtrModel *
model_unpack(Datum value, MemoryContext parent)
{
    return unpack(value, parent, TO_SCORE, NULL);
}

CtrModel *
model_unpack_to_train(Datum value, MemoryContext parent)
{
    return unpack(value, parent, TO_TRAIN, NULL);
}

bool
model_validate(Datum value, Node *escontext)
{
    CtrModel *model = unpack(value, CurrentMemoryContext, TO_VALIDATE, escontext);
    const char *fault;

    if (model == NULL)
        return false;
    fault = model_fault(model);
    if (fault != NULL)
        safetensors_invalid(escontext, "%s", fault);
    MemoryContextDelete(model->context);
    return fault == NULL;
}
