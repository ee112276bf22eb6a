/*
 * rowmap.c: which columns of a record are the label, weight, validation mark and features, found by name and type.
 * The row type is looked up once per call site.
 */
#include "ctr.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"
#include "utils/varlena.h"

#define NOT_FOUND (-1)
#define DUPLICATE (-2)

/* ------------------------------------------------------------------ types */

static ColumnReader
type_reader(Oid base_type)
{
    switch (base_type) {
    case INT2OID:
        return READ_INT2;
    case INT4OID:
        return READ_INT4;
    case INT8OID:
        return READ_INT8;
    case FLOAT4OID:
        return READ_FLOAT4;
    case FLOAT8OID:
        return READ_FLOAT8;
    case NUMERICOID:
        return READ_NUMERIC;
    case BOOLOID:
        return READ_BOOL;
    case TEXTOID:
    case VARCHAROID:
        return READ_TEXT;
    case BPCHAROID:
        return READ_BPCHAR;
    case NAMEOID:
        return READ_NAME;
    default:
        return READ_OUTPUT;
    }
}

static bool
reads_number(ColumnReader reader)
{
    return reader <= READ_NUMERIC;
}

static bool
reads_text(ColumnReader reader)
{
    return reader == READ_TEXT || reader == READ_BPCHAR || reader == READ_NAME;
}

/* Is a column of this type a category without being named as one? */
static bool
is_category_type(Oid base_type)
{
    char category;
    bool preferred;

    if (base_type == BOOLOID || base_type == UUIDOID || base_type == CHAROID || type_is_enum(base_type))
        return true;
    get_type_category_preferred(base_type, &category, &preferred);
    return category == TYPCATEGORY_STRING;
}

/* ------------------------------------------------------------------ names */

static const char *
attribute_name(TupleDesc desc, int attribute)
{
    return NameStr(TupleDescAttr(desc, attribute)->attname);
}

static int
compare_names(const void *a, const void *b, void *desc)
{
    return strcmp(attribute_name(desc, *(const int *)a), attribute_name(desc, *(const int *)b));
}

/* Sorted, because a query of one row spends half of its time here if each of n features is sought among n columns. */
static void
sort_names(RowMap *map)
{
    map->by_name = palloc(sizeof(int) * Max(map->desc->natts, 1));
    for (int i = 0; i < map->desc->natts; i++) {
        if (!TupleDescAttr(map->desc, i)->attisdropped)
            map->by_name[map->n_names++] = i;
    }
    qsort_arg(map->by_name, map->n_names, sizeof(int), compare_names, map->desc);
}

static bool
is_name(const RowMap *map, int i, const char *name)
{
    return i < map->n_names && strcmp(attribute_name(map->desc, map->by_name[i]), name) == 0;
}

