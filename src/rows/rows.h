/*
 * rows.h: records as they arrive: their columns by name, values, categories; blocks and stores of rows.
 */
#ifndef CTR_ROWS_H
#define CTR_ROWS_H

#include "options/options.h"

#include "access/htup.h"
#include "access/tupdesc.h"
#include "fmgr.h"

/* ----------------------------------------------- rowmap.c, row.c, category.c: a record's columns, by name */

typedef enum FeatureKind { FEATURE_NUMERICAL, FEATURE_CATEGORICAL } FeatureKind;

typedef struct Feature {
    char *name;
    FeatureKind kind;
    int64 missing; /* training rows in which it was NULL (or NaN) */
    bool differs;  /* in nearly every row of this training, as a key does */
} Feature;

/* How one column's Datum becomes a number or a category's bytes. */
typedef enum ColumnReader {
    READ_INT2,
    READ_INT4,
    READ_INT8,
    READ_FLOAT4,
    READ_FLOAT8,
    READ_NUMERIC,
    READ_BOOL,
    READ_TEXT, /* varlena: text, varchar; bpchar without its trailing blanks */
    READ_BPCHAR,
    READ_NAME,
    READ_CHAR, /* "char" */
    READ_DATE,
    READ_TIMESTAMP,
    READ_BYTEA,
    READ_OUTPUT /* through the type's output function, which no setting changes: enum, uuid, inet, … */
} ColumnReader;

typedef struct Column {
    int attribute; /* index in the row type, from 0; -1: not there */
    ColumnReader reader;
    FmgrInfo output; /* READ_OUTPUT */
    const char *name;
    /* the current row's category, after categories_of_row; bytes NULL: it has none */
    const char *bytes;
    uint32 length;
    uint64 hash;
    char text[32]; /* the current row's value, where the reader writes it out; a timestamp BC takes 29 */
} Column;

#define FIRST_COLUMN 2 /* argument of ctr_predict_columns(model, row type, columns ...) */

/* A record as it arrives: as one value, or as the values of its columns. */
typedef struct Row {
    Oid type; /* of the row */
    int32 typmod;
    HeapTupleHeader tuple; /* NULL: as columns, in this call's arguments from FIRST_COLUMN on */
    FunctionCallInfo call;
} Row;

Row row_of_record(HeapTupleHeader record);

typedef struct RowMap {
    Oid type; /* of the row type this map is for */
    int32 typmod;
    const struct TypeCacheEntry *entry; /* of a named type; NULL: record, whose types never change */
    uint64 shape;              /* the entry's number of the type's columns when they were looked up */
    TupleDesc desc;            /* a copy */
    int *by_name, n_names;     /* its attributes' indexes, sorted by name; dropped ones left out */
    MemoryContext context;     /* everything of this map */
    MemoryContext row_context; /* detoasted values of one row; reset by rowmap_read */
    int n_features;
    Column *features;                 /* numerical ones first, as in the encoder */
    Column label, weight, validation; /* attribute -1: none */
    Datum *values;                    /* the current row, by attribute */
    bool *nulls;
} RowMap;

/*
 * Row types are found by looking, once per call site: the row's type is compared with the map's. A named
 * type's columns may also change while a query runs that holds no lock on it.
 */
bool rowmap_fits(RowMap *map, const Row *row);
/* The error that it does not, where all rows must. */
void rowmap_change_error(const RowMap *map, const Row *row);
/*
 * For training: decides from the column types and the options which columns are features, label, weight and
 * validation. Errors: missing or duplicate columns, types that are no feature, nothing left to learn from.
 * *features (n_num numerical ones, then n_cat) is allocated in `context`.
 */
RowMap *rowmap_for_training(const Row *row, const Options *options, MemoryContext context, Feature **features,
                            int *n_num, int *n_cat);
/* For training on from a model: its features by name. Errors also where the options' lists say otherwise. */
RowMap *rowmap_for_continuing(const Row *row, const Options *options, const Feature *features, int n_num,
                              int n_cat, MemoryContext context);
/*
 * For scoring: finds the features by name; one error lists all that are missing. label: name to look for, or
 * NULL; a label that is not there is no error (map->label.attribute is -1).
 */
RowMap *rowmap_for_scoring(const Row *row, const Feature *features, int n_num, int n_cat, const char *label,
                           MemoryContext context);
/* Takes the row apart. The readers below speak of it until the next rowmap_read. */
void rowmap_read(RowMap *map, const Row *row);
double row_number(RowMap *map, Column *column); /* NaN: NULL or NaN */
/*
 * The same for columns of any type (a label): a text that spells a number is one; if not, *is_number is
 * false.
 */
double row_number_checked(RowMap *map, Column *column, bool *is_number);
/*
 * The label column's class, 0 … max(n_classes, 2) - 1; false: NULL. Any other value is an error that names
 * `name` and it.
 */
bool row_class(RowMap *map, const char *name, int n_classes, int *label);
/* false: NULL, or NaN. The bytes live until the next rowmap_read. */
bool row_category(RowMap *map, Column *column, const char **bytes, uint32 *length);
/* the column's value as text for an error message, shortened, in quotes unless it is NULL */
char *row_value_text(RowMap *map, Column *column);

/* ---------------------------------------------------------------- rowblock.c: rows for threads to work on */

#define NO_CATEGORY PG_UINT32_MAX /* in place of a length: NULL, or NaN */

/* The features of a few rows, copied. */
typedef struct RowBlock {
    int n, room; /* rows; setting n to less takes back the last ones */
    int n_num, n_cat;
    double *numbers; /* [room, n_num]; NaN: NULL or NaN */
    uint32 *lengths; /* [n_cat, room] of the categories, or NO_CATEGORY */
    Size *places;    /* [n_cat, room] where they begin in `text` */
    char *text;
    Size text_used, text_room;
} RowBlock;

RowBlock *rowblock_create(MemoryContext context, int room, int n_num, int n_cat);
/* Appends the current row of map; only while the block is not full. */
void rowblock_add(RowBlock *block, RowMap *map);
bool rowblock_full(const RowBlock *block);

/* ------------------------------------------------------------------ rowstore.c: fixed-width rows, spilled */

/* What rows may take in memory, shared by the stores of all groups that one ctr_train call trains. */
typedef struct RowBudget {
    Size limit, used;
} RowBudget;

#define ROWSTORE_CHUNK                                                                                       \
    ((Size)256 * 1024) /* memory is taken in pieces of at most so many bytes, or of one row */

/* Append-only; the first rows stay in memory, what passes the budget goes to a BufFile. */
typedef struct RowStore RowStore;

RowStore *rowstore_create(MemoryContext context, Size row_size, RowBudget *budget);
void rowstore_append(RowStore *store, const void *row);
int64 rowstore_count(const RowStore *store);
bool rowstore_in_memory(const RowStore *store);
/* Random access to a row in memory; only when rowstore_in_memory(). */
const void *rowstore_row(const RowStore *store, int64 index);
/* Copies rows [first, first + n) to `rows`. */
void rowstore_fetch(RowStore *store, int64 first, int64 n, void *rows);
/*
 * Sequential reading that gives the memory back as it goes; NULL at the end. The store is empty afterwards.
 */
const void *rowstore_consume(RowStore *store);
void rowstore_close(RowStore *store); /* frees memory, deletes the file */

#endif /* CTR_ROWS_H */
