/*
 * ready.c: a model made ready to score: found in memory that backends share, or unpacked, and then shared if
 * there is room.
 */
#include "model/ready.h"

#include "mb/pg_wchar.h"

#include "model/model_image.h"
#include "model/registry.h"

static void
create_scorer(CtrCachedModelView *view, CtrModel *model, void *weights)
{
    view->model = model;
    ctr_check_status(scorer_create(&view->scorer, &model->net, model->params, weights, NN_BLOCK,
                                   ctr_nn_alloc_untouched(model->context)),
                     "prepare the model for scoring");
}

/* What a scorer needs besides the parameters, in the model's context. */
static void *
prepare_weights(CtrModel *model)
{
    const NnAlloc alloc = ctr_nn_alloc(model->context);
    void *weights = alloc.alloc(alloc.owner, scorer_weights_size(&model->net));

    ctr_check_status(weights ? NN_OK : NN_NO_MEMORY, "prepare the model for scoring");
    scorer_prepare(&model->net, model->params, weights, ctr_pause);
    return weights;
}

/* Copies the model to memory that others can map, and deletes it. false: there is no room. */
static bool
share(CtrModel *model, void *weights, int slot)
{
    char *block = registry_allocate(slot, model_image_size(model, weights));

    if (block == NULL)
        return false;
    model_image_write(model, weights, block);
    MemoryContextDelete(model->context);
    return true;
}

static void
ready_unpack(Datum value, CtrCachedModelView *view)
{
    CtrModel *model = model_unpack(value, CurrentMemoryContext);

    create_scorer(view, model, prepare_weights(model));
}

/* Opens a slot that is mapped. An error leaves it. */
static void
ready_open(int slot, CtrCachedModelView *view)
{
    PG_TRY();
    {
        void *weights;
        CtrModel *model = model_image_open(registry_block(slot), CurrentMemoryContext, &weights);

        create_scorer(view, model, weights);
    }
    PG_CATCH();
    {
        registry_leave(slot);
        PG_RE_THROW();
    }
    PG_END_TRY();
}

/* Unpacks the model, and shares it if its bytes are as its digest says; else it is this backend's alone. */
static bool
build(Datum value, int slot, CtrCachedModelView *view)
{
    volatile bool shared = false;

    PG_TRY();
    {
        struct varlena *bytes = PG_DETOAST_DATUM(value);

        const bool fits = model_digest_fits(VARDATA(bytes), VARSIZE(bytes) - VARHDRSZ);
        CtrModel *model = model_unpack(PointerGetDatum(bytes), CurrentMemoryContext);
        void *weights = prepare_weights(model);

        if ((Pointer)bytes != DatumGetPointer(value))
            pfree(bytes);
        shared = fits && share(model, weights, slot);
        if (!shared)
            create_scorer(view, model, weights);
    }
    PG_CATCH();
    {
        registry_abandon(slot);
        PG_RE_THROW();
    }
    PG_END_TRY();
    if (shared)
        registry_publish(slot);
    else
        registry_abandon(slot);
    return shared;
}

int
ready_model(Datum value, const char *digest, CtrCachedModelView *view)
{
    CtrSharedKey key = {.encoding = GetDatabaseEncoding(), .layout = model_image_layout()};
    CtrSharing sharing;
    int slot;

    memcpy(key.digest, digest, sizeof(key.digest));
    sharing = registry_find(&key, &slot);
    if (sharing == CTR_SHARING_NONE)
        ready_unpack(value, view);
    else if (sharing == CTR_SHARING_READY || build(value, slot, view)) {
        ready_open(slot, view);
        return slot;
    }
    return CTR_NOT_SHARED;
}
