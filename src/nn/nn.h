/*
 * nn.h: the engine that trains and runs click-through-rate networks. It knows no PostgreSQL.
 *
 * Glossary
 *   B          rows of a batch               n      rows of a block (at most NN_BLOCK of one batch)
 *   d          width of a tensor             ld     floats from one row of a tensor to the next
 *   field      one input column              code   a category's row in its field's table, 0 .. categories-1
 *   table      an embedding's weights, one row per category; only rows of a batch are read in a step
 *   dense      every other trained parameter buffer a parameter that is saved but not trained (running mean)
 *   logit      what the network says before the sigmoid (one class) or the softmax (several)
 *
 * How it is built
 *   1. An architecture (deepcross.c, fibinet.c) appends layers to an NnNet. Each layer names its input and output
 *      tensors and its parameters; both are only descriptions: (name, shape, offset).
 *   2. net_finish() gives every parameter its offset in ONE block of floats: dense, then tables, then buffers.
 *      Saving, loading, Adam, counting and checking are single loops over that table.
 *   3. A layer's type is a row of functions over a block of rows. The executor (net.c) cuts the batch into blocks
 *      and gives them to the threads; where a layer needs the whole batch (batch normalisation) it waits for all.
 *
 * Same bits for any number of threads
 *   A batch is always cut into the same lanes (at most NN_LANES, contiguous) and a lane into the same blocks,
 *   whatever the number of threads. A lane has its own gradients and sums, added up in lane order afterwards.
 *
 * Memory
 *   All memory comes from the caller's NnAlloc, before the first step; nothing is freed one by one.
 *   Errors are returned (NnStatus). Worker threads touch only this memory.
 */
#ifndef NN_H
#define NN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NN_BLOCK                                                                                             \
    256 /* rows that one layer function sees: few, so that what it wrote is still in a near cache */
#define NN_LANES      8  /* gradient accumulators; more would allow more threads and cost more additions */
#define NN_LANE_ROWS  64 /* a lane has at least so many rows: tiny batches are not worth cutting */
#define NN_MAX_MLP    16
#define NN_STEPS_MOST INT64_C(0x1FFFFFFFFFFFFF) /* that a saved count of steps can say: 2^53 - 1 */
#define NN_MAX_NAME   96
#define NN_ALIGN      16 /* floats; every parameter and tensor starts on a cache line */

/*
 * A function of element-wise loops, compiled for the widest vectors that the CPU may have and chosen when the library
 * is loaded. Sanitizers start after such choices are made, so they get the plain version. "fma" alone, which older
 * compilers must do with, has no vectors of eight integers, and loops with a few integers then get half as wide.
 */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) &&     \
    !defined(__SANITIZE_THREAD__)
#if __GNUC__ >= 12
#define NN_KERNEL __attribute__((target_clones("avx512f", "arch=x86-64-v3", "default")))
#else
#define NN_KERNEL __attribute__((target_clones("avx512f", "fma", "default")))
#endif
#else
#define NN_KERNEL
#endif

typedef enum NnStatus {
    NN_OK,
    NN_INTERRUPTED, /* the caller's interrupt said so; the same call goes on */
    NN_NO_MEMORY,
    NN_NO_BLAS, /* see blas_error() */
    NN_BAD_CONFIG
} NnStatus;

/* Returns zeroed memory aligned to 64 bytes, or NULL. Freed by its owner as a whole. */
typedef struct NnAlloc {
    void *(*alloc)(void *owner, size_t size);
    void *owner;
} NnAlloc;

/*
 * Called by long work of the caller's own thread every few milliseconds, where all memory is as its owner may free
 * it: so it may never return. NULL: nobody waits.
 */
typedef void (*NnPause)(void);

/* ------------------------------------------------------------------ configuration */

typedef enum NnArchitecture { NN_DEEPCROSS, NN_FIBINET } NnArchitecture;
typedef enum NnCrossType { NN_CROSS_MATRIX, NN_CROSS_VECTOR, NN_CROSS_MIX } NnCrossType;
typedef enum NnBilinearType { NN_FIELD_INTERACTION, NN_FIELD_EACH, NN_FIELD_ALL } NnBilinearType;

