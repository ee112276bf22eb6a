/*
 * merge_labels.c: the parts' label sums, added: the last of what a start needs. Parts of one start have the
 * same encoder to the bit, which is checked, because sums by code say nothing under other codes.
 */
#include "train/prepare.h"

#include "encode/encoder.h"
#include "model/layout.h"
#include "miscadmin.h"

/* ------------------------------------------------------------------ the same encoder */

/* Tensors of an encoder by the beginnings of their names, and what they hold. */
static const struct {
    const char *prefix, *what;
} encoder_tensors[] = {
    {"ctr.features.", "how often columns have no value"}, {"ctr.numerical.", "the transforms of numbers"},
    {"ctr.categorical.", "the known categories"},         {"ctr.crosses.", "the pairs of columns"},
    {"ctr.derived.bound", "the buckets of numbers"},      {"ctr.derived.statistics", "the target statistics"},
};

/* Tensors of what has not been merged yet: pairs of columns are known, those of categories are not. */
static bool
is_open(const char *tensor, CtrStage stage)
{
    return stage == CTR_STAGE_PAIRS && strncmp(tensor, "ctr.crosses.", strlen("ctr.crosses.")) == 0 &&
           strcmp(tensor, CTR_MODEL_CROSSES) != 0 && strcmp(tensor, CTR_MODEL_CROSS_COUNTED) != 0;
}

static const char *
encoder_part(const char *tensor, CtrStage stage)
{
    if (is_open(tensor, stage))
        return NULL;
    for (int i = 0; i < (int)lengthof(encoder_tensors); i++) {
        if (strncmp(tensor, encoder_tensors[i].prefix, strlen(encoder_tensors[i].prefix)) == 0)
            return encoder_tensors[i].what;
    }
    return NULL;
}

#define PIECE ((Size)64 * 1024)

static bool
same_tensor(const CtrSafeFile *a, const CtrSafeTensor *x, const CtrSafeFile *b, const CtrSafeTensor *y)
{
    char *one, *other;
    bool same = y != NULL && x->size == y->size;

    if (!same)
        return false;
    one = palloc(2 * PIECE);
    other = one + PIECE;
    for (Size at = 0; same && at < x->size; at += PIECE) {
        const Size n = Min(PIECE, x->size - at);

        value_read(a->bytes, x->at + at, n, one);
        value_read(b->bytes, y->at + at, n, other);
        same = memcmp(one, other, n) == 0;
    }
    pfree(one);
    return same;
}

void
parts_check_encoder(Datum first, Datum part, CtrStage stage)
{
    const CtrSafeFile *a = safetensors_parse(first, NULL), *b = safetensors_parse(part, NULL);

    for (int i = 0; i < a->n_tensors; i++) {
        const CtrSafeTensor *tensor = &a->tensors[i];
        const char *what = encoder_part(tensor->name, stage);

        if (what != NULL && !same_tensor(a, tensor, b, safetensors_find(b, tensor->name)))
            ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                            errmsg("the parts to merge come from different starts"),
                            errdetail("They differ in %s (tensor \"%s\").", what, tensor->name),
                            errhint("Prepare all parts, merge them, and give the result to each of them.")));
    }
}

/* ------------------------------------------------------------------ sums */

static void
add_sums(NnLabelSum *sums, const NnKeptSum *kept, Size n)
{
    for (Size i = 0; i < n; i++) {
        ctr_pause_at((int64)i);
        sums[i].weight += kept[i].weight;
        sums[i].positive += kept[i].positive;
    }
}

static void
add_part(NnLabelSum **sums, NnLabelSum *totals, const CtrEncoder *encoder)
{
    add_sums(totals, encoder->totals, NN_STATISTICS_GROUPS);
    for (int f = 0; f < encoder->n_statistics; f++)
        add_sums(sums[f], encoder->sums[f], (Size)encoder->categories[f] * NN_STATISTICS_GROUPS);
}

CtrModel *
merge_labels(const CtrParts *parts, MemoryContext context)
{
    CtrModel *all = parts_unpack(parts, 0, context);
    CtrEncoder *encoder = all->encoder;
    NnLabelSum **sums = palloc(sizeof(NnLabelSum *) * Max(encoder->n_statistics, 1));
    NnLabelSum totals[NN_STATISTICS_GROUPS] = {{0, 0}};

    for (int f = 0; f < encoder->n_statistics; f++)
        sums[f] = MemoryContextAllocExtended(
            context, mul_size(encoder->categories[f], NN_STATISTICS_GROUPS * sizeof(NnLabelSum)),
            MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
    add_part(sums, totals, encoder);
    for (int i = 1; i < parts->n; i++) {
        CtrModel *part = parts_unpack(parts, i, context);

        parts_check_same(all, part);
        parts_check_encoder(parts->values[0], parts->values[i], all->stage);
        add_part(sums, totals, part->encoder);
        MemoryContextDelete(part->context);
    }
    encoder_keep_sums(encoder, sums, totals);
    return all;
}
