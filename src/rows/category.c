/*
 * category.c: a column's value as a category.
 *
 * A category is a column's value as text, the same for every type that can hold the value: 42 is one category
 * in int4, int8, numeric and text alike, and true is one in boolean and text. No setting changes the text,
 * because a model is to see the same row in every session. So common types are written here: floats with the
 * fewest digits that say which they are, dates and timestamps as under DateStyle ISO, bytea as hexadecimal
 * digits. For other types the output function writes it, where that is the same under all settings
 * (column_type.c).
 */
#include "rows/rows.h"

#include <math.h>

#include "common/shortest_dec.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/float.h"
#include "utils/numeric.h"

/*
 * A varlena's bytes: in place if it is neither compressed nor toasted, else unpacked into the row's
 * context.
 */
static const char *
varlena_bytes(CtrRowMap *map, Datum value, uint32 *length)
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

/*
 * The text that the type's output function writes. Some output functions, such as those of point and
 * circle, are labelled IMMUTABLE but write as many digits as extra_float_digits says. So it has its
 * default meanwhile: the fewest digits that are exact.
 */
static char *
output_text(CtrColumn *column, Datum value)
{
    const int digits = extra_float_digits;
    char *text;

    extra_float_digits = 1;
    PG_TRY();
    {
        text = OutputFunctionCall(&column->output, value);
    }
    PG_FINALLY();
    {
        extra_float_digits = digits;
    }
    PG_END_TRY();
    return text;
}

static char *
bytea_text(CtrRowMap *map, Datum value)
{
    uint32 length;
    const char *bytes = varlena_bytes(map, value, &length);
    char *text = palloc_extended((Size)length * 2 + 3, MCXT_ALLOC_HUGE);

    text[0] = '\\';
    text[1] = 'x';
    text[2 + hex_encode(bytes, length, text + 2)] = '\0';
    return text;
}

/* The text of a value that is not written into column->text; NULL: the value is NaN. */
static const char *
long_text(CtrRowMap *map, CtrColumn *column, Datum value, uint32 *length)
{
    MemoryContext old;
    char *text;

    if (column->reader == CTR_READ_NUMERIC && numeric_is_nan(DatumGetNumeric(value)))
        return NULL;
    old = MemoryContextSwitchTo(map->row_context);
    if (column->reader == CTR_READ_NUMERIC)
        text = numeric_normalize(DatumGetNumeric(value));
    else if (column->reader == CTR_READ_BYTEA)
        text = bytea_text(map, value);
    else
        text = output_text(column, value);
    MemoryContextSwitchTo(old);
    *length = strlen(text);
    return text;
}

/* Writes the date; returns the text's length, as the writers below do. */
static uint32
write_date(DateADT date, char *text)
{
    struct pg_tm tm;

    if (DATE_NOT_FINITE(date))
        EncodeSpecialDate(date, text);
    else {
        j2date(date + POSTGRES_EPOCH_JDATE, &tm.tm_year, &tm.tm_mon, &tm.tm_mday);
        EncodeDateOnly(&tm, USE_ISO_DATES, text);
    }
    return strlen(text);
}

static uint32
write_timestamp(Timestamp timestamp, char *text)
{
    struct pg_tm tm;
    fsec_t microseconds;

    if (TIMESTAMP_NOT_FINITE(timestamp))
        EncodeSpecialTimestamp(timestamp, text);
    else if (timestamp2tm(timestamp, NULL, &tm, &microseconds, NULL, NULL) == 0)
        EncodeDateTime(&tm, microseconds, false, 0, NULL, USE_ISO_DATES, text);
    else
        ereport(ERROR, (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE), errmsg("timestamp out of range")));
    return strlen(text);
}

/*
 * Writes what a cast to text gives since PostgreSQL 16: a byte beyond ASCII as an octal escape, because
 * alone it is no character in most encodings.
 */
static uint32
write_char(char value, char *text)
{
    if (IS_HIGHBIT_SET(value))
        return (uint32)sprintf(text, "\\%03o", (unsigned char)value);
    text[0] = value;
    return value != '\0';
}

bool
row_category(CtrRowMap *map, CtrColumn *column, const char **bytes, uint32 *length)
{
    Datum value = map->values[column->attribute];

    if (map->nulls[column->attribute])
        return false;
    *bytes = column->text;
    switch (column->reader) {
    case CTR_READ_INT2:
        *length = pg_itoa(DatumGetInt16(value), column->text);
        return true;
    case CTR_READ_INT4:
        *length = pg_ltoa(DatumGetInt32(value), column->text);
        return true;
    case CTR_READ_INT8:
        *length = pg_lltoa(DatumGetInt64(value), column->text);
        return true;
    case CTR_READ_FLOAT4:
        *length = float_to_shortest_decimal_buf(DatumGetFloat4(value) + 0.0f, column->text);
        return !isnan(DatumGetFloat4(value));
    case CTR_READ_FLOAT8:
        *length = double_to_shortest_decimal_buf(DatumGetFloat8(value) + 0.0, column->text);
        return !isnan(DatumGetFloat8(value));
    case CTR_READ_BOOL:
        *bytes = DatumGetBool(value) ? "true" : "false";
        *length = strlen(*bytes);
        return true;
    case CTR_READ_TEXT:
        *bytes = varlena_bytes(map, value, length);
        return true;
    case CTR_READ_BPCHAR:
        *bytes = varlena_bytes(map, value, length);
        *length = bpchartruelen(unconstify(char *, *bytes), *length);
        return true;
    case CTR_READ_NAME:
        *bytes = NameStr(*DatumGetName(value));
        *length = strlen(*bytes);
        return true;
    case CTR_READ_CHAR:
        *length = write_char(DatumGetChar(value), column->text);
        return true;
    case CTR_READ_DATE:
        *length = write_date(DatumGetDateADT(value), column->text);
        return true;
    case CTR_READ_TIMESTAMP:
        *length = write_timestamp(DatumGetTimestamp(value), column->text);
        return true;
    case CTR_READ_NUMERIC:
    case CTR_READ_BYTEA:
    case CTR_READ_OUTPUT:
        break;
    }
    *bytes = long_text(map, column, value, length);
    return *bytes != NULL;
}
