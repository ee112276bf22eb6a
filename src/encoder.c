/*
 * encoder.c: features to the network's inputs. A numerical column goes through its transform (nn/transform.c); a
 * category becomes its code: 0 unseen or rare, 1 missing, from 2 on the known ones.
 */
#include "encoder.h"

#include "miscadmin.h"

#define INTERRUPT_INTERVAL 65536 /* categories */

void
encoder_encode(const Encoder *encoder, RowMap *map, float *x_num, int32 *x_cat, Size ld_cat)
{
    for (int i = 0; i < encoder->n_num; i++)
        x_num[i] = transform_apply(&encoder->transforms[i], row_number(map, &map->features[i]));
    for (int f = 0; f < encoder->n_cat; f++) {
        const char *bytes;
        uint32 length;
        int32 code = CODE_MISSING;

        if (row_category(map, &map->features[encoder->n_num + f], &bytes, &length)) {
            int32 id = vocab_find(encoder->vocabs[f], bytes, length, vocab_hash(bytes, length));

            code = id < 0 ? CODE_UNSEEN : id + CODE_KNOWN;
        }
        x_cat[f * ld_cat] = code;
    }
}

Encoder *
encoder_create(MemoryContext context, const Feature *features, int n_num, int n_cat, const Encoder *known)
{
    MemoryContext old = MemoryContextSwitchTo(context);
    Encoder *encoder = palloc0(sizeof(Encoder));

    encoder->context = context;
    encoder->n_num = encoder->d_num = n_num;
    encoder->n_cat = n_cat;
    encoder->features = palloc(sizeof(Feature) * Max(n_num + n_cat, 1));
    for (int i = 0; i < n_num + n_cat; i++) {
        encoder->features[i] = features[i];
        encoder->features[i].name = pstrdup(features[i].name);
        encoder->features[i].missing = known ? known->features[i].missing : 0;
    }
    encoder->transforms = palloc0(sizeof(NnTransform) * Max(n_num, 1));
    encoder->vocabs = palloc0(sizeof(Vocab *) * Max(n_cat, 1));
    encoder->frequencies = palloc0(sizeof(int32 *) * Max(n_cat, 1));
    encoder->categories = palloc0(sizeof(int) * Max(n_cat, 1));
    MemoryContextSwitchTo(old);
    return encoder;
}

void
encoder_fit_number(Encoder *encoder, int i, NnTransformKind kind, NnColumn *column, int64 missing)
{
    double *quantiles = NULL;

    if (kind == NN_QUANTILE)
        quantiles = MemoryContextAlloc(encoder->context, sizeof(double) * NN_QUANTILES);
    transform_fit(&encoder->transforms[i], kind, column, missing, quantiles);
    encoder->features[i].missing += missing;
}

void
encoder_keep_number(Encoder *encoder, int i, const Encoder *known, int64 missing)
{
    NnTransform *t = &encoder->transforms[i];

    *t = known->transforms[i];
    if (t->n_quantiles > 0) {
        Size size = sizeof(double) * t->n_quantiles;

        t->quantiles = memcpy(MemoryContextAlloc(encoder->context, size), t->quantiles, size);
    }
    encoder->features[i].missing += missing;
}

/* Adds all of from's categories; the ids stay the same when `to` is empty. */
static void
copy_categories(Vocab *to, const Vocab *from)
{
    for (int32 id = 0; id < vocab_count(from); id++) {
        uint32 length;
        const char *bytes = vocab_get(from, id, &length);

        vocab_add(to, bytes, length, vocab_hash(bytes, length));
    }
}

int32 *
encoder_fit_categories(Encoder *encoder, int f, const Vocab *seen, const int32 *counts, int min_count,
                       const Encoder *known, int64 missing)
{
    const Vocab *before = known ? known->vocabs[f] : NULL;
    int32 n_seen = vocab_count(seen);
    int32 *codes = MemoryContextAllocHuge(CurrentMemoryContext, mul_size(Max(n_seen, 1), sizeof(int32)));
    Vocab *vocab = vocab_create(encoder->context);
    int64 n = before ? vocab_count(before) : 0;
    Size n_bytes = before ? vocab_bytes(before) : 0;
    int32 *frequencies;
    uint32 length;

    for (int32 id = 0; id < n_seen; id++) {
        if (counts[id] >= Max(min_count, 1)) {
            vocab_get(seen, id, &length);
            n++;
            n_bytes += length;
        }
    }
    vocab_reserve(vocab, (int32)Min(n, PG_INT32_MAX), n_bytes);
    if (before)
        copy_categories(vocab, before);

    frequencies = MemoryContextAllocHuge(encoder->context, mul_size(Max(n, 1), sizeof(int32)));
    memset(frequencies, 0, Max(n, 1) * sizeof(int32));
    if (before && vocab_count(before) > 0)
        memcpy(frequencies, known->frequencies[f], vocab_count(before) * sizeof(int32));
    for (int32 id = 0; id < n_seen; id++) {
        const char *bytes = vocab_get(seen, id, &length);
        uint64 hash = vocab_hash(bytes, length);
        int32 known_id;

        if (id % INTERRUPT_INTERVAL == 0)
            CHECK_FOR_INTERRUPTS();
        known_id = counts[id] >= Max(min_count, 1) ? vocab_add(vocab, bytes, length, hash)
                                                   : vocab_find(vocab, bytes, length, hash);

        codes[id] = known_id < 0 ? CODE_UNSEEN : known_id + CODE_KNOWN;
        if (known_id >= 0)
            frequencies[known_id] = (int32)Min((int64)frequencies[known_id] + counts[id], PG_INT32_MAX);
    }
    encoder->vocabs[f] = vocab;
    encoder->frequencies[f] = frequencies;
    encoder->categories[f] = vocab_count(vocab) + CODE_KNOWN;
    encoder->features[encoder->n_num + f].missing += missing;
    return codes;
}
