/*
 * train.c: the aggregate ctr_train. Rows come in through the transition function and go to the dataset; the
 * final function has them encoded and the model fitted (contest.c), and returns it; report.c tells of it. All
 * memory of a training is in one context under the aggregate's, from the first row to the result.
 */
#include "train/train.h"
#include "train/progress.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "model/cache.h"
#include "threads.h"
#include "nn/math/products.h"

/* Bounds of a row's weight, such that sums and quotients of weights are normal floats. */
#define WEIGHT_LEAST   1e-30
#define WEIGHT_LARGEST 1e28

/* ------------------------------------------------------------------ what groups share */

/*
 * Lives in fn_extra of the call and serves all groups of a GROUP BY, many of which may collect rows at the
 * same time.
 */
typedef struct Shared {
    NnPool *pool; /* as large as the first group's options say; results do not depend on that */
    CtrRowBudget budget;
    int finished; /* groups that are trained */
} Shared;

static Shared *
shared_by_groups(FmgrInfo *call, const CtrOptions *options)
{
    Shared *shared = call->fn_extra;

    if (shared == NULL) {
        call->fn_extra = shared = MemoryContextAllocZero(call->fn_mcxt, sizeof(Shared));
        shared->pool = threads_create_pool(call->fn_mcxt, threads_count(options->threads));
    }
    return shared;
}

/* ------------------------------------------------------------------ rows */

typedef struct Training {
    MemoryContext context;
    CtrOptions options;
    bytea *options_given;          /* a copy of the argument, to see that it stays the same; NULL: none */
    const CtrModel *given;         /* the model to go on from, or NULL */
    struct varlena *given_pointer; /* its TOAST pointer, if it came from a table */
    CtrRowMap *map;
    CtrFeature *features;
    int n_num, n_cat;
    Shared *shared;      /* of the call */
    CtrDataset *dataset; /* NULL once closed */
    CtrRowCounts counts;
    CtrProgress progress;
    bool finished;     /* the executor may ask again, when it scans a hash table of groups again */
    ctr_model *result; /* NULL: untrainable */
} Training;

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
training_continue(Training *t, Datum given, const CtrRow *row)
{
    struct varlena *argument = (struct varlena *)DatumGetPointer(given);
    const CtrEncoder *encoder;

    t->given = model_unpack_to_train(given, t->context);
    if (VARATT_IS_EXTERNAL_ONDISK(argument))
        t->given_pointer = memcpy(palloc(VARSIZE_ANY(argument)), argument, VARSIZE_ANY(argument));
    options_check_continues(&t->options, (Jsonb *)t->options_given, &t->given->options);
    if (t->given->n_epochs + t->options.epochs > CTR_MODEL_EPOCHS_MOST)
        ereport(ERROR,
                (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("the model's history would be too long"),
                 errdetail("The model to go on from has had %d epochs; with up to %d more they pass %d.",
                           t->given->n_epochs, t->options.epochs, CTR_MODEL_EPOCHS_MOST)));
    encoder = t->given->encoder;
    t->features = encoder->features;
    t->n_num = encoder->n_num;
    t->n_cat = encoder->n_cat;
    t->map = rowmap_for_continuing(row, &t->options, t->features, t->n_num, t->n_cat, t->context);
    options_inherit_lists(&t->options, &t->given->options);
}

static Training *
training_start(FunctionCallInfo fcinfo, MemoryContext parent, const CtrRow *row)
{
    /*
     * Not in its own context, which is deleted first: the callback registered below still reads the
     * struct.
     */
    Training *t = MemoryContextAllocZero(parent, sizeof(Training));
    MemoryContext context = AllocSetContextCreate(parent, "ctr training", ALLOCSET_DEFAULT_SIZES);
    MemoryContext old = MemoryContextSwitchTo(context);

    t->context = context;
    if (PG_NARGS() > 2 && !PG_ARGISNULL(2))
        t->options_given = DatumGetByteaPCopy(PG_GETARG_DATUM(2));
    if (PG_NARGS() > 3 && !PG_ARGISNULL(3))
        training_continue(t, PG_GETARG_DATUM(3), row);
    else {
        options_parse(&t->options, (Jsonb *)t->options_given);
        t->map = rowmap_for_training(row, &t->options, context, &t->features, &t->n_num, &t->n_cat);
    }
    t->shared = shared_by_groups(fcinfo->flinfo, &t->options);
    t->dataset = dataset_create(context, &t->options, t->features, t->n_num, t->n_cat,
                                t->given ? t->given->encoder : NULL, t->shared->pool, &t->shared->budget);
    AggRegisterCallback(fcinfo, training_close, PointerGetDatum(t));
    progress_begin(&t->progress, parent);
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
            char digest[CTR_MODEL_DIGEST_SIZE];

            model_digest(PointerGetDatum(now), digest);
            same = memcmp(digest, t->given->digest, CTR_MODEL_DIGEST_SIZE) == 0;
        }
    }
    if (!same)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("the model to go on from changes between rows"),
                        errhint("Use one GROUP BY group for each model.")));
}

