/*
 * merge_models.c: the average of models that were trained from one model, on parts of a table: parameters
 * (nn/train/outer.c), history and explanations by rows. Encoder and statistics are those of each.
 */
#include "train/prepare.h"

#include <math.h>

#include "miscadmin.h"

#include "nn/infer/average.h"
#include "nn/train/outer.h"

/* ------------------------------------------------------------------ do they belong together? */

/* encoder: the file whose encoder all must have; file: the part's */
static void
check_part(const CtrSafeFile *encoder, const CtrSafeFile *file, const CtrModel *first, const CtrModel *part)
{
    parts_check_same(first, part);
    if (part->weights == CTR_WEIGHTS_VELOCITY)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("what is to be merged is a velocity, not a model"),
                        errhint("Merge what ctr_train gave of the parts.")));
    if (!part->encoder->shared || !first->encoder->shared)
        ereport(ERROR,
                (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                 errmsg("models that have no start in common cannot be merged"),
                 errhint("Train each of them from the model that ctr_merge makes of prepared parts.")));
    parts_check_encoder_of(encoder, file, CTR_STAGE_MODEL);
    if (strcmp(first->start, part->start) != 0 || first->weights != part->weights)
        ereport(ERROR,
                (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                 errmsg("the models to merge were trained from different models"),
                 errdetail("These have digests %.12s and %.12s.", first->start[0] ? first->start : "none",
                           part->start[0] ? part->start : "none"),
                 errhint("In each round all parts go on from the same model.")));
}

/* ------------------------------------------------------------------ history */

/* Sums of a figure of an epoch over the parts that have it, and of what it counts by. */
typedef struct Figure {
    double sum, weight;
} Figure;

static void
figure_add(Figure *figure, double value, double weight)
{
    if (isnan(value) || weight <= 0)
        return;
    figure->sum += value * weight;
    figure->weight += weight;
}

static double
figure_mean(const Figure *figure)
{
    return figure->weight > 0 ? figure->sum / figure->weight : NAN;
}

#define FIGURES 5 /* of an epoch: losses, AUCs and the learning rate */

typedef struct Epochs {
    MemoryContext context;
    int n, room;
    Figure (*figures)[FIGURES];
    double *seconds; /* of the slowest part */
} Epochs;

/*
 * Epochs before the parts' own are the same in all of them. They may have been measured, and those of the
 * parts not: then every part counts the same.
 */
static void
epochs_add(Epochs *all, const CtrModel *part)
{
    const double train = (double)part->train_rows, validation = (double)Max(part->validation_rows, 1);

    if (part->n_epochs > all->room) {
        const Size more = part->n_epochs - all->room;

        all->figures = all->room
                           ? repalloc_huge(all->figures, sizeof(*all->figures) * part->n_epochs)
                           : MemoryContextAllocHuge(all->context, sizeof(*all->figures) * part->n_epochs);
        all->seconds = all->room ? repalloc_huge(all->seconds, sizeof(double) * part->n_epochs)
                                 : MemoryContextAllocHuge(all->context, sizeof(double) * part->n_epochs);
        memset(all->figures + all->room, 0, sizeof(*all->figures) * more);
        memset(all->seconds + all->room, 0, sizeof(double) * more);
        all->room = part->n_epochs;
    }
    all->n = Max(all->n, part->n_epochs);
    for (int i = 0; i < part->n_epochs; i++) {
        const CtrEpoch *e = &part->history[i];

        figure_add(&all->figures[i][0], e->train_loss, train);
        figure_add(&all->figures[i][1], e->train_auc, train);
        figure_add(&all->figures[i][2], e->val_loss, validation);
        figure_add(&all->figures[i][3], e->val_auc, validation);
        figure_add(&all->figures[i][4], e->learning_rate, train);
        all->seconds[i] = fmax(all->seconds[i], e->seconds);
    }
}

