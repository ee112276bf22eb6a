/* row.c: takes a record apart into its columns, and reads columns as numbers and as labels. */
#include "rows/rows.h"

#include <math.h>

#include "access/htup_details.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

#define VALUE_TEXT_SIZE 60 /* bytes of a value that an error message shows */

void
rowmap_read(CtrRowMap *map, const CtrRow *row)
{
    HeapTupleData tuple;

    MemoryContextReset(map->row_context);
    if (row->tuple == NULL) {
        const NullableDatum *columns = row->call->args + CTR_FIRST_COLUMN;

        for (int i = 0; i < map->n_columns; i++) {
            map->values[map->columns[i]] = columns[i].value;
            map->nulls[map->columns[i]] = columns[i].isnull;
        }
        return;
    }
    tuple.t_len = HeapTupleHeaderGetDatumLength(row->tuple);
    ItemPointerSetInvalid(&tuple.t_self);
    tuple.t_tableOid = InvalidOid;
    tuple.t_data = row->tuple;
    heap_deform_tuple(&tuple, map->desc, map->values, map->nulls);
}

static double
numeric_number(CtrRowMap *map, Datum value)
{
    MemoryContext old = MemoryContextSwitchTo(map->row_context);
    double number = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, value));

    MemoryContextSwitchTo(old);
    return number;
}

/* The number that a text spells out in decimal; false if it is none. */
static bool
parse_number(const char *bytes, uint32 length, double *number)
{
    char text[64], *end;

    while (length > 0 && isspace((unsigned char)bytes[length - 1]))
        length--;
    while (length > 0 && isspace((unsigned char)*bytes))
        bytes++, length--;
    if (length == 0 || length >= sizeof(text))
        return false;
    memcpy(text, bytes, length);
    text[length] = '\0';
    if (strspn(text, "0123456789+-.eE") < length)
        return false;
    *number = strtod(text, &end);
    return *end == '\0';
}

double
row_number_checked(CtrRowMap *map, CtrColumn *column, bool *is_number)
{
    Datum value = map->values[column->attribute];
    const char *bytes;
    uint32 length;
    double number;

    *is_number = true;
    if (map->nulls[column->attribute])
        return NAN;
    switch (column->reader) {
    case CTR_READ_INT2:
        return DatumGetInt16(value);
    case CTR_READ_INT4:
        return DatumGetInt32(value);
    case CTR_READ_INT8:
        return (double)DatumGetInt64(value);
    case CTR_READ_FLOAT4:
        return DatumGetFloat4(value);
    case CTR_READ_FLOAT8:
        return DatumGetFloat8(value);
    case CTR_READ_NUMERIC:
        return numeric_number(map, value);
    case CTR_READ_BOOL:
        return DatumGetBool(value);
    case CTR_READ_TEXT:
    case CTR_READ_BPCHAR:
    case CTR_READ_NAME:
    case CTR_READ_CHAR:
    case CTR_READ_DATE:
    case CTR_READ_TIMESTAMP:
    case CTR_READ_BYTEA:
    case CTR_READ_OUTPUT:
        break;
    }
    row_category(map, column, &bytes, &length);
    *is_number = parse_number(bytes, length, &number);
    return *is_number ? number : NAN;
}

double
row_number(CtrRowMap *map, CtrColumn *column)
{
    bool is_number;

    return row_number_checked(map, column, &is_number);
}

char *
row_value_text(CtrRowMap *map, CtrColumn *column)
{
    const char *bytes;
    uint32 length;
    int shown;

    if (map->nulls[column->attribute])
        return "NULL";
    if (!row_category(map, column, &bytes, &length))
        return "NaN";
    shown = pg_mbcliplen(bytes, (int)length, VALUE_TEXT_SIZE);
    return psprintf("\"%.*s%s\"", shown, bytes, shown < (int)length ? "..." : "");
}

/* For a label that is a word: the word that stands for 1 where it has an opposite, else itself. */
static const char *
positive_word(const char *word)
{
    static const char *const opposites[][2] = {
        {"no", "yes"}, {"n", "y"}, {"false", "true"}, {"f", "t"}, {"off", "on"}};

    for (int i = 0; i < (int)lengthof(opposites); i++) {
        if (strcmp(word, opposites[i][0]) == 0)
            return opposites[i][1];
    }
    return word;
}

/* The hint for a label that is a text and no number; 0: none. */
static int
word_label_hint(CtrRowMap *map, const char *name)
{
    const char *bytes;
    uint32 length;

    row_category(map, &map->label, &bytes, &length);
    if (length == 0 || length > VALUE_TEXT_SIZE)
        return 0;
    return errhint("Derive 0 and 1 in a sub-select, for example (%s = %s)::int AS label, and leave %s out.",
                   quote_identifier(name), quote_literal_cstr(positive_word(pnstrdup(bytes, length))),
                   quote_identifier(name));
}

/* The hint for a value that is no label of one class; 0: none. */
static int
label_hint(CtrRowMap *map, const char *name, bool is_number, double value)
{
    if (!is_number)
        return word_label_hint(map, name);
    return value == floor(value) && value > 1 ? errhint("For several classes set n_classes.") : 0;
}

bool
row_class(CtrRowMap *map, const char *name, int n_classes, int *label)
{
    bool is_number;
    double value = row_number_checked(map, &map->label, &is_number);

    if (is_number && isnan(value))
        return false;
    if (!is_number || value != floor(value) || value < 0 || value >= Max(n_classes, 2))
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("label column \"%s\" has value %s", name, row_value_text(map, &map->label)),
                        n_classes == 1 ? errdetail("Labels must be 0 or 1.")
                                       : errdetail("Labels must be integers from 0 to %d.", n_classes - 1),
                        n_classes == 1 ? label_hint(map, name, is_number, value) : 0));
    *label = (int)value;
    return true;
}
