/*
 * rowmap.c: which columns of a record are the label, weight, validation mark and features, found by name and
 * type. The row type is looked up once per call site.
 */
#include "rows/column_type.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

#include "rows/spelling.h"

#define NOT_FOUND (-1)
#define DUPLICATE (-2)

#define COLUMNS_LISTED 20 /* in an error that says which columns there are */

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

/*
 * Sorted, because a query of one row spends half of its time here if each of n features is sought among n
 * columns.
 */
static void
sort_names(CtrRowMap *map)
{
    map->by_name = palloc(sizeof(int) * Max(map->desc->natts, 1));
    for (int i = 0; i < map->desc->natts; i++) {
        if (!TupleDescAttr(map->desc, i)->attisdropped)
            map->by_name[map->n_names++] = i;
    }
    qsort_arg(map->by_name, map->n_names, sizeof(int), compare_names, map->desc);
}

static bool
is_name(const CtrRowMap *map, int i, const char *name)
{
    return i < map->n_names && strcmp(attribute_name(map->desc, map->by_name[i]), name) == 0;
}

/* the attribute's index, NOT_FOUND or DUPLICATE */
static int
find_attribute(const CtrRowMap *map, const char *name)
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
    const char **names = palloc(sizeof(char *) * Max(desc->natts, 1));
    int n = 0;

    for (int i = 0; i < desc->natts; i++) {
        if (!TupleDescAttr(desc, i)->attisdropped)
            names[n++] = attribute_name(desc, i);
    }
    return nearest_word(name, names, n, few_letters(name));
}

static void
duplicate_error(const char *name)
{
    ereport(ERROR, (errcode(ERRCODE_DUPLICATE_COLUMN), errmsg("the rows have two columns named \"%s\"", name),
                    errhint("Give one of them another name with AS.")));
}

/* The column that an option names: an error when it is not there. */
static int
named_attribute(const CtrRowMap *map, const char *option, const char *name)
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

/* The names of the columns that there are, shortened. */
static char *
column_list(TupleDesc desc)
{
    StringInfoData text;
    int n = 0;

    initStringInfo(&text);
    for (int i = 0; i < desc->natts; i++) {
        if (!TupleDescAttr(desc, i)->attisdropped && n++ < COLUMNS_LISTED)
            appendStringInfo(&text, "%s\"%s\"", n > 1 ? ", " : "", attribute_name(desc, i));
    }
    if (n > COLUMNS_LISTED)
        appendStringInfo(&text, ", and %d more", n - COLUMNS_LISTED);
    return text.data;
}

/* A label has a default name, so nobody may have named it: says what there is, and how to name it. */
static void
missing_label_error(const CtrRowMap *map, const char *name)
{
    const char *nearest = nearest_column(map->desc, name);

    ereport(ERROR,
            (errcode(ERRCODE_UNDEFINED_COLUMN), errmsg("label column \"%s\" is missing in the rows", name),
             map->n_names > 0 ? errdetail("The columns are %s.", column_list(map->desc))
                              : errdetail("The rows have no columns."),
             errhint("Name the column that holds the label with ctr_fit(label => %s).",
                     quote_literal_cstr(nearest ? nearest : "..."))));
}

static bool
list_has(const CtrNameList *list, const char *name)
{
    for (int i = 0; i < list->n; i++) {
        if (strcmp(list->names[i], name) == 0)
            return true;
    }
    return false;
}

/* ------------------------------------------------------------------ the map */

CtrRow
row_of_record(HeapTupleHeader record)
{
    return (CtrRow){.type = HeapTupleHeaderGetTypeId(record),
                    .typmod = HeapTupleHeaderGetTypMod(record),
                    .tuple = record};
}

/*
 * Are the columns those of the row type? The planner sees to it (predict_columns.c), but anyone may call by
 * hand.
 */
