/*
 * train.c: the aggregate ctr_train. Rows come in through the transition function and go to the dataset; the final
 * function encodes them, runs the epochs and returns the model.
 *
 * Memory contexts: one for the training as a whole under the aggregate's, from the first row to the result. The
 * engine's threads touch only memory of the context `fit`, and are joined by its reset callback before it goes, at
 * the normal end and at an error alike.
 */
#include "ctr.h"

#include <math.h>

#include "miscadmin.h"
#include "portability/instr_time.h"
#include "utils/builtins.h"

typedef struct Training {
    MemoryContext context;
    Options options;
    bytea *options_given;          /* a copy of the argument, to see that it stays the same; NULL: none */
    const Model *given;            /* the model to go on from, or NULL */
    struct varlena *given_pointer; /* its TOAST pointer, if that is how it came */
    RowMap *map;
    Feature *features;
    int n_num, n_cat;
    Dataset *dataset; /* NULL once closed */
    int64 rows, skipped;
} Training;

/* ------------------------------------------------------------------ rows */

/* Deletes temporary files when the aggregate is shut down in good order; at an error PostgreSQL does it. */
static void
training_close(Datum arg)
{
    Training *t = (Training *)DatumGetPointer(arg);

    if (t->dataset)
        dataset_close(t->dataset);
    t->dataset = NULL;
}

/* The given model says what the features are and, where the options are silent, how to train. */
static void
training_continue(Training *t, Datum given, HeapTupleHeader rec)
{
    struct varlena *argument = (struct varlena *)DatumGetPointer(given);
    ctr_model *value = DatumGetModelP(given);
    const Encoder *encoder;

    t->given = model_unpack(VARDATA(value), VARSIZE(value) - VARHDRSZ, t->context, false);
    if ((void *)value != (void *)argument)
        pfree(value);
    if (VARATT_IS_EXTERNAL_ONDISK(argument))
        t->given_pointer = memcpy(palloc(VARSIZE_ANY(argument)), argument, VARSIZE_ANY(argument));
    options_check_continues(&t->options, (Jsonb *)t->options_given, &t->given->options);
    encoder = t->given->encoder;
    t->features = encoder->features;
    t->n_num = encoder->n_num;
    t->n_cat = encoder->n_cat;
    t->map = rowmap_for_continuing(rec, &t->options, t->features, t->n_num, t->n_cat, t->context);
}

static Training *
training_start(FunctionCallInfo fcinfo, MemoryContext parent, HeapTupleHeader rec)
{
    /* the struct outlives its context: the callback that is registered below looks at it */
    Training *t = MemoryContextAllocZero(parent, sizeof(Training));
    MemoryContext context = AllocSetContextCreate(parent, "ctr training", ALLOCSET_DEFAULT_SIZES);
    MemoryContext old = MemoryContextSwitchTo(context);

    t->context = context;
    if (PG_NARGS() > 2 && !PG_ARGISNULL(2))
        t->options_given = DatumGetByteaPCopy(PG_GETARG_DATUM(2));
    if (PG_NARGS() > 3 && !PG_ARGISNULL(3))
        training_continue(t, PG_GETARG_DATUM(3), rec);
    else {
        options_parse(&t->options, (Jsonb *)t->options_given);
        t->map = rowmap_for_training(rec, &t->options, context, &t->features, &t->n_num, &t->n_cat);
    }
    t->dataset = dataset_create(context, &t->options, t->features, t->n_num, t->n_cat,
                                t->given ? t->given->encoder : NULL);
    AggRegisterCallback(fcinfo, training_close, PointerGetDatum(t));
    MemoryContextSwitchTo(old);
    return t;
}

/* Options are read at the first row; a column of options would silently be ignored, so that is an error. */
static void
check_same_options(const Training *t, FunctionCallInfo fcinfo)
{
    bytea *now;
    bool same;

    if (PG_NARGS() <= 2)
        return;
    now = PG_ARGISNULL(2) ? NULL : PG_GETARG_BYTEA_PP(2);
    if (now == NULL || t->options_given == NULL)
        same = now == NULL && t->options_given == NULL;
    else
        same = VARSIZE_ANY_EXHDR(now) == VARSIZE(t->options_given) - VARHDRSZ &&
               memcmp(VARDATA_ANY(now), VARDATA(t->options_given), VARSIZE_ANY_EXHDR(now)) == 0;
    if (!same)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("the options change between rows"),
                        errhint("Use one GROUP BY group for each set of options.")));
}

