/*
 * encoder_vocabs.c: which categories and pairs of columns the encoder knows, in which order, and in how many
 * rows each occurs.
 */
#include "encode/encoder.h"

#include "encode/hash.h"

/* Pairs too rare for a code that a model keeps for their counts, 16 bytes each, of all its crosses. */
#define RARE_MOST (1024 * 1024)

/* Adds from's categories [first, end); the ids stay the same when `to` has those before them, and no more. */
static void
copy_categories(CtrVocab *to, const CtrVocab *from, int32 first, int32 end)
{
    for (int32 id = first; id < end; id++) {
        uint32 length;
        const char *bytes = vocab_get(from, id, &length);

        ctr_pause_at(id);
        vocab_add(to, bytes, length, vocab_hash(bytes, length));
    }
}

/* A category to be known, and what decides its number. */
typedef struct Ranked {
    uint64 hash;
    int32 count, id;
} Ranked;

/* The most frequent first, so that their embeddings lie together; else by the category's bytes alone. */
static int
compare_ranked(const void *a, const void *b, void *arg)
{
    const Ranked *x = a, *y = b;
    const CtrVocab *seen = arg;
    const char *s, *t;
    uint32 n, m;
    int order;

    CHECK_FOR_INTERRUPTS();
    if (x->count != y->count)
        return x->count > y->count ? -1 : 1;
    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    s = vocab_get(seen, x->id, &n);
    t = vocab_get(seen, y->id, &m);
    order = memcmp(s, t, Min(n, m));
    return order != 0 ? order : n < m ? -1 : n > m;
}

/*
 * Those that occur at least `least` times, in the order of their numbers; *n: how many. *bytes: of
 * vocab_string_bytes.
 */
static Ranked *
rank_categories(const CtrVocab *seen, const int32 *counts, int least, int64 *n, Size *bytes)
{
    const int32 n_seen = vocab_count(seen);
    Ranked *ranked = MemoryContextAllocHuge(CurrentMemoryContext, mul_size(Max(n_seen, 1), sizeof(Ranked)));

    *n = 0;
    *bytes = 0;
    for (int32 id = 0; id < n_seen; id++) {
        uint32 length;
        const char *text = vocab_get(seen, id, &length);

        ctr_pause_at(id);
        if (counts[id] < least)
            continue;
        ranked[(*n)++] = (Ranked){hash_bytes_seeded(CTR_HASH_A, text, length), counts[id], id};
        *bytes += vocab_string_bytes(length);
    }
    qsort_arg(ranked, *n, sizeof(Ranked), compare_ranked, unconstify(CtrVocab *, seen));
    return ranked;
}

/* Adds the categories ranked [first, end). */
static void
add_ranked(CtrVocab *vocab, const CtrVocab *seen, const Ranked *ranked, int64 first, int64 end)
{
    for (int64 i = first; i < end; i++) {
        uint32 length;
        const char *bytes = vocab_get(seen, ranked[i].id, &length);

        ctr_pause_at(i);
        vocab_add(vocab, bytes, length, vocab_hash(bytes, length));
    }
}

/* The number of every category in `seen` by the vocabulary, or -1, in the current context. */
static int32 *
find_categories(const CtrVocab *vocab, const CtrVocab *seen)
{
    const int32 n = vocab_count(seen);
    int32 *ids = MemoryContextAllocHuge(CurrentMemoryContext, mul_size(Max(n, 1), sizeof(int32)));

    for (int32 i = 0; i < n; i++) {
        uint32 length;
        const char *bytes = vocab_get(seen, i, &length);

        ctr_pause_at(i);
        ids[i] = vocab_find(vocab, bytes, length, vocab_hash(bytes, length));
    }
    return ids;
}

/*
 * Vocabulary v, of a column or of a cross: what `known` has codes for, then what occurs at least min_count
 * times; with all, then what `known` has besides; with rare, then everything else that is seen. Returns how
 * many have codes.
 */
