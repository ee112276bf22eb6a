/*
 * statistics.c: target statistics of the encoder's categories, from its label sums alone (nn/math/derive.c).
 * So sums that came from elsewhere, or were added up, give what the rows themselves would.
 */
#include "encode/encoder.h"

#include "miscadmin.h"

#define CATEGORIES_AT_ONCE ((Size)65536) /* categories between two checks for interrupts */

/*
 * expected [n]: of categories [first, first + n) of cross k, what the statistics of their members add up to.
 * out_of_fold: of the columns.
 */
static void
expect_crosses(const CtrEncoder *encoder, int k, float *const *out_of_fold, Size first, Size n,
               NnExpected *expected)
{
    const CtrCross *cross = &encoder->crosses[k];
    const CtrVocab *vocab = encoder->vocabs[encoder->n_cat + k];

    for (Size i = 0; i < n; i++) {
        CtrCrossKey key = {{CTR_CODE_MISSING, CTR_CODE_MISSING}};
        uint32 length;

        expected[i] = (NnExpected){0};
        if (first + i == CTR_CODE_UNSEEN)
            continue;
        if (first + i >= CTR_CODE_KNOWN)
            memcpy(&key, vocab_get(vocab, (int32)(first + i) - CTR_CODE_KNOWN, &length), sizeof(key));
        for (int m = 0; m < 2; m++) {
            const int f = cross->columns[m];
            const Size code = (Size)key.codes[m];

            expected[i].all += encoder->statistics[f][code];
            for (int g = 0; g < NN_STATISTICS_GROUPS; g++)
                expected[i].out_of_fold[g] += out_of_fold[f][code * NN_STATISTICS_GROUPS + g];
        }
    }
}

static void
scale_statistic(float *statistic, float factor)
{
    *statistic = *statistic * factor + 0.0f; /* 0, not -0 */
}

/*
 * Multiplies field f's statistics by what they are trusted. A sum of all fields' has a weight of its own in
 * the network from the start, so it can be believed until rows speak against it; a statistic by itself is
 * believed as rows speak for it.
 */
static void
scale_statistics(CtrEncoder *encoder, int f, float *out_of_fold, const NnTrust *trust)
{
    const float factor = trust_factor(trust, encoder->sums_statistics ? 1 : 0);
    const Size n = (Size)encoder->categories[f];

    for (Size i = 0; i < n; i++) {
        if (i % CATEGORIES_AT_ONCE == 0)
            CHECK_FOR_INTERRUPTS();
        scale_statistic(&encoder->statistics[f][i], factor);
        for (int g = 0; g < NN_STATISTICS_GROUPS; g++)
            scale_statistic(&out_of_fold[i * NN_STATISTICS_GROUPS + g], factor);
    }
}

/*
 * Fits field f's statistics from its sums; out_of_fold [f]: those for rows of this training. Going on from a
 * model, what they are trusted follows from the rows that it has seen, as it did then.
 */
static float *
fit_field(CtrEncoder *encoder, int f, const CtrEncoder *known, float *const *before)
{
    const int cross = f - encoder_first_cross(encoder);
    NnExpected *expected = cross < 0 ? NULL : palloc(sizeof(NnExpected) * CATEGORIES_AT_ONCE);
    const Size n = (Size)encoder->categories[f], n_known = known ? (Size)known->categories[f] : 0;
    float *out_of_fold =
        MemoryContextAllocHuge(CurrentMemoryContext, mul_size(n, NN_STATISTICS_GROUPS * sizeof(float)));
    NnTrust trust = {0, 0};

    for (Size at = 0; at < n; at += CATEGORIES_AT_ONCE) {
        const Size m = Min(n - at, CATEGORIES_AT_ONCE), first = at * NN_STATISTICS_GROUPS;
        NnKeptSum *kept = encoder->sums[f] + first;

        CHECK_FOR_INTERRUPTS();
        if (at < n_known)
            label_sums_take_over(kept, known->sums[f] + first, Min(m, n_known - at));
        if (expected)
            expect_crosses(encoder, cross, before, at, m, expected);
        statistics_fit(out_of_fold + first, encoder->statistics[f] + at, kept, encoder->totals, expected, m);
        if (!known)
            trust_add(&trust, out_of_fold + first, kept, encoder->totals, m);
        else if (at < n_known)
            trust_add(&trust, out_of_fold + first, known->sums[f] + first, encoder->totals,
                      Min(m, n_known - at));
    }
    if (expected)
        pfree(expected);
    scale_statistics(encoder, f, out_of_fold, &trust);
    return out_of_fold;
}

void
encoder_keep_sums(CtrEncoder *encoder, NnLabelSum *const *sums, const NnLabelSum *totals)
{
    NnKeptSum kept_totals[NN_STATISTICS_GROUPS];

    label_sums_keep(kept_totals, totals, 1);
    encoder_create_statistics(encoder, kept_totals);
    for (int f = 0; f < encoder->n_statistics; f++) {
        const Size n = (Size)encoder->categories[f];

        for (Size at = 0; at < n; at += CATEGORIES_AT_ONCE) {
            const Size first = at * NN_STATISTICS_GROUPS;

            CHECK_FOR_INTERRUPTS();
            label_sums_keep(encoder->sums[f] + first, sums[f] + first, Min(n - at, CATEGORIES_AT_ONCE));
        }
        pfree(sums[f]);
    }
}

float **
encoder_fit_statistics(CtrEncoder *encoder, const CtrEncoder *known)
{
    float **out_of_fold = palloc(sizeof(float *) * Max(encoder->n_statistics, 1));

    for (int f = 0; f < encoder->n_statistics; f++)
        out_of_fold[f] = fit_field(encoder, f, known, out_of_fold);
    return out_of_fold;
}
