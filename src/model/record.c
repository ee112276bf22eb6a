/*
 * record.c: the options in a model's bytes, written and read by one table that is independent of the users'
 * parser (options/parse.c): an option may be renamed or narrowed for users, and stored models stay readable.
 *
 * The record is a JSON object of sections:
 *   network    what the network's tensors and their meaning follow from
 *   inputs     what is derived from the columns before the network sees them
 *   columns    roles of the columns
 *   training   how the model was trained; read again only to go on from it
 * Of the first three, every key and value must be understood: what is unknown there was written by a later
 * version, which is then needed. In "training", unknown keys and values are left aside, and the recipe's
 * value takes their place.
 *
 * Rules for changes: no row is ever removed or narrowed, no key or named value is renamed. A later version
 * that adds a row to the first three sections also says here what a file without that key means.
 */
#include "model/record.h"

#include "mb/pg_wchar.h"

typedef enum Section { NETWORK, INPUTS, COLUMNS, TRAINING } Section;

static const char *const section_names[] = {"network", "inputs", "columns", "training"};

typedef struct RecordField {
    Section section;
    bool later;      /* files without it are of versions that did not have it, which is its lowest value */
    OptionSpec spec; /* without defaults and help */
} RecordField;

/* Every row lists its names in full, for the same reason that it has its own bounds. */
static const OptionName architectures[] = {{"deepcross", NN_DEEPCROSS},
                                           {"fibinet", NN_FIBINET},
                                           {"deepfm", NN_DEEPFM},
                                           {"wide_deep", NN_WIDE_DEEP},
                                           {NULL, 0}};
static const OptionName cross_types[] = {
    {"matrix", NN_CROSS_MATRIX}, {"vector", NN_CROSS_VECTOR}, {"mix", NN_CROSS_MIX}, {NULL, 0}};
static const OptionName bilinear_types[] = {{"field_interaction", NN_FIELD_INTERACTION},
                                            {"field_each", NN_FIELD_EACH},
                                            {"field_all", NN_FIELD_ALL},
                                            {NULL, 0}};
static const OptionName transforms[] = {
    {"quantile", NN_QUANTILE}, {"standard", NN_STANDARD}, {"log", NN_LOG}, {"none", NN_NONE}, {NULL, 0}};
static const OptionName recipes[] = {
    {"robust", CTR_RECIPE_ROBUST}, {"reference", CTR_RECIPE_REFERENCE}, {NULL, 0}};
static const OptionName schedules[] = {{"constant", NN_CONSTANT},
                                       {"cosine", NN_COSINE},
                                       {"plateau", NN_PLATEAU},
                                       {"cooldown", NN_COOLDOWN},
                                       {NULL, 0}};
static const OptionName crosses[] = {{"none", CTR_CROSSES_NONE}, {"auto", CTR_CROSSES_AUTO}, {NULL, 0}};
static const OptionName statistics[] = {
    {"sum", NN_STATISTICS_SUM}, {"each", NN_STATISTIC_OF_EACH}, {NULL, 0}};
static const OptionName monitors[] = {{"val_auc", true}, {"val_loss", false}, {NULL, 0}};
static const OptionName untrainables[] = {{"error", false}, {"null", true}, {NULL, 0}};

#define DEEPCROSS   (1 << NN_DEEPCROSS)
#define FIBINET     (1 << NN_FIBINET)
#define DEEPFM      (1 << NN_DEEPFM)
#define WIDE_DEEP   (1 << NN_WIDE_DEEP)
#define ALL         (DEEPCROSS | FIBINET | DEEPFM | WIDE_DEEP)
#define MAX_INTEGER 9007199254740991.0 /* 2^53 - 1 */

#define FIELD(in, name, kind, of, member, least, most, values)                                               \
    {                                                                                                        \
        .section = in, .spec = {                                                                             \
            .key = name,                                                                                     \
            .type = kind,                                                                                    \
            .architectures = of,                                                                             \
            .offset = offsetof(CtrOptions, member),                                                          \
            .size = sizeof(((CtrOptions *)NULL)->member),                                                    \
            .low = least,                                                                                    \
            .high = most,                                                                                    \
            .names = values                                                                                  \
        }                                                                                                    \
    }

