/* adam_step.h: Adam's formula, which the kernels and the plain loops of train/ compute. */
#ifndef NN_ADAM_STEP_H
#define NN_ADAM_STEP_H

#include "nn/nn.h"

#define NN_ADAM_STRETCH     32 /* steps; one ends with every step whose number is a multiple of this */
#define NN_ADAM_NEARLY_ZERO 1e-30f

/*
 * Adam's formula for step number t, the p-th of its stretch:
 *     m += m_part * g      v += v_part * g * g      w -= rate * m / (sqrt(v) + epsilon)
 * Neither moment is multiplied by its beta at every step. Both are kept divided by beta^p instead, which all
 * four factors make up for, and are multiplied by beta^NN_ADAM_STRETCH where a stretch ends: a replayed step
 * is shorter by that.
 */
typedef struct NnAdamStep {
    float m_part, v_part; /* (1 - beta) / beta^p */
    float rate;           /* learning rate * sqrt(1 - beta2^t) / (1 - beta1^t) * beta1^p / sqrt(beta2^p) */
    float epsilon;        /* epsilon * sqrt(1 - beta2^t) / sqrt(beta2^p) */
} NnAdamStep;

/* What the steps of a stretch leave of both moments: beta^NN_ADAM_STRETCH. */
typedef struct NnAdamKeep {
    float m, v;
} NnAdamKeep;

#endif /* NN_ADAM_STEP_H */
