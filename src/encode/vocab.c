/*
 * vocab.c: the categories of one field: byte strings numbered in order of arrival.
 *
 * A hash table with open addressing and linear probing. A slot holds the string itself if it has at most
 * eight bytes, as most have, so that finding it reads memory in one place; for a longer string it holds
 * the hash. All strings are also kept by number; longer ones lie in chunks that never move. Growing the
 * table reads the slots only.
 *
 * The hash's key is a secret, of the server where backends share models, so that they can read each other's
 * tables, else of the process. Otherwise somebody who chooses the categories could make them collide, and a
 * search would go through all of them. Nothing that a table returns depends on the key.
 */
#include "encode/vocab.h"

#include "miscadmin.h"

#include "shared.h"
#include "encode/hash.h"

#define VOCAB_FIRST_SLOTS 32
#define VOCAB_LIMIT       (PG_INT32_MAX - 2) /* codes begin at CTR_CODE_KNOWN; a table has a row for each */
#define CHUNK_FIRST       ((Size)1024)
#define CHUNK_LARGEST     ((Size)1024 * 1024)
#define STRINGS_AHEAD     16              /* strings whose slots are prefetched */
#define INTERVAL          ((uint64)16384) /* slots or strings between two checks for interrupts */

/* ------------------------------------------------------------------ hash */

static CtrHashKey secret;

void
vocab_choose_key(void)
{
    const CtrShared *shared;
    CtrHashKey key;

    if (secret.b != 0)
        return;
    shared = shared_memory();
    if (shared)
        memcpy(&key, shared->secret, sizeof(key));
    else if (!pg_strong_random(&key, sizeof(key)))
        ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not generate random numbers")));
    key.b |= 1;
    secret = key;
}

uint64
vocab_hash(const char *bytes, uint32 length)
{
    return hash_bytes_keyed(secret, bytes, length);
}

/* ------------------------------------------------------------------ table */

/* where a search begins */
static inline uint64
first_slot(const CtrVocab *vocab, uint64 hash)
{
    return hash >> 32 & vocab->mask;
}

static inline uint64
string_key(const char *bytes, uint32 length, uint64 hash)
{
    uint64 key = 0;

    if (length == KEY_LENGTH) /* the most frequent case, which the compiler turns into one load */
        return hash_read8(bytes);
    if (length > KEY_LENGTH)
        return hash;
    memcpy(&key, bytes, length);
    return key;
}

static inline uint64
slot_hash(const Slot *slot)
{
    return slot->length > KEY_LENGTH ? slot->key : vocab_hash((const char *)&slot->key, slot->length);
}

static void *
allocate(CtrVocab *vocab, Size n, Size size)
{
    void *memory = MemoryContextAllocHuge(vocab->context, mul_size(n, size));

    ctr_huge_pages(memory, n * size);
    return memory;
}

static void
slots_allocate(CtrVocab *vocab, uint64 n)
{
    vocab->slots = allocate(vocab, n, sizeof(Slot));
    vocab->mask = n - 1;
    vocab->cleared = 0;
}

/* Clears the next slots; true: there are more. */
static bool
slots_clear(CtrVocab *vocab)
{
    const uint64 end = Min(vocab->mask + 1, vocab->cleared + INTERVAL);

    for (uint64 i = vocab->cleared; i < end; i++)
        vocab->slots[i] = (Slot){.id = -1};
    vocab->cleared = end;
    return end <= vocab->mask;
}

static void
slots_clear_all(CtrVocab *vocab)
{
    while (slots_clear(vocab))
        CHECK_FOR_INTERRUPTS();
}

/* the smallest power of two of which n categories are at most two thirds */
static uint64
slots_for(int32 n)
{
    uint64 slots = VOCAB_FIRST_SLOTS;

    while (slots < (uint64)n * 3 / 2)
        slots *= 2;
    return slots;
}

/* An error in the middle leaves the table incomplete; the caller then gives up the whole vocabulary. */
static void
slots_grow(CtrVocab *vocab, uint64 n)
{
    Slot *old = vocab->slots;
    uint64 old_n = vocab->mask + 1;

    slots_allocate(vocab, n);
    slots_clear_all(vocab);
    for (uint64 i = 0; i < old_n; i++) {
        uint64 at;

        if (i % INTERVAL == 0)
            CHECK_FOR_INTERRUPTS();
        if (old[i].id < 0)
            continue;
        at = first_slot(vocab, slot_hash(&old[i]));
        while (vocab->slots[at].id >= 0)
            at = (at + 1) & vocab->mask;
        vocab->slots[at] = old[i];
    }
    pfree(old);
}

/* A new chunk of at least so many bytes; each is twice as large as the last one. */
static void
chunk_grow(CtrVocab *vocab, Size least)
{
    Size size = Max(vocab->chunk_size, least);

    vocab->chunk = MemoryContextAllocHuge(vocab->context, size);
    vocab->chunk_left = size;
    vocab->chunk_size = Min(vocab->chunk_size * 2, CHUNK_LARGEST);
}

CtrVocab *
vocab_create_for(MemoryContext context, int32 n, Size bytes)
{
    CtrVocab *vocab = MemoryContextAllocZero(context, sizeof(CtrVocab));

    vocab_choose_key();
    vocab->context = context;
    vocab->chunk_size = CHUNK_FIRST;
    vocab->room = Max(n, VOCAB_FIRST_SLOTS / 2);
    vocab->strings = allocate(vocab, vocab->room, sizeof(VocabString));
    slots_allocate(vocab, slots_for(n));
    if (bytes > 0)
        chunk_grow(vocab, bytes);
    return vocab;
}

