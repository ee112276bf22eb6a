/*
 * couplings.h: how strongly a trained net lets its inputs act on one another, whatever its layers are.
 */
#ifndef NN_COUPLINGS_H
#define NN_COUPLINGS_H

#include "nn/net/net.h"

/*
 * squares [n, n], of the net inputs (numerical inputs, then category fields; n = n_num + n_cat): for each two
 * of them the mean square of the part of a logit that neither has without the other, over rows around the
 * average [d_input] with the spread [d_input] that inputs have in the training (infer/average.h). (a, b) and
 * (b, a) are to be added up. Of several classes it is the mean over them, or over NN_COUPLINGS_CLASSES. work:
 * how many dense weights times rows it may take (as far as it has a choice). Memory from alloc. NN_NO_BLAS,
 * NN_NO_MEMORY.
 */
NnStatus couplings(const NnNet *net, const float *params, const float *average, const float *spread,
                   double *squares, int64_t work, NnAlloc alloc, NnPause pause);

#define NN_COUPLINGS_WORK    INT64_C(4000000000) /* some tenths of a second */
#define NN_COUPLINGS_CLASSES 8

#endif /* NN_COUPLINGS_H */
