/* scores.h: the scores and labels that an aggregate collects, for the area under the ROC curve (scores.c). */
#ifndef CTR_SCORES_H
#define CTR_SCORES_H

#include "ctr.h"
#include "nn/math/metrics.h"

/* Zeroed to begin with. */
typedef struct CtrScores {
    NnScore *items;
    int64 n, room;
} CtrScores;

/* Both allocate in `context`, which must be the same for all additions. */
void scores_add(CtrScores *scores, MemoryContext context, double score, double label, double weight);
void scores_append(CtrScores *into, MemoryContext context, const CtrScores *from);
/*
 * The area under the ROC curve; NaN if all labels are the same. Leaves the scores as they are. Serves
 * interrupts.
 */
double scores_auc(const CtrScores *scores);
/* A copy of the scores and, behind it, room for as many: both in the current context. */
NnScore *scores_copy(const CtrScores *scores);

/* The bytes that are sent to another process: `head`, then the scores. Error if they would pass 1 GB. */
bytea *scores_serialize(const void *head, Size head_size, const CtrScores *scores);
/* Reads them back: `head`, and the scores into the current context. */
void scores_deserialize(bytea *bytes, void *head, Size head_size, CtrScores *scores);

/* The memory context of the aggregate that is calling; error if no aggregate is. */
MemoryContext aggregate_context(FunctionCallInfo fcinfo);

/*
 * Warns in the final function of an aggregate that has no rows: once in a query, which may have many such
 * groups, and calls the aggregate for each column of its result. message: a literal
 */
void aggregate_warn_empty(FunctionCallInfo fcinfo, const char *message, const char *detail);

#endif /* CTR_SCORES_H */
