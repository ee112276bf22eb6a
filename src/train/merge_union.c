/* merge_union.c: the exact union of the parts' categories, with the sums of their counts. */
#include "train/prepare.h"

#include "encode/encode.h"

#define ROOM_LEAST 64

CtrUnion
union_create(MemoryContext context)
{
    return (CtrUnion){.seen = vocab_create(context),
                      .counts = MemoryContextAlloc(context, sizeof(int32) * ROOM_LEAST),
                      .rows = MemoryContextAlloc(context, sizeof(int32) * ROOM_LEAST),
                      .room = ROOM_LEAST};
}

static void
add_count(int32 *sum, int32 more)
{
    *sum = (int32)Min((int64)*sum + more, PG_INT32_MAX);
}

void
union_add(CtrUnion *all, const CtrVocab *vocab, const int32 *counts, const int32 *rows)
{
    for (int32 id = 0; id < vocab_count(vocab); id++) {
        uint32 length;
        const char *bytes = vocab_get(vocab, id, &length);
        const int32 before = vocab_count(all->seen);
        const int32 at = vocab_add(all->seen, bytes, length, vocab_hash(bytes, length));

        ctr_pause_at(id);
        if (at == all->room) {
            all->room = (int32)Min((int64)all->room * 2, PG_INT32_MAX);
            all->counts = repalloc_huge(all->counts, mul_size(all->room, sizeof(int32)));
            all->rows = repalloc_huge(all->rows, mul_size(all->room, sizeof(int32)));
        }
        if (at == before)
            all->counts[at] = all->rows[at] = 0;
        add_count(&all->counts[at], counts[id]);
        if (rows != NULL)
            add_count(&all->rows[at], rows[id]);
    }
}
