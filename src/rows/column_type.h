/* column_type.h: what a column can be by its type; private to rowmap.c and column_type.c. */
#ifndef CTR_COLUMN_TYPE_H
#define CTR_COLUMN_TYPE_H

#include "rows/rows.h"

#include "lib/stringinfo.h"

/* Why a column cannot be the feature that it should be. */
typedef enum ColumnFault {
    COLUMN_FINE,
    COLUMN_NOT_LISTED, /* its text could be a category, but only the option "categorical" makes it one */
    COLUMN_NO_NUMBER,
    COLUMN_TIME_ZONE, /* from here on: no category, because its text is not fixed, or not all that it is */
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

/* The columns of a row type that cannot be features, for one error. Begins with desc alone. */
typedef struct FaultyColumns {
    TupleDesc desc;
    int n;
    uint32 faults;              /* bits of those that there are */
    StringInfoData list, hints; /* names with types; for each fault, what to write instead */
} FaultyColumns;

/* Does nothing for COLUMN_FINE. */
void faulty_columns_add(FaultyColumns *faulty, int attribute, ColumnFault fault);
/* ERRCODE_DATATYPE_MISMATCH where there are any. ignorable: the option "ignore" can leave them out. */
void faulty_columns_check(const FaultyColumns *faulty, bool ignorable);

#endif /* CTR_COLUMN_TYPE_H */
