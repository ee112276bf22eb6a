/*
 * cache.c: models that a backend has made ready to score, from memory that backends share if there is some
 * (ready.c).
 *
 * An entry is found by its TOAST pointer, which is cheap to compare, or else by the digest in the
 * value's first bytes, which identifies the content. A TOAST id may be reused once its value is deleted
 * and 2^32 others have been assigned. So a pointer match is trusted within one statement, and for 60 s
 * across statements: too short to assign 2^32 TOAST ids. After that, one slice of the value is fetched
 * again.
 *
 * A call site pins the entry that it used last. Entries beyond ctr.model_cache_size are dropped, least
 * recently used first, unless pinned; so several models in one query do not evict each other while they
 * are in use. Pinned entries beyond the limit are dropped when their query ends. The limit is for the
 * backend's own memory: shared memory is the registry's, which may ask for it back (registry.c).
 */
#include "model/cache.h"

#include "access/detoast.h"
#include "access/xact.h"
#include "lib/ilist.h"
#include "portability/instr_time.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "model/ready.h"
#include "model/registry.h"

#define TRUSTED_SECONDS 60

struct CtrCachedModel {
    dlist_node node; /* in recently used order, the newest first */
    CtrCachedModelView view;
    MemoryContext context; /* the model's, which also holds the scorer and this struct */
    int slot;              /* of the registry, where its large parts are; CTR_NOT_SHARED: in the context */
    char digest[CTR_MODEL_DIGEST_SIZE];
    /* the TOAST pointer by which the entry was found last; InvalidOid: none */
    Oid toast_relation, toast_value;
    instr_time toast_read;       /* when that pointer's digest was read */
    TimestampTz toast_statement; /* start of the last statement that trusted that pointer */
    int pins;
};

/*
 * What a call site holds: a callback, registered once with its memory context, unpins the model when that
 * is deleted.
 */
struct CtrModelHold {
    MemoryContextCallback callback;
    CtrCachedModel *pinned;
};

static dlist_head cache = DLIST_STATIC_INIT(cache);

static Size
cached_size(const CtrCachedModel *entry)
{
    return MemoryContextMemAllocated(entry->context, true);
}

static void
cache_drop(CtrCachedModel *entry)
{
    const int slot = entry->slot;

    dlist_delete(&entry->node);
    MemoryContextDelete(entry->context);
    if (slot != CTR_NOT_SHARED)
        registry_leave(slot);
}

/*
 * Drops models that no call site holds, least recently used first, until the rest fits. It only frees
 * memory, so it may be called at the end of a transaction, also at an abort.
 */
static void
model_cache_shrink(int kilobytes)
{
    const Size limit = (Size)kilobytes * 1024;
    Size total = 0;
    dlist_mutable_iter iter;

    dlist_foreach_modify(iter, &cache)
    {
        CtrCachedModel *entry = dlist_container(CtrCachedModel, node, iter.cur);

        total += cached_size(entry);
        if (total > limit && entry->pins == 0) {
            total -= cached_size(entry);
            cache_drop(entry);
        }
    }
}

/* Drops models that no call site holds and whose memory the registry wants back. */
static void
cache_return_memory(void)
{
    dlist_mutable_iter iter;

    dlist_foreach_modify(iter, &cache)
    {
        CtrCachedModel *entry = dlist_container(CtrCachedModel, node, iter.cur);

        if (entry->slot != CTR_NOT_SHARED && entry->pins == 0 && registry_recalled(entry->slot))
            cache_drop(entry);
    }
}

static CtrCachedModel *
cache_find_digest(const char *digest)
{
    dlist_iter iter;

    dlist_foreach(iter, &cache)
    {
        CtrCachedModel *entry = dlist_container(CtrCachedModel, node, iter.cur);

        if (memcmp(entry->digest, digest, CTR_MODEL_DIGEST_SIZE) == 0)
            return entry;
    }
    return NULL;
}

static CtrCachedModel *
cache_insert(Datum datum, const char *digest)
{
    CtrCachedModelView view;
    const int slot = ready_model(datum, digest, &view);
    MemoryContext context = view.model->context;
    CtrCachedModel *entry =
        MemoryContextAllocExtended(context, sizeof(CtrCachedModel), MCXT_ALLOC_ZERO | MCXT_ALLOC_NO_OOM);

    if (entry == NULL) {
        if (slot != CTR_NOT_SHARED)
            registry_leave(slot);
        ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
    }
    entry->view = view;
    entry->context = context;
    entry->slot = slot;
    memcpy(entry->digest, view.model->digest, CTR_MODEL_DIGEST_SIZE);
    MemoryContextSetParent(context, CacheMemoryContext);
    dlist_push_head(&cache, &entry->node);
    return entry;
}

