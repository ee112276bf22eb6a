/*
 * ctr.h: the map of the PostgreSQL side. The arithmetic is in nn/ (nn/nn.h); here rows become features, memory
 * contexts own things, interrupts are served, and the model is a value.
 *
 * One row's way
 *   ctr_train:    record -> row.c (columns by name) -> rowblock.c (category -> provisional id) -> dataset.c (stored,
 *                 spilled) -> at the end: encoder.c (fit, encode) -> fit.c, nn/trainer.c -> model.c (one safetensors file)
 *   ctr_predict:  ctr_model -> model_cache.c (unpacked once per backend) -> row.c -> encoder.c -> nn/scorer.c
 *                 (predict_support.c: the planner may hand over the record as its columns)
 *   threads.c:    the only place where threads meet PostgreSQL; the engine's own are in nn/pool.c
 *
 * Structs by lifetime
 *   Model      a memory context of its own: in the cache, or for the length of one call
 *   Encoder    part of a Model, or of a training under way
 *   RowMap     one query: the row type that a call site sees, looked up once
 *   Dataset    one training
 */
#ifndef CTR_H
#define CTR_H

#include "postgres.h"

#include "access/htup.h"
#include "access/tupdesc.h"
#include "fmgr.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"

#include "compat.h"
#include "nn/derive.h"
#include "nn/nn.h"

#define CTR_VERSION        "0.1.0"
#define CTR_FORMAT_VERSION 2 /* of the model's bytes */

/* ------------------------------------------------------------------ ctr.c: settings, memory for nn/ */

extern int ctr_threads;          /* 0 = one per core */
extern int ctr_max_threads;      /* 0 = the cores */
extern int ctr_model_cache_size; /* kB */

/*
 * Asks the system for large pages, before memory is touched for the first time: it then has fewer pages to hand out, and
 * reading here and there meets fewer misses of the address translation. A hint; small pieces are left alone.
 */
void ctr_huge_pages(void *memory, Size size);
/* An NnAlloc over a memory context: zeroed, 64-byte aligned, NULL when memory is out. */
NnAlloc ctr_nn_alloc(MemoryContext context);
/* What ends the query raises its error here: an NnPause. */
void ctr_pause(void);
/* The same for loops over millions of small things: now and then. */
static inline void
ctr_pause_at(int64 i)
{
    if ((i & 0xffff) == 0)
        ctr_pause();
}

/* memcpy, in pieces between which interrupts are served */
void ctr_copy(void *to, const void *from, Size n);
/* Turns a failed NnStatus into an error; `doing` completes "could not …". Serves interrupts for NN_INTERRUPTED. */
void ctr_check_status(NnStatus status, const char *doing);

/* ------------------------------------------------------------------ options.c: the only parser of options */

typedef enum Recipe { RECIPE_ROBUST, RECIPE_REFERENCE } Recipe;

typedef struct NameList {
    bool given; /* false: not in the options at all */
    int n;
    char **names;
} NameList;

typedef struct Options {
    NnConfig net; /* n_num, n_cat and categories are not options: 0 here */
    /* columns */
    char *label;
    char *weight;            /* NULL: all rows weigh the same */
    char *validation_column; /* NULL: by chance */
    NameList numerical, categorical, ignore;
    double validation; /* share of rows held back, [0, 1) */
    /* training */
    Recipe recipe;
    int epochs, batch_size, patience, min_count, threads;
    double learning_rate, weight_decay, embedding_decay, embedding_init, clip_norm,
        max_seconds; /* 0 = no limit */
    NnScheduleKind lr_schedule;
    bool monitor_auc; /* else val_loss */
    NnTransformKind numerical_transform;
    int numerical_buckets; /* 0 = none */
    bool target_statistics;
    bool untrainable_is_null; /* rows that no model can be trained on: else an error */
    int64 seed;
} Options;

/* Everything not given comes from the recipe. Errors: ERRCODE_INVALID_PARAMETER_VALUE, with a hint. NULL = all
 * defaults. Memory from the current context. */
void options_parse(Options *options, const Jsonb *json);
/*
 * Instead of options_parse, to go on from a model that was trained with `given`: what is left out is the model's, or the
 * recipe's where another one is named. Error where the network or the transform contradict. The lists of columns have only
 * what json says: once they are checked, options_inherit_lists adds the model's. The result shares strings with `given`.
 */
