/*
 * unpack.c: reads a model's bytes, whose layout is in layout.h, and is the only judge of their form; check.c
 * judges the numbers. Each part of a file is read in a file of its own (unpack.h). Sizes that the bytes claim
 * are compared with what there is before memory is asked for.
 */
#include "model/unpack.h"

static bool
check_nothing_else(const CtrUnpacker *u)
{
    for (int i = 0; i < u->file->n_tensors; i++) {
        if (!u->used[i])
            return safetensors_invalid(u->escontext, "tensor \"%s\" does not belong to its network",
                                       u->file->tensors[i].name);
    }
    return true;
}

static bool
unpack_model_parts(CtrUnpacker *u)
{
    return (unpack_no_encoder(u) || (unpack_statistics(u) && unpack_label_sums(u))) && unpack_shared(u) &&
           unpack_net(u) && (u->use == CTR_UNPACK_TO_COUNT || unpack_params(u)) && unpack_insight(u);
}

static bool
unpack_prepared_parts(CtrUnpacker *u)
{
    return (u->model->stage != CTR_STAGE_LABELS || unpack_label_sums(u)) && unpack_prepared(u);
}

/* Reads everything that does not need the categories. */
static void
unpack_rest(void *arg)
{
    CtrUnpacker *u = arg;
    const bool is_model = u->model->stage == CTR_STAGE_MODEL;

    u->good = unpack_buckets(u) && (is_model ? unpack_model_parts(u) : unpack_prepared_parts(u)) &&
              unpack_history(u) && unpack_tried(u) && unpack_counts(u) && unpack_weights_source(u) &&
              (unpack_no_encoder(u) || check_nothing_else(u));
}

static bool
unpack_parts(CtrUnpacker *u, CtrValueBytes *bytes)
{
    u->file = safetensors_parse_bytes(bytes, u->escontext);
    if (u->file == NULL)
        return false;
    u->used = palloc0(Max(u->file->n_tensors, 1));
    return unpack_version(u) && unpack_digest(u) && unpack_time(u) && unpack_stage(u) && unpack_options(u) &&
           unpack_features(u) && unpack_transforms(u) && unpack_vocabs(u, unpack_rest);
}

/* NULL: the bytes are invalid; all memory is freed again. */
static CtrModel *
unpack_bytes(CtrValueBytes *bytes, MemoryContext parent, CtrUnpackUse use, Node *escontext)
{
    MemoryContext context = AllocSetContextCreate(parent, "ctr model", ALLOCSET_DEFAULT_SIZES);
    MemoryContext caller;
    CtrUnpacker u = {
        .model = MemoryContextAllocZero(context, sizeof(CtrModel)), .use = use, .escontext = escontext};
    bool good;

    u.model->context = context;
    u.model->encoder = MemoryContextAllocZero(context, sizeof(CtrEncoder));
    u.model->encoder->context = context;
    u.scratch = AllocSetContextCreate(context, "ctr model unpack", ALLOCSET_DEFAULT_SIZES);
    caller = MemoryContextSwitchTo(u.scratch);
    good = unpack_parts(&u, bytes);
    MemoryContextSwitchTo(caller);
    MemoryContextDelete(good ? u.scratch : context);
    return good ? u.model : NULL;
}

static CtrModel *
unpack(Datum value, MemoryContext parent, CtrUnpackUse use, Node *escontext)
{
    MemoryContext scratch = AllocSetContextCreate(parent, "ctr model bytes", ALLOCSET_DEFAULT_SIZES);
    MemoryContext caller = MemoryContextSwitchTo(scratch);
    CtrValueBytes *bytes = value_bytes(value);
    CtrModel *model;

    MemoryContextSwitchTo(caller);
    model = unpack_bytes(bytes, parent, use, escontext);
    MemoryContextDelete(scratch);
    return model;
}

CtrModel *
model_unpack(Datum value, MemoryContext parent)
{
    return unpack(value, parent, CTR_UNPACK_TO_SCORE, NULL);
}

CtrModel *
model_unpack_to_train(Datum value, MemoryContext parent)
{
    return unpack(value, parent, CTR_UNPACK_TO_TRAIN, NULL);
}

CtrModel *
model_unpack_any(Datum value, MemoryContext parent)
{
    return unpack(value, parent, CTR_UNPACK_ANY, NULL);
}

CtrModel *
model_unpack_outline(CtrValueBytes *bytes, bool with_params, MemoryContext parent)
{
    return unpack_bytes(bytes, parent, with_params ? CTR_UNPACK_TO_MERGE : CTR_UNPACK_TO_COUNT, NULL);
}

bool
model_validate(Datum value, Node *escontext)
{
    CtrModel *model = unpack(value, CurrentMemoryContext, CTR_UNPACK_TO_VALIDATE, escontext);
    const char *fault;

    if (model == NULL)
        return false;
    fault = model_fault(model);
    if (fault != NULL)
        safetensors_invalid(escontext, "%s", fault);
    MemoryContextDelete(model->context);
    return fault == NULL;
}
