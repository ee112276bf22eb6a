/*
 * roworder.c: the order in which a training takes its rows, and the fold that each is in. Both follow what a
 * row is, not when it came, so that the same rows give the same model in whatever order they arrive: by a
 * parallel scan, by another plan, from shards.
 *
 * Rows are taken in the order of a hash of the label and of all features' values, the same in every process;
 * equal ones by weight and role. What is decided row by row afterwards (roles, folds, shuffling) and what is
 * added up (label sums, losses) has that order. The hash has no secret: unequal rows that somebody made up to
 * have the same hash keep the order in which they come, from which nothing is gained.
 *
 * Folds are what target statistics leave out. A model keeps its labels' sums by fold, and a row that trains
 * it a second time must not find its own label in them, so the fold comes from the hash, too, and not from
 * the seed. Equal rows would all be in one fold, and make a label known by its absence: of a table with one
 * column, all rows of a category and a label would miss in their statistic. So how many equal rows came
 * before has a part in the fold. To deal equal rows out to the folds in turn would be no better: where a fold
 * has one of each, again a row's statistic lacks its own label more than chance would have it. The k-th of
 * equal rows is in the same fold in every training that has at least k of them.
 */
#include "train/dataset.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "port/pg_bswap.h"
#include "utils/typcache.h"

#include "encode/hash.h"

/* ------------------------------------------------------------------ hashes and folds */

/* NaN, as which NULL comes, has many forms; -0 has become 0 on its way into the block */
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
rows_hash(const CtrRowBlock *block, const RawTail *tails, int first, int n, uint64 *hashes)
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

int
row_fold(uint64 hash, uint64 before)
{
    uint64 mixed = hash_word(hash, before);

    return (int)((mixed >> 32) * NN_STATISTICS_FOLDS >> 32);
}

/* ------------------------------------------------------------------ order, in memory */

typedef struct Place {
    uint64 hash;
    uint32 row; /* in the store */
} Place;

StaticAssertDecl(sizeof(Place) == ROW_PLACE_SIZE, "the budget counts a Place for each row");

static int
compare_places(const void *a, const void *b, void *arg)
{
    const Place *x = a, *y = b;
    const CtrDataset *ds = arg;
    const RawTail *s, *t;

    CHECK_FOR_INTERRUPTS();
    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    s = raw_tail(ds, rowstore_row(ds->raw, x->row));
    t = raw_tail(ds, rowstore_row(ds->raw, y->row));
    if (s->weight != t->weight)
        return s->weight < t->weight ? -1 : 1;
    return s->role - t->role;
}

static void
order_in_memory(CtrDataset *ds)
{
    const int64 n = rowstore_count(ds->raw);
    Place *places = MemoryContextAllocHuge(CurrentMemoryContext, mul_size(n, sizeof(Place)));
    uint32 *rows = (uint32 *)places;

    for (int64 i = 0; i < n; i++) {
        ctr_pause_at(i);
        places[i] = (Place){*raw_hash(rowstore_row(ds->raw, i)), (uint32)i};
    }
    qsort_arg(places, n, sizeof(Place), compare_places, ds);
    for (int64 i = 0; i < n; i++) /* what is overwritten has been read */
        rows[i] = places[i].row;
    rowstore_permute(ds->raw, rows);
    pfree(places);
}

/* ------------------------------------------------------------------ order, through files */

/* What rows are sorted by, as bytes that compare as it does; after them comes the row. */
typedef struct OrderKey {
    uint64 hash;
    uint32 weight; /* a positive float's bits are ordered as it is */
    uint32 role;
} OrderKey;

static void
put_rows(CtrDataset *ds, Tuplesortstate *sort)
{
    const Size size = VARHDRSZ + sizeof(OrderKey) + ds->raw_size;
    char *item = palloc(size);
    const char *row;

    SET_VARSIZE(item, size);
    while ((row = rowstore_consume(ds->raw)) != NULL) {
        const RawTail *tail = raw_tail(ds, row);
        OrderKey key = {.hash = pg_hton64(*raw_hash(row)), .role = pg_hton32((uint32)tail->role)};

        CHECK_FOR_INTERRUPTS();
        memcpy(&key.weight, &tail->weight, sizeof(key.weight));
        key.weight = pg_hton32(key.weight);
        memcpy(VARDATA(item), &key, sizeof(key));
        memcpy(VARDATA(item) + sizeof(key), row, ds->raw_size);
        tuplesort_putdatum(sort, PointerGetDatum(item), false);
    }
    pfree(item);
}

static void
order_through_files(CtrDataset *ds)
{
    const Oid less = lookup_type_cache(BYTEAOID, TYPECACHE_LT_OPR)->lt_opr;
    Tuplesortstate *sort = tuplesort_begin_datum(
        BYTEAOID, less, InvalidOid, false, (int)(DATASET_WORKING_MEMORY / 1024), NULL, CTR_SORT_READ_ONCE);
    char *row = palloc(ds->raw_size);
    Datum item;
    bool is_null;

    put_rows(ds, sort);
    rowstore_close(ds->raw);
    ds->raw = NULL; /* until another is there: an error closes what it finds */
    tuplesort_performsort(sort);
    ds->raw = rowstore_create(ds->context, ds->raw_size, ds->budget);
    while (tuplesort_next(sort, &item, &is_null)) {
        CHECK_FOR_INTERRUPTS();
        memcpy(row, VARDATA(DatumGetPointer(item)) + sizeof(OrderKey), ds->raw_size);
        rowstore_append(ds->raw, row);
        pfree(DatumGetPointer(item));
    }
    tuplesort_end(sort);
    pfree(row);
}

void
rows_order(CtrDataset *ds)
{
    if (rowstore_in_memory(ds->raw))
        order_in_memory(ds);
    else
        order_through_files(ds);
}