/* clang-format off */
static const RecordField fields[] = {
    FIELD(NETWORK, "architecture", OPTION_NAMED, ALL, net.architecture, 0, 0, architectures),
    FIELD(NETWORK, "n_classes", OPTION_INTEGER, ALL, net.n_classes, 1, 1000, NULL),
    FIELD(NETWORK, "mlp_layers", OPTION_WIDTHS, ALL, net.mlp_layers, 1, 16384, NULL),
    FIELD(NETWORK, "cross_type", OPTION_NAMED, DEEPCROSS, net.cross_type, 0, 0, cross_types),
    FIELD(NETWORK, "n_cross", OPTION_INTEGER, DEEPCROSS, net.n_cross, 0, 64, NULL),
    FIELD(NETWORK, "low_rank", OPTION_INTEGER, DEEPCROSS, net.low_rank, 1, 4096, NULL),
    FIELD(NETWORK, "n_experts", OPTION_INTEGER, DEEPCROSS, net.n_experts, 1, 64, NULL),
    FIELD(NETWORK, "d_embed_max", OPTION_INTEGER, DEEPCROSS, net.d_embed_max, 1, 1024, NULL),
    FIELD(NETWORK, "stacked", OPTION_BOOLEAN, DEEPCROSS, net.stacked, 0, 1, NULL),
    FIELD(NETWORK, "d_embed", OPTION_INTEGER, FIBINET | DEEPFM | WIDE_DEEP, net.d_embed, 1, 1024, NULL),
    FIELD(NETWORK, "reduction_ratio", OPTION_NUMBER, FIBINET, net.reduction_ratio, 0.1, 1000, NULL),
    FIELD(NETWORK, "bilinear_type", OPTION_NAMED, FIBINET, net.bilinear_type, 0, 0, bilinear_types),

    FIELD(INPUTS, "numerical_transform", OPTION_NAMED, ALL, numerical_transform, 0, 0, transforms),
    FIELD(INPUTS, "numerical_buckets", OPTION_INTEGER, ALL, numerical_buckets, 0, NN_BUCKETS_MOST, NULL),
    FIELD(INPUTS, "target_statistics", OPTION_BOOLEAN, ALL, target_statistics, 0, 1, NULL),
    FIELD(INPUTS, "crosses", OPTION_CROSSES, ALL, crosses, 0, CTR_CROSSES_MOST, crosses),
    {.section = INPUTS, .later = true,
     .spec = {.key = "cross_counts", .type = OPTION_BOOLEAN, .architectures = ALL,
              .offset = offsetof(CtrOptions, cross_counts), .size = sizeof(bool), .high = 1}},
    {.section = INPUTS, .later = true,
     .spec = {.key = "statistics", .type = OPTION_NAMED, .architectures = FIBINET,
              .offset = offsetof(CtrOptions, statistics), .size = sizeof(NnStatistics), .names = statistics}},
    {.section = INPUTS, .later = true,
     .spec = {.key = "crosses_apart", .type = OPTION_BOOLEAN, .architectures = FIBINET,
              .offset = offsetof(CtrOptions, crosses_apart), .size = sizeof(bool), .high = 1}},

    FIELD(COLUMNS, "label", OPTION_COLUMN, ALL, label, 0, 0, NULL),
    FIELD(COLUMNS, "weight", OPTION_COLUMN, ALL, weight, 0, 0, NULL),
    FIELD(COLUMNS, "validation_column", OPTION_COLUMN, ALL, validation_column, 0, 0, NULL),
    FIELD(COLUMNS, "numerical", OPTION_COLUMNS, ALL, numerical, 0, 0, NULL),
    FIELD(COLUMNS, "categorical", OPTION_COLUMNS, ALL, categorical, 0, 0, NULL),
    FIELD(COLUMNS, "ignore", OPTION_COLUMNS, ALL, ignore, 0, 0, NULL),

    FIELD(TRAINING, "recipe", OPTION_NAMED, ALL, recipe, 0, 0, recipes),
    FIELD(TRAINING, "mlp_dropout", OPTION_NUMBER, ALL, net.mlp_dropout, 0, 0.99, NULL),
    FIELD(TRAINING, "validation", OPTION_NUMBER, ALL, validation, 0, 0.9, NULL),
    FIELD(TRAINING, "epochs", OPTION_INTEGER, ALL, epochs, 0, 100000, NULL),
    FIELD(TRAINING, "batch_size", OPTION_INTEGER, ALL, batch_size, 1, 1048576, NULL),
    FIELD(TRAINING, "learning_rate", OPTION_NUMBER, ALL, learning_rate, 1e-9, 10, NULL),
    FIELD(TRAINING, "lr_schedule", OPTION_NAMED, ALL, lr_schedule, 0, 0, schedules),
    FIELD(TRAINING, "weight_decay", OPTION_NUMBER, ALL, weight_decay, 0, 1, NULL),
    FIELD(TRAINING, "embedding_decay", OPTION_NUMBER, ALL, embedding_decay, 0, 1, NULL),
    FIELD(TRAINING, "embedding_init", OPTION_NUMBER, ALL, embedding_init, 0, 10, NULL),
    FIELD(TRAINING, "clip_norm", OPTION_NUMBER, ALL, clip_norm, 0, 1e6, NULL),
    FIELD(TRAINING, "patience", OPTION_INTEGER, ALL, patience, 0, 100000, NULL),
    FIELD(TRAINING, "monitor", OPTION_NAMED, ALL, monitor_auc, 0, 0, monitors),
    FIELD(TRAINING, "min_count", OPTION_INTEGER, ALL, min_count, 1, 1000000000, NULL),
    {.section = TRAINING, .later = true,
     .spec = {.key = "candidates", .type = OPTION_INTEGER, .architectures = ALL,
              .offset = offsetof(CtrOptions, candidates), .size = sizeof(int), .low = 1, .high = 1000}},
    FIELD(TRAINING, "seed", OPTION_INTEGER, ALL, seed, 0, MAX_INTEGER, NULL),
    FIELD(TRAINING, "threads", OPTION_INTEGER, ALL, threads, 0, 1024, NULL),
    FIELD(TRAINING, "max_seconds", OPTION_NUMBER, ALL, max_seconds, 0, 1e9, NULL),
    FIELD(TRAINING, "if_untrainable", OPTION_NAMED, ALL, untrainable_is_null, 0, 0, untrainables),
};
/* clang-format on */

