/* column_type.h: what a column can be, given its type; private to column_type.c and rowmap*.c. */
#ifndef CTR_COLUMN_TYPE_H
#define CTR_COLUMN_TYPE_H

#include "rows/rows.h"

#include "lib/stringinfo.h"

/* Why a column cannot be the feature that it should be. */
typedef enum ColumnFault {
    COLUMN_FINE,
    COLUMN_NOT_LISTED, /* its text could be a category, but only the option "categorical" makes it one */
    COLUMN_NO_NUMBER,
    /*
     * This and the following: no category, because its text depends on settings, or equal values have
     * different texts.
     */
    COLUMN_TIME_ZONE,
    COLUMN_MONEY,
    COLUMN_INTERVAL,
    COLUMN_EQUALITY,
    COLUMN_COLLATION,
    COLUMN_TEXT_VARIES
} ColumnFault;

/* type: of a column, or a domain's base type */
CtrColumnReader type_reader(Oid type);
bool reads_number(CtrColumnReader reader);
bool reads_text(CtrColumnReader reader);
/* Is a column of this base type a category without being named as one? */
bool type_is_category(Oid base_type);
/*
 * Can a column of this base type and collation be a category? Its text must be the same under all settings.
 */
ColumnFault category_fault(Oid base_type, Oid collation);

/* The columns of a row type that cannot be features, for one error. To begin with, only desc is set. */
typedef struct FaultyColumns {
    TupleDesc desc;
    int n;
    uint32 faults;              /* one bit for each ColumnFault that occurs */
    StringInfoData list, hints; /* names with types; for each fault, what to write instead */
} FaultyColumns;

/* Does nothing for COLUMN_FINE. */
void faulty_columns_add(FaultyColumns *faulty, int attribute, ColumnFault fault);
/* ERRCODE_DATATYPE_MISMATCH where there are any. ignorable: the option "ignore" can leave them out. */
void faulty_columns_check(const FaultyColumns *faulty, bool ignorable);

#endif /* CTR_COLUMN_TYPE_H */
