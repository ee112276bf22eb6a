/*
 * site_model.c: a model at a call site.
 *
 * What was looked up for one row at a time is kept from query to query: looking 40 columns up costs as much
 * as scoring a row. A query takes its own off the shelf, and puts it back when it ends.
 */
#include "score/site_model.h"

#include "access/transam.h"

#define SHELF 16

/* Most recently used first. */
static SiteModel *shelf[SHELF];
static int shelved = 0;

/* Not what depends on functions that may be replaced: output functions of types that are not built in. */
static bool
may_be_shelved(const SiteModel *sm)
{
    if (!sm->outlives)
        return false;
    for (int i = 0; i < sm->map->n_features; i++) {
        if (sm->map->features[i].output.fn_oid >= FirstNormalObjectId)
            return false;
    }
    return true;
}

static SiteModel *
shelf_take(const CtrModel *model, const CtrRow *row)
{
    for (int i = 0; i < shelved; i++) {
        SiteModel *sm = shelf[i];

        if (memcmp(sm->digest, model->digest, CTR_MODEL_DIGEST_SIZE) != 0 || !rowmap_fits(sm->map, row))
            continue;
        rowmap_check_columns(sm->map, row);
        shelved--;
        memmove(shelf + i, shelf + i + 1, sizeof(SiteModel *) * (shelved - i));
        return sm;
    }
    return NULL;
}

static void
shelf_put(SiteModel *sm)
{
    MemoryContextReset(sm->map->row_context);
    if (shelved == SHELF)
        MemoryContextDelete(shelf[--shelved]->context);
    memmove(shelf + 1, shelf, sizeof(SiteModel *) * shelved);
    shelf[0] = sm;
    shelved++;
}

void
site_model_release(SiteModel *sm)
{
    if (may_be_shelved(sm))
        shelf_put(sm);
    else
        MemoryContextDelete(sm->context);
}

SiteRows *
site_rows_create(const SiteModel *sm, const CtrModel *model)
{
    const CtrEncoder *encoder = model->encoder;
    MemoryContext old = MemoryContextSwitchTo(sm->context);
    SiteRows *rows = palloc0(sizeof(SiteRows));

    if (sm->capacity > 1)
        rows->block = rowblock_create(sm->context, sm->capacity, encoder->n_num, encoder->n_cat);
    rows->x_num = palloc(mul_size(sizeof(float), mul_size(sm->capacity, Max(encoder->d_num, 1))));
    rows->x_cat = palloc(mul_size(sizeof(int32), mul_size(sm->capacity, Max(encoder->d_cat, 1))));
    rows->logits = palloc(mul_size(sizeof(float), mul_size(sm->capacity, model->options.net.n_classes)));
    MemoryContextSwitchTo(old);
    return rows;
}

SiteModel *
site_model_create(MemoryContext parent, int capacity, bool label, const CtrModel *model, const CtrRow *row)
{
    const CtrEncoder *encoder = model->encoder;
    const bool outlives = capacity == 1 && !label;
    SiteModel *sm = outlives ? shelf_take(model, row) : NULL;
    MemoryContext context;

    if (sm)
        return sm;
    context = AllocSetContextCreate(parent, "ctr call site", ALLOCSET_SMALL_SIZES);
    sm = MemoryContextAllocZero(context, sizeof(SiteModel));
    memcpy(sm->digest, model->digest, sizeof(sm->digest));
    sm->context = context;
    sm->capacity = capacity;
    sm->outlives = outlives;
    sm->map = rowmap_for_scoring(row, encoder->features, encoder->n_num, encoder->n_cat,
                                 label ? model->options.label : NULL, context);
    sm->rows = site_rows_create(sm, model);
    if (outlives) /* now that no error can come before the site has it */
        MemoryContextSetParent(context, CacheMemoryContext);
    return sm;
}
