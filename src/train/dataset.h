/* dataset.h: the rows of a training, raw and encoded; private to dataset*.c and roworder.c. */
#ifndef CTR_DATASET_H
#define CTR_DATASET_H

#include "encode/encoder.h"
#include "nn/math/rng.h"
#include "train/choose.h"
#include "train/train.h"

#define DATASET_SCAN_ROWS 256 /* raw rows read at a time */
#define DATASET_WORKING_MEMORY                                                                               \
    ((Size)16 * 1024 *                                                                                       \
     1024) /* for ordering spilled rows, for sorting columns, then for shuffling spilled rows */

/* A raw row: uint64 hash, float8 [n_num], int32 [n_cat] (-1 = NULL), RawTail. */
typedef struct RawTail {
    float label, weight;
    int32 role;
} RawTail;

/* ------------------------------------------------------------------ roworder.c */

#define ROW_PLACE_SIZE 16 /* bytes for each row in memory, while rows are put in order */

/* hashes[first … first + n - 1] of the block's rows, labels included. For threads. */
void rows_hash(const CtrRowBlock *block, const RawTail *tails, int first, int n, uint64 *hashes);
/* the fold of a row of this hash; before: rows of the same hash that come before it */
int row_fold(uint64 hash, uint64 before);
/* Puts the raw rows into the order that is theirs, in whichever they have arrived. */
void rows_order(CtrDataset *ds);

/* ------------------------------------------------------------------ dataset.c */

/* Encoded rows: float4 [row_num], int32 [d_cat], float4 label, float4 weight. */
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
    const CtrEncoder *known;  /* of a model to go on from, which learns new categories; or NULL */
    const CtrEncoder *common; /* a shared encoder, which is taken as it is; or NULL */
    int n_num, n_cat, n_classes;
    int row_num, d_cat; /* once the encoder is fitted: inputs of a row */
    int d_num;          /* the first so many of row_num, which the network reads */
    CtrFeature *features;
    CtrRowBudget *budget;
    /* bytes for all rows; while they arrive the budget is a little smaller, for the first encoded rows */
    Size memory;
    Size raw_size, row_size;
    NnPool *pool;
    CtrRowBlock *block; /* the rows that arrived last */
    RawTail *tails;     /* [block->room] labels, weights and roles of these rows */
    int32 *numbered;    /* [n_cat, block->room] the provisional numbers of their categories */
    uint64 *hashes;     /* [block->room] of all that makes them equal */
    CtrRowStore *raw;
    CtrVocab **seen; /* [n_cat] provisional categories, each in a context of its own */
    MemoryContext *seen_contexts;
    int64 n_chance, n_training; /* rows whose role chance decides; training rows, once roles are known */
    RowSet sets[2];             /* training, validation */
    bool all_train;             /* the rows of both are in the first */
    Pass pass;
    int window_rows;
    int batch_rows;
    float *x_num, *label, *weight;
    int32 *x_cat;
    Size ld_cat;
};

static inline uint64 *
raw_hash(const char *row)
{
    return (uint64 *)row;
}

static inline double *
raw_numbers(const char *row)
{
    return (double *)(row + sizeof(uint64));
}

static inline int32 *
raw_categories(const CtrDataset *ds, const char *row)
{
    return (int32 *)(row + sizeof(uint64) + sizeof(double) * ds->n_num);
}

static inline RawTail *
raw_tail(const CtrDataset *ds, const char *row)
{
    return (RawTail *)(row + sizeof(uint64) + sizeof(double) * ds->n_num + sizeof(int32) * ds->n_cat);
}

/* An encoded row's codes [d_cat], and its label and weight. */
static inline int32 *
row_codes(const CtrDataset *ds, const char *row)
{
    return (int32 *)(row + sizeof(float) * ds->row_num);
}

static inline float *
row_label(const CtrDataset *ds, const char *row)
{
    return (float *)(row + sizeof(float) * ds->row_num + sizeof(int32) * ds->d_cat);
}

