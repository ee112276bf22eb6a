/* model.h: the model as a value (one writer, one validator), its digest, and the unpacked model. */
#ifndef CTR_MODEL_H
#define CTR_MODEL_H

#include "encode/encode.h"
#include "model/safetensors.h"
#include "nn/math/pairs.h"
#include "nn/math/points.h"

#include "datatype/timestamp.h"

/* ---------------------------------------------------------------- digest.c: what a model is recognised by */

#define CTR_MODEL_DIGEST_SIZE 64  /* hexadecimal SHA-256 */
#define CTR_MODEL_TIME_SIZE   20  /* "2026-11-27T08:15:00Z" */
#define CTR_MODEL_HEAD_SIZE   128 /* the digest lies within the first so many bytes */

/*
 * Copies the digest out of a model's first bytes; false: they are no model's, which is reported to escontext.
 */
bool model_peek_digest(const char *bytes, Size size, char *digest, Node *escontext);
/* The same for a value, of which at most the first slice is read; errors are raised. */
void model_digest(Datum value, char *digest);
/* Is the digest that of the bytes, which model_peek_digest has accepted? false: reported to escontext. */
bool model_verify_digest(const char *bytes, Size size, Node *escontext);
/* The same without a report. */
bool model_digest_fits(const char *bytes, Size size);
/* Writes the digest into a model's bytes, which begin as digest.c says. */
void model_sign(char *bytes, Size size);

/* ------------------------------------------------------------------ pack.c, unpack.c: the model value */

typedef struct ctr_model {
    int32 vl_len_;
    char data[FLEXIBLE_ARRAY_MEMBER]; /* one safetensors file */
} ctr_model;

#define DatumGetModelP(d)    ((ctr_model *)PG_DETOAST_DATUM(d))
#define PG_RETURN_MODEL_P(m) PG_RETURN_POINTER(m)

/* the most bytes of a model whose text, "\x", two digits for each and a zero, is not too large for a value */
#define CTR_MODEL_TEXT_LARGEST ((MaxAllocSize - 3) / 2)

typedef struct CtrEpoch {
    double train_loss, train_auc, val_loss, val_auc, learning_rate, seconds; /* NaN: not measured */
    bool is_best;
} CtrEpoch;

/* A setting of the options that a training has tried, to compare it with others. */
typedef struct CtrTried {
    char *name; /* what differs from the options as they were: "learning_rate => 0.001"; of these: "first" */
    int epochs;
    double val_loss, val_auc; /* NaN: not measured */
} CtrTried;

#define CTR_TRIED_MOST      1000 /* that a file may have */
#define CTR_TRIED_NAME_MOST 200  /* bytes of a name */

/*
 * What a training keeps for explanations: its average row, as the network's inputs
 * (nn/infer/gradients.h), and what the inputs contributed in a sample of rows.
 */
typedef struct CtrInsight {
    float *average, *spread; /* [net.d_input]: each input's mean and standard deviation */
    float *statistics;       /* [n_statistics]: each field's mean target statistic; NULL: none are summed */
    float *importance;       /* [n_num + n_cat]: mean size of the contribution of each feature */
    float *attention;        /* [n_num + n_cat]: mean attention to it; NULL: the network has none */
    float *crosses; /* [n_crosses]: as importance, of each cross's own inputs; NULL: there are none */
} CtrInsight;

/*
 * Where a model's weights come from. The two in the middle have no insight, whose tensors are then zero: no
 * rows have been seen with these weights.
 */
typedef enum CtrWeights {
    CTR_WEIGHTS_TRAINED,
    CTR_WEIGHTS_INITIAL,  /* epochs => 0 */
    CTR_WEIGHTS_LOADED,   /* ctr_load_weights */
    CTR_WEIGHTS_MEASURED, /* loaded, and since then rows have been seen with them, by epochs => 0 */
    CTR_WEIGHTS_VELOCITY  /* ctr_step's differences of weights: nothing that could score */
} CtrWeights;

#define CTR_MODEL_EPOCHS_MOST 1000000 /* of a history, over all trainings that went on from one another */

/*
 * What a value is that is no model yet, on the way to a start that parts of a table have in common
 * (ctr_prepare, ctr_merge): what one pass over a part has found, or what all parts' gave together. Each has
 * what the ones before gave.
 */
typedef enum CtrStage {
    CTR_STAGE_MODEL,          /* it is a model */
    CTR_STAGE_COLUMNS,        /* a part: numbers as points, categories with their counts */
    CTR_STAGE_COMMON_COLUMNS, /* merged: transforms, buckets, vocabularies */
    CTR_STAGE_SAMPLE,         /* a part: a sample of its rows, encoded, by which columns are paired */
    CTR_STAGE_COMMON_CROSSES, /* merged: which columns are paired */
    CTR_STAGE_PAIRS,          /* a part: pairs of codes with their counts */
    CTR_STAGE_COMMON_PAIRS,   /* merged: vocabularies of crosses */
    CTR_STAGE_LABELS          /* a part: label sums, as the encoder has them; merged, it is a model */
} CtrStage;

#define CTR_N_STAGES (CTR_STAGE_LABELS + 1)

static inline bool
stage_is_part(CtrStage stage)
{
    return stage % 2 == 1;
}

/* Does a value of this stage know which columns are paired? Of pairs it has those that its stage counts. */
static inline bool
stage_knows_crosses(CtrStage stage)
{
    return stage == CTR_STAGE_MODEL || stage >= CTR_STAGE_COMMON_CROSSES;
}

/* A sample of rows, in the order in which a training takes them, by their hashes. */
typedef struct CtrSample {
    NnPairSample rows;
    uint64 *hashes; /* [rows], ascending */
} CtrSample;

