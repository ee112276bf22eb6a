/*
 * rowfold.c: the fold that a row is in, which target statistics leave out for it.
 *
 * A model keeps its labels' sums by fold, and a row that trains it a second time must not find its own label
 * in them. So the fold follows what the row is, not where it stands: it comes from a hash of the label and of
 * all features' values, the same in every process. The weight has no part in it, since that of a row may
 * change from one training to the next; the seed has none, either.
 *
 * Equal rows would all be in one fold, and make a label known by its absence: of a table with one column, all
 * rows of a category and a label would miss in their statistic. So the hash also takes in how many equal rows
 * came before. To deal equal rows out to the folds in turn would be no better: where a fold has one of each,
 * again a row's statistic lacks its own label more than chance would have it. Which of several equal rows
 * comes first does not matter, because they have the same label: the k-th of them is in the same fold in
 * every training that has at least k of them.
 *
 * Equal rows are found in a table of hashes whose size is bounded, so beyond some 800,000 different rows a
 * further one counts as the first each time. Hashes that were made to collide cost no more than PROBES_MOST
 * steps.
 */
#include "train/dataset.h"

#include <math.h>

#include "encode/hash.h"

#define SLOTS_FIRST     64
#define FOLD_SLOTS_MOST (DATASET_WORKING_MEMORY / 2 / sizeof(uint64))
#define PROBES_MOST     64
#define COUNT_BITS      24 /* bits of a slot that count rows; the others are of the hash */
#define COUNT_MASK      (((uint64)1 << COUNT_BITS) - 1)

struct RowFolds {
    MemoryContext context;
    CtrRowBudget *budget;
    /*
     * [mask + 1]: 0 if free, else a hash whose last COUNT_BITS bits count the rows that had it, from 1 on;
     * a full count starts again at 1
     */
    uint64 *slots;
    uint64 mask, used;
};

/* ------------------------------------------------------------------ hashes */

/* All NaNs are one word (NULL comes as NaN, which has many bit patterns); the block has no -0. */
static inline uint64
number_word(double number)
{
    uint64 word;

    if (isnan(number))
        return PG_UINT64_MAX;
    memcpy(&word, &number, sizeof(word));
    return word;
}

void
rowfolds_hash(const CtrRowBlock *block, const RawTail *tails, int first, int n, uint64 *hashes)
{
    for (int row = first; row < first + n; row++) {
        const double *numbers = block->numbers + (Size)row * block->n_num;

        hashes[row] = hash_word(0, (uint64)tails[row].label);
        for (int i = 0; i < block->n_num; i++)
            hashes[row] = hash_word(hashes[row], number_word(numbers[i]));
    }
    for (int f = 0; f < block->n_cat; f++) {
        const uint32 *lengths = block->lengths + (Size)f * block->room;
        const Size *places = block->places + (Size)f * block->room;

        for (int row = first; row < first + n; row++) {
            uint64 word = CTR_NO_CATEGORY;

            if (lengths[row] != CTR_NO_CATEGORY)
                word = hash_bytes_seeded(CTR_HASH_A, block->text + places[row], lengths[row]);
            hashes[row] = hash_word(hashes[row], word);
        }
    }
}

/* ------------------------------------------------------------------ folds */

static void
allocate_slots(RowFolds *folds, uint64 n)
{
    folds->slots = MemoryContextAllocExtended(folds->context, n * sizeof(uint64), MCXT_ALLOC_ZERO);
    folds->mask = n - 1;
    folds->used = 0;
    folds->budget->used += n * sizeof(uint64);
}

static void
free_slots(RowFolds *folds, uint64 *slots, uint64 n)
{
    pfree(slots);
    folds->budget->used -= n * sizeof(uint64);
}

/* The slot of this hash, or a free one where it may go; NULL: neither is within reach. */
static uint64 *
find_slot(const RowFolds *folds, uint64 hash)
{
    for (uint64 i = 0; i < PROBES_MOST; i++) {
        uint64 *slot = &folds->slots[((hash >> COUNT_BITS) + i) & folds->mask];

        if (*slot == 0 || (*slot | COUNT_MASK) == (hash | COUNT_MASK))
            return slot;
    }
    return NULL;
}

/* Searches stay short as long as a quarter of the slots is free. */
static bool
is_full(const RowFolds *folds)
{
    return folds->used >= folds->mask / 4 * 3;
}

static void
grow(RowFolds *folds)
{
    uint64 *old = folds->slots, n = folds->mask + 1;

    allocate_slots(folds, n * 2);
    for (uint64 i = 0; i < n; i++) {
        uint64 *slot = old[i] == 0 ? NULL : find_slot(folds, old[i]);

        if (slot != NULL) {
            *slot = old[i];
            folds->used++;
        }
    }
    free_slots(folds, old, n);
}

RowFolds *
rowfolds_create(MemoryContext context, CtrRowBudget *budget)
{
    RowFolds *folds = MemoryContextAllocZero(context, sizeof(RowFolds));

    folds->context = context;
    folds->budget = budget;
    allocate_slots(folds, SLOTS_FIRST);
    return folds;
}

void
rowfolds_free(RowFolds *folds)
{
    free_slots(folds, folds->slots, folds->mask + 1);
    pfree(folds);
}

/* How many rows of this hash came before. */
static uint64
count_before(RowFolds *folds, uint64 hash)
{
    uint64 *slot, before;

    if (is_full(folds) && folds->mask + 1 < FOLD_SLOTS_MOST)
        grow(folds);
    slot = find_slot(folds, hash);
    if (slot == NULL || (*slot == 0 && is_full(folds)))
        return 0;
    before = *slot & COUNT_MASK;
    folds->used += *slot == 0;
    *slot = (hash & ~COUNT_MASK) | (before % COUNT_MASK + 1);
    return before;
}

int
rowfolds_next(RowFolds *folds, uint64 hash)
{
    uint64 mixed = hash_word(hash, count_before(folds, hash));

    return (int)((mixed >> 32) * NN_STATISTICS_FOLDS >> 32);
}