static void
check_columns(const CtrRowMap *map, const CtrRow *row)
{
    const int n = row->call->nargs - CTR_FIRST_COLUMN;

    if (n != map->desc->natts)
        ereport(ERROR,
                (errcode(ERRCODE_DATATYPE_MISMATCH), errmsg("row type %s has %d columns, not %d",
                                                            format_type_be(row->type), map->desc->natts, n)));
    for (int i = 0; i < n; i++) {
        const Oid type = get_fn_expr_argtype(row->call->flinfo, CTR_FIRST_COLUMN + i);

        if (!TupleDescAttr(map->desc, i)->attisdropped && type != TupleDescAttr(map->desc, i)->atttypid)
            ereport(ERROR,
                    (errcode(ERRCODE_DATATYPE_MISMATCH),
                     errmsg("column \"%s\" of row type %s has type %s, not %s", attribute_name(map->desc, i),
                            format_type_be(row->type), format_type_be(TupleDescAttr(map->desc, i)->atttypid),
                            format_type_be(type))));
    }
}

static CtrRowMap *
rowmap_create(const CtrRow *row, MemoryContext parent)
{
    MemoryContext context = AllocSetContextCreate(parent, "ctr row map", ALLOCSET_SMALL_SIZES);
    MemoryContext old = MemoryContextSwitchTo(context);
    CtrRowMap *map = palloc0(sizeof(CtrRowMap));
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
shape_is_same(CtrRowMap *map)
{
    TupleDesc desc = lookup_rowtype_tupdesc(map->type, map->typmod);
    bool same = equalTupleDescs(desc, map->desc);

    ReleaseTupleDesc(desc);
    if (same)
        map->shape = map->entry->tupDesc_identifier;
    return same;
}

bool
rowmap_fits(CtrRowMap *map, const CtrRow *row)
{
    if (row->type != map->type || row->typmod != map->typmod)
        return false;
    return map->entry == NULL || map->entry->tupDesc_identifier == map->shape || shape_is_same(map);
}

void
rowmap_change_error(const CtrRowMap *map, const CtrRow *row)
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

/* A row of a query that scores one is not to pay for looking up types that are no domains. */
static Oid
base_type(const CtrRowMap *map, int attribute)
{
    Oid type = TupleDescAttr(map->desc, attribute)->atttypid;

    return type_reader(type) == CTR_READ_OUTPUT ? getBaseType(type) : type;
}

static void
column_set(const CtrRowMap *map, CtrColumn *column, int attribute)
{
    column->attribute = attribute;
    column->name = attribute_name(map->desc, attribute);
    column->reader = type_reader(base_type(map, attribute));
    if (column->reader == CTR_READ_OUTPUT) {
        Oid output;
        bool is_varlena;

        getTypeOutputInfo(TupleDescAttr(map->desc, attribute)->atttypid, &output, &is_varlena);
        fmgr_info_cxt(output, &column->output, map->context);
    }
}

static void
type_error(const CtrRowMap *map, const char *role, const CtrColumn *column, const char *expected,
           const char *hint)
{
    ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
                    errmsg("%s column \"%s\" has type %s", role, column->name,
                           format_type_be(TupleDescAttr(map->desc, column->attribute)->atttypid)),
                    errdetail("It must be %s.", expected), hint ? errhint("%s", hint) : 0));
}

static void
check_label_type(const CtrRowMap *map)
{
    const CtrColumn *label = &map->label;

    if (!reads_number(label->reader) && label->reader != CTR_READ_BOOL && !reads_text(label->reader))
        type_error(map, "label", label, "a number or a boolean",
                   "Derive 0 and 1 from it in a sub-select that leaves it out.");
}

/* Why the column cannot be a feature of this kind, if it cannot. */
static ColumnFault
feature_fault(const CtrRowMap *map, int attribute, CtrFeatureKind kind)
{
    Oid type = base_type(map, attribute);
    CtrColumnReader reader = type_reader(type);

    if (kind == CTR_CATEGORICAL)
        return category_fault(type, TupleDescAttr(map->desc, attribute)->attcollation);
    return reads_number(reader) || reader == CTR_READ_BOOL ? COLUMN_FINE : COLUMN_NO_NUMBER;
}

/* ------------------------------------------------------------------ for training */

static bool
has_role(const CtrRowMap *map, int attribute)
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
static void
check_lists(const CtrRowMap *map, const CtrOptions *options, const CtrFeature *features, int n)
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