void options_check_continues(Options *options, const Jsonb *json, const Options *given);
void options_inherit_lists(Options *options, const Options *given);
/* every option with its value, as options_parse takes them (what was left out is filled in) */
Jsonb *options_to_jsonb(const Options *options);
/*
 * What is not given: by options->recipe and, of options->net, architecture and n_classes, which stay as they
 * are.
 */
void options_set_defaults(Options *options);

/* ------------------------------------------------------------------ json.c: small helpers */

/* the elements of a JSON array; NULL: value is something else */
JsonbValue *jsonb_elements(const JsonbValue *value, int *n);
/* the same for an array of nothing but strings; false: value is something else */
bool jsonb_strings(const JsonbValue *value, int *n, char ***strings);
Jsonb *jsonb_from_text(const char *text);
/* appends the strings as a JSON array */
void json_append_strings(StringInfo text, char *const *strings, int n);

/* ------------------------------------------------------------------ vocab.c: categories of one field */

/* Byte strings -> 0, 1, 2 … in order of arrival. All memory in one context. */
typedef struct Vocab Vocab;

Vocab *vocab_create(MemoryContext context);
/*
 * One for n strings that are known already, `bytes` of vocab_string_bytes in all, to be filled before all
 * else. Filling, which a thread of the pool may do, adds bytes[begin … ends[0]), bytes[ends[0] … ends[1]) ….
 * VOCAB_TWICE: one was there before, vocab_count() before it. VOCAB_UNFINISHED: the pool's run is
 * interrupted; the same call goes on.
 */
typedef enum VocabFilled { VOCAB_UNFINISHED, VOCAB_COMPLETE, VOCAB_TWICE } VocabFilled;

Vocab *vocab_create_for(MemoryContext context, int32 n, Size bytes);
VocabFilled vocab_fill(Vocab *vocab, const char *bytes, uint32 begin, const uint32 *ends, int32 n,
                       NnPool *pool);
/*
 * Makes room for n categories in all, and for `bytes` more of vocab_string_bytes: until then adding allocates nothing,
 * raises nothing, and so may be done by a thread. Serves interrupts.
 */
void vocab_reserve(Vocab *vocab, int32 n, Size bytes);
/* what a string of so many bytes takes besides its place by number */
Size vocab_string_bytes(uint32 length);
/* By a key that vocab_choose_key has chosen: once per process, and not by a thread. vocab_create does. */
uint64 vocab_hash(const char *bytes, uint32 length);
void vocab_choose_key(void);
/*
 * Fetches into the cache what finding needs, in two stages, 0 and 1. The second, which only longer strings need, reads
 * what the first has asked for, so other work, such as the same stage of other vocabularies, should lie between.
 */
void vocab_prefetch(const Vocab *vocab, uint32 length, uint64 hash, int stage);
int32 vocab_find(const Vocab *vocab, const char *bytes, uint32 length, uint64 hash); /* -1: unknown */
int32 vocab_add(Vocab *vocab, const char *bytes, uint32 length, uint64 hash);        /* finds or adds */
int32 vocab_count(const Vocab *vocab);
const char *vocab_get(const Vocab *vocab, int32 id, uint32 *length); /* until the next addition */
Size vocab_bytes(const Vocab *vocab);                                /* sum of lengths */

/* ------------------------------------------------------------------ vocab_load.c: vocabularies from a model's bytes */

/*
 * Makes vocabs[n] in `context`, column f's of counts[f] strings, which lie one after the other in `bytes` and
 * end at `ends`. Threads fill them while meanwhile(arg) runs. Returns 0, or the number, from 1, of a category
 * that its column has twice.
 */
int32 vocab_load(Vocab **vocabs, MemoryContext context, const char *bytes, const uint32 *ends,
                 const uint32 *counts, int n, void (*meanwhile)(void *), void *arg);

/* ------------------------------------------------------------------ rowmap.c, row.c, category.c: a record's columns, by name */

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
    /* the current row's category, after row_categories; bytes NULL: it has none */
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
 * Row types are found by looking, once per call site: the row's type is compared with the map's. A named type's columns may
 * also change while a query runs that holds no lock on it.
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
 * For scoring: finds the features by name; one error lists all that are missing. label: name to look for, or NULL;
 * a label that is not there is no error (map->label.attribute is -1).
 */
