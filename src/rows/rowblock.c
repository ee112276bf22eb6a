/*
 * rowblock.c: the features of a block of rows, copied out of their records.
 *
 * A record is valid until the next one comes, and only the backend's main thread may take it apart,
 * because PostgreSQL's code does that. What follows, hashing categories and looking them up, is done
 * column by column by several threads: columns are independent of each other, and one column's table stays
 * in the CPU's caches while a block of rows is looked up in it.
 */
#include "rows/rows.h"

#define TEXT_LEAST ((Size)16 * 1024)
#define BLOCK_TEXT ((Size)256 * 1024) /* a block with more text is full, however few its rows */

CtrRowBlock *
rowblock_create(MemoryContext context, int room, int n_num, int n_cat)
{
    CtrRowBlock *block = MemoryContextAllocZero(context, sizeof(CtrRowBlock));
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
text_reserve(CtrRowBlock *block, uint32 length)
{
    if (block->text_room - block->text_used >= length)
        return;
    block->text_room = Max(block->text_room * 2, add_size(block->text_used, length));
    block->text = repalloc_huge(block->text, block->text_room);
}

void
rowblock_add(CtrRowBlock *block, CtrRowMap *map)
{
    const int row = block->n;
    double *numbers = block->numbers + (Size)row * block->n_num;
    CtrColumn *columns = map->features + block->n_num;
    const char *bytes;

    if (row == 0)
        block->text_used = 0;
    for (int i = 0; i < block->n_num; i++)
        numbers[i] = row_number(map, &map->features[i]) + 0.0; /* -0 becomes 0 */
    for (int f = 0; f < block->n_cat; f++) {
        const Size cell = (Size)f * block->room + row;
        uint32 length;

        if (!row_category(map, &columns[f], &bytes, &length)) {
            block->lengths[cell] = CTR_NO_CATEGORY;
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
rowblock_full(const CtrRowBlock *block)
{
    return block->n == block->room || (block->n > 0 && block->text_used >= BLOCK_TEXT);
}