static bool
field_belongs(const RecordField *field, const CtrOptions *options)
{
    return (field->spec.architectures & (1 << options->net.architecture)) != 0;
}

static const RecordField *
field_find(Section section, const char *key)
{
    for (int i = 0; i < (int)lengthof(fields); i++) {
        if (fields[i].section == section && strcmp(fields[i].spec.key, key) == 0)
            return &fields[i];
    }
    return NULL;
}

/* ------------------------------------------------------------------ writing */

char *
record_write(const CtrOptions *options)
{
    StringInfoData text;

    initStringInfo(&text);
    for (int section = 0; section < (int)lengthof(section_names); section++) {
        char separator = '{';

        appendStringInfo(&text, "%s\"%s\": ", section == 0 ? "{" : ", ", section_names[section]);
        for (int i = 0; i < (int)lengthof(fields); i++) {
            if (fields[i].section != (Section)section || !field_belongs(&fields[i], options))
                continue;
            appendStringInfo(&text, "%c\"%s\": ", separator, fields[i].spec.key);
            option_append(&text, options, &fields[i].spec);
            separator = ',';
        }
        appendStringInfoChar(&text, '}');
    }
    appendStringInfoChar(&text, '}');
    return text.data;
}

/* ------------------------------------------------------------------ reading */

typedef struct RecordReader {
    CtrOptions *options;
    const CtrJsonNode *record;
    const char *version;
    Node *escontext;
} RecordReader;

/* a value as a message shows it */
static const char *
node_text(const CtrJsonNode *node)
{
    int length;

    switch (node->type) {
    case JSON_TOKEN_STRING:
    case JSON_TOKEN_NUMBER:
        length = pg_mbcliplen(node->text, (int)strlen(node->text), 60);
        return psprintf(node->type == JSON_TOKEN_STRING ? "\"%.*s\"" : "%.*s", length, node->text);
    case JSON_TOKEN_TRUE:
        return "true";
    case JSON_TOKEN_FALSE:
        return "false";
    case JSON_TOKEN_NULL:
        return "null";
    case JSON_TOKEN_ARRAY_START:
        return "an array";
    default:
        return "an object";
    }
}