RowMap *rowmap_for_scoring(const Row *row, const Feature *features, int n_num, int n_cat, const char *label,
                           MemoryContext context);
/* Takes the row apart. The readers below speak of it until the next rowmap_read. */
void rowmap_read(RowMap *map, const Row *row);
double row_number(RowMap *map, Column *column); /* NaN: NULL or NaN */
/* The same for columns of any type (a label): a text that spells a number is one; if not, *is_number is false. */
double row_number_checked(RowMap *map, Column *column, bool *is_number);
/* The label column's class, 0 … max(n_classes, 2) - 1; false: NULL. Any other value is an error that names `name` and it. */
bool row_class(RowMap *map, const char *name, int n_classes, int *label);
/* false: NULL, or NaN. The bytes live until the next rowmap_read. */
bool row_category(RowMap *map, Column *column, const char **bytes, uint32 *length);
/*
 * The categories of n columns, hashed, and soon to be looked up in vocabs[n]: for all columns at once, so that a row
 * waits for memory a few times, not for each.
 */
void row_categories(RowMap *map, Column *columns, int n, Vocab *const *vocabs);
/* the column's value as text for an error message, shortened, in quotes unless it is NULL */
char *row_value_text(RowMap *map, Column *column);

/* ------------------------------------------------------------------ rowblock.c: rows for threads to work on */

#define CODE_UNSEEN  0 /* a category that training did not see or that was too rare */
#define CODE_MISSING 1 /* NULL */
#define CODE_KNOWN   2 /* the first known category */

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
/* Field f of rows [first, first + n): codes[n] by what the vocabulary knows. For threads. */
void rowblock_find(const RowBlock *block, int f, int first, int n, const Vocab *vocab, int32 *codes);
/*
 * Field f of all rows: ids[n], added where they are new; -1: no category. For threads, each with fields of its own, once
 * rowblock_reserve has made room.
 */
void rowblock_reserve(const RowBlock *block, int f, Vocab *vocab);
void rowblock_number(const RowBlock *block, int f, Vocab *vocab, int32 *ids);

/* ------------------------------------------------------------------ encoder.c: rows to the network's inputs */

/* A numerical column's values as categories: the bounds that cut it into n_bounds + 1 buckets. */
typedef struct Buckets {
    int n_bounds;
    double *bounds; /* ascending */
} Buckets;

typedef struct Encoder {
    MemoryContext context;
    int n_num, n_cat;
    Feature *features;    /* [n_num + n_cat], numerical ones first */
    int d_num;            /* width of the network's numerical input: n_num, then target statistics */
    int d_cat;            /* its categorical fields: n_cat, then the buckets of the n_num if there are any */
    int n_statistics;     /* fields with target statistics: d_cat or 0 */
    bool sums_statistics; /* their sum is one numerical input, instead of each being one */
    NnTransform *transforms; /* [n_num] */
    Buckets *buckets;        /* [n_num]; NULL: none */
    Vocab **vocabs;          /* [n_cat]: known categories; code = id + CODE_KNOWN */
    int32 **frequencies;     /* [n_cat][known]: training rows of each known category */
    int *categories;         /* [d_cat]: rows of each field's table = known + CODE_KNOWN */
    float **statistics;      /* [n_statistics][categories]: target statistics (nn/derive.c) */
    /* What they come from, to go on from it: [n_statistics][categories][STATISTICS_GROUPS]. NULL: only to score. */
    NnKeptSum **sums;
    NnKeptSum *totals; /* [STATISTICS_GROUPS]: of all rows */
} Encoder;

