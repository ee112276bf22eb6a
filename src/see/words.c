/* words.c: a model's names and numbers in words, and ctr_describe, which says the most in one line. */
#include "see/see.h"

#include <math.h>

#include "access/detoast.h"
#include "utils/builtins.h"

#include "rows/spelling.h"

char *
words_architecture(const CtrOptions *options)
{
    static const char *const cross[] = {
        [NN_CROSS_MATRIX] = "matrix", [NN_CROSS_VECTOR] = "vector", [NN_CROSS_MIX] = "mix"};
    static const char *const bilinear[] = {[NN_FIELD_INTERACTION] = "field_interaction",
                                           [NN_FIELD_EACH] = "field_each",
                                           [NN_FIELD_ALL] = "field_all"};

    switch (options->net.architecture) {
    case NN_DEEPCROSS:
        return psprintf("DeepCross %s", cross[options->net.cross_type]);
    case NN_FIBINET:
        return psprintf("FiBiNET %s", bilinear[options->net.bilinear_type]);
    case NN_DEEPFM:
        return pstrdup("DeepFM");
    case NN_WIDE_DEEP:
        return pstrdup("Wide & Deep");
    }
    return NULL;
}

/* n in units of 1000 ^ power, with three digits */
static char *
scaled(int64 n, int power)
{
    static const char *const units[] = {"", " k", " M", " G"};
    double value = (double)n;

    for (int i = 0; i < power; i++)
        value /= 1000;
    if (value >= 999.5 && power < 3)
        return scaled(n, power + 1);
    return psprintf("%.*f%s", power == 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2, value, units[power]);
}

char *
words_count(int64 n)
{
    return scaled(n, 0);
}

/* kB and MB as pg_size_pretty has them, 1024 of the smaller ones */
char *
words_bytes(int64 n)
{
    if (n < 10240)
        return psprintf(INT64_FORMAT " bytes", n);
    if (n < 10240 * 1024)
        return psprintf("%.0f kB", (double)n / 1024);
    return psprintf("%.0f MB", (double)n / (1024 * 1024));
}

int64
words_categories(const CtrEncoder *encoder)
{
    int64 n = 0;

    for (int f = 0; f < encoder->n_cat; f++)
        n += vocab_count(encoder->vocabs[f]);
    return n;
}

int64
words_parameters(const NnNet *net)
{
    int64 n = 0;

    for (int i = 0; i < net->n_params; i++) {
        if (net->params[i].kind != NN_BUFFER)
            n += (int64)net->params[i].count;
    }
    return n;
}

char *
words_quality(const CtrModel *model)
{
    const CtrEpoch *best;
    char *epoch;

    if (model->best_epoch == 0)
        return pstrdup(model->weights == CTR_WEIGHTS_INITIAL    ? "not trained"
                       : model->weights == CTR_WEIGHTS_VELOCITY ? "velocity of ctr_step"
                                                                : "weights loaded");
    best = &model->history[model->best_epoch - 1];
    epoch = psprintf("(epoch %d of %d)", model->best_epoch, model->n_epochs);
    if (!isnan(best->val_auc))
        return psprintf("val AUC %.4f %s", best->val_auc, epoch);
    if (!isnan(best->val_loss))
        return psprintf("val loss %.4f %s", best->val_loss, epoch);
    return psprintf("train loss %.4f %s", best->train_loss, epoch);
}

char *
words_time(const CtrModel *model)
{
    return model->trained_at[0] == '\0'
               ? pstrdup("")
               : psprintf(" on %.10s, %.5s UTC", model->trained_at, model->trained_at + sizeof("2026-11-27"));
}

/* What a prepared value is, in one line. */
static char *
describe_prepared(const CtrModel *model, int64 size, const char *between)
{
    const CtrEncoder *encoder = model->encoder;
    const int features = encoder->n_num + encoder->n_cat;

    return psprintf("prepared: %s%s%d feature%s%s%s categories%s%s%s" INT64_FORMAT " rows",
                    stage_words(model->stage), between, features, features == 1 ? "" : "s", between,
                    words_count(words_categories(encoder)), between, words_bytes(size), between,
                    model->train_rows + model->validation_rows);
}

/* CREATE FUNCTION ctr_describe(ctr_model) RETURNS text */
PG_FUNCTION_INFO_V1(ctr_describe);
Datum
ctr_describe(PG_FUNCTION_ARGS)
{
    int64 size = (int64)toast_raw_datum_size(PG_GETARG_DATUM(0)) - VARHDRSZ;
    CtrModel *model = model_unpack_any(PG_GETARG_DATUM(0), CurrentMemoryContext);
    const CtrEncoder *encoder = model->encoder;
    const int features = encoder->n_num + encoder->n_cat;
    const char *between = spelling_for_database(" \xc2\xb7 ", 4);
    char *line;

    if (between == NULL)
        between = " - ";
    if (model->stage != CTR_STAGE_MODEL)
        line = describe_prepared(model, size, between);
    else
        line = psprintf("%s%s%d feature%s%s%s categories%s%s%s%s%s%.10s", words_architecture(&model->options),
                        between, features, features == 1 ? "" : "s", between,
                        words_count(words_categories(encoder)), between, words_bytes(size), between,
                        words_quality(model), model->trained_at[0] != '\0' ? between : "", model->trained_at);

    MemoryContextDelete(model->context);
    PG_RETURN_TEXT_P(cstring_to_text(line));
}
