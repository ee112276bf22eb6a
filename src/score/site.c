/*
 * site.c: a call site that scores rows. It looks the row type up once per model; then each row is encoded
 * and scored.
 *
 * Several blocks of rows are scored by threads, which are started when a site first has so many rows.
 * They touch the engine's memory only, so that the site can take the next rows at the same time.
 */
#include "score/site_model.h"

#include "miscadmin.h"

#include "threads.h"
#include "nn/math/loss.h"

#define SITE_MODELS 16

struct CtrSite {
    MemoryContext context;
    MemoryContextCallback goes;
    CtrModelHold *hold;
    bool wants_label; /* also find the model's label column */
    int capacity;     /* rows scored at once: 1, or blocks */
    NnPool *pool;     /* NULL: not needed yet */
    int n_scoring;    /* rows that threads are scoring */
    bool outlives;    /* what is in models lives longer than the site */
    int n_models;
    SiteModel *models[SITE_MODELS]; /* most recently used first: a join may bring several models in turn */
    const CtrCachedModelView *view; /* of the model in use: models[0] */
};

int
site_most_rows(void)
{
    return NN_BLOCK * Min(2 * threads_of_query(), CTR_SITE_BLOCKS);
}

CtrSite *
site_of_call(FunctionCallInfo fcinfo)
{
    if (fcinfo->flinfo->fn_extra == NULL)
        fcinfo->flinfo->fn_extra = site_create(fcinfo->flinfo->fn_mcxt, 1, false);
    return fcinfo->flinfo->fn_extra;
}

/* The site's context is being deleted, and those below it are gone. */
static void
site_goes(void *arg)
{
    const CtrSite *site = arg;

    for (int i = site->n_models - 1; i >= 0 && site->outlives; i--)
        site_model_release(site->models[i]);
}

CtrSite *
site_create(MemoryContext context, int capacity, bool wants_label)
{
    CtrSite *site = MemoryContextAllocZero(context, sizeof(CtrSite));

    site->context = context;
    site->hold = model_hold_create(context);
    site->capacity = capacity;
    site->wants_label = wants_label;
    site->goes = (MemoryContextCallback){.func = site_goes, .arg = site};
    MemoryContextRegisterResetCallback(context, &site->goes);
    return site;
}

/* Moves models[i] to the front. */
static void
site_promote(CtrSite *site, int i)
{
    SiteModel *sm = site->models[i];

    memmove(site->models + 1, site->models, sizeof(SiteModel *) * i);
    site->models[0] = sm;
}

static void
site_forget(CtrSite *site, int i)
{
    site_model_release(site->models[i]);
    site->n_models--;
    memmove(site->models + i, site->models + i + 1, sizeof(SiteModel *) * (site->n_models - i));
}

bool
site_has_model(const CtrSite *site, Datum model)
{
    return site->view && model_hold_view(site->hold, model) == site->view;
}

bool
site_has_type(const CtrSite *site, const CtrRow *row)
{
    return rowmap_fits(site->models[0]->map, row);
}

void
site_use(CtrSite *site, Datum model, const CtrRow *row)
{
    const CtrCachedModelView *view;
    int i;

    if (site_has_model(site, model) && site_has_type(site, row))
        return;

    site->view = NULL; /* nothing is ready if what follows fails */
    view = model_cache_get(model, site->hold);

    for (i = 0; i < site->n_models; i++) {
        if (memcmp(site->models[i]->digest, view->model->digest, CTR_MODEL_DIGEST_SIZE) == 0)
            break;
    }
    if (i < site->n_models && !rowmap_fits(site->models[i]->map, row))
        site_forget(site, i), i = site->n_models;
    if (i == site->n_models) {
        SiteModel *sm = site_model_create(site->context, site->capacity, site->wants_label, view->model, row);

        if (site->n_models == SITE_MODELS)
            site_forget(site, SITE_MODELS - 1);
        i = site->n_models++;
        site->models[i] = sm;
        site->outlives = sm->outlives;
    }
    site_promote(site, i);
    site->view = view;
}

