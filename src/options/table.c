/*
 * table.c: every option with its type, range, architecture, defaults and meaning.
 *
 * Recipes give the value of what is left out (or null):
 *   reference   what the reference code of DeepCross and FiBiNET does, to the letter
 *   robust      for the best held-out AUC and log loss without tuning; by architecture
 * Bounds on sizes are there so that no option overflows an int or asks for absurd memory when the net is
 * described; what a model really takes is checked when the number of categories is known.
 */
#include "options/table.h"

#include "nn/math/derive.h"

#define DEEPCROSS   (1 << NN_DEEPCROSS)
#define FIBINET     (1 << NN_FIBINET)
#define DEEPFM      (1 << NN_DEEPFM)
#define WIDE_DEEP   (1 << NN_WIDE_DEEP)
#define ALL         (DEEPCROSS | FIBINET | DEEPFM | WIDE_DEEP)
#define MAX_WIDTH   16384
#define MAX_INTEGER 9007199254740991.0 /* 2^53 - 1: what every JSON reader keeps exactly */

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
static const OptionName recipes[] = {
    {"robust", CTR_RECIPE_ROBUST}, {"reference", CTR_RECIPE_REFERENCE}, {NULL, 0}};
static const OptionName schedules[] = {{"constant", NN_CONSTANT},
                                       {"cosine", NN_COSINE},
                                       {"plateau", NN_PLATEAU},
                                       {"cooldown", NN_COOLDOWN},
                                       {NULL, 0}};
static const OptionName monitors[] = {{"val_auc", true}, {"val_loss", false}, {NULL, 0}};
static const OptionName untrainables[] = {{"error", false}, {"null", true}, {NULL, 0}};
static const OptionName crosses[] = {{"none", CTR_CROSSES_NONE}, {"auto", CTR_CROSSES_AUTO}, {NULL, 0}};
static const OptionName transforms[] = {
    {"quantile", NN_QUANTILE}, {"standard", NN_STANDARD}, {"log", NN_LOG}, {"none", NN_NONE}, {NULL, 0}};

#define MEMBER(m) offsetof(CtrOptions, m), sizeof(((CtrOptions *)NULL)->m)
/* what an option is by default: by architecture in recipe robust, and in recipe reference */
#define DEFAULTS(deepcross, fibinet, deepfm, wide_deep, reference)                                           \
    {deepcross, fibinet, deepfm, wide_deep}, reference
#define RECIPES(robust, reference) DEFAULTS(robust, robust, robust, robust, reference)
#define EVERY(x)                   RECIPES(x, x)