static void
epochs_finish(const Epochs *all, CtrModel *merged)
{
    merged->n_epochs = all->n;
    merged->history = MemoryContextAllocZero(merged->context, sizeof(CtrEpoch) * Max(all->n, 1));
    for (int i = 0; i < all->n; i++) {
        const Figure *f = all->figures[i];

        merged->history[i] = (CtrEpoch){.train_loss = figure_mean(&f[0]),
                                        .train_auc = figure_mean(&f[1]),
                                        .val_loss = figure_mean(&f[2]),
                                        .val_auc = figure_mean(&f[3]),
                                        .learning_rate = figure_mean(&f[4]),
                                        .seconds = all->seconds[i],
                                        .is_best = i + 1 == merged->best_epoch};
    }
}

/* ------------------------------------------------------------------ explanations */

/* Adds a part's rows, its share of all, to the sums, as far as its average row tells them. */
static void
inputs_add(NnInputSums *sums, const CtrModel *part, double share)
{
    const double rows = share * (double)sums->rows;

    for (int i = 0; i < part->net.config.n_num; i++) {
        const double mean = part->insight.average[i], spread = part->insight.spread[i];

        sums->numbers[i] += rows * mean;
        sums->squares[i] += rows * (mean * mean + spread * spread);
    }
}

static void
mean_add(double *sum, const float *values, int n, double share)
{
    for (int i = 0; values && i < n; i++)
        sum[i] += share * values[i];
}

static void
mean_finish(float *values, const double *sum, int n)
{
    for (int i = 0; values && i < n; i++)
        values[i] = (float)sum[i];
}

/* ------------------------------------------------------------------ all of it */

typedef struct Merge {
    const CtrParts *parts;
    CtrModel *merged;           /* the first part, which becomes the result */
    const CtrSafeFile *encoder; /* the file whose encoder it gets */
    NnInputSums inputs;
    int64 *code_rows; /* inputs.counts */
    double *sum;      /* [n_block] */
    double *means[4]; /* of statistics, importance, attention, crosses */
    int sizes[4];
    Epochs epochs;
    double all_rows;
} Merge;

static float **
insight_means(CtrInsight *insight, int i)
{
    float **const members[] = {&insight->statistics, &insight->importance, &insight->attention,
                               &insight->crosses};

    return members[i];
}

static int64
count_codes(const CtrEncoder *encoder)
{
    int64 codes = 0;

    for (int f = 0; f < encoder->d_cat; f++)
        codes += encoder->categories[f];
    return codes;
}

static void
count_part(Merge *m, int i)
{
    CtrValueBytes *bytes = parts_bytes(m->parts, i);
    CtrModel *part = model_unpack_outline(bytes, false, CurrentMemoryContext);
    int64 codes;

    check_part(m->encoder, safetensors_parse_bytes(bytes, NULL), m->merged, part);
    codes = count_codes(part->encoder);
    m->all_rows += (double)part->train_rows;
    for (int64 c = 0; c < codes; c++) {
        ctr_pause_at(c);
        m->code_rows[c] += part->code_rows[c];
    }
}

/* Calls it for each part, whose bytes it reads in a context that is then gone. */
static void
for_each_part(Merge *m, void (*call)(Merge *, int))
{
    MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "ctr part", ALLOCSET_DEFAULT_SIZES);
    MemoryContext caller = MemoryContextSwitchTo(context);

    for (int i = 0; i < m->parts->n; i++) {
        call(m, i);
        MemoryContextReset(context);
    }
    MemoryContextSwitchTo(caller);
    MemoryContextDelete(context);
}

/* What must be known of all parts before the first one is added. */
static void
count(Merge *m)
{
    const CtrModel *merged = m->merged;
    const int64 codes = count_codes(merged->encoder);

    for_each_part(m, count_part);
    for (int c = 0; codes > 0 && c < merged->encoder->categories[0]; c++)
        m->inputs.rows += m->code_rows[c];
    if (codes == 0)
        m->inputs.rows = (int64)m->all_rows;
}