static int32
fit_vocab(CtrEncoder *encoder, int v, const CtrVocab *seen, const int32 *counts, int min_count, bool all,
          bool rare, const CtrEncoder *known, int32 n_before)
{
    const CtrVocab *before = known ? known->vocabs[v] : NULL;
    CtrVocab *vocab = vocab_create(encoder->context);
    int64 n, n_frequent = 0;
    Size n_bytes;
    Ranked *ranked = rank_categories(seen, counts, rare ? 0 : Max(min_count, 1), &n, &n_bytes);
    int32 n_coded;

    while (n_frequent < n && ranked[n_frequent].count >= Max(min_count, 1))
        n_frequent++;
    vocab_reserve(vocab, (int32)Min(n + (before ? vocab_count(before) : 0), PG_INT32_MAX), n_bytes);
    if (before)
        copy_categories(vocab, before, 0, n_before);
    add_ranked(vocab, seen, ranked, 0, n_frequent);
    n_coded = vocab_count(vocab);
    if (before && all)
        copy_categories(vocab, before, n_before, vocab_count(before));
    add_ranked(vocab, seen, ranked, n_frequent, n);
    pfree(ranked);
    encoder->vocabs[v] = vocab;
    return n_coded;
}

/* Training rows of each category: those of `known`, and counts [seen], of which ids are the numbers. */
static void
fit_frequencies(CtrEncoder *encoder, int v, const int32 *ids, const int32 *counts, int32 n_seen,
                const CtrEncoder *known)
{
    const int32 n = vocab_count(encoder->vocabs[v]);
    int32 *frequencies = MemoryContextAllocHuge(encoder->context, mul_size(Max(n, 1), sizeof(int32)));

    memset(frequencies, 0, Max(n, 1) * sizeof(int32));
    for (int32 id = 0; known && id < vocab_count(known->vocabs[v]); id++) {
        uint32 length;
        const char *bytes = vocab_get(known->vocabs[v], id, &length);
        const int32 now = vocab_find(encoder->vocabs[v], bytes, length, vocab_hash(bytes, length));

        ctr_pause_at(id);
        if (now >= 0)
            frequencies[now] = known->frequencies[v][id];
    }
    for (int32 i = 0; i < n_seen; i++) {
        ctr_pause_at(i);
        if (ids[i] >= 0)
            frequencies[ids[i]] = (int32)Min((int64)frequencies[ids[i]] + counts[i], PG_INT32_MAX);
    }
    encoder->frequencies[v] = frequencies;
}

/* The codes of known categories' numbers, in place. */
static void
numbers_to_codes(int32 *numbers, int32 n)
{
    for (int32 i = 0; i < n; i++)
        numbers[i] = numbers[i] < 0 ? CTR_CODE_UNSEEN : numbers[i] + CTR_CODE_KNOWN;
}

int32 *
encoder_find_codes(const CtrEncoder *encoder, int f, const CtrVocab *seen)
{
    int32 *codes = find_categories(encoder->vocabs[f], seen);

    numbers_to_codes(codes, vocab_count(seen));
    return codes;
}

int32 *
encoder_fit_categories(CtrEncoder *encoder, int f, const CtrVocab *seen, const int32 *counts, int min_count,
                       const CtrEncoder *known, int64 missing)
{
    const int32 n_before = known ? vocab_count(known->vocabs[f]) : 0, n_seen = vocab_count(seen);
    const int32 n = fit_vocab(encoder, f, seen, counts, min_count, false, false, known, n_before);
    int32 *codes = find_categories(encoder->vocabs[f], seen);

    fit_frequencies(encoder, f, codes, counts, n_seen, known);
    numbers_to_codes(codes, n_seen);
    encoder->categories[f] = n + CTR_CODE_KNOWN;
    encoder_add_missing(encoder, encoder->n_num + f, missing);
    return codes;
}

/* Rows of each pair of cross k: those of `known`, which may have been of the same rows, else rows [seen]. */
static void
fit_pair_rows(CtrEncoder *encoder, int k, const int32 *ids, const int32 *rows, int32 n_seen,
              const CtrEncoder *known)
{
    const int v = encoder->n_cat + k;
    const int32 n = vocab_count(encoder->vocabs[v]);
    int32 *pair_rows = MemoryContextAllocHuge(encoder->context, mul_size(Max(n, 1), sizeof(int32)));

    memset(pair_rows, 0, Max(n, 1) * sizeof(int32));
    for (int32 i = 0; i < n_seen; i++) {
        ctr_pause_at(i);
        if (ids[i] >= 0)
            pair_rows[ids[i]] = rows[i];
    }
    for (int32 id = 0; known && id < vocab_count(known->vocabs[v]); id++) {
        uint32 length;
        const char *bytes = vocab_get(known->vocabs[v], id, &length);

        ctr_pause_at(id);
        pair_rows[vocab_find(encoder->vocabs[v], bytes, length, vocab_hash(bytes, length))] =
            known->pair_rows[k][id];
    }
    encoder->pair_rows[k] = pair_rows;
    encoder->n_counted++;
}

