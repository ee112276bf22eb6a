/*
 * group.c: which group of a query's GROUP BY an aggregate's call is for, so that messages can name it. The
 * aggregate function is not told; the executor's node that calls it knows the columns of the grouping and
 * their values.
 */
#include "train/train.h"

#include "mb/pg_wchar.h"
#include "nodes/execnodes.h"
#include "utils/lsyscache.h"

#define VALUE_SHOWN 60 /* bytes of a value that a message shows */

/* The name that the query's output gives the grouping's column; NULL: it is not put out as it is. */
static const char *
key_name(const Agg *plan, AttrNumber attribute)
{
    const ListCell *cell;

    foreach (cell, plan->plan.targetlist) {
        const TargetEntry *entry = lfirst(cell);

        if (IsA(entry->expr, Var) && ((const Var *)entry->expr)->varattno == attribute)
            return entry->resname;
    }
    return NULL;
}

static void
append_key(StringInfo text, const Agg *plan, TupleTableSlot *slot, AttrNumber attribute)
{
    const char *name = key_name(plan, attribute);
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
    appendStringInfo(text, "%s%s%s%s", text->len > 0 ? ", " : "", name ? name : "", name ? " = " : "", shown);
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
        append_key(&text, plan, slot, plan->grpColIdx[i]);
    return text.data;
}
