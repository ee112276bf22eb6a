/* defaults.c: what an option is where it is not given: its recipe's value for its architecture. */
#include "options/table.h"

/* Epochs where no rows validate: what tables need one with another (docs/recipes.md). */
#define EPOCHS_UNWATCHED 4
/* With so many validation rows, one epoch that brings nothing is no accident. */
#define ROWS_SURE 50000

static const int default_mlp_layers[] = {128, 64, 32};

void
options_set_defaults(CtrOptions *options)
{
    bool reference = options->recipe == CTR_RECIPE_REFERENCE;
    int n_classes = options->net.n_classes;

    for (int i = 0; i < n_option_specs; i++) {
        const OptionSpec *spec = &option_specs[i];

        if (spec->offset != offsetof(CtrOptions, net.architecture) &&
            spec->offset != offsetof(CtrOptions, recipe))
            option_set(options, spec, reference ? spec->reference : spec->robust[options->net.architecture]);
    }
    if (n_classes > 1) { /* by default; asking for them is an error */
        options->target_statistics = false;
        options->crosses = (CtrCrossOption){.kind = CTR_CROSSES_NONE};
    }
    options->statistics = nn_arch(options->net.architecture)->statistics;
    options->crosses_apart = nn_arch(options->net.architecture)->crosses_apart;
    options->label = pstrdup("label");
    options->net.n_mlp = lengthof(default_mlp_layers);
    memcpy(options->net.mlp_layers, default_mlp_layers, sizeof(default_mlp_layers));
}

/*
 * Going on from a model, options are the model's, whoever has set them. So only what is the recipe's value
 * anyway is changed.
 */
static void
change_default(CtrOptions *options, const char *key, double value)
{
    const OptionSpec *spec = option_find(key);

    if (!option_given(options, spec) &&
        option_integer(options, spec) == (int64)spec->robust[options->net.architecture])
        option_set(options, spec, value);
}

void
options_set_for_validation(CtrOptions *options, int64 rows)
{
    if (options->recipe != CTR_RECIPE_ROBUST)
        return;
    if (rows == 0)
        change_default(options, "epochs", EPOCHS_UNWATCHED);
    else if (rows >= ROWS_SURE)
        change_default(options, "patience", 1);
}