/* The same for the model to go on from, which a join might bring in turn with others. */
static void
check_same_model(const Training *t, FunctionCallInfo fcinfo)
{
    bool same = false;

    if (PG_NARGS() <= 3)
        return;
    if (PG_ARGISNULL(3) || t->given == NULL)
        same = PG_ARGISNULL(3) && t->given == NULL;
    else {
        struct varlena *now = (struct varlena *)PG_GETARG_POINTER(3);

        if (t->given_pointer && VARATT_IS_EXTERNAL_ONDISK(now))
            same = memcmp(now, t->given_pointer, VARSIZE_ANY(now)) == 0;
        if (!same) {
            struct varlena *head = PG_DETOAST_DATUM_SLICE(PointerGetDatum(now), 0, MODEL_HEAD_SIZE);
            char digest[MODEL_DIGEST_SIZE];

            model_peek_digest(VARDATA_ANY(head), VARSIZE_ANY_EXHDR(head), digest);
            same = memcmp(digest, t->given->digest, MODEL_DIGEST_SIZE) == 0;
        }
    }
    if (!same)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("the model to go on from changes between rows"),
                        errhint("Use one GROUP BY group for each model.")));
}

/* The row's label: false when it is NULL; an error when it is no class. */
static bool
read_label(Training *t, float *label)
{
    int n_classes = t->options.net.n_classes;
    bool is_number;
    double value = row_number_checked(t->map, &t->map->label, &is_number);

    if (is_number && isnan(value))
        return false;
    if (!is_number || value != floor(value) || value < 0 || value >= Max(n_classes, 2))
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("label column \"%s\" has value %s", t->options.label,
                               row_value_text(t->map, &t->map->label)),
                        n_classes == 1 ? errdetail("Labels must be 0 or 1.")
                                       : errdetail("Labels must be integers from 0 to %d.", n_classes - 1),
                        n_classes == 1 && is_number && value == floor(value) && value > 1
                            ? errhint("For several classes set n_classes.")
                            : 0));
    *label = (float)value;
    return true;
}

static float
read_weight(Training *t)
{
    bool is_number;
    double value;

    if (t->map->weight.attribute < 0)
        return 1.0f;
    value = row_number_checked(t->map, &t->map->weight, &is_number);
    if (!is_number || isnan(value) || isinf((float)value) || value < 0)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("weight column \"%s\" has value %s", t->options.weight,
                               row_value_text(t->map, &t->map->weight)),
                        errdetail("Weights must be finite single-precision numbers and not negative.")));
    return (float)value;
}

static RowRole
read_role(Training *t)
{
    double value;

    if (t->map->validation.attribute < 0)
        return ROLE_CHANCE;
    value = row_number(t->map, &t->map->validation);
    return value > 0 ? ROLE_VALIDATION : ROLE_TRAINING; /* NULL counts as false */
}

/* CREATE FUNCTION ctr_train_transition(internal, record [, jsonb [, ctr_model]]) RETURNS internal */
PG_FUNCTION_INFO_V1(ctr_train_transition);
Datum
ctr_train_transition(PG_FUNCTION_ARGS)
{
    MemoryContext aggregate;
    Training *t = PG_ARGISNULL(0) ? NULL : (Training *)PG_GETARG_POINTER(0);
    HeapTupleHeader rec;
    float label, weight;

    if (!AggCheckCallContext(fcinfo, &aggregate))
        elog(ERROR, "ctr_train_transition called in non-aggregate context");
    if (PG_ARGISNULL(1)) {
        if (t)
            t->skipped++;
        return t ? PointerGetDatum(t) : (Datum)0;
    }
    rec = PG_GETARG_HEAPTUPLEHEADER(1);
    if (t == NULL)
        t = training_start(fcinfo, aggregate, rec);
    else {
        check_same_options(t, fcinfo);
        check_same_model(t, fcinfo);
    }
    if (!rowmap_fits(t->map, rec))
        ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH), errmsg("the row type changes between rows")));

    rowmap_read(t->map, rec);
    if (!read_label(t, &label)) {
        t->skipped++;
        PG_RETURN_POINTER(t);
    }
    weight = read_weight(t);
    dataset_add(t->dataset, t->map, label, weight, read_role(t));
    t->rows++;
    PG_RETURN_POINTER(t);
}

