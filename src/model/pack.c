/*
 * pack.c: writes a model's bytes, whose layout is in layout.h; unpack.c reads them.
 */
#include "model/pack.h"

#include <math.h>

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "model/record.h"
#include "model/tried.h"
#include "rows/spelling.h"

#define MAX_CTR_TENSORS  40
#define OTHER_SIZE       (20 * 1024) /* of a header's entries for them, and of the metadata, usually */
#define TENSOR_JSON_SIZE 160         /* the most bytes of a tensor's entry in the header, without its name */

CtrSafeTensor *
pack_tensor(CtrSafeFile *file, const char *name, CtrSafeDtype dtype, int ndim, const int64 *shape,
            const void *data, Size size)
{
    CtrSafeTensor *tensor = &file->tensors[file->n_tensors];

    if (file->n_tensors++ == file->room)
        elog(ERROR, "a model has more than %d tensors", file->room);
    *tensor = (CtrSafeTensor){.name = name, .dtype = dtype, .ndim = ndim, .data = data, .size = size};
    for (int i = 0; i < ndim; i++)
        tensor->shape[i] = shape[i];
    return tensor;
}

void *
pack_vector(CtrSafeFile *file, const char *name, CtrSafeDtype dtype, int64 n, Size width)
{
    Size size = mul_size((Size)n, width);
    void *data = MemoryContextAllocHuge(CurrentMemoryContext, Max(size, 1));

    pack_tensor(file, name, dtype, 1, &n, data, size);
    return data;
}

static void
pack_params(CtrSafeFile *file, const CtrModel *model)
{
    for (int i = 0; i < model->net.n_params; i++) {
        const NnParam *p = &model->net.params[i];
        bool is_float = p->dtype == NN_F32;

        pack_tensor(file, p->name, is_float ? CTR_SAFE_F32 : CTR_SAFE_I64, p->ndim, p->shape,
                    model->params + p->offset, p->count * (is_float ? sizeof(float) : sizeof(int64)));
    }
}

static void
pack_history(CtrSafeFile *file, const CtrModel *model)
{
    int64 shape[] = {model->n_epochs, CTR_MODEL_EPOCH_MEMBERS};
    double *values = palloc(mul_size(Max(model->n_epochs, 1), CTR_MODEL_EPOCH_MEMBERS * sizeof(double)));

    pack_tensor(file, CTR_MODEL_HISTORY, CTR_SAFE_F64, 2, shape, values,
                (Size)model->n_epochs * CTR_MODEL_EPOCH_MEMBERS * sizeof(double));
    for (int i = 0; i < model->n_epochs; i++) {
        const CtrEpoch *e = &model->history[i];
        double row[CTR_MODEL_EPOCH_MEMBERS] = {e->train_loss, e->train_auc,     e->val_loss,
                                               e->val_auc,    e->learning_rate, e->is_best};

        memcpy(values + i * CTR_MODEL_EPOCH_MEMBERS, row, sizeof(row));
    }
}

static void
pack_insight(CtrSafeFile *file, const CtrModel *model)
{
    CtrInsightTensor tensors[CTR_MODEL_INSIGHTS];

    insight_tensors(unconstify(CtrModel *, model), tensors);
    for (int i = 0; i < CTR_MODEL_INSIGHTS; i++) {
        const int64 n = tensors[i].n;

        if (n > 0)
            pack_tensor(file, tensors[i].name, CTR_SAFE_F32, 1, &n, *tensors[i].values,
                        (Size)n * sizeof(float));
    }
}

static void
pack_labels(CtrSafeFile *file, const CtrModel *model)
{
    const int64 n = Max(model->options.net.n_classes, 2);

    if (model->label_rows != NULL)
        pack_tensor(file, CTR_MODEL_LABELS, CTR_SAFE_I64, 1, &n, model->label_rows, (Size)n * sizeof(int64));
}

static char *
names_json(const CtrFeature *features, int n)
{
    char **names = palloc(sizeof(char *) * Max(n, 1));
    StringInfoData text;

    for (int i = 0; i < n; i++)
        names[i] = features[i].name;
    initStringInfo(&text);
    json_append_strings(&text, names, n);
    return text.data;
}

static char *
seconds_text(const CtrModel *model)
{
    StringInfoData text;

    initStringInfo(&text);
    for (int i = 0; i < model->n_epochs; i++)
        appendStringInfo(&text, "%c%*.6f", i == 0 ? '[' : ',', CTR_MODEL_SECONDS_WIDTH,
                         fmin(fmax(model->history[i].seconds, 0), CTR_MODEL_SECONDS_LARGEST));
    appendStringInfoString(&text, model->n_epochs == 0 ? "[]" : "]");
    return text.data;
}

/*
 * Error beyond CTR_JSON_TREE_SIZE, which is all that a reader accepts. Only forged options, with endless
 * lists of columns, come near it.
 */
static void
add_json(CtrSafeFile *file, const char *key, const char *json)
{
    if (strlen(json) > CTR_JSON_TREE_SIZE)
        ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                        errmsg("the model's metadata entry \"%s\" would be too large", key)));
    safetensors_add_entry(file, key, json);
}

