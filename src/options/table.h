/*
 * table.h: what options there are, for parse.c; and members of CtrOptions by a table's row
 * (value.c), for model/record.c too, which has a table of its own.
 */
#ifndef CTR_OPTION_TABLE_H
#define CTR_OPTION_TABLE_H

#include "options/options.h"

typedef enum OptionType {
    OPTION_INTEGER, /* int or int64 */
    OPTION_NUMBER,  /* float or double */
    OPTION_BOOLEAN,
    OPTION_NAMED,   /* an enum or a bool, one of `names` */
    OPTION_COLUMN,  /* a column's name, may be NULL */
    OPTION_COLUMNS, /* CtrNameList */
    OPTION_WIDTHS   /* net.mlp_layers and net.n_mlp */
} OptionType;

typedef struct OptionName {
    const char *name;
    int value;
} OptionName;

typedef struct OptionSpec {
    const char *key;
    OptionType type;
    int architectures;
    size_t offset, size; /* in CtrOptions */
    double low, high;    /* both allowed */
    const OptionName *names;
    double robust[NN_ARCHITECTURES]; /* by default, in that recipe */
    double reference;                /* likewise */
    const char *help;
} OptionSpec;

extern const OptionSpec option_specs[];
extern const int n_option_specs;

const char *option_transform_name(NnTransformKind kind); /* as "numerical_transform" has it */

/* ------------------------------------------------------------------ value.c */

/* Sets a member of type integer, number, boolean or named; does nothing for the other types. */
void option_set(CtrOptions *options, const OptionSpec *spec, double value);
/* the value of a member of type integer, boolean or named */
int64 option_integer(const CtrOptions *options, const OptionSpec *spec);
/* Appends a member of any type as JSON. */
void option_append(StringInfo text, const CtrOptions *options, const OptionSpec *spec);

/* ------------------------------------------------------------------ parse.c */

/* NULL where there is no such option */
const OptionSpec *option_find(const char *key);
/* what values it may have, for a reader */
char *option_allowed_text(const OptionSpec *spec);

#endif /* CTR_OPTION_TABLE_H */
