/*
 * rowmap_roles.c: the columns that options name: the label, the weight and the validation mark, and the
 * errors where they are missing or of a wrong type.
 */
#include "rows/rowmap.h"

#include "lib/stringinfo.h"
#include "utils/builtins.h"

#define COLUMNS_LISTED 20 /* in an error that says which columns there are */

/* the column whose name is most like `name`, or NULL when none is near */
static const char *
nearest_column(TupleDesc desc, const char *name)
{
    const char **names = palloc(sizeof(char *) * Max(desc->natts, 1));
    int n = 0;

    for (int i = 0; i < desc->natts; i++) {
        if (!TupleDescAttr(desc, i)->attisdropped)
            names[n++] = rowmap_name(desc, i);
    }
    return nearest_word(name, names, n, few_letters(name));
}

void
rowmap_duplicate_error(const char *name)
{
    ereport(ERROR, (errcode(ERRCODE_DUPLICATE_COLUMN), errmsg("the rows have two columns named \"%s\"", name),
                    errhint("Give one of them another name with AS.")));
}

/* The column that an option names: an error when it is not there. */
int
rowmap_find_named(const CtrRowMap *map, const char *option, const char *name)
{
    int attribute = rowmap_find(map, name);

    if (attribute == ROWMAP_DUPLICATE)
        rowmap_duplicate_error(name);
    if (attribute == ROWMAP_NOT_FOUND) {
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
            appendStringInfo(&text, "%s\"%s\"", n > 1 ? ", " : "", rowmap_name(desc, i));
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
             map->n_columns > 0 ? errdetail("The columns are %s.", column_list(map->desc))
                                : errdetail("The rows have no columns."),
             errhint("Name the column that holds the label with ctr_fit(label => %s).",
                     quote_literal_cstr(nearest ? nearest : "..."))));
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

void
rowmap_check_label_type(const CtrRowMap *map)
{
    const CtrColumn *label = &map->label;

    if (!reads_number(label->reader) && label->reader != CTR_READ_BOOL && !reads_text(label->reader))
        type_error(map, "label", label, "a number or a boolean",
                   "Derive 0 and 1 from it in a sub-select that leaves it out.");
}

void
rowmap_set_roles(CtrRowMap *map, const CtrOptions *options)
{
    if (rowmap_find(map, options->label) == ROWMAP_NOT_FOUND)
        missing_label_error(map, options->label);
    rowmap_set_column(map, &map->label, rowmap_find_named(map, "label", options->label));
    rowmap_check_label_type(map);
    if (options->weight) {
        rowmap_set_column(map, &map->weight, rowmap_find_named(map, "weight", options->weight));
        if (!reads_number(map->weight.reader))
            type_error(map, "weight", &map->weight, "a number", NULL);
    }
    if (options->validation_column) {
        rowmap_set_column(map, &map->validation,
                          rowmap_find_named(map, "validation_column", options->validation_column));
        if (map->validation.reader != CTR_READ_BOOL)
            type_error(map, "validation", &map->validation, "a boolean", NULL);
    }
}

bool
rowmap_has_role(const CtrRowMap *map, int attribute)
{
    return attribute == map->label.attribute || attribute == map->weight.attribute ||
           attribute == map->validation.attribute;
}
