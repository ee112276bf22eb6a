/*
 * column_sort.c: the values of one numerical column in ascending order.
 *
 * Most columns have few different values, however many rows there are: these are counted. If a column
 * turns out to have more, its values go on into an array if memory allows, else into PostgreSQL's tuple
 * sort, which uses temporary files. All three give the same numbers in the same order.
 */
#include "encode/encoder.h"

#include <math.h>

#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"

#define RUN_VALUES  ((Size)1 << 20) /* values sorted between two checks for interrupts */
#define SLOTS_LEAST ((Size)16)
#define SLOTS_MOST  ((Size)64 * 1024) /* 1 MB of them */

typedef struct Counted {
    double value;
    int64 count; /* 0: a free slot */
} Counted;

/* Exactly one of slots, values and sort is in use. */
struct CtrColumnSort {
    NnColumn column;
    int64 most;     /* the most values that may be added */
    Size memory;    /* bytes for the tuple sort; 0: values go into an array */
    Counted *slots; /* a hash table with linear probing; once sorted, without gaps */
    Size n_slots, distinct;
    double *values;
    Tuplesortstate *sort;
    Size n_read;   /* values, or slots, that have been read */
    int64 repeats; /* how often the value of the current slot has been read */
};

Size
column_sort_memory(int64 n, int columns)
{
    return mul_size(mul_size(n, sizeof(double)), columns + 1);
}

CtrColumnSort *
column_sort_create(int64 n, Size memory)
{
    CtrColumnSort *cs = palloc0(sizeof(CtrColumnSort));
    Size room =
        /* the hash table takes no more memory than what may follow it */
        memory > 0 ? memory : mul_size(n, sizeof(double));

    vocab_choose_key();
    cs->most = n;
    cs->memory = memory;
    cs->n_slots = SLOTS_LEAST;
    while (cs->n_slots < SLOTS_MOST && cs->n_slots * 2 * sizeof(Counted) <= room)
        cs->n_slots *= 2;
    cs->slots = palloc0(cs->n_slots * sizeof(Counted));
    return cs;
}

/* the slot that has the value, or the free one where it belongs */
static inline Counted *
slot_find(const CtrColumnSort *cs, double value)
{
    Size at = vocab_hash((const char *)&value, sizeof(value)) & (cs->n_slots - 1);

    while (cs->slots[at].count > 0 && cs->slots[at].value != value)
        at = (at + 1) & (cs->n_slots - 1);
    return &cs->slots[at];
}

static inline void
put(CtrColumnSort *cs, double value)
{
    if (cs->values)
        cs->values[cs->column.n++] = value;
    else {
        tuplesort_putdatum(cs->sort, Float8GetDatum(value), false);
        cs->column.n++;
    }
}

/* There are too many different values to count: moves them to an array or to the tuple sort. */
static void
pour_out(CtrColumnSort *cs)
{
    Counted *slots = cs->slots;

    cs->slots = NULL;
    cs->column.n = 0;
    if (cs->memory == 0)
        cs->values = MemoryContextAllocHuge(CurrentMemoryContext, mul_size(cs->most, sizeof(double)));
    else
        cs->sort = tuplesort_begin_datum(FLOAT8OID, Float8LessOperator, InvalidOid, false,
                                         (int)Min(cs->memory / 1024, PG_INT32_MAX), NULL, CTR_SORT_REREAD);
    for (Size i = 0; i < cs->n_slots; i++) {
        CHECK_FOR_INTERRUPTS();
        for (int64 k = 0; k < slots[i].count; k++)
            put(cs, slots[i].value);
    }
    pfree(slots);
}

void
column_sort_add(CtrColumnSort *cs, double value)
{
    Counted *slot;

    if (cs->slots == NULL) {
        put(cs, value);
        return;
    }
    slot = slot_find(cs, value);
    if (slot->count == 0) {
        if (cs->distinct == cs->n_slots / 4 * 3) {
            pour_out(cs);
            put(cs, value);
            return;
        }
        slot->value = value;
        cs->distinct++;
    }
    slot->count++;
    cs->column.n++;
}

/* ------------------------------------------------------------------ counted values */

static int
counted_compare(const void *a, const void *b)
{
    const double x = ((const Counted *)a)->value, y = ((const Counted *)b)->value;

    CHECK_FOR_INTERRUPTS(); /* somebody may choose values for which qsort takes quadratic time */
    return (x > y) - (x < y);
}

