/*
 * block_plan.c: puts scans that score rows in blocks (block_scan.c) into finished plans.
 *
 * A scan or join that computes ctr_predict gives its variables to a block scan above it, which computes what
 * the node computed; quals in front of the first call stay where they are, so that their order is kept. An
 * aggregate or a Result gets a block scan below it, which adds the scores to its input.
 *
 * The scan reads some rows ahead of those that it returns. So it is left out where that could be seen: above
 * volatile functions, rows to be locked or changed, and where a cursor may go backward.
 */
#include "score/blocks.h"

#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"

/* Where the planner expects no more rows than this, a block scan would cost more than it saves. */
#define ONE_ROW 1.0

typedef struct Places {
    PlannedStmt *stmt;
    int last_node_id; /* 0: not looked up yet */
} Places;

/* What the nodes above do with a node's rows. */
typedef struct Wanted {
    bool all;           /* they read them to the end */
    const Limit *limit; /* they read as many as this says, and no more; NULL: it is not known */
    bool marked;        /* they go back to a marked position, which a block scan cannot */
} Wanted;

/* ------------------------------------------------------------------ a plan's nodes */

static int
largest_node_id(const Plan *plan)
{
    int largest = plan->plan_node_id;
    ListCell *cell;

    foreach (cell, blocks_plan_children(plan))
        largest = Max(largest, largest_node_id(lfirst(cell)));
    return largest;
}

static int
next_node_id(Places *places)
{
    ListCell *cell;

    if (places->last_node_id == 0) {
        places->last_node_id = largest_node_id(places->stmt->planTree);
        foreach (cell, places->stmt->subplans) {
            if (lfirst(cell))
                places->last_node_id = Max(places->last_node_id, largest_node_id(lfirst(cell)));
        }
    }
    return ++places->last_node_id;
}

/* ------------------------------------------------------------------ a scan above or below a node */

static CustomScan *
new_scan(Places *places, Plan *child, List *calls, const Wanted *wanted, const Plan *like)
{
    CustomScan *scan = block_scan_create(child, calls, wanted->all, wanted->limit);
    Plan *plan = &scan->scan.plan;

    plan->startup_cost = like->startup_cost;
    plan->total_cost = like->total_cost;
    plan->plan_rows = like->plan_rows;
    plan->plan_width = like->plan_width;
    plan->parallel_safe = like->parallel_safe;
    plan->extParam = bms_copy(like->extParam);
    plan->allParam = bms_copy(like->allParam);
    plan->plan_node_id = next_node_id(places);
    return scan;
}

static List *
target_list(List *expressions)
{
    List *targets = NIL;
    ListCell *cell;

    foreach (cell, expressions)
        targets = lappend(targets, makeTargetEntry(copyObject(lfirst(cell)),
                                                   (AttrNumber)(list_length(targets) + 1), NULL, false));
    return targets;
}

/* Takes the quals in front of the first one with a call off the list. */
static List *
quals_before_calls(List **quals)
{
    List *before = NIL, *calls = NIL;

    while (*quals != NIL) {
        blocks_find_calls(linitial(*quals), &calls);
        if (calls != NIL)
            break;
        before = lappend(before, linitial(*quals));
        *quals = list_delete_first(*quals);
    }
    return before;
}

/* The calls of the first qual, or of the target list if there is none, that are not known yet. */
static List *
next_calls(List *quals, List *targets, List *known)
{
    List *calls = NIL;

    blocks_find_calls(quals != NIL ? linitial(quals) : (Node *)targets, &calls);
    return list_difference(calls, known);
}

/* Takes the quals off the list whose calls are all known: up to the next one with others. */
static List *
quals_of(List **quals, List *known)
{
    List *now = NIL;

    while (*quals != NIL && next_calls(*quals, NIL, known) == NIL) {
        now = lappend(now, linitial(*quals));
        *quals = list_delete_first(*quals);
    }
    return now;
}

/* What an inner join asks of its pairs of rows: the same before and after they are joined. */
static List *
inner_join_quals(const Plan *plan)
{
    const Join *join = (const Join *)plan;

    if ((IsA(plan, NestLoop) || IsA(plan, HashJoin) || IsA(plan, MergeJoin)) &&
        join->jointype == JOIN_INNER && !join->inner_unique)
        return join->joinqual;
    return NIL;
}

/*
 * Block scans above the plan, which from then on gives its variables only. There is a scan for each qual with
 * new calls, because only rows that pass one are scored for the next, and one for the target list's. None
 * stands above a scan with a volatile qual, and may read ahead of it: calls that follow stay calls.
 */
