/*
 * options.h: what a training may be told: the only parser of options (parse.c), and JSON helpers (json.c).
 */
#ifndef CTR_OPTIONS_H
#define CTR_OPTIONS_H

#include "ctr.h"

#include "utils/jsonb.h"

#include "nn/arch/arch.h"
#include "nn/math/transform.h"
#include "nn/net/net.h"
#include "nn/train/schedule.h"

/* ------------------------------------------------------------------ parse.c */

typedef enum CtrRecipe { CTR_RECIPE_ROBUST, CTR_RECIPE_REFERENCE } CtrRecipe;

typedef struct CtrNameList {
    bool given; /* false: the options do not have the list */
    int n;
    char **names;
} CtrNameList;

#define CTR_CROSSES_MOST 100 /* pairs of columns that are categories besides */

typedef enum CtrCrossesKind { CTR_CROSSES_NONE, CTR_CROSSES_AUTO, CTR_CROSSES_GIVEN } CtrCrossesKind;

typedef struct CtrCrossNames {
    char *columns[2];
} CtrCrossNames;

typedef struct CtrCrossOption {
    CtrCrossesKind kind;
    int n; /* pairs, of kind CTR_CROSSES_GIVEN only */
    CtrCrossNames *pairs;
} CtrCrossOption;

typedef struct CtrOptions {
    NnConfig net; /* n_num, n_cat and categories are not options: 0 here */
    /* columns */
    char *label;
    char *weight;            /* NULL: all rows weigh the same */
    char *validation_column; /* NULL: chance decides */
    CtrNameList numerical, categorical, ignore;
    double validation; /* share of rows held back, [0, 1) */
    /* training */
    CtrRecipe recipe;
    int epochs, batch_size, patience, min_count, threads;
    double learning_rate, weight_decay, embedding_decay, embedding_init, clip_norm,
        max_seconds; /* 0 = no limit */
    NnScheduleKind lr_schedule;
    bool monitor_auc; /* else val_loss */
    NnTransformKind numerical_transform;
    int numerical_buckets; /* 0 = none */
    bool target_statistics;
    CtrCrossOption crosses;
    bool cross_counts;
    bool untrainable_is_null; /* if no model can be trained on the rows, the result is NULL; else an error */
    /* no user's options, but what the architecture's design was when a model was made */
    NnStatistics statistics; /* a model's are never by size: that is decided when its network is made */
    bool crosses_apart; /* only where there are statistics; else crosses are fields, see model_net_config */
    int64 seed;
    int candidates; /* settings that are compared, these options among them; see candidates.c */
    uint64 given;   /* the rows of table.c whose value is a user's, as bits; a model does not keep it */
} CtrOptions;

/*
 * Options that json does not give have the recipe's values; json NULL: all have. Memory from the current
 * context. Errors: ERRCODE_INVALID_PARAMETER_VALUE, with a hint.
 */
void options_parse(CtrOptions *options, const Jsonb *json);

/* ------------------------------------------------------------------ defaults.c */

/*
 * Sets all options to the defaults of options->recipe for options->net.architecture and
 * options->net.n_classes; these three stay as they are.
 */
void options_set_defaults(CtrOptions *options);
/*
 * What recipe "robust" says of epochs, once it is known how many rows validate: fewer where nothing tells
 * when to stop, and less patience where many rows tell it for sure. What a user has said stays.
 */
void options_set_for_validation(CtrOptions *options, int64 rows);

/* ------------------------------------------------------------------ candidates.c: other settings to try */

#define CTR_CANDIDATES_MOST 8 /* settings that a training compares */

/*
 * Changes the options to the i-th other setting of their recipe, from 0: one option, and never one that the
 * user gave. Returns how it differs, as in "learning_rate => 0.001"; NULL: there are not so many.
 */
char *candidate_apply(CtrOptions *options, int i);

/* ------------------------------------------------------------------ continue.c: going on from a model */

/*
 * Called instead of options_parse to go on from a model that was trained with `given`. Options that json
 * does not give are the model's or, if json names another recipe, that recipe's. Error if json contradicts
 * the model's network or inputs. The lists of columns are only those of json: once they are checked,
 * options_inherit_lists adds the model's. The result shares strings with `given`.
 */
void options_check_continues(CtrOptions *options, const Jsonb *json, const CtrOptions *given);
/*
 * Besides, where the model's encoder is shared with trainings on other parts of a table: error if json
 * contradicts what decides for which rows labels are known, and how they weigh.
 */
void options_check_shared(const CtrOptions *options, const CtrOptions *given);
void options_inherit_lists(CtrOptions *options, const CtrOptions *given);

/* ------------------------------------------------------------------ write.c */

/* every option with its value, as options_parse takes them (what was left out is filled in) */
Jsonb *options_to_jsonb(const CtrOptions *options);

/* ------------------------------------------------------------------ nearest.c */

/*
 * The nearest of n words to `word`: one that differs in the case of letters alone, else one fewer than `most`
 * letters away; NULL: none is.
 */
const char *nearest_word(const char *word, const char *const *words, int n, int most);
/* a `most` for hints: how many letters may differ in a word that was meant */
int few_letters(const char *word);

/* ------------------------------------------------------------------ json.c: small helpers */

/* the elements of a JSON array; NULL: value is something else */
JsonbValue *jsonb_elements(const JsonbValue *value, int *n);
/* the same for an array of nothing but strings; false: value is something else */
bool jsonb_strings(const JsonbValue *value, int *n, char ***strings);
Jsonb *jsonb_from_text(const char *text);
/* appends the strings as a JSON array */
void json_append_strings(StringInfo text, char *const *strings, int n);

#endif /* CTR_OPTIONS_H */
