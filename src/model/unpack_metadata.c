/* unpack_metadata.c: which version wrote a model, its digest, its options and its counts of rows. */
#include "model/unpack.h"

#include "utils/timestamp.h"

#include "model/record.h"

#define VERSION_LONGEST 64 /* characters; messages quote it */

static bool
check_version(CtrUnpacker *u, int64 version)
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

bool
unpack_version(CtrUnpacker *u)
{
    int64 version;
    const char *writer;

    if (!unpack_number(u, "format_version", PG_INT32_MAX, &version) || !check_version(u, version) ||
        (writer = unpack_entry(u, "ctr_version")) == NULL)
        return false;
    if (strlen(writer) > VERSION_LONGEST)
        return safetensors_invalid(u->escontext, "metadata entry \"ctr_version\" is no version");
    u->model->version = MemoryContextStrdup(u->model->context, writer);
    return true;
}

bool
unpack_digest(CtrUnpacker *u)
{
    CtrValueBytes *bytes = u->file->bytes;
    char head[CTR_MODEL_HEAD_SIZE];
    Size size = Min(bytes->size, CTR_MODEL_HEAD_SIZE);

    value_read(bytes, 0, size, head);
    return model_peek_digest(head, size, u->model->digest, u->escontext) &&
           (u->use != CTR_UNPACK_TO_VALIDATE ||
            model_verify_digest(bytes->memory, bytes->size, u->escontext));
}

bool
unpack_time(CtrUnpacker *u)
{
    const char *text = safetensors_entry(u->file, "trained_at");
    char again[CTR_MODEL_TIME_SIZE + 1];
    struct pg_tm tm = {0};
    TimestampTz time;

    if (text == NULL)
        return true;
    if (strlen(text) != CTR_MODEL_TIME_SIZE ||
        sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2dZ", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour,
               &tm.tm_min, &tm.tm_sec) != 6 ||
        tm.tm_mon < 1 || tm.tm_mon > MONTHS_PER_YEAR || tm2timestamp(&tm, 0, NULL, &time) != 0 ||
        !model_time_text(time, again) || strcmp(text, again) != 0)
        return safetensors_invalid(u->escontext, "metadata entry \"trained_at\" is no time like "
                                                 "\"2026-11-27T08:15:00Z\"");
    strlcpy(u->model->trained_at, text, sizeof(u->model->trained_at));
    return true;
}

bool
unpack_options(CtrUnpacker *u)
{
    const CtrJsonNode *record = unpack_json(u, "options");
    bool good;

    if (record == NULL)
        return false;
    MemoryContextSwitchTo(u->model->context);
    good = record_read(&u->model->options, record, u->model->version, u->escontext);
    MemoryContextSwitchTo(u->scratch);
    return good;
}

/* The only tensor among the counts; files of before have none. */
static bool
unpack_labels(CtrUnpacker *u)
{
    const int n = Max(u->model->options.net.n_classes, 2);

    if (safetensors_find(u->file, CTR_MODEL_LABELS) == NULL)
        return true;
    MemoryContextSwitchTo(u->model->context);
    u->model->label_rows = unpack_vector(u, CTR_MODEL_LABELS, CTR_SAFE_I64, n);
    MemoryContextSwitchTo(u->scratch);
    for (int k = 0; u->model->label_rows != NULL && k < n; k++) {
        if (u->model->label_rows[k] < 0 || u->model->label_rows[k] > CTR_COUNT_MOST)
            return safetensors_invalid(u->escontext, "tensor \"%s\" has a number " INT64_FORMAT,
                                       CTR_MODEL_LABELS, u->model->label_rows[k]);
    }
    return u->model->label_rows != NULL;
}

bool
unpack_counts(CtrUnpacker *u)
{
    CtrModel *model = u->model;
    int64 best;

    if (!unpack_number(u, "best_epoch", model->n_epochs, &best) ||
        !unpack_number(u, "training_rows", CTR_COUNT_MOST, &model->train_rows) ||
        !unpack_number(u, "validation_rows", CTR_COUNT_MOST, &model->validation_rows) ||
        !unpack_number(u, "skipped_rows", CTR_COUNT_MOST, &model->skipped_rows) || !unpack_labels(u))
        return false;
    model->best_epoch = (int)best;
    return true;
}

/* A model without the entry was trained. */
bool
unpack_weights_source(CtrUnpacker *u)
{
    const char *source = safetensors_entry(u->file, "weights");

    u->model->weights = CTR_WEIGHTS_TRAINED;
    for (int i = CTR_WEIGHTS_TRAINED + 1; source != NULL && i < CTR_MODEL_N_WEIGHTS; i++) {
        if (strcmp(source, model_weights_names[i]) == 0)
            u->model->weights = (CtrWeights)i;
    }
    if (u->model->stage != CTR_STAGE_MODEL && u->model->weights != CTR_WEIGHTS_INITIAL)
        return safetensors_invalid(u->escontext, "it is prepared, but its weights are not initial");
    if (source != NULL && u->model->weights == CTR_WEIGHTS_TRAINED)
        return safetensors_invalid(u->escontext, "metadata entry \"weights\" is none of its values");
    return source == NULL || u->model->n_epochs == 0 ||
           safetensors_invalid(u->escontext, "it has epochs, but metadata entry \"weights\" says \"%s\"",
                               model_weights_names[u->model->weights]);
}
