/*
 * rowstore.c: an append-only list of fixed-width rows. They lie in chunks of memory as long as the budget
 * allows it. From the first row on that it does not allow, they lie in a temporary file of PostgreSQL, so
 * temp_file_limit applies and the file is deleted with the transaction.
 */
#include "rows/rows.h"

#include "miscadmin.h"

#define FETCH_ROWS 64 /* rows read from the file at a time by rowstore_consume */

struct CtrRowStore {
    MemoryContext context; /* this store's own */
    CtrRowBudget *budget;
    Size row_size;
    int chunk_shift; /* a chunk has 2^chunk_shift rows */
    char **chunks;
    int64 n_chunks, max_chunks;
    int64 in_memory; /* rows in chunks, from row 0 on */
    int64 n;         /* rows in all */
    BufFile *file;   /* NULL: nothing spilled */
    bool read;       /* the file was, since rows were appended */
    int64 consumed;  /* rows that rowstore_consume has given out */
    char *block;     /* rows from the file, for rowstore_consume */
};

static Size
chunk_size(const CtrRowStore *store)
{
    return store->row_size << store->chunk_shift;
}

CtrRowStore *
rowstore_create(MemoryContext parent, Size row_size, CtrRowBudget *budget)
{
    MemoryContext context = AllocSetContextCreate(parent, "ctr rows", ALLOCSET_SMALL_SIZES);
    CtrRowStore *store = MemoryContextAllocZero(context, sizeof(CtrRowStore));

    store->context = context;
    store->budget = budget;
    store->row_size = row_size;
    while (chunk_size(store) * 2 <= CTR_ROWSTORE_CHUNK)
        store->chunk_shift++;
    store->max_chunks = 64;
    store->chunks = MemoryContextAlloc(context, sizeof(char *) * store->max_chunks);
    return store;
}

/* Adds a chunk if the budget allows. */
static bool
chunk_add(CtrRowStore *store)
{
    Size size = chunk_size(store);

    if (store->budget->used + size > store->budget->limit)
        return false;
    if (store->n_chunks == store->max_chunks) {
        store->max_chunks *= 2;
        store->chunks = repalloc_huge(store->chunks, mul_size(store->max_chunks, sizeof(char *)));
    }
    store->chunks[store->n_chunks++] = MemoryContextAllocHuge(store->context, size);
    store->budget->used += size;
    return true;
}

static void
chunk_free(CtrRowStore *store, int64 chunk)
{
    if (store->chunks[chunk] == NULL)
        return;
    pfree(store->chunks[chunk]);
    store->chunks[chunk] = NULL;
    store->budget->used -= chunk_size(store);
}

static char *
row_in_memory(const CtrRowStore *store, int64 index)
{
    int64 within = index & (((int64)1 << store->chunk_shift) - 1);

    return store->chunks[index >> store->chunk_shift] + within * store->row_size;
}

static void
file_seek(CtrRowStore *store, int64 row)
{
    off_t offset = (off_t)((row - store->in_memory) * (int64)store->row_size);

    if (BufFileSeek(store->file, 0, offset, SEEK_SET) != 0)
        ereport(ERROR, (errcode_for_file_access(), errmsg("could not seek in temporary file: %m")));
}

void
rowstore_append(CtrRowStore *store, const void *row)
{
    if (store->file == NULL && (store->n < store->n_chunks << store->chunk_shift || chunk_add(store))) {
        memcpy(row_in_memory(store, store->n), row, store->row_size);
        store->in_memory = ++store->n;
        return;
    }
    if (store->file == NULL) {
        MemoryContext old = MemoryContextSwitchTo(store->context);

        store->file = BufFileCreateTemp(false);
        MemoryContextSwitchTo(old);
    }
    if (store->read) /* the file stands where it was read last */
        file_seek(store, store->n);
    store->read = false;
    buffile_write(store->file, row, store->row_size);
    store->n++;
}

int64
rowstore_count(const CtrRowStore *store)
{
    return store->n;
}

bool
rowstore_in_memory(const CtrRowStore *store)
{
    return store->file == NULL;
}

const void *
rowstore_row(const CtrRowStore *store, int64 index)
{
    return row_in_memory(store, index);
}

void
rowstore_permute(CtrRowStore *store, uint32 *from)
{
    char *first = palloc(store->row_size);

    for (int64 start = 0; start < store->n; start++) {
        int64 at = start;

        ctr_pause_at(start);
        if (from[start] == start)
            continue;
        memcpy(first, row_in_memory(store, start), store->row_size);
        while (from[at] != start) { /* along one cycle */
            const int64 next = from[at];

            memcpy(row_in_memory(store, at), row_in_memory(store, next), store->row_size);
            from[at] = (uint32)at;
            at = next;
        }
        memcpy(row_in_memory(store, at), first, store->row_size);
        from[at] = (uint32)at;
    }
    pfree(first);
}

static void
file_fetch(CtrRowStore *store, int64 first, int64 n, char *rows)
{
    file_seek(store, first);
    store->read = true;
    buffile_read(store->file, rows, mul_size(n, store->row_size));
}

void
rowstore_fetch(CtrRowStore *store, int64 first, int64 n, void *rows)
{
    char *to = rows;

    for (; n > 0 && first < store->in_memory; first++, n--, to += store->row_size)
        memcpy(to, row_in_memory(store, first), store->row_size);
    if (n > 0)
        file_fetch(store, first, n, to);
}

const void *
rowstore_consume(CtrRowStore *store)
{
    int64 index = store->consumed;
    int64 in_block;

    if (index > 0 && index <= store->in_memory &&
        ((index & (((int64)1 << store->chunk_shift) - 1)) == 0 || index == store->in_memory))
        chunk_free(store, (index - 1) >> store->chunk_shift);
    if (index == store->n)
        return NULL;
    store->consumed++;
    if (index < store->in_memory)
        return row_in_memory(store, index);
    if (store->block == NULL)
        store->block = MemoryContextAllocHuge(store->context, mul_size(FETCH_ROWS, store->row_size));
    in_block = (index - store->in_memory) % FETCH_ROWS;
    if (in_block == 0)
        file_fetch(store, index, Min(FETCH_ROWS, store->n - index), store->block);
    return store->block + in_block * store->row_size;
}

void
rowstore_close(CtrRowStore *store)
{
    for (int64 i = 0; i < store->n_chunks; i++)
        chunk_free(store, i);
    if (store->file)
        BufFileClose(store->file);
    MemoryContextDelete(store->context);
}