void *dataset_allocate(CtrDataset *ds, Size n, Size size);
/* Moves the rows of the block to the raw store. */
void dataset_store_arrived(CtrDataset *ds);

/* ------------------------------------------------------------------ dataset_pass.c */

/* Allocates what passes and batches need, for the larger of the two sets. */
void dataset_prepare_passes(CtrDataset *ds);

/* ------------------------------------------------------------------ dataset_fit.c */

/*
 * Decides what a row is for, one row after the other in their order: the same whenever it is started. Of the
 * `left` rows that chance decides it draws exactly `needed` for validation (Fan, Muller and Rezucha 1962).
 */
typedef struct RowSampler {
    NnRng roles;
    int64 left, needed;
    uint64 hash, equal; /* of the last row, and how many rows of that hash there were */
    int fold, group;    /* of the last row: its fold, and that fold again or NN_FOLD_VALIDATION */
} RowSampler;

void sampler_start(const CtrDataset *ds, RowSampler *sampler);
void sampler_next(const CtrDataset *ds, RowSampler *sampler, const char *row);

/* Reads all raw rows without using them up. */
typedef struct RawScan {
    const CtrDataset *ds;
    RowSampler sampler;
    char *buffer;
    int64 next;
} RawScan;

void raw_scan_start(const CtrDataset *ds, RawScan *scan);
/* the next row, or the next one that trains; NULL: there are none (and the scan's memory is freed) */
const char *raw_scan_next(RawScan *scan);
const char *raw_scan_next_training(RawScan *scan);

/*
 * Fits numbers and categories on the training rows, whatever comes of their pairs and labels; categories that
 * occur min_count times are known. points [n_num]: becomes the columns' points; NULL: not wanted. Returns
 * the codes of the provisional categories, [n_cat][seen], in the current context.
 */
int32 **dataset_fit_columns(CtrDataset *ds, CtrEncoder *encoder, int min_count, NnPoints *points);
/* The same codes by a shared encoder. */
int32 **dataset_common_codes(CtrDataset *ds);

/* What is fitted on the raw rows besides the encoder. */
typedef struct Fitted {
    int32 **codes; /* [n_cat][seen]: the codes of the provisional categories */
    /* [n_statistics][categories][NN_STATISTICS_GROUPS]: statistics for rows of this training */
    float **out_of_fold;
} Fitted;

/* a raw row's codes, x_cat [d_cat], and unless x_num is NULL, how often its pairs occur */
void raw_codes(const CtrDataset *ds, const CtrEncoder *encoder, int32 *const *codes, const char *row,
               float *x_num, int32 *x_cat);
/*
 * Creates the encoder's statistics, still to be fitted, and fills their sums and totals from the rows. codes:
 * as Fitted has them.
 */
void dataset_sum_labels(CtrDataset *ds, CtrEncoder *encoder, int32 *const *codes);
/* zeroed memory in the current context; serves interrupts */
void *dataset_zeroed(Size size);
/* Reads the raw rows and fits the encoder on the training rows. The result lies in the current context. */
Fitted dataset_fit(CtrDataset *ds, CtrEncoder *encoder);

/* ------------------------------------------------------------------ dataset_crosses.c */

/*
 * Decides which columns are paired, once all columns are fitted, and fits the pairs' categories. codes: as
 * Fitted has them.
 */
void dataset_fit_crosses(CtrDataset *ds, CtrEncoder *encoder, int32 *const *codes);
/* Instead, where that is decided: makes the crosses' categories all pairs that occur in the rows. */
void dataset_count_pairs(CtrDataset *ds, CtrEncoder *encoder, int32 *const *codes);

/* ------------------------------------------------------------------ dataset_sample.c */

/* A sample of the training rows, encoded without crosses, in the current context. codes: as in Fitted. */
CtrSample dataset_sample(const CtrDataset *ds, const CtrEncoder *encoder, int32 *const *codes);

#endif /* CTR_DATASET_H */
