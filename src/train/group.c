/*
 * group.c: which group of a query's GROUP BY an aggregate's call is for, so that messages can name it. The
 * aggregate function is not told; the executor's node that calls it knows the columns of the grouping and
 * their values.
 */
#include "train/train.h"

#include "mb/pg_wchar.h"
#include "nodes/execnodes.h"
#include "parser/parsetree.h"
#include "utils/lsyscache.h"
#include "utils/ruleutils.h"

#define VALUE_SHOWN 60 /* bytes of a value that a message shows */

/*
 * What the grouping's column is called: as the query's output calls it, else as EXPLAIN does, which knows the
 * columns of tables and spells out expressions.
 */
static const char *
key_name(const AggState *state, AttrNumber attribute)
{
    const Agg *plan = castNode(Agg, state->ss.ps.plan);
    PlannedStmt *statement = state->ss.ps.state->es_plannedstmt;
    const ListCell *cell;
    List *context;

    foreach (cell, plan->plan.targetlist) {
        const TargetEntry *entry = lfirst(cell);

        if (entry->resname && IsA(entry->expr, Var) && ((const Var *)entry->expr)->varattno == attribute)
            return entry->resname;
    }
    context =
        deparse_context_for_plan_tree(statement, select_rtable_names_for_explain(statement->rtable, NULL));
    context = set_deparse_context_plan(context, outerPlan(plan), list_make1(state->ss.ps.plan));
    return deparse_expression((Node *)get_tle_by_resno(outerPlan(plan)->targetlist, attribute)->expr, context,
                              false, false);
}

static void
append_key(StringInfo text, const AggState *state, TupleTableSlot *slot, AttrNumber attribute)
{
    bool is_null;
    Datum value = slot_getattr(slot, attribute, &is_null);
    char *shown = "NULL";
    Oid output;
    bool is_varlena;

    if (!is_null) {
        getTypeOutputInfo(TupleDescAttr(slot->tts_tupleDescriptor, attribute - 1)->atttypid, &output,
                          &is_varlena);
        shown = OidOutputFunctionCall(output, value);
        shown[pg_mbcliplen(shown, (int)strlen(shown), VALUE_SHOWN)] = '\0';
    }
    appendStringInfo(text, "%s%s = %s", text->len > 0 ? ", " : "", key_name(state, attribute), shown);
}

char *
group_keys(FunctionCallInfo fcinfo)
{
    const AggState *state = (const AggState *)fcinfo->context;
    const Agg *plan;
    TupleTableSlot *slot;
    StringInfoData text;

    if (state == NULL || !IsA(state, AggState))
        return NULL;
    plan = castNode(Agg, state->ss.ps.plan);
    slot = state->ss.ps.ps_ExprContext->ecxt_outertuple; /* the group's first row while it is finished */
    if (plan->numCols == 0 || TupIsNull(slot))
        return NULL;
    initStringInfo(&text);
    for (int i = 0; i < plan->numCols; i++)
        append_key(&text, state, slot, plan->grpColIdx[i]);
    return text.data;
}

/*
 * Of groups that are sorted, the next one's first row would have been read; those of a hash table are in
 * it, or spilled. Of grouping sets there are several groups.
 */
bool
group_is_only(FunctionCallInfo fcinfo)
{
    const AggState *state = castNode(AggState, fcinfo->context);
    const Agg *plan = castNode(Agg, state->ss.ps.plan);

    if (plan->groupingSets != NIL)
        return false;
    return plan->aggstrategy == AGG_SORTED ? state->agg_done
                                           : state->hash_ngroups_current == 1 && !state->hash_ever_spilled;
}
