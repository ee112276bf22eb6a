/*
 * scores.c: the scores and labels that an aggregate collects for the area under the ROC curve, and how
 * they are sent between the processes of a parallel plan.
 */
#include "score/scores.h"

#include "miscadmin.h"
#include "nodes/execnodes.h"

/* ------------------------------------------------------------------ collecting */

static void
scores_reserve(CtrScores *scores, MemoryContext context, int64 n)
{
    int64 room = Max(scores->room, 64);

    if (n <= scores->room)
        return;
    while (room < n)
        room *= 2;
    if (scores->items == NULL)
        scores->items = MemoryContextAllocHuge(context, mul_size(sizeof(NnScore), room));
    else
        scores->items = repalloc_huge(scores->items, mul_size(sizeof(NnScore), room));
    scores->room = room;
}

void
scores_add(CtrScores *scores, MemoryContext context, double score, double label, double weight)
{
    scores_reserve(scores, context, scores->n + 1);
    scores->items[scores->n++] = (NnScore){.score = score, .label = (float)label, .weight = (float)weight};
}

void
scores_append(CtrScores *into, MemoryContext context, const CtrScores *from)
{
    scores_reserve(into, context, into->n + from->n);
    if (from->n > 0)
        ctr_copy(into->items + into->n, from->items, sizeof(NnScore) * from->n);
    into->n += from->n;
}

NnScore *
scores_copy(const CtrScores *scores)
{
    Size size = mul_size(2 * sizeof(NnScore), Max(scores->n, 1));
    NnScore *copy = MemoryContextAllocHuge(CurrentMemoryContext, size);

    if (scores->n > 0)
        ctr_copy(copy, scores->items, sizeof(NnScore) * scores->n);
    return copy;
}

/* Sorts a copy, because a window aggregate adds more rows afterwards. */
double
scores_auc(const CtrScores *scores)
{
    NnScore *sorted = scores_copy(scores);
    double value = auc(sorted, sorted + scores->n, scores->n, ctr_pause);

    pfree(sorted);
    return value;
}

/* ------------------------------------------------------------------ bytes between processes */

static void
check_transfer_size(Size size)
{
    if (size > MaxAllocSize)
        ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                        errmsg("too many rows for one parallel worker or part: their scores take %zu MB",
                               size >> 20),
                        errhint("Set max_parallel_workers_per_gather to 0, or evaluate smaller parts.")));
}

bytea *
scores_serialize(const void *head, Size head_size, const CtrScores *scores)
{
    Size size = add_size(add_size(VARHDRSZ, head_size), mul_size(sizeof(NnScore), scores->n));
    bytea *bytes;

    check_transfer_size(size);
    bytes = palloc(size);
    SET_VARSIZE(bytes, size);
    memcpy(VARDATA(bytes), head, head_size);
    if (scores->n > 0)
        ctr_copy(VARDATA(bytes) + head_size, scores->items, sizeof(NnScore) * scores->n);
    return bytes;
}

void
scores_deserialize(bytea *bytes, void *head, Size head_size, CtrScores *scores)
{
    memcpy(head, VARDATA_ANY(bytes), head_size);
    scores->n = scores->room = (VARSIZE_ANY_EXHDR(bytes) - head_size) / sizeof(NnScore);
    scores->items = MemoryContextAllocHuge(CurrentMemoryContext, Max(sizeof(NnScore) * scores->n, 1));
    ctr_copy(scores->items, VARDATA_ANY(bytes) + head_size, sizeof(NnScore) * scores->n);
}

MemoryContext
aggregate_context(FunctionCallInfo fcinfo)
{
    MemoryContext context;

    if (!AggCheckCallContext(fcinfo, &context))
        elog(ERROR, "aggregate support function called in non-aggregate context");
    return context;
}

/* ------------------------------------------------------------------ groups without rows */

/* The memory context of the query that was warned last, and of what; NULL: that query has ended. */
static MemoryContext warned;
static const char *warned_of;

static void
forget_warned(void *query)
{
    if (warned == query)
        warned = NULL;
}

void
aggregate_warn_empty(FunctionCallInfo fcinfo, const char *message, const char *detail)
{
    MemoryContext query = ((PlanState *)fcinfo->context)->state->es_query_cxt;

    if (query == warned && strcmp(message, warned_of) == 0)
        return;
    if (query != warned) {
        MemoryContextCallback *callback = MemoryContextAllocZero(query, sizeof(MemoryContextCallback));

        callback->func = forget_warned;
        callback->arg = query;
        MemoryContextRegisterResetCallback(query, callback);
    }
    warned = query;
    warned_of = message;
    ereport(WARNING, (errmsg("%s", message), errdetail("%s", detail)));
}
