/*
 * row.c: the current record's columns as numbers and as categories.
 *
 * A category is a column's value as text, the same for every type that can hold the value: 42 is one category in int4,
 * int8 and numeric alike. Numbers are written without regard to settings; other types (a date, say) come through
 * their own output function and follow its settings.
 */
#include "ctr.h"

#include <math.h>

#include "access/htup_details.h"
#include "common/shortest_dec.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

#define CACHED_CATEGORIES 1024 /* a smaller vocabulary is in the CPU's caches anyway */
#define VALUE_TEXT_SIZE   60   /* bytes of a value that an error message shows */

void
rowmap_read(RowMap *map, const Row *row)
{
    HeapTupleData tuple;

    MemoryContextReset(map->row_context);
    if (row->tuple == NULL) {
        const NullableDatum *columns = row->call->args + FIRST_COLUMN;

        for (int i = 0; i < map->desc->natts; i++) {
            map->values[i] = columns[i].value;
            map->nulls[i] = columns[i].isnull;
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
numeric_number(RowMap *map, Datum value)
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
row_number_checked(RowMap *map, Column *column, bool *is_number)
{
    Datum value = map->values[column->attribute];
    const char *bytes;
    uint32 length;
    double number;

    *is_number = true;
    if (map->nulls[column->attribute])
        return NAN;
    switch (column->reader) {
    case READ_INT2:
        return DatumGetInt16(value);
    case READ_INT4:
        return DatumGetInt32(value);
    case READ_INT8:
        return (double)DatumGetInt64(value);
    case READ_FLOAT4:
        return DatumGetFloat4(value);
    case READ_FLOAT8:
        return DatumGetFloat8(value);
    case READ_NUMERIC:
        return numeric_number(map, value);
    case READ_BOOL:
        return DatumGetBool(value);
    case READ_TEXT:
    case READ_BPCHAR:
    case READ_NAME:
    case READ_OUTPUT:
        break;
    }
    row_category(map, column, &bytes, &length);
    *is_number = parse_number(bytes, length, &number);
    return *is_number ? number : NAN;
}

double
row_number(RowMap *map, Column *column)
{
    bool is_number;

    return row_number_checked(map, column, &is_number);
}

/* A varlena's bytes: in place where it is plain, else unpacked in the row's context. */
static const char *
varlena_bytes(RowMap *map, Datum value, uint32 *length)
{
    struct varlena *text = (struct varlena *)DatumGetPointer(value);

    if (VARATT_IS_COMPRESSED(text) || VARATT_IS_EXTERNAL(text)) {
        MemoryContext old = MemoryContextSwitchTo(map->row_context);

        text = PG_DETOAST_DATUM_PACKED(value);
        MemoryContextSwitchTo(old);
    }
    *length = VARSIZE_ANY_EXHDR(text);
    return VARDATA_ANY(text);
}

/* What has no short way into column->text: numeric and the types that only their output function knows. */
static const char *
output_bytes(RowMap *map, Column *column, Datum value, uint32 *length)
{
    MemoryContext old = MemoryContextSwitchTo(map->row_context);
    char *text;

    if (column->reader == READ_NUMERIC)
        text = numeric_normalize(DatumGetNumeric(value));
    else
        text = OutputFunctionCall(&column->output, value);
    MemoryContextSwitchTo(old);
    *length = strlen(text);
    return text;
}

bool
row_category(RowMap *map, Column *column, const char **bytes, uint32 *length)
{
    Datum value = map->values[column->attribute];

    if (map->nulls[column->attribute])
        return false;
    *bytes = column->text;
    switch (column->reader) {
    case READ_INT2:
        *length = pg_itoa(DatumGetInt16(value), column->text);
        break;
    case READ_INT4:
        *length = pg_ltoa(DatumGetInt32(value), column->text);
        break;
    case READ_INT8:
        *length = pg_lltoa(DatumGetInt64(value), column->text);
        break;
    case READ_FLOAT4:
        *length = float_to_shortest_decimal_buf(DatumGetFloat4(value) + 0.0f, column->text);
        return !isnan(DatumGetFloat4(value));
    case READ_FLOAT8:
        *length = double_to_shortest_decimal_buf(DatumGetFloat8(value) + 0.0, column->text);
        return !isnan(DatumGetFloat8(value));
    case READ_BOOL:
        column->text[0] = DatumGetBool(value) ? 't' : 'f';
        *length = 1;
        break;
    case READ_TEXT:
        *bytes = varlena_bytes(map, value, length);
        break;
    case READ_BPCHAR:
        *bytes = varlena_bytes(map, value, length);
        *length = bpchartruelen(unconstify(char *, *bytes), *length);
        break;
    case READ_NAME:
        *bytes = NameStr(*DatumGetName(value));
        *length = strlen(*bytes);
        break;
    case READ_NUMERIC:
        if (numeric_is_nan(DatumGetNumeric(value)))
            return false;
        *bytes = output_bytes(map, column, value, length);
        break;
    case READ_OUTPUT:
        *bytes = output_bytes(map, column, value, length);
        break;
    }
    return true;
}

void
row_categories(RowMap *map, Column *columns, int n, Vocab *const *vocabs)
{
    for (int i = 0; i < n; i++) {
        Column *c = &columns[i];

        if (!row_category(map, c, &c->bytes, &c->length)) {
            c->bytes = NULL;
            continue;
        }
        c->hash = vocab_hash(c->bytes, c->length);
        vocab_prefetch(vocabs[i], c->length, c->hash, 0);
    }
    for (int i = 0; i < n; i++) {
        if (columns[i].bytes && vocab_count(vocabs[i]) > CACHED_CATEGORIES)
            vocab_prefetch(vocabs[i], columns[i].length, columns[i].hash, 1);
    }
}

char *
row_value_text(RowMap *map, Column *column)
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

bool
row_class(RowMap *map, const char *name, int n_classes, int *label)
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
                        n_classes == 1 && is_number && value == floor(value) && value > 1
                            ? errhint("For several classes set n_classes.")
                            : 0));
    *label = (int)value;
    return true;
}
