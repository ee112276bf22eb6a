/*
 * interactions.h: how strongly the layers of a net that multiply inputs with one another do so, pair by pair.
 */
#ifndef NN_INTERACTIONS_H
#define NN_INTERACTIONS_H

#include "nn/net/net.h"

/*
 * What a layer fills: for each pair of net inputs (numerical inputs, then category fields) the sum of squares
 * of the weights by which their columns are multiplied, each times the spreads of the two columns.
 */
struct NnInteractions {
    const float *params;
    int d;               /* columns of the tensor whose columns the layer multiplies */
    const float *spread; /* [d]: the columns' standard deviations over rows */
    const int *input;    /* [d]: the net input that a column belongs to */
    int n;               /* net inputs */
    double *squares;     /* [n, n]; (a, b) and (b, a) are to be added up */
    NnPause pause;
};

static inline void
interactions_add(NnInteractions *all, int column, int other, double weight)
{
    const double strength = weight * all->spread[column] * all->spread[other];

    all->squares[(size_t)all->input[column] * (size_t)all->n + (size_t)all->input[other]] +=
        strength * strength;
}

/*
 * squares [n_num + n_cat]^2 = those of the layer, from spread [d_input], the inputs' standard deviations
 * (infer/average.h). column_spread, column_input [interactions_columns]: the caller's room. false: the layer
 * multiplies no inputs.
 */
bool interactions_of_layer(const NnNet *net, const NnLayer *l, const float *params, const float *spread,
                           float *column_spread, int *column_input, double *squares, NnPause pause);
/* the columns for which the caller has room */
int interactions_columns(const NnNet *net);

#endif /* NN_INTERACTIONS_H */