/* ------------------------------------------------------------------ epochs */

/* What the epochs need; all of it in one context. */
typedef struct Fit {
    MemoryContext context;
    MemoryContextCallback callback; /* joins the pool's threads */
    Training *training;
    const Options *options;
    Model *model;
    NnPool *pool;
    NnTrainer *trainer;
    NnSchedule schedule;
    NnAuc *auc;
    float *best;    /* the parameters of the best epoch; NULL without validation */
    float *logits;  /* [batch_size, n_classes] */
    int batch_size; /* no more than there are rows */
    int64 steps, steps_planned;
    instr_time start;
    bool out_of_time;
} Fit;

static double
seconds_since(instr_time start)
{
    instr_time now;

    INSTR_TIME_SET_CURRENT(now);
    INSTR_TIME_SUBTRACT(now, start);
    return INSTR_TIME_GET_DOUBLE(now);
}

static void
fit_stop_pool(void *arg)
{
    Fit *fit = arg;

    if (fit->pool)
        pool_stop(fit->pool);
    fit->pool = NULL;
}

static void *
fit_alloc(Fit *fit, Size size)
{
    void *p = ctr_nn_alloc(fit->context).alloc(fit->context, size);

    if (p == NULL)
        ctr_check_status(NN_NO_MEMORY, "allocate the training's buffers");
    return p;
}

/* A model too large for a value, or for this machine, is refused before the work starts. */
static void
check_sizes(Fit *fit)
{
    const NnNet *net = &fit->model->net;
    Size bytes = model_estimate(net, fit->model->encoder);
    Size tables = (net->n_trained - net->n_dense) * sizeof(float);
    Size memory = trainer_size(net, fit->batch_size, pool_threads(fit->pool));

    if (bytes > MaxAllocSize)
        ereport(
            ERROR,
            (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("the model would be too large"),
             errdetail("It would take %zu MB, of which %zu MB are embeddings; a value cannot pass 1024 MB.",
                       bytes >> 20, tables >> 20),
             tables > bytes / 2
                 ? errhint("Raise \"min_count\" to pool rare categories, or lower the embedding size.")
                 : errhint("Lower \"mlp_layers\" or other sizes of the network.")));
    ereport(DEBUG1,
            (errmsg("ctr: model %zu kB, training memory %zu kB besides rows", bytes >> 10, memory >> 10)));
}

/* Too little memory: say how much would have been needed. */
static void
check_memory(const Fit *fit, NnStatus status)
{
    const NnNet *net = &fit->model->net;

    if (status != NN_NO_MEMORY)
        ctr_check_status(status, "set up the training");
    else
        ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"),
                        errdetail("The model has %zu MB of parameters; training it needs %zu MB.",
                                  (net->n_block * sizeof(float)) >> 20,
                                  trainer_size(net, fit->batch_size, pool_threads(fit->pool)) >> 20),
                        errhint("Raise \"min_count\", or lower \"batch_size\" or the embedding size.")));
}

/* The parameters to start from: fresh, or the given model's with rows for new categories. */
static void
model_start(Training *t, Model *model, NnPool *pool)
{
    NnStatus status;
    Size size = mul_size(model->net.n_block, sizeof(float));

    model->params = ctr_nn_alloc(t->context).alloc(t->context, size);
    if (model->params == NULL)
        ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"),
                        errdetail("The model has %zu MB of parameters.", size >> 20)));
    do {
        CHECK_FOR_INTERRUPTS();
        status = net_init(&model->net, model->params, (float)t->options.embedding_init,
                          (uint64)t->options.seed, pool);
    } while (status == NN_INTERRUPTED);
    if (t->given)
        net_take_over(&model->net, model->params, &t->given->net, t->given->params, CODE_UNSEEN);
}

