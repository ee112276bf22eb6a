/* score.h: a call site that scores rows: what ctr_predict, its relatives and ctr_evaluate share (site.c). */
#ifndef CTR_SCORE_H
#define CTR_SCORE_H

#include "model/cache.h"

/* Rows that a site has taken, and their logits. */
typedef struct SiteRows {
    RowBlock *block; /* rows that are not encoded yet; NULL: capacity is 1 */
    int encoded;     /* rows before them, which are */
    float *x_num;    /* [capacity, d_num] */
    int32 *x_cat;    /* [d_cat, capacity] */
    float *logits;   /* [capacity, n_classes] */
} SiteRows;

/* One model at one call site: where its features are in the rows that come here, and room for its inputs. */
typedef struct SiteModel {
    char digest[MODEL_DIGEST_SIZE + 1];
    MemoryContext context;
    RowMap *map;
    Size capacity;      /* rows that there is room for */
    SiteRows *rows;     /* where site_take puts them */
    SiteRows *scoring;  /* where site_score_during found them; NULL: it was never called */
    NnScorer **scorers; /* [threads of the site's pool] for all but the first; NULL: not needed yet */
} SiteModel;

#define SITE_MODELS 16
#define SITE_BLOCKS 8 /* of NN_BLOCK rows that a site takes at once, at most */

/* Lives in fn_extra or in an aggregate's state. */
typedef struct Site {
    MemoryContext context;
    ModelHold *hold;
    bool wants_label;       /* also find the model's label column */
    int capacity;           /* rows scored at once: 1, or blocks */
    NnPool *pool;           /* NULL: not needed yet */
    int n_scoring;          /* rows that threads are scoring */
    MemoryContext of_a_row; /* a window function's: what one row's arguments take; NULL elsewhere */
    int n_models;
    SiteModel *models[SITE_MODELS]; /* most recently used first: a join may bring several models in turn */
    const CachedModelView *view;    /* of the model in use: models[0] */
} Site;

Site *site_create(MemoryContext context, int capacity, bool wants_label);
/*
 * Rows that it pays to score at once: blocks enough for all threads that a query may have, while one reads
 * more rows.
 */
int site_most_rows(void);
/* Makes the site ready for this model and row type; models[0] and view speak of them afterwards. */
SiteModel *site_use(Site *site, Datum model, const Row *row);
/* Is the site ready for this model already? And for the row type, so that site_use would change nothing? */
bool site_has_model(Site *site, Datum model);
bool site_is(Site *site, Datum model, const Row *row);
/* Takes the row as number `at` of the site's inputs; rows come in order, but the last one may be replaced. */
void site_take(Site *site, const Row *row, int at);
/*
 * Encodes and scores rows 0 .. n-1, n <= NN_BLOCK; returns [n, n_classes] logits. Error where one is not
 * finite.
 */
const float *site_score(Site *site, int n);
/*
 * The same for any n, by threads. Meanwhile `meanwhile` runs in this one: site_take may take the next rows
 * there, for the same model and row type, from 0 on. The numbers are the same for any number of threads.
 */
const float *site_score_during(Site *site, int n, void (*meanwhile)(void *), void *arg);

/* ------------------------------------------------------------------ predict_columns.c */

/*
 * called: ctr_predict_columns, or the same for classes. Error 42501 where the current role may not execute
 * ctr_predict, whose call the planner has turned into that one.
 */
void check_may_predict(Oid called);

#endif /* CTR_SCORE_H */