/* The entry of a value whose TOAST pointer, if it has one, is not known. */
static CtrCachedModel *
cache_get(Datum datum)
{
    char digest[CTR_MODEL_DIGEST_SIZE];
    CtrCachedModel *entry;

    model_digest(datum, digest);
    entry = cache_find_digest(digest);
    return entry ? entry : cache_insert(datum, digest);
}

static void
hold_release(CtrModelHold *hold)
{
    CtrCachedModel *entry = hold->pinned;

    if (entry && --entry->pins == 0 && entry->slot != CTR_NOT_SHARED)
        registry_touch(entry->slot, GetCurrentTimestamp());
    hold->pinned = NULL;
}

/* The call site's memory context is being deleted. */
static void
hold_goes(void *arg)
{
    hold_release(arg);
    model_cache_shrink(ctr_model_cache_size);
}

CtrModelHold *
model_hold_create(MemoryContext owner)
{
    CtrModelHold *hold = MemoryContextAllocZero(owner, sizeof(CtrModelHold));

    ctr_model_cache_resized = model_cache_shrink;
    hold->callback.func = hold_goes;
    hold->callback.arg = hold;
    MemoryContextRegisterResetCallback(owner, &hold->callback);
    return hold;
}

static void
hold_pin(CtrModelHold *hold, CtrCachedModel *entry)
{
    entry->pins++;
    if (entry->slot != CTR_NOT_SHARED)
        registry_touch(entry->slot, GetCurrentStatementStartTimestamp());
    hold_release(hold);
    hold->pinned = entry;
    dlist_move_head(&cache, &entry->node);
    cache_return_memory();
    model_cache_shrink(ctr_model_cache_size);
}

/* Is this flat value the pinned model? */
static bool
holds_flat(const CtrModelHold *hold, struct varlena *value)
{
    char digest[CTR_MODEL_DIGEST_SIZE];

    if (VARATT_IS_EXTENDED(value) || VARSIZE(value) < VARHDRSZ + CTR_MODEL_HEAD_SIZE)
        return false;
    model_peek_digest(VARDATA(value), VARSIZE(value) - VARHDRSZ, digest, NULL);
    return memcmp(digest, hold->pinned->digest, CTR_MODEL_DIGEST_SIZE) == 0;
}

static bool
leads_to(const CtrCachedModel *entry, const struct varatt_external *pointer)
{
    return entry->toast_value == pointer->va_valueid && entry->toast_relation == pointer->va_toastrelid;
}

static bool
in_statement(const CtrCachedModel *entry)
{
    return entry->toast_statement == GetCurrentStatementStartTimestamp();
}

static bool
is_trusted(const CtrCachedModel *entry)
{
    instr_time since;

    INSTR_TIME_SET_CURRENT(since);
    INSTR_TIME_SUBTRACT(since, entry->toast_read);
    return INSTR_TIME_GET_DOUBLE(since) < TRUSTED_SECONDS;
}

const CtrCachedModelView *
model_hold_view(const CtrModelHold *hold, Datum datum)
{
    struct varlena *value = (struct varlena *)DatumGetPointer(datum);
    struct varatt_external pointer;

    if (hold->pinned == NULL)
        return NULL;
    if (!VARATT_IS_EXTERNAL_ONDISK(value))
        return holds_flat(hold, value) ? &hold->pinned->view : NULL;
    VARATT_EXTERNAL_GET_POINTER(pointer, value);
    return leads_to(hold->pinned, &pointer) && in_statement(hold->pinned) ? &hold->pinned->view : NULL;
}

static CtrCachedModel *
cache_find_toast(const struct varatt_external *pointer)
{
    dlist_iter iter;

    dlist_foreach(iter, &cache)
    {
        CtrCachedModel *entry = dlist_container(CtrCachedModel, node, iter.cur);

        if (leads_to(entry, pointer) && (in_statement(entry) || is_trusted(entry)))
            return entry;
    }
    return NULL;
}

const CtrCachedModelView *
model_cache_get(Datum datum, CtrModelHold *hold)
{
    struct varlena *value = (struct varlena *)DatumGetPointer(datum);
    CtrCachedModel *entry;

    if (model_hold_view(hold, datum))
        return &hold->pinned->view;
    if (VARATT_IS_EXTERNAL_ONDISK(value)) {
        struct varatt_external pointer;

        VARATT_EXTERNAL_GET_POINTER(pointer, value);
        entry = cache_find_toast(&pointer);
        if (entry == NULL) {
            entry = cache_get(datum);
            INSTR_TIME_SET_CURRENT(entry->toast_read);
        }
        entry->toast_relation = pointer.va_toastrelid;
        entry->toast_value = pointer.va_valueid;
        entry->toast_statement = GetCurrentStatementStartTimestamp();
    } else {
        entry = cache_get(datum);
    }
    hold_pin(hold, entry);
    return &entry->view;
}
