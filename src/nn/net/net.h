/*
 * net.h: a network as a description: its parameters, tensors and layers, and what builds and starts it.
 */
#ifndef NN_NET_H
#define NN_NET_H

#include "nn/nn.h"
#include "nn/pool.h"

/* ------------------------------------------------------------------ configuration */

typedef enum NnArchitecture { NN_DEEPCROSS, NN_FIBINET, NN_DEEPFM, NN_WIDE_DEEP } NnArchitecture;
#define NN_ARCHITECTURES 4
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
    int d_embed; /* all but DeepCross */
    /* FiBiNET */
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

/*
 * [capacity, d] floats at `offset` of the value block and of the gradient block; a view shares its parent's
 * rows
 */
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
typedef struct NnInteractions NnInteractions;

/*
 * What a reader of PyTorch or ONNX knows as one step of the network. A layer stands for one of them or for
 * several: it may join, add or activate in the same pass, and those steps are modules, too. A tensor whose
 * columns are others' outputs (NnTensor.parent) is their concatenation, which takes no module.
 */
typedef struct NnModule {
    const char *kind; /* a layer type's, or "Concat", "Add", "Dropout", "Gating" */
    int input[3];     /* tensors; -1: not used; NN_OF_MODULE(i): what the same layer's module i gives */
    int output;       /* tensor, or -1: only later modules of the same layer read it */
    int d;            /* floats of a row of the output */
    /* parameters that no module before has, one after the other in the net's list */
    int first_param, n_params;
} NnModule;

#define NN_OF_MODULE(i) (-2 - (i))
#define NN_MODULES_MOST 4 /* of a layer */

typedef struct NnLayerType {
    const char *kind; /* as PyTorch names it: "Linear", "BatchNorm1d", "Embedding", … */
    /* y from x for block b, rows [b->row, b->row + b->n) */
    void (*forward)(const NnLayer *l, const NnBlock *b);
    /*
     * dx (+)= and, unless b->grads is NULL, the lane's parameter gradients (+)= from dy; NULL: nothing to do.
     * dx comes before dx2: where x and x2 are the same tensor, dx2_add is set.
     */
    void (*backward)(const NnLayer *l, const NnBlock *b);
    /*
     * For layers that need the whole batch, NULL for the others. In training, forward_stats adds this block's
     * sums to b->stats (this layer's, this lane's, l->n_stats doubles, zeroed before), and forward_merge,
     * called once after all blocks, turns lanes' sums (lane i at stats + i * stride) into l's batch
     * statistics in `batch_stats` (l->n_batch_stats floats) before any block's forward. The same going back.
     */
    void (*forward_stats)(const NnLayer *l, const NnBlock *b);
    void (*forward_merge)(const NnLayer *l, const NnNet *net, const float *params, const double *stats,
                          size_t stride, int lanes, int rows, float *batch_stats);
    void (*backward_stats)(const NnLayer *l, const NnBlock *b);
    void (*backward_merge)(const NnLayer *l, const double *stats, size_t stride, int lanes, int rows,
                           float *batch_stats);
    /*
     * After the backward pass, once: move buffers (running statistics) towards this batch's; may be NULL.
     * mean_first: as NnHyper has it.
     */
    void (*update_buffers)(const NnLayer *l, const NnNet *net, float *params, const float *batch_stats,
                           int rows, bool mean_first);
    /*
     * For scoring: moves this layer into the linear layer before it, whose parameters are `weight` [d, d_in]
     * and `bias` [d], in `fused`, a copy of the dense parameters: of their d rows, row r. Afterwards forward
     * sees b->fused. NULL: cannot.
     */
    void (*fuse)(const NnLayer *l, const NnNet *net, const float *params, float *fused, int weight, int bias,
                 int r);
    /* Writes the layer's modules, in order; returns how many. NULL: it is one, see layer_module. */
    int (*describe)(const NnLayer *l, const NnNet *net, NnModule *modules);
    /*
     * For layers that multiply inputs with one another, NULL for the others: adds all pairs of columns, see
     * interactions.h. interact_first: they are columns of the layer's second input, the net's first tensor.
     */
    void (*interact)(const NnLayer *l, const NnNet *net, NnInteractions *all);
    bool interact_first;
} NnLayerType;

