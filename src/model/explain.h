/* explain.h: what a row's features contribute to its logit (explain.c). */
#ifndef CTR_EXPLAIN_H
#define CTR_EXPLAIN_H

#include "model/model.h"

#include "nn/infer/contributions.h"

#define CTR_EXPLAIN_MOST NN_LINES_MOST /* rows at once */

/* A model made ready to explain rows. */
typedef struct CtrExplainer {
    const CtrModel *model;
    NnContributions *contributions;
    float *inputs;      /* [CTR_EXPLAIN_MOST, d_input] of the rows */
    const int32 *x_cat; /* their codes, as given */
    int row, n_features;
    double *gradient; /* [d_input] of row `row`, as what follows */
    double *features; /* [n_features]: what each feature contributes */
    double
        *crosses; /* [n_crosses]: what each cross's own inputs contribute; features have it too, by halves */
    const float *attention; /* [fields]: to each of the network's, where it has such; NULL: it has not */
} CtrExplainer;

/* The model must outlive it, and have its average row. */
CtrExplainer *explainer_create(const CtrModel *model, MemoryContext context);
/*
 * Explains logit k, or NN_PATH_BEST_CLASS, of a row against the average row's. The row is x_num [n_num of the
 * net] and x_cat [d_cat], with the encoder's statistics. The points of the line are doubled until they are
 * enough. The features' contributions add up to the difference of the logits, which the result has. A thread
 * may call it.
 */
NnPath explainer_run(CtrExplainer *e, const float *x_num, const int32 *x_cat, int k);
/*
 * The same for several rows by so many points, few or not: the rows one after the other, which must stay
 * until each has been looked at. points, rows: as contributions_start has them.
 */
void explainer_start(CtrExplainer *e, const float *x_num, const int32 *x_cat, int rows, int k, int points);
NnPath explainer_row(CtrExplainer *e, int row);
/* the attention to a feature in the row explained last; only of a network that has such */
float explainer_attention(const CtrExplainer *e, int feature);

#endif /* CTR_EXPLAIN_H */
