/*
 * see.h: what several functions say of a model: its names and numbers as a reader takes them in.
 */
#ifndef CTR_SEE_H
#define CTR_SEE_H

#include "model/model.h"

#include "lib/stringinfo.h"

/* ------------------------------------------------------------------ words.c */

/* "DeepCross matrix", "FiBiNET field_each", "DeepFM", "Wide & Deep" */
char *words_architecture(const CtrOptions *options);
/* a count with three digits: "812", "21.3 k", "1.29 M" */
char *words_count(int64 n);
/* a size: "812 bytes", "157 kB", "59 MB" */
char *words_bytes(int64 n);
/* known categories of the columns themselves */
int64 words_categories(const CtrEncoder *encoder);
/* numbers that are trained */
int64 words_parameters(const NnNet *net);
/* "val AUC 0.7735 (epoch 4 of 5)": the first of what was measured in the epoch whose weights the model has */
char *words_quality(const CtrModel *model);

/* " on 2026-11-27, 08:15 UTC", the end of the training; "": the file does not say */
char *words_time(const CtrModel *model);

/* ------------------------------------------------------------------ plots.c */

/* A picture of a model, by the name that ctr_plot knows it by. */
typedef struct CtrPlot {
    const char *name;
    void (*draw)(StringInfo out, const CtrModel *model);
    bool needs_insight; /* model_has_insight */
} CtrPlot;

extern const CtrPlot plots[]; /* ends with a name that is NULL */

/* ------------------------------------------------------------------ summary.c */

/* A row of a network's summary. */
typedef struct CtrSummaryRow {
    const char *layer; /* module path in the state_dict */
    const char *kind;
    int width; /* floats of a row of the output */
    int64 parameters;
} CtrSummaryRow;

/* The modules of the network, in the order of their work, in the current context. */
CtrSummaryRow *summary_rows(const NnNet *net, int *n);

#endif /* CTR_SEE_H */