static void
add_counts(CtrModel *merged, const CtrModel *part)
{
    merged->train_rows = prepare_add_rows(merged->train_rows, part->train_rows);
    merged->validation_rows = prepare_add_rows(merged->validation_rows, part->validation_rows);
    merged->skipped_rows = prepare_add_rows(merged->skipped_rows, part->skipped_rows);
    merged->best_epoch = Max(merged->best_epoch, part->best_epoch);
    if (strcmp(part->trained_at, merged->trained_at) > 0)
        strlcpy(merged->trained_at, part->trained_at, sizeof(merged->trained_at));
    for (int k = 0; merged->label_rows && part->label_rows && k < Max(merged->options.net.n_classes, 2); k++)
        merged->label_rows[k] = prepare_add_rows(merged->label_rows[k], part->label_rows[k]);
}

static void
add_part(Merge *m, int i)
{
    const CtrModel *part = model_unpack_outline(parts_bytes(m->parts, i), true, CurrentMemoryContext);
    const double share = m->all_rows > 0 ? (double)part->train_rows / m->all_rows : 1.0 / m->parts->n;
    const NnShare of = {.rows = share, .code_rows = part->code_rows, .all_rows = m->code_rows};

    outer_add(&part->net, m->sum, part->params, &of, ctr_pause);
    epochs_add(&m->epochs, part);
    inputs_add(&m->inputs, part, share);
    for (int k = 0; k < 4; k++)
        mean_add(m->means[k], *insight_means(unconstify(CtrInsight *, &part->insight), k), m->sizes[k],
                 share);
    if (i > 0)
        add_counts(m->merged, part);
}

static void
finish(Merge *m)
{
    CtrModel *merged = m->merged;
    const char *fault;

    outer_mean(&merged->net, merged->params, m->sum, ctr_pause);
    pfree(m->sum);
    epochs_finish(&m->epochs, merged);
    for (int64 c = 0, f = 0; f < merged->encoder->d_cat; f++) {
        for (int i = 0; i < merged->encoder->categories[f]; i++, c++) {
            ctr_pause_at(c);
            merged->code_rows[c] = (int32)Min(m->code_rows[c], PG_INT32_MAX);
        }
    }
    if (model_has_insight(merged) && m->inputs.rows > 0)
        input_sums_average(&m->inputs, merged->params, merged->insight.average, merged->insight.spread,
                           ctr_pause);
    for (int i = 0; i < 4; i++)
        mean_finish(*insight_means(&merged->insight, i), m->means[i], m->sizes[i]);
    fault = model_trained_fault(merged);
    if (fault != NULL)
        ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
                        errmsg("the models to merge have no average: %s", fault)));
}

ctr_model *
merge_models(const CtrParts *parts, MemoryContext context, MemoryContext result)
{
    CtrValueBytes *first = parts_bytes(parts, 0);
    Merge m = {.parts = parts,
               .epochs = {.context = context},
               .merged = model_unpack_outline(first, true, context),
               .encoder = safetensors_parse_bytes(parts->base ? parts->base : first, NULL)};
    const CtrEncoder *encoder = m.merged->encoder;
    const int sizes[] = {encoder->n_statistics, encoder->n_num + encoder->n_cat,
                         encoder->n_num + encoder->n_cat, encoder->n_crosses};

    ctr_check_status(input_sums_create(&m.inputs, &m.merged->net, m.merged->encoder->d_cat,
                                       m.merged->encoder->categories, ctr_nn_alloc(context)),
                     "merge models");
    m.code_rows = m.inputs.counts;
    m.sum = MemoryContextAllocExtended(context, mul_size(m.merged->net.n_block, sizeof(double)),
                                       MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
    for (int i = 0; i < 4; i++) {
        m.sizes[i] = sizes[i];
        m.means[i] = palloc0(sizeof(double) * Max(sizes[i], 1));
    }
    count(&m);
    for_each_part(&m, add_part);
    finish(&m);
    return model_pack_with_encoder(m.merged, m.encoder, result);
}
