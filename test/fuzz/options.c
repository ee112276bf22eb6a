/*
 * options.c: targets that read options: "options" (what users write, as JSON), "record" (what models keep).
 * What was read is written and read again, and must be the same.
 */
#include "fuzz.h"

#include "model/record.h"
#include "options/table.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

static char *
jsonb_text(Jsonb *json)
{
    return JsonbToCString(NULL, &json->root, VARSIZE(json));
}

static void
must_equal(const char *first, const char *second, const char *what)
{
    if (strcmp(first, second) != 0)
        fuzz_finding("%s, read again, differ:\n%s\n%s", what, first, second);
}

/* ------------------------------------------------------------------ record */

static char *
record_again(const char *record)
{
    CtrOptions options = {.label = NULL};
    const CtrJsonNode *tree = json_tree(record);

    if (tree == NULL || !record_read(&options, tree, CTR_VERSION, NULL))
        fuzz_finding("a record that was written cannot be read: %s", record);
    return record_write(&options);
}

static void
run_record(const uint8 *data, size_t size)
{
    char *text = fuzz_text(data, size), *written;
    const CtrJsonNode *tree = text ? json_tree(text) : NULL;
    CtrOptions options = {.label = NULL};

    if (tree == NULL || !record_read(&options, tree, CTR_VERSION, NULL))
        return;
    fuzz_count_accepted();
    written = record_write(&options);
    must_equal(written, record_again(written), "a model's options");
}

/* ------------------------------------------------------------------ options */

static void
read_again(void *options)
{
    Jsonb *written = options_to_jsonb(options);
    CtrOptions read;
    char *record = record_write(options);

    options_parse(&read, written);
    must_equal(jsonb_text(written), jsonb_text(options_to_jsonb(&read)), "options");
    must_equal(record, record_again(record), "a model's options");
}

/* Other settings that a training would try; going on from a model with these options by the same ones. */
static void
use_options(CtrOptions *options, const Jsonb *json)
{
    CtrOptions next;
    int state;

    if (!fuzz_guarded(read_again, options, &state))
        fuzz_finding("%s: options that were accepted are refused when they are read again",
                     unpack_sql_state(state));
    for (int i = 0; i < CTR_CANDIDATES_MOST; i++) {
        next = *options;
        if (candidate_apply(&next, i) == NULL)
            break;
    }
    options_check_continues(&next, json, options);
}

static void
run_options(const uint8 *data, size_t size)
{
    char *text = fuzz_text(data, size);
    CtrOptions options;
    Jsonb *json;

    if (text == NULL)
        return;
    json = jsonb_from_text(text);
    options_parse(&options, json);
    fuzz_count_accepted();
    use_options(&options, json);
}

/* ------------------------------------------------------------------ mutators */

/* A value that the option's row of the table makes likely, or unlikely. */
static char *
likely_value(const OptionSpec *spec, unsigned seed)
{
    static const char *const others[] = {"null",
                                         "true",
                                         "false",
                                         "\"\"",
                                         "[]",
                                         "{}",
                                         "-1",
                                         "0",
                                         "1e400",
                                         "1e-9",
                                         "0.5",
                                         "[64]",
                                         "[\"a\",\"b\"]",
                                         "\"auto\"",
                                         "\"a\"",
                                         "[[\"a\",\"b\"]]"};

    switch (seed % 5) {
    case 0:
        return psprintf("%.17g", spec->low);
    case 1:
        return psprintf("%.17g", spec->high);
    case 2:
        return psprintf("%.17g", spec->low + (spec->high - spec->low) * (seed / 5 % 101) / 100);
    case 3:
        if (spec->names != NULL && spec->names[0].name != NULL)
            return psprintf("\"%s\"", spec->names[seed / 5 % 2 && spec->names[1].name != NULL].name);
        return pstrdup("\"deepcross\"");
    default:
        return pstrdup(others[seed / 5 % lengthof(others)]);
    }
}

/* Puts one more option in front of the others. */
static size_t
mutate_options(uint8 *data, size_t size, size_t most, unsigned seed)
{
    const OptionSpec *spec = &option_specs[seed / 7 % n_option_specs];
    char *text = fuzz_text(data, size), *changed;

    if (seed % 3 == 0 || text == NULL || text[0] != '{')
        return LLVMFuzzerMutate(data, size, most);
    changed = psprintf("{\"%s\":%s%s%s", spec->key, likely_value(spec, seed / 31),
                       strchr(text, ':') ? "," : "", text + 1);
    if (strlen(changed) > most)
        return LLVMFuzzerMutate(data, size, most);
    memcpy(data, changed, strlen(changed));
    return strlen(changed);
}

const FuzzTarget fuzz_options = {.name = "options", .run = run_options, .mutate = mutate_options};
const FuzzTarget fuzz_record = {.name = "record", .run = run_record};
