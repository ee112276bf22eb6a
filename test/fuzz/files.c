/*
 * files.c: targets that read files: "load" (a model's bytes), "weights" (those of others, for one of the
 * models), "onnx" (a model that is written in that format), "use" (a model, with which the statements of the
 * table `uses` are run).
 */
#include "fuzz.h"

#include "common/hashfn.h"
#include "executor/spi.h"
#include "utils/builtins.h"

#ifdef CTR_WITH_ONNX
#include "io/onnx.pb-c.h"
#endif

Datum ctr_to_onnx(PG_FUNCTION_ARGS);
Datum ctr_load_weights(PG_FUNCTION_ARGS);

/* Part of what follows the decision that a model is valid: an error in it is a finding. */
static void
must_succeed(void (*body)(void *), Datum *model, const char *what)
{
    int state;

    if (!fuzz_guarded(body, model, &state))
        fuzz_finding("%s: %s of a model that was accepted", unpack_sql_state(state), what);
}

static Datum
accepted_model(const uint8 *data, size_t size)
{
    Datum value = fuzz_value(data, size);

    model_validate(value, NULL);
    fuzz_count_accepted();
    return value;
}

/* ------------------------------------------------------------------ load */

static CtrStage
stage_of(Datum value)
{
    CtrModel *model = model_unpack_any(value, CurrentMemoryContext);
    const CtrStage stage = model->stage;

    MemoryContextDelete(model->context);
    return stage;
}

static void
unpack_and_pack(void *value)
{
    CtrModel *model = model_unpack_any(*(Datum *)value, CurrentMemoryContext);
    ctr_model *packed = model_pack(model, CurrentMemoryContext), *again;

    model_validate(PointerGetDatum(packed), NULL);
    again = model_pack(model_unpack_any(PointerGetDatum(packed), CurrentMemoryContext), CurrentMemoryContext);
    if (VARSIZE(packed) != VARSIZE(again) || memcmp(packed, again, VARSIZE(packed)) != 0)
        fuzz_finding("a model that was read and written twice changed");
}

static void
unpack_to_score(void *value)
{
    if (stage_of(*(Datum *)value) == CTR_STAGE_MODEL)
        model_unpack(*(Datum *)value, CurrentMemoryContext);
}

static void
run_load(const uint8 *data, size_t size)
{
    Datum value = accepted_model(data, size);

    must_succeed(unpack_to_score, &value, "unpacking to score");
    must_succeed(unpack_and_pack, &value, "unpacking and packing");
}

const FuzzTarget fuzz_load = {.name = "load", .run = run_load, .mutate = fuzz_mutate_model};

/* ------------------------------------------------------------------ weights */

static Datum own_model; /* the first of the table `models` */

static void
prepare_weights(void)
{
    MemoryContext caller = CurrentMemoryContext;
    bool is_null;
    Datum value;

    SPI_connect();
    if (SPI_execute("SELECT model FROM models WHERE name = 'deepcross_matrix_stacked_1'", true, 1) !=
            SPI_OK_SELECT ||
        SPI_processed != 1)
        elog(ERROR, "there is no model to load weights into");
    value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &is_null);
    MemoryContextSwitchTo(caller);
    own_model = PointerGetDatum(PG_DETOAST_DATUM_COPY(value));
    SPI_finish();
}

static void
validate(void *value)
{
    model_validate(*(Datum *)value, NULL);
}

static void
run_weights(const uint8 *data, size_t size)
{
    Datum loaded = DirectFunctionCall2(ctr_load_weights, own_model, fuzz_value(data, size));

    fuzz_count_accepted();
    must_succeed(validate, &loaded, "validating what the weights make");
}

const FuzzTarget fuzz_weights = {
    .name = "weights", .prepare = prepare_weights, .run = run_weights, .mutate = fuzz_mutate_weights};

/* ------------------------------------------------------------------ onnx */

static void
write_onnx(void *value)
{
    struct varlena *bytes =
        (struct varlena *)DatumGetPointer(DirectFunctionCall1(ctr_to_onnx, *(Datum *)value));

#ifdef CTR_WITH_ONNX
    Onnx__ModelProto *read =
        onnx__model_proto__unpack(NULL, VARSIZE_ANY_EXHDR(bytes), (const uint8 *)VARDATA_ANY(bytes));

    if (read == NULL || read->graph == NULL || read->graph->n_node == 0)
        fuzz_finding("an ONNX file that cannot be read");
    onnx__model_proto__free_unpacked(read, NULL);
#endif
}

static void
run_onnx(const uint8 *data, size_t size)
{
    Datum value = accepted_model(data, size);

    if (stage_of(value) == CTR_STAGE_MODEL)
        must_succeed(write_onnx, &value, "ONNX");
}

const FuzzTarget fuzz_onnx = {.name = "onnx", .run = run_onnx, .mutate = fuzz_mutate_model};

/* ------------------------------------------------------------------ use */

#define USE_APART 4 /* an input has every so many statements */

static SPIPlanPtr *uses;
static char **use_texts;
static int n_uses;

static void
prepare_use(void)
{
    MemoryContext caller = CurrentMemoryContext;
    SPITupleTable *found;

    SPI_connect();
    if (SPI_execute("SELECT statement, 'ctr_model'::regtype::oid FROM uses ORDER BY id", true, 0) !=
        SPI_OK_SELECT)
        elog(ERROR, "there is nothing to do with models");
    found = SPI_tuptable;
    n_uses = (int)SPI_processed;
    MemoryContextSwitchTo(caller);
    uses = palloc(n_uses * sizeof(SPIPlanPtr));
    use_texts = palloc(n_uses * sizeof(char *));
    for (int i = 0; i < n_uses; i++) {
        bool is_null;
        Oid type = DatumGetObjectId(SPI_getbinval(found->vals[i], found->tupdesc, 2, &is_null));

        use_texts[i] = MemoryContextStrdup(caller, SPI_getvalue(found->vals[i], found->tupdesc, 1));
        uses[i] = SPI_prepare(use_texts[i], 1, &type);
        if (uses[i] == NULL || SPI_keepplan(uses[i]) != 0)
            elog(ERROR, "could not prepare: %s", use_texts[i]);
    }
    SPI_finish();
}

typedef struct Use {
    Datum model;
    int number;
} Use;

/* A statement's first column may be a boolean: it says whether all went well. */
static void
run_use(void *argument)
{
    Use *use = argument;

    SPI_connect();
    SPI_execute_plan(uses[use->number], &use->model, NULL, false, 0);
    for (uint64 i = 0; SPI_tuptable != NULL && i < SPI_tuptable->numvals; i++) {
        char *value = SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1);

        if (value != NULL && strcmp(value, "f") == 0)
            fuzz_finding("this is false: %s", use_texts[use->number]);
    }
    SPI_finish();
}

/*
 * One statement in four, because so many trainings take long; which ones, the input's bytes say. Statements may
 * refuse a model, whose columns for example are not those of the rows.
 */
static void
run_all_uses(const uint8 *data, size_t size)
{
    Use use = {.model = accepted_model(data, size)};
    int state;

    for (use.number = DatumGetUInt32(hash_any(data, (int)size)) % USE_APART; use.number < n_uses;
         use.number += USE_APART)
        fuzz_guarded(run_use, &use, &state);
}

const FuzzTarget fuzz_use = {
    .name = "use", .prepare = prepare_use, .run = run_all_uses, .mutate = fuzz_mutate_model};
