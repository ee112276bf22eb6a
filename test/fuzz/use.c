/*
 * use.c: the target "use": a model, with which statements of the table `uses` are run. At the end it tells how
 * often each was, and how often it refused its model.
 */
#include "fuzz.h"

#include "common/hashfn.h"
#include "executor/spi.h"
#include "portability/instr_time.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"

typedef struct Statement {
    char *text;
    SPIPlanPtr plan;
    int every; /* with one model in so many */
    int64 n_run, n_refused;
    double seconds;
} Statement;

static Statement *statements;
static int n_statements;
static HTAB *seen; /* hashes of the models that some statement did not refuse */
static int64 n_used;

static void
prepare_statement(Statement *statement, Oid model_type)
{
    statement->plan = SPI_prepare(statement->text, 1, &model_type);
    if (statement->plan == NULL || SPI_keepplan(statement->plan) != 0)
        elog(ERROR, "could not prepare: %s", statement->text);
}

static void
prepare_use(void)
{
    MemoryContext caller = CurrentMemoryContext;
    const HASHCTL table = {.keysize = sizeof(uint64), .entrysize = sizeof(uint64), .hcxt = caller};
    SPITupleTable *found;

    seen = hash_create("models used", 1024, &table, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
    SPI_connect();
    if (SPI_execute("SELECT statement, 'ctr_model'::regtype::oid, every FROM uses ORDER BY id", true, 0) !=
        SPI_OK_SELECT)
        elog(ERROR, "there is nothing to do with models");
    found = SPI_tuptable;
    n_statements = (int)SPI_processed;
    statements = MemoryContextAllocZero(caller, n_statements * sizeof(Statement));
    for (int i = 0; i < n_statements; i++) {
        bool is_null;
        Oid type = DatumGetObjectId(SPI_getbinval(found->vals[i], found->tupdesc, 2, &is_null));

        statements[i].text = MemoryContextStrdup(caller, SPI_getvalue(found->vals[i], found->tupdesc, 1));
        statements[i].every = DatumGetInt32(SPI_getbinval(found->vals[i], found->tupdesc, 3, &is_null));
        prepare_statement(&statements[i], type);
    }
    SPI_finish();
}

typedef struct Use {
    Datum model;
    const Statement *statement;
} Use;

/* A statement's first column may be a boolean: it says whether all went well. */
static void
run_statement(void *argument)
{
    Use *use = argument;

    SPI_connect();
    SPI_execute_plan(use->statement->plan, &use->model, NULL, false, 0);
    for (uint64 i = 0; SPI_tuptable != NULL && i < SPI_tuptable->numvals; i++) {
        char *value = SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1);

        if (value != NULL && strcmp(value, "f") == 0)
            fuzz_finding("this is false: %s", use->statement->text);
    }
    SPI_finish();
}

/* A statement may refuse a model, whose columns for example are not those of the rows; false: it has. */
static bool
use_model(Datum model, Statement *statement)
{
    Use use = {.model = model, .statement = statement};
    instr_time began, ended;
    int state;
    bool good;

    INSTR_TIME_SET_CURRENT(began);
    good = fuzz_guarded(run_statement, &use, &state);
    statement->n_run++;
    statement->n_refused += !good;
    INSTR_TIME_SET_CURRENT(ended);
    INSTR_TIME_SUBTRACT(ended, began);
    statement->seconds += INSTR_TIME_GET_DOUBLE(ended);
    return good;
}

/* Some statements, because all of them take long; which ones, the model's bytes say. */
static void
run_use(const uint8 *data, size_t size)
{
    const Datum model = fuzz_accepted_model(data, size);
    const uint64 hash = DatumGetUInt64(hash_any_extended(data, (int)size, 0));
    bool was_seen, was_used = false;

    for (int i = 0; i < n_statements; i++) {
        if (murmurhash32((uint32)hash + (uint32)i) % (uint32)statements[i].every == 0)
            was_used |= use_model(model, &statements[i]);
    }
    if (was_used) {
        hash_search(seen, &hash, HASH_ENTER, &was_seen);
        n_used += !was_seen;
    }
}

static void
tell_use(void)
{
    for (int i = 0; i < n_statements; i++)
        fprintf(stderr, "%8" INT64_MODIFIER "d run, %8" INT64_MODIFIER "d refused, %6.1f s: %.90s\n",
                statements[i].n_run, statements[i].n_refused, statements[i].seconds, statements[i].text);
    fprintf(stderr, "use: " INT64_FORMAT " models, all different, were used\n", n_used);
}

const FuzzTarget fuzz_use = {
    .name = "use", .prepare = prepare_use, .run = run_use, .tell = tell_use, .mutate = fuzz_mutate_model};
