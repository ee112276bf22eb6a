/* rowmap_for_scoring.c: a model's features among the columns of the rows to score, by their names. */
#include "rows/rowmap.h"

#include "lib/stringinfo.h"

static void
missing_error(const CtrRowMap *map, const CtrFeature *features)
{
    StringInfoData names;
    int n = 0;

    initStringInfo(&names);
    for (int i = 0; i < map->n_features; i++) {
        if (map->features[i].attribute == ROWMAP_NOT_FOUND)
            appendStringInfo(&names, "%s\"%s\"", n++ > 0 ? ", " : "", features[i].name);
    }
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN),
                    errmsg_plural("feature column %s is missing in the rows",
                                  "feature columns %s are missing in the rows", n, names.data),
                    errhint("Columns are found by name; their order and further columns do not matter. "
                            "A column whose value is not known may be NULL.")));
}

/* The features' columns, by name; all that are missing are one error. */
void
rowmap_find_features(CtrRowMap *map, const CtrFeature *features, int n)
{
    FaultyColumns faulty = {.desc = map->desc};
    bool missing = false;

    map->n_features = n;
    map->features = MemoryContextAllocZero(map->context, sizeof(CtrColumn) * Max(map->n_features, 1));
    for (int i = 0; i < map->n_features; i++) {
        int attribute = rowmap_find(map, features[i].name);

        map->features[i].attribute = attribute;
        if (attribute == ROWMAP_DUPLICATE)
            rowmap_duplicate_error(features[i].name);
        missing |= attribute == ROWMAP_NOT_FOUND;
    }
    if (missing)
        missing_error(map, features);
    for (int i = 0; i < map->n_features; i++) {
        int attribute = map->features[i].attribute;

        rowmap_set_column(map, &map->features[i], attribute);
        faulty_columns_add(&faulty, attribute, rowmap_feature_fault(map, attribute, features[i].kind));
    }
    faulty_columns_check(&faulty, false);
}

CtrRowMap *
rowmap_for_scoring(const CtrRow *row, const CtrFeature *features, int n_num, int n_cat, const char *label,
                   MemoryContext context)
{
    CtrRowMap *map = rowmap_create(row, context);

    rowmap_find_features(map, features, n_num + n_cat);
    if (label) {
        int attribute = rowmap_find(map, label);

        if (attribute == ROWMAP_DUPLICATE)
            rowmap_duplicate_error(label);
        if (attribute >= 0) {
            rowmap_set_column(map, &map->label, attribute);
            rowmap_check_label_type(map);
        }
    }
    return map;
}
