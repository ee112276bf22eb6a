/*
 * merge.c: the aggregate ctr_merge: parts that ctr_prepare looked at become what they have in common, or the
 * start that ctr_train trains; parts that were trained from one model become their average.
 *
 * Parts are taken in the order of their digests, so that the order in which they come does not matter. Those
 * that lie in tables stay there until their turn.
 */
#include "train/prepare.h"

#include "options/table.h"

typedef struct Part {
    Datum value;
    char digest[CTR_MODEL_DIGEST_SIZE + 1];
} Part;

typedef struct Merging {
    MemoryContext context;
    int n, room;
    Part *parts;
} Merging;

/* ------------------------------------------------------------------ parts that belong together */

CtrModel *
parts_unpack(const CtrParts *parts, int i, MemoryContext context)
{
    return model_unpack_any(parts->values[i], context);
}

static void
check_options(const CtrOptions *a, const CtrOptions *b)
{
    for (int i = 0; i < n_option_specs; i++) {
        const OptionSpec *spec = &option_specs[i];
        StringInfoData one, other;

        if (!(spec->architectures & (1 << a->net.architecture)))
            continue;
        initStringInfo(&one);
        initStringInfo(&other);
        option_append(&one, a, spec);
        option_append(&other, b, spec);
        if (strcmp(one.data, other.data) != 0)
            ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                            errmsg("the parts to merge differ in option \"%s\"", spec->key),
                            errdetail("It is %s and %s.", one.data, other.data),
                            errhint("Prepare and train all parts with the same options.")));
        pfree(one.data);
        pfree(other.data);
    }
}

static void
check_columns(const CtrEncoder *a, const CtrEncoder *b)
{
    const int n = a->n_num + a->n_cat, m = b->n_num + b->n_cat;

    for (int i = 0; i < Max(n, m); i++) {
        const CtrFeature *one = i < n ? &a->features[i] : NULL, *other = i < m ? &b->features[i] : NULL;

        if (one && other && one->kind == other->kind && strcmp(one->name, other->name) == 0)
            continue;
        ereport(ERROR,
                (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                 errmsg("the parts to merge differ in their columns"),
                 errdetail("Feature %d is %s and %s.", i + 1, one ? psprintf("\"%s\"", one->name) : "none",
                           other ? psprintf("\"%s\"", other->name) : "none"),
                 errhint("Columns must have the same names, types and order in all parts.")));
    }
}

void
parts_check_same(const CtrModel *first, const CtrModel *part)
{
    if (first->stage != part->stage)
        ereport(
            ERROR,
            (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("the parts to merge are of different kinds"),
             errdetail("One is %s, another is %s.", stage_words(first->stage), stage_words(part->stage))));
    check_options(&first->options, &part->options);
    check_columns(first->encoder, part->encoder);
}

/* ------------------------------------------------------------------ the aggregate */

/* A copy that needs no memory where the value lies in a table. */
static Datum
keep_value(Datum value)
{
    const struct varlena *pointer = (const struct varlena *)DatumGetPointer(value);

    if (!VARATT_IS_EXTERNAL_ONDISK(pointer))
        return PointerGetDatum(PG_DETOAST_DATUM_COPY(value));
    return PointerGetDatum(memcpy(palloc(VARSIZE_ANY(pointer)), pointer, VARSIZE_ANY(pointer)));
}

