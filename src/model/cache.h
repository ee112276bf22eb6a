/*
 * cache.h: models unpacked once per backend (cache.c).
 */
#ifndef CTR_CACHE_H
#define CTR_CACHE_H

#include "model/model.h"

#include "nn/infer/scorer.h"

/* A model made ready to score. */
typedef struct CachedModel CachedModel;

typedef struct CachedModelView {
    const Model *model;
    NnScorer *scorer;
} CachedModelView;

/*
 * A call site's grip on the model that it used last: it stays valid until the next call or until `owner` is
 * reset.
 */
typedef struct ModelHold ModelHold;

ModelHold *model_hold_create(MemoryContext owner);
/* The held model when this surely is it, else NULL. Changes nothing. */
const CachedModelView *model_hold_view(const ModelHold *hold, Datum model);
/*
 * The model of an argument Datum (toasted or flat). As long as it stays the same, a row costs one comparison.
 */
const CachedModelView *model_cache_get(Datum model, ModelHold *hold);

#endif /* CTR_CACHE_H */
