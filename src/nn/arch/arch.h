/*
 * arch.h: the architectures. A new one is one file that appends layers, one row of registry.c, and its
 * options in options/table.c and model/record.c.
 */
#ifndef NN_ARCH_H
#define NN_ARCH_H

#include "nn/net/net.h"

/* parameters that a network may have for the pairs of its fields: a model's file lists each of them */
#define NN_PAIRS_MOST 750000

/* How the target statistics of category fields become numerical inputs. */
typedef enum NnStatistics {
    NN_STATISTICS_SUM,    /* one input: their sum, the log odds of naive Bayes */
    NN_STATISTIC_OF_EACH, /* one input for each field */
    NN_STATISTICS_BY_SIZE /* one for each field where inputs are few and categories rare, else their sum */
} NnStatistics;

#define NN_INPUTS_FEW 32    /* numbers, statistics and fields that may be paired with one another */
#define NN_ROWS_MANY  10000 /* training rows: fewer do not teach what each statistic weighs */
#define NN_ROWS_EACH  4     /* at most so many of them for each category: categories are rare */

/* What keeps an architecture from a configuration. */
typedef enum NnFaultKind {
    NN_NO_FAULT,
    NN_NO_PAIR,           /* fewer than two fields */
    NN_TOO_MANY_MATRICES, /* one for each pair of fields */
    NN_TOO_MANY_NUMBERS   /* floats of the interactions of all pairs of fields */
} NnFaultKind;

typedef struct NnFault {
    NnFaultKind kind;
    int64_t fields; /* that the configuration has */
    int64_t most;   /* matrices or numbers */
} NnFault;

typedef struct NnArch {
    const char *name; /* as options have it */
    NnStatistics statistics;
    bool crosses_apart; /* pairs of columns are no fields: inputs are their statistics and counts only */
    void (*build)(NnNet *net); /* appends the layers */
    /* NULL: all configurations with an input can be built */
    NnFault (*check)(const NnConfig *config);
    /* for pairs of fields, which may be many more than the fields: parameters that build adds; NULL: none */
    int64_t (*pair_params)(const NnConfig *config);
} NnArch;

const NnArch *nn_arch(NnArchitecture architecture);
/*
 * What is wrong with a configuration that options and inputs allow each by itself; kind NN_NO_FAULT: nothing.
 * Before net_create.
 */
NnFault nn_arch_check(const NnConfig *config);
/* So many parameters at least has the net of a configuration, which need not have passed nn_arch_check. */
int64_t nn_arch_least_params(const NnConfig *config);
/* Builds the architecture that config names. NN_BAD_CONFIG when it has no inputs. */
NnStatus net_create(NnNet *net, const NnConfig *config, NnAlloc alloc);

/* ------------------------------------------------------------------ the architectures, for registry.c */

void deepcross_build(NnNet *net);
void fibinet_build(NnNet *net);
NnFault fibinet_check(const NnConfig *config);
int64_t fibinet_pair_params(const NnConfig *config);
void deepfm_build(NnNet *net);
void wide_deep_build(NnNet *net);

/* ------------------------------------------------------------------ fields.c, for several architectures */

/* [B, n_num]; -1 where there are no numbers */
int fields_numbers(NnNet *net);
/* [B, fields, d_embed]: numerical fields, each a number times a vector of its own, then category fields */
int fields_embeddings(NnNet *net, int numbers);
/* columns column .. column + n_cat * d_embed of x = embeddings of the category fields */
void fields_categories(NnNet *net, int x, int column);
/* output [B, n_classes] += a linear layer over numbers (or -1) and one over categories */
void fields_wide(NnNet *net, int numbers, int output);
/* the MLP over x and the Linear behind it: [B, n_classes] */
int fields_mlp(NnNet *net, int x);

#endif /* NN_ARCH_H */
