/*
 * prepare.c: the aggregate ctr_prepare. Rows come in as those of a training do (training.c); the final
 * function makes one pass over them and returns what it found: a prepared part. The first pass looks at the
 * columns; the others, which get what ctr_merge made of all parts, at what needs it: which columns to pair,
 * which pairs of categories there are, and the labels by category.
 */
#include "train/prepare.h"

#include "encode/encoder.h"
#include "options/table.h"
#include "train/training.h"

/* The third argument: what ctr_merge made of the parts of the pass before. */
static CtrModel *
unpack_common(Datum given, MemoryContext context)
{
    CtrModel *model = model_unpack_any(given, context);

    if (model->stage == CTR_STAGE_MODEL)
        ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                        errmsg("nothing is left to prepare: the third argument is a model"),
                        errhint("ctr_train(record, options, model) trains it.")));
    if (stage_is_part(model->stage))
        ereport(ERROR,
                (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                 errmsg("the third argument is %s, prepared but not merged", stage_words(model->stage)),
                 errhint("ctr_merge makes of all parts what they have in common.")));
    return model;
}

/* CREATE FUNCTION ctr_prepare_transition(internal, record, jsonb [, ctr_model]) RETURNS internal */
PG_FUNCTION_INFO_V1(ctr_prepare_transition);
Datum
ctr_prepare_transition(PG_FUNCTION_ARGS)
{
    return training_take(fcinfo, unpack_common);
}

/* A part before its first pass. */
static CtrModel *
part_create(const CtrTraining *t)
{
    CtrModel *part = MemoryContextAllocZero(t->context, sizeof(CtrModel));

    if (t->options.candidates > 1 && option_given(&t->options, option_find("candidates")))
        ereport(ERROR,
                (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("parts of a table cannot compare candidates"),
                 errdetail("Each would choose a setting of its own."),
                 errhint("Leave option \"candidates\" out, or set it to 1.")));
    part->context = t->context;
    part->stage = CTR_STAGE_COLUMNS;
    part->options = t->options;
    part->options.candidates = 1;
    part->encoder = encoder_create(t->context, &t->options, t->features, t->n_num, t->n_cat, NULL);
    part->weights = CTR_WEIGHTS_INITIAL;
    part->skipped_rows = t->counts.skipped;
    return part;
}

static ctr_model *
prepare(CtrTraining *t, CtrReport *report, MemoryContext aggregate)
{
    CtrModel *part = t->given;

    if (!trainable_rows(report, &t->counts))
        return NULL;
    if (t->options.statistics == NN_STATISTICS_BY_SIZE) /* no part knows how many rows there are */
        t->options.statistics = NN_STATISTICS_SUM;
    if (part == NULL)
        part = part_create(t);
    else
        part->stage = stage_next(part);
    dataset_prepare(t->dataset, part);
    return model_pack(part, aggregate);
}

/* CREATE FUNCTION ctr_prepare_final(internal) RETURNS ctr_model */
PG_FUNCTION_INFO_V1(ctr_prepare_final);
Datum
ctr_prepare_final(PG_FUNCTION_ARGS)
{
    CtrTraining *t = PG_ARGISNULL(0) ? NULL : (CtrTraining *)PG_GETARG_POINTER(0);
    MemoryContext aggregate;

    if (!AggCheckCallContext(fcinfo, &aggregate))
        elog(ERROR, "ctr_prepare_final called in non-aggregate context");
    if (t == NULL) {
        training_warn_empty(fcinfo, "prepare");
        PG_RETURN_NULL();
    }
    if (!t->finished) {
        CtrReport report;

        training_ends(t, &report, fcinfo);
        t->result = prepare(t, &report, aggregate);
        training_free(t);
    }
    if (t->result == NULL)
        PG_RETURN_NULL();
    PG_RETURN_MODEL_P(t->result);
}
