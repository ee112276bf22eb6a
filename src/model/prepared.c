/*
 * prepared.c: values on the way to a start that the parts of a table have in common (CtrStage), in bytes, and
 * what a model with a shared encoder has besides.
 */
#include "model/pack.h"
#include "model/unpack.h"

#define MOMENTS 5 /* the members of NnMoments */

StaticAssertDecl(sizeof(NnMoments) == MOMENTS * sizeof(double), "moments are stored as they are");

const char *
stage_words(CtrStage stage)
{
    static const char *const words[CTR_N_STAGES] = {
        [CTR_STAGE_MODEL] = "a model",
        [CTR_STAGE_COLUMNS] = "what one part's columns are",
        [CTR_STAGE_COMMON_COLUMNS] = "what the parts' columns have in common",
        [CTR_STAGE_SAMPLE] = "a sample of one part's rows",
        [CTR_STAGE_COMMON_CROSSES] = "which columns are paired",
        [CTR_STAGE_PAIRS] = "one part's pairs of categories",
        [CTR_STAGE_COMMON_PAIRS] = "the parts' pairs of categories",
        [CTR_STAGE_LABELS] = "one part's labels by category",
    };

    return words[stage];
}

CtrStage
stage_next(const CtrModel *common)
{
    if (common->stage == CTR_STAGE_COMMON_COLUMNS && crosses_need_rows(&common->options, common->encoder))
        return CTR_STAGE_SAMPLE;
    if (common->stage == CTR_STAGE_COMMON_CROSSES && common->encoder->n_crosses > 0)
        return CTR_STAGE_PAIRS;
    return common->stage < CTR_STAGE_LABELS && common->encoder->n_statistics > 0 ? CTR_STAGE_LABELS
                                                                                 : CTR_STAGE_MODEL;
}

static int
n_classes(const CtrModel *model)
{
    return Max(model->options.net.n_classes, 2);
}

/* codes of all fields */
static int64
all_codes(const CtrEncoder *encoder)
{
    int64 n = 0;

    for (int f = 0; f < encoder->d_cat; f++)
        n += encoder->categories[f];
    return n;
}

int32 *
model_create_code_rows(const CtrModel *model)
{
    const Size size = mul_size((Size)all_codes(model->encoder), sizeof(int32));

    return MemoryContextAllocExtended(model->context, Max(size, 1), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
}

/* ------------------------------------------------------------------ writing */

static void
pack_points(CtrSafeFile *file, const CtrModel *model)
{
    const int n = model->encoder->n_num;
    const NnPoints *points = model->prepared.points;
    uint8 *exact = pack_vector(file, CTR_MODEL_POINTS_EXACT, CTR_SAFE_U8, n, sizeof(uint8));
    uint32 *counts = pack_vector(file, CTR_MODEL_POINTS_COUNT, CTR_SAFE_U32, n, sizeof(uint32));
    NnMoments *moments = palloc(sizeof(NnMoments) * Max(n, 1));
    int64 shape[] = {n, MOMENTS}, total = 0;
    double *values;
    int64 *rows;

    for (int i = 0; i < n; i++) {
        exact[i] = points[i].exact;
        counts[i] = (uint32)points[i].n;
        moments[i] = points[i].moments;
        total += points[i].n;
    }
    pack_tensor(file, CTR_MODEL_POINTS_MOMENTS, CTR_SAFE_F64, 2, shape, moments, sizeof(NnMoments) * n);
    values = pack_vector(file, CTR_MODEL_POINTS_VALUE, CTR_SAFE_F64, total, sizeof(double));
    rows = pack_vector(file, CTR_MODEL_POINTS_ROWS, CTR_SAFE_I64, total, sizeof(int64));
    for (int i = 0; i < n; i++) {
        if (points[i].n > 0) {
            memcpy(values, points[i].values, points[i].n * sizeof(double));
            memcpy(rows, points[i].rows, points[i].n * sizeof(int64));
        }
        values += points[i].n;
        rows += points[i].n;
    }
}

void
pack_prepared(CtrSafeFile *file, const CtrModel *model)
{
    double *weights =
        pack_vector(file, CTR_MODEL_CLASS_WEIGHTS, CTR_SAFE_F64, n_classes(model), sizeof(double));

    memcpy(weights, model->prepared.class_weights, sizeof(double) * n_classes(model));
    if (model->stage == CTR_STAGE_COLUMNS)
        pack_points(file, model);
    if (model->stage == CTR_STAGE_SAMPLE)
        pack_sample(file, model);
}

void
pack_shared(CtrSafeFile *file, const CtrModel *model)
{
    const int64 n = all_codes(model->encoder);

    if (model->encoder->shared)
        pack_tensor(file, CTR_MODEL_PART_ROWS, CTR_SAFE_I32, 1, &n, model->code_rows,
                    (Size)n * sizeof(int32));
}

/* ------------------------------------------------------------------ reading: what it is */

static void
refuse_prepared(const CtrModel *model)
{
    const bool is_part = stage_is_part(model->stage);

    ereport(ERROR,
            (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errmsg("ctr_model is prepared, not trained"),
             errdetail("It is %s.", stage_words(model->stage)),
             is_part ? errhint("ctr_merge makes of all parts what they have in common.")
                     : errhint("ctr_prepare takes it as its third argument for the next pass.")));
}

static void
refuse_velocity(void)
{
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("ctr_model is a velocity of ctr_step, not a model"),
                    errhint("Only ctr_step takes it, in the next round.")));
}