/* the attribute's index, NOT_FOUND or DUPLICATE */
static int
find_attribute(const RowMap *map, const char *name)
{
    int low = 0, high = map->n_names; /* the first name that is not less lies between, or at high */

    while (low < high) {
        int middle = (low + high) / 2;

        if (strcmp(attribute_name(map->desc, map->by_name[middle]), name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (!is_name(map, low, name))
        return NOT_FOUND;
    return is_name(map, low + 1, name) ? DUPLICATE : map->by_name[low];
}

/* the column whose name is most like `name`, or NULL when none is near */
static const char *
nearest_column(TupleDesc desc, const char *name)
{
    const char *nearest = NULL;
    int length = (int)strlen(name);
    int best = Min(4, length / 2 + 1);

    if (length >= NAMEDATALEN)
        return NULL;
    for (int i = 0; i < desc->natts; i++) {
        const char *other = attribute_name(desc, i);
        int distance;

        if (TupleDescAttr(desc, i)->attisdropped)
            continue;
        distance =
            varstr_levenshtein_less_equal(name, length, other, (int)strlen(other), 1, 1, 1, best, true);
        if (distance < best) {
            best = distance;
            nearest = other;
        }
    }
    return nearest;
}

static void
duplicate_error(const char *name)
{
    ereport(ERROR, (errcode(ERRCODE_DUPLICATE_COLUMN), errmsg("the rows have two columns named \"%s\"", name),
                    errhint("Give one of them another name with AS.")));
}

/* The column that an option names: an error when it is not there. */
static int
named_attribute(const RowMap *map, const char *option, const char *name)
{
    int attribute = find_attribute(map, name);

    if (attribute == DUPLICATE)
        duplicate_error(name);
    if (attribute == NOT_FOUND) {
        const char *nearest = nearest_column(map->desc, name);

        ereport(ERROR,
                (errcode(ERRCODE_UNDEFINED_COLUMN), errmsg("column \"%s\" is missing in the rows", name),
                 errdetail("The option \"%s\" names it.", option),
                 nearest ? errhint("Perhaps you meant the column \"%s\".", nearest) : 0));
    }
    return attribute;
}

static bool
list_has(const NameList *list, const char *name)
{
    for (int i = 0; i < list->n; i++) {
        if (strcmp(list->names[i], name) == 0)
            return true;
    }
    return false;
}

/* ------------------------------------------------------------------ the map */

Row
row_of_record(HeapTupleHeader record)
{
    return (Row){.type = HeapTupleHeaderGetTypeId(record),
                 .typmod = HeapTupleHeaderGetTypMod(record),
                 .tuple = record};
}

/* Are the columns those of the row type? The planner sees to it (predict_support.c), but anyone may call by hand. */
static void
check_columns(const RowMap *map, const Row *row)
{
    const int n = row->call->nargs - FIRST_COLUMN;

    if (n != map->desc->natts)
        ereport(ERROR,
                (errcode(ERRCODE_DATATYPE_MISMATCH), errmsg("row type %s has %d columns, not %d",
                                                            format_type_be(row->type), map->desc->natts, n)));
    for (int i = 0; i < n; i++) {
        const Oid type = get_fn_expr_argtype(row->call->flinfo, FIRST_COLUMN + i);

        if (!TupleDescAttr(map->desc, i)->attisdropped && type != TupleDescAttr(map->desc, i)->atttypid)
            ereport(ERROR,
                    (errcode(ERRCODE_DATATYPE_MISMATCH),
                     errmsg("column \"%s\" of row type %s has type %s, not %s", attribute_name(map->desc, i),
                            format_type_be(row->type), format_type_be(TupleDescAttr(map->desc, i)->atttypid),
                            format_type_be(type))));
    }
}

static RowMap *
rowmap_create(const Row *row, MemoryContext parent)
{
    MemoryContext context = AllocSetContextCreate(parent, "ctr row map", ALLOCSET_SMALL_SIZES);
    MemoryContext old = MemoryContextSwitchTo(context);
    RowMap *map = palloc0(sizeof(RowMap));
    TupleDesc desc;

    map->context = context;
    map->row_context = AllocSetContextCreate(context, "ctr row", ALLOCSET_SMALL_SIZES);
    map->type = row->type;
    map->typmod = row->typmod;
    desc = lookup_rowtype_tupdesc(map->type, map->typmod);
    map->desc = CreateTupleDescCopyConstr(desc);
    ReleaseTupleDesc(desc);
    if (map->type != RECORDOID) {
        map->entry = lookup_type_cache(map->type, TYPECACHE_TUPDESC);
        map->shape = map->entry->tupDesc_identifier;
    }
    sort_names(map);
    map->values = palloc0(sizeof(Datum) * Max(map->desc->natts, 1));
    map->nulls = palloc0(sizeof(bool) * Max(map->desc->natts, 1));
    map->label.attribute = map->weight.attribute = map->validation.attribute = NOT_FOUND;
    MemoryContextSwitchTo(old);
    if (row->tuple == NULL)
        check_columns(map, row);
    return map;
}

/* The type cache has forgotten the type's columns: are they still the same? */
static bool
shape_is_same(RowMap *map)
{
    TupleDesc desc = lookup_rowtype_tupdesc(map->type, map->typmod);
    bool same = equalTupleDescs(desc, map->desc);

    ReleaseTupleDesc(desc);
    if (same)
        map->shape = map->entry->tupDesc_identifier;
    return same;
}

bool
rowmap_fits(RowMap *map, const Row *row)
{
    if (row->type != map->type || row->typmod != map->typmod)
        return false;
    return map->entry == NULL || map->entry->tupDesc_identifier == map->shape || shape_is_same(map);
}

void
rowmap_change_error(const RowMap *map, const Row *row)
{
    TupleDesc before = map->desc, now = lookup_rowtype_tupdesc_copy(row->type, row->typmod);
    char *detail = psprintf("The first row has %d columns, this one has %d.", before->natts, now->natts);

    for (int i = 0; i < Min(before->natts, now->natts); i++) {
        const Oid type_before = TupleDescAttr(before, i)->atttypid,
                  type_now = TupleDescAttr(now, i)->atttypid;

        if (type_before == type_now && strcmp(attribute_name(before, i), attribute_name(now, i)) == 0)
            continue;
        detail = psprintf("Column %d is \"%s\" of type %s, in the first row it was \"%s\" of type %s.", i + 1,
                          attribute_name(now, i), format_type_be(type_now), attribute_name(before, i),
                          format_type_be(type_before));
        break;
    }
    ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH), errmsg("the row type changes between rows"),
                    errdetail("%s", detail), errhint("Cast all rows to one type.")));
}