/* Reports something unknown in a section that must be understood completely. */
static bool
needs_later_version(const RecordReader *reader, const CtrJsonNode *node)
{
    errsave(reader->escontext, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                                errmsg("ctr_model was written by ctr %s and needs a later version than %s",
                                       reader->version, CTR_VERSION),
                                errdetail("Version %s does not know the option \"%s\" with the value %s.",
                                          CTR_VERSION, node->key, node_text(node)),
                                errhint("Install the version of ctr that wrote it, or a later one.")));
    return false;
}

/* A key that comes twice has no value on which all readers agree. */
static bool
check_once(const RecordReader *reader, const CtrJsonNode *node)
{
    for (const CtrJsonNode *other = node->next; other != NULL; other = other->next) {
        if (strcmp(other->key, node->key) == 0)
            return safetensors_invalid(reader->escontext, "its options have two keys \"%s\"", node->key);
    }
    return true;
}

static bool
check_sections(const RecordReader *reader)
{
    if (reader->record->type != JSON_TOKEN_OBJECT_START)
        return safetensors_invalid(reader->escontext, "its options are no JSON object");
    for (int i = 0; i < (int)lengthof(section_names); i++) {
        const CtrJsonNode *section = json_member(reader->record, section_names[i]);

        if (section == NULL || section->type != JSON_TOKEN_OBJECT_START)
            return safetensors_invalid(reader->escontext, "its options have no section \"%s\"",
                                       section_names[i]);
        if (!check_once(reader, section))
            return false;
    }
    for (const CtrJsonNode *section = reader->record->first; section != NULL; section = section->next) {
        int i = 0;

        while (i < (int)lengthof(section_names) && strcmp(section->key, section_names[i]) != 0)
            i++;
        if (i == (int)lengthof(section_names))
            return needs_later_version(reader, section);
    }
    return true;
}

/* Reads one field, if the record has it. */
static bool
read_field(const RecordReader *reader, const RecordField *field)
{
    const CtrJsonNode *section = json_member(reader->record, section_names[field->section]);
    const CtrJsonNode *node = json_member(section, field->spec.key);

    if (node != NULL && !check_once(reader, node))
        return false;
    if (node == NULL && field->later)
        option_set(reader->options, &field->spec, field->spec.low);
    if (node == NULL)
        return field->later || field->section == TRAINING ||
               safetensors_invalid(reader->escontext, "its options lack \"%s\"", field->spec.key);
    return record_read_value(reader->options, &field->spec, node) || field->section == TRAINING ||
           needs_later_version(reader, node);
}

/* Are all keys known, where they must be? */
static bool
check_keys(const RecordReader *reader, Section section)
{
    const CtrJsonNode *node = json_member(reader->record, section_names[section])->first;

    for (; node != NULL; node = node->next) {
        const RecordField *field = field_find(section, node->key);

        if (field == NULL || !field_belongs(field, reader->options))
            return needs_later_version(reader, node);
    }
    return true;
}

/* Are the options possible together? What this version's engine cannot do was written by a later version. */
static bool
check_together(const RecordReader *reader)
{
    const CtrJsonNode *inputs = json_member(reader->record, section_names[INPUTS]);

    if (reader->options->label == NULL)
        return safetensors_invalid(reader->escontext, "its options name no label");
    if (reader->options->target_statistics && reader->options->net.n_classes > 1)
        return needs_later_version(reader, json_member(inputs, "target_statistics"));
    if (reader->options->crosses.kind == CTR_CROSSES_AUTO && reader->options->net.n_classes > 1)
        return needs_later_version(reader, json_member(inputs, "crosses"));
    return true;
}

bool
record_read(CtrOptions *options, const CtrJsonNode *record, const char *version, Node *escontext)
{
    RecordReader reader = {options, record, version, escontext};

    memset(options, 0, sizeof(*options));
    if (!check_sections(&reader) || !read_field(&reader, field_find(NETWORK, "architecture")) ||
        !read_field(&reader, field_find(NETWORK, "n_classes")) ||
        !read_field(&reader, field_find(TRAINING, "recipe")))
        return false;
    options_set_defaults(options);
    for (int section = NETWORK; section < TRAINING; section++) {
        if (!check_keys(&reader, (Section)section))
            return false;
    }
    for (int i = 0; i < (int)lengthof(fields); i++) {
        if (field_belongs(&fields[i], options) && !read_field(&reader, &fields[i]))
            return false;
    }
    return check_together(&reader);
}
