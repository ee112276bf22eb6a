/*
 * choose.h: which columns are paired, by a sample of the rows of a training or of a table's parts.
 */
#ifndef CTR_CHOOSE_H
#define CTR_CHOOSE_H

#include "model/model.h"
#include "nn/pool.h"

/* ------------------------------------------------------------------ dataset_sample.c */

/* the rows of a sample, at most, once the encoder's columns are fitted */
int sample_rows_most(const CtrEncoder *encoder);
/* Room for so many rows, of which there are none yet; in the current context. */
CtrSample sample_create(const CtrEncoder *encoder, int rows);

/* ------------------------------------------------------------------ choose_crosses.c */

/* The pairs of columns that the options name: crosses [CTR_CROSSES_MOST]; returns how many there are. */
int crosses_named(const CtrOptions *options, const CtrEncoder *encoder, CtrCross *crosses);
/*
 * Those that the sample speaks for: crosses, of which the options have n already. counted [CTR_CROSSES_MOST]:
 * whether their counts are worth knowing. Returns how many there are. Renumbers the sample's codes.
 */
int crosses_choose(const CtrOptions *options, const NnPairSample *sample, NnPool *pool, CtrCross *crosses,
                   int n, bool *counted);

#endif /* CTR_CHOOSE_H */
