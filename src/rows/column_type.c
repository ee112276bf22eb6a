/*
 * column_type.c: what a column can be, given its type: a number, a category (whose text must depend on no
 * setting), or no feature; and the hints that say what to write instead of a column that can be no
 * feature.
 */
#include "rows/column_type.h"

#include "access/transam.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

CtrColumnReader
type_reader(Oid type)
{
    switch (type) {
    case INT2OID:
        return CTR_READ_INT2;
    case INT4OID:
        return CTR_READ_INT4;
    case INT8OID:
        return CTR_READ_INT8;
    case FLOAT4OID:
        return CTR_READ_FLOAT4;
    case FLOAT8OID:
        return CTR_READ_FLOAT8;
    case NUMERICOID:
        return CTR_READ_NUMERIC;
    case BOOLOID:
        return CTR_READ_BOOL;
    case TEXTOID:
    case VARCHAROID:
        return CTR_READ_TEXT;
    case BPCHAROID:
        return CTR_READ_BPCHAR;
    case NAMEOID:
        return CTR_READ_NAME;
    case CHAROID:
        return CTR_READ_CHAR;
    case DATEOID:
        return CTR_READ_DATE;
    case TIMESTAMPOID:
        return CTR_READ_TIMESTAMP;
    case BYTEAOID:
        return CTR_READ_BYTEA;
    default:
        return CTR_READ_OUTPUT;
    }
}

bool
reads_number(CtrColumnReader reader)
{
    return reader <= CTR_READ_NUMERIC;
}

bool
reads_text(CtrColumnReader reader)
{
    return reader == CTR_READ_TEXT || reader == CTR_READ_BPCHAR || reader == CTR_READ_NAME;
}

static bool
is_string_type(Oid base_type)
{
    char category;
    bool preferred;

    get_type_category_preferred(base_type, &category, &preferred);
    return category == TYPCATEGORY_STRING;
}

bool
type_is_category(Oid base_type)
{
    return base_type == BOOLOID || base_type == UUIDOID || base_type == CHAROID || type_is_enum(base_type) ||
           is_string_type(base_type);
}

/* An extension's string type with its own equality, such as citext, may treat different texts as equal. */
static bool
compares_by_itself(Oid base_type)
{
    RegProcedure equal;

    if (base_type < FirstNormalObjectId || !is_string_type(base_type))
        return false;
    equal = get_opcode(lookup_type_cache(base_type, TYPECACHE_EQ_OPR)->eq_opr);
    return RegProcedureIsValid(equal) && equal != F_TEXTEQ && equal != F_BPCHAREQ && equal != F_NAMEEQ;
}

/*
 * Is the text the same under all settings? Output functions of arrays, ranges and rows are labelled STABLE
 * because of the types that they may contain. That of enums is STABLE, too, because a label can be
 * renamed, but no setting changes it.
 */
static bool
output_is_fixed(Oid base_type)
{
    Oid output;
    bool is_varlena;

    if (type_is_enum(base_type))
        return true;
    getTypeOutputInfo(base_type, &output, &is_varlena);
    return func_volatile(output) == PROVOLATILE_IMMUTABLE;
}

static bool
collation_is_exact(Oid collation)
{
    return !OidIsValid(collation) || collation == DEFAULT_COLLATION_OID || collation == C_COLLATION_OID ||
           get_collation_isdeterministic(collation);
}

ColumnFault
category_fault(Oid base_type, Oid collation)
{
    if (!collation_is_exact(collation))
        return COLUMN_COLLATION;
    if (type_reader(base_type) != CTR_READ_OUTPUT)
        return COLUMN_FINE;
    if (base_type == TIMESTAMPTZOID)
        return COLUMN_TIME_ZONE;
    if (base_type == MONEYOID)
        return COLUMN_MONEY;
    if (base_type == INTERVALOID)
        return COLUMN_INTERVAL;
    if (!output_is_fixed(base_type))
        return COLUMN_TEXT_VARIES;
    return compares_by_itself(base_type) ? COLUMN_EQUALITY : COLUMN_FINE;
}

/* ------------------------------------------------------------------ the error */

/* What to write instead of a column with this fault; name: the column's, as SQL spells it. */
static const char *
fault_hint(ColumnFault fault, const char *name)
{
    switch (fault) {
    case COLUMN_FINE:
        break;
    case COLUMN_NOT_LISTED:
        return psprintf("List %s in the option \"categorical\" to take its text as a category, or derive a "
                        "number or a text from it.",
                        name);
    case COLUMN_NO_NUMBER:
        return psprintf("A numerical feature must be a number or a boolean: derive one from %s.", name);
    case COLUMN_TIME_ZONE:
        return psprintf("Instead of %s write (%s AT TIME ZONE 'UTC')::date or extract(hour FROM %s AT TIME "
                        "ZONE 'UTC'): its text depends on the setting \"TimeZone\".",
                        name, name, name);
    case COLUMN_MONEY:
        return psprintf("Instead of %s write %s::numeric: its text depends on the setting \"lc_monetary\".",
                        name, name);
    case COLUMN_INTERVAL:
        return psprintf("Instead of %s write extract(epoch FROM %s): its text depends on the setting "
                        "\"IntervalStyle\".",
                        name, name);
    case COLUMN_EQUALITY:
        return psprintf("Instead of %s write lower(%s::text): its type takes different texts for equal.",
                        name, name);
    case COLUMN_COLLATION:
        return psprintf("Instead of %s write lower(%s) COLLATE \"C\": its collation takes different texts "
                        "for equal.",
                        name, name);
    case COLUMN_TEXT_VARIES:
        return psprintf("Derive a number or a text from %s: its own text may depend on settings.", name);
    }
    return "";
}

void
faulty_columns_add(FaultyColumns *faulty, int attribute, ColumnFault fault)
{
    Form_pg_attribute column = TupleDescAttr(faulty->desc, attribute);
    const char *name = NameStr(column->attname);

    if (fault == COLUMN_FINE)
        return;
    if (faulty->n == 0) {
        initStringInfo(&faulty->list);
        initStringInfo(&faulty->hints);
    }
    appendStringInfo(&faulty->list, "%s\"%s\" (%s)", faulty->n++ > 0 ? ", " : "", name,
                     format_type_be(column->atttypid));
    if ((faulty->faults & (uint32)1 << fault) == 0) /* the first one is the example for all */
        appendStringInfo(&faulty->hints, "%s%s", faulty->faults ? "\n" : "",
                         fault_hint(fault, quote_identifier(name)));
    faulty->faults |= (uint32)1 << fault;
}

void
faulty_columns_check(const FaultyColumns *faulty, bool ignorable)
{
    if (faulty->n > 0)
        ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
                        errmsg_plural("column %s cannot be a feature", "columns %s cannot be features",
                                      faulty->n, faulty->list.data),
                        errhint("%s%s", faulty->hints.data,
                                ignorable ? "\nOr list what is no feature in the option \"ignore\"." : "")));
}
