/*
 * training.h: rows that an aggregate collects, to train a model on (train.c) or to prepare one (prepare.c).
 * All memory is in one context under the aggregate's, from the first row to the result.
 */
#ifndef CTR_TRAINING_H
#define CTR_TRAINING_H

#include "train/progress.h"
#include "train/train.h"

/*
 * Lives in fn_extra of the call and serves all groups of a GROUP BY, many of which may collect rows at the
 * same time.
 */
typedef struct CtrGroups {
    NnPool *pool; /* as large as the first group's options say; results do not depend on that */
    CtrRowBudget budget;
    int finished; /* groups that are trained */
} CtrGroups;

typedef struct CtrTraining {
    MemoryContext context;
    CtrOptions options;
    bytea *options_given;          /* a copy of the argument, to see that it stays the same; NULL: none */
    CtrModel *given;               /* the model to go on from, or what is prepared so far; or NULL */
    struct varlena *given_pointer; /* its TOAST pointer, if it came from a table */
    CtrRowMap *map;
    CtrFeature *features;
    int n_num, n_cat;
    CtrGroups *shared;   /* of the call */
    CtrDataset *dataset; /* NULL once closed */
    CtrRowCounts counts;
    CtrProgress progress;
    bool finished;     /* the executor may ask again, when it scans a hash table of groups again */
    ctr_model *result; /* NULL: untrainable */
} CtrTraining;

/* Unpacks the model argument, or refuses it. */
typedef CtrModel *(*CtrGiven)(Datum given, MemoryContext context);

/*
 * A transition function's call, with arguments (internal, record [, jsonb [, ctr_model]]): takes the row.
 * Returns the state that comes of it.
 */
Datum training_take(FunctionCallInfo fcinfo, CtrGiven unpack);
/*
 * A final function's call: sets how messages name the group that ends, and what other sessions see.
 */
void training_ends(CtrTraining *t, CtrReport *report, FunctionCallInfo fcinfo);
/* Its end: frees everything but the result. */
void training_free(CtrTraining *t);
/* A WARNING: a group has had no rows. */
void training_warn_empty(FunctionCallInfo fcinfo, const char *to_do);
/* Deletes temporary files when the aggregate is shut down in good order; at an error PostgreSQL does it. */
void training_close(Datum training);

#endif /* CTR_TRAINING_H */