struct NnLayer {
    const NnLayerType *type;
    char name[NN_MAX_NAME]; /* module path in the state_dict: "mlp.mlp.0" */
    int x, x2, y;           /* tensors; x2, a second input, is -1 where not used */
    bool dx_add; /* dx += instead of dx =: another layer that comes later also reads x (set by net_finish) */
    bool dx2_add;
    int param[8]; /* parameters, in the type's own order; -1 = none */
    int size[6];  /* sizes, in the type's own order */
    /* parameters W [d, …] and b [d] of a layer that ends with y = … W' + b; -1 = it does not. For `fuse`. */
    int linear_weight, linear_bias;
    float rate;                              /* dropout probability */
    int saved[6];                            /* tensors kept for the backward pass; -1 = none */
    int n_stats;                             /* doubles per lane */
    int n_batch_stats;                       /* floats */
    size_t stats_offset, batch_stats_offset; /* set by net_finish */
    size_t scratch;                          /* floats per worker; b->scratch has at least so many */
};

/* A field's lookup: y[r, :] (+)= table[row_offset + code, :]. The executor and Adam walk this list. */
typedef struct NnLookup {
    int field;          /* index of the category field */
    int param;          /* the table's parameter */
    int64_t row_offset; /* first row of this field in the table */
    int rows;           /* rows of this field */
    int d;              /* width of a table row */
    int y;              /* tensor written (or added to); its gradient is the looked-up row's, too */
    int column;         /* first one in an input row (infer/gradients.h); set by net_finish */
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
    int x_num;            /* tensor [B, n_num] of the numerical inputs; -1: there are none */
    int attention;        /* tensor [B, fields] of the SENet's attention; -1: there is none */
    int d_input;          /* floats of an input row (infer/gradients.h) */
    int output;           /* tensor [B, n_classes] of the logits */
    size_t n_dense;       /* floats of the dense part, which comes first */
    size_t n_trained;     /* floats of dense + tables */
    size_t n_block;       /* floats of the whole parameter block */
    size_t row_floats;    /* floats of all root tensors, per row */
    size_t n_stats;       /* doubles per lane, all layers */
    size_t n_batch_stats; /* floats, all layers */
    size_t scratch;       /* floats per worker, the largest layer's */
    int *init_tasks;      /* [n_params + 1] of net_init: each parameter's first one, see tasks.h */
    NnLayer spare;        /* what net_layer returns after a failure, so that callers need not look */
};

/* What a layer function gets: one block of rows of one batch, and where everything lies. */
struct NnBlock {
    const NnNet *net;
    const float *params;  /* the parameter block; a scorer's has only the dense part */
    const float *tables;  /* the parameter block, for tables */
    float *grads;         /* this lane's dense gradients, at the parameters' offsets; NULL: not wanted */
    float *values;        /* tensors */
    float *dvalues;       /* gradients of tensors; NULL outside training */
    size_t capacity;      /* rows for which the tensors have room */
    const float *x_num;   /* [B, n_num] */
    const int32_t *x_cat; /* [n_cat, ld_cat]: a field's codes lie together */
    size_t ld_cat;
    const float *inputs; /* [B, d_input] in place of x_num and the rows of tables that x_cat names; or NULL */
    int row, n;          /* the block's rows in the batch */
    bool first;          /* of its lane: what NnParam.grad_set is for */
    bool train;
    bool fused; /* scoring: batch normalisation is already in the linear layer before it: copy x to y */
    const float *const *transposed; /* scoring: transposed weights by parameter, see matvec.c; NULL: none */
    uint64_t key;                   /* of this step and net: with row and column it gives a dropout's coin */
    double *stats;                  /* this lane's, all layers: a layer's own start at l->stats_offset */
    const float *batch_stats;       /* all layers: a layer's own start at l->batch_stats_offset */
    float *scratch;                 /* this worker's */
};

static inline const float *
block_param(const NnBlock *b, int param)
{
    return b->params + b->net->params[param].offset;
}

/* NULL where parameter gradients are not wanted */
static inline float *
block_grad(const NnBlock *b, int param)
{
    return b->grads ? b->grads + b->net->params[param].offset : NULL;
}

/* a parameter as a matrix, whose columns are its last dimension; and its gradient */
static inline NnRowsIn
block_weight(const NnBlock *b, int param)
{
    const NnParam *p = &b->net->params[param];

    return rows_in(b->params + p->offset, (int)p->shape[p->ndim - 1]);
}

