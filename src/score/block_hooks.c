/* block_hooks.c: the hooks by which finished plans get their block scans (block_plan.c). */
#include "score/blocks.h"

#include "access/parallel.h"
#include "executor/executor.h"
#include "optimizer/planner.h"
#include "utils/plancache.h"

static planner_hook_type next_planner;
static ExecutorStart_hook_type next_executor_start;
static bool first_start = true;

/*
 * May a cursor with these options go backward? Where nothing was said, it may if its plan can. FAST_PLAN is
 * set for cursors only.
 */
static bool
may_go_backward(const PlannedStmt *stmt, int cursor_options)
{
    if (cursor_options & CURSOR_OPT_NO_SCROLL)
        return false;
    return (cursor_options & (CURSOR_OPT_SCROLL | CURSOR_OPT_FAST_PLAN)) &&
           ExecSupportsBackwardScan(stmt->planTree);
}

static PlannedStmt *
plan_with_blocks(Query *query, const char *text, int cursor_options, ParamListInfo parameters)
{
    const int64 calls = predict_calls_planned();
    PlannedStmt *stmt =
        (next_planner ? next_planner : standard_planner)(query, text, cursor_options, parameters);

    if (ctr_block_scoring && predict_calls_planned() != calls && !may_go_backward(stmt, cursor_options))
        blocks_place(stmt);
    return stmt;
}

/*
 * The first query is planned without plan_with_blocks, because planning it loads the library. Its plan may be
 * another's, so a copy gets the scans; and where it was kept for the next time, it is made anew. A parallel
 * worker loads the library, too, but its plan is its leader's.
 */
static void
start_with_blocks(QueryDesc *query, int eflags)
{
    if (first_start) {
        first_start = false;
        if (ctr_block_scoring && !IsParallelWorker() && !(eflags & EXEC_FLAG_BACKWARD)) {
            query->plannedstmt = copyObject(query->plannedstmt);
            blocks_place(query->plannedstmt);
        }
        ResetPlanCache();
    }
    (next_executor_start ? next_executor_start : standard_ExecutorStart)(query, eflags);
}

void
blocks_set_hooks(void)
{
    next_planner = planner_hook;
    planner_hook = plan_with_blocks;
    next_executor_start = ExecutorStart_hook;
    ExecutorStart_hook = start_with_blocks;
}
