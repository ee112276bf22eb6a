/*
 * calibration.h: the parameters that give logits: where they start, and what makes the mean prediction the
 * mean label.
 */
#ifndef NN_CALIBRATION_H
#define NN_CALIBRATION_H

#include "nn/net/net.h"

/* The parameter [n_classes] that is added to the logits. Every architecture has one. */
int net_last_bias(const NnNet *net);
/*
 * bias [classes]: with it alone the network answers the shares of the classes; weights [max(classes, 2)]: of
 * the rows of each class, not all 0. Finite also where a class has none.
 */
void calibration_start(float *bias, const double *weights, int classes);
/*
 * Where logits start, besides the last bias: weights of the layers that add to them become smaller, so that
 * chance says less than the first steps do; in a wide part, those of `n` numerical inputs from `first` on
 * become 1. These are log odds.
 */
void calibration_start_weights(const NnNet *net, float *params, int first, int n);
/*
 * Multiplies by `factor` how far logits lie from the last bias, roughly: every parameter that adds to them.
 * Nothing is done where a layer adds to them that has none (a factorization machine of one class).
 */
void calibration_scale(const NnNet *net, float *params, float factor);
/*
 * means [max(classes, 2)]: of the predictions, label 0's first, after shift [classes] is added to all logits
 * [n, classes]; row_weights [n], not all 0
 */
void calibration_means(double *means, const double *shift, const float *logits, const float *row_weights,
                       int n, int classes);
/*
 * One step of the search for what makes the mean of the predictions the shares of the classes when it is
 * added to all logits. shift [classes]: so far, 0 at first; scratch [max(classes, 2)]; logits and row_weights
 * as above; class_weights [max(classes, 2)] as above. Returns by how much shift has changed, at most: each
 * step brings it closer to its end.
 */
double calibration_step(double *shift, double *scratch, const float *logits, const float *row_weights, int n,
                        int classes, const double *class_weights);

/* Predictions of one class for rows that have not trained: sums over them; 0 at first. */
typedef struct NnHeldBack {
    double weight, weight_squares; /* of the rows */
    double p, p_squares;           /* weight * prediction, weight * prediction^2 */
} NnHeldBack;

/* logits [n]; weight [n], or NULL: all 1 */
void held_back_add(NnHeldBack *sums, const float *logits, const float *weight, int n);
/*
 * What the rows say must be added to all logits so that the mean prediction for rows that have not trained is
 * `share`: as far as it is more than the draw of these rows explains. 0 where there are none.
 */
double held_back_shift(const NnHeldBack *sums, double share);

#endif /* NN_CALIBRATION_H */