static inline NnRows
block_weight_grad(const NnBlock *b, int param)
{
    const NnParam *p = &b->net->params[param];

    return rows_of(block_grad(b, param), (int)p->shape[p->ndim - 1]);
}

/* the block's input rows, from `column` on */
static inline NnRowsIn
block_inputs(const NnBlock *b, int column)
{
    return rows_in_part(rows_in(b->inputs, b->net->d_input), b->row, column);
}

/* offset of row `row` of a tensor, in floats, in the value (or gradient) block */
static inline size_t
tensor_at(const NnNet *net, int tensor, size_t capacity, size_t row)
{
    const NnTensor *t = &net->tensors[tensor];
    return t->offset * capacity + row * (size_t)t->ld + (size_t)t->column;
}

/* the block's rows of a tensor, and of its gradient */
static inline NnRows
block_value(const NnBlock *b, int tensor)
{
    return rows_of(b->values + tensor_at(b->net, tensor, b->capacity, (size_t)b->row),
                   b->net->tensors[tensor].ld);
}

static inline NnRows
block_dvalue(const NnBlock *b, int tensor)
{
    return rows_of(b->dvalues + tensor_at(b->net, tensor, b->capacity, (size_t)b->row),
                   b->net->tensors[tensor].ld);
}

/* ------------------------------------------------------------------ net.c: building and describing */

/*
 * An empty net, to which an architecture appends its layers before net_finish. NN_BAD_CONFIG when it has no
 * inputs.
 */
NnStatus net_begin(NnNet *net, const NnConfig *config, NnAlloc alloc);

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
/* init.c: how net_init's work is cut, for net_finish */
void net_plan_init(NnNet *net);

/*
 * Writes a freshly initialised block (all kinds of parameters; zeroed before, for what lies between them).
 * The same seed gives the same bits. embedding_init > 0: tables are drawn from N(0, embedding_init) instead
 * of the architecture's own distribution. pool: shares the work and can be interrupted; NULL: neither.
 */
NnStatus net_init(const NnNet *net, float *params, float embedding_init, uint64_t seed, NnPool *pool);

/*
 * transfer.c: parameters of `old` into `params`, which net_init has filled. Both nets have the same options
 * and inputs; net's fields may have more categories. New table rows start from their field's row `unseen`.
 */
void net_take_over(const NnNet *net, float *params, const NnNet *old, const float *old_params, int unseen,
                   NnPause pause);

/* the parameter's index, or -1 */
int net_find_param(const NnNet *net, const char *name);
/*
 * The first parameter with a number that no training can leave there: one that is not finite, a variance
 * below 0, or a count of steps that is not 0 … NN_STEPS_MOST. -1: there is none.
 */
int net_find_unsound(const NnNet *net, const float *params, NnPause pause);

/* ------------------------------------------------------------------ describe.c */

/* The layer as one module, which has the parameters of l->param from the first on as far as they follow. */
NnModule layer_module(const NnLayer *l, const NnNet *net);
/* the layer's modules [NN_MODULES_MOST]; returns how many */
int layer_describe(const NnLayer *l, const NnNet *net, NnModule *modules);
/* numbers that are trained */
int64_t module_params(const NnModule *module, const NnNet *net);

/* ------------------------------------------------------------------ block.c: a block through the layers */

/* layers from, …, to - 1 */
void block_forward(const NnBlock *b, int from, int to);
/* layers from - 1, …, to */
void block_backward(const NnBlock *b, int from, int to);
/* Before the block's backward pass: gradients of tensors to which all readers add. */
void block_zero_gradients(const NnBlock *b);

/* ------------------------------------------------------------------ matvec.c, and helpers of layers */

/*
 * y [n, d_out] (+)= x [n, d_in] W^T, where W is columns column .. column + d_in of the parameter, a weight of
 * d_out rows
 */
void weight_product(const NnBlock *b, NnRows y, NnRowsIn x, int param, int column, int d_in, int d_out,
                    bool add);
/*
 * The transposed copy by which weight_product multiplies a single row: its floats (0: none is worth it), and
 * its making.
 */
size_t transposed_floats(const NnParam *p);
void transpose_weight(float *transposed, const NnParam *p, const float *weight, NnPause pause);

static inline int
tensor_width(const NnNet *net, int tensor)
{
    return tensor < 0 ? 0 : net->tensors[tensor].d;
}

#endif /* NN_NET_H */
