/* defaults.c: what an option is where it is not given: its recipe's value for its architecture. */
#include "options/table.h"

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
        options->crosses = (CtrCrossOption){CTR_CROSSES_NONE};
    }
    options->label = pstrdup("label");
    options->net.n_mlp = lengthof(default_mlp_layers);
    memcpy(options->net.mlp_layers, default_mlp_layers, sizeof(default_mlp_layers));
}
