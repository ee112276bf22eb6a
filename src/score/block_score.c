/*
 * block_score.c: one call of ctr_predict in a block scan. It evaluates the call's arguments for each row of a
 * block, lets a call site take the row, and scores the block.
 */
#include "score/blocks.h"

#include "catalog/objectaccess.h"
#include "catalog/pg_proc.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"

#include "nn/math/loss.h"

/*
 * Sites for blocks of as many rows as one thread scores at once, and of as many as keep all threads busy: a
 * page of candidates should not pay for more. A block of one row is scored as the others are, so that a row's
 * score is the same wherever a scan comes upon it.
 */
#define TIERS 2

/* A join may bring some models in turn: they are scored together, each in its lane. */
#define LANES 4

/* Rows of a block that have one model and row type. */
typedef struct Lane {
    CtrSite *sites[TIERS]; /* NULL: not needed yet */
    int n;                 /* rows taken by the site of the block's tier */
    int *taken;            /* [room] row of the block */
} Lane;

struct CtrBlockCall {
    MemoryContext context;
    PlanState *parent;
    CtrPredictCall kind;
    Oid function;
    int largest;                /* rows of a block: settings may ask for other blocks since the scan began */
    bool checked;               /* the right to EXECUTE */
    FunctionCallInfo arguments; /* of the row read last */
    int *columns;               /* [arguments] of the child's row, from 0; -1: states has an expression */
    ExprState **states;
    int room, tier; /* rows that arrays have room for; of the block's sites */
    Lane lanes[LANES];
    Lane *lane;  /* of the row read last; NULL: its score is NULL */
    int oldest;  /* the lane that gets the next model */
    double *p;   /* [room] the scores of rows */
    bool *nulls; /* [room] */
};

/* ------------------------------------------------------------------ begin */

/*
 * May the role call the function? PostgreSQL asks before it begins; where the planner has put in
 * ctr_predict_columns, that asks at its first row.
 */
static void
check_right(CtrBlockCall *call)
{
    call->checked = call->kind == CTR_PREDICT_RECORD;
    if (!call->checked)
        return;
    if (!may_execute(call->function, GetUserId()))
        aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_FUNCTION, get_func_name(call->function));
    InvokeFunctionExecuteHook(call->function);
}

/* The call's arguments as its function would get them. Their types are those of the expression. */
static FunctionCallInfo
create_arguments(FuncExpr *expr)
{
    const int n = list_length(expr->args);
    FunctionCallInfo arguments = palloc0(SizeForFunctionCallInfo(n));

    arguments->nargs = (short)n;
    arguments->flinfo = palloc(sizeof(FmgrInfo));
    fmgr_info(expr->funcid, arguments->flinfo);
    fmgr_info_set_expr((Node *)expr, arguments->flinfo);
    return arguments;
}

CtrBlockCall *
block_call_begin(FuncExpr *expr, int largest, PlanState *parent)
{
    CtrBlockCall *call = palloc0(sizeof(CtrBlockCall));
    int i = 0;
    ListCell *cell;

    call->context = CurrentMemoryContext;
    call->parent = parent;
    call->largest = largest;
    call->kind = predict_call((Node *)expr);
    call->function = expr->funcid;
    check_right(call);
    call->arguments = create_arguments(expr);
    call->columns = palloc(sizeof(int) * list_length(expr->args));
    call->states = palloc0(sizeof(ExprState *) * list_length(expr->args));
    foreach (cell, expr->args) {
        const Var *variable = lfirst(cell);

        call->columns[i] = IsA(variable, Var) && variable->varattno > 0 ? variable->varattno - 1 : -1;
        if (call->columns[i] < 0)
            call->states[i] = ExecInitExpr(lfirst(cell), parent);
        i++;
    }
    return call;
}

void
block_call_empty(CtrBlockCall *call, int rows)
{
    call->tier = rows > NN_BLOCK;
    if (rows > call->room) {
        MemoryContext old = MemoryContextSwitchTo(call->context);

        call->room = rows;
        call->p = palloc(sizeof(double) * rows);
        call->nulls = palloc(sizeof(bool) * rows);
        for (int k = 0; k < LANES; k++)
            call->lanes[k].taken = palloc(sizeof(int) * rows);
        MemoryContextSwitchTo(old);
    }
    for (int k = 0; k < LANES; k++)
        call->lanes[k].n = 0;
}