static CtrStage
stage_named(const char *name)
{
    for (int i = CTR_STAGE_MODEL + 1; name != NULL && i < CTR_N_STAGES; i++) {
        if (strcmp(name, model_stage_names[i]) == 0)
            return (CtrStage)i;
    }
    return CTR_STAGE_MODEL;
}

CtrStage
model_stage(Datum value)
{
    return stage_named(safetensors_entry(safetensors_parse(value, NULL), "prepared"));
}

bool
unpack_stage(CtrUnpacker *u)
{
    const char *stage = safetensors_entry(u->file, "prepared"),
               *weights = safetensors_entry(u->file, "weights");
    const char *encoder = safetensors_entry(u->file, "encoder");
    CtrModel *model = u->model;

    model->stage = stage_named(stage);
    if (stage != NULL && model->stage == CTR_STAGE_MODEL)
        return safetensors_invalid(u->escontext, "metadata entry \"prepared\" is none of its values");
    if (encoder != NULL && (model->stage != CTR_STAGE_MODEL || strcmp(encoder, "shared") != 0))
        return safetensors_invalid(u->escontext, "metadata entry \"encoder\" is none of its values");
    model->encoder->shared = encoder != NULL || model->stage != CTR_STAGE_MODEL;
    if (model->stage != CTR_STAGE_MODEL && u->use < CTR_UNPACK_ANY)
        refuse_prepared(model);
    if (weights != NULL && strcmp(weights, model_weights_names[CTR_WEIGHTS_VELOCITY]) == 0 &&
        u->use < CTR_UNPACK_ANY)
        refuse_velocity();
    return true;
}

/* ------------------------------------------------------------------ reading: tensors */

static bool
read_points(CtrUnpacker *u)
{
    const CtrEncoder *encoder = u->model->encoder;
    const int n = encoder->n_num;
    const uint8 *exact = unpack_vector(u, CTR_MODEL_POINTS_EXACT, CTR_SAFE_U8, n);
    const uint32 *counts = exact != NULL ? unpack_vector(u, CTR_MODEL_POINTS_COUNT, CTR_SAFE_U32, n) : NULL;
    int64 shape[] = {n, MOMENTS}, total = 0;
    const CtrSafeTensor *tensor =
        counts != NULL ? unpack_tensor(u, CTR_MODEL_POINTS_MOMENTS, CTR_SAFE_F64, 2, shape) : NULL;
    NnMoments *moments = palloc(sizeof(NnMoments) * Max(n, 1));
    NnPoints *points = MemoryContextAllocZero(u->model->context, sizeof(NnPoints) * Max(n, 1));
    double *values;
    int64 *rows;

    if (tensor == NULL)
        return false;
    safetensors_read(u->file, tensor, moments);
    for (int i = 0; i < n; i++) {
        if (exact[i] > 1 || counts[i] > NN_POINTS_MOST)
            return safetensors_invalid(u->escontext, "feature \"%s\" has %u points",
                                       encoder->features[i].name, counts[i]);
        total += counts[i];
    }
    MemoryContextSwitchTo(u->model->context);
    values = unpack_vector(u, CTR_MODEL_POINTS_VALUE, CTR_SAFE_F64, total);
    rows = values != NULL ? unpack_vector(u, CTR_MODEL_POINTS_ROWS, CTR_SAFE_I64, total) : NULL;
    MemoryContextSwitchTo(u->scratch);
    if (rows == NULL)
        return false;
    for (int i = 0; i < n; i++) {
        points[i] = (NnPoints){exact[i] == 1, counts[i], values, rows, moments[i]};
        values += counts[i];
        rows += counts[i];
    }
    u->model->prepared.points = points;
    return true;
}

bool
unpack_prepared(CtrUnpacker *u)
{
    CtrModel *model = u->model;

    MemoryContextSwitchTo(model->context);
    model->prepared.class_weights = unpack_vector(u, CTR_MODEL_CLASS_WEIGHTS, CTR_SAFE_F64, n_classes(model));
    MemoryContextSwitchTo(u->scratch);
    return model->prepared.class_weights != NULL && (model->stage != CTR_STAGE_COLUMNS || read_points(u)) &&
           (model->stage != CTR_STAGE_SAMPLE || unpack_sample(u));
}

/* The digest of the model that a training on a shared encoder went on from. */
static bool
read_start(CtrUnpacker *u)
{
    const char *start = safetensors_entry(u->file, "start");

    if (start == NULL)
        return true;
    if (strlen(start) != CTR_MODEL_DIGEST_SIZE || strspn(start, "0123456789abcdef") != CTR_MODEL_DIGEST_SIZE)
        return safetensors_invalid(u->escontext, "metadata entry \"start\" is no digest");
    strlcpy(u->model->start, start, sizeof(u->model->start));
    return true;
}

bool
unpack_shared(CtrUnpacker *u)
{
    CtrModel *model = u->model;

    if (!model->encoder->shared)
        return true;
    if (!read_start(u))
        return false;
    if (u->use == CTR_UNPACK_TO_SCORE)
        return unpack_tensor(u, CTR_MODEL_PART_ROWS, CTR_SAFE_I32, 1, (int64[]){all_codes(model->encoder)});
    MemoryContextSwitchTo(model->context);
    model->code_rows = unpack_vector(u, CTR_MODEL_PART_ROWS, CTR_SAFE_I32, all_codes(model->encoder));
    MemoryContextSwitchTo(u->scratch);
    return model->code_rows != NULL;
}
