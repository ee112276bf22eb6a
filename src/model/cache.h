/*
 * cache.h: models that a backend has made ready to score (cache.c).
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
 * Keeps the model that a call site used last in the cache: it stays valid until the next model_cache_get,
 * or until `owner` is reset.
 */
typedef struct CtrModelHold CtrModelHold;

CtrModelHold *model_hold_create(MemoryContext owner);
/* The held model if this value certainly is that model, else NULL. Changes nothing. */
const CtrCachedModelView *model_hold_view(const CtrModelHold *hold, Datum model);
/*
 * The model of an argument Datum, toasted or flat, which is held from now on. As long as rows come with
 * the same model, each costs one comparison.
 */
const CtrCachedModelView *model_cache_get(Datum model, CtrModelHold *hold);

#endif /* CTR_CACHE_H */
