/*
 * insights.h: what a model has learned, for SQL and for pictures: which features matter.
 */
#ifndef CTR_INSIGHTS_H
#define CTR_INSIGHTS_H

#include "model/model.h"

/* ------------------------------------------------------------------ importance.c */

typedef struct CtrImportance {
    const char *feature;
    double importance; /* mean size of its contribution, in logits */
    double attention;  /* mean SENet gate; NaN: the network has none */
} CtrImportance;

/* A row for each feature, the most important first, in the current context. */
CtrImportance *importance_rows(const CtrModel *model, int *n);

#endif /* CTR_INSIGHTS_H */