/* Rare pairs among those seen. */
static int64
count_rare(const CtrPairs *pairs, int min_count)
{
    int64 n = 0;

    for (int32 id = 0; id < vocab_count(pairs->seen); id++) {
        ctr_pause_at(id);
        n += pairs->counts[id] < min_count;
    }
    return n;
}

/* May the model keep the rare pairs of a cross, n_known of which it has? *rare: those kept so far. */
static bool
has_room(const CtrPairs *pairs, int min_count, int64 n_known, int64 *rare)
{
    const int64 more = count_rare(pairs, min_count);

    *rare += n_known;
    if (*rare + more > RARE_MOST)
        return false;
    *rare += more;
    return true;
}

void
encoder_fit_cross(CtrEncoder *encoder, int k, const CtrPairs *pairs, const CtrOptions *options, bool counted,
                  const CtrEncoder *known, int64 *rare)
{
    const int v = encoder->n_cat + k, f = encoder_first_cross(encoder) + k, min_count = options->min_count;
    const int32 n_seen = vocab_count(pairs->seen);
    const int32 n_before = known ? known->categories[f] - CTR_CODE_KNOWN : 0;
    const bool room =
        counted && has_room(pairs, min_count, known ? vocab_count(known->vocabs[v]) - n_before : 0, rare);
    const int32 n = fit_vocab(encoder, v, pairs->seen, pairs->counts, min_count, counted && (room || known),
                              room, known, n_before);
    int32 *ids = find_categories(encoder->vocabs[v], pairs->seen);

    fit_frequencies(encoder, v, ids, pairs->counts, n_seen, known);
    if (counted && (room || known))
        fit_pair_rows(encoder, k, ids, pairs->rows, n_seen, known);
    pfree(ids);
    encoder->categories[f] = n + CTR_CODE_KNOWN;
}

void
encoder_await_pairs(CtrEncoder *encoder, const CtrOptions *options, const CtrCross *crosses, int n,
                    const bool *counted)
{
    encoder_set_crosses(encoder, options, crosses, n);
    for (int k = 0; k < n; k++) {
        const int v = encoder->n_cat + k;

        encoder->vocabs[v] = vocab_create(encoder->context);
        encoder->frequencies[v] = MemoryContextAllocZero(encoder->context, sizeof(int32));
        encoder->categories[encoder_first_cross(encoder) + k] = CTR_CODE_KNOWN;
        encoder->pair_rows[k] = counted[k] ? encoder->frequencies[v] : NULL;
        encoder->n_counted += counted[k];
    }
    encoder_widths(encoder, options);
}

/* The pairs of a cross that have codes, without those that were kept for their counts alone. */
static CtrVocab *
pairs_with_codes(const CtrVocab *vocab, int32 n, MemoryContext context)
{
    CtrVocab *pairs = vocab_create(context);

    for (int32 id = 0; id < n; id++) {
        uint32 length;
        const char *pair = vocab_get(vocab, id, &length);

        ctr_pause_at(id);
        vocab_add(pairs, pair, length, vocab_hash(pair, length));
    }
    return pairs;
}

CtrEncoder *
encoder_without_counts(const CtrEncoder *encoder, const CtrOptions *options, MemoryContext context)
{
    const Size n = encoder->n_cat + encoder->n_crosses;
    CtrEncoder *plain = MemoryContextAlloc(context, sizeof(CtrEncoder));

    *plain = *encoder;
    plain->n_counted = 0;
    plain->pair_rows = MemoryContextAllocZero(context, sizeof(int32 *) * encoder->n_crosses);
    plain->vocabs = MemoryContextAlloc(context, sizeof(CtrVocab *) * n);
    memcpy(plain->vocabs, encoder->vocabs, sizeof(CtrVocab *) * n);
    for (int k = 0; k < encoder->n_crosses; k++) {
        const int v = encoder->n_cat + k;
        const int32 known = encoder->categories[encoder_first_cross(encoder) + k] - CTR_CODE_KNOWN;

        if (known < vocab_count(encoder->vocabs[v]))
            plain->vocabs[v] = pairs_with_codes(encoder->vocabs[v], known, context);
    }
    encoder_widths(plain, options);
    return plain;
}
