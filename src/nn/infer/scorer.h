/*
 * scorer.h: a trained net, ready to score.
 */
#ifndef NN_SCORER_H
#define NN_SCORER_H

#include "nn/net/net.h"

typedef struct NnScorer NnScorer;

/*
 * fused [n_dense] = the dense parameters with batch normalisation moved into the linear layers before it,
 * as a scorer uses them. false: not all of it can be moved, and nothing is written.
 */
bool scorer_fuse(const NnNet *net, const float *params, float *fused, NnPause pause);
/*
 * What scorers make of the parameters once: scorer_weights_size(net) bytes without addresses, aligned to 64
 * bytes. A copy serves any process of the machine for a net of the same configuration.
 */
size_t scorer_weights_size(const NnNet *net);
void scorer_prepare(const NnNet *net, const float *params, void *weights, NnPause pause);
size_t scorer_size(const NnNet *net, int capacity);
/*
 * params, and the weights of scorer_prepare, must outlive it; it writes to neither. Memory from alloc need
 * not be zeroed: of tensors, scoring n rows touches n rows.
 */
NnStatus scorer_create(NnScorer **scorer, const NnNet *net, const float *params, void *weights, int capacity,
                       NnAlloc alloc);
/*
 * Makes *copy (NULL: takes memory for it) a scorer of the same weights with room of its own, for another
 * thread. Its room serves any scorer of a net of the same shape; its weights are the original's, which must
 * outlive it. Memory as for scorer_create.
 */
NnStatus scorer_share(NnScorer **copy, const NnScorer *scorer, NnAlloc alloc);
/*
 * rows <= capacity; logits [rows, n_classes], of which weights that are too large may make some infinite or
 * NaN. No allocation, one thread.
 */
void scorer_run(NnScorer *s, const float *x_num, const int32_t *x_cat, size_t ld_cat, int rows,
                float *logits);

#endif /* NN_SCORER_H */