const CtrModel *
site_model(const CtrSite *site)
{
    return site->view->model;
}

int
site_capacity(const CtrSite *site)
{
    return site->capacity;
}

void
site_check_one_class(const CtrSite *site, const char *function, const char *instead)
{
    const int n_classes = site_model(site)->options.net.n_classes;

    if (n_classes > 1)
        ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
                        errmsg("%s needs a model of one class, this one has %d classes", function, n_classes),
                        errhint("Use %s.", instead)));
}

/* Starts the threads, and makes a scorer for each but the first, which uses the cached model's. */
static void
site_prepare_threads(CtrSite *site)
{
    SiteModel *sm = site->models[0];

    if (site->pool == NULL)
        site->pool = threads_create_pool(site->context, Min(threads_of_query(), CTR_SITE_BLOCKS));
    if (sm->scorers == NULL)
        sm->scorers = MemoryContextAllocZero(sm->context, sizeof(NnScorer *) * CTR_SITE_BLOCKS);
    /* every time, because the cache may have unpacked the model again */
    for (int i = 1; i < pool_threads(site->pool); i++)
        ctr_check_status(
            scorer_share(&sm->scorers[i], site->view->scorer, ctr_nn_alloc_untouched(sm->context)),
            "prepare the model for scoring");
}

/* Encodes those of the rows [first, end) that still wait in the block. */
static void
encode_waiting(const CtrSite *site, const SiteRows *rows, int first, int end)
{
    const CtrEncoder *encoder = site->view->model->encoder;

    if (rows->block == NULL)
        return;
    first = Max(first, rows->encoded);
    end = Min(end, rows->encoded + rows->block->n);
    if (first < end)
        encoder_encode_block(encoder, rows->block, first - rows->encoded, end - first,
                             rows->x_num + (Size)first * encoder->d_num, rows->x_cat + first,
                             site->models[0]->capacity);
}

void
site_take(CtrSite *site, const CtrRow *row, int at)
{
    SiteModel *sm = site->models[0];
    SiteRows *rows = sm->rows;

    rowmap_read(sm->map, row);
    if (rows->block == NULL) {
        encoder_encode(site->view->model->encoder, sm->map, rows->x_num, rows->x_cat, sm->capacity);
        return;
    }
    if (at == 0)
        rows->encoded = 0;
    rows->block->n = at - rows->encoded;
    if (rowblock_full(rows->block)) { /* full of long texts before it has `capacity` rows */
        encode_waiting(site, rows, 0, at);
        rows->encoded = at;
        rows->block->n = 0;
    }
    rowblock_add(rows->block, sm->map);
}

bool
site_has_label(const CtrSite *site)
{
    return site->models[0]->map->label.attribute >= 0;
}

bool
site_label(const CtrSite *site, int *label)
{
    const CtrOptions *options = &site_model(site)->options;

    return row_class(site->models[0]->map, options->label, options->net.n_classes, label);
}

bool
site_value(const CtrSite *site, int feature, const char **bytes, uint32 *length)
{
    CtrRowMap *map = site->models[0]->map;

    return row_category(map, &map->features[feature], bytes, length);
}

double
site_number(const CtrSite *site, int feature)
{
    return row_number(site->models[0]->map, &site->models[0]->map->features[feature]);
}

const int32 *
site_codes(const CtrSite *site, Size *ld)
{
    *ld = site->models[0]->capacity;
    return site->models[0]->rows->x_cat;
}

void
site_inputs(const CtrSite *site, const float **x_num, const int32 **x_cat)
{
    const SiteRows *rows = site->models[0]->rows;

    Assert(site->capacity == 1);
    *x_num = rows->x_num;
    *x_cat = rows->x_cat;
}

/*
 * A block is scored in slices, and interrupts are checked between them: a slice takes some ten
 * milliseconds at most, whatever the network.
 */
#define SLICE_PRODUCTS ((Size)1 << 30)
#define SLICE_LEAST    16 /* with fewer rows, reading the weights would take most of the time */

