/*
 * table.h: what options there are (table.c), and what the files of this folder share. Members of
 * CtrOptions by a table's row (value.c, write.c) are for model/record.c too, which has a table of its own.
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
    OPTION_WIDTHS,  /* net.mlp_layers and net.n_mlp */
    OPTION_CROSSES  /* CtrCrossOption: one of `names`, or pairs of columns, at most `high` */
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
    double low, high;    /* bounds, both of them allowed */
    const OptionName *names;
    double robust[NN_ARCHITECTURES]; /* defaults in the recipe "robust", by architecture */
    double reference;                /* the default in the recipe "reference" */
    const char *help;
} OptionSpec;

extern const OptionSpec option_specs[];
extern const int n_option_specs;

/* NULL where there is no such option */
const OptionSpec *option_find(const char *key);
/* Does the value come from a user, and not from the recipe or a model? */
bool option_given(const CtrOptions *options, const OptionSpec *spec);
const char *option_transform_name(NnTransformKind kind); /* as "numerical_transform" has it */

/* ------------------------------------------------------------------ value.c */

/* Sets a member of type integer, number, boolean or named, or crosses' kind; does nothing for other types. */
void option_set(CtrOptions *options, const OptionSpec *spec, double value);
/* the value of a member of type integer, boolean or named; crosses' kind */
int64 option_integer(const CtrOptions *options, const OptionSpec *spec);

/* ------------------------------------------------------------------ crosses.c */

/* Pairs of columns; false: the value is not an array of arrays of two names. */
bool crosses_read(CtrCrossOption *crosses, const JsonbValue *value);
/* Error where a pair has one column twice, or where the option has a pair twice. */
void crosses_check(const CtrCrossOption *crosses);
void crosses_append(StringInfo text, const CtrCrossOption *crosses);

/* ------------------------------------------------------------------ write.c */

/* Appends a member of any type as JSON. */
void option_append(StringInfo text, const CtrOptions *options, const OptionSpec *spec);

/*
 * ------------------------------------------------------------------ parse.c: steps that continue.c takes
 * too
 */

/* Error where json is no object. */
void options_check_object(const Jsonb *json);
/* Takes one option before the others, because their meaning depends on it. */
void options_take_first(CtrOptions *options, const Jsonb *json, const char *name);
/* Takes all options that json gives. */
void options_take(CtrOptions *options, const Jsonb *json);

/* ------------------------------------------------------------------ errors.c */

/* what values the option may have, for a reader */
char *option_allowed_text(const OptionSpec *spec);
/* ERRCODE_INVALID_PARAMETER_VALUE: not a value of the option; no option; an option of another architecture */
void option_value_error(const OptionSpec *spec, const JsonbValue *value);
void option_unknown_error(const CtrOptions *options, const char *key, const JsonbValue *value);
void option_foreign_error(const CtrOptions *options, const OptionSpec *spec, const JsonbValue *value);

#endif /* CTR_OPTION_TABLE_H */
