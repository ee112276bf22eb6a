/*
 * step.c: ctr_step: what a coordinator does after a round: it goes on in the direction in which the parts'
 * average lies, with momentum over the rounds (nn/train/outer.c).
 */
#include "train/prepare.h"

#include "funcapi.h"

#include "nn/train/outer.h"

static void
check_momentum(double momentum)
{
    if (!(momentum >= 0 && momentum < 1))
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("momentum is %g", momentum),
                        errhint("Give a number from 0 to below 1, such as 0.5.")));
}

static void
check_round(const CtrModel *previous, const CtrModel *merged)
{
    if (previous->stage != CTR_STAGE_MODEL || merged->stage != CTR_STAGE_MODEL)
        ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                        errmsg("ctr_step takes models, but one argument is %s",
                               stage_words(previous->stage ? previous->stage : merged->stage))));
    if (previous->weights == CTR_WEIGHTS_VELOCITY || merged->weights == CTR_WEIGHTS_VELOCITY)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("ctr_step takes models, but one argument is a velocity"),
                        errhint("The velocity is its third argument.")));
    if (strcmp(merged->start, previous->digest) != 0)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("the merged model was not trained from the previous one"),
                        errdetail("Its parts went on from a model of digest %.12s, this one has %.12s.",
                                  merged->start[0] ? merged->start : "none", previous->digest),
                        errhint("Give the model that all parts of the round went on from.")));
    if (previous->net.n_block != merged->net.n_block || previous->net.n_trained != merged->net.n_trained)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("the merged model and the previous one are different networks"),
                        errhint("Give the model that all parts of the round went on from.")));
}

/* The velocity's parameters, zero at first; in the current context. */
static float *
velocity_params(FunctionCallInfo fcinfo, int argument, Datum merged, const NnNet *net)
{
    const Size size = mul_size(net->n_block, sizeof(float));
    CtrModel *velocity;

    if (PG_ARGISNULL(argument))
        return MemoryContextAllocExtended(CurrentMemoryContext, size, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
    parts_check_encoder(merged, PG_GETARG_DATUM(argument), CTR_STAGE_MODEL);
    velocity = model_unpack_any(PG_GETARG_DATUM(argument), CurrentMemoryContext);
    if (velocity->weights != CTR_WEIGHTS_VELOCITY || velocity->net.n_block != net->n_block)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("the velocity is not one that ctr_step gave for these models"),
                        errhint("Give NULL in the first round.")));
    return velocity->params;
}

/*
 * Packs the model with other parameters. A velocity is a value of the same shape that has no history and no
 * explanations.
 */
static Datum
pack_with(CtrModel *model, float *params, bool is_velocity, MemoryContext context)
{
    const char *fault;

    model->params = params;
    if (is_velocity) {
        model->weights = CTR_WEIGHTS_VELOCITY;
        model->n_epochs = model->best_epoch = 0;
        model->trained_at[0] = '\0';
        insight_create(model);
    }
    fault = model_fault(model);
    if (fault != NULL)
        ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
                        errmsg("the step leads out of what models can have: %s", fault),
                        errhint("Lower the momentum or the learning rate.")));
    return PointerGetDatum(model_pack(model, context));
}

/* The buffers of a velocity are the merged model's, so that it is a model in form. */
static void
copy_buffers(float *to, const CtrModel *merged)
{
    memcpy(to + merged->net.n_trained, merged->params + merged->net.n_trained,
           (merged->net.n_block - merged->net.n_trained) * sizeof(float));
}

/* CREATE FUNCTION ctr_step(previous, merged, OUT model, INOUT velocity, momentum) */
PG_FUNCTION_INFO_V1(ctr_step);
Datum
ctr_step(PG_FUNCTION_ARGS)
{
    MemoryContext caller = CurrentMemoryContext, context;
    CtrModel *previous, *merged;
    float *velocity;
    Datum values[2];
    bool nulls[2] = {false};
    TupleDesc desc;

    if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(3))
        PG_RETURN_NULL();
    check_momentum(PG_GETARG_FLOAT8(3));
    if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
        elog(ERROR, "return type must be a row type");
    context = AllocSetContextCreate(caller, "ctr step", ALLOCSET_DEFAULT_SIZES);
    MemoryContextSwitchTo(context);
    previous = model_unpack_any(PG_GETARG_DATUM(0), context);
    merged = model_unpack_any(PG_GETARG_DATUM(1), context);
    check_round(previous, merged);
    parts_check_encoder(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1), CTR_STAGE_MODEL);
    velocity = velocity_params(fcinfo, 2, PG_GETARG_DATUM(1), &merged->net);
    outer_step(&merged->net, merged->params, velocity, previous->params, merged->params, PG_GETARG_FLOAT8(3),
               ctr_pause);
    copy_buffers(velocity, merged);
    values[0] = pack_with(merged, merged->params, false, caller);
    values[1] = pack_with(merged, velocity, true, caller);
    MemoryContextSwitchTo(caller);
    MemoryContextDelete(context);
    PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
