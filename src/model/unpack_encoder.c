/* unpack_encoder.c: reads a model's features, their transforms and their known categories. */
#include "model/unpack.h"

#include "access/htup_details.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"

#include "rows/spelling.h"

static bool
take_names(CtrUnpacker *u, const char *key, int *n, char ***names)
{
    const CtrJsonNode *tree = unpack_json(u, key);

    return tree != NULL &&
           (json_tree_strings(tree, n, names) ||
            safetensors_invalid(u->escontext, "metadata entry \"%s\" is not an array of names", key));
}

bool
unpack_features(CtrUnpacker *u)
{
    CtrEncoder *encoder = u->model->encoder;
    MemoryContext context = u->model->context;
    char **numerical, **categorical;
    int64 *missing;
    int n;

    if (!take_names(u, "numerical", &encoder->n_num, &numerical) ||
        !take_names(u, "categorical", &encoder->n_cat, &categorical))
        return false;
    n = encoder->n_num + encoder->n_cat;
    if (n < 1 || n > MaxTupleAttributeNumber)
        return safetensors_invalid(u->escontext, "it has %d features, not 1 to %d", n,
                                   MaxTupleAttributeNumber);
    if (!unpack_crosses(u))
        return false;
    encoder_widths(encoder, &u->model->options);
    encoder->categories = MemoryContextAllocZero(context, sizeof(int) * Max(encoder->d_cat, 1));
    encoder->features = MemoryContextAllocZero(context, sizeof(CtrFeature) * n);
    missing = unpack_vector(u, CTR_MODEL_MISSING, CTR_SAFE_I64, n);
    if (missing == NULL)
        return false;
    for (int i = 0; i < n; i++) {
        bool is_number = i < encoder->n_num;
        const char *name = is_number ? numerical[i] : categorical[i - encoder->n_num];

        encoder->features[i] = (CtrFeature){.name = MemoryContextStrdup(context, name),
                                            .kind = is_number ? CTR_NUMERICAL : CTR_CATEGORICAL,
                                            .missing = missing[i]};
    }
    return true;
}

/* Reads kinds [n] and numbers of quantiles [n]; *total is their sum. */
static bool
read_kinds(CtrUnpacker *u, uint8 **kinds, uint32 **counts, int64 *total)
{
    const CtrEncoder *encoder = u->model->encoder;

    *kinds = unpack_vector(u, CTR_MODEL_KIND, CTR_SAFE_U8, encoder->n_num);
    *counts =
        *kinds != NULL ? unpack_vector(u, CTR_MODEL_QUANTILE_COUNT, CTR_SAFE_U32, encoder->n_num) : NULL;
    if (*counts == NULL)
        return false;
    *total = 0;
    for (int i = 0; i < encoder->n_num; i++) {
        if ((*kinds)[i] > NN_NONE || (*counts)[i] > NN_QUANTILES)
            return safetensors_invalid(u->escontext, "the transform of feature \"%s\" is unknown",
                                       encoder->features[i].name);
        *total += (*counts)[i];
    }
    return true;
}

bool
unpack_transforms(CtrUnpacker *u)
{
    CtrEncoder *encoder = u->model->encoder;
    int n = encoder->n_num;
    uint8 *kinds;
    uint32 *counts;
    int64 total;
    double *quantiles;

    if (!read_kinds(u, &kinds, &counts, &total))
        return false;
    encoder->transforms = MemoryContextAllocZero(u->model->context, sizeof(NnTransform) * Max(n, 1));
    for (int s = 0; s < CTR_MODEL_N_STATISTICS; s++) {
        double *values = unpack_vector(u, model_statistics[s].name, CTR_SAFE_F64, n);

        if (values == NULL)
            return false;
        for (int i = 0; i < n; i++)
            *(double *)((char *)&encoder->transforms[i] + model_statistics[s].offset) = values[i];
    }
    MemoryContextSwitchTo(u->model->context);
    quantiles = unpack_vector(u, CTR_MODEL_QUANTILES, CTR_SAFE_F64, total);
    MemoryContextSwitchTo(u->scratch);
    if (quantiles == NULL)
        return false;
    for (int i = 0; i < n; i++) {
        encoder->transforms[i].kind = (NnTransformKind)kinds[i];
        encoder->transforms[i].n_quantiles = (int)counts[i];
        encoder->transforms[i].quantiles = counts[i] > 0 ? quantiles : NULL;
        transform_sample(&encoder->transforms[i]);
        quantiles += counts[i];
    }
    return true;
}