/* clang-format off */
const OptionSpec option_specs[] = {
    /* key, type, architectures, member, low, high, names, defaults, help */
    {"architecture", OPTION_NAMED, ALL, MEMBER(net.architecture), 0, 0, architectures, EVERY(NN_DEEPCROSS),
     "the network"},
    {"recipe", OPTION_NAMED, ALL, MEMBER(recipe), 0, 0, recipes, EVERY(CTR_RECIPE_ROBUST),
     "where the values of options that are not given come from"},

    {"cross_type", OPTION_NAMED, DEEPCROSS, MEMBER(net.cross_type), 0, 0, cross_types, EVERY(NN_CROSS_MATRIX),
     "kind of the cross layers"},
    {"n_cross", OPTION_INTEGER, DEEPCROSS, MEMBER(net.n_cross), 0, 64, NULL, EVERY(2),
     "number of cross layers"},
    {"low_rank", OPTION_INTEGER, DEEPCROSS, MEMBER(net.low_rank), 1, 4096, NULL, EVERY(32),
     "rank of an expert, for cross_type mix"},
    {"n_experts", OPTION_INTEGER, DEEPCROSS, MEMBER(net.n_experts), 1, 64, NULL, EVERY(4),
     "number of experts, for cross_type mix"},
    {"d_embed_max", OPTION_INTEGER, DEEPCROSS, MEMBER(net.d_embed_max), 1, 1024, NULL, EVERY(8),
     "largest width of an embedding"},
    {"stacked", OPTION_BOOLEAN, DEEPCROSS, MEMBER(net.stacked), 0, 1, NULL, EVERY(true),
     "whether the MLP reads the cross layers' output instead of their input"},

    {"d_embed", OPTION_INTEGER, FIBINET | DEEPFM | WIDE_DEEP, MEMBER(net.d_embed), 1, 1024, NULL,
     DEFAULTS(8, 4, 8, 8, 8), "width of the embeddings"},
    {"reduction_ratio", OPTION_NUMBER, FIBINET, MEMBER(net.reduction_ratio), 0.1, 1000, NULL, EVERY(3),
     "fields per unit of the attention's hidden layer"},
    {"bilinear_type", OPTION_NAMED, FIBINET, MEMBER(net.bilinear_type), 0, 0, bilinear_types,
     EVERY(NN_FIELD_INTERACTION), "which interactions share a matrix"},

    {"mlp_layers", OPTION_WIDTHS, ALL, MEMBER(net.mlp_layers), 1, MAX_WIDTH, NULL, EVERY(0),
     "widths of the MLP's layers"},
    {"mlp_dropout", OPTION_NUMBER, ALL, MEMBER(net.mlp_dropout), 0, 0.99, NULL, EVERY(0.25),
     "probability that a unit of the MLP is left out in a training step"},
    {"n_classes", OPTION_INTEGER, ALL, MEMBER(net.n_classes), 1, 1000, NULL, EVERY(1),
     "number of classes; 1 means label 0 or 1 and one logit"},

    {"label", OPTION_COLUMN, ALL, MEMBER(label), 0, 0, NULL, EVERY(0), "column to learn"},
    {"weight", OPTION_COLUMN, ALL, MEMBER(weight), 0, 0, NULL, EVERY(0), "column with the rows' weights"},
    {"validation_column", OPTION_COLUMN, ALL, MEMBER(validation_column), 0, 0, NULL, EVERY(0),
     "boolean column that marks the validation rows"},
    {"numerical", OPTION_COLUMNS, ALL, MEMBER(numerical), 0, 0, NULL, EVERY(0),
     "columns to treat as numbers"},
    {"categorical", OPTION_COLUMNS, ALL, MEMBER(categorical), 0, 0, NULL, EVERY(0),
     "columns to treat as categories"},
    {"ignore", OPTION_COLUMNS, ALL, MEMBER(ignore), 0, 0, NULL, EVERY(0), "columns that are no features"},
    {"validation", OPTION_NUMBER, ALL, MEMBER(validation), 0, 0.9, NULL, EVERY(0.2),
     "share of the rows held back by chance for validation, unless validation_column is given"},

    {"epochs", OPTION_INTEGER, ALL, MEMBER(epochs), 0, 100000, NULL, RECIPES(9, 100),
     "passes over the training rows, at most; 0: none"},
    {"batch_size", OPTION_INTEGER, ALL, MEMBER(batch_size), 1, 1048576, NULL, RECIPES(512, 2048),
     "rows of a training step"},
    {"learning_rate", OPTION_NUMBER, ALL, MEMBER(learning_rate), 1e-9, 10, NULL,
     DEFAULTS(0.002, 0.001, 0.001, 0.001, 0.002), "Adam's step size at the start"},
    {"lr_schedule", OPTION_NAMED, ALL, MEMBER(lr_schedule), 0, 0, schedules,
     RECIPES(NN_COOLDOWN, NN_CONSTANT), "how the learning rate changes"},
    {"weight_decay", OPTION_NUMBER, ALL, MEMBER(weight_decay), 0, 1, NULL, RECIPES(0, 0.001),
     "L2 penalty on all parameters but the embeddings"},
    {"embedding_decay", OPTION_NUMBER, ALL, MEMBER(embedding_decay), 0, 1, NULL, RECIPES(0.01, 0.001),
     "L2 penalty on the embeddings"},
    {"embedding_init", OPTION_NUMBER, ALL, MEMBER(embedding_init), 0, 10, NULL, RECIPES(0.01, 0),
     "standard deviation of the embeddings at the start; 0 means the architecture's own distribution"},
    {"clip_norm", OPTION_NUMBER, ALL, MEMBER(clip_norm), 0, 1e6, NULL, EVERY(0),
     "largest norm of a step's gradient; 0 means any"},
    {"patience", OPTION_INTEGER, ALL, MEMBER(patience), 0, 100000, NULL, RECIPES(2, 5),
     "epochs without a better validation metric before training stops; 0 means it never does"},
    {"monitor", OPTION_NAMED, ALL, MEMBER(monitor_auc), 0, 0, monitors, RECIPES(false, true),
     "metric that decides which epoch is best"},
    {"candidates", OPTION_INTEGER, ALL, MEMBER(candidates), 1, CTR_CANDIDATES_MOST, NULL,
     DEFAULTS(1, 1, 2, 1, 1),
     "settings that are tried and compared by validation; 1: only what the other options say"},
    {"min_count", OPTION_INTEGER, ALL, MEMBER(min_count), 1, 1000000000, NULL, RECIPES(2, 1),
     "training rows that a category needs; rarer ones are treated as unseen"},
    {"numerical_transform", OPTION_NAMED, ALL, MEMBER(numerical_transform), 0, 0, transforms,
     EVERY(NN_QUANTILE),
     "what is done to numbers before the network sees them"},
    {"numerical_buckets", OPTION_INTEGER, ALL, MEMBER(numerical_buckets), 0, NN_BUCKETS_MOST, NULL,
     RECIPES(16, 0),
     "parts into which numbers are cut to be categories besides; frequent values have their own; 0: none"},
    {"target_statistics", OPTION_BOOLEAN, ALL, MEMBER(target_statistics), 0, 1, NULL,
     RECIPES(true, false), "whether what the label does on average in each category is a feature too"},
    {"crosses", OPTION_CROSSES, ALL, MEMBER(crosses), 0, CTR_CROSSES_MOST, crosses,
     RECIPES(CTR_CROSSES_AUTO, CTR_CROSSES_NONE),
     "pairs of categorical columns that are categories besides; auto: those that tell most"},
    {"cross_counts", OPTION_BOOLEAN, ALL, MEMBER(cross_counts), 0, 1, NULL, RECIPES(true, false),
     "whether in how many rows its pair of crosses occurs is a feature of a row, too"},
    {"seed", OPTION_INTEGER, ALL, MEMBER(seed), 0, MAX_INTEGER, NULL, EVERY(42), "start of all randomness"},
    {"threads", OPTION_INTEGER, ALL, MEMBER(threads), 0, 1024, NULL, EVERY(0),
     "threads to train with; 0 means ctr.threads"},
    {"max_seconds", OPTION_NUMBER, ALL, MEMBER(max_seconds), 0, 1e9, NULL, EVERY(0),
     "time to train, after which the best epoch so far is returned; 0 means any"},
    {"if_untrainable", OPTION_NAMED, ALL, MEMBER(untrainable_is_null), 0, 0, untrainables, EVERY(false),
     "what rows give that no model can be trained on: an error, or NULL and a warning"},
};
/* clang-format on */

StaticAssertDecl(lengthof(architectures) == NN_ARCHITECTURES + 1 && NN_ARCHITECTURES == 4,
                 "every architecture has its name, its options and its column of defaults here");

const int n_option_specs = lengthof(option_specs);

const char *
option_transform_name(NnTransformKind kind)
{
    const OptionName *name = transforms;

    while (name->value != (int)kind)
        name++;
    return name->name;
}

StaticAssertDecl(lengthof(option_specs) <= sizeof(uint64) * BITS_PER_BYTE,
                 "CtrOptions.given has a bit for each");

bool
option_given(const CtrOptions *options, const OptionSpec *spec)
{
    return (options->given & (UINT64CONST(1) << (spec - option_specs))) != 0;
}

const OptionSpec *
option_find(const char *key)
{
    for (int i = 0; i < n_option_specs; i++) {
        if (strcmp(option_specs[i].key, key) == 0)
            return &option_specs[i];
    }
    return NULL;
}
