/*
 * unpack.h: a model's bytes being read, part by part; private to unpack.c and the files of its parts. The
 * layout is in layout.h.
 *
 * Functions that return a bool or a pointer return false or NULL where the bytes are invalid, and have
 * reported it to escontext.
 */
#ifndef CTR_UNPACK_H
#define CTR_UNPACK_H

#include "model/json_tree.h"
#include "model/layout.h"

typedef enum CtrUnpackUse {
    CTR_UNPACK_TO_SCORE,
    CTR_UNPACK_TO_TRAIN,
    CTR_UNPACK_ANY,      /* as to train, and prepared values */
    CTR_UNPACK_TO_MERGE, /* what a training changes, and how many categories there are, but not which */
    CTR_UNPACK_TO_COUNT, /* the same without parameters */
    CTR_UNPACK_TO_VALIDATE
} CtrUnpackUse;

typedef struct CtrUnpacker {
    CtrSafeFile *file;
    bool *used; /* [file->n_tensors] which have been asked for */
    CtrModel *model;
    CtrUnpackUse use;
    Node *escontext;
    MemoryContext scratch; /* the current context while a model is read, gone afterwards */
    bool good;             /* was all well that was read while threads filled the vocabularies? */
    const uint8 *counted;  /* [crosses] 1: has pair_rows; NULL: none has */
} CtrUnpacker;

/* Is the encoder known to be another one's, and left out but for what is needed to read the rest? */
static inline bool
unpack_no_encoder(const CtrUnpacker *u)
{
    return u->use == CTR_UNPACK_TO_MERGE || u->use == CTR_UNPACK_TO_COUNT;
}

/* ------------------------------------------------------------------ unpack_take.c: tensors and metadata */

/* The tensor of this name, which must have this type and shape. */
const CtrSafeTensor *unpack_tensor(CtrUnpacker *u, const char *name, CtrSafeDtype dtype, int ndim,
                                   const int64 *shape);
/* The elements of a tensor [n], aligned, in the current context. */
void *unpack_vector(CtrUnpacker *u, const char *name, CtrSafeDtype dtype, int64 n);
/* A metadata entry: its text; as a number from 0 to limit, which has at most 18 digits; as JSON. */
const char *unpack_entry(CtrUnpacker *u, const char *key);
bool unpack_number(CtrUnpacker *u, const char *key, int64 limit, int64 *value);
const CtrJsonNode *unpack_json(CtrUnpacker *u, const char *key);

/* ------------------------------------------------------------------ unpack_metadata.c */

bool unpack_version(CtrUnpacker *u);
bool unpack_digest(CtrUnpacker *u);
bool unpack_time(CtrUnpacker *u);
bool unpack_options(CtrUnpacker *u);
bool unpack_counts(CtrUnpacker *u); /* after unpack_history */
bool unpack_weights_source(CtrUnpacker *u);

/* ------------------------------------------------------------------ unpack_encoder.c */

bool unpack_features(CtrUnpacker *u);
bool unpack_transforms(CtrUnpacker *u);
/* Vocabularies, filled by threads while meanwhile(u) reads what does not need them, and sets u->good. */
bool unpack_vocabs(CtrUnpacker *u, void (*meanwhile)(void *));

/* ------------------------------------------------------------------ unpack_crosses.c */

bool unpack_crosses(CtrUnpacker *u);          /* before encoder_widths: which columns are paired */
bool unpack_cross_counts(CtrUnpacker *u);     /* how many categories crosses have */
bool unpack_cross_categories(CtrUnpacker *u); /* and which */

/* ------------------------------------------------------------------ unpack_derived.c */

bool unpack_buckets(CtrUnpacker *u);
bool unpack_statistics(CtrUnpacker *u);
bool unpack_label_sums(CtrUnpacker *u);

/* ------------------------------------------------------------------ unpack_params.c */

bool unpack_net(CtrUnpacker *u);
bool unpack_params(CtrUnpacker *u);

/* ------------------------------------------------------------------ insight.c */

bool unpack_insight(CtrUnpacker *u); /* after unpack_net */

/* ------------------------------------------------------------------ prepared.c */

/* Which stage it is of, and whether its encoder is shared. Raises the error of a prepared value where `use`
 * asks for a model. */
bool unpack_stage(CtrUnpacker *u);
bool unpack_prepared(CtrUnpacker *u);
bool unpack_shared(CtrUnpacker *u); /* after all categories are known */

/* ------------------------------------------------------------------ sample.c */

bool unpack_sample(CtrUnpacker *u); /* after all categories are known */

/* ------------------------------------------------------------------ unpack_history.c */

bool unpack_history(CtrUnpacker *u);
bool unpack_tried(CtrUnpacker *u);

#endif /* CTR_UNPACK_H */