/* ------------------------------------------------------------------ one row */

static void
evaluate_arguments(CtrBlockCall *call, TupleTableSlot *slot)
{
    ExprContext *context = call->parent->ps_ExprContext;
    NullableDatum *arguments = call->arguments->args;

    context->ecxt_outertuple = slot;
    for (int i = 0; i < call->arguments->nargs; i++) {
        const int column = call->columns[i];

        if (column < 0) {
            arguments[i].value = ExecEvalExpr(call->states[i], context, &arguments[i].isnull);
        } else {
            arguments[i].value = slot->tts_values[column];
            arguments[i].isnull = slot->tts_isnull[column];
        }
    }
}

/* The row to score. false: the score is NULL, because the model or the row is. */
static bool
call_row(const CtrBlockCall *call, CtrRow *row)
{
    const NullableDatum *arguments = call->arguments->args;

    if (arguments[0].isnull || arguments[1].isnull)
        return false;
    if (call->kind == CTR_PREDICT_COLUMNS)
        *row = (CtrRow){.type = DatumGetObjectId(arguments[1].value), .typmod = -1, .call = call->arguments};
    else
        *row = row_of_record(DatumGetHeapTupleHeader(arguments[1].value));
    return true;
}

/* The lane that is ready for the row; NULL: there is none. */
static Lane *
find_lane(CtrBlockCall *call, Datum model, const CtrRow *row)
{
    for (int k = 0; k < LANES; k++) {
        const CtrSite *site = call->lanes[k].sites[call->tier];

        if (site && site_has_model(site, model) && site_has_type(site, row))
            return &call->lanes[k];
    }
    return NULL;
}

/* Makes a lane ready for the row. Errors of models and row types are raised here. */
static Lane *
use_lane(CtrBlockCall *call, Datum model, const CtrRow *row)
{
    const int capacities[TIERS] = {Min(NN_BLOCK, call->largest), call->largest};
    Lane *lane = &call->lanes[call->oldest];
    CtrSite **site = &lane->sites[call->tier];

    if (!call->checked)
        check_may_predict(call->function);
    call->checked = true;
    if (*site == NULL)
        *site = site_create(call->context, capacities[call->tier], false);
    site_use(*site, model, row);
    site_check_one_class(*site, "ctr_predict", "ctr_predict_classes");
    call->oldest = (call->oldest + 1) % LANES;
    return lane;
}

bool
block_call_take(CtrBlockCall *call, TupleTableSlot *slot, int at)
{
    Datum model;
    CtrRow row;

    evaluate_arguments(call, slot);
    call->lane = NULL;
    call->nulls[at] = !call_row(call, &row);
    if (call->nulls[at])
        return true;
    model = call->arguments->args[0].value;
    call->lane = find_lane(call, model, &row);
    if (call->lane == NULL && at == 0)
        call->lane = use_lane(call, model, &row);
    if (call->lane == NULL)
        return false;
    site_take(call->lane->sites[call->tier], &row, call->lane->n);
    call->lane->taken[call->lane->n] = at;
    return true;
}

void
block_call_taken(CtrBlockCall *call)
{
    if (call->lane)
        call->lane->n++;
}

/* ------------------------------------------------------------------ scores */

static void
score_lane(CtrBlockCall *call, const Lane *lane)
{
    CtrSite *site = lane->sites[call->tier];
    const float *logits;

    if (lane->n == 0)
        return;
    logits = lane->n <= NN_BLOCK ? site_score(site, lane->n) : site_score_during(site, lane->n, NULL, NULL);
    for (int i = 0; i < lane->n; i++)
        call->p[lane->taken[i]] = probability(logits[i]);
}

int64
block_call_score(CtrBlockCall *call)
{
    int64 n = 0;

    for (int k = 0; k < LANES; k++) {
        score_lane(call, &call->lanes[k]);
        n += call->lanes[k].n;
    }
    return n;
}

bool
block_call_result(const CtrBlockCall *call, int row, double *p)
{
    if (!call->nulls[row])
        *p = call->p[row];
    return !call->nulls[row];
}
