/*
 * evaluation.h: a model's quality on rows.
 */
#ifndef NN_EVALUATION_H
#define NN_EVALUATION_H

#include "nn/nn.h"

/*
 * Sums over scored rows; classes = 1 counts as two classes, of label 0 and 1. AUC is not among them: it needs
 * all.
 */
typedef struct NnEvaluation {
    int classes;
    int64_t rows, correct;
    double loss;         /* sum of log losses */
    double predicted;    /* sum of P(label = 1); classes = 1 only */
    int64_t *class_rows; /* [max(classes, 2)], the caller's */
} NnEvaluation;

/* logits: [classes] of one row, finite */
void evaluation_add(NnEvaluation *e, const float *logits, int label);
void evaluation_merge(NnEvaluation *into, const NnEvaluation *from);
/*
 * of the labels' shares: the log loss of answering nothing but these. weights [max(classes, 2)]: of the rows
 * of each class
 */
double label_entropy(const double *weights, int classes);
/* loss per row divided by the entropy of the label's own frequencies (He et al. 2014); NaN where that is 0 */
double evaluation_normalized_entropy(const NnEvaluation *e);
/* mean prediction / mean label (classes = 1); NaN without positives */
double evaluation_calibration(const NnEvaluation *e);

#endif /* NN_EVALUATION_H */