static Plan *
place_above(Places *places, Plan *plan, const Wanted *wanted)
{
    const Wanted filtered = {.all = wanted->all};
    const Plan like = *plan;
    List *targets = plan->targetlist, *known = NIL, *calls;
    List *quals = list_concat_copy(inner_join_quals(plan), plan->qual), *before = quals_before_calls(&quals);
    List *targets_left = targets; /* that may get a scan of their own */
    Plan *top = plan;

    calls = next_calls(quals, targets, NIL);
    if (calls == NIL || plan->plan_rows <= ONE_ROW || plan->async_capable ||
        !blocks_is_stable(places->stmt, before) || !blocks_inputs_may_be_ahead(places->stmt, plan))
        return plan;
    blocks_find_variables((Node *)list_make2(targets, quals), &known);
    if (inner_join_quals(plan) != NIL)
        ((Join *)plan)->joinqual = NIL;
    plan->qual = before;
    plan->initPlan = NIL;
    plan->targetlist = target_list(known);
    while (calls != NIL) {
        List *asked = (List *)blocks_replace((Node *)calls, known, OUTER_VAR), *now;
        CustomScan *scan;

        known = list_concat(known, calls);
        now = quals_of(&quals, known);
        if (!blocks_is_stable(places->stmt, now)) {
            now = list_concat(now, quals);
            quals = targets_left = NIL;
        }
        scan = new_scan(places, top, asked, now == NIL && quals == NIL ? wanted : &filtered, &like);
        scan->scan.plan.qual = (List *)blocks_replace((Node *)now, known, INDEX_VAR);
        top = &scan->scan.plan;
        calls = next_calls(quals, targets_left, known);
        if (calls != NIL)
            top->targetlist = (List *)blocks_replace((Node *)target_list(known), known, INDEX_VAR);
    }
    top->targetlist = (List *)blocks_replace((Node *)targets, known, INDEX_VAR);
    top->initPlan = like.initPlan;
    return top;
}

/* Columns of its input that the node names by number. NULL: it may name any. */
static Bitmapset *
columns_by_number(const Plan *plan, bool *any)
{
    Bitmapset *columns = NULL;

    *any = IsA(plan, WindowAgg) || (IsA(plan, Agg) && ((const Agg *)plan)->chain != NIL);
    if (IsA(plan, Agg)) {
        for (int i = 0; i < ((const Agg *)plan)->numCols; i++)
            columns = bms_add_member(columns, ((const Agg *)plan)->grpColIdx[i]);
    }
    return columns;
}

/* Lets the scan below the plan give NULL for columns that the plan does not use: they need not be kept. */
static void
drop_unused(const Plan *plan, CustomScan *scan)
{
    List *used = NIL;
    bool any;
    Bitmapset *columns = columns_by_number(plan, &any);
    ListCell *cell;

    if (any)
        return;
    blocks_find_variables((Node *)list_make2(plan->targetlist, plan->qual), &used);
    foreach (cell, used) {
        if (lfirst_node(Var, cell)->varno == OUTER_VAR)
            columns = bms_add_member(columns, lfirst_node(Var, cell)->varattno);
    }
    foreach (cell, scan->scan.plan.targetlist) {
        TargetEntry *target = lfirst(cell);
        const Node *value = (Node *)target->expr;

        if (!bms_is_member(target->resno, columns))
            target->expr = (Expr *)makeNullConst(exprType(value), exprTypmod(value), exprCollation(value));
    }
}

/* A block scan below the plan, which gets the scores of its calls as further columns of its input. */
static void
place_below(Places *places, Plan *plan, const Wanted *wanted)
{
    Plan *child = plan->lefttree;
    List *calls = NIL, *outputs = NIL;
    CustomScan *scan;
    ListCell *cell;

    if (IsA(plan, Agg))
        blocks_find_aggregated_calls((Node *)list_make2(plan->targetlist, plan->qual), &calls);
    else
        blocks_find_calls((Node *)plan->targetlist, &calls);
    if (calls == NIL || child->plan_rows <= ONE_ROW || !blocks_may_be_ahead(places->stmt, child))
        return;
    scan = new_scan(places, child, calls, wanted, child);
    /* the calls bring the parameters that they depend on */
    scan->scan.plan.extParam = bms_union(plan->extParam, child->extParam);
    scan->scan.plan.allParam = bms_union(plan->allParam, child->allParam);
    foreach (cell, scan->custom_scan_tlist)
        outputs = lappend(outputs, lfirst_node(TargetEntry, cell)->expr);
    scan->scan.plan.targetlist = (List *)blocks_replace((Node *)scan->custom_scan_tlist, outputs, INDEX_VAR);
    plan->lefttree = &scan->scan.plan;
    plan->targetlist = (List *)blocks_replace((Node *)plan->targetlist, outputs, OUTER_VAR);
    plan->qual = (List *)blocks_replace((Node *)plan->qual, outputs, OUTER_VAR);
    drop_unused(plan, scan);
}

