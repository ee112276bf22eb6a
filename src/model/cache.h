/*
 * cache.h: models unpacked once per backend (cache.c).
 */
#ifndef CTR_CACHE_H
#define CTR_CACHE_H

#include "model/model.h"

#include "nn/infer/scorer.h"

/* A model made ready to score. */
typedef struct CtrCachedModel CtrCachedModel;

typedef struct CtrCachedModelView {
    const CtrModel *model;
    NnScorer *scorer;
} CtrCachedModelView;

/*
 * A call site's grip on the model that it used last: it stays valid until the next call or until `owner` is
 * reset.
 */
typedef struct CtrModelHold CtrModelHold;

CtrModelHold *model_hold_create(MemoryContext owner);
/* The held model when this surely is it, else NULL. Changes nothing. */
const CtrCachedModelView *model_hold_view(const CtrModelHold *hold, Datum model);
/*
 * The model of an argument Datum (toasted or flat). As long as it stays the same, a row costs one comparison.
 */
const CtrCachedModelView *model_cache_get(Datum model, CtrModelHold *hold);

#endif /* CTR_CACHE_H */
