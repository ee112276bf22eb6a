/*
 * encode.h: rows to the network's inputs: categories to codes, numbers to transforms and buckets.
 */
#ifndef CTR_ENCODE_H
#define CTR_ENCODE_H

#include "image.h"
#include "rows/rows.h"

#include "nn/math/derive.h"

/* ------------------------------------------------------------------ vocab.c: categories of one field */

/* Byte strings -> 0, 1, 2 … in order of arrival. All memory in one context. */
typedef struct CtrVocab CtrVocab;

CtrVocab *vocab_create(MemoryContext context);
/*
 * A vocabulary for n known strings, which take `bytes` by vocab_string_bytes in all. It must be filled
 * before anything else; a thread of the pool may do that. vocab_fill adds the strings bytes[begin …
 * ends[0]), bytes[ends[0] … ends[1]) …. CTR_VOCAB_TWICE: a string occurs twice, and vocab_count() strings
 * come before its second occurrence. CTR_VOCAB_UNFINISHED: the pool's run was interrupted; the same call
 * again continues.
 */
typedef enum CtrVocabFilled { CTR_VOCAB_UNFINISHED, CTR_VOCAB_COMPLETE, CTR_VOCAB_TWICE } CtrVocabFilled;

CtrVocab *vocab_create_for(MemoryContext context, int32 n, Size bytes);
CtrVocabFilled vocab_fill(CtrVocab *vocab, const char *bytes, uint32 begin, const uint32 *ends, int32 n,
                          NnPool *pool);
/*
 * Makes room for n categories in all, and for `bytes` more of vocab_string_bytes: until then adding allocates
 * nothing, raises nothing, and so may be done by a thread. Serves interrupts.
 */
void vocab_reserve(CtrVocab *vocab, int32 n, Size bytes);
/* what a string of so many bytes takes besides its place by number */
Size vocab_string_bytes(uint32 length);
/*
 * Hashes by the secret key of this server or process, which vocab_choose_key gets once (vocab_create calls
 * it), in the main thread.
 */
uint64 vocab_hash(const char *bytes, uint32 length);
void vocab_choose_key(void);
/*
 * Prefetches what finding a string needs, in two stages, 0 and 1. Stage 1, which only longer strings need,
 * reads what stage 0 has prefetched. So do other work between them, such as stage 0 of other vocabularies.
 */
void vocab_prefetch(const CtrVocab *vocab, uint32 length, uint64 hash, int stage);
int32 vocab_find(const CtrVocab *vocab, const char *bytes, uint32 length, uint64 hash); /* -1: unknown */
int32 vocab_add(CtrVocab *vocab, const char *bytes, uint32 length, uint64 hash);        /* finds or adds */
int32 vocab_count(const CtrVocab *vocab);
const char *vocab_get(const CtrVocab *vocab, int32 id, uint32 *length); /* valid until the next addition */
Size vocab_bytes(const CtrVocab *vocab);                                /* sum of lengths */
/* vocab_image.c: goes through the parts of the vocabulary. One that is opened cannot be added to. */
CtrVocab *vocab_image(CtrImage *image, CtrVocab *given);

/* -------------------------------------------------------- vocab_load.c: vocabularies from a model's bytes */

/*
 * Makes vocabs[n] in `context`, column f's of counts[f] strings, which lie one after the other in `bytes` and
 * end at `ends`. Threads fill them while meanwhile(arg) runs. Returns 0, or the number, from 1, of a category
 * that its column has twice.
 */
int32 vocab_load(CtrVocab **vocabs, MemoryContext context, const char *bytes, const uint32 *ends,
                 const uint32 *counts, int n, void (*meanwhile)(void *), void *arg);

/* -------------------------------- categories.c: a row's categories, and those of blocks of rows, to codes */

#define CTR_CODE_UNSEEN  0 /* a category that training did not see or that was too rare */
#define CTR_CODE_MISSING 1 /* NULL */
#define CTR_CODE_KNOWN   2 /* the first known category */

/*
 * Reads and hashes the categories of n columns, and prefetches what finding them in vocabs[n] needs. It
 * does so for all columns at once, so that a row waits for memory a few times, not once per column.
 */
void categories_of_row(CtrRowMap *map, CtrColumn *columns, int n, CtrVocab *const *vocabs);
/* codes[n] = those of field f of rows [first, first + n) by the vocabulary. Threads may call it. */
void categories_find(const CtrRowBlock *block, int f, int first, int n, const CtrVocab *vocab, int32 *codes);
/*
 * ids[n] = those of field f of all rows; new categories are added; -1: no category. Threads may call it,
 * each for fields of its own, after categories_reserve has made room.
 */
void categories_reserve(const CtrRowBlock *block, int f, CtrVocab *vocab);
void categories_number(const CtrRowBlock *block, int f, CtrVocab *vocab, int32 *ids);

/* ---------------------------------------------------------------- encoder.c: rows to the network's inputs */

#define CTR_COUNT_MOST                                                                                       \
    INT64CONST(0x1FFFFFFFFFFFFF) /* of rows; 2^53 - 1: what every JSON reader keeps exactly */

/* A numerical column's values as categories: the bounds that cut it into n_bounds + 1 buckets. */
typedef struct CtrBuckets {
    int n_bounds;
    double *bounds; /* ascending */
} CtrBuckets;

