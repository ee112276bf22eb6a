/*
 * shared.h: what ctr keeps in memory that all backends of the server share (shared.c).
 */
#ifndef CTR_SHARED_H
#define CTR_SHARED_H

#include "ctr.h"

#include "port/atomics.h"
#include "storage/condition_variable.h"
#include "storage/dsm.h"
#include "storage/lwlock.h"

#define CTR_SHARED_MODELS 64 /* that are remembered at once; PostgreSQL has few segments more to give */
#define CTR_SHARED_DIGEST 64 /* characters */

/* Which memory holds a model: what else than the model's bytes it depends on comes after the digest. */
typedef struct CtrSharedKey {
    char digest[CTR_SHARED_DIGEST];
    int32 encoding; /* of the database: categories are in it */
    uint32 layout;  /* of the structs in the block */
} CtrSharedKey;

typedef enum CtrSharedState {
    CTR_SHARED_UNKNOWN,  /* the slot is free */
    CTR_SHARED_ABSENT,   /* remembered, without memory */
    CTR_SHARED_BUILDING, /* a backend is unpacking it */
    CTR_SHARED_READY
} CtrSharedState;

/* A model, for model/registry.c, which explains it. Under CtrShared.lock, but for what is atomic. */
typedef struct CtrSharedModel {
    CtrSharedState state;
    CtrSharedKey key;
    dsm_handle handle; /* READY */
    Size bytes;        /* of memory that is taken or reserved; 0: none */
    Size needs;        /* bytes of its block; 0: nobody knows yet */
    int backends;      /* that have the memory mapped */
    int64 hits, misses;
    pg_atomic_uint64 used;     /* when a query began or ended with it last: a TimestampTz */
    pg_atomic_uint32 recalled; /* backends that do not need it should let it go */
} CtrSharedModel;

typedef struct CtrShared {
    int tranche;
    LWLock lock;
    ConditionVariable changed; /* a model is no longer being built */
    uint64 secret[3];          /* key of the vocabularies' hashes; never changes */
    TimestampTz failed;        /* when the system had no memory to share; 0: never */
    CtrSharedModel models[CTR_SHARED_MODELS];
} CtrShared;

/* Call it in _PG_init. */
void shared_reserve(void);
/* NULL: this process shares nothing. That never changes in a process. */
CtrShared *shared_memory(void);
/*
 * Runs something that allocates shared memory. false: it failed, which is logged, and nothing is left of it.
 * It must do nothing else, as no transaction is rolled back.
 */
bool shared_attempt(void (*run)(void *), void *arg);

#endif /* CTR_SHARED_H */
