/*
 * metrics.c: the aggregates ctr_auc and ctr_logloss, with their parallel halves. The arithmetic is in
 * nn/math.
 */
#include "metrics/arguments.h"

#include <math.h>

/* ------------------------------------------------------------------ ctr_auc(label, score [, weight]) */

static Datum
auc_transition(FunctionCallInfo fcinfo, bool is_boolean)
{
    MemoryContext context = aggregate_context(fcinfo);
    CtrScores *state = PG_ARGISNULL(0) ? NULL : (CtrScores *)PG_GETARG_POINTER(0);

    if (state == NULL)
        state = MemoryContextAllocZero(context, sizeof(CtrScores));
    if (!argument_missing(fcinfo))
        scores_add(state, context, score_argument(fcinfo), label_argument(fcinfo, is_boolean),
                   weight_argument(fcinfo));
    PG_RETURN_POINTER(state);
}

/* CREATE FUNCTION ctr_auc_transition(internal, float8, float8 [, float8]) RETURNS internal */
PG_FUNCTION_INFO_V1(ctr_auc_transition);
Datum
ctr_auc_transition(PG_FUNCTION_ARGS)
{
    return auc_transition(fcinfo, false);
}

/* CREATE FUNCTION ctr_auc_transition(internal, boolean, float8 [, float8]) RETURNS internal */
PG_FUNCTION_INFO_V1(ctr_auc_transition_bool);
Datum
ctr_auc_transition_bool(PG_FUNCTION_ARGS)
{
    return auc_transition(fcinfo, true);
}

PG_FUNCTION_INFO_V1(ctr_auc_combine);
Datum
ctr_auc_combine(PG_FUNCTION_ARGS)
{
    MemoryContext context = aggregate_context(fcinfo);
    CtrScores *into = PG_ARGISNULL(0) ? NULL : (CtrScores *)PG_GETARG_POINTER(0);

    if (into == NULL)
        into = MemoryContextAllocZero(context, sizeof(CtrScores));
    if (!PG_ARGISNULL(1))
        scores_append(into, context, (CtrScores *)PG_GETARG_POINTER(1));
    PG_RETURN_POINTER(into);
}

PG_FUNCTION_INFO_V1(ctr_auc_serialize);
Datum
ctr_auc_serialize(PG_FUNCTION_ARGS)
{
    aggregate_context(fcinfo);
    PG_RETURN_BYTEA_P(scores_serialize(NULL, 0, (CtrScores *)PG_GETARG_POINTER(0)));
}

PG_FUNCTION_INFO_V1(ctr_auc_deserialize);
Datum
ctr_auc_deserialize(PG_FUNCTION_ARGS)
{
    CtrScores *state = palloc0(sizeof(CtrScores));

    aggregate_context(fcinfo);
    scores_deserialize(PG_GETARG_BYTEA_PP(0), NULL, 0, state);
    PG_RETURN_POINTER(state);
}

/* CREATE FUNCTION ctr_auc_final(internal) RETURNS float8: NULL where the rows show one class only */
PG_FUNCTION_INFO_V1(ctr_auc_final);
Datum
ctr_auc_final(PG_FUNCTION_ARGS)
{
    double value = PG_ARGISNULL(0) ? NAN : scores_auc((CtrScores *)PG_GETARG_POINTER(0));

    if (isnan(value))
        PG_RETURN_NULL();
    PG_RETURN_FLOAT8(value);
}

/* ------------------------------------------------------------------ ctr_logloss(label, score [, weight]) */

/* The state of ctr_logloss: sums of weight * loss, and of weights. */
typedef struct LossState {
    double sum, weight;
} LossState;

static Datum
logloss_transition(FunctionCallInfo fcinfo, bool is_boolean)
{
    MemoryContext context = aggregate_context(fcinfo);
    LossState *state = PG_ARGISNULL(0) ? NULL : (LossState *)PG_GETARG_POINTER(0);

    if (state == NULL)
        state = MemoryContextAllocZero(context, sizeof(LossState));
    if (!argument_missing(fcinfo)) {
        double score = probability_argument(fcinfo, "The logarithmic loss needs probabilities, from 0 to 1.");
        double weight = weight_argument(fcinfo);

        state->sum += weight * log_loss(score, label_argument(fcinfo, is_boolean));
        state->weight += weight;
    }
    PG_RETURN_POINTER(state);
}

/* CREATE FUNCTION ctr_logloss_transition(internal, float8, float8 [, float8]) RETURNS internal */
PG_FUNCTION_INFO_V1(ctr_logloss_transition);
Datum
ctr_logloss_transition(PG_FUNCTION_ARGS)
{
    return logloss_transition(fcinfo, false);
}

/* CREATE FUNCTION ctr_logloss_transition(internal, boolean, float8 [, float8]) RETURNS internal */
PG_FUNCTION_INFO_V1(ctr_logloss_transition_bool);
Datum
ctr_logloss_transition_bool(PG_FUNCTION_ARGS)
{
    return logloss_transition(fcinfo, true);
}

PG_FUNCTION_INFO_V1(ctr_logloss_combine);
Datum
ctr_logloss_combine(PG_FUNCTION_ARGS)
{
    MemoryContext context = aggregate_context(fcinfo);
    LossState *into = PG_ARGISNULL(0) ? NULL : (LossState *)PG_GETARG_POINTER(0);

    if (into == NULL)
        into = MemoryContextAllocZero(context, sizeof(LossState));
    if (!PG_ARGISNULL(1)) {
        const LossState *from = (LossState *)PG_GETARG_POINTER(1);

        into->sum += from->sum;
        into->weight += from->weight;
    }
    PG_RETURN_POINTER(into);
}

PG_FUNCTION_INFO_V1(ctr_logloss_serialize);
Datum
ctr_logloss_serialize(PG_FUNCTION_ARGS)
{
    CtrScores none = {0};

    aggregate_context(fcinfo);
    PG_RETURN_BYTEA_P(scores_serialize(PG_GETARG_POINTER(0), sizeof(LossState), &none));
}

PG_FUNCTION_INFO_V1(ctr_logloss_deserialize);
Datum
ctr_logloss_deserialize(PG_FUNCTION_ARGS)
{
    LossState *state = palloc0(sizeof(LossState));
    CtrScores none = {0};

    aggregate_context(fcinfo);
    scores_deserialize(PG_GETARG_BYTEA_PP(0), state, sizeof(LossState), &none);
    PG_RETURN_POINTER(state);
}

/* CREATE FUNCTION ctr_logloss_final(internal) RETURNS float8: NULL without rows of any weight */
PG_FUNCTION_INFO_V1(ctr_logloss_final);
Datum
ctr_logloss_final(PG_FUNCTION_ARGS)
{
    const LossState *state = PG_ARGISNULL(0) ? NULL : (LossState *)PG_GETARG_POINTER(0);

    if (state == NULL || state->weight == 0)
        PG_RETURN_NULL();
    PG_RETURN_FLOAT8(state->sum / state->weight);
}
