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

bool
crosses_need_rows(const CtrOptions *options, const CtrEncoder *encoder)
{
    const CtrCrossOption *option = &options->crosses;

    return encoder->n_cat >= 2 && options->net.n_classes == 1 &&
           (option->kind == CTR_CROSSES_AUTO ||
            (option->kind == CTR_CROSSES_GIVEN && option->n > 0 && options->cross_counts));
}

void
crosses_encode(const CtrEncoder *encoder, bool itself, float *x_num, int32 *x_cat, Size ld_cat)
{
    const int first = encoder_first_cross(encoder);
    float *count = x_num ? x_num + encoder_first_count(encoder) : NULL;

    for (int k = 0; k < encoder->n_crosses; k++) {
        int32 *code = &x_cat[(first + k) * ld_cat], id = -1;
        CtrCrossKey key;

        if (cross_key(&encoder->crosses[k], x_cat, ld_cat, &key, code)) {
            const char *bytes = (const char *)&key;

            id = vocab_find(encoder->vocabs[encoder->n_cat + k], bytes, sizeof(key),
                            vocab_hash(bytes, sizeof(key)));
            *code = id + CTR_CODE_KNOWN;
            if (id < 0 || *code >= encoder->categories[first + k])
                *code = CTR_CODE_UNSEEN;
        }
        if (count && encoder->pair_rows && encoder->pair_rows[k])
            *count++ = count_input(id < 0 ? 0 : encoder->pair_rows[k][id] - itself);
    }
}

int
cross_of_count(const CtrEncoder *encoder, int i)
{
    int k = 0;

    while (encoder->pair_rows[k] == NULL || i-- > 0)
        k++;
    return k;
}

char *
cross_name(const CtrEncoder *encoder, int k)
{
    const CtrFeature *columns = encoder->features + encoder->n_num;
    const CtrCross *cross = &encoder->crosses[k];

    return psprintf("%s*%s", columns[cross->columns[0]].name, columns[cross->columns[1]].name);
}

char *
encoder_field_name(const CtrEncoder *encoder, int f)
{
    if (f < encoder->n_cat)
        return encoder->features[encoder->n_num + f].name;
    if (f < encoder_first_cross(encoder))
        return psprintf("%s.bucket", encoder->features[f - encoder->n_cat].name);
    return cross_name(encoder, f - encoder_first_cross(encoder));
}