/* From n_num, n_cat and the options: the network's inputs, and which of them are derived. */
void encoder_widths(Encoder *encoder, const Options *options);
/* One row of map -> x_num [d_num], and category f's code at x_cat[f * ld_cat]. Never fails on a value. */
void encoder_encode(const Encoder *encoder, RowMap *map, float *x_num, int32 *x_cat, Size ld_cat);
/* Rows [first, first + n) of a block, to x_num [n, d_num] and, field f, to x_cat[f * ld_cat + 0 … n - 1]. For threads. */
void encoder_encode_block(const Encoder *encoder, const RowBlock *block, int first, int n, float *x_num,
                          int32 *x_cat, Size ld_cat);

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
/* Sequential reading that gives the memory back as it goes; NULL at the end. The store is empty afterwards. */
const void *rowstore_consume(RowStore *store);
void rowstore_close(RowStore *store); /* frees memory, deletes the file */

/* ------------------------------------------------------------------ dataset.c: a training's rows */

/*
 * Collects raw rows while they arrive; dataset_encode then decides which are for validation, fits the encoder on
 * the others, and writes both sets as the network's inputs. Shuffling never depends on the memory there is.
 */
typedef struct Dataset Dataset;

typedef enum RowRole { ROLE_CHANCE, ROLE_TRAINING, ROLE_VALIDATION } RowRole;

/*
 * features [n_num + n_cat]; known: the encoder of a model to go on from, or NULL; pool: shares the work. budget: its limit is
 * set from maintenance_work_mem.
 */
Dataset *dataset_create(MemoryContext context, const Options *options, const Feature *features, int n_num,
                        int n_cat, const Encoder *known, NnPool *pool, RowBudget *budget);
/* The current row of map. label: 0 … n_classes-1; weight > 0 */
void dataset_add(Dataset *dataset, RowMap *map, float label, float weight, RowRole role);
/* Roles, vocabularies, transforms; the encoder lives in `context`. Serves interrupts. */
Encoder *dataset_encode(Dataset *dataset, MemoryContext context);
int64 dataset_rows(const Dataset *dataset, bool validation); /* after dataset_encode */
/* rows of each class, [max(n_classes, 2)] */
const int64 *dataset_class_rows(const Dataset *dataset, bool validation);
/* sums of the rows' weights, for each class, [max(n_classes, 2)], and in all */
const double *dataset_class_weights(const Dataset *dataset, bool validation);
double dataset_weight(const Dataset *dataset, bool validation);
/* Starts a pass: training rows in an order that seed and epoch decide, validation rows as they came. */
void dataset_start(Dataset *dataset, bool validation, uint64 epoch);
/* The pass's next rows, at most batch_size; rows = 0 at the end. Pointers are good until the next call. */
void dataset_next(Dataset *dataset, NnBatch *batch);
/* Must be called in a transaction that goes on (not at abort: there PostgreSQL deletes the files itself). */
void dataset_close(Dataset *dataset);

/* ------------------------------------------------------------------ value_bytes.c: large values, piece by piece */

typedef struct ValueBytes {
    Size size;
    const char *memory;    /* the whole; NULL: in a TOAST table */
    Datum toasted;         /* the pointer there */
    struct varlena *piece; /* the bytes that were read last: */
    Size piece_begin, piece_end;
    MemoryContext context; /* of the piece */
} ValueBytes;

/* In the current context. A compressed value is decompressed whole. */
ValueBytes *value_bytes(Datum value);
/* to [n] = the bytes from `at` on. Serves interrupts. */
void value_read(ValueBytes *bytes, Size at, Size n, void *to);

/* ------------------------------------------------------------------ safetensors.c: the container format */

#define SAFE_HEADER_SIZE  ((Size)100 * 1000 * 1000) /* largest header, as in Hugging Face's library */
#define SAFE_TENSORS_MOST 800000 /* so many entries of the header are about its largest size */
#define SAFE_ENTRIES_MOST 100    /* of metadata */

typedef enum SafeDtype { SAFE_U8, SAFE_I32, SAFE_U32, SAFE_I64, SAFE_F32, SAFE_F64 } SafeDtype;

typedef struct SafeTensor {
    const char *name;
    SafeDtype dtype;
    int ndim;
    int64 shape[8];
    Size size;        /* of its data, in bytes */
    Size at;          /* where they begin in the file that was read; safetensors_read gets them */
    const char *data; /* to be written; NULL: those at `at` of the file's `bytes` */
} SafeTensor;

typedef struct SafeEntry {
    const char *key, *value; /* server encoding */
} SafeEntry;