CtrVocab *
vocab_create(MemoryContext context)
{
    CtrVocab *vocab = vocab_create_for(context, 0, 0);

    slots_clear_all(vocab);
    return vocab;
}

/* Room for n categories in a table that is at most two thirds full. */
static void
table_grow(CtrVocab *vocab, int32 n)
{
    CHECK_FOR_INTERRUPTS();
    if (slots_for(n) > vocab->mask + 1)
        slots_grow(vocab, slots_for(n));
    vocab->room = n;
    vocab->strings = repalloc_huge(vocab->strings, mul_size(vocab->room, sizeof(VocabString)));
}

/* n is doubled if it is small, so that many reservations in turn cost little more than one */
void
vocab_reserve(CtrVocab *vocab, int32 n, Size bytes)
{
    if (n > vocab->room)
        table_grow(vocab, Max(n, Min((int64)vocab->count * 2, VOCAB_LIMIT)));
    if (bytes > vocab->chunk_left)
        chunk_grow(vocab, bytes);
}

Size
vocab_string_bytes(uint32 length)
{
    return length <= SHORT_LENGTH ? 0 : length;
}

/* slot: of equal key and length */
static inline bool
slot_equals(const CtrVocab *vocab, const Slot *slot, const char *bytes)
{
    return slot->length <= KEY_LENGTH ||
           memcmp(vocab_string(vocab, &vocab->strings[slot->id]), bytes, slot->length) == 0;
}

/* the slot that has the string, or the free one where it belongs */
static inline Slot *
slot_find(const CtrVocab *vocab, const char *bytes, uint32 length, uint64 hash)
{
    const uint64 key = string_key(bytes, length, hash);

    for (uint64 at = first_slot(vocab, hash);; at = (at + 1) & vocab->mask) {
        Slot *slot = &vocab->slots[at];

        if (slot->id < 0 || (slot->key == key && slot->length == length && slot_equals(vocab, slot, bytes)))
            return slot;
    }
}

void
vocab_prefetch(const CtrVocab *vocab, uint32 length, uint64 hash, int stage)
{
    const Slot *slot = &vocab->slots[first_slot(vocab, hash)];

    if (stage == 0)
        __builtin_prefetch(slot);
    else if (length > KEY_LENGTH && slot->id >= 0)
        __builtin_prefetch(&vocab->strings[slot->id]);
}

int32
vocab_find(const CtrVocab *vocab, const char *bytes, uint32 length, uint64 hash)
{
    return slot_find(vocab, bytes, length, hash)->id;
}

static void
string_store(CtrVocab *vocab, VocabString *string, const char *bytes, uint32 length)
{
    string->length = length;
    if (length <= SHORT_LENGTH) {
        memcpy(string->bytes, bytes, length);
        return;
    }
    if (length > vocab->chunk_left)
        chunk_grow(vocab, length);
    memcpy(vocab->chunk, bytes, length);
    string_set_place(string, (uintptr_t)vocab->chunk);
    vocab->chunk += length;
    vocab->chunk_left -= length;
    vocab->long_bytes += length;
}

int32
vocab_add(CtrVocab *vocab, const char *bytes, uint32 length, uint64 hash)
{
    Slot *slot = slot_find(vocab, bytes, length, hash);

    if (slot->id >= 0)
        return slot->id;
    if (vocab->count >= VOCAB_LIMIT)
        ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("too many categories in one column"),
                        errdetail("The limit is %d.", VOCAB_LIMIT)));
    if (vocab->count == vocab->room) {
        table_grow(vocab, Min((int64)vocab->count * 2, VOCAB_LIMIT));
        slot = slot_find(vocab, bytes, length, hash);
    }
    string_store(vocab, &vocab->strings[vocab->count], bytes, length);
    *slot = (Slot){string_key(bytes, length, hash), length, vocab->count};
    vocab->bytes += length;
    return vocab->count++;
}

CtrVocabFilled
vocab_fill(CtrVocab *vocab, const char *bytes, uint32 begin, const uint32 *ends, int32 n, NnPool *pool)
{
    while (slots_clear(vocab)) {
        if (pool_interrupted(pool))
            return CTR_VOCAB_UNFINISHED;
    }
    for (int32 i = vocab->count; i < n; i++) {
        const uint32 at = i == 0 ? begin : ends[i - 1], length = ends[i] - at;

        if (i % INTERVAL == 0 && pool_interrupted(pool))
            return CTR_VOCAB_UNFINISHED;
        if (i + STRINGS_AHEAD < n) {
            uint32 next = ends[i + STRINGS_AHEAD - 1], next_length = ends[i + STRINGS_AHEAD] - next;

            vocab_prefetch(vocab, next_length, vocab_hash(bytes + next, next_length), 0);
        }
        if (vocab_add(vocab, bytes + at, length, vocab_hash(bytes + at, length)) != i)
            return CTR_VOCAB_TWICE;
    }
    return CTR_VOCAB_COMPLETE;
}

int32
vocab_count(const CtrVocab *vocab)
{
    return vocab->count;
}

const char *
vocab_get(const CtrVocab *vocab, int32 id, uint32 *length)
{
    const VocabString *string = &vocab->strings[id];

    *length = string->length;
    return vocab_string(vocab, string);
}

Size
vocab_bytes(const CtrVocab *vocab)
{
    return vocab->bytes;
}
