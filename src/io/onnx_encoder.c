/*
 * onnx_encoder.c: a model's encoder as JSON, which travels in the ONNX file's metadata: all that turns a
 * raw row into the graph's inputs. docs/onnx.md describes it, with a reader in Python.
 *
 *   {"format": 1, "fields": columns of x_cat that the graph takes, the first ones,
 *    "x_num": [{"kind": "number", "column", "transform", "missing", "low", "high",
 *               "quantiles" or "shift", "scale"},
 *              {"kind": "statistics", "fields": [index in x_cat, …], "divisor"},
 *              {"kind": "count", "field": index in x_cat}],
 *    "x_cat": [{"kind": "category", "column", "categories": [text or null, …], "statistics": [number, …]},
 *              {"kind": "bucket", "column", "bounds": [number, …], "statistics"},
 *              {"kind": "cross", "fields": [index in x_cat, index], "categories": [[code, code], …],
 *               "rare": [[code, code], …], "counts": [number, …], "statistics"}]}
 */
#include "io/onnx.h"

#include <math.h>

#include "common/shortest_dec.h"
#include "mb/pg_wchar.h"
#include "utils/json.h"

#include "rows/spelling.h"

#define ENCODER_FORMAT 1

/* Begins the next element of a list; i: how many come before it. */
static void
append_separator(StringInfo json, int64 i)
{
    ctr_pause_at(i);
    if (i > 0)
        appendStringInfoChar(json, ',');
}

static void
append_double(StringInfo json, double value)
{
    char text[DOUBLE_SHORTEST_DECIMAL_LEN];

    double_to_shortest_decimal_buf(value, text);
    appendStringInfoString(json, text);
}

static void
append_float(StringInfo json, float value)
{
    char text[FLOAT_SHORTEST_DECIMAL_LEN];

    float_to_shortest_decimal_buf(value, text);
    appendStringInfoString(json, text);
}

static void
append_doubles(StringInfo json, const char *key, const double *values, int n)
{
    appendStringInfo(json, ",\"%s\":[", key);
    for (int i = 0; i < n; i++) {
        append_separator(json, i);
        append_double(json, values[i]);
    }
    appendStringInfoChar(json, ']');
}

static void
append_member(StringInfo json, const char *key, double value)
{
    appendStringInfo(json, ",\"%s\":", key);
    append_double(json, value);
}

/* ,"column": the name, which is in the database's encoding */
static void
append_column(StringInfo json, const char *name)
{
    const char *converted = pg_server_to_any(name, (int)strlen(name), PG_UTF8);

    appendStringInfoString(json, ",\"column\":");
    escape_json(json, converted);
}

/* ------------------------------------------------------------------ x_num */

static void
append_number(StringInfo json, const CtrEncoder *encoder, int i)
{
    static const char *const kinds[] = {
        [NN_QUANTILE] = "quantile", [NN_STANDARD] = "standard", [NN_LOG] = "log", [NN_NONE] = "none"};
    const NnTransform *t = &encoder->transforms[i];

    append_separator(json, i);
    appendStringInfoString(json, "{\"kind\":\"number\"");
    append_column(json, encoder->features[i].name);
    appendStringInfo(json, ",\"transform\":\"%s\"", kinds[t->kind]);
    append_member(json, "missing", t->mean);
    append_member(json, "low", t->low);
    append_member(json, "high", t->high);
    if (t->kind == NN_QUANTILE)
        append_doubles(json, "quantiles", t->quantiles, t->n_quantiles);
    else if (t->kind != NN_NONE) {
        append_member(json, "shift", t->shift);
        append_member(json, "scale", t->scale);
    }
    appendStringInfoChar(json, '}');
}

/* An input that is the sum of the statistics of the fields [first, end), divided. */
static void
append_statistics_input(StringInfo json, int first, int end, float divisor)
{
    appendStringInfoString(json, "{\"kind\":\"statistics\",\"fields\":[");
    for (int f = first; f < end; f++)
        appendStringInfo(json, "%s%d", f > first ? "," : "", f);
    appendStringInfoString(json, "],\"divisor\":");
    append_float(json, divisor);
    appendStringInfoChar(json, '}');
}

/* As encoder_derive makes them. */
static void
append_derived_numbers(StringInfo json, const CtrEncoder *encoder)
{
    const int first_cross = encoder_first_cross(encoder);
    const int n = encoder_first_count(encoder) - encoder->n_num;
    int i = encoder->n_num;

    for (int f = 0; f < n && !encoder->sums_statistics; f++) {
        append_separator(json, i++);
        append_statistics_input(json, f, f + 1, 1);
    }
    if (n > 0 && encoder->sums_statistics) {
        append_separator(json, i++);
        append_statistics_input(json, 0, first_cross, sqrtf((float)first_cross));
    }
    if (n > 1 && encoder->sums_statistics) {
        append_separator(json, i++);
        append_statistics_input(json, first_cross, encoder->d_cat, sqrtf((float)encoder->n_crosses));
    }
    for (int k = 0; k < encoder->n_counted; k++) {
        append_separator(json, i++);
        appendStringInfo(json, "{\"kind\":\"count\",\"field\":%d}", first_cross + cross_of_count(encoder, k));
    }
    if (i != encoder->d_num)
        elog(ERROR, "%d numerical inputs are described, not %d", i, encoder->d_num);
}

