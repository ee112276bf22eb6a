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
void scores_add(CtrScores *scores, MemoryContext context, double score, double label);
void scores_append(CtrScores *into, MemoryContext context, const CtrScores *from);
/*
 * The area under the ROC curve; NaN where there is one class only. Leaves the scores as they are. Serves
 * interrupts.
 */
double scores_auc(const CtrScores *scores);

/*
 * The bytes that go from one process to another: `head`, then the scores. Error where they would pass 1 GB.
 */
bytea *scores_serialize(const void *head, Size head_size, const CtrScores *scores);
/* Reads them back, the scores into the current context. */
void scores_deserialize(bytea *bytes, void *head, Size head_size, CtrScores *scores);

/* The memory of the aggregate that calls; error where none does. */
MemoryContext aggregate_context(FunctionCallInfo fcinfo);

#endif /* CTR_SCORES_H */
