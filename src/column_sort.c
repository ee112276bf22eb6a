/*
 * column_sort.c: the values of one numerical column in ascending order, in an array where the memory allows, else
 * in PostgreSQL's tuple sort, which goes through temporary files. Both give the same numbers in the same order.
 */
#include "encoder.h"

#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"

#define RUN_VALUES ((Size)1 << 20) /* sorted at a time, between looks at interrupts */

struct ColumnSort {
    NnColumn column;
    double *values; /* NULL: in `sort` */
    Tuplesortstate *sort;
    Size n_read;
};

Size
column_sort_memory(int64 n, int columns)
{
    return mul_size(mul_size(n, sizeof(double)), columns + 1);
}

ColumnSort *
column_sort_inside(int64 n)
{
    ColumnSort *cs = palloc0(sizeof(ColumnSort));

    cs->values = MemoryContextAllocHuge(CurrentMemoryContext, mul_size(Max(n, 1), sizeof(double)));
    return cs;
}

ColumnSort *
column_sort_outside(Size memory)
{
    ColumnSort *cs = palloc0(sizeof(ColumnSort));

    cs->sort = tuplesort_begin_datum(FLOAT8OID, Float8LessOperator, InvalidOid, false,
                                     (int)Min(memory / 1024, PG_INT32_MAX), NULL, SORT_REREAD);
    return cs;
}

void
column_sort_add(ColumnSort *cs, double value)
{
    if (cs->values)
        cs->values[cs->column.n++] = value;
    else {
        tuplesort_putdatum(cs->sort, Float8GetDatum(value), false);
        cs->column.n++;
    }
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
sort_values(ColumnSort *cs)
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
    cs->column.values = from;
}

static double
sort_next(void *source)
{
    ColumnSort *cs = source;
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
    tuplesort_rescan(((ColumnSort *)source)->sort);
}

NnColumn *
column_sort_finish(ColumnSort *cs)
{
    if (cs->values)
        sort_values(cs);
    else {
        tuplesort_performsort(cs->sort);
        cs->column.next = sort_next;
        cs->column.rewind = sort_rewind;
        cs->column.source = cs;
    }
    return &cs->column;
}

void
column_sort_free(ColumnSort *cs)
{
    if (cs->sort)
        tuplesort_end(cs->sort);
    else
        pfree(cs->values);
    pfree(cs);
}
