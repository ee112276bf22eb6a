/* vocabulary.c: ctr_vocabulary: the categories of a field, their codes, and how often training saw them. */
#include "io/vocabulary.h"

#include "common/shortest_dec.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/memutils.h"

#include "srf.h"

/* ------------------------------------------------------------------ fields by name */

static void
number_error(const CtrEncoder *encoder, const char *name)
{
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("feature \"%s\" is a number, without categories", name),
                    encoder->buckets != NULL ? errhint("Its buckets are feature \"%s.bucket\".", name) : 0));
}

int
vocabulary_field(const CtrModel *model, const char *name)
{
    const CtrEncoder *encoder = model->encoder;
    const char **names = palloc(sizeof(char *) * Max(encoder->d_cat, 1)), *near;

    for (int f = 0; f < encoder->d_cat; f++) {
        CHECK_FOR_INTERRUPTS();
        names[f] = encoder_field_name(encoder, f);
        if (strcmp(names[f], name) == 0)
            return f;
    }
    for (int i = 0; i < encoder->n_num; i++) {
        if (strcmp(encoder->features[i].name, name) == 0)
            number_error(encoder, name);
    }
    near = nearest_word(name, names, encoder->d_cat, few_letters(name));
    ereport(ERROR,
            (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("the model has no categorical feature \"%s\"", name),
             near != NULL ? errhint("Perhaps you meant \"%s\".", near)
                          : errhint("ctr_features(model) lists the columns and pairs of columns.")));
}

/* ------------------------------------------------------------------ values */

/*
 * A category as the database's text. A vocabulary may have any bytes, where the database's encoding cannot
 * spell what another one wrote: these in hexadecimal digits, as a bytea's text.
 */
static char *
category_text(const char *bytes, uint32 length)
{
    char *text;

    if (pg_verify_mbstr(GetDatabaseEncoding(), bytes, (int)length, true))
        return pnstrdup(bytes, length);
    text = palloc(strlen("\\x") + 2 * (Size)length + 1);
    strcpy(text, "\\x");
    text[strlen("\\x") + hex_encode(bytes, length, text + strlen("\\x"))] = '\0';
    return text;
}

static char *
known_text(const CtrEncoder *encoder, int vocab, int code)
{
    uint32 length;
    const char *bytes = vocab_get(encoder->vocabs[vocab], code - CTR_CODE_KNOWN, &length);

    return category_text(bytes, length);
}

/* Values above one bound and up to the next, as PostgreSQL writes a range. */
static char *
bucket_text(const CtrBuckets *buckets, int k)
{
    return psprintf("(%s,%s%c", k > 0 ? double_to_shortest_decimal(buckets->bounds[k - 1]) : "",
                    k < buckets->n_bounds ? double_to_shortest_decimal(buckets->bounds[k]) : "",
                    k < buckets->n_bounds ? ']' : ')');
}

/* A JSON array of the two columns' categories; null is missing. */
static char *
pair_text(const CtrEncoder *encoder, int k, int code)
{
    uint32 length;
    CtrCrossKey key;
    StringInfoData text;

    memcpy(&key, vocab_get(encoder->vocabs[encoder->n_cat + k], code - CTR_CODE_KNOWN, &length), sizeof(key));
    initStringInfo(&text);
    for (int i = 0; i < 2; i++) {
        appendStringInfoString(&text, i == 0 ? "[" : ", ");
        if (key.codes[i] == CTR_CODE_MISSING)
            appendStringInfoString(&text, "null");
        else
            escape_json(&text, known_text(encoder, encoder->crosses[k].columns[i], key.codes[i]));
    }
    appendStringInfoChar(&text, ']');
    return text.data;
}

bool
vocabulary_value(const CtrEncoder *encoder, int f, int code, Datum *value)
{
    const int cross = f - encoder_first_cross(encoder);

    *value = (Datum)0;
    if (code < CTR_CODE_KNOWN)
        return false;
    *value = CStringGetTextDatum(
        cross >= 0           ? pair_text(encoder, cross, code)
        : f < encoder->n_cat ? known_text(encoder, f, code)
                             : bucket_text(&encoder->buckets[f - encoder->n_cat], code - CTR_CODE_KNOWN));
    return true;
}

/* ------------------------------------------------------------------ ctr_vocabulary */

/* the training rows of the known categories of a vocabulary */
static int64
known_rows(const CtrEncoder *encoder, int vocab)
{
    int64 rows = 0;

    for (int i = 0; i < vocab_count(encoder->vocabs[vocab]); i++) {
        ctr_pause_at(i);
        rows += encoder->frequencies[vocab][i];
    }
    return rows;
}

/* Training rows with the code; -1: nobody has counted them. others: of code 0, for a column. */
static int64
code_rows(const CtrEncoder *encoder, int f, int code, int64 others)
{
    const int cross = f - encoder_first_cross(encoder), vocab = cross >= 0 ? encoder->n_cat + cross : f;

    if (cross < 0 && f >= encoder->n_cat)
        return -1;
    if (code >= CTR_CODE_KNOWN)
        return encoder->frequencies[vocab][code - CTR_CODE_KNOWN];
    if (cross >= 0)
        return -1;
    return code == CTR_CODE_MISSING ? encoder->features[encoder->n_num + f].missing : others;
}

/* CREATE FUNCTION ctr_vocabulary(ctr_model, text) RETURNS TABLE (code, value, count) */
PG_FUNCTION_INFO_V1(ctr_vocabulary);
Datum
ctr_vocabulary(PG_FUNCTION_ARGS)
{
    TupleDesc desc;
    Tuplestorestate *rows = srf_begin(fcinfo, &desc);
    const CtrModel *model = model_unpack(PG_GETARG_DATUM(0), CurrentMemoryContext);
    const CtrEncoder *encoder = model->encoder;
    const int f = vocabulary_field(model, text_to_cstring(PG_GETARG_TEXT_PP(1)));
    MemoryContext row = AllocSetContextCreate(CurrentMemoryContext, "ctr row", ALLOCSET_SMALL_SIZES), old;
    int64 others = 0;

    if (f < encoder->n_cat)
        others = Max(
            model->train_rows - known_rows(encoder, f) - encoder->features[encoder->n_num + f].missing, 0);
    old = MemoryContextSwitchTo(row);
    for (int code = 0; code < encoder->categories[f]; code++) {
        const int64 n = code_rows(encoder, f, code, others);
        Datum values[] = {Int32GetDatum(code), 0, Int64GetDatum(n)};
        bool nulls[] = {false, !vocabulary_value(encoder, f, code, &values[1]), n < 0};

        CHECK_FOR_INTERRUPTS();
        tuplestore_putvalues(rows, desc, values, nulls);
        MemoryContextReset(row);
    }
    MemoryContextSwitchTo(old);
    MemoryContextDelete(row);
    MemoryContextDelete(model->context);
    return (Datum)0;
}
