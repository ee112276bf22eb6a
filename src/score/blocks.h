/*
 * blocks.h: plain ctr_predict scored in blocks of rows, by a custom scan that is put into finished plans.
 *
 *   block_calls.c  which calls of an expression may be scored beforehand, and what stands in their place
 *   block_ahead.c  may rows be read before somebody wants them?
 *   block_plan.c   where in a plan the scan stands
 *   block_hooks.c  the hooks by which plans get their scans
 *   block_score.c  a call's arguments of each row, and the scores of a block
 *   block_scan.c   the scan: reads a block of rows, has it scored, returns its rows
 */
#ifndef CTR_BLOCKS_H
#define CTR_BLOCKS_H

#include "score/score.h"

#include "nodes/extensible.h"
#include "nodes/execnodes.h"
#include "nodes/plannodes.h"

/* ------------------------------------------------------------------ block_calls.c */

/* Is this the C function behind ctr_predict, or behind ctr_predict_columns? */
typedef enum CtrPredictCall { CTR_NO_PREDICT, CTR_PREDICT_RECORD, CTR_PREDICT_COLUMNS } CtrPredictCall;

CtrPredictCall predict_call(const Node *node);
/*
 * May the expressions be evaluated elsewhere in the plan, at another time and more than once? Not if they are
 * volatile, and a sub-plan belongs to its node.
 */
bool blocks_can_move(const void *expressions);
/*
 * Appends to *calls those calls of ctr_predict that every evaluation of the expression makes, unless they are
 * there. Calls that CASE, AND, OR or COALESCE may leave out are not: a model may not fit those rows.
 */
void blocks_find_calls(Node *expression, List **calls);
/* The same for the arguments and filters of the aggregates in the expression. */
void blocks_find_aggregated_calls(Node *expression, List **calls);
/* Appends the variables of the expression to *variables, unless they are there. */
void blocks_find_variables(Node *expression, List **variables);
/* The expression with members of `from` replaced by variables `varno`.1, `varno`.2, …, in a copy. */
Node *blocks_replace(Node *expression, List *from, int varno);

/* ------------------------------------------------------------------ block_ahead.c */

/* The plans that are a node's inputs, in a new list. */
List *blocks_plan_children(const Plan *plan);
/* Do the expressions give the same whenever they are evaluated? */
bool blocks_is_stable(const PlannedStmt *stmt, const void *expressions);
/* Are the rows of this plan the same if some are read that nobody wants, or are read a little sooner? */
bool blocks_may_be_ahead(const PlannedStmt *stmt, const Plan *plan);
/* The same without the node's own target list and qualification. */
bool blocks_inputs_may_be_ahead(const PlannedStmt *stmt, const Plan *plan);

/* ------------------------------------------------------------------ block_plan.c */

/* Puts scans into the plan, in place. */
void blocks_place(PlannedStmt *stmt);

/* ------------------------------------------------------------------ block_hooks.c */

/*
 * Sets the planner's and the executor's hook. The library is loaded while the planner works on the first
 * query that calls ctr_predict: that one gets its scans when it starts.
 */
void blocks_set_hooks(void);

/* ------------------------------------------------------------------ block_score.c */

/* One call in a running plan: reads rows of a block, scores them together. */
typedef struct CtrBlockCall CtrBlockCall;

/*
 * expr: its variables are the child's columns. largest: the most rows of any block. Memory from the current
 * context.
 */
CtrBlockCall *block_call_begin(FuncExpr *expr, int largest, PlanState *parent);
/* Forgets the block's rows; the next one has at most so many. */
void block_call_empty(CtrBlockCall *call, int rows);
/*
 * Takes the child's row, all of whose columns the slot has, as number `at` of the block; block_call_taken
 * follows, unless the row is to be taken again. false: it needs a model or row type that the rows before it
 * have not, and must begin a block. Its arguments' memory may be reset afterwards.
 */
bool block_call_take(CtrBlockCall *call, TupleTableSlot *slot, int at);
void block_call_taken(CtrBlockCall *call);
/* Scores the block; returns how many rows had something to score. */
int64 block_call_score(CtrBlockCall *call);
/* A row's probability; false: it is NULL. */
bool block_call_result(const CtrBlockCall *call, int row, double *p);

/* ------------------------------------------------------------------ block_scan.c */

/*
 * The scan of `child`. Its tuple (INDEX_VAR in its target list and qualification) has the child's columns and
 * then a score for each call. calls: of child's columns, OUTER_VAR. all: every row will be wanted, so that
 * the first block may be as large as the others. limit: of those that LIMIT wants, and no more, where each
 * row that comes in goes out; or NULL.
 */
CustomScan *block_scan_create(Plan *child, List *calls, bool all, const Limit *limit);
/* Parallel workers find the scan's methods by name. */
void block_scan_register(void);
/* Is it one of these scans? */
bool is_block_scan(const Plan *plan);

#endif /* CTR_BLOCKS_H */
