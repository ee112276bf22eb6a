/*
 * insight.c: what a training keeps in its model for explanations, once the parameters are the result's: the
 * average training row, and how much each feature contributes in a sample of rows that validate or, where
 * there are none, that train.
 *
 * The average is over all training rows, each counting once whatever its weight, with target statistics as
 * scored rows have them. The sample is small, so that a training takes hardly longer for it, and is the same
 * whatever the threads, memory and the order in which the rows arrived: a pass's first rows.
 */
#include "train/train.h"

#include <float.h>
#include <math.h>

#include "portability/instr_time.h"

#include "encode/encoder.h"
#include "model/explain.h"
#include "threads.h"
#include "nn/denormals.h"
#include "nn/infer/average.h"

/*
 * Rows of the sample: one for SAMPLE_PART rows that have trained, each counting as often as it has; at least
 * SAMPLE_FEW, unless that were more than one for SAMPLE_PART_LEAST, for then a training would take clearly
 * longer: to explain a row takes as long as to train with two or three.
 */
#define SAMPLE_PART       400
#define SAMPLE_PART_LEAST 60
#define SAMPLE_FEW        64
#define SAMPLE_LEAST      16
#define SAMPLE_LARGEST    1024
#define SAMPLE_TASK       32 /* rows that one thread explains at a time, at most CTR_EXPLAIN_MOST */

StaticAssertDecl(SAMPLE_TASK <= CTR_EXPLAIN_MOST, "the rows of a task fit an explainer");

/* ------------------------------------------------------------------ the average row */

/*
 * Training rows have target statistics that leave their own label out; the average row has those of scored
 * rows. Keeps the fields' means where the network reads sums of them.
 */
static void
average_statistics(CtrModel *model, const NnInputSums *sums)
{
    const CtrEncoder *encoder = model->encoder;
    const int n = encoder->n_statistics;
    float *means = palloc0(sizeof(float) * Max(n, 1)), **rows = palloc(sizeof(float *) * Max(n, 1));
    float *x_num = palloc0(sizeof(float) * Max(encoder->d_num, 1));
    int32 *x_cat = palloc0(sizeof(int32) * Max(encoder->d_cat, 1));

    for (int f = 0; f < n; f++) {
        rows[f] = &means[f]; /* the only category, so to speak, of which x_cat has code 0 */
        means[f] = input_sums_mean(sums, f, encoder->statistics[f], ctr_pause);
    }
    encoder_derive(encoder, rows, 1, 0, x_num, x_cat, 1);
    memcpy(model->insight.average + encoder->n_num, x_num + encoder->n_num,
           sizeof(float) * (encoder_first_count(encoder) - encoder->n_num));
    if (model->insight.statistics)
        memcpy(model->insight.statistics, means, sizeof(float) * n);
}

/* In how many rows each code occurs: what its embedding weighs where parts are merged. */
static void
keep_code_rows(CtrModel *model, const NnInputSums *sums)
{
    const CtrEncoder *encoder = model->encoder;
    int64 n = 0;

    for (int f = 0; f < encoder->d_cat; f++)
        n += encoder->categories[f];
    for (int64 i = 0; i < n; i++) {
        ctr_pause_at(i);
        model->code_rows[i] = (int32)Min(sums->counts[i], PG_INT32_MAX);
    }
}

static void
average_rows(CtrModel *model, CtrDataset *dataset)
{
    const CtrEncoder *encoder = model->encoder;
    NnInputSums sums;

    ctr_check_status(input_sums_create(&sums, &model->net, encoder->d_cat, encoder->categories,
                                       ctr_nn_alloc(CurrentMemoryContext)),
                     "average the rows");
    dataset_sum_inputs(dataset, &sums);
    input_sums_average(&sums, model->params, model->insight.average, model->insight.spread, ctr_pause);
    average_statistics(model, &sums);
    if (model->code_rows)
        keep_code_rows(model, &sums);
}

/* ------------------------------------------------------------------ importance */

/* A few rows, and what their features contribute. */
typedef struct Sample {
    const CtrModel *model;
    int n, features, width;    /* width: of a row of results, the features' and the crosses' contributions and
                               the attentions */
    float *x_num;              /* [n, d_num] */
    int32 *x_cat;              /* [n, d_cat] */
    double *results;           /* [n, width] */
    CtrExplainer **explainers; /* [threads] */
} Sample;

static int
sample_rows(const CtrModel *model, const CtrDataset *dataset, bool validation)
{
    const double trained = (double)model->train_rows * model->n_epochs;
    const double few = model->n_epochs > 0 ? fmin(trained / SAMPLE_PART_LEAST, SAMPLE_FEW) : SAMPLE_FEW;
    const double rows = fmax(fmax(trained / SAMPLE_PART, few), SAMPLE_LEAST);

    return (int)Min(fmin(rows, SAMPLE_LARGEST), dataset_rows(dataset, validation));
}

