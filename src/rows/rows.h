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

typedef enum CtrFeatureKind { CTR_NUMERICAL, CTR_CATEGORICAL } CtrFeatureKind;

typedef struct CtrFeature {
    char *name;
    CtrFeatureKind kind;
    int64 missing; /* training rows in which it was NULL (or NaN) */
    bool differs;  /* has another value in nearly every row of this training, as a key has */
} CtrFeature;

/* How one column's Datum becomes a number or a category's bytes. */
typedef enum CtrColumnReader {
    CTR_READ_INT2,
    CTR_READ_INT4,
    CTR_READ_INT8,
    CTR_READ_FLOAT4,
    CTR_READ_FLOAT8,
    CTR_READ_NUMERIC,
    CTR_READ_BOOL,
    CTR_READ_TEXT, /* varlena: text, varchar; bpchar without its trailing blanks */
    CTR_READ_BPCHAR,
    CTR_READ_NAME,
    CTR_READ_CHAR, /* "char" */
    CTR_READ_DATE,
    CTR_READ_TIMESTAMP,
    CTR_READ_BYTEA,
    CTR_READ_OUTPUT /* through the type's output function, which no setting changes: enum, uuid, inet, … */
} CtrColumnReader;

typedef struct CtrColumn {
    int attribute; /* index in the row type, from 0; negative: there is none */
    CtrColumnReader reader;
    FmgrInfo output; /* CTR_READ_OUTPUT */
    const char *name;
    /* the current row's category, after categories_of_row; bytes NULL: it has none */
    const char *bytes;
    uint32 length;
    uint64 hash;
    char text[32]; /* room for the current row's value as text; a timestamp BC takes 29 bytes */
} CtrColumn;

#define CTR_FIRST_COLUMN 2 /* argument of ctr_predict_columns(model, row type, columns ...) */

/* A record as it arrives: as one value, or as the values of its columns. */
typedef struct CtrRow {
    Oid type; /* of the row */
    int32 typmod;
    HeapTupleHeader tuple; /* NULL: the columns are the arguments of `call` from CTR_FIRST_COLUMN on */
    FunctionCallInfo call;
} CtrRow;

CtrRow row_of_record(HeapTupleHeader record);

typedef struct CtrRowMap {
    Oid type; /* of the row type this map is for */
    int32 typmod;
    /* of a named type; NULL: an anonymous record, whose columns never change */
    const struct TypeCacheEntry *entry;
    uint64 shape;              /* the tupDesc_identifier of the entry when the columns were looked up */
    TupleDesc desc;            /* a copy */
    int n_columns;             /* attributes that are not dropped */
    int *columns, *by_name;    /* their indexes: in their order; sorted by name */
    MemoryContext context;     /* of this map and all that it points to */
    MemoryContext row_context; /* detoasted values of one row; reset by rowmap_read */
    int n_features;
    CtrColumn *features;                 /* numerical ones first, as in the encoder */
    CtrColumn label, weight, validation; /* attribute -1: none */
    Datum *values;                       /* the current row, by attribute */
    bool *nulls;
} CtrRowMap;

/*
 * Is the map made for rows of this type? The columns of a named type may also change while a query runs,
 * if the query holds no lock on it.
 */
bool rowmap_fits(CtrRowMap *map, const CtrRow *row);
/* Raises an error if a row that comes as columns has not those of its type, for which the map is made. */
void rowmap_check_columns(const CtrRowMap *map, const CtrRow *row);
/* Raises the error for a row whose type differs from the first row's. */
void rowmap_change_error(const CtrRowMap *map, const CtrRow *row);
/*
 * For training: decides from the column types and the options which columns are features, label, weight and
 * validation. Errors: missing or duplicate columns, types that are no feature, nothing left to learn from.
 * *features (n_num numerical ones, then n_cat) is allocated in `context`.
 */
CtrRowMap *rowmap_for_training(const CtrRow *row, const CtrOptions *options, MemoryContext context,
                               CtrFeature **features, int *n_num, int *n_cat);
/*
 * For a training that goes on from a model: finds its features by name. Error also if the options' lists
 * contradict the model.
 */