/* Two categorical columns, the first one first, whose pairs of codes are the categories of another field. */
typedef struct CtrCross {
    int columns[2];
} CtrCross;

/*
 * Crosses are the last categorical fields, and what comes from them are the last numerical inputs: a network
 * without them reads the beginning of both. encoder_image.c knows all that it points to.
 */
typedef struct CtrEncoder {
    MemoryContext context;
    bool rare;   /* many rows have fitted it, few for each category; known until then only */
    bool shared; /* with trainings on other parts of a table: nothing that is learnt may change it */
    int n_num, n_cat;
    CtrFeature *features; /* [n_num + n_cat], numerical ones first */
    int n_crosses;
    CtrCross *crosses; /* [n_crosses], in the order in which they were chosen */
    /*
     * [n_crosses]: rows that each pair in the cross's vocabulary occurs in, of all but those of a
     * validation_column. NULL: the cross is not counted, and its vocabulary has known categories only.
     */
    int32 **pair_rows;
    int n_counted; /* crosses that are; how often a row's pair occurs is an input each */
    int d_num; /* width of the network's numerical input: n_num, then target statistics, then the n_counted */
    int d_cat; /* its fields: n_cat, then the buckets of the n_num if there are any, n_crosses */
    int n_statistics; /* fields with target statistics: d_cat or 0 */
    /* The sum of the crosses' and that of all others are one numerical input each, instead of every one. */
    bool sums_statistics;
    NnTransform *transforms; /* [n_num] */
    CtrBuckets *buckets;     /* [n_num]; NULL: none */
    /*
     * [n_cat + n_crosses]: known categories, code = id + CTR_CODE_KNOWN; a cross's are those of cross_key,
     * and after them, if it is counted, the pairs that are too rare to have codes.
     */
    CtrVocab **vocabs;
    int32 **frequencies; /* [n_cat + n_crosses][in the vocabulary]: training rows of each */
    int *categories;     /* [d_cat]: rows of each field's table = known + CTR_CODE_KNOWN */
    float **statistics;  /* [n_statistics][categories]: target statistics (nn/math/derive.c) */
    /*
     * The label sums that statistics come from: [n_statistics][categories][NN_STATISTICS_GROUPS]. Only
     * going on from a model needs them; NULL in a model that only scores.
     */
    NnKeptSum **sums;
    NnKeptSum *totals; /* [NN_STATISTICS_GROUPS]: of all rows */
} CtrEncoder;

/*
 * Sets d_num, d_cat and what says which inputs are derived, from n_num, n_cat, n_crosses, n_counted and the
 * options.
 */
void encoder_widths(CtrEncoder *encoder, const CtrOptions *options);
/*
 * Encodes the current row of map: x_num [d_num], and the code of field f at x_cat[f * ld_cat]. No value is
 * an error.
 */
void encoder_encode(const CtrEncoder *encoder, CtrRowMap *map, float *x_num, int32 *x_cat, Size ld_cat);
/*
 * Encodes rows [first, first + n) of a block: x_num [n, d_num], and field f at x_cat[f * ld_cat + 0 … n -
 * 1]. Threads may call it.
 */
void encoder_encode_block(const CtrEncoder *encoder, const CtrRowBlock *block, int first, int n, float *x_num,
                          int32 *x_cat, Size ld_cat);

/*
 * encoder_image.c: goes through the parts of an encoder that only scores. Opening allocates in the current
 * context; after writing, the given one reads the block, too.
 */
CtrEncoder *encoder_image(CtrImage *image, CtrEncoder *given);

/* ------------------------------------------------------------------ crosses.c: pairs of columns */

#define CTR_CROSS_KEY_LENGTH 8 /* bytes of a pair as a string in a vocabulary */

/* The two codes of a category that is known as a pair, as a string. */
typedef struct CtrCrossKey {
    int32 codes[2];
} CtrCrossKey;

/* the first categorical field that is a cross */
static inline int
encoder_first_cross(const CtrEncoder *encoder)
{
    return encoder->d_cat - encoder->n_crosses;
}

/*
 * The pair of a row's codes. A pair with an unseen member is unseen, one of two missing members is missing:
 * *code is then set, and the result is false. All other pairs, those with one missing member among them, are
 * categories if they are frequent enough.
 */
bool cross_key(const CtrCross *cross, const int32 *x_cat, Size ld_cat, CtrCrossKey *key, int32 *code);
/* Categorical field f: its column's name, "price.bucket", or a cross's; allocated or the encoder's. */
char *encoder_field_name(const CtrEncoder *encoder, int f);
/* the first numerical input that is a count */
static inline int
encoder_first_count(const CtrEncoder *encoder)
{
    return encoder->d_num - encoder->n_counted;
}

/* Do rows tell which columns are paired, or whose pairs are counted? */
bool crosses_need_rows(const CtrOptions *options, const CtrEncoder *encoder);
/*
 * Sets the codes of the crosses from those of the columns and, unless x_num is NULL, how often the pairs
 * occur. itself: the row is among those that were counted, and does not count for itself.
 */
void crosses_encode(const CtrEncoder *encoder, bool itself, float *x_num, int32 *x_cat, Size ld_cat);
/* the cross that counted input i, from 0, belongs to */
int cross_of_count(const CtrEncoder *encoder, int i);
/* "a*b" for columns a and b */
char *cross_name(const CtrEncoder *encoder, int k);

#endif /* CTR_ENCODE_H */
