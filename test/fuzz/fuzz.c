/*
 * fuzz.c: CREATE FUNCTION fuzz(target text, VARIADIC arguments text[]), which hands a target to libFuzzer. It
 * ends the backend when libFuzzer ends.
 */
#include "fuzz.h"

#include <unistd.h>

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/resowner.h"

static const FuzzTarget *const targets[] = {&fuzz_load,    &fuzz_weights, &fuzz_onnx,  &fuzz_use,
                                            &fuzz_options, &fuzz_record,  &fuzz_markup};
static const FuzzTarget *target;
static int64 n_run, n_accepted;

void
fuzz_finding(const char *format, ...)
{
    va_list arguments;

    fprintf(stderr, "finding: ");
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "\n");
    abort();
}

void
fuzz_count_accepted(void)
{
    n_accepted++;
}

int64
fuzz_n_accepted(void)
{
    return n_accepted;
}

static void
tell(void)
{
    if (target->tell)
        target->tell();
    fprintf(stderr, "%s: " INT64_FORMAT " inputs, of which " INT64_FORMAT " were accepted\n", target->name,
            n_run, n_accepted);
}

Datum
fuzz_value(const void *data, size_t size)
{
    struct varlena *value = palloc(VARHDRSZ + size);

    SET_VARSIZE(value, VARHDRSZ + size);
    memcpy(VARDATA(value), data, size);
    return PointerGetDatum(value);
}

Datum
fuzz_accepted_model(const uint8 *data, size_t size)
{
    Datum value = fuzz_value(data, size);

    model_validate(value, NULL);
    fuzz_count_accepted();
    return value;
}

char *
fuzz_text(const uint8 *data, size_t size)
{
    if (memchr(data, '\0', size) != NULL || !pg_verify_mbstr(PG_UTF8, (const char *)data, (int)size, true))
        return NULL;
    return pnstrdup((const char *)data, size);
}

/* An error that no input may cause. */
static bool
is_finding(int state)
{
    return state == ERRCODE_INTERNAL_ERROR || state == ERRCODE_DATA_CORRUPTED ||
           ERRCODE_TO_CATEGORY(state) == ERRCODE_INSUFFICIENT_RESOURCES;
}

static void
note_error(int *state)
{
    ErrorData *error = CopyErrorData();

    FlushErrorState();
    *state = error->sqlerrcode;
    if (is_finding(error->sqlerrcode))
        fuzz_finding("an error in %s: %s", error->filename, error->message);
    if (getenv("FUZZ_VERBOSE"))
        fprintf(stderr, "%s: %s\n", unpack_sql_state(error->sqlerrcode), error->message);
}

/* In a subtransaction, which gives back whatever the body took. */
bool
fuzz_guarded(void (*body)(void *), void *argument, int *state)
{
    MemoryContext caller = CurrentMemoryContext, context;
    ResourceOwner owner = CurrentResourceOwner;
    volatile bool good = false;

    BeginInternalSubTransaction(NULL);
    context = AllocSetContextCreate(caller, "fuzz", ALLOCSET_DEFAULT_SIZES);
    MemoryContextSwitchTo(context);
    PG_TRY();
    {
        body(argument);
        good = true;
    }
    PG_CATCH();
    {
        MemoryContextSwitchTo(context);
        note_error(state);
    }
    PG_END_TRY();
    RollbackAndReleaseCurrentSubTransaction();
    MemoryContextSwitchTo(caller);
    CurrentResourceOwner = owner;
    MemoryContextDelete(context);
    return good;
}

typedef struct Input {
    uint8 *data;
    size_t size, most;
    unsigned seed;
} Input;

static void
run_input(void *argument)
{
    const Input *input = argument;

    target->run(input->data, input->size);
}

static int
run(const uint8_t *data, size_t size)
{
    Input input = {.data = unconstify(uint8 *, data), .size = size};
    int state;

    n_run++;
    fuzz_guarded(run_input, &input, &state);
    return 0;
}

static void
mutate_input(void *argument)
{
    Input *input = argument;

    input->size = target->mutate(input->data, input->size, input->most, input->seed);
}

size_t
LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed)
{
    Input input = {.data = data, .size = size, .most = most, .seed = seed};
    int state;

    if (target->mutate == NULL || !fuzz_guarded(mutate_input, &input, &state))
        return LLVMFuzzerMutate(data, size, most);
    return input.size;
}

static void
choose_target(const char *name)
{
    for (int i = 0; i < (int)lengthof(targets); i++) {
        if (strcmp(targets[i]->name, name) == 0)
            target = targets[i];
    }
    if (target == NULL)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("no such target: %s", name)));
}

PG_FUNCTION_INFO_V1(fuzz);
Datum
fuzz(PG_FUNCTION_ARGS)
{
    Datum *arguments;
    int n;
    char **argv;

    choose_target(text_to_cstring(PG_GETARG_TEXT_PP(0)));
    deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), TEXTOID, -1, false, TYPALIGN_INT, &arguments, NULL, &n);
    argv = palloc0((n + 2) * sizeof(char *));
    argv[0] = pstrdup(target->name);
    for (int i = 0; i < n; i++)
        argv[i + 1] = TextDatumGetCString(arguments[i]);
    n++;
    if (target->prepare)
        target->prepare();
    atexit(tell);
    LLVMFuzzerRunDriver(&n, &argv, run);
    PG_RETURN_VOID();
}