static void
column_set(const RowMap *map, Column *column, int attribute)
{
    Oid type = TupleDescAttr(map->desc, attribute)->atttypid;

    column->attribute = attribute;
    column->name = attribute_name(map->desc, attribute);
    column->reader = type_reader(type);
    if (column->reader == READ_OUTPUT) /* a domain? */
        column->reader = type_reader(getBaseType(type));
    if (column->reader == READ_OUTPUT) {
        Oid output;
        bool is_varlena;

        getTypeOutputInfo(type, &output, &is_varlena);
        fmgr_info_cxt(output, &column->output, map->context);
    }
}

static void
type_error(const RowMap *map, const char *role, const Column *column, const char *expected)
{
    ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
                    errmsg("%s column \"%s\" has type %s", role, column->name,
                           format_type_be(TupleDescAttr(map->desc, column->attribute)->atttypid)),
                    errdetail("It must be %s.", expected)));
}

static void
check_label_type(const RowMap *map)
{
    const Column *label = &map->label;

    if (!reads_number(label->reader) && label->reader != READ_BOOL && !reads_text(label->reader))
        type_error(map, "label", label, "a number or a boolean");
}

static void
check_numerical_type(const RowMap *map, const Column *column)
{
    if (!reads_number(column->reader) && column->reader != READ_BOOL)
        type_error(map, "numerical", column, "a number or a boolean");
}

/* ------------------------------------------------------------------ for training */

static bool
has_role(const RowMap *map, int attribute)
{
    return attribute == map->label.attribute || attribute == map->weight.attribute ||
           attribute == map->validation.attribute;
}

static void
no_feature_error(const char *name)
{
    ereport(ERROR,
            (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("column \"%s\" cannot be a feature", name),
             errdetail("It is the label, weight or validation column.")));
}

