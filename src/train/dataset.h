/* dataset.h: the rows of a training, raw and encoded; private to dataset*.c and rowfold.c. */
#ifndef CTR_DATASET_H
#define CTR_DATASET_H

#include "encode/encoder.h"
#include "nn/math/rng.h"
#include "train/train.h"

#define DATASET_SCAN_ROWS 256 /* raw rows read at a time */
#define DATASET_WORKING_MEMORY                                                                               \
    ((Size)16 * 1024 *                                                                                       \
     1024) /* for finding equal rows, for sorting columns, then for shuffling spilled rows */

/* A raw row: float8 [n_num], int32 [n_cat] (-1 = NULL), RawTail. */
typedef struct RawTail {
    float label, weight;
    int16 role;
    int16 fold; /* 0 … NN_STATISTICS_FOLDS - 1; 0 where there are no target statistics */
} RawTail;

/* ------------------------------------------------------------------ rowfold.c */

/* Gives rows their folds as they arrive. */
typedef struct RowFolds RowFolds;

RowFolds *rowfolds_create(MemoryContext context, CtrRowBudget *budget);
/* hashes[first … first + n - 1] of the block's rows, labels included. For threads. */
void rowfolds_hash(const CtrRowBlock *block, const RawTail *tails, int first, int n, uint64 *hashes);
/* The fold of the next row, which has this hash. Rows must be given in the order of their arrival. */
int rowfolds_next(RowFolds *folds, uint64 hash);
void rowfolds_free(RowFolds *folds);

/* ------------------------------------------------------------------ dataset.c */

/* Encoded rows: float4 [d_num], int32 [d_cat], float4 label, float4 weight. */
typedef struct RowSet {
    CtrRowStore *rows;
    int64 *class_rows;     /* [max(n_classes, 2)] */
    double *class_weights; /* [max(n_classes, 2)] */
    double weight;
} RowSet;

/* One pass over a set. */
typedef struct Pass {
    CtrRowStore *rows;
    bool shuffled;
    int64 left; /* rows for the batches to come */
    NnRng rng;
    uint32 *pages; /* [n_pages] in the order of this pass */
    int64 n_pages, next_page;
    uint32 *order; /* [window_rows] rows of the window: in the store, or, when that is spilled, in `window` */
    int n, next;   /* rows in `order`, and how many of them are used */
    char *window;  /* NULL while everything is in memory */
} Pass;

struct CtrDataset {
    MemoryContext context; /* this dataset's own */
    const CtrOptions *options;
    const CtrEncoder *known;
    int n_num, n_cat, d_num, d_cat, n_classes;
    CtrFeature *features;
    CtrRowBudget *budget;
    /* bytes for all rows; while they arrive the budget is a little smaller, for the first encoded rows */
    Size memory;
    Size raw_size, row_size;
    NnPool *pool;
    CtrRowBlock *block; /* the rows that arrived last */
    RawTail *tails;     /* [block->room] labels, weights and roles of these rows */
    int32 *numbered;    /* [n_cat, block->room] the provisional numbers of their categories */
    uint64 *hashes;     /* [block->room] of the values and the label of each: equal rows have equal hashes */
    RowFolds *folds;    /* NULL: there are no target statistics, or all rows have arrived */
    CtrRowStore *raw;
    CtrVocab **seen; /* [n_cat] provisional categories, each in a context of its own */
    MemoryContext *seen_contexts;
    int64 n_chance, n_training; /* rows whose role chance decides; training rows, once roles are known */
    RowSet sets[2];             /* training, validation */
    Pass pass;
    int window_rows;
    int batch_rows;
    float *x_num, *label, *weight;
    int32 *x_cat;
    Size ld_cat;
};

static inline double *
raw_numbers(const char *row)
{
    return (double *)row;
}

static inline int32 *
raw_categories(const CtrDataset *ds, const char *row)
{
    return (int32 *)(row + sizeof(double) * ds->n_num);
}

static inline RawTail *
raw_tail(const CtrDataset *ds, const char *row)
{
    return (RawTail *)(row + sizeof(double) * ds->n_num + sizeof(int32) * ds->n_cat);
}

/* An encoded row's codes [d_cat], and its label and weight. */
static inline int32 *
row_codes(const CtrDataset *ds, const char *row)
{
    return (int32 *)(row + sizeof(float) * ds->d_num);
}

static inline float *
row_label(const CtrDataset *ds, const char *row)
{
    return (float *)(row + sizeof(float) * ds->d_num + sizeof(int32) * ds->d_cat);
}

void *dataset_allocate(CtrDataset *ds, Size n, Size size);
/* Moves the rows of the block to the raw store. */
void dataset_store_arrived(CtrDataset *ds);
/* Frees what dealt out the folds, once all rows have theirs. */
void dataset_close_folds(CtrDataset *ds);

/* ------------------------------------------------------------------ dataset_pass.c */

/* Allocates what passes and batches need, for the larger of the two sets. */
void dataset_prepare_passes(CtrDataset *ds);

/* ------------------------------------------------------------------ dataset_fit.c */

/*
 * Decides for one row after the other, in the order of arrival, whether it trains or validates. It decides
 * the same whenever it is started anew. Of the `left` rows that chance decides, it draws exactly `needed`
 * for validation (Fan, Muller and Rezucha 1962).
 */
typedef struct RoleSampler {
    NnRng roles;
    int64 left, needed;
} RoleSampler;

void roles_start(const CtrDataset *ds, RoleSampler *sampler);
/* the row's group: its fold, or NN_FOLD_VALIDATION */
int roles_next(RoleSampler *sampler, const RawTail *tail);

/* What is fitted on the raw rows besides the encoder. */
typedef struct Fitted {
    int32 **codes; /* [n_cat][seen]: the codes of the provisional categories */
    /* [n_statistics][categories][NN_STATISTICS_GROUPS]: statistics for rows of this training */
    float **out_of_fold;
} Fitted;

/* a raw row's codes, x_cat [d_cat] */
void raw_codes(const CtrDataset *ds, const CtrEncoder *encoder, int32 *const *codes, const char *row,
               int32 *x_cat);
/* Reads the raw rows and fits the encoder on the training rows. The result lies in the current context. */
Fitted dataset_fit(CtrDataset *ds, CtrEncoder *encoder);

#endif /* CTR_DATASET_H */
