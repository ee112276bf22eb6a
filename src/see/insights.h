/*
 * insights.h: what a model has learned, for SQL and for pictures: which features matter,
 * and with which others.
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

/* ------------------------------------------------------------------ interactions.c */

typedef struct CtrInteraction {
    const char *layer; /* "network"; "crosses"; module path of a cross level; what another layer does */
    const char *feature_a, *feature_b;
    double strength;
} CtrInteraction;

/* All pairs of features, layer after layer, the strongest first in each, in the current context. */
CtrInteraction *interaction_rows(const CtrModel *model, int64 *n);
/* The strengths in the whole network, [features, features], symmetric, in the current context. */
double *interaction_matrix(const CtrModel *model);

#endif /* CTR_INSIGHTS_H */
