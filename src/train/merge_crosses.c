/*
 * merge_crosses.c: which columns are paired, by the parts' samples together, and the pairs of categories that
 * any part has. Both are what all rows in one table would give, but for the rows that each part holds back
 * and the folds of rows that equal rows of other parts.
 */
#include "train/prepare.h"

#include "encode/encoder.h"
#include "threads.h"
#include "train/choose.h"

/* ------------------------------------------------------------------ samples */

/* Does row i of a come before row j of b? Equal rows are told apart as where rows are ordered. */
static bool
comes_first(const CtrSample *a, int i, const CtrSample *b, int j)
{
    if (a->hashes[i] != b->hashes[j])
        return a->hashes[i] < b->hashes[j];
    return a->rows.weight[i] <= b->rows.weight[j];
}

static void
copy_row(CtrSample *to, const CtrSample *from, int i)
{
    const int at = to->rows.rows++;

    to->hashes[at] = from->hashes[i];
    to->rows.label[at] = from->rows.label[i];
    to->rows.weight[at] = from->rows.weight[i];
    to->rows.fold[at] = from->rows.fold[i];
    for (int f = 0; f < to->rows.fields; f++)
        to->rows.codes[f][at] = from->rows.codes[f][i];
}

/* The first rows of both, as many as there is room for. */
static void
merge_two(CtrSample *to, const CtrSample *a, const CtrSample *b, int most)
{
    for (int i = 0, j = 0; to->rows.rows < most && (i < a->rows.rows || j < b->rows.rows);) {
        ctr_pause_at(to->rows.rows);
        if (j == b->rows.rows || (i < a->rows.rows && comes_first(a, i, b, j)))
            copy_row(to, a, i++);
        else
            copy_row(to, b, j++);
    }
}

/* The parts' samples as one; *all: the first part. */
static CtrSample
sample_of(const CtrParts *parts, CtrModel **all, MemoryContext context)
{
    CtrModel *first = *all = parts_unpack(parts, 0, context);
    const int most = sample_rows_most(first->encoder);
    CtrSample now = sample_create(first->encoder, most), next = sample_create(first->encoder, most);

    merge_two(&now, &first->prepared.sample, &next, most);
    for (int i = 1; i < parts->n; i++) {
        CtrModel *part = parts_unpack(parts, i, context);
        const CtrSample before = now;

        parts_check_same(first, part);
        parts_check_encoder(parts->values[0], parts->values[i], first->stage);
        next.rows.rows = 0;
        merge_two(&next, &before, &part->prepared.sample, most);
        now = next;
        next = before;
        MemoryContextDelete(part->context);
    }
    return now;
}

CtrModel *
merge_samples(const CtrParts *parts, MemoryContext context)
{
    CtrModel *all;
    const CtrSample sample = sample_of(parts, &all, context);
    NnPool *pool = threads_create_pool(context, threads_count(all->options.threads));
    CtrCross crosses[CTR_CROSSES_MOST];
    bool counted[CTR_CROSSES_MOST] = {false};
    int n = crosses_named(&all->options, all->encoder, crosses);

    n = crosses_choose(&all->options, &sample.rows, pool, crosses, n, counted);
    encoder_await_pairs(all->encoder, &all->options, crosses, n, counted);
    all->stage = CTR_STAGE_COMMON_CROSSES;
    return all;
}

/* ------------------------------------------------------------------ pairs of categories */

static void
add_pairs(CtrUnion *pairs, const CtrEncoder *encoder)
{
    for (int k = 0; k < encoder->n_crosses; k++) {
        const int v = encoder->n_cat + k;

        union_add(&pairs[k], encoder->vocabs[v], encoder->frequencies[v], encoder->pair_rows[k]);
    }
}

static void
fit_pairs(CtrModel *all, const CtrUnion *pairs)
{
    CtrEncoder *encoder = all->encoder;
    int64 rare = 0;

    encoder->n_counted = 0;
    for (int k = 0; k < encoder->n_crosses; k++) {
        const bool counted = encoder->pair_rows[k] != NULL;

        encoder->pair_rows[k] = NULL;
        encoder_fit_cross(encoder, k, &(CtrPairs){pairs[k].seen, pairs[k].counts, pairs[k].rows},
                          &all->options, counted, NULL, &rare);
    }
    encoder_widths(encoder, &all->options);
}

CtrModel *
merge_pairs(const CtrParts *parts, MemoryContext context)
{
    CtrModel *all = parts_unpack(parts, 0, context);
    CtrUnion *pairs = palloc(sizeof(CtrUnion) * all->encoder->n_crosses);

    for (int k = 0; k < all->encoder->n_crosses; k++)
        pairs[k] = union_create(context);
    add_pairs(pairs, all->encoder);
    for (int i = 1; i < parts->n; i++) {
        CtrModel *part = parts_unpack(parts, i, context);

        parts_check_same(all, part);
        parts_check_encoder(parts->values[0], parts->values[i], all->stage);
        add_pairs(pairs, part->encoder);
        MemoryContextDelete(part->context);
    }
    fit_pairs(all, pairs);
    all->stage = CTR_STAGE_COMMON_PAIRS;
    return all;
}