/* ------------------------------------------------------------------ all of a plan */

static Plan *place(Places *places, Plan *plan, Wanted wanted);

static void
place_in(Places *places, List *plans, Wanted wanted)
{
    ListCell *cell;

    foreach (cell, plans)
        lfirst(cell) = place(places, lfirst(cell), wanted);
}

/* What the node wants of its outer child's rows. */
static Wanted
wanted_of_child(const Plan *plan, Wanted wanted)
{
    const Limit *limit = (const Limit *)plan;
    Wanted of_child = {.all = wanted.all};

    switch (nodeTag(plan)) {
    case T_Result:
        return plan->qual == NIL ? wanted : (Wanted){.all = wanted.all, .marked = wanted.marked};
    case T_Limit:
        of_child.all = false;
        /* the scan evaluates it besides the Limit, which must come out the same and call nothing twice */
        if (limit->limitOption == LIMIT_OPTION_COUNT && limit->limitCount &&
            blocks_can_move(limit->limitCount) && blocks_can_move(limit->limitOffset))
            of_child.limit = limit;
        break;
    case T_Sort:
    case T_Hash:
        of_child.all = true;
        break;
    case T_Agg:
        of_child.all = wanted.all || ((const Agg *)plan)->aggstrategy != AGG_SORTED;
        break;
    case T_ModifyTable:
        of_child.all = wanted.all || ((const ModifyTable *)plan)->returningLists == NIL;
        break;
    default:
        break;
    }
    return of_child;
}

static void
place_in_children(Places *places, Plan *plan, Wanted wanted)
{
    const Wanted one_by_one = {.all = wanted.all};

    if (plan->lefttree)
        plan->lefttree = place(places, plan->lefttree, wanted_of_child(plan, wanted));
    if (plan->righttree)
        plan->righttree = place(places, plan->righttree, (Wanted){.marked = IsA(plan, MergeJoin)});
    if (IsA(plan, Append))
        place_in(places, ((Append *)plan)->appendplans, one_by_one);
    else if (IsA(plan, MergeAppend))
        place_in(places, ((MergeAppend *)plan)->mergeplans, one_by_one);
    else if (IsA(plan, SubqueryScan))
        ((SubqueryScan *)plan)->subplan =
            place(places, ((SubqueryScan *)plan)->subplan, plan->qual == NIL ? wanted : one_by_one);
}

/* The plan with its block scans. */
static Plan *
place(Places *places, Plan *plan, Wanted wanted)
{
    check_stack_depth();
    if (IsA(plan, CustomScan)) /* somebody else's, who may rely on what is below it */
        return plan;
    if (IsA(plan, ForeignScan) && ((ForeignScan *)plan)->operation != CMD_SELECT)
        return plan;
    if (!IsA(plan, ForeignScan))
        place_in_children(places, plan, wanted);
    if (wanted.marked)
        return plan;
    switch (nodeTag(plan)) {
    case T_SeqScan:
    case T_SampleScan:
    case T_IndexScan:
    case T_IndexOnlyScan:
    case T_BitmapHeapScan:
    case T_TidScan:
    case T_TidRangeScan:
    case T_SubqueryScan:
    case T_FunctionScan:
    case T_ValuesScan:
    case T_TableFuncScan:
    case T_CteScan:
    case T_NamedTuplestoreScan:
    case T_WorkTableScan:
    case T_ForeignScan:
    case T_NestLoop:
    case T_MergeJoin:
    case T_HashJoin:
        return place_above(places, plan, &wanted);
    case T_Result:
    case T_Agg:
    case T_WindowAgg:
        wanted = wanted_of_child(plan, wanted);
        if (plan->lefttree)
            place_below(places, plan, &wanted);
        return plan;
    default:
        return plan;
    }
}

void
blocks_place(PlannedStmt *stmt)
{
    Places places = {.stmt = stmt};
    ListCell *cell;

    stmt->planTree = place(&places, stmt->planTree, (Wanted){0});
    foreach (cell, stmt->subplans) {
        if (lfirst(cell))
            lfirst(cell) = place(&places, lfirst(cell), (Wanted){0});
    }
}