/* CREATE FUNCTION ctr_merge_transition(internal, ctr_model) RETURNS internal */
PG_FUNCTION_INFO_V1(ctr_merge_transition);
Datum
ctr_merge_transition(PG_FUNCTION_ARGS)
{
    Merging *merging = PG_ARGISNULL(0) ? NULL : (Merging *)PG_GETARG_POINTER(0);
    MemoryContext aggregate, old;
    Part *part;

    if (!AggCheckCallContext(fcinfo, &aggregate))
        elog(ERROR, "ctr_merge_transition called in non-aggregate context");
    old = MemoryContextSwitchTo(aggregate);
    if (merging == NULL) {
        merging = palloc0(sizeof(Merging));
        merging->context = AllocSetContextCreate(aggregate, "ctr merge", ALLOCSET_DEFAULT_SIZES);
        merging->room = 8;
        merging->parts = palloc(sizeof(Part) * merging->room);
    }
    if (!PG_ARGISNULL(1)) {
        MemoryContextSwitchTo(merging->context);
        if (merging->n == merging->room)
            merging->parts = repalloc(merging->parts, sizeof(Part) * (merging->room *= 2));
        part = &merging->parts[merging->n++];
        *part = (Part){.value = keep_value(PG_GETARG_DATUM(1))};
        model_digest(part->value, part->digest);
    }
    MemoryContextSwitchTo(old);
    PG_RETURN_POINTER(merging);
}

static int
compare_parts(const void *a, const void *b)
{
    return memcmp(((const Part *)a)->digest, ((const Part *)b)->digest, CTR_MODEL_DIGEST_SIZE);
}

/* Once no pass is left, what is merged becomes the start. */
static CtrModel *
finish(CtrModel *all)
{
    if (stage_next(all) == CTR_STAGE_MODEL)
        start_create(all);
    return all;
}

static CtrStage
value_stage(Datum value, MemoryContext context)
{
    CtrModel *model = model_unpack_any(value, context);
    const CtrStage stage = model->stage;

    MemoryContextDelete(model->context);
    return stage;
}

static CtrModel *
merge(const CtrParts *parts, MemoryContext context)
{
    const CtrStage stage = value_stage(parts->values[0], context);

    switch (stage) {
    case CTR_STAGE_COLUMNS:
        return finish(merge_columns(parts, context));
    case CTR_STAGE_SAMPLE:
        return finish(merge_samples(parts, context));
    case CTR_STAGE_PAIRS:
        return finish(merge_pairs(parts, context));
    case CTR_STAGE_LABELS:
        return finish(merge_labels(parts, context));
    case CTR_STAGE_MODEL:
        return merge_models(parts, context);
    default:
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("what is to be merged is merged already: %s", stage_words(stage)),
                        errhint("ctr_prepare takes it as its third argument for the next pass.")));
    }
}

/* One model, or one merged value, is what it is. */
static bool
is_merged(Datum value, MemoryContext context)
{
    return !stage_is_part(value_stage(value, context));
}

/* The result, in `aggregate`. */
static Datum
merge_all(Merging *merging, MemoryContext aggregate)
{
    MemoryContext context = AllocSetContextCreate(aggregate, "ctr merging", ALLOCSET_DEFAULT_SIZES);
    MemoryContext old = MemoryContextSwitchTo(context);
    CtrParts parts = {.n = merging->n, .values = palloc(sizeof(Datum) * merging->n)};
    Datum result;

    qsort(merging->parts, merging->n, sizeof(Part), compare_parts);
    for (int i = 0; i < merging->n; i++)
        parts.values[i] = merging->parts[i].value;
    if (parts.n == 1 && is_merged(parts.values[0], context)) {
        MemoryContextSwitchTo(aggregate);
        result = PointerGetDatum(PG_DETOAST_DATUM_COPY(parts.values[0]));
    } else
        result = PointerGetDatum(model_pack(merge(&parts, context), aggregate));
    MemoryContextSwitchTo(old);
    MemoryContextDelete(context);
    return result;
}

/* CREATE FUNCTION ctr_merge_final(internal) RETURNS ctr_model */
PG_FUNCTION_INFO_V1(ctr_merge_final);
Datum
ctr_merge_final(PG_FUNCTION_ARGS)
{
    Merging *merging = PG_ARGISNULL(0) ? NULL : (Merging *)PG_GETARG_POINTER(0);
    MemoryContext aggregate;

    if (!AggCheckCallContext(fcinfo, &aggregate))
        elog(ERROR, "ctr_merge_final called in non-aggregate context");
    if (merging == NULL || merging->n == 0) {
        ereport(WARNING, (errmsg("no parts to merge")));
        PG_RETURN_NULL();
    }
    return merge_all(merging, aggregate);
}