typedef struct SafeFile {
    int n_tensors, n_entries;
    SafeTensor *tensors;  /* as their data lie in the file */
    SafeTensor **by_name; /* sorted; only a parsed file has it */
    SafeEntry *entries;   /* __metadata__ */
    ValueBytes *bytes;    /* it was read from; or that its writer reads from */
} SafeFile;

/*
 * Reports ERRCODE_INVALID_BINARY_REPRESENTATION, "invalid ctr_model: …", to escontext as errsave does: the
 * error is raised unless that is an ErrorSaveContext. Returns false.
 */
bool safetensors_invalid(Node *escontext, const char *format, ...) __attribute__((format(printf, 2, 3)));
const char *safetensors_dtype_name(SafeDtype dtype); /* "F32" */

/*
 * Reads the header strictly; anything amiss in it, or in where it says the tensors are, is reported to
 * escontext, and the result NULL. Memory from the current context.
 */
SafeFile *safetensors_parse(Datum value, Node *escontext);
/* to [tensor->size] = its data */
void safetensors_read(const SafeFile *file, const SafeTensor *tensor, void *to);
/*
 * One varlena in `context`, the same for the same input. Error when it would pass 1 GB, or its header
 * SAFE_HEADER_SIZE.
 */
struct varlena *safetensors_write(const SafeFile *file, MemoryContext context);
/* NULL: no such tensor / key */
const SafeTensor *safetensors_find(const SafeFile *file, const char *name);
const char *safetensors_entry(const SafeFile *file, const char *key);

/* Can a model's file keep the name? It does so in UTF-8. */
bool spelling_has_file(const char *name);
/* UTF-8 in the database's encoding, allocated; NULL: it cannot spell the text. size: less than 512 MB */
char *spelling_for_database(const char *text, Size size);

/* ------------------------------------------------------------------ digest.c: what a model is recognised by */

#define MODEL_DIGEST_SIZE 64  /* hexadecimal SHA-256 */
#define MODEL_HEAD_SIZE   128 /* the digest lies within the first so many bytes */

/*
 * Copies the digest out of a model's first bytes; false: they are no model's, which is reported to escontext.
 */
bool model_peek_digest(const char *bytes, Size size, char *digest, Node *escontext);
/* The same from a value, of which at most the first slice is read. Raises the error. */
void model_digest(Datum value, char *digest);
/* Is the digest that of the bytes, which model_peek_digest has accepted? false: reported to escontext. */
bool model_verify_digest(const char *bytes, Size size, Node *escontext);
/* Writes the digest into a model's bytes, which begin as digest.c says. */
void model_sign(char *bytes, Size size);

/* ------------------------------------------------------------------ model.c, unpack.c: the model value */

typedef struct ctr_model {
    int32 vl_len_;
    char data[FLEXIBLE_ARRAY_MEMBER]; /* one safetensors file */
} ctr_model;

#define DatumGetModelP(d)    ((ctr_model *)PG_DETOAST_DATUM(d))
#define PG_RETURN_MODEL_P(m) PG_RETURN_POINTER(m)

typedef struct Epoch {
    double train_loss, train_auc, val_loss, val_auc, learning_rate, seconds; /* NaN: not measured */
    bool is_best;
} Epoch;

#define MODEL_COUNT_MOST                                                                                     \
    INT64CONST(0x1FFFFFFFFFFFFF) /* of rows; 2^53 - 1: what every JSON reader keeps exactly */

#define MODEL_EPOCHS_MOST 1000000 /* of a history, over all trainings that went on from one another */

/* An unpacked model. */
typedef struct Model {
    MemoryContext context;
    char digest[MODEL_DIGEST_SIZE + 1];
    Options options;
    Encoder *encoder;
    NnNet net;
    float *params; /* net.n_block floats */
    int n_epochs;
    Epoch *history;
    int64 train_rows, validation_rows, skipped_rows;
    int best_epoch;      /* 1-based, in history; 0: none */
    const char *version; /* of ctr, that wrote it; NULL: not written yet */
} Model;

/* The bytes of a model, in `context`. Error when they would pass 1 GB. */
ctr_model *model_pack(const Model *model, MemoryContext context);
/*
 * The only reader. parent: the context under which the model's own is made. The value was validated on its
 * way in.
 */