/* NaN: the value is not a number */
static double
read_weight(Training *t)
{
    bool is_number;
    double value;

    if (t->map->weight.attribute < 0)
        return 1;
    value = row_number_checked(t->map, &t->map->weight, &is_number);
    return is_number ? value : NAN;
}

static void
check_weight(Training *t, double weight)
{
    if (!(weight >= WEIGHT_LEAST && weight <= WEIGHT_LARGEST))
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("weight column \"%s\" has value %s", t->options.weight,
                               row_value_text(t->map, &t->map->weight)),
                        errdetail("Weights must be 0 or between %g and %g.", WEIGHT_LEAST, WEIGHT_LARGEST)));
}

static CtrRowRole
read_role(Training *t)
{
    double value;

    if (t->map->validation.attribute < 0)
        return CTR_ROLE_CHANCE;
    value = row_number(t->map, &t->map->validation);
    return value > 0 ? CTR_ROLE_VALIDATION : CTR_ROLE_TRAINING; /* NULL counts as false */
}

/*
 * Adds the current row to the training. A row of weight 0 is left out, because it would otherwise count in
 * means, quantiles, vocabularies and the statistics of batches.
 */
static void
take_row(Training *t)
{
    const double weight = read_weight(t);
    int label;

    if (weight == 0)
        t->counts.weightless++;
    else if (!row_class(t->map, t->options.label, t->options.net.n_classes, &label))
        t->counts.skipped++;
    else {
        check_weight(t, weight);
        dataset_add(t->dataset, t->map, (float)label, (float)weight, read_role(t));
        t->counts.taken++;
    }
}

/* CREATE FUNCTION ctr_train_transition(internal, record [, jsonb [, ctr_model]]) RETURNS internal */
PG_FUNCTION_INFO_V1(ctr_train_transition);
Datum
ctr_train_transition(PG_FUNCTION_ARGS)
{
    MemoryContext aggregate;
    Training *t = PG_ARGISNULL(0) ? NULL : (Training *)PG_GETARG_POINTER(0);
    CtrRow row;

    if (!AggCheckCallContext(fcinfo, &aggregate))
        elog(ERROR, "ctr_train_transition called in non-aggregate context");
    if (PG_ARGISNULL(1)) { /* no row */
        if (t == NULL)
            PG_RETURN_NULL();
        PG_RETURN_POINTER(t);
    }
    row = row_of_record(PG_GETARG_HEAPTUPLEHEADER(1));
    if (t == NULL)
        t = training_start(fcinfo, aggregate, &row);
    else {
        check_same_options(t, fcinfo);
        check_same_model(t, fcinfo);
    }
    if (!rowmap_fits(t->map, &row))
        rowmap_change_error(t->map, &row);

    rowmap_read(t->map, &row);
    take_row(t);
    progress_row(&t->progress);
    PG_RETURN_POINTER(t);
}

/* ------------------------------------------------------------------ the result */

static int64 *
keep_label_rows(const CtrModel *model, const CtrDataset *dataset)
{
    const Size size = sizeof(int64) * Max(model->options.net.n_classes, 2);

    return memcpy(MemoryContextAlloc(model->encoder->context, size), dataset_class_rows(dataset, false),
                  size);
}

