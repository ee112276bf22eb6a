/*
 * candidates.c: the settings that a training compares where the option "candidates" is more than 1. The
 * first is what the options say. Each of the others changes one option of that, in the order of this table,
 * which is how often it has helped (docs/recipes.md).
 */
#include "options/table.h"

typedef struct Candidate {
    const char *key;
    int architectures; /* a set of 1 << NnArchitecture */
    double factor;     /* by which the option is multiplied; 0: it becomes 0 or false */
} Candidate;

#define ALL ((1 << NN_ARCHITECTURES) - 1)

static const Candidate candidates[] = {
    {"cross_counts", 1 << NN_DEEPFM, 0},
    {"learning_rate", ALL, 0.5},
};

/* The option as it is; numbers are doubles here. */
static double
value_now(const CtrOptions *options, const OptionSpec *spec)
{
    return spec->type == OPTION_NUMBER ? *(const double *)((const char *)options + spec->offset)
                                       : (double)option_integer(options, spec);
}

/* Is the setting one of the architecture's, another than the first, and does it leave the user's options? */
static bool
applies(const Candidate *candidate, const CtrOptions *options, const OptionSpec *spec)
{
    const double now = value_now(options, spec), value = now * candidate->factor;

    return (candidate->architectures & (1 << options->net.architecture)) && !option_given(options, spec) &&
           value != now && value >= spec->low;
}

char *
candidate_apply(CtrOptions *options, int i)
{
    for (int c = 0; c < (int)lengthof(candidates); c++) {
        const OptionSpec *spec = option_find(candidates[c].key);
        StringInfoData name;

        if (!applies(&candidates[c], options, spec) || i-- > 0)
            continue;
        option_set(options, spec, value_now(options, spec) * candidates[c].factor);
        initStringInfo(&name);
        appendStringInfo(&name, "%s => ", spec->key);
        option_append(&name, options, spec);
        return name.data;
    }
    return NULL;
}
