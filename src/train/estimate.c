/*
 * estimate.c: ctr_estimate: what a training would take, before it is paid for: by what a prepared value knows
 * of the rows. Sizes follow from the network. Time is measured: a few steps of the same network on made-up
 * rows, on this server's threads; embedding tables are cut to PROBE_CATEGORIES rows a field, so that little
 * memory is touched.
 */
#include "train/fit.h"
#include "train/prepare.h"

#include "funcapi.h"
#include "miscadmin.h"
#include "portability/instr_time.h"

#include "encode/encoder.h"
#include "nn/arch/arch.h"
#include "nn/math/products.h"
#include "nn/math/rng.h"
#include "threads.h"

#define PROBE_CATEGORIES 16384
#define PROBE_SECONDS    0.25
#define PROBE_STEPS      200
#define RAW_ROW          24 /* bytes of a row before it is encoded, besides its columns */
#define WORKING_MEMORY   ((Size)16 * 1024 * 1024) /* of the dataset */
#define SCORED           0.4                      /* what a validation row takes of a training row's time */

/* ------------------------------------------------------------------ the network */

/* The value as a model with a network; what is prepared of one part counts as if there were no others. */
static CtrModel *
model_of(Datum value)
{
    CtrModel *model = model_unpack_any(value, CurrentMemoryContext);

    if (model->stage == CTR_STAGE_COLUMNS)
        model = merge_columns(&(CtrParts){.n = 1, .values = &value}, model->context);
    if (model->stage != CTR_STAGE_MODEL) {
        encoder_widths(model->encoder, &model->options);
        model_create_net(model, NULL);
    }
    return model;
}

static int64
count_parameters(const NnNet *net)
{
    int64 n = 0;

    for (int i = 0; i < net->n_params; i++)
        n += net->params[i].kind != NN_BUFFER ? (int64)net->params[i].count : 0;
    return n;
}

static int64
count_categories(const CtrEncoder *encoder)
{
    int64 n = 0;

    for (int f = 0; f < encoder->n_cat; f++)
        n += vocab_count(encoder->vocabs[f]);
    return n;
}

static int
batch_rows(const CtrModel *model)
{
    return (int)Max(Min((int64)model->options.batch_size, model->train_rows), 1);
}

/* bytes at the training's peak, rows among them */
static Size
training_memory(const CtrModel *model)
{
    const CtrEncoder *encoder = model->encoder;
    const Size raw = RAW_ROW + sizeof(double) * encoder->n_num + sizeof(int32) * encoder->n_cat;
    const Size encoded = sizeof(float) * (encoder->d_num + 2) + sizeof(int32) * encoder->d_cat;
    const double rows = (double)(raw + encoded) * (double)(model->train_rows + model->validation_rows);
    const Size stored = (Size)Min(rows, (double)maintenance_work_mem * 1024);

    return stored + WORKING_MEMORY +
           fit_memory(model, batch_rows(model), threads_count(model->options.threads));
}

/* ------------------------------------------------------------------ the time of a step */

typedef struct Probe {
    NnNet net;
    NnBatch batch;
    NnTrainer *trainer;
    int *categories;
} Probe;

static void *
allocate(Size n, Size size)
{
    return MemoryContextAllocHuge(CurrentMemoryContext, mul_size(Max(n, 1), size));
}

static void
make_rows(Probe *probe, int rows)
{
    const NnConfig *config = &probe->net.config;
    const Size numbers = mul_size(config->n_num, rows), codes = mul_size(config->n_cat, rows);
    float *x_num = allocate(numbers, sizeof(float)), *label = allocate(rows, sizeof(float));
    int32 *x_cat = allocate(codes, sizeof(int32));
    NnRng rng;

    rng_seed(&rng, 1, 0);
    for (Size i = 0; i < numbers; i++) {
        ctr_pause_at((int64)i);
        x_num[i] = (float)rng_uniform(&rng);
    }
    for (Size i = 0; i < codes; i++) {
        ctr_pause_at((int64)i);
        x_cat[i] = (int32)rng_below(&rng, (uint64)config->categories[i / rows]);
    }
    for (int r = 0; r < rows; r++)
        label[r] = (float)rng_below(&rng, 2);
    probe->batch = (NnBatch){.rows = rows, .x_num = x_num, .x_cat = x_cat, .ld_cat = rows, .label = label};
}