/* The column is listed in this option, but the model to go on from, whose n features these are, takes it otherwise. */
static void
check_agrees(const char *name, const char *key, const Feature *features, int n, bool feature,
             FeatureKind kind)
{
    const Feature *found = NULL;

    for (int f = 0; f < n && found == NULL; f++)
        found = strcmp(features[f].name, name) == 0 ? &features[f] : NULL;
    if (found ? feature && found->kind == kind : !feature)
        return;
    ereport(ERROR,
            (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
             errmsg("column \"%s\" is listed in option \"%s\", but is %s the model to go on from", name, key,
                    found == NULL                      ? "no feature of"
                    : found->kind == FEATURE_NUMERICAL ? "a numerical feature of"
                                                       : "a categorical feature of"),
             errhint("Leave it out of the option, or train a new model.")));
}

/* Every name is a column, and named once; and as the given model has it, whose n features these are (NULL: no model). */
static void
check_lists(const RowMap *map, const Options *options, const Feature *features, int n)
{
    const struct {
        const NameList *list;
        const char *key;
        bool feature;
        FeatureKind kind;
    } lists[] = {{&options->numerical, "numerical", true, FEATURE_NUMERICAL},
                 {&options->categorical, "categorical", true, FEATURE_CATEGORICAL},
                 {&options->ignore, "ignore", false, 0}};
    bool *named = palloc0(sizeof(bool) * Max(map->desc->natts, 1));

    for (int l = 0; l < (int)lengthof(lists); l++) {
        for (int i = 0; i < lists[l].list->n; i++) {
            const char *name = lists[l].list->names[i];
            int attribute = named_attribute(map, lists[l].key, name);

            if (named[attribute])
                ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                                errmsg("column \"%s\" is named twice in the options", name)));
            if (has_role(map, attribute) && lists[l].feature)
                no_feature_error(name);
            if (features)
                check_agrees(name, lists[l].key, features, n, lists[l].feature, lists[l].kind);
            named[attribute] = true;
        }
    }
    pfree(named);
}

/* Is this column a feature, and of which kind? An error when its type does not say. */
static bool
feature_kind(const RowMap *map, const Options *options, int attribute, FeatureKind *kind)
{
    const char *name = attribute_name(map->desc, attribute);
    Oid type = getBaseType(TupleDescAttr(map->desc, attribute)->atttypid);

    if (has_role(map, attribute) || list_has(&options->ignore, name))
        return false;
    if (list_has(&options->numerical, name))
        *kind = FEATURE_NUMERICAL;
    else if (list_has(&options->categorical, name) || is_category_type(type))
        *kind = FEATURE_CATEGORICAL;
    else if (reads_number(type_reader(type)))
        *kind = FEATURE_NUMERICAL;
    else
        ereport(
            ERROR,
            (errcode(ERRCODE_DATATYPE_MISMATCH),
             errmsg("column \"%s\" has type %s, which is no feature", name,
                    format_type_be(TupleDescAttr(map->desc, attribute)->atttypid)),
             errhint("List the column in the option \"ignore\", derive a number or a text from it, or list "
                     "it in \"categorical\" to take its text as a category.")));
    return true;
}

static void
set_roles(RowMap *map, const Options *options)
{
    column_set(map, &map->label, named_attribute(map, "label", options->label));
    check_label_type(map);
    if (options->weight) {
        column_set(map, &map->weight, named_attribute(map, "weight", options->weight));
        if (!reads_number(map->weight.reader))
            type_error(map, "weight", &map->weight, "a number");
    }
    if (options->validation_column) {
        column_set(map, &map->validation,
                   named_attribute(map, "validation_column", options->validation_column));
        if (map->validation.reader != READ_BOOL)
            type_error(map, "validation", &map->validation, "a boolean");
    }
}