static Fit *
fit_create(Training *t, Model *model)
{
    MemoryContext context = AllocSetContextCreate(t->context, "ctr fit", ALLOCSET_DEFAULT_SIZES);
    Fit *fit = MemoryContextAllocZero(context, sizeof(Fit));
    const Options *options = &t->options;
    NnHyper hyper = {
        .weight_decay = (float)options->weight_decay,
        .embedding_decay = (float)options->embedding_decay,
        .beta1 = 0.9f,
        .beta2 = 0.999f,
        .epsilon = 1e-8f,
        .clip_norm = (float)options->clip_norm,
        .seed = (uint64)options->seed,
    };
    int64 train_rows = dataset_rows(t->dataset, false);
    int64 most_rows = Max(train_rows, dataset_rows(t->dataset, true));

    fit->context = context;
    fit->batch_size = (int)Min(options->batch_size, most_rows);
    fit->training = t;
    fit->options = options;
    fit->model = model;
    fit->callback.func = fit_stop_pool;
    fit->callback.arg = fit;
    MemoryContextRegisterResetCallback(context, &fit->callback);
    INSTR_TIME_SET_CURRENT(fit->start);
    fit->pool = pool_create(ctr_nn_alloc(context), ctr_thread_count(options->threads), &InterruptPending);
    if (fit->pool == NULL)
        ctr_check_status(NN_NO_MEMORY, "start the threads");
    check_sizes(fit);
    model_start(t, model, fit->pool);
    check_memory(fit, trainer_create(&fit->trainer, &model->net, model->params, &hyper, fit->batch_size,
                                     fit->pool, ctr_nn_alloc(context)));
    fit->auc = auc_create(ctr_nn_alloc(context), most_rows);
    if (fit->auc == NULL)
        ctr_check_status(NN_NO_MEMORY, "allocate the metrics");
    if (dataset_weight(t->dataset, true) > 0)
        fit->best = fit_alloc(fit, mul_size(model->net.n_block, sizeof(float)));
    fit->logits = fit_alloc(fit, mul_size(mul_size(fit->batch_size, options->net.n_classes), sizeof(float)));
    fit->steps_planned = (train_rows + fit->batch_size - 1) / fit->batch_size * options->epochs;
    return fit;
}

/* One-class models have an AUC; others are watched by their loss. */
static void
add_scores(Fit *fit, const NnBatch *batch)
{
    if (fit->options->net.n_classes > 1)
        return;
    for (int i = 0; i < batch->rows; i++)
        auc_add(fit->auc, fit->logits[i], batch->label[i] > 0.5f, batch->weight ? batch->weight[i] : 1.0f);
}

static bool
time_is_up(const Fit *fit)
{
    return fit->options->max_seconds > 0 && seconds_since(fit->start) >= fit->options->max_seconds;
}

static void
train_pass(Fit *fit, int epoch, Epoch *result)
{
    Dataset *dataset = fit->training->dataset;
    double loss = 0, weight = 0;
    NnBatch batch;

    auc_reset(fit->auc);
    dataset_start(dataset, false, epoch);
    for (dataset_next(dataset, &batch); batch.rows > 0 && !fit->out_of_time; dataset_next(dataset, &batch)) {
        double batch_loss;
        NnStatus status;

        result->learning_rate =
            schedule_rate(&fit->schedule, (double)fit->steps / (double)fit->steps_planned);
        do {
            CHECK_FOR_INTERRUPTS();
            status =
                trainer_step(fit->trainer, &batch, (float)result->learning_rate, &batch_loss, fit->logits);
        } while (status == NN_INTERRUPTED);
        ctr_check_status(status, "train");
        loss += batch_loss;
        for (int i = 0; i < batch.rows; i++)
            weight += batch.weight ? batch.weight[i] : 1.0;
        add_scores(fit, &batch);
        fit->steps++;
        fit->out_of_time = time_is_up(fit);
    }
    result->train_loss = loss / weight;
    result->train_auc = fit->options->net.n_classes == 1 ? auc_value(fit->auc) : NAN;
}

