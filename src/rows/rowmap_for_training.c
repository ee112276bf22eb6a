/*
 * rowmap_for_training.c: which columns a training takes as features: those that the options list or that
 * their types make features; or those of the model to go on from.
 */
#include "rows/rowmap.h"

static bool
list_has(const CtrNameList *list, const char *name)
{
    for (int i = 0; i < list->n; i++) {
        if (strcmp(list->names[i], name) == 0)
            return true;
    }
    return false;
}

/* Is this column to be a feature, and of which kind? Why it cannot be one goes to *fault. */
static bool
feature_kind(const CtrRowMap *map, const CtrOptions *options, int attribute, CtrFeatureKind *kind,
             ColumnFault *fault)
{
    const char *name = rowmap_name(map->desc, attribute);
    bool listed = list_has(&options->categorical, name);
    Oid type;

    if (TupleDescAttr(map->desc, attribute)->attisdropped || rowmap_has_role(map, attribute) ||
        list_has(&options->ignore, name))
        return false;
    type = rowmap_base_type(map, attribute);
    *kind = CTR_CATEGORICAL;
    if (list_has(&options->numerical, name) || (!listed && reads_number(type_reader(type))))
        *kind = CTR_NUMERICAL;
    *fault = rowmap_feature_fault(map, attribute, *kind);
    if (*fault == COLUMN_FINE && *kind == CTR_CATEGORICAL && !listed && !type_is_category(type))
        *fault = COLUMN_NOT_LISTED;
    return true;
}

/*
 * Sets the features' columns, numerical ones first, and counts them by kind. One error names all columns
 * that cannot be features.
 */
static void
choose_features(CtrRowMap *map, const CtrOptions *options, MemoryContext context, CtrFeature *features,
                int *counts)
{
    FaultyColumns faulty = {.desc = map->desc};
    CtrFeatureKind *kinds = palloc(sizeof(CtrFeatureKind) * Max(map->desc->natts, 1));
    bool *chosen = palloc(sizeof(bool) * Max(map->desc->natts, 1));

    for (int i = 0; i < map->desc->natts; i++) {
        ColumnFault fault = COLUMN_FINE;

        chosen[i] = feature_kind(map, options, i, &kinds[i], &fault);
        faulty_columns_add(&faulty, i, fault);
    }
    faulty_columns_check(&faulty, true);
    for (CtrFeatureKind kind = CTR_NUMERICAL; kind <= CTR_CATEGORICAL; kind++) {
        for (int i = 0; i < map->desc->natts; i++) {
            CtrColumn *column = &map->features[map->n_features];

            if (!chosen[i] || kinds[i] != kind)
                continue;
            rowmap_set_column(map, column, i);
            features[map->n_features++] =
                (CtrFeature){.name = MemoryContextStrdup(context, column->name), .kind = kind};
            counts[kind]++;
        }
    }
}

static void
check_duplicates(const CtrRowMap *map)
{
    for (int i = 0; i < map->desc->natts; i++) {
        if (!TupleDescAttr(map->desc, i)->attisdropped &&
            rowmap_find(map, rowmap_name(map->desc, i)) == ROWMAP_DUPLICATE)
            rowmap_duplicate_error(rowmap_name(map->desc, i));
    }
}

CtrRowMap *
rowmap_for_training(const CtrRow *row, const CtrOptions *options, MemoryContext context,
                    CtrFeature **features, int *n_num, int *n_cat)
{
    CtrRowMap *map = rowmap_create(row, context);
    int natts = map->desc->natts;
    int counts[2] = {0, 0}; /* by kind */

    check_duplicates(map);
    rowmap_set_roles(map, options);
    rowmap_check_lists(map, options, NULL, 0);
    *features = MemoryContextAllocZero(context, sizeof(CtrFeature) * Max(natts, 1));
    map->features = MemoryContextAllocZero(map->context, sizeof(CtrColumn) * Max(natts, 1));
    choose_features(map, options, context, *features, counts);
    if (map->n_features == 0)
        ereport(ERROR,
                (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("the rows have no feature columns"),
                 errdetail("There is nothing to learn from besides the label \"%s\".", options->label)));
    rowmap_check_crosses(map, options, *features, map->n_features);
    rowmap_check_names(map, options);
    *n_num = counts[CTR_NUMERICAL];
    *n_cat = counts[CTR_CATEGORICAL];
    return map;
}

CtrRowMap *
rowmap_for_continuing(const CtrRow *row, const CtrOptions *options, const CtrFeature *features, int n_num,
                      int n_cat, MemoryContext context)
{
    CtrRowMap *map = rowmap_create(row, context);

    rowmap_set_roles(map, options);
    rowmap_find_features(map, features, n_num + n_cat);
    for (int i = 0; i < map->n_features; i++) {
        if (rowmap_has_role(map, map->features[i].attribute))
            rowmap_no_feature_error(map->features[i].name);
    }
    rowmap_check_lists(map, options, features, map->n_features);
    rowmap_check_names(map, options);
    return map;
}