typedef struct NnConfig {
    NnArchitecture architecture;
    int n_classes; /* 1: sigmoid, else softmax */
    int n_mlp;
    int mlp_layers[NN_MAX_MLP];
    float mlp_dropout;
    /* DeepCross */
    NnCrossType cross_type;
    int n_cross, low_rank, n_experts, d_embed_max;
    bool stacked;
    /* FiBiNET */
    int d_embed;
    double reduction_ratio; /* float8: its quotient is truncated, as in the reference */
    NnBilinearType bilinear_type;
    /* inputs */
    int n_num;             /* numerical fields */
    int n_cat;             /* category fields */
    const int *categories; /* [n_cat] rows of each field's table; must outlive the net */
} NnConfig;

/* ------------------------------------------------------------------ parameters and tensors: descriptions */

typedef enum NnParamKind { NN_DENSE, NN_TABLE, NN_BUFFER } NnParamKind;
typedef enum NnDtype { NN_F32, NN_I64 } NnDtype; /* I64 only for buffers */
/* NN_OFFSETS: an I64 buffer [n_cat], the first row of each category field in a table of all of them */
typedef enum NnInit { NN_ZERO, NN_ONE, NN_UNIFORM, NN_NORMAL, NN_OFFSETS } NnInit;

typedef struct NnParam {
    char name[NN_MAX_NAME]; /* the state_dict name */
    NnParamKind kind;
    NnDtype dtype;
    int ndim; /* 0 .. 3 */
    int64_t shape[3];
    size_t count;  /* elements */
    size_t offset; /* floats from the start of the block, a multiple of NN_ALIGN */
    NnInit init;
    float init_scale; /* uniform: half width; normal: standard deviation */
    bool variance;    /* never below 0 */
    bool grad_set; /* a lane's first block sets its gradient, the others add to it: nobody clears it before */
} NnParam;

/* [capacity, d] floats at `offset` of the value block and of the gradient block; a view shares its parent's rows */
typedef struct NnTensor {
    int d, ld;
    int parent;    /* tensor whose columns this one is, or -1 */
    int column;    /* first column in the parent */
    size_t offset; /* floats per row before this tensor: row r of a root is at (offset * capacity) + r * ld */
    bool dzero;    /* its gradient starts at zero, because its readers do not all read the same columns */
} NnTensor;

/* ------------------------------------------------------------------ layers */

typedef struct NnNet NnNet;
typedef struct NnLayer NnLayer;
typedef struct NnBlock NnBlock;
typedef struct NnPool NnPool;

typedef struct NnLayerType {
    const char *kind; /* as PyTorch names it: "Linear", "BatchNorm1d", "Embedding", … */
    /* y from x for block b, rows [b->row, b->row + b->n) */
    void (*forward)(const NnLayer *l, const NnBlock *b);
    /*
     * dx (+)= and the lane's parameter gradients (+)= from dy; NULL: nothing to do. dx comes before dx0: where x and x0
     * are the same tensor, dx0_add is set.
     */
    void (*backward)(const NnLayer *l, const NnBlock *b);
    /*
     * For layers that need the whole batch, NULL for the others. In training, forward_stats adds this block's
     * sums to b->stats (this layer's, this lane's, l->n_stats doubles, zeroed before), and forward_merge, called
     * once after all blocks, turns lanes' sums (lane i at stats + i * stride) into l's batch statistics in
     * `merged` (l->n_merged floats) before any block's forward. The same going back.
     */
    void (*forward_stats)(const NnLayer *l, const NnBlock *b);
    void (*forward_merge)(const NnLayer *l, const NnNet *net, const float *params, const double *stats,
                          size_t stride, int lanes, int rows, float *merged);
    void (*backward_stats)(const NnLayer *l, const NnBlock *b);
    void (*backward_merge)(const NnLayer *l, const double *stats, size_t stride, int lanes, int rows,
                           float *merged);
    /*
     * After the backward pass, once: move buffers (running statistics) towards this batch's; may be NULL. mean_first: as
     * NnHyper has it.
     */
    void (*update_buffers)(const NnLayer *l, const NnNet *net, float *params, const float *merged, int rows,
                           bool mean_first);
    /*
     * For scoring: moves this layer into the linear layer before it, whose parameters are `weight` [d, d_in] and
     * `bias` [d], in `folded`, a copy of the dense parameters: of their d rows, row r. Afterwards forward sees
     * b->folded. NULL: cannot.
     */
    void (*fold)(const NnLayer *l, const NnNet *net, const float *params, float *folded, int weight, int bias,
                 int r);
} NnLayerType;