static CtrModel *
model_create(Training *t)
{
    MemoryContext context = AllocSetContextCreate(t->context, "ctr model", ALLOCSET_DEFAULT_SIZES);
    CtrModel *model = MemoryContextAllocZero(context, sizeof(CtrModel));

    model->context = context;
    model->options = t->options;
    model->encoder = dataset_encode(t->dataset, t->context);
    model->train_rows = dataset_rows(t->dataset, false);
    model->label_rows = keep_label_rows(model, t->dataset);
    model->validation_rows = dataset_rows(t->dataset, true);
    model->skipped_rows = t->counts.skipped;
    if (t->given) {
        model->n_tried = t->given->n_tried;
        model->tried = t->given->tried;
        model->chosen = t->given->chosen;
    }
    model_create_net(model, NULL);
    insight_create(model);
    return model;
}

/* Where the weights of the model come from. */
static CtrWeights
weights_source(const CtrModel *model, const CtrModel *given)
{
    if (model->options.epochs > 0)
        return CTR_WEIGHTS_TRAINED;
    if (given == NULL)
        return CTR_WEIGHTS_INITIAL;
    return given->weights == CTR_WEIGHTS_LOADED ? CTR_WEIGHTS_MEASURED : given->weights;
}

/*
 * Returns the model in the aggregate's context; all other memory of the training may be freed afterwards.
 * NULL: no model can be trained, which is reported.
 */
static ctr_model *
train(Training *t, CtrReport *report, MemoryContext aggregate)
{
    CtrListeners listeners = {0};
    CtrModel *model;

    if (!trainable_rows(report, &t->counts))
        return NULL;
    listeners_add(&listeners, report_hear, report);
    listeners_add(&listeners, progress_hear, &t->progress);
    listeners_tell(&listeners, &(CtrEvent){.kind = CTR_EVENT_ROWS_READ,
                                           .skipped = t->counts.skipped,
                                           .weightless = t->counts.weightless});
    if (!gemm_prepare())
        ctr_check_status(NN_NO_BLAS, "train");
    listeners_tell(&listeners, &(CtrEvent){.kind = CTR_EVENT_ENCODING});
    model = model_create(t);
    if (!trainable_labels(report, &t->counts, t->dataset))
        return NULL;
    model = model_fit(model, t->dataset, t->given, t->shared->pool, &listeners);
    if (model == NULL)
        return NULL;
    model->weights = weights_source(model, t->given);
    if (model_has_insight(model))
        insight_fit(model, t->dataset, t->shared->pool);
    training_close(PointerGetDatum(t));
    if (model->options.epochs > 0)
        model_time_text(GetCurrentTimestamp(), model->trained_at);
    else if (t->given)
        strlcpy(model->trained_at, t->given->trained_at, sizeof(model->trained_at));
    return model_pack(model, aggregate);
}

/* Sets how messages name the group that this call ends, and whether there are other groups. */
static void
set_group(CtrReport *report, FunctionCallInfo fcinfo, Shared *shared)
{
    const char *keys = group_keys(fcinfo);

    if (keys == NULL)
        return;
    report->of_many = shared->finished > 0 || !group_is_only(fcinfo);
    report->group = psprintf("group %d (%s)", ++shared->finished, keys);
}

/* CREATE FUNCTION ctr_train_final(internal) RETURNS ctr_model */
PG_FUNCTION_INFO_V1(ctr_train_final);
Datum
ctr_train_final(PG_FUNCTION_ARGS)
{
    Training *t = PG_ARGISNULL(0) ? NULL : (Training *)PG_GETARG_POINTER(0);
    MemoryContext aggregate;

    if (!AggCheckCallContext(fcinfo, &aggregate))
        elog(ERROR, "ctr_train_final called in non-aggregate context");
    if (t == NULL) {
        const char *keys = group_keys(fcinfo);

        ereport(WARNING,
                (keys ? errmsg("group (%s): no rows to train on", keys) : errmsg("no rows to train on")));
        PG_RETURN_NULL();
    }
    if (!t->finished) {
        CtrReport report = {.options = &t->options};

        set_group(&report, fcinfo, t->shared);
        progress_group(&t->progress, report.group ? t->shared->finished : 0, t->counts);
        t->result = train(t, &report, aggregate);
        progress_end(&t->progress);
        t->finished = true;
        training_close(PointerGetDatum(t));
        MemoryContextDelete(t->context);
    }
    if (t->result == NULL)
        PG_RETURN_NULL();
    PG_RETURN_MODEL_P(t->result);
}