RowMap *
rowmap_for_training(const Row *row, const Options *options, MemoryContext context, Feature **features,
                    int *n_num, int *n_cat)
{
    RowMap *map = rowmap_create(row, context);
    int natts = map->desc->natts;
    int counts[2] = {0, 0}; /* by kind */
    FeatureKind kind;

    for (int i = 0; i < natts; i++) {
        if (!TupleDescAttr(map->desc, i)->attisdropped &&
            find_attribute(map, attribute_name(map->desc, i)) == DUPLICATE)
            duplicate_error(attribute_name(map->desc, i));
    }
    set_roles(map, options);
    check_lists(map, options, NULL, 0);

    *features = MemoryContextAllocZero(context, sizeof(Feature) * Max(natts, 1));
    map->features = MemoryContextAllocZero(map->context, sizeof(Column) * Max(natts, 1));
    for (FeatureKind wanted = FEATURE_NUMERICAL; wanted <= FEATURE_CATEGORICAL; wanted++) {
        for (int i = 0; i < natts; i++) {
            Column *column = &map->features[map->n_features];

            if (TupleDescAttr(map->desc, i)->attisdropped || !feature_kind(map, options, i, &kind) ||
                kind != wanted)
                continue;
            column_set(map, column, i);
            if (kind == FEATURE_NUMERICAL)
                check_numerical_type(map, column);
            (*features)[map->n_features++] =
                (Feature){.name = MemoryContextStrdup(context, column->name), .kind = kind};
            counts[kind]++;
        }
    }
    if (map->n_features == 0)
        ereport(ERROR,
                (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("the rows have no feature columns"),
                 errdetail("There is nothing to learn from besides the label \"%s\".", options->label)));
    *n_num = counts[FEATURE_NUMERICAL];
    *n_cat = counts[FEATURE_CATEGORICAL];
    return map;
}

/* ------------------------------------------------------------------ for scoring */

static void
missing_error(const RowMap *map, const Feature *features)
{
    StringInfoData names;
    int n = 0;

    initStringInfo(&names);
    for (int i = 0; i < map->n_features; i++) {
        if (map->features[i].attribute == NOT_FOUND)
            appendStringInfo(&names, "%s\"%s\"", n++ > 0 ? ", " : "", features[i].name);
    }
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN),
                    errmsg_plural("feature column %s is missing in the rows",
                                  "feature columns %s are missing in the rows", n, names.data),
                    errhint("Columns are found by name; their order and further columns do not matter.")));
}

/* The features' columns, by name; all that are missing are one error. */
static void
find_features(RowMap *map, const Feature *features, int n_num, int n_cat)
{
    bool missing = false;

    map->n_features = n_num + n_cat;
    map->features = MemoryContextAllocZero(map->context, sizeof(Column) * Max(map->n_features, 1));
    for (int i = 0; i < map->n_features; i++) {
        int attribute = find_attribute(map, features[i].name);

        map->features[i].attribute = attribute;
        if (attribute == DUPLICATE)
            duplicate_error(features[i].name);
        missing |= attribute == NOT_FOUND;
    }
    if (missing)
        missing_error(map, features);
    for (int i = 0; i < map->n_features; i++) {
        column_set(map, &map->features[i], map->features[i].attribute);
        if (i < n_num)
            check_numerical_type(map, &map->features[i]);
    }
}

RowMap *
rowmap_for_continuing(const Row *row, const Options *options, const Feature *features, int n_num, int n_cat,
                      MemoryContext context)
{
    RowMap *map = rowmap_create(row, context);

    set_roles(map, options);
    find_features(map, features, n_num, n_cat);
    for (int i = 0; i < map->n_features; i++) {
        if (has_role(map, map->features[i].attribute))
            no_feature_error(map->features[i].name);
    }
    check_lists(map, options, features, map->n_features);
    return map;
}

RowMap *
rowmap_for_scoring(const Row *row, const Feature *features, int n_num, int n_cat, const char *label,
                   MemoryContext context)
{
    RowMap *map = rowmap_create(row, context);

    find_features(map, features, n_num, n_cat);
    if (label) {
        int attribute = find_attribute(map, label);

        if (attribute == DUPLICATE)
            duplicate_error(label);
        if (attribute >= 0) {
            column_set(map, &map->label, attribute);
            check_label_type(map);
        }
    }
    return map;
}