/* Is this column to be a feature, and of which kind? Why it cannot be one goes to *fault. */
static bool
feature_kind(const CtrRowMap *map, const CtrOptions *options, int attribute, CtrFeatureKind *kind,
             ColumnFault *fault)
{
    const char *name = attribute_name(map->desc, attribute);
    bool listed = list_has(&options->categorical, name);
    Oid type;

    if (TupleDescAttr(map->desc, attribute)->attisdropped || has_role(map, attribute) ||
        list_has(&options->ignore, name))
        return false;
    type = base_type(map, attribute);
    *kind = CTR_CATEGORICAL;
    if (list_has(&options->numerical, name) || (!listed && reads_number(type_reader(type))))
        *kind = CTR_NUMERICAL;
    *fault = feature_fault(map, attribute, *kind);
    if (*fault == COLUMN_FINE && *kind == CTR_CATEGORICAL && !listed && !type_is_category(type))
        *fault = COLUMN_NOT_LISTED;
    return true;
}

static void
set_roles(CtrRowMap *map, const CtrOptions *options)
{
    if (find_attribute(map, options->label) == NOT_FOUND)
        missing_label_error(map, options->label);
    column_set(map, &map->label, named_attribute(map, "label", options->label));
    check_label_type(map);
    if (options->weight) {
        column_set(map, &map->weight, named_attribute(map, "weight", options->weight));
        if (!reads_number(map->weight.reader))
            type_error(map, "weight", &map->weight, "a number", NULL);
    }
    if (options->validation_column) {
        column_set(map, &map->validation,
                   named_attribute(map, "validation_column", options->validation_column));
        if (map->validation.reader != CTR_READ_BOOL)
            type_error(map, "validation", &map->validation, "a boolean", NULL);
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

/* All names that the model's file will have: better now than when training is over. */
static void
check_names(const CtrRowMap *map, const CtrOptions *options)
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

/*
 * Sets the features' columns, numerical ones first, and counts them by kind. One error for all that cannot
 * be.
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
            column_set(map, column, i);
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
            find_attribute(map, attribute_name(map->desc, i)) == DUPLICATE)
            duplicate_error(attribute_name(map->desc, i));
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
    set_roles(map, options);
    check_lists(map, options, NULL, 0);
    *features = MemoryContextAllocZero(context, sizeof(CtrFeature) * Max(natts, 1));
    map->features = MemoryContextAllocZero(map->context, sizeof(CtrColumn) * Max(natts, 1));
    choose_features(map, options, context, *features, counts);
    if (map->n_features == 0)
        ereport(ERROR,
                (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("the rows have no feature columns"),
                 errdetail("There is nothing to learn from besides the label \"%s\".", options->label)));
    check_names(map, options);
    *n_num = counts[CTR_NUMERICAL];
    *n_cat = counts[CTR_CATEGORICAL];
    return map;
}

/* ------------------------------------------------------------------ for scoring */

static void
missing_error(const CtrRowMap *map, const CtrFeature *features)
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
find_features(CtrRowMap *map, const CtrFeature *features, int n)
{
    FaultyColumns faulty = {.desc = map->desc};
    bool missing = false;

    map->n_features = n;
    map->features = MemoryContextAllocZero(map->context, sizeof(CtrColumn) * Max(map->n_features, 1));
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
        int attribute = map->features[i].attribute;

        column_set(map, &map->features[i], attribute);
        faulty_columns_add(&faulty, attribute, feature_fault(map, attribute, features[i].kind));
    }
    faulty_columns_check(&faulty, false);
}

CtrRowMap *
rowmap_for_continuing(const CtrRow *row, const CtrOptions *options, const CtrFeature *features, int n_num,
                      int n_cat, MemoryContext context)
{
    CtrRowMap *map = rowmap_create(row, context);

    set_roles(map, options);
    find_features(map, features, n_num + n_cat);
    for (int i = 0; i < map->n_features; i++) {
        if (has_role(map, map->features[i].attribute))
            no_feature_error(map->features[i].name);
    }
    check_lists(map, options, features, map->n_features);
    check_names(map, options);
    return map;
}

CtrRowMap *
rowmap_for_scoring(const CtrRow *row, const CtrFeature *features, int n_num, int n_cat, const char *label,
                   MemoryContext context)
{
    CtrRowMap *map = rowmap_create(row, context);

    find_features(map, features, n_num + n_cat);
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
