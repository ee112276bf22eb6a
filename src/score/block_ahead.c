/*
 * block_ahead.c: may rows of a finished plan be read ahead of those that are wanted? Not where somebody could
 * see it: above volatile functions, and above rows that are changed or locked.
 */
#include "score/blocks.h"

#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"

List *
blocks_plan_children(const Plan *plan)
{
    List *children = NIL;

    if (plan->lefttree)
        children = lappend(children, plan->lefttree);
    if (plan->righttree)
        children = lappend(children, plan->righttree);
    switch (nodeTag(plan)) {
    case T_Append:
        return list_concat(children, ((const Append *)plan)->appendplans);
    case T_MergeAppend:
        return list_concat(children, ((const MergeAppend *)plan)->mergeplans);
    case T_BitmapAnd:
        return list_concat(children, ((const BitmapAnd *)plan)->bitmapplans);
    case T_BitmapOr:
        return list_concat(children, ((const BitmapOr *)plan)->bitmapplans);
    case T_SubqueryScan:
        return lappend(children, ((const SubqueryScan *)plan)->subplan);
    case T_CustomScan:
        return list_concat(children, ((const CustomScan *)plan)->custom_plans);
    default:
        return children;
    }
}

static bool
subplan_may_be_ahead(const PlannedStmt *stmt, int plan_id)
{
    const Plan *plan = list_nth(stmt->subplans, plan_id - 1);

    return plan == NULL || blocks_may_be_ahead(stmt, plan);
}

static bool
has_volatile_subplan(Node *node, void *stmt)
{
    if (node == NULL)
        return false;
    if (IsA(node, SubPlan) && !subplan_may_be_ahead(stmt, ((SubPlan *)node)->plan_id))
        return true;
    return expression_tree_walker(node, has_volatile_subplan, stmt);
}

bool
blocks_is_stable(const PlannedStmt *stmt, const void *expressions)
{
    Node *node = (Node *)unconstify(void *, expressions);

    return !contain_volatile_functions(node) && !has_volatile_subplan(node, unconstify(PlannedStmt *, stmt));
}

/* Expressions of a node besides its target list and qualification, as far as they can be volatile. */
static bool
node_is_stable(const PlannedStmt *stmt, const Plan *plan)
{
    switch (nodeTag(plan)) {
    case T_NestLoop:
    case T_MergeJoin:
    case T_HashJoin:
        return blocks_is_stable(stmt, ((const Join *)plan)->joinqual);
    case T_FunctionScan:
        return blocks_is_stable(stmt, ((const FunctionScan *)plan)->functions);
    case T_ValuesScan:
        return blocks_is_stable(stmt, ((const ValuesScan *)plan)->values_lists);
    case T_TableFuncScan:
        return blocks_is_stable(stmt, ((const TableFuncScan *)plan)->tablefunc);
    case T_SampleScan:
        return blocks_is_stable(stmt, ((const SampleScan *)plan)->tablesample);
    case T_Result:
        return blocks_is_stable(stmt, ((const Result *)plan)->resconstantqual);
    case T_CteScan:
        return subplan_may_be_ahead(stmt, ((const CteScan *)plan)->ctePlanId);
    case T_CustomScan:
        return is_block_scan(plan);
    case T_ModifyTable:
    case T_LockRows:
        return false;
    default:
        return true;
    }
}

bool
blocks_inputs_may_be_ahead(const PlannedStmt *stmt, const Plan *plan)
{
    ListCell *cell;

    check_stack_depth();
    if (!node_is_stable(stmt, plan))
        return false;
    foreach (cell, blocks_plan_children(plan)) {
        if (!blocks_may_be_ahead(stmt, lfirst(cell)))
            return false;
    }
    return true;
}

bool
blocks_may_be_ahead(const PlannedStmt *stmt, const Plan *plan)
{
    return blocks_is_stable(stmt, plan->targetlist) && blocks_is_stable(stmt, plan->qual) &&
           blocks_inputs_may_be_ahead(stmt, plan);
}
