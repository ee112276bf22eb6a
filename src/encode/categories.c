/*
 * categories.c: finds the codes of categories: for one row, whose categories are hashed and prefetched
 * first, and for blocks of rows.
 */
#include "encode/encode.h"

#define ROWS_AT_ONCE      32   /* rows whose slots are prefetched while others are looked up */
#define CACHED_CATEGORIES 1024 /* a smaller vocabulary is in the CPU's caches anyway */

void
categories_of_row(CtrRowMap *map, CtrColumn *columns, int n, CtrVocab *const *vocabs)
{
    for (int i = 0; i < n; i++) {
        CtrColumn *c = &columns[i];

        if (!row_category(map, c, &c->bytes, &c->length)) {
            c->bytes = NULL;
            continue;
        }
        c->hash = vocab_hash(c->bytes, c->length);
        vocab_prefetch(vocabs[i], c->length, c->hash, 0);
    }
    for (int i = 0; i < n; i++) {
        if (columns[i].bytes && vocab_count(vocabs[i]) > CACHED_CATEGORIES)
            vocab_prefetch(vocabs[i], columns[i].length, columns[i].hash, 1);
    }
}

/* Hashes the categories of n <= ROWS_AT_ONCE rows from `first` on, and prefetches what finding them needs. */
static void
hash_ahead(const CtrRowBlock *block, int f, int first, int n, const CtrVocab *vocab, uint64 *hashes)
{
    const Size cell = (Size)f * block->room + first;

    for (int stage = 0; stage < 2; stage++) {
        for (int i = 0; i < n; i++) {
            const uint32 length = block->lengths[cell + i];

            if (length == CTR_NO_CATEGORY)
                continue;
            if (stage == 0)
                hashes[i] = vocab_hash(block->text + block->places[cell + i], length);
            vocab_prefetch(vocab, length, hashes[i], stage);
        }
    }
}

/* the id of an unknown category, such that its code is CTR_CODE_UNSEEN */
#define UNKNOWN (CTR_CODE_UNSEEN - CTR_CODE_KNOWN)
#define MISSING (CTR_CODE_MISSING - CTR_CODE_KNOWN)

/*
 * ids[n] = those of rows [first, first + n). adding: the same vocabulary, to which new categories are
 * added; NULL: they get UNKNOWN.
 */
static inline void
look_up(const CtrRowBlock *block, int f, int first, int n, const CtrVocab *vocab, CtrVocab *adding,
        int32 *ids)
{
    uint64 hashes[ROWS_AT_ONCE];

    for (int done = 0; done < n; done += ROWS_AT_ONCE) {
        const int m = Min(ROWS_AT_ONCE, n - done);
        const Size cell = (Size)f * block->room + first + done;

        hash_ahead(block, f, first + done, m, vocab, hashes);
        for (int i = 0; i < m; i++) {
            const uint32 length = block->lengths[cell + i];
            const char *bytes = block->text + block->places[cell + i];

            if (length == CTR_NO_CATEGORY)
                ids[done + i] = MISSING;
            else if (adding)
                ids[done + i] = vocab_add(adding, bytes, length, hashes[i]);
            else {
                int32 id = vocab_find(vocab, bytes, length, hashes[i]);

                ids[done + i] = id < 0 ? UNKNOWN : id;
            }
        }
    }
}

void
categories_find(const CtrRowBlock *block, int f, int first, int n, const CtrVocab *vocab, int32 *codes)
{
    look_up(block, f, first, n, vocab, NULL, codes);
    for (int i = 0; i < n; i++)
        codes[i] += CTR_CODE_KNOWN;
}

void
categories_reserve(const CtrRowBlock *block, int f, CtrVocab *vocab)
{
    const uint32 *lengths = block->lengths + (Size)f * block->room;
    Size bytes = 0;

    for (int row = 0; row < block->n; row++)
        bytes += lengths[row] == CTR_NO_CATEGORY ? 0 : vocab_string_bytes(lengths[row]);
    vocab_reserve(vocab, vocab_count(vocab) + block->n, bytes);
}

void
categories_number(const CtrRowBlock *block, int f, CtrVocab *vocab, int32 *ids)
{
    look_up(block, f, 0, block->n, vocab, vocab, ids);
}
