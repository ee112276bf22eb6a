/*
 * choose_crosses.c: which columns the option "crosses" pairs: those that it names or, where it is 'auto',
 * those for which a sample of the training rows speaks (nn/math/pairs.c); and of which pairs it is worth
 * knowing how often a row's categories occur together.
 */
#include "train/choose.h"

#include "miscadmin.h"

#include "nn/math/pairs.h"
#include "threads.h"

#define CHOSEN_MOST 8

/* the categorical column of this name, which the row map has checked */
static int
column_of_name(const CtrEncoder *encoder, const char *name)
{
    for (int f = 0; f < encoder->n_cat; f++) {
        if (strcmp(encoder->features[encoder->n_num + f].name, name) == 0)
            return f;
    }
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("column \"%s\" is no categorical feature", name)));
}

int
crosses_named(const CtrOptions *options, const CtrEncoder *encoder, CtrCross *crosses)
{
    const CtrCrossOption *option = &options->crosses;

    for (int k = 0; k < option->n; k++) {
        const int a = column_of_name(encoder, option->pairs[k].columns[0]);
        const int b = column_of_name(encoder, option->pairs[k].columns[1]);

        crosses[k] = (CtrCross){{Min(a, b), Max(a, b)}};
    }
    return option->n;
}

static NnPairs *
expect(const NnPairSample *sample, NnPool *pool, int *candidates)
{
    NnPairs *pairs = pairs_create(sample, pool_threads(pool), ctr_nn_alloc(CurrentMemoryContext));

    if (pairs == NULL)
        ctr_check_status(NN_NO_MEMORY, "choose pairs of columns");
    threads_run(pool, pairs_statistic_task, pairs, sample->fields);
    *candidates = pairs_expect(pairs, ctr_pause);
    return pairs;
}

static int
choose(NnPool *pool, NnPairs *pairs, int candidates, CtrCross *crosses)
{
    NnPair chosen[CHOSEN_MOST];
    int n;

    threads_run(pool, pairs_gain_task, pairs, candidates);
    n = pairs_choose(pairs, chosen, CHOSEN_MOST, ctr_pause);
    for (int k = 0; k < n; k++)
        crosses[k] = (CtrCross){{chosen[k].columns[0], chosen[k].columns[1]}};
    return n;
}

static NnPair
pair_of(const CtrCross *cross)
{
    return (NnPair){.columns = {cross->columns[0], cross->columns[1]}};
}

/* Whether the counts of each cross tell something besides. */
static void
judge_counts(const CtrOptions *options, NnPairs *pairs, const CtrCross *crosses, int n, bool *counted)
{
    for (int k = 0; k < n; k++) {
        const NnPair pair = pair_of(&crosses[k]);

        CHECK_FOR_INTERRUPTS();
        counted[k] = options->cross_counts && pairs_count(pairs, &pair) > 0;
    }
}

int
crosses_choose(const CtrOptions *options, const NnPairSample *sample, NnPool *pool, CtrCross *crosses, int n,
               bool *counted)
{
    const bool choosing = options->crosses.kind == CTR_CROSSES_AUTO;
    MemoryContext context, old;
    NnPairs *pairs;
    int candidates;

    if (sample->rows == 0)
        return n;
    context = AllocSetContextCreate(CurrentMemoryContext, "ctr choose pairs", ALLOCSET_DEFAULT_SIZES);
    old = MemoryContextSwitchTo(context);
    pairs = expect(sample, pool, &candidates);
    if (choosing)
        n = choose(pool, pairs, candidates, crosses);
    for (int k = 0; !choosing && k < n; k++) {
        const NnPair pair = pair_of(&crosses[k]);

        CHECK_FOR_INTERRUPTS();
        pairs_take(pairs, &pair);
    }
    judge_counts(options, pairs, crosses, n, counted);
    MemoryContextSwitchTo(old);
    MemoryContextDelete(context);
    return n;
}
