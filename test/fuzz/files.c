/*
 * files.c: targets that read files: "load" (a model's bytes), "weights" (those of others, for one of the
 * models), "onnx" (a model that is written in that format).
 */
#include "fuzz.h"

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
    Datum value = fuzz_accepted_model(data, size);

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
    Datum value = fuzz_accepted_model(data, size);

    if (stage_of(value) == CTR_STAGE_MODEL)
        must_succeed(write_onnx, &value, "ONNX");
}

const FuzzTarget fuzz_onnx = {.name = "onnx", .run = run_onnx, .mutate = fuzz_mutate_model};
