/*
 * contexts.c: a kind of memory context that asks malloc for every piece, so that AddressSanitizer knows where
 * it ends and when it was freed. Since PostgreSQL 16 nobody outside of it can make another kind of context;
 * an ordinary one is made there, and only errors that leave its blocks are seen.
 */
#include "postgres.h"

#include <sanitizer/asan_interface.h>

#include "lib/ilist.h"
#include "utils/memutils.h"

MemoryContext fuzz_context_create(MemoryContext parent, const char *name);

#if PG_VERSION_NUM >= 160000

MemoryContext
fuzz_context_create(MemoryContext parent, const char *name)
{
    return AllocSetContextCreateInternal(parent, name, ALLOCSET_DEFAULT_SIZES);
}

#else

#include "nodes/memnodes.h"

typedef struct FuzzContext {
    MemoryContextData header;
    dlist_head pieces;
} FuzzContext;

/* What precedes a piece; its last member is where PostgreSQL looks for the context. */
typedef struct Piece {
    dlist_node node;
    Size size;
    MemoryContext context;
} Piece;

#define PIECE_OF(pointer) ((Piece *)(pointer)-1)

static void *
piece_alloc(MemoryContext context, Size size)
{
    Piece *piece = malloc(sizeof(Piece) + size);

    if (piece == NULL)
        return NULL;
    dlist_push_tail(&((FuzzContext *)context)->pieces, &piece->node);
    piece->size = size;
    piece->context = context;
    context->mem_allocated += size;
    ASAN_POISON_MEMORY_REGION(piece, sizeof(Piece));
    return piece + 1;
}

static void
piece_free(MemoryContext context, void *pointer)
{
    Piece *piece = PIECE_OF(pointer);

    ASAN_UNPOISON_MEMORY_REGION(piece, sizeof(Piece));
    context->mem_allocated -= piece->size;
    dlist_delete(&piece->node);
    free(piece);
}

static void *
piece_realloc(MemoryContext context, void *pointer, Size size)
{
    void *result = piece_alloc(context, size);

    if (result == NULL)
        return NULL;
    memcpy(result, pointer, Min(size, PIECE_OF(pointer)->size));
    piece_free(context, pointer);
    return result;
}

static void
context_reset(MemoryContext context)
{
    dlist_mutable_iter i;

    dlist_foreach_modify(i, &((FuzzContext *)context)->pieces)
        piece_free(context, dlist_container(Piece, node, i.cur) + 1);
}

static void
context_delete(MemoryContext context)
{
    context_reset(context);
    free(context);
}

static Size
piece_space(MemoryContext context, void *pointer)
{
    return PIECE_OF(pointer)->size;
}

static bool
context_is_empty(MemoryContext context)
{
    return dlist_is_empty(&((FuzzContext *)context)->pieces);
}

static void
context_stats(MemoryContext context, MemoryStatsPrintFunc print, void *passthru,
              MemoryContextCounters *totals, bool to_stderr)
{
}

static const MemoryContextMethods methods = {.alloc = piece_alloc,
                                             .free_p = piece_free,
                                             .realloc = piece_realloc,
                                             .reset = context_reset,
                                             .delete_context = context_delete,
                                             .get_chunk_space = piece_space,
                                             .is_empty = context_is_empty,
                                             .stats = context_stats};

MemoryContext
fuzz_context_create(MemoryContext parent, const char *name)
{
    FuzzContext *context = malloc(sizeof(FuzzContext));

    dlist_init(&context->pieces);
    MemoryContextCreate(&context->header, T_AllocSetContext, &methods, parent, name);
    return &context->header;
}

#endif
