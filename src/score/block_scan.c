/*
 * block_scan.c: the custom scan that scores its child's rows in blocks (block_plan.c puts it into plans).
 *
 * It reads a block of rows, copies of each what its target list needs, scores the block, and then returns
 * the rows one by one. The first block has one row, because a LIMIT or a cursor may want no more; each
 * further one has twice as many as the one before, up to what keeps all threads busy.
 */
#include "score/blocks.h"

#include "commands/explain.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "portability/instr_time.h"
#include "utils/datum.h"

#define KEPT_BYTES ((Size)4 * 1024 * 1024) /* a block whose copies are as large ends */

typedef struct BlockScan {
    CustomScanState state;
    int n_calls;
    CtrBlockCall **calls;
    int n_columns, n_kept;
    int *kept;      /* [n_kept] columns of the child's row that the target list or the qualification needs */
    int16 *lengths; /* and whether they are passed by value */
    bool *by_value;
    Datum *values; /* [room, n_kept] */
    bool *nulls;
    Size kept_bytes;
    MemoryContext context, of_block, of_row;
    int room;                /* rows that values and nulls have room for */
    int most, largest;       /* rows of the next block; of the largest one */
    int n, next;             /* rows of the block; the one to return next */
    TupleTableSlot *waiting; /* the child's row read last, which begins the next block; NULL: none does */
    bool ended;              /* the child has no more rows */
    ExprState *limit_count, *limit_offset;
    bool limit_known; /* limit is that of this scan since its last start */
    int64 limit;      /* rows that may still be read; negative: as many as there are */
    int64 n_scored, n_blocks;
    instr_time scoring;
} BlockScan;

/* custom_private: whether all rows are wanted, whether custom_exprs ends with a limit's count and offset */
#define SCAN_ALL(scan)       (linitial_int((scan)->custom_private) != 0)
#define SCAN_HAS_LIMIT(scan) (lsecond_int((scan)->custom_private) != 0)

static Node *create_state(CustomScan *scan);

static const CustomScanMethods scan_methods = {.CustomName = "CtrBlockScan",
                                               .CreateCustomScanState = create_state};

/* ------------------------------------------------------------------ the plan's node */

CustomScan *
block_scan_create(Plan *child, List *calls, bool all, const Limit *limit)
{
    CustomScan *scan = makeNode(CustomScan);
    List *tuple = NIL, *outputs = list_copy(calls);
    ListCell *cell;

    foreach (cell, child->targetlist) {
        const Node *value = (Node *)lfirst_node(TargetEntry, cell)->expr;
        const AttrNumber at = (AttrNumber)(list_length(tuple) + 1);

        tuple = lappend(tuple, makeTargetEntry((Expr *)makeVar(OUTER_VAR, at, exprType(value),
                                                               exprTypmod(value), exprCollation(value), 0),
                                               at, lfirst_node(TargetEntry, cell)->resname, false));
    }
    foreach (cell, calls)
        tuple = lappend(tuple, makeTargetEntry(copyObject(lfirst(cell)), (AttrNumber)(list_length(tuple) + 1),
                                               NULL, false));
    scan->scan.plan.lefttree = child;
    scan->custom_scan_tlist = tuple;
    scan->custom_private = list_make2_int(all, limit != NULL);
    if (limit)
        outputs = lappend(lappend(outputs, limit->limitCount), limit->limitOffset);
    scan->custom_exprs = copyObject(outputs);
    scan->methods = &scan_methods;
    return scan;
}

void
block_scan_register(void)
{
    RegisterCustomScanMethods(&scan_methods);
}

bool
is_block_scan(const Plan *plan)
{
    return IsA(plan, CustomScan) && ((const CustomScan *)plan)->methods == &scan_methods;
}

/* ------------------------------------------------------------------ begin and end */

/* Which of the child's columns are needed. */
static void
keep_begin(BlockScan *scan, const CustomScan *plan)
{
    TupleDesc desc = ExecGetResultType(outerPlanState(&scan->state));
    List *used = NIL;
    ListCell *cell;

    blocks_find_variables((Node *)list_make2(plan->scan.plan.targetlist, plan->scan.plan.qual), &used);
    scan->kept = palloc(sizeof(int) * (list_length(used) + 1));
    scan->lengths = palloc(sizeof(int16) * (list_length(used) + 1));
    scan->by_value = palloc(sizeof(bool) * (list_length(used) + 1));
    foreach (cell, used) {
        const int column = lfirst_node(Var, cell)->varattno - 1;

        if (column >= scan->n_columns)
            continue;
        scan->kept[scan->n_kept] = column;
        scan->lengths[scan->n_kept] = TupleDescAttr(desc, column)->attlen;
        scan->by_value[scan->n_kept++] = TupleDescAttr(desc, column)->attbyval;
    }
}

/* Before the first row, and before each new start. */
static void
start(BlockScan *scan)
{
    scan->n = scan->next = 0;
    scan->waiting = NULL;
    scan->ended = scan->limit_known = false;
}