static void
validation_pass(Fit *fit, Epoch *result)
{
    Dataset *dataset = fit->training->dataset;
    double loss = 0;
    NnBatch batch;

    result->val_loss = result->val_auc = NAN;
    if (fit->best == NULL)
        return;
    auc_reset(fit->auc);
    dataset_start(dataset, true, 0);
    for (dataset_next(dataset, &batch); batch.rows > 0; dataset_next(dataset, &batch)) {
        double batch_loss;
        NnStatus status;

        do {
            CHECK_FOR_INTERRUPTS();
            status = trainer_evaluate(fit->trainer, &batch, &batch_loss, fit->logits);
        } while (status == NN_INTERRUPTED);
        ctr_check_status(status, "validate");
        loss += batch_loss;
        add_scores(fit, &batch);
    }
    result->val_loss = loss / dataset_weight(dataset, true);
    result->val_auc = fit->options->net.n_classes == 1 ? auc_value(fit->auc) : NAN;
}

/* Brings the parameters up to date with every step, so that they can be read. */
static void
sync_parameters(Fit *fit)
{
    NnStatus status;

    do {
        CHECK_FOR_INTERRUPTS();
        status = trainer_sync(fit->trainer);
    } while (status == NN_INTERRUPTED);
    ctr_check_status(status, "update the embeddings");
}

static void
report_epoch(const Fit *fit, int epoch, const Epoch *e)
{
    StringInfoData line;

    initStringInfo(&line);
    appendStringInfo(&line, "epoch %d/%d: train_loss %.4f", epoch, fit->options->epochs, e->train_loss);
    if (!isnan(e->val_loss))
        appendStringInfo(&line, " val_loss %.4f", e->val_loss);
    if (!isnan(e->val_auc))
        appendStringInfo(&line, " val_auc %.4f", e->val_auc);
    if (e->is_best)
        appendStringInfoString(&line, " (best)");
    ereport(NOTICE, (errmsg_internal("%s", line.data)));
    pfree(line.data);
}

/* One epoch: train, validate, remember the best, tell. Returns whether to go on. */
static bool
run_epoch(Fit *fit, int epoch, Epoch *e)
{
    NnNet *net = &fit->model->net;
    instr_time start;
    double metric;

    INSTR_TIME_SET_CURRENT(start);
    train_pass(fit, epoch, e);
    if (!isfinite(e->train_loss))
        ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
                        errmsg("training diverged: the loss of epoch %d is not finite", epoch),
                        errhint("Lower \"learning_rate\", or set \"clip_norm\".")));
    sync_parameters(fit);
    validation_pass(fit, e);
    e->seconds = seconds_since(start);
    metric = fit->schedule.maximize ? e->val_auc : e->val_loss;
    if (fit->best) {
        e->is_best = schedule_report(&fit->schedule, epoch, metric);
        if (e->is_best)
            memcpy(fit->best, fit->model->params, net->n_block * sizeof(float));
    }
    report_epoch(fit, epoch, e);
    if (fit->out_of_time) {
        ereport(NOTICE, (errmsg("stopped after max_seconds = %g in epoch %d/%d", fit->options->max_seconds,
                                epoch, fit->options->epochs)));
        return false;
    }
    if (fit->best && epoch < fit->options->epochs && schedule_stop(&fit->schedule, epoch)) {
        ereport(NOTICE, (errmsg("stopped early: %s has not improved for %d epochs, the best was epoch %d",
                                fit->schedule.maximize ? "val_auc" : "val_loss", fit->options->patience,
                                fit->schedule.best_epoch)));
        return false;
    }
    return true;
}

/* AUC cannot be watched where validation rows are all of one class, or where there are several classes. */
static bool
monitor_auc(const Training *t)
{
    const int64 *class_rows = dataset_class_rows(t->dataset, true);

    if (!t->options.monitor_auc || t->options.net.n_classes > 1 || dataset_weight(t->dataset, true) <= 0)
        return false;
    if (class_rows[0] > 0 && class_rows[1] > 0)
        return true;
    ereport(NOTICE, (errmsg("all validation rows have label %d: watching val_loss instead of val_auc",
                            class_rows[1] > 0)));
    return false;
}

