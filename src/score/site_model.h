/*
 * site_model.h: a model at a call site, for site.c: where its features are in the rows that come, and room
 * for the network's inputs.
 */
#ifndef CTR_SITE_MODEL_H
#define CTR_SITE_MODEL_H

#include "score/score.h"

/* Rows that a site has taken, and their logits. */
typedef struct SiteRows {
    CtrRowBlock *block; /* rows that are not encoded yet; NULL: capacity is 1 */
    int encoded;        /* the rows before these, which are encoded */
    float *x_num;       /* [capacity, d_num] */
    int32 *x_cat;       /* [d_cat, capacity] */
    float *logits;      /* [capacity, n_classes] */
} SiteRows;

/* One model at one call site: where its features are in the rows that come here, and room for its inputs. */
typedef struct SiteModel {
    char digest[CTR_MODEL_DIGEST_SIZE + 1];
    MemoryContext context;
    CtrRowMap *map;
    Size capacity;     /* the most rows */
    bool outlives;     /* the query: site_model_release has to be called */
    SiteRows *rows;    /* where site_take puts them */
    SiteRows *scoring; /* rows that site_score_during is scoring; NULL: it was never called */
    /* [threads of the site's pool], but the first thread has view->scorer; NULL: not needed yet */
    NnScorer **scorers;
} SiteModel;

/* Room for the rows of the model. */
SiteRows *site_rows_create(const SiteModel *sm, const CtrModel *model);
/*
 * For rows like this one, at most `capacity` at once; label: also finds the label's column. Of one row,
 * without label, it outlives its query, and may have served another one before. Other memory is below
 * `parent`.
 */
SiteModel *site_model_create(MemoryContext parent, int capacity, bool label, const CtrModel *model,
                             const CtrRow *row);
/* The site does not need it any more. */
void site_model_release(SiteModel *sm);

#endif /* CTR_SITE_MODEL_H */
