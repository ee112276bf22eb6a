/*
 * average.h: the average input row (infer/gradients.h) of many rows: what explanations compare a row with.
 */
#ifndef NN_AVERAGE_H
#define NN_AVERAGE_H

#include "nn/net/net.h"

/* Sums over rows, of what a net reads of them. */
typedef struct NnInputSums {
    const NnNet *net;
    int fields; /* of the rows: those of the net, and any after them */
    const int *categories;
    int64_t rows;
    double *numbers, *squares; /* [n_num] of the numerical inputs, and of their squares */
    int64_t *counts;           /* [all fields' categories]: rows of each code, field after field */
    size_t *first;             /* [fields]: where a field's counts begin */
} NnInputSums;

/* Zeroed sums of rows with so many fields, of categories [fields], which stay. NN_NO_MEMORY */
NnStatus input_sums_create(NnInputSums *sums, const NnNet *net, int fields, const int *categories,
                           NnAlloc alloc);
/* Adds a row: x_num [n_num] and valid codes x_cat [fields]. */
void input_sums_add(NnInputSums *sums, const float *x_num, const int32_t *x_cat);
/* the mean over the rows of a field's values by code */
float input_sums_mean(const NnInputSums *sums, int field, const float *values, NnPause pause);
/* average, spread [d_input]: mean and standard deviation over the rows of each input; rows > 0 */
void input_sums_average(const NnInputSums *sums, const float *params, float *average, float *spread,
                        NnPause pause);

#endif /* NN_AVERAGE_H */
