/*
 * merge_labels.c: the parts' label sums, added: the last of what a start needs. Parts of one start have the
 * same encoder to the bit, which is checked, because sums by code say nothing under other codes.
 */
#include "train/prepare.h"

#include "encode/encoder.h"
#include "model/layout.h"
#include "miscadmin.h"

/* ------------------------------------------------------------------ the same encoder */

/* Tensors of what has not been merged yet: pairs of columns are known, those of categories are not. */
static bool
is_open(const char *tensor, CtrStage stage)
{
    if (stage == CTR_STAGE_LABELS && strncmp(tensor, "ctr.derived.label", strlen("ctr.derived.label")) == 0)
        return true;
    return stage == CTR_STAGE_PAIRS && strncmp(tensor, "ctr.crosses.", strlen("ctr.crosses.")) == 0 &&
           strcmp(tensor, CTR_MODEL_CROSSES) != 0 && strcmp(tensor, CTR_MODEL_CROSS_COUNTED) != 0;
}

#define PIECE ((Size)64 * 1024)

static bool
same_tensor(const CtrSafeFile *a, const CtrSafeTensor *x, const CtrSafeFile *b, const CtrSafeTensor *y)
{
    char *one, *other;
    bool same = y != NULL && x->size == y->size;

    if (!same || value_is_same(b->bytes, y->at, y->size, a->bytes, x->at))
        return same;
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

/* The first tensor of the encoder that is not the same in both, or that only one has; NULL: none. */
static const CtrSafeTensor *
encoder_difference(const CtrSafeFile *a, const CtrSafeFile *b, CtrStage stage)
{
    for (int i = 0; i < a->n_tensors; i++) {
        const CtrSafeTensor *tensor = &a->tensors[i];

        if (layout_encoder_part(tensor->name) != NULL && !is_open(tensor->name, stage) &&
            !same_tensor(a, tensor, b, safetensors_find(b, tensor->name)))
            return tensor;
    }
    for (int i = 0; i < b->n_tensors; i++) {
        const CtrSafeTensor *tensor = &b->tensors[i];

        if (layout_encoder_part(tensor->name) != NULL && !is_open(tensor->name, stage) &&
            safetensors_find(a, tensor->name) == NULL)
            return tensor;
    }
    return NULL;
}

void
parts_check_encoder_of(const CtrSafeFile *first, const CtrSafeFile *part, CtrStage stage)
{
    const CtrSafeTensor *tensor = encoder_difference(first, part, stage);

    if (tensor != NULL)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("the parts to merge come from different starts"),
                        errdetail("They differ in %s (tensor \"%s\").", layout_encoder_part(tensor->name),
                                  tensor->name),
                        errhint("Prepare all parts, merge them, and give the result to each of them.")));
}

void
parts_check_encoder(Datum first, Datum part, CtrStage stage)
{
    parts_check_encoder_of(safetensors_parse(first, NULL), safetensors_parse(part, NULL), stage);
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