static void
probe_create(Probe *probe, const CtrModel *model, NnPool *pool)
{
    const NnHyper hyper = {.beta1 = 0.9f,
                           .beta2 = 0.999f,
                           .epsilon = 1e-8f,
                           .mean_first = true,
                           .seed = 1,
                           .embedding_decay = (float)model->options.embedding_decay};
    const NnAlloc alloc = ctr_nn_alloc(CurrentMemoryContext);
    NnConfig config = model_net_config(model);
    float *params;

    probe->categories = palloc(sizeof(int) * Max(config.n_cat, 1));
    for (int f = 0; f < config.n_cat; f++)
        probe->categories[f] = Min(config.categories[f], PROBE_CATEGORIES);
    config.categories = probe->categories;
    ctr_check_status(net_create(&probe->net, &config, alloc), "lay out the network");
    params = alloc.alloc(alloc.owner, mul_size(probe->net.n_block, sizeof(float)));
    if (params == NULL)
        ctr_check_status(NN_NO_MEMORY, "measure a training step");
    ctr_check_status(net_init(&probe->net, params, 0.01f, 1, NULL), "measure a training step");
    make_rows(probe, batch_rows(model));
    ctr_check_status(
        trainer_create(&probe->trainer, &probe->net, params, &hyper, probe->batch.rows, pool, alloc),
        "measure a training step");
}

static void
step(Probe *probe)
{
    NnStatus status;
    double loss;

    do {
        CHECK_FOR_INTERRUPTS();
        status = trainer_step(probe->trainer, &probe->batch, 0.001f, &loss, NULL);
    } while (status == NN_INTERRUPTED);
    ctr_check_status(status, "measure a training step");
}

/* seconds that a row takes in a training step; the first step, which touches new memory, does not count */
static double
measure_row(const CtrModel *model)
{
    NnPool *pool = threads_create_pool(CurrentMemoryContext, threads_count(model->options.threads));
    instr_time start, now;
    Probe probe;
    int steps = 0;

    if (!gemm_prepare())
        ctr_check_status(NN_NO_BLAS, "measure a training step");
    probe_create(&probe, model, pool);
    step(&probe);
    INSTR_TIME_SET_CURRENT(start);
    do {
        step(&probe);
        steps++;
        INSTR_TIME_SET_CURRENT(now);
        INSTR_TIME_SUBTRACT(now, start);
    } while (steps < PROBE_STEPS && INSTR_TIME_GET_DOUBLE(now) < PROBE_SECONDS);
    return INSTR_TIME_GET_DOUBLE(now) / steps / probe.batch.rows;
}

/* ------------------------------------------------------------------ SQL */

/* CREATE FUNCTION ctr_estimate(ctr_model, OUT rows, …) */
PG_FUNCTION_INFO_V1(ctr_estimate);
Datum
ctr_estimate(PG_FUNCTION_ARGS)
{
    MemoryContext context =
        AllocSetContextCreate(CurrentMemoryContext, "ctr estimate", ALLOCSET_DEFAULT_SIZES);
    MemoryContext old = MemoryContextSwitchTo(context);
    const CtrModel *model = model_of(PG_GETARG_DATUM(0));
    const double epoch =
        measure_row(model) * ((double)model->train_rows + SCORED * (double)model->validation_rows);
    Datum values[10];
    bool nulls[10] = {false};
    TupleDesc desc;
    HeapTuple tuple;

    values[0] = Int64GetDatum(model->train_rows);
    values[1] = Int64GetDatum(model->validation_rows);
    values[2] = Int32GetDatum(model->encoder->n_num);
    values[3] = Int32GetDatum(model->encoder->n_cat);
    values[4] = Int64GetDatum(count_categories(model->encoder));
    values[5] = Int64GetDatum(count_parameters(&model->net));
    values[6] = Int64GetDatum((int64)model_estimate(&model->net, model->encoder));
    values[7] = Int64GetDatum((int64)training_memory(model));
    values[8] = Float8GetDatum(epoch);
    values[9] = Float8GetDatum(epoch * model->options.epochs);
    MemoryContextSwitchTo(old);
    if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
        elog(ERROR, "return type must be a row type");
    tuple = heap_form_tuple(BlessTupleDesc(desc), values, nulls);
    MemoryContextDelete(context);
    PG_RETURN_DATUM(HeapTupleGetDatum(tuple));
}
