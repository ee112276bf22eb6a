/*
 * score.c: a call site that scores rows. Looks the row type up once per model, then: encode, score.
 *
 * Several blocks of rows are scored by threads, which are started when a site first has so many rows and touch the
 * engine's memory only.
 */
#include "score.h"

int
site_most_rows(void)
{
    return NN_BLOCK * Min(ctr_query_threads(), SITE_BLOCKS);
}

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
site_model_create(Site *site, const CachedModelView *view, const Row *row)
{
    const Model *model = view->model;
    const Encoder *encoder = model->encoder;
    MemoryContext context = AllocSetContextCreate(site->context, "ctr call site", ALLOCSET_SMALL_SIZES);
    MemoryContext old = MemoryContextSwitchTo(context);
    SiteModel *sm = palloc0(sizeof(SiteModel));

    memcpy(sm->digest, model->digest, sizeof(sm->digest));
    sm->context = context;
    sm->capacity = site->capacity;
    sm->map = rowmap_for_scoring(row, encoder->features, encoder->n_num, encoder->n_cat,
                                 site->wants_label ? model->options.label : NULL, context);
    if (sm->capacity > 1)
        sm->block = rowblock_create(context, sm->capacity, encoder->n_num, encoder->n_cat);
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
site_has_model(Site *site, Datum model)
{
    return site->view && model_hold_view(site->hold, model) == site->view;
}

bool
site_is(Site *site, Datum model, const Row *row)
{
    return site_has_model(site, model) && rowmap_fits(site->models[0]->map, row);
}

SiteModel *
site_use(Site *site, Datum model, const Row *row)
{
    const CachedModelView *view;
    int i;

    if (site_is(site, model, row))
        return site->models[0];

    site->view = NULL; /* nothing is ready if what follows fails */
    view = model_cache_get(model, site->hold);

    for (i = 0; i < site->n_models; i++) {
        if (memcmp(site->models[i]->digest, view->model->digest, MODEL_DIGEST_SIZE) == 0)
            break;
    }
    if (i < site->n_models && !rowmap_fits(site->models[i]->map, row))
        site_forget(site, i), i = site->n_models;
    if (i == site->n_models) {
        SiteModel *sm = site_model_create(site, view, row);

        if (site->n_models == SITE_MODELS)
            site_forget(site, SITE_MODELS - 1);
        i = site->n_models++;
        site->models[i] = sm;
    }
    site_promote(site, i);
    site->view = view;
    return site->models[0];
}

/* The threads, and a scorer for each but the first, whose is the cache's. */
static void
site_prepare_threads(Site *site)
{
    SiteModel *sm = site->models[0];

    if (site->pool == NULL)
        site->pool = ctr_pool_create(site->context, site->capacity / NN_BLOCK, NULL);
    if (sm->scorers == NULL)
        sm->scorers = MemoryContextAllocZero(sm->context, sizeof(NnScorer *) * SITE_BLOCKS);
    /* anew each time: the cache may have unpacked the model again */
    for (int i = 1; i < pool_threads(site->pool); i++)
        ctr_check_status(scorer_share(&sm->scorers[i], site->view->scorer, ctr_nn_alloc(sm->context)),
                         "prepare the model for scoring");
}

/* Encodes rows [first, end), as far as they wait in the block. */
static void
encode_waiting(const Site *site, int first, int end)
{
    const SiteModel *sm = site->models[0];
    const Encoder *encoder = site->view->model->encoder;

    if (sm->block == NULL)
        return;
    first = Max(first, sm->encoded);
    end = Min(end, sm->encoded + sm->block->n);
    if (first < end)
        encoder_encode_block(encoder, sm->block, first - sm->encoded, end - first,
                             sm->x_num + (Size)first * encoder->d_num, sm->x_cat + first, sm->capacity);
}

void
site_take(Site *site, const Row *row, int at)
{
    SiteModel *sm = site->models[0];

    rowmap_read(sm->map, row);
    if (sm->block == NULL) {
        encoder_encode(site->view->model->encoder, sm->map, sm->x_num, sm->x_cat, sm->capacity);
        return;
    }
    if (at == 0)
        sm->encoded = 0;
    sm->block->n = at - sm->encoded;
    if (rowblock_full(sm->block)) { /* of long texts */
        encode_waiting(site, 0, at);
        sm->encoded = at;
        sm->block->n = 0;
    }
    rowblock_add(sm->block, sm->map);
}

typedef struct ScoreTasks {
    const Site *site;
    int n;
} ScoreTasks;

/* one block */
static void
score_task(void *arg, int task, int worker)
{
    const ScoreTasks *tasks = arg;
    const SiteModel *sm = tasks->site->models[0];
    const CachedModelView *view = tasks->site->view;
    const NnConfig *config = &view->model->net.config;
    int first = task * NN_BLOCK, n = Min(NN_BLOCK, tasks->n - first);

    encode_waiting(tasks->site, first, first + n);
    scorer_run(worker == 0 ? view->scorer : sm->scorers[worker], sm->x_num + (Size)first * config->n_num,
               sm->x_cat + first, sm->capacity, n, sm->p + (Size)first * config->n_classes, NULL);
}

const float *
site_score(Site *site, int n)
{
    ScoreTasks tasks = {site, n};

    if (n <= NN_BLOCK)
        score_task(&tasks, 0, 0);
    else {
        site_prepare_threads(site);
        pool_run(site->pool, score_task, &tasks, (n + NN_BLOCK - 1) / NN_BLOCK, false);
    }
    return site->models[0]->p;
}
