/* pack.h: a model's bytes being written, part by part; private to pack.c and the files of its parts. */
#ifndef CTR_PACK_H
#define CTR_PACK_H

#include "model/layout.h"

/* Adds a tensor, whose data must outlive the file. */
CtrSafeTensor *pack_tensor(CtrSafeFile *file, const char *name, CtrSafeDtype dtype, int ndim,
                           const int64 *shape, const void *data, Size size);
/* The same, of shape [n], with room for its elements of `width` bytes, which the caller fills. */
void *pack_vector(CtrSafeFile *file, const char *name, CtrSafeDtype dtype, int64 n, Size width);

/* ------------------------------------------------------------------ pack_encoder.c */

void pack_encoder(CtrSafeFile *file, const CtrModel *model);
/* The tensors that it has written into another file, in that one's order: the writer copies their bytes. */
void pack_encoder_of(CtrSafeFile *file, const CtrSafeFile *from);

/* ------------------------------------------------------------------ pack_crosses.c */

void pack_crosses(CtrSafeFile *file, const CtrModel *model);
void pack_cross_counts(CtrSafeFile *file, const CtrModel *model);

/* ------------------------------------------------------------------ prepared.c */

/* What a prepared part has besides its encoder. */
void pack_prepared(CtrSafeFile *file, const CtrModel *model);
/* What a model with a shared encoder has besides. */
void pack_shared(CtrSafeFile *file, const CtrModel *model);

/* ------------------------------------------------------------------ sample.c */

void pack_sample(CtrSafeFile *file, const CtrModel *model);

#endif /* CTR_PACK_H */
