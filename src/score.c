/*
 * score.c: a call site that scores rows. Looks the row type up once per model, then: encode, score.
 */
#include "score.h"

#include "access/htup_details.h"

Site *
site_create(MemoryContext context, int capacity, bool wants_label)
{
    Site *site = MemoryContextAllocZero(context, sizeof(Site));

    site->context = context;
    site->hold = model_hold_create(context);
    site->capacity = capacity;
    site->wants_label = wants_label;
    return site;
}

static SiteModel *
site_model_create(Site *site, const CachedModelView *view, HeapTupleHeader rec)
{
    const Model *model = view->model;
    const Encoder *encoder = model->encoder;
    MemoryContext context = AllocSetContextCreate(site->context, "ctr call site", ALLOCSET_SMALL_SIZES);
    MemoryContext old = MemoryContextSwitchTo(context);
    SiteModel *sm = palloc0(sizeof(SiteModel));

    memcpy(sm->digest, model->digest, sizeof(sm->digest));
    sm->context = context;
    sm->capacity = Min(site->capacity, view->capacity);
    sm->map = rowmap_for_scoring(rec, encoder->features, encoder->n_num, encoder->n_cat,
                                 site->wants_label ? model->options.label : NULL, context);
    sm->x_num = palloc(mul_size(sizeof(float), mul_size(sm->capacity, Max(encoder->d_num, 1))));
    sm->x_cat = palloc(mul_size(sizeof(int32), mul_size(sm->capacity, Max(encoder->d_cat, 1))));
    sm->p = palloc(mul_size(sizeof(float), mul_size(sm->capacity, model->options.net.n_classes)));
    MemoryContextSwitchTo(old);
    return sm;
}

/* Moves models[i] to the front. */
static void
site_promote(Site *site, int i)
{
    SiteModel *sm = site->models[i];

    memmove(site->models + 1, site->models, sizeof(SiteModel *) * i);
    site->models[0] = sm;
}

static void
site_forget(Site *site, int i)
{
    MemoryContextDelete(site->models[i]->context);
    site->n_models--;
    memmove(site->models + i, site->models + i + 1, sizeof(SiteModel *) * (site->n_models - i));
}

bool
site_is(Site *site, Datum model, HeapTupleHeader rec)
{
    return site->view && model_hold_view(site->hold, model) == site->view &&
           rowmap_fits(site->models[0]->map, rec);
}

SiteModel *
site_use(Site *site, Datum model, HeapTupleHeader rec)
{
    const CachedModelView *view;
    int i;

    if (site_is(site, model, rec))
        return site->models[0];

    site->view = NULL; /* nothing is ready if what follows fails */
    view = model_cache_get(model, site->hold);

    for (i = 0; i < site->n_models; i++) {
        if (memcmp(site->models[i]->digest, view->model->digest, MODEL_DIGEST_SIZE) == 0)
            break;
    }
    if (i < site->n_models && !rowmap_fits(site->models[i]->map, rec))
        site_forget(site, i), i = site->n_models;
    if (i == site->n_models) {
        SiteModel *sm = site_model_create(site, view, rec);

        if (site->n_models == SITE_MODELS)
            site_forget(site, SITE_MODELS - 1);
        i = site->n_models++;
        site->models[i] = sm;
    }
    site_promote(site, i);
    site->view = view;
    return site->models[0];
}

void
site_encode(Site *site, HeapTupleHeader rec, int row)
{
    SiteModel *sm = site->models[0];
    const Encoder *encoder = site->view->model->encoder;

    rowmap_read(sm->map, rec);
    encoder_encode(encoder, sm->map, sm->x_num + (Size)row * encoder->d_num, sm->x_cat + row, sm->capacity);
}

const float *
site_score(Site *site, int n)
{
    SiteModel *sm = site->models[0];

    scorer_run(site->view->scorer, sm->x_num, sm->x_cat, sm->capacity, n, sm->p, NULL);
    return sm->p;
}
