/*
 * block_calls.c: the calls of ctr_predict in an expression of a finished plan: which of them may be scored
 * before the expression is evaluated, and what stands in their place.
 */
#include "score/blocks.h"

#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"

#include "access/transam.h"

Datum ctr_predict(PG_FUNCTION_ARGS);
Datum ctr_predict_columns(PG_FUNCTION_ARGS);

CtrPredictCall
predict_call(const Node *node)
{
    const FuncExpr *call = (const FuncExpr *)node;
    FmgrInfo function;

    if (!IsA(node, FuncExpr) || call->funcresulttype != FLOAT8OID || call->funcid < FirstNormalObjectId ||
        list_length(call->args) < 2)
        return CTR_NO_PREDICT;
    fmgr_info(call->funcid, &function);
    if (function.fn_addr == ctr_predict)
        return CTR_PREDICT_RECORD;
    return function.fn_addr == ctr_predict_columns ? CTR_PREDICT_COLUMNS : CTR_NO_PREDICT;
}

static bool
is_subplan(Node *node, void *context)
{
    if (node == NULL)
        return false;
    if (IsA(node, SubPlan) || IsA(node, AlternativeSubPlan) || IsA(node, Aggref) || IsA(node, WindowFunc))
        return true;
    return expression_tree_walker(node, is_subplan, context);
}

bool
blocks_can_move(const void *expressions)
{
    Node *node = (Node *)unconstify(void *, expressions);

    return !contain_volatile_functions(node) && !is_subplan(node, NULL);
}

/*
 * Walks over what is always evaluated where the node is. A kind of node that is not named here is left alone
 * with all that is below it.
 */
static bool
find_calls(Node *node, void *calls)
{
    List **found = calls;

    if (node == NULL)
        return false;
    switch (nodeTag(node)) {
    case T_FuncExpr:
        if (predict_call(node) != CTR_NO_PREDICT) {
            if (blocks_can_move(((FuncExpr *)node)->args))
                *found = list_append_unique(*found, node);
            return false;
        }
        break;
    case T_BoolExpr:
        return find_calls(linitial(((BoolExpr *)node)->args), calls);
    case T_CoalesceExpr:
        return find_calls(linitial(((CoalesceExpr *)node)->args), calls);
    case T_CaseExpr:
        if (((CaseExpr *)node)->arg)
            return find_calls((Node *)((CaseExpr *)node)->arg, calls);
        return find_calls((Node *)linitial_node(CaseWhen, ((CaseExpr *)node)->args)->expr, calls);
    case T_List:
    case T_TargetEntry:
    case T_OpExpr:
    case T_DistinctExpr:
    case T_NullIfExpr:
    case T_ScalarArrayOpExpr:
    case T_RelabelType:
    case T_CoerceViaIO:
    case T_NullTest:
    case T_BooleanTest:
    case T_ArrayExpr:
    case T_RowExpr:
        break;
    default:
        return false;
    }
    return expression_tree_walker(node, find_calls, calls);
}

void
blocks_find_calls(Node *expression, List **calls)
{
    (void)find_calls(expression, calls);
}

static bool
find_aggregated_calls(Node *node, void *calls)
{
    if (node == NULL)
        return false;
    if (IsA(node, Aggref)) {
        const Aggref *aggregate = (Aggref *)node;

        /* a filter leaves out arguments */
        return find_calls(aggregate->aggfilter ? (Node *)aggregate->aggfilter : (Node *)aggregate->args,
                          calls);
    }
    return expression_tree_walker(node, find_aggregated_calls, calls);
}

void
blocks_find_aggregated_calls(Node *expression, List **calls)
{
    (void)find_aggregated_calls(expression, calls);
}

static bool
find_variables(Node *node, void *variables)
{
    List **found = variables;

    if (node == NULL)
        return false;
    if (IsA(node, Var)) {
        *found = list_append_unique(*found, node);
        return false;
    }
    return expression_tree_walker(node, find_variables, variables);
}

void
blocks_find_variables(Node *expression, List **variables)
{
    (void)find_variables(expression, variables);
}

typedef struct Replacement {
    List *from;
    int varno;
} Replacement;

static Node *
replace(Node *node, void *context)
{
    const Replacement *replacement = context;
    int at = 0;
    ListCell *cell;

    if (node == NULL)
        return NULL;
    foreach (cell, replacement->from) {
        at++;
        if (equal(node, lfirst(cell)))
            return (Node *)makeVar(replacement->varno, (AttrNumber)at, exprType(node), exprTypmod(node),
                                   exprCollation(node), 0);
    }
    return expression_tree_mutator(node, replace, context);
}

Node *
blocks_replace(Node *expression, List *from, int varno)
{
    Replacement replacement = {from, varno};

    return replace(expression, &replacement);
}