/* Rows of the first block: more than one where all are wanted, and there are some. */
static int
first_block(const BlockScan *scan)
{
    const CustomScan *plan = (const CustomScan *)scan->state.ss.ps.plan;

    return SCAN_ALL(plan) && plan->scan.plan.plan_rows > 2 ? Min(NN_BLOCK, scan->largest) : 1;
}

static void
begin(CustomScanState *node, EState *estate, int eflags)
{
    BlockScan *scan = (BlockScan *)node;
    const CustomScan *plan = (const CustomScan *)node->ss.ps.plan;
    const int n_exprs = list_length(plan->custom_exprs);

    outerPlanState(node) = ExecInitNode(outerPlan(plan), estate, eflags);
    scan->n_columns = list_length(outerPlan(plan)->targetlist);
    scan->context = CurrentMemoryContext;
    scan->largest = ctr_block_scoring ? site_most_rows() : 1;
    scan->most = first_block(scan);
    scan->n_calls = n_exprs - (SCAN_HAS_LIMIT(plan) ? 2 : 0);
    scan->calls = palloc(sizeof(CtrBlockCall *) * scan->n_calls);
    for (int i = 0; i < scan->n_calls; i++)
        scan->calls[i] = block_call_begin(list_nth(plan->custom_exprs, i), scan->largest, &node->ss.ps);
    if (SCAN_HAS_LIMIT(plan)) {
        scan->limit_count = ExecInitExpr(list_nth(plan->custom_exprs, n_exprs - 2), &node->ss.ps);
        scan->limit_offset = ExecInitExpr(list_nth(plan->custom_exprs, n_exprs - 1), &node->ss.ps);
    }
    keep_begin(scan, plan);
    scan->of_block = AllocSetContextCreate(CurrentMemoryContext, "ctr block", ALLOCSET_DEFAULT_SIZES);
    scan->of_row = AllocSetContextCreate(CurrentMemoryContext, "ctr row", ALLOCSET_DEFAULT_SIZES);
    start(scan);
}

static void
end(CustomScanState *node)
{
    ExecEndNode(outerPlanState(node));
}

static void
rescan(CustomScanState *node)
{
    BlockScan *scan = (BlockScan *)node;

    /* one that was read to its end is likely to be read so again, by the block size that it had reached */
    if (!scan->ended)
        scan->most = first_block(scan);
    start(scan);
    if (outerPlanState(node)->chgParam == NULL)
        ExecReScan(outerPlanState(node));
}

/* ------------------------------------------------------------------ reading and scoring a block */

/* NULL, or an error: the LIMIT says it itself when it begins. */
static int64
limit_value(BlockScan *scan, ExprState *state, int64 otherwise)
{
    bool is_null = true;
    Datum value = state ? ExecEvalExprSwitchContext(state, scan->state.ss.ps.ps_ExprContext, &is_null) : 0;

    return is_null ? otherwise : DatumGetInt64(value);
}

/* How many rows LIMIT wants. The child is told as well: a sort keeps no more. */
static void
find_limit(BlockScan *scan)
{
    const int64 count = limit_value(scan, scan->limit_count, -1);
    const int64 offset = limit_value(scan, scan->limit_offset, 0);

    scan->limit_known = true;
    scan->limit = count < 0 || offset < 0 || count > PG_INT64_MAX - offset ? -1 : count + offset;
    if (scan->limit_count)
        ExecSetTupleBound(scan->limit, outerPlanState(&scan->state));
}

/* Takes the row for all calls, or, if it must begin the next block, for none. */
static bool
take(BlockScan *scan, TupleTableSlot *slot)
{
    MemoryContext old;
    bool taken = true;

    MemoryContextReset(scan->of_row);
    old = MemoryContextSwitchTo(scan->of_row);
    slot_getallattrs(slot);
    for (int i = 0; i < scan->n_calls && taken; i++)
        taken = block_call_take(scan->calls[i], slot, scan->n);
    for (int i = 0; i < scan->n_calls && taken; i++)
        block_call_taken(scan->calls[i]);
    MemoryContextSwitchTo(old);
    return taken;
}

/* Copies what is returned of the row. */
static void
keep(BlockScan *scan, const TupleTableSlot *slot)
{
    const Size first = (Size)scan->n * scan->n_kept;
    MemoryContext old = MemoryContextSwitchTo(scan->of_block);

    for (int i = 0; i < scan->n_kept; i++) {
        const Datum value = slot->tts_values[scan->kept[i]];
        const bool is_null = slot->tts_isnull[scan->kept[i]];

        scan->nulls[first + i] = is_null;
        if (is_null || scan->by_value[i]) {
            scan->values[first + i] = value;
            continue;
        }
        scan->values[first + i] = datumCopy(value, false, scan->lengths[i]);
        scan->kept_bytes += datumGetSize(scan->values[first + i], false, scan->lengths[i]);
    }
    MemoryContextSwitchTo(old);
}