static void
pack_metadata(CtrSafeFile *file, const CtrModel *model)
{
    const CtrEncoder *encoder = model->encoder;

    /* room for the digest, which model_sign writes */
    safetensors_add_entry(file, "digest", psprintf("%0*d", CTR_MODEL_DIGEST_SIZE, 0));
    safetensors_add_entry(file, "epoch_seconds", seconds_text(model));
    if (model->trained_at[0] != '\0')
        safetensors_add_entry(file, "trained_at", model->trained_at);
    safetensors_add_entry(file, "format_version", psprintf("%d", CTR_FORMAT_VERSION));
    safetensors_add_entry(file, "ctr_version", CTR_VERSION);
    add_json(file, "options", record_write(&model->options));
    add_json(file, "numerical", names_json(encoder->features, encoder->n_num));
    add_json(file, "categorical", names_json(encoder->features + encoder->n_num, encoder->n_cat));
    if (model->n_tried > 0)
        add_json(file, "candidates", tried_write(model));
    if (model->stage != CTR_STAGE_MODEL)
        safetensors_add_entry(file, "prepared", model_stage_names[model->stage]);
    if (model->stage == CTR_STAGE_MODEL && model->encoder->shared)
        safetensors_add_entry(file, "encoder", "shared");
    if (model->start[0] != '\0')
        safetensors_add_entry(file, "start", model->start);
    if (model->weights != CTR_WEIGHTS_TRAINED)
        safetensors_add_entry(file, "weights", model_weights_names[model->weights]);
    safetensors_add_entry(file, "training_rows", psprintf(INT64_FORMAT, model->train_rows));
    safetensors_add_entry(file, "validation_rows", psprintf(INT64_FORMAT, model->validation_rows));
    safetensors_add_entry(file, "skipped_rows", psprintf(INT64_FORMAT, model->skipped_rows));
    safetensors_add_entry(file, "best_epoch", psprintf("%d", model->best_epoch));
}

bool
model_time_text(TimestampTz time, char *text)
{
    struct pg_tm tm;
    fsec_t fsec;

    if (timestamp2tm(time, NULL, &tm, &fsec, NULL, NULL) != 0 || tm.tm_year < 1 || tm.tm_year > 9999)
        return false;
    snprintf(text, CTR_MODEL_TIME_SIZE + 1, "%04d-%02d-%02dT%02d:%02d:%02dZ", tm.tm_year, tm.tm_mon,
             tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
    return true;
}

/* encoder: of which file; NULL: the model's own */
static ctr_model *
pack(const CtrModel *model, const CtrSafeFile *encoder, MemoryContext context)
{
    MemoryContext caller = CurrentMemoryContext;
    MemoryContext scratch = AllocSetContextCreate(caller, "ctr model pack", ALLOCSET_DEFAULT_SIZES);
    CtrSafeFile *file;
    ctr_model *result;

    MemoryContextSwitchTo(scratch);
    file = safetensors_create(model->net.n_params + MAX_CTR_TENSORS);
    pack_params(file, model);
    if (encoder != NULL)
        pack_encoder_of(file, encoder);
    else
        pack_encoder(file, model);
    if (model->stage == CTR_STAGE_MODEL) {
        pack_insight(file, model);
        pack_shared(file, model);
    } else
        pack_prepared(file, model);
    pack_labels(file, model);
    pack_history(file, model);
    pack_metadata(file, model);
    result = (ctr_model *)safetensors_write(file, context);
    model_sign(result->data, VARSIZE(result) - VARHDRSZ);
    MemoryContextSwitchTo(caller);
    MemoryContextDelete(scratch);
    Assert(model_validate(PointerGetDatum(result), NULL));
    return result;
}

ctr_model *
model_pack(const CtrModel *model, MemoryContext context)
{
    return pack(model, NULL, context);
}

ctr_model *
model_pack_with_encoder(const CtrModel *model, const CtrSafeFile *encoder, MemoryContext context)
{
    return pack(model, encoder, context);
}

Size
model_estimate(const NnNet *net, const CtrEncoder *encoder)
{
    Size size = mul_size(net->n_block, sizeof(float));

    for (int i = 0; i < net->n_params; i++)
        size = add_size(size, strlen(net->params[i].name) + TENSOR_JSON_SIZE);
    for (int i = 0; i < encoder->n_num; i++)
        size = add_size(size, ((Size)encoder->transforms[i].n_quantiles + CTR_MODEL_N_STATISTICS + 2) *
                                  sizeof(double));
    if (encoder->buckets != NULL)
        size = add_size(size, mul_size(encoder->n_num, NN_BUCKETS_MOST * sizeof(double)));
    for (int f = 0; f < encoder->n_statistics; f++)
        size = add_size(
            size, mul_size(encoder->categories[f], sizeof(float) + NN_STATISTICS_GROUPS * sizeof(NnKeptSum)));
    for (int f = 0; f < encoder->n_cat + encoder->n_crosses; f++) {
        Size known = (Size)vocab_count(encoder->vocabs[f]);

        size = add_size(
            size, add_size(vocab_bytes(encoder->vocabs[f]), known * (sizeof(uint32) + 2 * sizeof(int32))));
    }
    size = add_size(size, 2 * (Size)net->d_input * sizeof(float)); /* the average row and its spread */
    return add_size(size, (Size)(encoder->n_num + encoder->n_cat) * 2 * NAMEDATALEN + OTHER_SIZE);
}