struct NnLayer {
    const NnLayerType *type;
    char name[NN_MAX_NAME]; /* module path in the state_dict: "mlp.mlp.0" */
    int x, x0, y; /* tensors; x0, a second input (crosses: the first level's), is -1 where not used */
    bool dx_add;  /* dx += instead of dx =: another layer that comes later also reads x (set by net_finish) */
    bool dx0_add;
    int param[8]; /* parameters, in the type's own order; -1 = none */
    int size[6];  /* sizes, in the type's own order */
    /* parameters W [d, …] and b [d] of a layer that ends with y = … W' + b; -1 = it does not. For `fold`. */
    int linear_weight, linear_bias;
    float rate;                         /* dropout probability */
    int saved[6];                       /* tensors kept for the backward pass; -1 = none */
    int n_stats;                        /* doubles per lane */
    int n_merged;                       /* floats */
    size_t stats_offset, merged_offset; /* set by net_finish */
    size_t scratch;                     /* floats per worker; b->scratch has at least so many */
};

/* A field's lookup: y[r, :] (+)= table[row_offset + code, :]. The executor and Adam walk this list. */
typedef struct NnLookup {
    int field;          /* index of the category field */
    int param;          /* the table's parameter */
    int64_t row_offset; /* first row of this field in the table */
    int rows;           /* rows of this field */
    int d;              /* width of a table row */
    int y;              /* tensor written (or added to) */
} NnLookup;

struct NnNet {
    NnConfig config;
    NnAlloc alloc;
    NnStatus status; /* the first failure while building; builders do nothing after one */
    NnParam *params;
    int n_params, max_params;
    NnTensor *tensors;
    int n_tensors, max_tensors;
    NnLayer *layers;
    int n_layers, max_layers;
    NnLookup *lookups;
    int n_lookups, max_lookups;
    int logits;        /* tensor [B, n_classes] */
    size_t n_dense;    /* floats of the dense part, which comes first */
    size_t n_trained;  /* floats of dense + tables */
    size_t n_block;    /* floats of the whole parameter block */
    size_t row_floats; /* floats of all root tensors, per row */
    size_t n_stats;    /* doubles per lane, all layers */
    size_t n_merged;   /* floats, all layers */
    size_t scratch;    /* floats per worker, the largest layer's */
    int *init_tasks;   /* [n_params + 1] of net_init: each parameter's first one, see tasks.h */
    NnLayer spare;     /* what net_layer returns after a failure, so that callers need not look */
};

/* What a layer function gets: one block of rows of one batch, and where everything lies. */
struct NnBlock {
    const NnNet *net;
    const float *params;  /* the parameter block; a scorer's has only the dense part */
    const float *tables;  /* the parameter block, for tables */
    float *grads;         /* this lane's dense gradients, at the parameters' offsets; NULL outside training */
    float *values;        /* tensors */
    float *dvalues;       /* gradients of tensors; NULL outside training */
    size_t capacity;      /* rows for which the tensors have room */
    const float *x_num;   /* [B, n_num] */
    const int32_t *x_cat; /* [n_cat, ld_cat]: a field's codes lie together */
    size_t ld_cat;
    int row, n; /* the block's rows in the batch */
    bool first; /* of its lane: what NnParam.grad_set is for */
    bool train;
    bool folded; /* scoring: batch normalisation is already in the linear layer before it: copy x to y */
    const float *const *transposed; /* scoring: transposed weights by parameter, see matvec.c; NULL: none */
    uint64_t key;                   /* of this step and net: with row and column it gives a dropout's coin */
    double *stats;                  /* this lane's, all layers: a layer's own start at l->stats_offset */
    const float *merged;            /* all layers: a layer's own start at l->merged_offset */
    float *scratch;                 /* this worker's */
};

static inline const float *
block_param(const NnBlock *b, int param)
{
    return b->params + b->net->params[param].offset;
}

static inline float *
block_grad(const NnBlock *b, int param)
{
    return b->grads + b->net->params[param].offset;
}

