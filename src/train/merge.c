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
    Datum base; /* the model that the parts are changes of; 0: they are values of their own */
} Merging;

/* ------------------------------------------------------------------ parts that belong together */

CtrValueBytes *
parts_bytes(const CtrParts *parts, int i)
{
    return parts->base ? changes_bytes(parts->base, parts->values[i]) : value_bytes(parts->values[i]);
}

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

static Merging *
merging_of(FunctionCallInfo fcinfo)
{
    MemoryContext aggregate, old;
    Merging *merging;

    if (!AggCheckCallContext(fcinfo, &aggregate))
        elog(ERROR, "ctr_merge called in non-aggregate context");
    if (!PG_ARGISNULL(0))
        return (Merging *)PG_GETARG_POINTER(0);
    old = MemoryContextSwitchTo(aggregate);
    merging = palloc0(sizeof(Merging));
    merging->context = AllocSetContextCreate(aggregate, "ctr merge", ALLOCSET_DEFAULT_SIZES);
    merging->room = 8;
    merging->parts = palloc(sizeof(Part) * merging->room);
    MemoryContextSwitchTo(old);
    return merging;
}

static Part *
keep_part(Merging *merging, Datum value)
{
    MemoryContext old = MemoryContextSwitchTo(merging->context);
    Part *part;

    if (merging->n == merging->room)
        merging->parts = repalloc(merging->parts, sizeof(Part) * (merging->room *= 2));
    part = &merging->parts[merging->n++];
    *part = (Part){.value = keep_value(value)};
    MemoryContextSwitchTo(old);
    return part;
}

/* CREATE FUNCTION ctr_merge_transition(internal, ctr_model) RETURNS internal */
PG_FUNCTION_INFO_V1(ctr_merge_transition);
Datum
ctr_merge_transition(PG_FUNCTION_ARGS)
{
    Merging *merging = merging_of(fcinfo);

    if (!PG_ARGISNULL(1)) {
        Part *part = keep_part(merging, PG_GETARG_DATUM(1));

        model_digest(part->value, part->digest);
    }
    PG_RETURN_POINTER(merging);
}

/* CREATE FUNCTION ctr_merge_transition(internal, base ctr_model, changes bytea) RETURNS internal */
PG_FUNCTION_INFO_V1(ctr_merge_changes_transition);
Datum
ctr_merge_changes_transition(PG_FUNCTION_ARGS)
{
    Merging *merging = merging_of(fcinfo);

    if (!PG_ARGISNULL(1) && !PG_ARGISNULL(2)) {
        if (merging->n == 0) {
            MemoryContext old = MemoryContextSwitchTo(merging->context);

            merging->base = keep_value(PG_GETARG_DATUM(1));
            MemoryContextSwitchTo(old);
        }
        keep_part(merging, PG_GETARG_DATUM(2));
    }
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

static CtrModel *
merge_prepared(const CtrParts *parts, CtrStage stage, MemoryContext context)
{
    switch (stage) {
    case CTR_STAGE_COLUMNS:
        return finish(merge_columns(parts, context));
    case CTR_STAGE_SAMPLE:
        return finish(merge_samples(parts, context));
    case CTR_STAGE_PAIRS:
        return finish(merge_pairs(parts, context));
    case CTR_STAGE_LABELS:
        return finish(merge_labels(parts, context));
    default:
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("what is to be merged is merged already: %s", stage_words(stage)),
                        errhint("ctr_prepare takes it as its third argument for the next pass.")));
    }
}

/* The result, in `result`. One model, or one merged value, is what it is. */
static Datum
merge(const CtrParts *parts, MemoryContext context, MemoryContext result)
{
    /* check_changes has seen to it that changes give models */
    const CtrStage stage = parts->base ? CTR_STAGE_MODEL : model_stage(parts->values[0]);
    Datum value;

    if (parts->n == 1 && !stage_is_part(stage)) {
        MemoryContextSwitchTo(result);
        value = PointerGetDatum(parts->base ? changes_apply(parts_bytes(parts, 0))
                                            : PG_DETOAST_DATUM_COPY(parts->values[0]));
        MemoryContextSwitchTo(context);
        return value;
    }
    if (stage == CTR_STAGE_MODEL)
        return PointerGetDatum(merge_models(parts, context, result));
    return PointerGetDatum(model_pack(merge_prepared(parts, stage, context), result));
}

/*
 * A ctr_model has been checked when it came in; changes have not, so the models that they give are: each for
 * itself, whole, in a context that is reset for the next one. Keeps their digests.
 */
static void
check_changes(Merging *merging, CtrValueBytes *base)
{
    MemoryContext context =
        AllocSetContextCreate(CurrentMemoryContext, "ctr changes", ALLOCSET_DEFAULT_SIZES);
    MemoryContext caller = MemoryContextSwitchTo(context);

    for (int i = 0; i < merging->n; i++) {
        const Datum model = PointerGetDatum(changes_apply(changes_bytes(base, merging->parts[i].value)));
        const CtrStage stage = model_stage(model);

        if (stage != CTR_STAGE_MODEL)
            ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                            errmsg("changes to merge must be those of models"),
                            errdetail("One is %s.", stage_words(stage)),
                            errhint("Merge what ctr_prepare gives as it is: ctr_merge(part).")));
        model_digest(model, merging->parts[i].digest);
        MemoryContextReset(context);
    }
    MemoryContextSwitchTo(caller);
    MemoryContextDelete(context);
}

/* The result is in the current context, out of which PostgreSQL need not copy it. */
static Datum
merge_all(Merging *merging)
{
    MemoryContext caller = CurrentMemoryContext;
    MemoryContext context = AllocSetContextCreate(caller, "ctr merging", ALLOCSET_DEFAULT_SIZES);
    CtrParts parts = {.n = merging->n};
    Datum result;

    MemoryContextSwitchTo(context);
    parts.values = palloc(sizeof(Datum) * merging->n);
    if (merging->base) {
        parts.base = value_bytes(merging->base);
        check_changes(merging, parts.base);
    }
    qsort(merging->parts, merging->n, sizeof(Part), compare_parts);
    for (int i = 0; i < merging->n; i++)
        parts.values[i] = merging->parts[i].value;
    result = merge(&parts, context, caller);
    MemoryContextSwitchTo(caller);
    MemoryContextDelete(context);
    return result;
}

/* CREATE FUNCTION ctr_merge_final(internal) RETURNS ctr_model */
PG_FUNCTION_INFO_V1(ctr_merge_final);
Datum
ctr_merge_final(PG_FUNCTION_ARGS)
{
    Merging *merging = PG_ARGISNULL(0) ? NULL : (Merging *)PG_GETARG_POINTER(0);

    if (!AggCheckCallContext(fcinfo, NULL))
        elog(ERROR, "ctr_merge_final called in non-aggregate context");
    if (merging == NULL || merging->n == 0) {
        ereport(WARNING, (errmsg("no parts to merge")));
        PG_RETURN_NULL();
    }
    return merge_all(merging);
}
