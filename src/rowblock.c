/*
 * rowblock.c: the features of a block of rows, copied out of their records.
 *
 * A record lives until the next one comes, and taking it apart is PostgreSQL's business, which one thread does. What
 * follows, hashing categories and looking them up, is a matter of columns: they are independent of each other, and one
 * column's table stays in the CPU's caches while a block of rows asks it. So threads share the columns.
 */
#include "ctr.h"

#define TEXT_LEAST   ((Size)16 * 1024)
#define TEXT_LARGEST ((Size)256 * 1024) /* a block with more text is full, however few its rows */
#define AHEAD        32                 /* rows whose slots are fetched while others are looked up */

RowBlock *
rowblock_create(MemoryContext context, int room, int n_num, int n_cat)
{
    RowBlock *block = MemoryContextAllocZero(context, sizeof(RowBlock));
    Size cells = mul_size(room, Max(n_cat, 1));

    block->room = room;
    block->n_num = n_num;
    block->n_cat = n_cat;
    block->numbers = MemoryContextAllocHuge(context, mul_size(mul_size(room, Max(n_num, 1)), sizeof(double)));
    block->places = MemoryContextAllocHuge(context, mul_size(cells, sizeof(Size)));
    block->lengths = MemoryContextAllocHuge(context, mul_size(cells, sizeof(uint32)));
    block->text_room = TEXT_LEAST;
    block->text = MemoryContextAllocHuge(context, block->text_room);
    return block;
}

/* Room for so many more bytes of text. */
static void
text_reserve(RowBlock *block, uint32 length)
{
    if (block->text_room - block->text_used >= length)
        return;
    block->text_room = Max(block->text_room * 2, add_size(block->text_used, length));
    block->text = repalloc_huge(block->text, block->text_room);
}

void
rowblock_add(RowBlock *block, RowMap *map)
{
    const int row = block->n;
    double *numbers = block->numbers + (Size)row * block->n_num;
    Column *columns = map->features + block->n_num;
    const char *bytes;

    if (row == 0)
        block->text_used = 0;
    for (int i = 0; i < block->n_num; i++)
        numbers[i] = row_number(map, &map->features[i]) + 0.0; /* -0 becomes 0 */
    for (int f = 0; f < block->n_cat; f++) {
        const Size cell = (Size)f * block->room + row;
        uint32 length;

        if (!row_category(map, &columns[f], &bytes, &length)) {
            block->lengths[cell] = NO_CATEGORY;
            block->places[cell] = 0;
            continue;
        }
        text_reserve(block, length);
        memcpy(block->text + block->text_used, bytes, length);
        block->places[cell] = block->text_used;
        block->lengths[cell] = length;
        block->text_used += length;
    }
    block->n++;
}

bool
rowblock_full(const RowBlock *block)
{
    return block->n == block->room || (block->n > 0 && block->text_used >= TEXT_LARGEST);
}

/* ------------------------------------------------------------------ categories to numbers */

/* Hashes of n <= AHEAD rows from `first` on; what finding them needs is on its way to the cache. */
static void
hash_ahead(const RowBlock *block, int f, int first, int n, const Vocab *vocab, uint64 *hashes)
{
    const Size cell = (Size)f * block->room + first;

    for (int stage = 0; stage < 2; stage++) {
        for (int i = 0; i < n; i++) {
            const uint32 length = block->lengths[cell + i];

            if (length == NO_CATEGORY)
                continue;
            if (stage == 0)
                hashes[i] = vocab_hash(block->text + block->places[cell + i], length);
            vocab_prefetch(vocab, length, hashes[i], stage);
        }
    }
}

#define UNKNOWN (CODE_UNSEEN - CODE_KNOWN) /* as numbers, beside those of known categories */
#define MISSING (CODE_MISSING - CODE_KNOWN)

/* ids[n] of rows [first, first + n); adding: the same vocabulary, where new ones go; NULL: they are UNKNOWN */
static inline void
look_up(const RowBlock *block, int f, int first, int n, const Vocab *vocab, Vocab *adding, int32 *ids)
{
    uint64 hashes[AHEAD];

    for (int done = 0; done < n; done += AHEAD) {
        const int m = Min(AHEAD, n - done);
        const Size cell = (Size)f * block->room + first + done;

        hash_ahead(block, f, first + done, m, vocab, hashes);
        for (int i = 0; i < m; i++) {
            const uint32 length = block->lengths[cell + i];
            const char *bytes = block->text + block->places[cell + i];

            if (length == NO_CATEGORY)
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
rowblock_find(const RowBlock *block, int f, int first, int n, const Vocab *vocab, int32 *codes)
{
    look_up(block, f, first, n, vocab, NULL, codes);
    for (int i = 0; i < n; i++)
        codes[i] += CODE_KNOWN;
}

void
rowblock_reserve(const RowBlock *block, int f, Vocab *vocab)
{
    const uint32 *lengths = block->lengths + (Size)f * block->room;
    Size bytes = 0;

    for (int row = 0; row < block->n; row++)
        bytes += lengths[row] == NO_CATEGORY ? 0 : vocab_string_bytes(lengths[row]);
    vocab_reserve(vocab, vocab_count(vocab) + block->n, bytes);
}

void
rowblock_number(const RowBlock *block, int f, Vocab *vocab, int32 *ids)
{
    look_up(block, f, 0, block->n, vocab, vocab, ids);
}
