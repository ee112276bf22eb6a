/*
 * evaluation.c: sums over scored rows, and the quality figures made of them.
 * Normalized entropy and calibration: He et al. 2014, Practical Lessons from Predicting Clicks on Ads at
 * Facebook.
 */
#include "nn/math/evaluation.h"

#include <math.h>

#include "nn/math/loss.h"

static int
class_count(const NnEvaluation *e)
{
    return e->classes == 1 ? 2 : e->classes;
}

/* the class with the largest probability; of one class: 1 where that is more probable than 0 */
static int
most_probable(const NnEvaluation *e, const float *logits)
{
    int best = 0;

    if (e->classes == 1)
        return logits[0] > 0;
    for (int k = 1; k < e->classes; k++) {
        if (logits[k] > logits[best])
            best = k;
    }
    return best;
}

void
evaluation_add(NnEvaluation *e, const float *logits, int label)
{
    e->rows++;
    e->class_rows[label]++;
    e->correct += most_probable(e, logits) == label;
    e->loss += logit_loss(logits, e->classes, label);
    if (e->classes == 1)
        e->predicted += probability(logits[0]);
}

void
evaluation_merge(NnEvaluation *into, const NnEvaluation *from)
{
    into->rows += from->rows;
    into->correct += from->correct;
    into->loss += from->loss;
    into->predicted += from->predicted;
    for (int k = 0; k < class_count(into); k++)
        into->class_rows[k] += from->class_rows[k];
}

/* what a class that has `part` of `whole` adds to the entropy */
static double
entropy_term(double part, double whole)
{
    return part > 0 ? -part / whole * log(part / whole) : 0;
}

double
label_entropy(const double *weights, int classes)
{
    const int labels = classes == 1 ? 2 : classes;
    double all = 0, entropy = 0;

    for (int k = 0; k < labels; k++)
        all += weights[k];
    for (int k = 0; k < labels; k++)
        entropy += entropy_term(weights[k], all);
    return entropy;
}

double
evaluation_normalized_entropy(const NnEvaluation *e)
{
    double entropy = 0;

    for (int k = 0; k < class_count(e); k++)
        entropy += entropy_term((double)e->class_rows[k], (double)e->rows);
    return entropy > 0 ? e->loss / (double)e->rows / entropy : NAN;
}

double
evaluation_calibration(const NnEvaluation *e)
{
    if (e->classes != 1 || e->class_rows[1] == 0)
        return NAN;
    return e->predicted / (double)e->class_rows[1];
}
