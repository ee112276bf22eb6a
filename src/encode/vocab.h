/*
 * vocab.h: what a vocabulary is in memory, for vocab.c and vocab_image.c.
 */
#ifndef CTR_VOCAB_H
#define CTR_VOCAB_H

#include "encode/encode.h"

#define KEY_LENGTH ((uint32)sizeof(uint64))

typedef struct Slot {
    uint64 key; /* the string, up to KEY_LENGTH; a longer one's hash */
    uint32 length;
    int32 id; /* -1: free */
} Slot;

#define SHORT_LENGTH 12

/*
 * A category's bytes: in `bytes` up to SHORT_LENGTH; for a longer one the last eight bytes are its place,
 * from the vocabulary's `text` on.
 */
typedef struct VocabString {
    uint32 length;
    char bytes[SHORT_LENGTH];
} VocabString;

struct CtrVocab {
    MemoryContext context;
    Slot *slots;
    uint64 mask;          /* number of slots - 1; a power of two */
    uint64 cleared;       /* slots that have been cleared: all, except while the table is being filled */
    VocabString *strings; /* by id */
    uintptr_t text;       /* 0 where strings are added: their places are addresses */
    int32 count, room;
    Size bytes, long_bytes; /* of all strings; of those that are longer than SHORT_LENGTH */
    char *chunk;            /* where the next string goes */
    Size chunk_left, chunk_size;
};

static inline const char *
vocab_string(const CtrVocab *vocab, const VocabString *string)
{
    uintptr_t place;

    if (string->length <= SHORT_LENGTH)
        return string->bytes;
    memcpy(&place, string->bytes + SHORT_LENGTH - sizeof(place), sizeof(place));
    return (const char *)(vocab->text + place);
}

static inline void
string_set_place(VocabString *string, uintptr_t place)
{
    memcpy(string->bytes + SHORT_LENGTH - sizeof(place), &place, sizeof(place));
}

#endif /* CTR_VOCAB_H */