/*
 * Rows of a slice: a multiple of SLICE_LEAST, as a block is, so that only the very last slice can be a
 * single row.
 */
static int
slice_rows(const CtrSite *site)
{
    const Size rows = SLICE_PRODUCTS / Max(site->view->model->net.n_dense, 1);

    return (int)(Min(Max(rows, SLICE_LEAST), NN_BLOCK) / SLICE_LEAST * SLICE_LEAST);
}

/* Copies the inputs of row `from` to row `to`. */
static void
copy_row(const CtrSite *site, const SiteRows *rows, int to, int from)
{
    const NnConfig *config = &site->view->model->net.config;
    const Size capacity = site->models[0]->capacity;

    memcpy(rows->x_num + (Size)to * config->n_num, rows->x_num + (Size)from * config->n_num,
           sizeof(float) * config->n_num);
    for (int f = 0; f < config->n_cat; f++)
        rows->x_cat[f * capacity + to] = rows->x_cat[f * capacity + from];
}

/*
 * Scores rows [first, first + n), a slice. If the very last row is alone in its slice, it is scored twice:
 * a BLAS library rounds products of a single row in its own way, and a row's score should not depend on how
 * many are scored with it. There is room for the copy, because such a row is never the last of a block.
 */
static void
score_slice(const CtrSite *site, const SiteRows *rows, NnScorer *scorer, int first, int n)
{
    const NnConfig *config = &site->view->model->net.config;

    encode_waiting(site, rows, first, first + n);
    if (n == 1 && rows->block != NULL) {
        copy_row(site, rows, first + 1, first);
        n = 2;
    }
    scorer_run(scorer, rows->x_num + (Size)first * config->n_num, rows->x_cat + first,
               site->models[0]->capacity, n, rows->logits + (Size)first * config->n_classes);
}

/*
 * Returns the logits of n rows. Error if one is not finite: models of ctr_train give none, but a model may
 * come from elsewhere.
 */
static const float *
checked_logits(const CtrSite *site, const float *logits, int n)
{
    if (!logits_finite(logits, (Size)n * site->view->model->net.config.n_classes))
        ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
                        errmsg("the model gives a row a logit that is not finite"),
                        errdetail("Products of its weights with the row's numbers pass what floats hold."),
                        errhint("Check where the model's weights come from, or train it again with "
                                "numerical_transform => 'quantile'.")));
    return logits;
}

const float *
site_score(CtrSite *site, int n)
{
    const SiteRows *rows = site->models[0]->rows;
    const int slice = n > 1 ? slice_rows(site) : 1; /* saves ctr_predict a division */

    for (int first = 0; first < n; first += slice) {
        CHECK_FOR_INTERRUPTS();
        score_slice(site, rows, site->view->scorer, first, Min(slice, n - first));
    }
    return checked_logits(site, rows->logits, n);
}

/* ------------------------------------------------------------------ by threads */

/* Scores one block. */
static void
score_task(void *arg, int task, int worker)
{
    const CtrSite *site = arg;
    const SiteModel *sm = site->models[0];
    const int slice = slice_rows(site), end = Min((task + 1) * NN_BLOCK, site->n_scoring);

    for (int first = task * NN_BLOCK; first < end && !pool_interrupted(site->pool); first += slice)
        score_slice(site, sm->scoring, worker == 0 ? site->view->scorer : sm->scorers[worker], first,
                    Min(slice, end - first));
}

const float *
site_score_during(CtrSite *site, int n, void (*meanwhile)(void *), void *arg)
{
    SiteModel *sm = site->models[0];
    SiteRows *taken = sm->rows;

    site_prepare_threads(site);
    sm->rows = sm->scoring ? sm->scoring : site_rows_create(sm, site->view->model);
    sm->scoring = taken;
    site->n_scoring = n;
    if (meanwhile)
        threads_during(site->pool, score_task, site, (n + NN_BLOCK - 1) / NN_BLOCK, meanwhile, arg);
    else
        threads_run(site->pool, score_task, site, (n + NN_BLOCK - 1) / NN_BLOCK);
    return checked_logits(site, taken->logits, n);
}