/* ------------------------------------------------------------------ x_cat */

/*
 * The categories of a column; null for one that no text in UTF-8 is. spelling NULL: they are in UTF-8, or
 * in an encoding that nothing is known about.
 */
static void
append_categories(StringInfo json, const CtrVocab *vocab, const CtrSpelling *spelling)
{
    StringInfoData text;

    initStringInfo(&text);
    appendStringInfoString(json, ",\"categories\":[");
    for (int32 id = 0; id < vocab_count(vocab); id++) {
        uint32 length;
        const char *bytes = vocab_get(vocab, id, &length);

        append_separator(json, id);
        resetStringInfo(&text);
        if (spelling != NULL)
            spelling_append_for_file(spelling, &text, bytes, length);
        else
            appendBinaryStringInfo(&text, bytes, (int)length);
        if (pg_verify_mbstr(PG_UTF8, text.data, text.len, true))
            escape_json(json, text.data);
        else
            appendStringInfoString(json, "null");
    }
    appendStringInfoChar(json, ']');
    pfree(text.data);
}

/* ,"key": the pairs [first, end) of a cross's vocabulary, as codes of its columns */
static void
append_pairs(StringInfo json, const char *key, const CtrVocab *vocab, int32 first, int32 end)
{
    appendStringInfo(json, ",\"%s\":[", key);
    for (int32 id = first; id < end; id++) {
        uint32 length;
        CtrCrossKey pair;

        memcpy(&pair, vocab_get(vocab, id, &length), sizeof(pair));
        append_separator(json, id - first);
        appendStringInfo(json, "[%d,%d]", pair.codes[0], pair.codes[1]);
    }
    appendStringInfoChar(json, ']');
}

/* Its categories and, where it is counted, further pairs and what the network sees of each. */
static void
append_cross(StringInfo json, const CtrEncoder *encoder, int k)
{
    const int *columns = encoder->crosses[k].columns;
    const CtrVocab *vocab = encoder->vocabs[encoder->n_cat + k];
    const int32 n = vocab_count(vocab);
    const int32 known = encoder->categories[encoder_first_cross(encoder) + k] - CTR_CODE_KNOWN;

    appendStringInfo(json, "{\"kind\":\"cross\",\"fields\":[%d,%d]", columns[0], columns[1]);
    append_pairs(json, "categories", vocab, 0, known);
    if (encoder->pair_rows == NULL || encoder->pair_rows[k] == NULL)
        return;
    append_pairs(json, "rare", vocab, known, n);
    appendStringInfoString(json, ",\"counts\":[");
    for (int32 id = 0; id < n; id++) {
        append_separator(json, id);
        append_float(json, count_input(encoder->pair_rows[k][id]));
    }
    appendStringInfoChar(json, ']');
}

/* The target statistic of each code, where the encoder has them. */
static void
append_field_statistics(StringInfo json, const CtrEncoder *encoder, int f)
{
    if (encoder->n_statistics == 0)
        return;
    appendStringInfoString(json, ",\"statistics\":[");
    for (int i = 0; i < encoder->categories[f]; i++) {
        append_separator(json, i);
        append_float(json, encoder->statistics[f][i]);
    }
    appendStringInfoChar(json, ']');
}

static void
append_field(StringInfo json, const CtrEncoder *encoder, int f, const CtrSpelling *spelling)
{
    const int first_cross = encoder_first_cross(encoder);

    append_separator(json, f);
    if (f < encoder->n_cat) {
        appendStringInfoString(json, "{\"kind\":\"category\"");
        append_column(json, encoder->features[encoder->n_num + f].name);
        append_categories(json, encoder->vocabs[f], spelling);
    } else if (f < first_cross) {
        const CtrBuckets *buckets = &encoder->buckets[f - encoder->n_cat];

        appendStringInfoString(json, "{\"kind\":\"bucket\"");
        append_column(json, encoder->features[f - encoder->n_cat].name);
        append_doubles(json, "bounds", buckets->bounds, buckets->n_bounds);
    } else {
        append_cross(json, encoder, f - first_cross);
    }
    append_field_statistics(json, encoder, f);
    appendStringInfoChar(json, '}');
}

void
onnx_describe_encoder(StringInfo json, const CtrModel *model)
{
    const CtrEncoder *encoder = model->encoder;
    CtrSpelling spelling;
    const bool differs = spelling_start(&spelling);

    appendStringInfo(json, "{\"format\":%d,\"x_num\":[", ENCODER_FORMAT);
    for (int i = 0; i < encoder->n_num; i++)
        append_number(json, encoder, i);
    append_derived_numbers(json, encoder);
    appendStringInfo(json, "],\"fields\":%d,\"x_cat\":[", model->net.config.n_cat);
    for (int f = 0; f < encoder->d_cat; f++)
        append_field(json, encoder, f, differs ? &spelling : NULL);
    appendStringInfoString(json, "]}");
}
