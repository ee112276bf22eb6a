/*
 * ctr.h: the bottom of the PostgreSQL side: settings, and memory for the engine. The arithmetic is in nn/
 * (nn/nn.h); in the folders above, rows become features, memory contexts own things, interrupts are served,
 * and the model is a value.
 *
 * One row's way through the folders
 *   ctr_train     record -> rows/row.c (its columns) -> rows/rowblock.c -> encode/categories.c (provisional
 *                 numbers) -> train/dataset.c (stored, spilled) -> at the end: encode/encoder.c ->
 *                 train/fit.c, nn/train/trainer.c -> model/pack.c (one safetensors file)
 *   ctr_predict   ctr_model -> model/cache.c (unpacked once per backend) -> rows/row.c -> encode/encoder.c ->
 *                 nn/infer/scorer.c (score/predict_columns.c: the planner may hand over the record's columns)
 *   threads.c     the only place where threads meet PostgreSQL; the engine's own are in nn/pool.c
 *
 * Structs by lifetime
 *   CtrModel    a memory context of its own: in the cache, or for the length of one call
 *   CtrEncoder  part of a CtrModel, or of a training under way
 *   CtrRowMap   one query: the row type that a call site sees, looked up once
 *   CtrDataset  one training
 */
#ifndef CTR_H
#define CTR_H

#include "postgres.h"

#include "fmgr.h"
#include "utils/memutils.h"

#include "compat.h"
#include "nn/nn.h"

#define CTR_VERSION        "0.1.0"
#define CTR_FORMAT_VERSION 2 /* of the model's bytes */

/* ------------------------------------------------------------------ ctr.c: settings, memory for nn/ */

extern int ctr_threads;             /* 0 = one per core */
extern int ctr_max_threads;         /* 0 = the cores */
extern int ctr_model_cache_size;    /* kB */
extern int ctr_shared_model_memory; /* kB; 0 = off */
extern bool ctr_block_scoring;
/* Once, when the library is loaded. */
void ctr_define_settings(void);
/* set by model/cache.c: called when ctr.model_cache_size changes; raises no error */
extern void (*ctr_model_cache_resized)(int kilobytes);

/*
 * Asks the system for large pages; call it before the memory is touched. There are then fewer pages to
 * hand out, and random reads miss the address translation cache less often. It is only a hint, and ignores
 * small pieces.
 */
void ctr_huge_pages(void *memory, Size size);
/* An NnAlloc over a memory context: memory is zeroed and 64-byte aligned; NULL if there is none left. */
NnAlloc ctr_nn_alloc(MemoryContext context);
/*
 * The same without zeroes: what is never touched may never take memory. For what is written before it is
 * read.
 */
NnAlloc ctr_nn_alloc_untouched(MemoryContext context);
/* Serves interrupts: the NnPause that the engine calls. Raises the error that ends the query. */
void ctr_pause(void);
/* The same for loops over millions of small items: does so once in 65536 values of i. */
static inline void
ctr_pause_at(int64 i)
{
    if ((i & 0xffff) == 0)
        ctr_pause();
}

/* memcpy, in pieces between which interrupts are served */
void ctr_copy(void *to, const void *from, Size n);
/*
 * Raises the error for an NnStatus other than NN_OK; `doing` completes the message "could not …". For
 * NN_INTERRUPTED it serves interrupts.
 */
void ctr_check_status(NnStatus status, const char *doing);

#endif /* CTR_H */