/* offset of row `row` of a tensor, in floats, in the value (or gradient) block */
static inline size_t
tensor_at(const NnNet *net, int tensor, size_t capacity, size_t row)
{
    const NnTensor *t = &net->tensors[tensor];
    return t->offset * capacity + row * (size_t)t->ld + (size_t)t->column;
}

static inline float *
block_value(const NnBlock *b, int tensor)
{
    return b->values + tensor_at(b->net, tensor, b->capacity, (size_t)b->row);
}

static inline float *
block_dvalue(const NnBlock *b, int tensor)
{
    return b->dvalues + tensor_at(b->net, tensor, b->capacity, (size_t)b->row);
}

/* ------------------------------------------------------------------ net.c: building and describing */

/* Builds the architecture that config names. NN_BAD_CONFIG when it has no inputs. */
NnStatus net_create(NnNet *net, const NnConfig *config, NnAlloc alloc);

/* builders, for architectures and layers; all return an index into the net's lists, and record failures */
int net_tensor(NnNet *net, int d);
int net_view(NnNet *net, int parent, int column, int d);
int net_param(NnNet *net, NnParamKind kind, NnInit init, float init_scale, int ndim, const int64_t *shape,
              const char *name_format, ...) __attribute__((format(printf, 7, 8)));
/* Says that one product of each block makes the parameter's gradient: C = A B, then C += A B. Returns it. */
int net_product_param(NnNet *net, int param);
/* Says that the parameter's numbers are variances. Returns it. */
int net_variance_param(NnNet *net, int param);
NnLayer *net_layer(NnNet *net, const NnLayerType *type, int x, int y, const char *name_format, ...)
    __attribute__((format(printf, 5, 6)));
void net_lookup(NnNet *net, int field, int param, int64_t row_offset, int rows, int d, int y);
void net_finish(NnNet *net);

/*
 * Writes a freshly initialised block (all kinds of parameters; zeroed before, for what lies between them). The same
 * seed gives the same bits. embedding_init > 0: tables are drawn from N(0, embedding_init) instead of the
 * architecture's own distribution. pool: shares the work and can be interrupted; NULL: neither.
 */
NnStatus net_init(const NnNet *net, float *params, float embedding_init, uint64_t seed, NnPool *pool);

/*
 * transfer.c: parameters of `old` into `params`, which net_init has filled. Both nets have the same options and
 * inputs; net's fields may have more categories. New table rows start from their field's row `unseen`.
 */
void net_take_over(const NnNet *net, float *params, const NnNet *old, const float *old_params, int unseen,
                   NnPause pause);

/* the parameter's index, or -1 */
int net_find_param(const NnNet *net, const char *name);
/*
 * The first parameter with a number that no training can leave there: one that is not finite, a variance below 0, or a count
 * of steps that is not 0 … NN_STEPS_MOST. -1: there is none.
 */
int net_find_unsound(const NnNet *net, const float *params, NnPause pause);

/* ------------------------------------------------------------------ layers: builders append and return y */

int net_linear(NnNet *net, int x, int d_out, bool bias, const char *name);
int net_batchnorm(NnNet *net, int x, const char *name);
int net_relu_dropout(NnNet *net, int x, float rate, const char *name); /* in place: returns x */
/* a Linear over the concatenation [x, x0], which is never made */
int net_linear_joint(NnNet *net, int x, int x0, int d_out, const char *name);
/* y += x W^T + bias: joins a wide part to what y holds already */
void net_linear_add(NnNet *net, int x, int y, const char *name);
/* Linear, BatchNorm1d, ReLU, Dropout for each width, under the names <name>.0, <name>.1, <name>.4, … */
int net_mlp(NnNet *net, int x, const int *widths, int n_widths, float dropout, const char *name);
/* the same without the first Linear, <name>.0: x is its output */
int net_mlp_after_linear(NnNet *net, int x, const int *widths, int n_widths, float dropout, const char *name);
int net_cross_vector(NnNet *net, int x0, int n_cross, const char *name);
int net_cross_matrix(NnNet *net, int x0, int n_cross, const char *name);
int net_cross_mix(NnNet *net, int x0, int n_cross, int low_rank, int n_experts, const char *name);
void net_input_numerical(NnNet *net, int y); /* y[:, :] = x_num */
/* y = table[row_offset + code of field]; adds the lookup */
void net_embedding(NnNet *net, int field, int param, int64_t row_offset, int rows, int y, const char *name);
/*
 * y = bias + sum over all category fields of table[offset of field + code], where fields follow each other in the
 * table: FiBiNET's wide part over categories. Adds the lookups. y_add: add to y instead of setting it.
 */
