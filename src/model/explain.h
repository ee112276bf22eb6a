/* explain.h: what a row's features contribute to its logit (explain.c). */
#ifndef CTR_EXPLAIN_H
#define CTR_EXPLAIN_H

#include "model/model.h"

#include "nn/infer/contributions.h"

/* A model made ready to explain rows, one at a time. */
typedef struct CtrExplainer {
    const CtrModel *model;
    NnContributions *contributions;
    float *inputs;    /* [d_input] of the row explained last */
    double *gradient; /* [d_input] */
    double *features; /* [n_num + n_cat]: what each feature contributes */
    double
        *crosses; /* [n_crosses]: what each cross's own inputs contribute; features have it too, by halves */
    float *attention; /* [fields]: to each of the network's, where it has such; NULL: it has not */
} CtrExplainer;

/* The model must outlive it, and have its average row. */
CtrExplainer *explainer_create(const CtrModel *model, MemoryContext context);
/*
 * Explains logit k, or NN_PATH_BEST_CLASS, of a row against the average row's. The row is x_num [n_num of the
 * net] and x_cat [d_cat], ld_cat apart, with the encoder's statistics. most: points of the line,
 * NN_PATH_LEAST to NN_PATH_MOST; they are doubled until they are enough. The features' contributions add up
 * to the difference of the logits, which the result has. A thread may call it.
 */
NnPath explainer_run(CtrExplainer *e, const float *x_num, const int32 *x_cat, Size ld_cat, int k, int most);
/* the attention to a feature in the row explained last; only of a network that has such */
float explainer_attention(const CtrExplainer *e, int feature);

#endif /* CTR_EXPLAIN_H */