/* The child's next row; NULL: there is none, or LIMIT wants none. */
static TupleTableSlot *
next_row(BlockScan *scan)
{
    TupleTableSlot *slot = scan->waiting;

    scan->waiting = NULL;
    if (slot)
        return slot;
    if (scan->limit == 0)
        return NULL;
    slot = ExecProcNode(outerPlanState(&scan->state));
    scan->limit -= scan->limit > 0;
    return TupIsNull(slot) ? NULL : slot;
}

static void
score_block(BlockScan *scan)
{
    instr_time began, now;

    INSTR_TIME_SET_CURRENT(began);
    for (int i = 0; i < scan->n_calls; i++)
        scan->n_scored += block_call_score(scan->calls[i]);
    INSTR_TIME_SET_CURRENT(now);
    INSTR_TIME_ACCUM_DIFF(scan->scoring, now, began);
    scan->n_blocks += scan->n > 0;
}

/* Empties the block, and makes room for the rows of the next one. */
static void
empty_block(BlockScan *scan)
{
    MemoryContextReset(scan->of_block);
    scan->kept_bytes = 0;
    scan->n = scan->next = 0;
    for (int i = 0; i < scan->n_calls; i++)
        block_call_empty(scan->calls[i], scan->most);
    if (scan->most > scan->room) {
        const Size cells = mul_size(scan->most, Max(scan->n_kept, 1));

        scan->room = scan->most;
        scan->values = MemoryContextAllocHuge(scan->context, mul_size(cells, sizeof(Datum)));
        scan->nulls = MemoryContextAllocHuge(scan->context, cells);
    }
}

/* Reads and scores the next block. */
static void
read_block(BlockScan *scan)
{
    empty_block(scan);
    for (; scan->n < scan->most && scan->kept_bytes < KEPT_BYTES; scan->n++) {
        TupleTableSlot *slot = next_row(scan);

        CHECK_FOR_INTERRUPTS();
        scan->ended = slot == NULL;
        if (scan->ended)
            break;
        if (!take(scan, slot)) {
            scan->waiting = slot;
            break;
        }
        keep(scan, slot);
    }
    scan->most = Min(scan->most * 2, scan->largest);
    score_block(scan);
}

/* ------------------------------------------------------------------ returning rows */

/* Puts a row of the block into the scan's tuple: the child's columns that were kept, and scores. */
static void
fill_tuple(BlockScan *scan, TupleTableSlot *slot, int row)
{
    const Size first = (Size)row * scan->n_kept;

    ExecClearTuple(slot);
    for (int i = 0; i < scan->n_kept; i++) {
        slot->tts_values[scan->kept[i]] = scan->values[first + i];
        slot->tts_isnull[scan->kept[i]] = scan->nulls[first + i];
    }
    for (int i = 0; i < scan->n_calls; i++) {
        const int column = scan->n_columns + i;
        double p = 0.0;

        slot->tts_isnull[column] = !block_call_result(scan->calls[i], row, &p);
        slot->tts_values[column] = Float8GetDatum(p);
    }
    ExecStoreVirtualTuple(slot);
}

static TupleTableSlot *
next_tuple(CustomScanState *node)
{
    BlockScan *scan = (BlockScan *)node;
    ScanState *state = &node->ss;
    ExprContext *context = state->ps.ps_ExprContext;

    if (!scan->limit_known)
        find_limit(scan);
    for (;;) {
        MemoryContext old;

        ResetExprContext(context);
        if (scan->next == scan->n) {
            if (scan->ended)
                return NULL;
            read_block(scan);
            continue;
        }
        old = MemoryContextSwitchTo(context->ecxt_per_tuple_memory);
        fill_tuple(scan, state->ss_ScanTupleSlot, scan->next++);
        MemoryContextSwitchTo(old);
        context->ecxt_scantuple = state->ss_ScanTupleSlot;
        if (!ExecQual(state->ps.qual, context)) {
            InstrCountFiltered1(state, 1);
            continue;
        }
        return state->ps.ps_ProjInfo ? ExecProject(state->ps.ps_ProjInfo) : state->ss_ScanTupleSlot;
    }
}

static void
explain(CustomScanState *node, List *ancestors, ExplainState *es)
{
    const BlockScan *scan = (BlockScan *)node;

    if (!es->analyze)
        return;
    ExplainPropertyInteger("Scores", NULL, scan->n_scored, es);
    ExplainPropertyInteger("Blocks", NULL, scan->n_blocks, es);
    if (es->timing)
        ExplainPropertyFloat("Scoring Time", "ms", INSTR_TIME_GET_MILLISEC(scan->scoring), 3, es);
}

static const CustomExecMethods exec_methods = {.CustomName = "CtrBlockScan",
                                               .BeginCustomScan = begin,
                                               .ExecCustomScan = next_tuple,
                                               .EndCustomScan = end,
                                               .ReScanCustomScan = rescan,
                                               .ExplainCustomScan = explain};

static Node *
create_state(CustomScan *scan)
{
    BlockScan *state = palloc0(sizeof(BlockScan));

    NodeSetTag(state, T_CustomScanState);
    state->state.methods = &exec_methods;
#if PG_VERSION_NUM >= 160000
    state->state.slotOps = &TTSOpsVirtual;
#endif
    return (Node *)state;
}
