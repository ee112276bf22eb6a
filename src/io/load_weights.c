/*
 * load_weights.c: ctr_load_weights, a model with the weights of a network that was trained elsewhere. Every
 * tensor that does not fit is named in one error, because whoever renames tensors wants to see them all.
 */
#include "model/layout.h"

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"

#define NAMES_SHOWN 8   /* of each kind */
#define NAME_MOST   120 /* bytes of a name in a message: those of foreign files may have any length */

/* Names of tensors in a message: "a", "b" and 3 more. */
typedef struct NameList {
    StringInfoData text;
    int64 n;
} NameList;

/* What does not fit. */
typedef struct Misfits {
    NameList missing, extra, shapes, types, offsets;
    bool has_prefix, has_encoder; /* among the names of `extra` */
} Misfits;

/* detail follows the name; NULL: nothing does */
static void
add_name(NameList *list, const char *name, const char *detail)
{
    const int length = (int)strlen(name), shown = pg_mbcliplen(name, length, NAME_MOST);

    if (list->n++ >= NAMES_SHOWN)
        return;
    appendStringInfo(&list->text, "%s\"%.*s%s\"", list->n > 1 ? ", " : "", shown, name,
                     shown < length ? "..." : "");
    if (detail != NULL)
        appendStringInfo(&list->text, " is %s", detail);
}

static void
append_list(StringInfo text, const char *title, const NameList *list)
{
    if (list->n == 0)
        return;
    appendStringInfo(text, "%s%s: %s", text->len > 0 ? " " : "", title, list->text.data);
    if (list->n > NAMES_SHOWN)
        appendStringInfo(text, " and " INT64_FORMAT " more", list->n - NAMES_SHOWN);
    appendStringInfoChar(text, '.');
}

static bool
same_shape(const CtrSafeTensor *tensor, const NnParam *p)
{
    bool same = tensor->ndim == p->ndim;

    for (int i = 0; same && i < p->ndim; i++)
        same = tensor->shape[i] == p->shape[i];
    return same;
}

/* Weights may have any floating-point type; counters and offsets are integers. */
static bool
fitting_type(const CtrSafeTensor *tensor, const NnParam *p)
{
    if (p->dtype != NN_F32)
        return tensor->dtype == CTR_SAFE_I64;
    return tensor->dtype == CTR_SAFE_F32 || tensor->dtype == CTR_SAFE_F16 || tensor->dtype == CTR_SAFE_BF16 ||
           tensor->dtype == CTR_SAFE_F64;
}

/* Where each field begins in a table of all of them: other categories than the model's give others. */
static bool
same_offsets(const CtrSafeFile *file, const CtrSafeTensor *tensor, const float *own)
{
    char *offsets = palloc(Max(tensor->size, 1));
    bool same;

    safetensors_read(file, tensor, offsets);
    same = memcmp(offsets, own, tensor->size) == 0;
    pfree(offsets);
    return same;
}

/* Looks at the tensor for parameter p of the model; marks it as used. */
static void
check_tensor(Misfits *misfits, const CtrSafeFile *file, const CtrModel *model, const NnParam *p, bool *used)
{
    const CtrSafeTensor *tensor = safetensors_find(file, p->name);

    if (tensor == NULL) {
        add_name(&misfits->missing, p->name, NULL);
        return;
    }
    used[tensor - file->tensors] = true;
    if (!same_shape(tensor, p))
        add_name(&misfits->shapes, p->name,
                 psprintf("%s, not %s", safetensors_shape_text(tensor->ndim, tensor->shape),
                          safetensors_shape_text(p->ndim, p->shape)));
    else if (!fitting_type(tensor, p))
        add_name(&misfits->types, p->name,
                 psprintf("%s, not %s", safetensors_dtype_name(tensor->dtype),
                          p->dtype == NN_F32 ? "F32, F16, BF16 or F64" : "I64"));
    else if (p->init == NN_OFFSETS && !same_offsets(file, tensor, model->params + p->offset))
        add_name(&misfits->offsets, p->name, NULL);
}