void net_embedding_sum(NnNet *net, int param, int bias, int y, bool y_add, const char *name);
/* y[:, f, :] = x[:, f] * weight[f, :], where y has n_fields * d columns (the first ones of y, if y is wider) */
void net_num_embedding(NnNet *net, int x, int y, int n_fields, int d, const char *name);
/* [B, n_fields, d] to the same shape: every field times its attention */
int net_senet(NnNet *net, int x, int n_fields, double reduction_ratio, const char *name);
/*
 * Linear(flatten([bilinear(x), bilinear(x0)])): the interactions of the plain (x) and the re-weighted (x0) fields
 * and the MLP's first layer in one, because the matrix between them, n_fields * (n_fields - 1) * d columns, is too
 * large to be kept. `linear` names the Linear.
 */
int net_bilinear_linear(NnNet *net, int x, int x0, int n_fields, NnBilinearType type, int d_out,
                        const char *name, const char *linear);

void deepcross_build(NnNet *net);
void fibinet_build(NnNet *net);

/* ------------------------------------------------------------------ blas.c: matrix products, the only caller of BLAS */

/* Before the first gemm(), and in one thread. false: this CPU needs the library, and it cannot be loaded. */
bool gemm_prepare(void);
const char *gemm_kernels(void); /* "AVX2"; NULL: the library's */
/*
 * Row-major. C[m,n] = A[m,k] B[k,n], or += if `add`, with A and B as stored or transposed; k >= 1. By our own
 * kernels where the CPU has what they need, else by the library. In a task of a pool whose run is interrupted, C
 * is left unfinished.
 */
void gemm(bool transpose_a, bool transpose_b, int m, int n, int k, const float *a, int lda, const float *b,
          int ldb, bool add, float *c, int ldc);
/* Loads the library once per process: one thread, the widest kernels, all signals blocked while it loads. */
bool blas_load(void);
const char *blas_error(void); /* why blas_load() failed */
/* the library's own description of itself, and its kernel */
const char *blas_version(void);
/* The same as gemm() by the loaded library: what others are measured against. */
void blas_gemm(bool transpose_a, bool transpose_b, int m, int n, int k, const float *a, int lda,
               const float *b, int ldb, bool add, float *c, int ldc);

/* ------------------------------------------------------------------ pool.c */

typedef void (*NnTask)(void *arg, int task, int worker);

/*
 * threads >= 1, the caller's included. interrupt (may be NULL) is asked before every task, in any thread, whether to end
 * the run.
 */
NnPool *pool_create(NnAlloc alloc, int threads, bool (*interrupt)(void));
int pool_threads(const NnPool *pool);
/* Runs tasks 0 .. n-1 and waits. NN_INTERRUPTED: interrupt said so, and some tasks did not run. */
NnStatus pool_run(NnPool *pool, NnTask task, void *arg, int n, bool interruptible);
/*
 * The same in two halves: between them the caller does something else, while the threads work. Whatever it
 * is, one of pool_end and pool_abandon must follow before the memory goes that the tasks use.
 */
void pool_begin(NnPool *pool, NnTask task, void *arg, int n, bool interruptible);
NnStatus pool_end(NnPool *pool);
/*
 * In place of pool_end, when nobody wants the result: tasks that have not begun are dropped, those at work
 * see pool_interrupted(). Returns when none is at work.
 */
void pool_abandon(NnPool *pool);
/*
 * Abandons what is under way and joins the threads. Must come before the memory goes. Harmless when repeated.
 */
void pool_stop(NnPool *pool);
/* For long tasks of an interruptible run: true = return early, the run's status will be NN_INTERRUPTED. */
bool pool_interrupted(NnPool *pool);
/* The same for code that does not know whose task it is part of, if any. */
bool pool_task_interrupted(void);

/* ------------------------------------------------------------------ rng.c */

typedef struct NnRng {
    uint64_t state[4];
} NnRng;