/* Converts all strings [n] to the database's encoding, which changes their ends. */
static const char *
convert_categories(const CtrSpelling *spelling, const char *bytes, uint32 *ends, int64 n)
{
    StringInfoData converted;
    uint32 begin = 0;

    initStringInfo(&converted);
    for (int64 i = 0; i < n; i++) {
        const uint32 end = ends[i];

        if ((i & 0xffff) == 0)
            CHECK_FOR_INTERRUPTS();
        spelling_append_for_database(spelling, &converted, bytes + begin, end - begin);
        ends[i] = (uint32)converted.len;
        begin = end;
    }
    return converted.data;
}

static bool
check_ends(CtrUnpacker *u, const uint32 *ends, int64 n, Size bytes)
{
    bool good = n == 0 ? bytes == 0 : ends[n - 1] == bytes;

    for (int64 i = 1; good && i < n; i++) {
        ctr_pause_at(i);
        good = ends[i - 1] <= ends[i];
    }
    return good || safetensors_invalid(u->escontext, "its categories do not fit their bytes");
}

/* All columns' categories, one after the other: *ends and frequencies of each, and their bytes. */
static const char *
read_categories(CtrUnpacker *u, int64 total, uint32 **ends, int32 **frequencies)
{
    const CtrSafeTensor *tensor = safetensors_find(u->file, CTR_MODEL_BYTES);
    int64 size = tensor != NULL ? (int64)tensor->size : 0;
    const char *bytes = unpack_vector(u, CTR_MODEL_BYTES, CTR_SAFE_U8, size);
    CtrSpelling spelling;

    *ends = bytes != NULL ? unpack_vector(u, CTR_MODEL_END, CTR_SAFE_U32, total) : NULL;
    if (*ends == NULL || !check_ends(u, *ends, total, (Size)size))
        return NULL;
    MemoryContextSwitchTo(u->model->context);
    *frequencies = unpack_vector(u, CTR_MODEL_FREQUENCY, CTR_SAFE_I32, total);
    MemoryContextSwitchTo(u->scratch);
    if (*frequencies == NULL)
        return NULL;
    return spelling_start(&spelling) ? convert_categories(&spelling, bytes, *ends, total) : bytes;
}

static void
set_categories(CtrEncoder *encoder, const uint32 *counts)
{
    for (int f = 0; f < encoder->n_cat; f++)
        encoder->categories[f] = (int)counts[f] + CTR_CODE_KNOWN;
}

bool
unpack_vocabs(CtrUnpacker *u, void (*meanwhile)(void *))
{
    CtrEncoder *encoder = u->model->encoder;
    MemoryContext context = u->model->context;
    int n = encoder->n_cat;
    uint32 *counts = unpack_vector(u, CTR_MODEL_COUNT, CTR_SAFE_U32, n);
    int64 total = 0;
    uint32 *ends;
    int32 *frequencies, twice;
    const char *bytes;

    if (counts == NULL)
        return false;
    if (unpack_no_encoder(u)) { /* of a model that has been validated */
        set_categories(encoder, counts);
        if (!unpack_cross_counts(u))
            return false;
        meanwhile(u);
        return u->good;
    }
    for (int f = 0; f < n; f++)
        total += counts[f];
    bytes = read_categories(u, total, &ends, &frequencies);
    if (bytes == NULL)
        return false;
    set_categories(encoder, counts); /* which are no more than the file has */
    encoder->vocabs = MemoryContextAllocZero(context, sizeof(CtrVocab *) * Max(n + encoder->n_crosses, 1));
    encoder->frequencies = MemoryContextAlloc(context, sizeof(int32 *) * Max(n + encoder->n_crosses, 1));
    for (int f = 0; f < n; f++) {
        encoder->frequencies[f] = frequencies;
        frequencies += counts[f];
    }
    if (!unpack_cross_categories(u))
        return false;
    twice = vocab_load(encoder->vocabs, context, bytes, ends, counts, n, meanwhile, u);
    if (!u->good)
        return false;
    return twice == 0 ||
           safetensors_invalid(u->escontext, "a feature has its category number %d twice", twice);
}
