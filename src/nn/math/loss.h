/*
 * loss.h: losses and probabilities of logits.
 */
#ifndef NN_LOSS_H
#define NN_LOSS_H

#include "nn/nn.h"

/*
 * Of one block. Binary (classes = 1): loss = log(1 + exp(z)) - y z, y in [0, 1]. Several: softmax
 * cross-entropy, y = class number. dz = weight * dloss/dz * scale. Returns the sum of weight * loss (without
 * scale).
 */
double loss_forward_backward(float *dz, const float *z, const float *y, const float *weight, int n,
                             int classes, float scale);
double loss_forward(const float *z, const float *y, const float *weight, int n, int classes);

/* Of one scored row, in float8. P(label = 1) of a logit: */
double probability(float logit);
/* p [max(classes, 2)] from logits [classes]; of one class the probabilities of labels 0 and 1 */
void class_probabilities(double *p, const float *logits, int classes);
/*
 * The loss of logits [classes] where label, 0 … max(classes, 2) - 1, is true: however sure they are, it is
 * finite if they are.
 */
double logit_loss(const float *logits, int classes, int label);
/* whether none of the n logits is infinite or NaN */
bool logits_finite(const float *logits, size_t n);

#endif /* NN_LOSS_H */