uint64_t rng_mix(uint64_t x);                              /* one round of splitmix64: a hash of x */
void rng_seed(NnRng *rng, uint64_t seed, uint64_t stream); /* xoshiro256** */
uint64_t rng_next(NnRng *rng);
uint64_t rng_below(NnRng *rng, uint64_t n); /* 0 .. n-1, without bias */
double rng_uniform(NnRng *rng);             /* [0, 1) */
double rng_normal(NnRng *rng);
void rng_shuffle(NnRng *rng, uint32_t *items, size_t n); /* Fisher-Yates */

/* ------------------------------------------------------------------ loss.c */

/*
 * Of one block. Binary (classes = 1): loss = log(1 + exp(z)) - y z, y in [0, 1]. Several: softmax cross-entropy,
 * y = class number. dz = weight * dloss/dz * scale. Returns the sum of weight * loss (without scale).
 */
double loss_forward_backward(float *dz, const float *z, const float *y, const float *weight, int n,
                             int classes, float scale);
double loss_forward(const float *z, const float *y, const float *weight, int n, int classes);

/* Of one scored row, in float8. P(label = 1) of a logit: */
double probability(float logit);
/* p [max(classes, 2)] from logits [classes]; of one class the probabilities of labels 0 and 1 */
void class_probabilities(double *p, const float *logits, int classes);
/* The loss of logits [classes] where label, 0 … max(classes, 2) - 1, is true: however sure they are, it is finite if they are. */
double logit_loss(const float *logits, int classes, int label);
/* whether none of the n logits is infinite or NaN */
bool logits_finite(const float *logits, size_t n);

/* ------------------------------------------------------------------ calibration.c: the last bias */

/* The parameter [n_classes] that is added to the logits. Every architecture has one. */
int net_last_bias(const NnNet *net);
/*
 * bias [classes]: with it alone the network answers the shares of the classes; weights [max(classes, 2)]: of the rows of each
 * class, not all 0. Finite also where a class has none.
 */
void calibration_start(float *bias, const double *weights, int classes);
/*
 * means [max(classes, 2)]: of the predictions, label 0's first, after shift [classes] is added to all logits [n, classes];
 * row_weights [n], not all 0
 */
void calibration_means(double *means, const double *shift, const float *logits, const float *row_weights,
                       int n, int classes);
/*
 * One step of the search for what makes the mean of the predictions the shares of the classes when it is added to all
 * logits. shift [classes]: so far, 0 at first; scratch [max(classes, 2)]; logits and row_weights as above;
 * class_weights [max(classes, 2)] as above. Returns by how much shift has changed, at most: each step brings it closer to its end.
 */
double calibration_step(double *shift, double *scratch, const float *logits, const float *row_weights, int n,
                        int classes, const double *class_weights);

/* ------------------------------------------------------------------ trainer.c: one step and one evaluation */

typedef struct NnBatch {
    int rows;
    const float *x_num;   /* [rows, n_num] */
    const int32_t *x_cat; /* [n_cat, ld_cat] */
    size_t ld_cat;
    const float *label;  /* [rows] */
    const float *weight; /* [rows], or NULL: all 1 */
    double mean_weight;  /* of all training rows; where `weight` is NULL it is not read */
} NnBatch;

typedef struct NnHyper {
    float weight_decay;    /* L2 on dense parameters */
    float embedding_decay; /* L2 on tables, also on the rows that a batch does not touch */
    float beta1, beta2, epsilon;
    float clip_norm; /* largest norm of the whole gradient; 0 = no clipping */
    /*
     * Running statistics are the plain mean of the first batches' until it forgets as slowly as the exponential one. Else that
     * starts from 0 and 1, as PyTorch's does, of which much is left after few steps.
     */
    bool mean_first;
    uint64_t seed;
} NnHyper;

typedef struct NnTrainer NnTrainer;

/* bytes that trainer_create will ask for */
size_t trainer_size(const NnNet *net, int batch_size, int threads);
/* params: the block to train, net->n_block floats, owned by the caller, initialised */
NnStatus trainer_create(NnTrainer **trainer, const NnNet *net, float *params, const NnHyper *hyper,
                        int batch_size, NnPool *pool, NnAlloc alloc);
/*
 * One Adam step along the gradient of: sum over rows of weight * loss / (rows * mean_weight). A row counts as its weight says, not as
 * those that it happens to be with. loss: sum over rows of weight * loss; logits: [rows, n_classes], may be NULL.
 * NN_INTERRUPTED: not all of it is done, call again with the same arguments before any other function.
 */
