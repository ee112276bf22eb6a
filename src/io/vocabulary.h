/* vocabulary.h: the categories of a field as SQL sees them; for ctr_vocabulary and ctr_embeddings. */
#ifndef CTR_VOCABULARY_H
#define CTR_VOCABULARY_H

#include "model/model.h"

/*
 * The field of this name: a categorical column, the buckets of a number ("price.bucket") or a pair of columns
 * ("a*b"). Error with the nearest name where there is none.
 */
int vocabulary_field(const CtrModel *model, const char *name);
/* The category of a code of field f, as a text; false: it has none, being unseen or missing. */
bool vocabulary_value(const CtrEncoder *encoder, int f, int code, Datum *value);

#endif /* CTR_VOCABULARY_H */