/* What there is besides the encoder while a value is prepared. */
typedef struct CtrPrepared {
    double *class_weights; /* [max(n_classes, 2)] of all rows but those of a validation_column */
    NnPoints *points;      /* CTR_STAGE_COLUMNS: [n_num] */
    CtrSample sample;      /* CTR_STAGE_SAMPLE */
} CtrPrepared;

/* An unpacked model. model_image.c knows all that it points to. */
typedef struct CtrModel {
    MemoryContext context;
    CtrStage stage;       /* what is prepared has no net, parameters, history and insight */
    CtrPrepared prepared; /* unless it is a model */
    /*
     * [sum of categories]: in how many rows that trained each field's codes occur, where the encoder is
     * shared; NULL: it is not, or the model is only scored
     */
    int32 *code_rows;
    char start[CTR_MODEL_DIGEST_SIZE + 1]; /* of the model that such a training went on from; "": none */
    char digest[CTR_MODEL_DIGEST_SIZE + 1];
    CtrOptions options;
    CtrEncoder *encoder;
    NnNet net;
    float *params; /* net.n_block floats */
    int n_epochs;
    CtrEpoch *history;
    int64 train_rows, validation_rows, skipped_rows;
    int64 *label_rows; /* [max(n_classes, 2)] training rows of each label; NULL: an older file does not say */
    int best_epoch;    /* 1-based, in history; 0: none */
    int n_tried;       /* settings that were compared; 0: the options were the only one */
    CtrTried *tried;   /* [n_tried] in that order */
    int chosen;        /* the one that the options are now, from 0 */
    CtrWeights weights;
    CtrInsight insight;
    char trained_at[CTR_MODEL_TIME_SIZE + 1]; /* end of the training, UTC; "": an older file does not say */
    const char *version;                      /* version of ctr that wrote it; NULL: it is not written yet */
} CtrModel;

/* The bytes of a model, in `context`. Error when they would pass 1 GB. */
ctr_model *model_pack(const CtrModel *model, MemoryContext context);
/* The same of a model without vocabularies and statistics: they are copied from the file of one with them. */
ctr_model *model_pack_with_encoder(const CtrModel *model, const CtrSafeFile *encoder, MemoryContext context);
/* A time as models keep it, text [CTR_MODEL_TIME_SIZE + 1]; false: it has no year of four digits. */
bool model_time_text(TimestampTz time, char *text);
/*
 * The only reader. The model gets a memory context of its own under `parent`. The value was validated when
 * it came in.
 */
CtrModel *model_unpack(Datum value, MemoryContext parent);
/* The same, but also reads what only going on from the model needs: the label sums of its statistics. */
CtrModel *model_unpack_to_train(Datum value, MemoryContext parent);
/* The same of any value, prepared ones included, which the other two refuse. */
CtrModel *model_unpack_any(Datum value, MemoryContext parent);
/*
 * What a training changes of a model, and how many categories there are, but no vocabularies and statistics:
 * where nothing is encoded. Of a prepared part the label sums are read, too. with_params: its parameters,
 * too.
 */
CtrModel *model_unpack_outline(CtrValueBytes *bytes, bool with_params, MemoryContext parent);
/* Of any value, by its metadata alone. */
CtrStage model_stage(Datum value);
/* The pass that a merged value waits for; CTR_STAGE_MODEL: there is none, and it can become a start. */
CtrStage stage_next(const CtrModel *common);
/* "the columns of a part, prepared": what a value of this stage is, for messages and descriptions */
const char *stage_words(CtrStage stage);
/*
 * The only validator, for bytes from outside: whatever it accepts can be scored. false: reported to
 * escontext.
 */
bool model_validate(Datum value, Node *escontext);
/* the net's configuration: what the options say of it and what the encoder gives it */
NnConfig model_net_config(const CtrModel *model);
/*
 * Lays out model->net as options and encoder say. false: there can be no such network, which is reported
 * to escontext. Memory from the model's context.
 */
bool model_create_net(CtrModel *model, Node *escontext);
/*
 * check.c: what is wrong with the numbers of the model, whose parts are all there, so that it could not be
 * scored or gone on from. Neither training nor bytes from outside may make such a model. Returns text that
 * follows "invalid ctr_model: ", in the current context; NULL: nothing is wrong.
 */
const char *model_fault(const CtrModel *model);
/* The same of what a training changes. */
const char *model_trained_fault(const CtrModel *model);
/* Is there an insight into these weights? */
static inline bool
model_has_insight(const CtrModel *model)
{
    return model->weights == CTR_WEIGHTS_TRAINED || model->weights == CTR_WEIGHTS_MEASURED;
}
/* insight.c: the error where there is none */
void model_check_insight(const CtrModel *model);
/* prepared.c: zeroed code_rows of a shared encoder, in the model's context */
int32 *model_create_code_rows(const CtrModel *model);
/* insight.c: room for what a training keeps for explanations, once the net is there; zeroed */
void insight_create(CtrModel *model);
/*
 * bytes that model_pack will return, estimated from above, for a net and encoder that are about to be
 * trained
 */
Size model_estimate(const NnNet *net, const CtrEncoder *encoder);

/* ------------------------------------------------------------ changes.c: a model as changes of another */

#define CTR_CHANGES_MAGIC "ctrdiff1" /* their first bytes */

/*
 * The bytes of a model as changes of those of its base; in the current context. Error: they do not fit
 * it. Nothing else is known of the bytes.
 */
CtrValueBytes *changes_bytes(CtrValueBytes *base, Datum changes);
/* The model, whose bytes are validated. */
struct varlena *changes_apply(CtrValueBytes *bytes);

#endif /* CTR_MODEL_H */