static void
run_epochs(Fit *fit)
{
    const Options *options = fit->options;
    Model *model = fit->model;
    int before = model->n_epochs;

    schedule_init(&fit->schedule, options->lr_schedule, monitor_auc(fit->training), options->learning_rate,
                  options->patience, options->epochs);
    for (int epoch = 1; epoch <= options->epochs; epoch++) {
        Epoch *e = &model->history[model->n_epochs++];

        if (!run_epoch(fit, epoch, e))
            break;
    }
    if (fit->best && fit->schedule.best_epoch > 0) {
        memcpy(model->params, fit->best, model->net.n_block * sizeof(float));
        model->best_epoch = before + fit->schedule.best_epoch;
    } else {
        model->history[model->n_epochs - 1].is_best = true;
        model->best_epoch = model->n_epochs;
    }
    for (int i = 0; i < model->n_epochs; i++)
        model->history[i].is_best = i + 1 == model->best_epoch;
}

/* ------------------------------------------------------------------ the result */

/* Rows must show at least two classes: there is nothing to learn from one. */
static void
check_labels(const Training *t)
{
    const int64 *class_rows = dataset_class_rows(t->dataset, false);
    int seen = 0, last = 0;

    for (int k = 0; k < Max(t->options.net.n_classes, 2); k++) {
        if (class_rows[k] > 0) {
            seen++;
            last = k;
        }
    }
    if (dataset_rows(t->dataset, false) == 0)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("all rows are for validation"),
                        errhint("\"validation_column\" marks the rows to hold back; the others train.")));
    if (dataset_weight(t->dataset, false) <= 0)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("weight column \"%s\" is 0 in all training rows", t->options.weight)));
    if (seen == 1)
        ereport(ERROR,
                (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                 errmsg("label column \"%s\" has no other value than %d", t->options.label, last),
                 errdetail("There are " INT64_FORMAT " training rows; a model needs at least two classes "
                           "to learn from.",
                           dataset_rows(t->dataset, false))));
}

static Model *
model_create(Training *t)
{
    Model *model = MemoryContextAllocZero(t->context, sizeof(Model));
    int epochs_before = t->given ? t->given->n_epochs : 0;

    model->context = t->context;
    model->options = t->options;
    model->encoder = dataset_encode(t->dataset, t->context);
    model->train_rows = dataset_rows(t->dataset, false);
    model->validation_rows = dataset_rows(t->dataset, true);
    model->skipped_rows = t->skipped;
    model_create_net(model);
    model->history = MemoryContextAllocZero(
        t->context, mul_size(sizeof(Epoch), add_size(epochs_before, t->options.epochs)));
    if (t->given) {
        memcpy(model->history, t->given->history, sizeof(Epoch) * epochs_before);
        model->n_epochs = epochs_before;
    }
    return model;
}

static void
report_skipped(const Training *t)
{
    if (t->skipped > 0)
        ereport(NOTICE, (errmsg("skipped " INT64_FORMAT " rows whose label \"%s\" is NULL", t->skipped,
                                t->options.label)));
}

/* CREATE FUNCTION ctr_train_final(internal) RETURNS ctr_model */
PG_FUNCTION_INFO_V1(ctr_train_final);
Datum
ctr_train_final(PG_FUNCTION_ARGS)
{
    Training *t = PG_ARGISNULL(0) ? NULL : (Training *)PG_GETARG_POINTER(0);
    Model *model;
    Fit *fit;
    ctr_model *result;

    if (t == NULL || t->rows == 0)
        ereport(ERROR,
                (errcode(ERRCODE_NO_DATA_FOUND), errmsg("no rows to train on"),
                 t && t->skipped > 0 ? errdetail("All " INT64_FORMAT " rows have a NULL label.", t->skipped)
                                     : 0));
    report_skipped(t);
    if (!blas_load())
        ctr_check_status(NN_NO_BLAS, "train");
    model = model_create(t);
    check_labels(t);
    fit = fit_create(t, model);
    run_epochs(fit);
    training_close(PointerGetDatum(t));
    MemoryContextDelete(fit->context);
    result = model_pack(model);
    MemoryContextDelete(t->context);
    PG_RETURN_MODEL_P(result);
}
