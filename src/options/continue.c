/*
 * continue.c: the options of a training that goes on from a model: what may be said anew, and what the model
 * has already decided.
 */
#include "options/table.h"

/*
 * Does the option describe what a model's tensors are, so that they would not fit another value? Or how its
 * setting was chosen, which going on from it cannot do again?
 */
static bool
option_shapes_model(const OptionSpec *spec)
{
    return (spec->offset < offsetof(CtrOptions, net) + sizeof(NnConfig) &&
            spec->offset != offsetof(CtrOptions, net.mlp_dropout)) ||
           spec->offset == offsetof(CtrOptions, numerical_transform) ||
           spec->offset == offsetof(CtrOptions, numerical_buckets) ||
           spec->offset == offsetof(CtrOptions, target_statistics) ||
           spec->offset == offsetof(CtrOptions, crosses) ||
           spec->offset == offsetof(CtrOptions, cross_counts) ||
           spec->offset == offsetof(CtrOptions, candidates);
}

static void
check_continues(const CtrOptions *options, const CtrOptions *given, const OptionSpec *spec)
{
    StringInfoData wanted, had;

    initStringInfo(&wanted);
    initStringInfo(&had);
    option_append(&wanted, options, spec);
    option_append(&had, given, spec);
    if (strcmp(wanted.data, had.data) != 0)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("option \"%s\" is %s, but the model to go on from has %s", spec->key,
                               wanted.data, had.data),
                        errhint("Leave the option out, or train a new model.")));
}

/* The recipe's number of epochs, for a model that was only set up: who goes on from it wants it trained. */
static void
set_default_epochs(CtrOptions *options)
{
    CtrOptions defaults = *options;

    options_set_defaults(&defaults);
    options->epochs = defaults.epochs;
}

/*
 * Takes the defaults of another recipe than the model's for what concerns the training; what concerns the
 * model stays.
 */
static void
options_set_training_defaults(CtrOptions *options, const CtrOptions *given)
{
    options_set_defaults(options);
    for (int i = 0; i < n_option_specs; i++) {
        const OptionSpec *spec = &option_specs[i];

        if (option_shapes_model(spec) || spec->type == OPTION_COLUMN)
            memcpy((char *)options + spec->offset, (const char *)given + spec->offset, spec->size);
    }
    options->net = given->net;
    options->statistics = given->statistics;
    options->crosses_apart = given->crosses_apart;
}

void
options_check_continues(CtrOptions *options, const Jsonb *json, const CtrOptions *given)
{
    const OptionSpec *architecture = option_find("architecture");

    *options = *given;
    if (json != NULL) {
        options_check_object(json);
        options_take_first(options, json, "architecture");
        options_take_first(options, json, "recipe");
    }
    check_continues(options, given, architecture);
    if (options->recipe != given->recipe)
        options_set_training_defaults(options, given);
    else if (given->epochs == 0)
        set_default_epochs(options);
    options->numerical = options->categorical = options->ignore = (CtrNameList){0};
    if (json != NULL)
        options_take(options, json);
    for (int i = 0; i < n_option_specs; i++) {
        if ((option_specs[i].architectures & (1 << given->net.architecture)) &&
            option_shapes_model(&option_specs[i]))
            check_continues(options, given, &option_specs[i]);
    }
}

void
options_check_shared(const CtrOptions *options, const CtrOptions *given)
{
    static const char *const keys[] = {"label", "weight", "validation_column", "seed"};

    for (int i = 0; i < (int)lengthof(keys); i++)
        check_continues(options, given, option_find(keys[i]));
    if (options->validation > 0) /* else all rows train, and what was held back measures nothing any more */
        check_continues(options, given, option_find("validation"));
}

void
options_inherit_lists(CtrOptions *options, const CtrOptions *given)
{
    if (!options->numerical.given)
        options->numerical = given->numerical;
    if (!options->categorical.given)
        options->categorical = given->categorical;
    if (!options->ignore.given)
        options->ignore = given->ignore;
}