static void
check_extra(Misfits *misfits, const char *name)
{
    add_name(&misfits->extra, name, NULL);
    misfits->has_prefix |= strncmp(name, "module.", strlen("module.")) == 0 ||
                           strncmp(name, "_orig_mod.", strlen("_orig_mod.")) == 0;
    misfits->has_encoder |= strncmp(name, CTR_MODEL_PREFIX, strlen(CTR_MODEL_PREFIX)) == 0;
}

static void
misfits_error(const Misfits *misfits)
{
    StringInfoData detail;

    initStringInfo(&detail);
    append_list(&detail, "Missing", &misfits->missing);
    append_list(&detail, "Not the model's", &misfits->extra);
    append_list(&detail, "Of another shape", &misfits->shapes);
    append_list(&detail, "Of another type", &misfits->types);
    append_list(&detail, "Of other categories", &misfits->offsets);
    if (detail.len == 0)
        return;
    ereport(
        ERROR,
        (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("the weights do not fit the model"),
         errdetail_internal("%s", detail.data),
         misfits->has_prefix
             ? errhint("DistributedDataParallel puts \"module.\" before names, torch.compile \"_orig_mod.\": "
                       "save the state_dict of the module inside.")
         : misfits->has_encoder
             ? errhint(
                   "Weights alone are expected, without an encoder: those that ctr_state_dict(model) gives.")
             : errhint("ctr_tensors(model) lists the model's tensors, ctr_config(model) the sizes of its "
                       "network.")));
}

static void
check_fit(const CtrSafeFile *file, const CtrModel *model)
{
    bool *used = palloc0(Max(file->n_tensors, 1));
    Misfits misfits = {.has_prefix = false};
    NameList *const lists[] = {&misfits.missing, &misfits.extra, &misfits.shapes, &misfits.types,
                               &misfits.offsets};

    for (int i = 0; i < (int)lengthof(lists); i++)
        initStringInfo(&lists[i]->text);
    for (int i = 0; i < model->net.n_params; i++) {
        ctr_pause_at(i);
        check_tensor(&misfits, file, model, &model->net.params[i], used);
    }
    for (int i = 0; i < file->n_tensors; i++) {
        ctr_pause_at(i);
        if (!used[i])
            check_extra(&misfits, file->tensors[i].name);
    }
    misfits_error(&misfits);
}

static void
read_weights(const CtrSafeFile *file, CtrModel *model)
{
    for (int i = 0; i < model->net.n_params; i++) {
        const NnParam *p = &model->net.params[i];
        const CtrSafeTensor *tensor = safetensors_find(file, p->name);

        ctr_pause();
        if (p->dtype == NN_F32)
            safetensors_read_floats(file, tensor, model->params + p->offset);
        else
            safetensors_read(file, tensor, model->params + p->offset);
    }
}

/* Forgets what was true of the weights before: how their training went, and what features contributed. */
static void
forget_training(CtrModel *model)
{
    model->weights = CTR_WEIGHTS_LOADED;
    model->n_epochs = 0;
    model->best_epoch = 0;
    model->n_tried = model->chosen = 0;
    model->trained_at[0] = '\0';
    insight_create(model);
}

/* CREATE FUNCTION ctr_load_weights(ctr_model, bytea) RETURNS ctr_model */
PG_FUNCTION_INFO_V1(ctr_load_weights);
Datum
ctr_load_weights(PG_FUNCTION_ARGS)
{
    MemoryContext caller = CurrentMemoryContext;
    MemoryContext scratch = AllocSetContextCreate(caller, "ctr load weights", ALLOCSET_DEFAULT_SIZES);
    CtrSafeFile *file;
    CtrModel *model;
    const char *fault;
    ctr_model *result;

    MemoryContextSwitchTo(scratch);
    model = model_unpack_to_train(PG_GETARG_DATUM(0), scratch);
    file = safetensors_parse_foreign(PG_GETARG_DATUM(1));
    check_fit(file, model);
    read_weights(file, model);
    forget_training(model);
    fault = model_fault(model);
    if (fault != NULL)
        safetensors_refuse(NULL, "weights", "%s", fault);
    result = model_pack(model, caller);
    MemoryContextSwitchTo(caller);
    MemoryContextDelete(scratch);
    PG_RETURN_MODEL_P(result);
}
