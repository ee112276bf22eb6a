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

/*
 * capacity: rows scored at once, 1 or a multiple of NN_BLOCK; wants_label: also looks for the label's
 * column
 */
CtrSite *site_create(MemoryContext context, int capacity, bool wants_label);
/* The site of a function that scores one row at a time. Kept in fn_extra: it lives as long as the query. */
CtrSite *site_of_call(FunctionCallInfo fcinfo);
#define CTR_SITE_BLOCKS    8 /* the most blocks of NN_BLOCK rows that a site scores at once */
#define CTR_SITE_MOST_ROWS (NN_BLOCK * CTR_SITE_BLOCKS)

/*
 * How many rows to score at once: enough blocks to keep all threads of a query busy while one of them
 * reads more rows; at most CTR_SITE_MOST_ROWS.
 */
int site_most_rows(void);

/*
 * Makes the site ready for this model and row type. The functions below work with these until the next
 * site_use.
 */
void site_use(CtrSite *site, Datum model, const CtrRow *row);
/* Is the site ready for this model already? */
bool site_has_model(const CtrSite *site, Datum model);
/* Is it ready for rows of this type with the model in use? */
bool site_has_type(const CtrSite *site, const CtrRow *row);
/* The model in use. Valid until the next use. */
const CtrModel *site_model(const CtrSite *site);
int site_capacity(const CtrSite *site);
/*
 * Raises an error if the model in use has several classes; it names `function`, and `instead` as what to
 * call.
 */
void site_check_one_class(const CtrSite *site, const char *function, const char *instead);

/*
 * Takes the row as number `at` of the rows to score. Rows must come in order; the last one may be
 * replaced.
 */
void site_take(CtrSite *site, const CtrRow *row, int at);
/* Do the rows have the model's label column? */
bool site_has_label(const CtrSite *site);
/* The class of the row taken last, as row_class returns it; false: its label is NULL. */
bool site_label(const CtrSite *site, int *label);
/*
 * The text of a feature's value in the row taken last; false: NULL, or NaN. The bytes live until the next
 * site_take.
 */
bool site_value(const CtrSite *site, int feature, const char **bytes, uint32 *length);
/* A numerical feature's value in the row taken last; NaN: NULL, or NaN. */
double site_number(const CtrSite *site, int feature);
/* The codes of the rows that site_score has scored: of field f and row r at [f * *ld + r]. */
const int32 *site_codes(const CtrSite *site, Size *ld);
/* The network's inputs for the row taken last, of a site of capacity 1: x_num [d_num], x_cat [d_cat]. */
void site_inputs(const CtrSite *site, const float **x_num, const int32 **x_cat);

/*
 * Encodes and scores rows 0 .. n-1, n <= NN_BLOCK; returns logits [n, n_classes]. Error if one is not
 * finite.
 */
const float *site_score(CtrSite *site, int n);
/*
 * The same for any n, by several threads. While they score, this thread calls `meanwhile`, which may take
 * the next rows, from 0 on, with site_take, for the same model and row type; NULL: it scores as well. The
 * logits do not depend on the number of threads.
 */
const float *site_score_during(CtrSite *site, int n, void (*meanwhile)(void *), void *arg);

/* ------------------------------------------------------------------ predict_columns.c */

/* How often the planner has looked at a call of ctr_predict in this backend: did a query have one? */
int64 predict_calls_planned(void);

/* ------------------------------------------------------------------ rights.c */

/*
 * The function of the same schema that takes the columns of the row that `function` takes; InvalidOid if not
 * everybody may execute it. When that right changes, PostgreSQL plans anew.
 */
Oid columns_function(Oid function, Oid model_type);
/*
 * Checks the right to EXECUTE. called: ctr_predict_columns or ctr_predict_classes_columns, which the planner
 * calls in place of ctr_predict or ctr_predict_classes. Error 42501 if the current role may not execute the
 * latter.
 */
void check_may_predict(Oid called);

#endif /* CTR_SCORE_H */
