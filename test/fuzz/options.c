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
    CtrOptions read, trained = *(const CtrOptions *)options;
    char *record;

    if (trained.statistics == NN_STATISTICS_BY_SIZE) /* which a training's rows decide before it is written */
        trained.statistics = NN_STATISTICS_SUM;
    record = record_write(&trained);

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

/* Where a value of JSON ends that begins here. */
static const char *
value_end(const char *at)
{
    int depth = 0;

    do {
        if (*at == '"') {
            for (at++; *at != '\0' && *at != '"'; at++)
                at += *at == '\\' && at[1] != '\0';
        } else if (*at == '[' || *at == '{') {
            depth++;
        } else if (*at == ']' || *at == '}') {
            depth--;
        } else if (depth == 0) {
            return at + strcspn(at, ",]} ");
        }
        at += *at != '\0';
    } while (*at != '\0' && depth > 0);
    return at;
}

/* The begin of one of the values, or keys; NULL: there is none. */
static const char *
some_value(const char *text, unsigned seed)
{
    const char *chosen = NULL;
    unsigned n = 0;

    for (const char *at = text; *at != '\0'; at++) {
        if (strchr("[{,: ", *at) != NULL && at[1] != '\0' && strchr("[{,:]} ", at[1]) == NULL) {
            n++;
            if ((seed = seed * 1664525u + 1013904223u) >> 8 < (1u << 24) / n)
                chosen = at + 1;
        }
    }
    return chosen;
}

/* Takes a value away, writes it several times, or puts another one in its place. */
static char *
change_value(const char *text, unsigned seed)
{
    const char *value = some_value(text, seed), *end, *rest;
    const OptionSpec *spec = &option_specs[seed / 7 % n_option_specs];
    StringInfoData changed;

    if (value == NULL)
        return pstrdup(text);
    end = value_end(value);
    initStringInfo(&changed);
    appendBinaryStringInfo(&changed, text, (int)(value - text));
    rest = end;
    switch (seed % 4) {
    case 0:
        rest = *end == ',' ? end + 1 : end;
        if (rest == end && changed.data[changed.len - 1] == ',')
            changed.data[--changed.len] = '\0';
        break;
    case 1:
        for (unsigned i = 0; i <= seed / 4 % 24; i++)
            appendStringInfo(&changed, "%s%.*s", i > 0 ? "," : "", (int)(end - value), value);
        break;
    default:
        appendStringInfoString(&changed, likely_value(spec, seed / 31));
    }
    appendStringInfoString(&changed, rest);
    return changed.data;
}

/* Puts one more option in front of the others. */
static char *
add_option(const char *text, unsigned seed)
{
    const OptionSpec *spec = &option_specs[seed / 7 % n_option_specs];

    return psprintf("{\"%s\":%s%s%s", spec->key, likely_value(spec, seed / 31), strchr(text, ':') ? "," : "",
                    text + 1);
}

static size_t
mutate_json(uint8 *data, size_t size, size_t most, unsigned seed)
{
    char *text = fuzz_text(data, size), *changed;

    if (seed % 5 == 0 || text == NULL || text[0] != '{')
        return LLVMFuzzerMutate(data, size, most);
    changed = seed % 5 == 1 ? add_option(text, seed / 5) : change_value(text, seed / 5);
    if (strlen(changed) > most)
        return LLVMFuzzerMutate(data, size, most);
    memcpy(data, changed, strlen(changed));
    return strlen(changed);
}

const FuzzTarget fuzz_options = {.name = "options", .run = run_options, .mutate = mutate_json};
const FuzzTarget fuzz_record = {.name = "record", .run = run_record, .mutate = mutate_json};