Model *model_unpack(Datum value, MemoryContext parent);
/* The same with what scoring does not need: the sums that its statistics come from. */
Model *model_unpack_to_train(Datum value, MemoryContext parent);
/*
 * The only validator, for bytes from outside: whatever it accepts can be scored. false: reported to
 * escontext.
 */
bool model_validate(Datum value, Node *escontext);
/*
 * Describes model->net from options and encoder. false: they are no usable shape, which is reported to
 * escontext. Memory from the model's context.
 */
bool model_create_net(Model *model, Node *escontext);
/*
 * check.c: what keeps the model, whose parts are all there, from being scored and gone on from, which neither
 * training nor bytes from outside may bring about: text that goes on after "invalid ctr_model: ", in the
 * current context. NULL: nothing.
 */
const char *model_fault(const Model *model);
/* size of model_pack's result for a net and encoder that are about to be trained */
Size model_estimate(const NnNet *net, const Encoder *encoder);

/* ------------------------------------------------------------------ predict_support.c */

/*
 * called: ctr_predict_columns, or the same for classes. Error 42501 where the current role may not execute
 * ctr_predict, whose call the planner has turned into that one.
 */
void check_may_predict(Oid called);

/* ------------------------------------------------------------------ inspect.c */

/* Starts a set-returning function that materializes its rows: the store to put them into, and their type. */
Tuplestorestate *srf_begin(FunctionCallInfo fcinfo, TupleDesc *desc);

/* ------------------------------------------------------------------ group.c, report.c: what a training says */

/*
 * While an aggregate's final function runs: the names and values by which its rows were grouped, "country = DE, day = 3";
 * NULL: the query has no GROUP BY. In the current context.
 */
char *group_keys(FunctionCallInfo fcinfo);

typedef struct Report {
    const Options *options;
    const char *group; /* of many, as messages name it; NULL: this training is the only one */
} Report;

/* The data's fault: an error with the code, or a warning and return, as the options say. detail and hint may be NULL. */
void report_untrainable(const Report *report, int code, const char *message, const char *detail,
                        const char *hint);
/* NOTICEs of a training that is the only one; of a group nothing */
void report_rows(const Report *report, const Model *model);
void report_epoch(const Report *report, int epoch, const Epoch *e);
void report_notice(const Report *report, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A WARNING where the loss of validation rows is no less than that of answering their labels' shares. */
void report_no_better(const Report *report, const Model *model, double loss, const double *class_weights);
/* The NOTICE of a group that is trained. class_rows: of its training rows */
void report_group(const Report *report, const Model *model, const int64 *class_rows);

/* ------------------------------------------------------------------ fit.c: the epochs */

/*
 * Trains the model, whose options, encoder and net are there, and history has room for all epochs: fills its parameters,
 * history and best epoch. given: the model to go on from, or NULL. Tells `report`; serves interrupts. false: it diverged, which
 * was reported.
 */
bool model_fit(Model *model, Dataset *dataset, const Model *given, NnPool *pool, const Report *report);

/* ------------------------------------------------------------------ diverged.c */

/*
 * Reports that the model under training has a number beyond what floats hold; `what` says where. Blames the column whose numbers
 * are huge, else the learning rate. ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE
 */
void report_diverged(const Report *report, const Model *model, const char *what);

/* ------------------------------------------------------------------ model_cache.c: unpacked once per backend */

/* A model made ready to score. */
typedef struct CachedModel CachedModel;

typedef struct CachedModelView {
    const Model *model;
    NnScorer *scorer;
} CachedModelView;

/* Drops models that no call site holds, least recently used first, until the rest fits. Raises no error. */
void model_cache_shrink(int kilobytes);

/* A call site's grip on the model that it used last: it stays valid until the next call or until `owner` is reset. */
typedef struct ModelHold ModelHold;

ModelHold *model_hold_create(MemoryContext owner);
/* The held model when this surely is it, else NULL. Changes nothing. */
const CachedModelView *model_hold_view(const ModelHold *hold, Datum model);
/* The model of an argument Datum (toasted or flat). As long as it stays the same, a row costs one comparison. */
const CachedModelView *model_cache_get(Datum model, ModelHold *hold);

#endif /* CTR_H */