CtrRowMap *rowmap_for_continuing(const CtrRow *row, const CtrOptions *options, const CtrFeature *features,
                                 int n_num, int n_cat, MemoryContext context);
/*
 * For scoring: finds the features by name; one error lists all that are missing. label: name to look for, or
 * NULL; a label that is not there is no error (map->label.attribute is -1).
 */
CtrRowMap *rowmap_for_scoring(const CtrRow *row, const CtrFeature *features, int n_num, int n_cat,
                              const char *label, MemoryContext context);
/* Takes the row apart. The row_* functions read this row until the next rowmap_read. */
void rowmap_read(CtrRowMap *map, const CtrRow *row);
double row_number(CtrRowMap *map, CtrColumn *column); /* NaN: NULL or NaN */
/*
 * The same for a column of any type, such as a label: a text that spells a number is one; *is_number: it
 * does.
 */
double row_number_checked(CtrRowMap *map, CtrColumn *column, bool *is_number);
/*
 * The label column's class, 0 … max(n_classes, 2) - 1; false: NULL. Any other value is an error, which
 * names the column as `name`, and the value.
 */
bool row_class(CtrRowMap *map, const char *name, int n_classes, int *label);
/* false: NULL, or NaN. The bytes live until the next rowmap_read. */
bool row_category(CtrRowMap *map, CtrColumn *column, const char **bytes, uint32 *length);
/* the column's value as text for an error message, shortened, in quotes unless it is NULL */
char *row_value_text(CtrRowMap *map, CtrColumn *column);

/* ---------------------------------------------------------------- rowblock.c: rows for threads to work on */

#define CTR_NO_CATEGORY PG_UINT32_MAX /* a length that means: no category, because the value is NULL or NaN */

/* The features of a few rows, copied. */
typedef struct CtrRowBlock {
    int n, room; /* rows; setting n to less takes back the last ones */
    int n_num, n_cat;
    double *numbers; /* [room, n_num]; NaN: NULL or NaN */
    uint32 *lengths; /* [n_cat, room] of the categories, or CTR_NO_CATEGORY */
    Size *places;    /* [n_cat, room] where they begin in `text` */
    char *text;
    Size text_used, text_room;
} CtrRowBlock;

CtrRowBlock *rowblock_create(MemoryContext context, int room, int n_num, int n_cat);
/* Appends the current row of map; only while the block is not full. */
void rowblock_add(CtrRowBlock *block, CtrRowMap *map);
bool rowblock_full(const CtrRowBlock *block);

/* ------------------------------------------------------------------ rowstore.c: fixed-width rows, spilled */

/*
 * How much memory rows may take, in bytes; shared by the stores of all groups that one ctr_train call
 * trains.
 */
typedef struct CtrRowBudget {
    Size limit, used;
} CtrRowBudget;

/* A store takes memory in pieces of at most so many bytes, or of one row if that is larger. */
#define CTR_ROWSTORE_CHUNK ((Size)256 * 1024)

/* Append-only. The first rows stay in memory; those beyond the budget go to a BufFile. */
typedef struct CtrRowStore CtrRowStore;

CtrRowStore *rowstore_create(MemoryContext context, Size row_size, CtrRowBudget *budget);
void rowstore_append(CtrRowStore *store, const void *row);
int64 rowstore_count(const CtrRowStore *store);
bool rowstore_in_memory(const CtrRowStore *store);
/* Random access to a row in memory; only when rowstore_in_memory(). */
const void *rowstore_row(const CtrRowStore *store, int64 index);
/* Row i becomes what row from[i] was; only when rowstore_in_memory(). Uses `from` up. Serves interrupts. */
void rowstore_permute(CtrRowStore *store, uint32 *from);
/* Copies rows [first, first + n) to `rows`. */
void rowstore_fetch(CtrRowStore *store, int64 first, int64 n, void *rows);
/* Returns the next row, and frees the memory of those before it; NULL at the end, when the store is empty. */
const void *rowstore_consume(CtrRowStore *store);
void rowstore_close(CtrRowStore *store); /* frees memory, deletes the file */

#endif /* CTR_ROWS_H */
