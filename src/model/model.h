/*
 * model.h: the model value: its bytes (one writer, one validator), what it is recognised by, and the unpacked
 * model.
 */
#ifndef CTR_MODEL_H
#define CTR_MODEL_H

#include "encode/encode.h"
#include "model/safetensors.h"

/* ---------------------------------------------------------------- digest.c: what a model is recognised by */

#define CTR_MODEL_DIGEST_SIZE 64  /* hexadecimal SHA-256 */
#define CTR_MODEL_HEAD_SIZE   128 /* the digest lies within the first so many bytes */

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

/* ------------------------------------------------------------------ pack.c, unpack.c: the model value */

typedef struct ctr_model {
    int32 vl_len_;
    char data[FLEXIBLE_ARRAY_MEMBER]; /* one safetensors file */
} ctr_model;

#define DatumGetModelP(d)    ((ctr_model *)PG_DETOAST_DATUM(d))
#define PG_RETURN_MODEL_P(m) PG_RETURN_POINTER(m)

typedef struct CtrEpoch {
    double train_loss, train_auc, val_loss, val_auc, learning_rate, seconds; /* NaN: not measured */
    bool is_best;
} CtrEpoch;

#define CTR_MODEL_EPOCHS_MOST 1000000 /* of a history, over all trainings that went on from one another */

/* An unpacked model. */
typedef struct CtrModel {
    MemoryContext context;
    char digest[CTR_MODEL_DIGEST_SIZE + 1];
    CtrOptions options;
    CtrEncoder *encoder;
    NnNet net;
    float *params; /* net.n_block floats */
    int n_epochs;
    CtrEpoch *history;
    int64 train_rows, validation_rows, skipped_rows;
    int best_epoch;      /* 1-based, in history; 0: none */
    const char *version; /* of ctr, that wrote it; NULL: not written yet */
} CtrModel;

/* The bytes of a model, in `context`. Error when they would pass 1 GB. */
ctr_model *model_pack(const CtrModel *model, MemoryContext context);
/*
 * The only reader. parent: the context under which the model's own is made. The value was validated on its
 * way in.
 */
CtrModel *model_unpack(Datum value, MemoryContext parent);
/* The same with what scoring does not need: the sums that its statistics come from. */
CtrModel *model_unpack_to_train(Datum value, MemoryContext parent);
/*
 * The only validator, for bytes from outside: whatever it accepts can be scored. false: reported to
 * escontext.
 */
bool model_validate(Datum value, Node *escontext);
/* the net's configuration: what the options say of it and what the encoder gives it */
NnConfig model_net_config(const CtrModel *model);
/*
 * Describes model->net from options and encoder. false: they are no usable shape, which is reported to
 * escontext. Memory from the model's context.
 */
bool model_create_net(CtrModel *model, Node *escontext);
/*
 * check.c: what keeps the model, whose parts are all there, from being scored and gone on from, which neither
 * training nor bytes from outside may bring about: text that goes on after "invalid ctr_model: ", in the
 * current context. NULL: nothing.
 */
const char *model_fault(const CtrModel *model);
/* size of model_pack's result for a net and encoder that are about to be trained */
Size model_estimate(const NnNet *net, const CtrEncoder *encoder);

#endif /* CTR_MODEL_H */