NnStatus trainer_step(NnTrainer *t, const NnBatch *batch, float learning_rate, double *loss, float *logits);
/*
 * Replays on table rows the steps that did not touch them, so that the block equals what dense Adam would give.
 * Needed before the block is read as a whole (evaluation, saving). Can be interrupted and called again.
 */
NnStatus trainer_sync(NnTrainer *t);
/* Forward pass in evaluation mode over any number of rows <= batch_size. */
NnStatus trainer_evaluate(NnTrainer *t, const NnBatch *batch, double *loss, float *logits);
int64_t trainer_steps(const NnTrainer *t);

/* for tests: forward and backward in training mode without an update; grads [n_trained], tables included, dense */
NnStatus trainer_gradients(NnTrainer *t, const NnBatch *batch, double *loss, float *logits, float *grads);

/* ------------------------------------------------------------------ scorer.c: a trained net, ready to score */

typedef struct NnScorer NnScorer;

size_t scorer_size(const NnNet *net, int capacity);
/* params must outlive it. Batch normalisation is folded into the linear layers before it. */
NnStatus scorer_create(NnScorer **scorer, const NnNet *net, const float *params, int capacity, NnAlloc alloc,
                       NnPause pause);
/*
 * Makes *copy (NULL: takes memory for it) a scorer of the same weights with room of its own, for another thread. Its room
 * serves any scorer of a net of the same shape; its weights are the original's, which must outlive it.
 */
NnStatus scorer_share(NnScorer **copy, const NnScorer *scorer, NnAlloc alloc);
/*
 * rows <= capacity; logits [rows, n_classes], of which weights that are too large may make some infinite or NaN. No allocation,
 * one thread.
 */
void scorer_run(NnScorer *s, const float *x_num, const int32_t *x_cat, size_t ld_cat, int rows,
                float *logits);

/* ------------------------------------------------------------------ transform.c: numerical columns */

typedef enum NnTransformKind { NN_QUANTILE, NN_STANDARD, NN_LOG, NN_NONE } NnTransformKind;

#define NN_QUANTILES      1000
#define NN_LARGEST        1e140 /* training numbers beyond count as infinite, so that no sum of squares overflows */
#define NN_SAMPLES        32
#define NN_SAMPLE_STRETCH 32 /* quantiles for each sample; so the last sample lies beyond the last quantile */

/* Fitted on one column. Everything in float8 until the result. */
typedef struct NnTransform {
    NnTransformKind kind;
    double mean;                /* of the finite values in raw units: what a missing value becomes */
    double low, high;           /* smallest and largest finite training value (after imputation) */
    double shift, scale;        /* standard and log: (f(x) - shift) / scale */
    int n_quantiles;            /* 0 unless kind is NN_QUANTILE */
    const double *quantiles;    /* [n_quantiles] ascending */
    double samples[NN_SAMPLES]; /* the last quantile of every stretch, or infinity: by transform_sample */
} NnTransform;

/* A column's n training values in ascending order: in memory (values), or from a sort that keeps them elsewhere. */
typedef struct NnColumn {
    size_t n;
    const double *values; /* NULL: next and rewind give them */
    size_t position;
    double (*next)(void *source); /* called at most n times after a rewind */
    void (*rewind)(void *source); /* called before the first next, too */
    void *source;
} NnColumn;

/*
 * column: the training values, missing ones and infinities (beyond NN_LARGEST) left out; missing: how many training
 * rows had none. quantiles: room for NN_QUANTILES doubles (may be NULL for other kinds).
 * Equals sklearn's SimpleImputer(mean) followed by QuantileTransformer() / StandardScaler() on the same rows.
 * A column without any value is 0 everywhere.
 */
void transform_fit(NnTransform *t, NnTransformKind kind, NnColumn *column, size_t missing, double *quantiles);
/* Fills samples from the quantiles; transform_fit does so itself. */
void transform_sample(NnTransform *t);
/*
 * NaN is missing. A number beyond the smallest or largest training value, an infinity too, counts as that one: what the
 * network was never shown, it is never asked. The result is always finite.
 */