static void
sample_add(Sample *sample, const NnBatch *batch, int r)
{
    const CtrEncoder *encoder = sample->model->encoder;
    float *x_num = sample->x_num + (Size)sample->n * encoder->d_num;
    int32 *x_cat = sample->x_cat + (Size)sample->n * encoder->d_cat;

    memcpy(x_num, batch->x_num + (Size)r * encoder->d_num, sizeof(float) * encoder->d_num);
    for (int f = 0; f < encoder->d_cat; f++)
        x_cat[f] = batch->x_cat[f * batch->ld_cat + r];
    encoder_derive(encoder, encoder->statistics, 1, 0, x_num, x_cat, 1);
    sample->n++;
}

static void
sample_take(Sample *sample, CtrDataset *dataset, bool validation, int rows)
{
    NnBatch batch;

    dataset_start(dataset, validation, 0);
    for (dataset_next(dataset, &batch); batch.rows > 0 && sample->n < rows; dataset_next(dataset, &batch)) {
        for (int r = 0; r < batch.rows && sample->n < rows; r++)
            sample_add(sample, &batch, r);
    }
}

/* result [width]: of the row that the explainer has explained last */
static void
keep_result(const Sample *sample, const CtrExplainer *e, double *result)
{
    const int n_crosses = sample->model->encoder->n_crosses;

    for (int i = 0; i < sample->features; i++)
        result[i] = fabs(e->features[i]);
    for (int i = 0; i < n_crosses; i++)
        result[sample->features + i] = fabs(e->crosses[i]);
    for (int i = 0; i < sample->features; i++)
        result[sample->width - sample->features + i] = e->attention ? explainer_attention(e, i) : 0;
}

static void
explain_task(void *arg, int task, int worker)
{
    const Sample *sample = arg;
    const CtrEncoder *encoder = sample->model->encoder;
    CtrExplainer *e = sample->explainers[worker];
    const Size first = (Size)task * SAMPLE_TASK;
    const int rows = Min(SAMPLE_TASK, sample->n - (int)first);
    const uint64_t mode = denormals_keep();

    explainer_start(e, sample->x_num + first * encoder->d_num, sample->x_cat + first * encoder->d_cat, rows,
                    NN_PATH_BEST_CLASS, NN_PATH_LEAST);
    for (int r = 0; r < rows; r++) {
        explainer_row(e, r);
        keep_result(sample, e, sample->results + (first + r) * sample->width);
    }
    denormals_restore(mode);
}

/*
 * means [n] over the sample's rows of the results from column `first` on. Weights that are nearly too large
 * for floats may give a row a contribution that is not finite, which a model must not keep.
 */
static void
sample_means(const Sample *sample, int first, int n, float *means)
{
    for (int i = 0; i < n; i++) {
        double sum = 0;

        for (int row = 0; row < sample->n; row++)
            sum += sample->results[(Size)row * sample->width + first + i];
        means[i] = isnan(sum) ? 0 : (float)fmin(sum / sample->n, FLT_MAX);
    }
}

/* Returns how many rows. */
static int
explain_sample(CtrModel *model, CtrDataset *dataset, NnPool *pool)
{
    const CtrEncoder *encoder = model->encoder;
    const bool validation = dataset_can_validate(dataset);
    const int rows = sample_rows(model, dataset, validation);
    Sample sample = {.model = model, .features = encoder->n_num + encoder->n_cat};

    sample.width = 2 * sample.features + encoder->n_crosses;
    sample.x_num = palloc(mul_size(sizeof(float) * rows, Max(encoder->d_num, 1)));
    sample.x_cat = palloc(mul_size(sizeof(int32) * rows, Max(encoder->d_cat, 1)));
    sample.results = palloc(mul_size(sizeof(double) * rows, sample.width));
    sample.explainers = palloc(sizeof(CtrExplainer *) * pool_threads(pool));
    sample_take(&sample, dataset, validation, rows);
    for (int i = 0; i < pool_threads(pool); i++)
        sample.explainers[i] = explainer_create(model, CurrentMemoryContext);
    threads_run(pool, explain_task, &sample, (sample.n + SAMPLE_TASK - 1) / SAMPLE_TASK);
    sample_means(&sample, 0, sample.features, model->insight.importance);
    if (model->insight.crosses)
        sample_means(&sample, sample.features, encoder->n_crosses, model->insight.crosses);
    if (model->insight.attention)
        sample_means(&sample, sample.width - sample.features, sample.features, model->insight.attention);
    return sample.n;
}

void
insight_fit(CtrModel *model, CtrDataset *dataset, NnPool *pool)
{
    MemoryContext scratch = AllocSetContextCreate(model->context, "ctr insight", ALLOCSET_DEFAULT_SIZES);
    MemoryContext old = MemoryContextSwitchTo(scratch);
    instr_time began, took;
    int rows;

    INSTR_TIME_SET_CURRENT(began);
    average_rows(model, dataset);
    rows = explain_sample(model, dataset, pool);
    MemoryContextSwitchTo(old);
    MemoryContextDelete(scratch);
    INSTR_TIME_SET_CURRENT(took);
    INSTR_TIME_SUBTRACT(took, began);
    ereport(DEBUG1, (errmsg_internal("importance of features: measured on %d rows in %.1f ms", rows,
                                     INSTR_TIME_GET_MILLISEC(took))));
}
