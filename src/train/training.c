/*
 * training.c: the rows of a training as they come in through a transition function: options and the model to
 * go on from are read at the first one, and must stay as they are; each row goes to the dataset.
 */
#include "train/training.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/builtins.h"

#include "threads.h"

/* Bounds of a row's weight, such that sums and quotients of weights are normal floats. */
#define WEIGHT_LEAST   1e-30
#define WEIGHT_LARGEST 1e28

static CtrGroups *
shared_by_groups(FmgrInfo *call, const CtrOptions *options)
{
    CtrGroups *shared = call->fn_extra;

    if (shared == NULL) {
        call->fn_extra = shared = MemoryContextAllocZero(call->fn_mcxt, sizeof(CtrGroups));
        shared->pool = threads_create_pool(call->fn_mcxt, threads_count(options->threads));
    }
    return shared;
}

/* ------------------------------------------------------------------ begin and end */

void
training_close(Datum arg)
{
    CtrTraining *t = (CtrTraining *)DatumGetPointer(arg);

    if (t->dataset)
        dataset_close(t->dataset);
    t->dataset = NULL;
}

/* The given model says what the features are and, where the options are silent, how to train. */
static void
training_continue(CtrTraining *t, Datum given, CtrGiven unpack, const CtrRow *row)
{
    struct varlena *argument = (struct varlena *)DatumGetPointer(given);
    const CtrEncoder *encoder;

    t->given = unpack(given, t->context);
    if (VARATT_IS_EXTERNAL_ONDISK(argument))
        t->given_pointer = memcpy(palloc(VARSIZE_ANY(argument)), argument, VARSIZE_ANY(argument));
    options_check_continues(&t->options, (Jsonb *)t->options_given, &t->given->options);
    if (t->given->encoder->shared)
        options_check_shared(&t->options, &t->given->options);
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

static CtrTraining *
training_start(FunctionCallInfo fcinfo, MemoryContext parent, CtrGiven unpack, const CtrRow *row)
{
    /*
     * Not in its own context, which is deleted first: the callback registered below still reads the
     * struct.
     */
    CtrTraining *t = MemoryContextAllocZero(parent, sizeof(CtrTraining));
    MemoryContext context = AllocSetContextCreate(parent, "ctr training", ALLOCSET_DEFAULT_SIZES);
    MemoryContext old = MemoryContextSwitchTo(context);

    t->context = context;
    if (PG_NARGS() > 2 && !PG_ARGISNULL(2))
        t->options_given = DatumGetByteaPCopy(PG_GETARG_DATUM(2));
    if (PG_NARGS() > 3 && !PG_ARGISNULL(3))
        training_continue(t, PG_GETARG_DATUM(3), unpack, row);
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
check_same_options(const CtrTraining *t, FunctionCallInfo fcinfo)
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
check_same_model(const CtrTraining *t, FunctionCallInfo fcinfo)
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
read_weight(CtrTraining *t)
{
    bool is_number;
    double value;

    if (t->map->weight.attribute < 0)
        return 1;
    value = row_number_checked(t->map, &t->map->weight, &is_number);
    return is_number ? value : NAN;
}

static void
check_weight(CtrTraining *t, double weight)
{
    if (!(weight >= WEIGHT_LEAST && weight <= WEIGHT_LARGEST))
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("weight column \"%s\" has value %s", t->options.weight,
                               row_value_text(t->map, &t->map->weight)),
                        errdetail("Weights must be 0 or between %g and %g.", WEIGHT_LEAST, WEIGHT_LARGEST)));
}

static CtrRowRole
read_role(CtrTraining *t)
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
take_row(CtrTraining *t)
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

Datum
training_take(FunctionCallInfo fcinfo, CtrGiven unpack)
{
    MemoryContext aggregate;
    CtrTraining *t = PG_ARGISNULL(0) ? NULL : (CtrTraining *)PG_GETARG_POINTER(0);
    CtrRow row;

    if (!AggCheckCallContext(fcinfo, &aggregate))
        elog(ERROR, "transition function called in non-aggregate context");
    if (PG_ARGISNULL(1)) { /* no row */
        if (t == NULL)
            PG_RETURN_NULL();
        PG_RETURN_POINTER(t);
    }
    row = row_of_record(PG_GETARG_HEAPTUPLEHEADER(1));
    if (t == NULL)
        t = training_start(fcinfo, aggregate, unpack, &row);
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

/* ------------------------------------------------------------------ the final function */

/* Sets how messages name the group that this call ends, and whether there are other groups. */
static void
set_group(CtrReport *report, FunctionCallInfo fcinfo, CtrGroups *shared)
{
    const char *keys = group_keys(fcinfo);

    if (keys == NULL)
        return;
    report->of_many = shared->finished > 0 || !group_is_only(fcinfo);
    report->group = psprintf("group %d (%s)", ++shared->finished, keys);
}

void
training_ends(CtrTraining *t, CtrReport *report, FunctionCallInfo fcinfo)
{
    *report = (CtrReport){.options = &t->options};
    set_group(report, fcinfo, t->shared);
    progress_group(&t->progress, report->group ? t->shared->finished : 0, t->counts);
}

void
training_free(CtrTraining *t)
{
    progress_end(&t->progress);
    t->finished = true;
    training_close(PointerGetDatum(t));
    MemoryContextDelete(t->context);
}

void
training_warn_empty(FunctionCallInfo fcinfo, const char *to_do)
{
    const char *keys = group_keys(fcinfo);

    ereport(WARNING,
            (keys ? errmsg("group (%s): no rows to %s", keys, to_do) : errmsg("no rows to %s", to_do)));
}