float transform_apply(const NnTransform *t, double x);
/* the largest absolute value that it gives to a number that is not missing */
double transform_largest(const NnTransform *t);
/* ascending, in place; scratch [n]. Radix sort: linear. No NaN. */
void sort_doubles(double *values, double *scratch, size_t n);

/* ------------------------------------------------------------------ metrics.c */

/* One scored row. */
typedef struct NnScore {
    double score;
    float label, weight;
} NnScore;

/*
 * Area under the ROC curve, ties count half; labels > 0.5 are positive. Exact. Leaves scores in no useful state;
 * scratch [n]. NaN if there is one class only or a score is NaN.
 */
double auc(NnScore *scores, NnScore *scratch, size_t n, NnPause pause);

/*
 * The same over a stream of any length in fixed memory: exact up to NN_AUC_EXACT rows; from then on neighbouring scores
 * share a group, each of no more than some millionths of the positives' and negatives' weights. The area is wrong by less than 1e-5
 * wherever the scores lie, and however close together.
 */
typedef struct NnAuc NnAuc;
#define NN_AUC_EXACT ((size_t)1 << 20)

/* max_rows: the longest stream to expect, for its memory (24 MB at most). NULL when memory is out. */
NnAuc *auc_create(NnAlloc alloc, size_t max_rows);
void auc_reset(NnAuc *a);
void auc_add(NnAuc *a, float score, bool positive, float weight); /* weight >= 0 */
double auc_value(NnAuc *a);              /* NaN as auc(); more rows may be added afterwards */
double log_loss(double p, double label); /* p clipped to [eps, 1 - eps] of float8, as sklearn's log_loss */

/* ------------------------------------------------------------------ evaluation.c: a model's quality on rows */

/* Sums over scored rows; classes = 1 counts as two classes, of label 0 and 1. AUC is not among them: it needs all. */
typedef struct NnEvaluation {
    int classes;
    int64_t rows, correct;
    double loss;         /* sum of log losses */
    double predicted;    /* sum of P(label = 1); classes = 1 only */
    int64_t *class_rows; /* [max(classes, 2)], the caller's */
} NnEvaluation;

/* logits: [classes] of one row, finite */
void evaluation_add(NnEvaluation *e, const float *logits, int label);
void evaluation_merge(NnEvaluation *into, const NnEvaluation *from);
/* of the labels' shares: the log loss of answering nothing but these. weights [max(classes, 2)]: of the rows of each class */
double label_entropy(const double *weights, int classes);
/* loss per row divided by the entropy of the label's own frequencies (He et al. 2014); NaN where that is 0 */
double evaluation_normalized_entropy(const NnEvaluation *e);
/* mean prediction / mean label (classes = 1); NaN without positives */
double evaluation_calibration(const NnEvaluation *e);

/* ------------------------------------------------------------------ schedule.c: steps, learning rate, early stop */

typedef enum NnScheduleKind { NN_CONSTANT, NN_COSINE, NN_PLATEAU } NnScheduleKind;

typedef struct NnSchedule {
    NnScheduleKind kind;
    bool maximize;          /* monitor: AUC up, or loss down */
    double base_rate, rate; /* learning rate at the start, now */
    int patience;           /* epochs without improvement before stopping */
    int epochs;             /* at most */
    double best;            /* of the monitored metric so far */
    int best_epoch;         /* 1-based; 0 = none */
} NnSchedule;

void schedule_init(NnSchedule *s, NnScheduleKind kind, bool maximize, double rate, int patience, int epochs);
/*
 * The rate of the next step; progress: steps done / steps of all epochs, in [0, 1].
 * NN_COSINE: falls from the full rate to 0 along half a cosine wave, without warm-up. NN_PLATEAU: halves after every
 * epoch that did not improve the metric.
 */
double schedule_rate(const NnSchedule *s, double progress);
/*
 * Rows of the next batch of a pass that has `left` rows to come. Where the last batch would have less than half of the rows
 * of a batch, the last two share theirs: batch normalisation would take the few for all.
 */
int schedule_batch_rows(int64_t left, int batch_size);
/* Tells it of an epoch's metric; NaN never is best. Returns whether this epoch is the best so far. */
bool schedule_report(NnSchedule *s, int epoch, double metric);
/* true after the last epoch, and when the last `patience` epochs (0: any number) brought nothing better */
bool schedule_stop(const NnSchedule *s, int epoch);

#endif /* NN_H */