static double
counted_next(void *source)
{
    CtrColumnSort *cs = source;

    if (cs->repeats == cs->slots[cs->n_read].count) {
        cs->repeats = 0;
        cs->n_read++;
    }
    if (cs->repeats++ % RUN_VALUES == 0)
        CHECK_FOR_INTERRUPTS();
    return cs->slots[cs->n_read].value;
}

static void
counted_rewind(void *source)
{
    CtrColumnSort *cs = source;

    cs->n_read = 0;
    cs->repeats = 0;
}

static void
sort_counted(CtrColumnSort *cs)
{
    Size n = 0;

    for (Size i = 0; i < cs->n_slots; i++) {
        if (cs->slots[i].count > 0)
            cs->slots[n++] = cs->slots[i];
    }
    qsort(cs->slots, n, sizeof(Counted), counted_compare);
    cs->column.next = counted_next;
    cs->column.rewind = counted_rewind;
    cs->column.source = cs;
}

/* ------------------------------------------------------------------ an array */

static double
array_next(void *source)
{
    CtrColumnSort *cs = source;

    if (cs->n_read % RUN_VALUES == 0)
        CHECK_FOR_INTERRUPTS();
    return cs->values[cs->n_read++];
}

static void
array_rewind(void *source)
{
    ((CtrColumnSort *)source)->n_read = 0;
}

/* Merges the sorted ranges [begin, middle) and [middle, end) of `from` into `to`. */
static void
merge_runs(double *to, const double *from, Size begin, Size middle, Size end)
{
    Size left = begin, right = middle;

    for (Size i = begin; i < end; i++) {
        bool take_left = left < middle && (right == end || from[left] <= from[right]);

        to[i] = take_left ? from[left++] : from[right++];
        if (i % RUN_VALUES == 0)
            CHECK_FOR_INTERRUPTS();
    }
}

/* Sorts runs, then merges neighbours until one is left. */
static void
sort_values(CtrColumnSort *cs)
{
    Size n = cs->column.n;
    double *from = cs->values;
    double *to = MemoryContextAllocHuge(CurrentMemoryContext, mul_size(Max(n, 1), sizeof(double)));

    for (Size first = 0; first < n; first += RUN_VALUES) {
        CHECK_FOR_INTERRUPTS();
        sort_doubles(from + first, to, Min(RUN_VALUES, n - first));
    }
    for (Size run = RUN_VALUES; run < n; run *= 2) {
        double *swap = from;

        for (Size first = 0; first < n; first += 2 * run)
            merge_runs(to, from, first, Min(first + run, n), Min(first + 2 * run, n));
        from = to;
        to = swap;
    }
    pfree(to);
    cs->values = from;
    cs->column.next = array_next;
    cs->column.rewind = array_rewind;
    cs->column.source = cs;
}

/* ------------------------------------------------------------------ the tuple sort */

static double
sort_next(void *source)
{
    CtrColumnSort *cs = source;
    Datum value;
    bool is_null;

    if (cs->n_read++ % RUN_VALUES == 0)
        CHECK_FOR_INTERRUPTS();
    if (!tuplesort_next(cs->sort, &value, &is_null))
        elog(ERROR, "sorted column is shorter than its input");
    return DatumGetFloat8(value);
}

static void
sort_rewind(void *source)
{
    tuplesort_rescan(((CtrColumnSort *)source)->sort);
}

/* ------------------------------------------------------------------ all three */

NnColumn *
column_sort_finish(CtrColumnSort *cs)
{
    if (cs->slots)
        sort_counted(cs);
    else if (cs->values)
        sort_values(cs);
    else {
        tuplesort_performsort(cs->sort);
        cs->column.next = sort_next;
        cs->column.rewind = sort_rewind;
        cs->column.source = cs;
    }
    return &cs->column;
}

bool
column_sort_is_key(CtrColumnSort *cs)
{
    NnColumn *column = &cs->column;
    double before = NAN;

    if (column->values == NULL)
        column->rewind(column->source);
    for (size_t i = 0; i < column->n; i++) {
        const double value = column->values ? column->values[i] : column->next(column->source);

        if (value == before || value != floor(value))
            return false;
        before = value;
    }
    return true;
}

void
column_sort_free(CtrColumnSort *cs)
{
    if (cs->sort)
        tuplesort_end(cs->sort);
    if (cs->slots)
        pfree(cs->slots);
    if (cs->values)
        pfree(cs->values);
    pfree(cs);
}
