/*
 * crosses.c: pairs of categorical columns as fields of their own. A pair's category is the pair of its
 * columns' codes: where one of these is unseen, so is the pair.
 */
#include "encode/encode.h"

StaticAssertDecl(sizeof(CtrCrossKey) == CTR_CROSS_KEY_LENGTH, "a key is a string without padding");

bool
cross_key(const CtrCross *cross, const int32 *x_cat, Size ld_cat, CtrCrossKey *key, int32 *code)
{
    const int32 a = x_cat[cross->columns[0] * ld_cat], b = x_cat[cross->columns[1] * ld_cat];

    *key = (CtrCrossKey){{a, b}};
    if (a == CTR_CODE_UNSEEN || b == CTR_CODE_UNSEEN)
        *code = CTR_CODE_UNSEEN;
    else if (a == CTR_CODE_MISSING && b == CTR_CODE_MISSING)
        *code = CTR_CODE_MISSING;
    else
        return true;
    return false;
}

void
crosses_encode(const CtrEncoder *encoder, int32 *x_cat, Size ld_cat)
{
    int32 *codes = x_cat + encoder_first_cross(encoder) * ld_cat;

    for (int k = 0; k < encoder->n_crosses; k++) {
        const CtrVocab *vocab = encoder->vocabs[encoder->n_cat + k];
        int32 *code = &codes[k * ld_cat];
        CtrCrossKey key;

        if (cross_key(&encoder->crosses[k], x_cat, ld_cat, &key, code)) {
            const char *bytes = (const char *)&key;
            const int32 id = vocab_find(vocab, bytes, sizeof(key), vocab_hash(bytes, sizeof(key)));

            *code = id < 0 ? CTR_CODE_UNSEEN : id + CTR_CODE_KNOWN;
        }
    }
}

char *
cross_name(const CtrEncoder *encoder, int k)
{
    const CtrFeature *columns = encoder->features + encoder->n_num;
    const CtrCross *cross = &encoder->crosses[k];

    return psprintf("%s*%s", columns[cross->columns[0]].name, columns[cross->columns[1]].name);
}
