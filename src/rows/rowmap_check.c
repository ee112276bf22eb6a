/*
 * rowmap_check.c: whether the options' lists of columns agree with the rows, with each other and with the
 * model to go on from; and whether a model's file can spell the names of the columns.
 */
#include "rows/rowmap.h"

#include "rows/spelling.h"

void
rowmap_no_feature_error(const char *name)
{
    ereport(ERROR,
            (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("column \"%s\" cannot be a feature", name),
             errdetail("It is the label, weight or validation column.")));
}

/*
 * The column is listed in this option, but the model to go on from, whose n features these are, takes it
 * otherwise.
 */
static void
check_agrees(const char *name, const char *key, const CtrFeature *features, int n, bool feature,
             CtrFeatureKind kind)
{
    const CtrFeature *found = NULL;

    for (int f = 0; f < n && found == NULL; f++)
        found = strcmp(features[f].name, name) == 0 ? &features[f] : NULL;
    if (found ? feature && found->kind == kind : !feature)
        return;
    ereport(ERROR,
            (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
             errmsg("column \"%s\" is listed in option \"%s\", but is %s the model to go on from", name, key,
                    found == NULL                  ? "no feature of"
                    : found->kind == CTR_NUMERICAL ? "a numerical feature of"
                                                   : "a categorical feature of"),
             errhint("Leave it out of the option, or train a new model.")));
}

/*
 * Every name is a column, and named once; and as the given model has it, whose n features these are (NULL: no
 * model).
 */
void
rowmap_check_lists(const CtrRowMap *map, const CtrOptions *options, const CtrFeature *features, int n)
{
    const struct {
        const CtrNameList *list;
        const char *key;
        bool feature;
        CtrFeatureKind kind;
    } lists[] = {{&options->numerical, "numerical", true, CTR_NUMERICAL},
                 {&options->categorical, "categorical", true, CTR_CATEGORICAL},
                 {&options->ignore, "ignore", false, 0}};
    bool *named = palloc0(sizeof(bool) * Max(map->desc->natts, 1));

    for (int l = 0; l < (int)lengthof(lists); l++) {
        for (int i = 0; i < lists[l].list->n; i++) {
            const char *name = lists[l].list->names[i];
            int attribute = rowmap_find_named(map, lists[l].key, name);

            if (named[attribute])
                ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                                errmsg("column \"%s\" is named twice in the options", name)));
            if (rowmap_has_role(map, attribute) && lists[l].feature)
                rowmap_no_feature_error(name);
            if (features)
                check_agrees(name, lists[l].key, features, n, lists[l].feature, lists[l].kind);
            named[attribute] = true;
        }
    }
    pfree(named);
}

static void
check_crossed(const CtrRowMap *map, const char *name, const CtrFeature *features, int n)
{
    const CtrFeature *found = NULL;

    if (rowmap_has_role(map, rowmap_find_named(map, "crosses", name)))
        rowmap_no_feature_error(name);
    for (int f = 0; f < n && found == NULL; f++)
        found = strcmp(features[f].name, name) == 0 ? &features[f] : NULL;
    if (found == NULL)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("column \"%s\" in option \"crosses\" is no feature", name),
                        errhint("Leave it out of the option \"ignore\".")));
    if (found->kind != CTR_CATEGORICAL)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("column \"%s\" in option \"crosses\" is numerical", name),
                        errdetail("Pairs are of categorical columns."),
                        errhint("List it in the option \"categorical\".")));
}

void
rowmap_check_crosses(const CtrRowMap *map, const CtrOptions *options, const CtrFeature *features, int n)
{
    for (int i = 0; i < options->crosses.n; i++) {
        for (int c = 0; c < 2; c++)
            check_crossed(map, options->crosses.pairs[i].columns[c], features, n);
    }
}

static void
check_name(const char *name)
{
    if (!spelling_has_file(name))
        ereport(ERROR, (errcode(ERRCODE_UNTRANSLATABLE_CHARACTER),
                        errmsg("column \"%s\" has a name that UTF-8 cannot spell", name),
                        errdetail("A model has the names of its columns in UTF-8."),
                        errhint("Give it another name with AS.")));
}

/* Names of all columns that the model's file will have. */
void
rowmap_check_names(const CtrRowMap *map, const CtrOptions *options)
{
    check_name(map->label.name);
    if (options->weight)
        check_name(map->weight.name);
    if (options->validation_column)
        check_name(map->validation.name);
    for (int i = 0; i < map->n_features; i++)
        check_name(map->features[i].name);
    for (int i = 0; i < options->ignore.n; i++)
        check_name(options->ignore.names[i]);
}
