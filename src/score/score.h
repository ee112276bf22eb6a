/* score.h: a call site that scores rows: what ctr_predict, its relatives and ctr_evaluate share (site.c). */
#ifndef CTR_SCORE_H
#define CTR_SCORE_H

#include "model/cache.h"

/* ------------------------------------------------------------------ site.c */

/*
 * One call of a function in a query, or one aggregate: the models and row types that come to it, and the rows
 * that it has taken to score them together. Use a model, take rows, score them.
 */
typedef struct CtrSite CtrSite;

/* capacity: rows that are scored at once, 1 or blocks; wants_label: the rows may have the model's label */
CtrSite *site_create(MemoryContext context, int capacity, bool wants_label);
/* The site of a function that scores one row at a time. Kept in fn_extra: it lives as long as the query. */
CtrSite *site_of_call(FunctionCallInfo fcinfo);
#define CTR_SITE_BLOCKS    8 /* of NN_BLOCK rows, that a site scores at once at most */
#define CTR_SITE_MOST_ROWS (NN_BLOCK * CTR_SITE_BLOCKS)

/*
 * Rows that it pays to score at once: blocks enough for all threads that a query may have, while one reads
 * more rows; at most CTR_SITE_MOST_ROWS.
 */
int site_most_rows(void);

/* Makes the site ready for this model and row type: everything below speaks of them until the next use. */
void site_use(CtrSite *site, Datum model, const CtrRow *row);
/* Is the site ready for this model already? */
bool site_has_model(const CtrSite *site, Datum model);
/* Is it ready for rows of this type, by the model in use? */
bool site_has_type(const CtrSite *site, const CtrRow *row);
/* The model in use. Valid until the next use. */
const CtrModel *site_model(const CtrSite *site);
int site_capacity(const CtrSite *site);
/* Error unless the model in use has one class; the messages name `function` and what to call instead. */
void site_check_one_class(const CtrSite *site, const char *function, const char *instead);

/* Takes the row as number `at` of the site's inputs; rows come in order, but the last one may be replaced. */
void site_take(CtrSite *site, const CtrRow *row, int at);
/* Do the rows have the model's label column? */
bool site_has_label(const CtrSite *site);
/* The class of the row taken last, as row_class gives it; false: its label is NULL. */
bool site_label(const CtrSite *site, int *label);
/* The network's inputs for the row taken last, of a site of capacity 1: x_num [d_num], x_cat [d_cat]. */
void site_inputs(const CtrSite *site, const float **x_num, const int32 **x_cat);

/*
 * Encodes and scores rows 0 .. n-1, n <= NN_BLOCK; returns [n, n_classes] logits. Error where one is not
 * finite.
 */
const float *site_score(CtrSite *site, int n);
/*
 * The same for any n, by threads. Meanwhile `meanwhile` runs in this one: site_take may take the next rows
 * there, for the same model and row type, from 0 on. The numbers are the same for any number of threads.
 */
const float *site_score_during(CtrSite *site, int n, void (*meanwhile)(void *), void *arg);

/* ------------------------------------------------------------------ predict_columns.c */

/*
 * called: ctr_predict_columns, or the same for classes. Error 42501 where the current role may not execute
 * ctr_predict, whose call the planner has turned into that one.
 */
void check_may_predict(Oid called);

#endif /* CTR_SCORE_H */
