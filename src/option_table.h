/*
 * option_table.h: what options there are; options.c reads, checks and writes them by this table.
 */
#ifndef CTR_OPTION_TABLE_H
#define CTR_OPTION_TABLE_H

#include "ctr.h"

typedef enum OptionType {
    OPTION_INTEGER, /* int or int64 */
    OPTION_NUMBER,  /* float or double */
    OPTION_BOOLEAN,
    OPTION_NAMED,   /* an enum or a bool, one of `names` */
    OPTION_COLUMN,  /* a column's name, may be NULL */
    OPTION_COLUMNS, /* NameList */
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
    size_t offset, size; /* in Options */
    double low, high;    /* both allowed */
    const OptionName *names;
    double defaults[3]; /* robust for DeepCross, robust for FiBiNET, reference */
    const char *help;
} OptionSpec;

extern const OptionSpec option_specs[];
extern const int n_option_specs;

#endif /* CTR_OPTION_TABLE_H */
