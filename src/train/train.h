/*
 * train.h: a training: its rows, its epochs, and what it says.
 */
#ifndef CTR_TRAIN_H
#define CTR_TRAIN_H

#include "model/model.h"
#include "train/events.h"

#include "nn/infer/average.h"
#include "nn/train/trainer.h"

/* ------------------------------------------------------------------ dataset.c: a training's rows */

/*
 * Collects raw rows while they arrive. dataset_encode then decides which of them validate, fits the
 * encoder on the others, and writes both sets as the network's inputs. How rows are shuffled does not
 * depend on how much memory there is.
 */
typedef struct CtrDataset CtrDataset;

typedef enum CtrRowRole { CTR_ROLE_CHANCE, CTR_ROLE_TRAINING, CTR_ROLE_VALIDATION } CtrRowRole;

/*
 * features [n_num + n_cat]; known: the encoder of a model to go on from, or NULL; where it is
 * shared, it stays as it is; pool: the threads that
 * share the work; budget: its limit is set here, from maintenance_work_mem.
 */
CtrDataset *dataset_create(MemoryContext context, const CtrOptions *options, const CtrFeature *features,
                           int n_num, int n_cat, const CtrEncoder *known, NnPool *pool, CtrRowBudget *budget);
/* Adds the current row of map. label: 0 … max(n_classes, 2) - 1; weight > 0 */
void dataset_add(CtrDataset *dataset, CtrRowMap *map, float label, float weight, CtrRowRole role);
/*
 * Call it once all rows have been added: decides which rows validate, returns the encoder fitted on the
 * others, in `context`, and encodes all rows. Serves interrupts.
 */
CtrEncoder *dataset_encode(CtrDataset *dataset, MemoryContext context);
int64 dataset_rows(const CtrDataset *dataset, bool validation); /* after dataset_encode */
/* rows of each class, [max(n_classes, 2)] */
const int64 *dataset_class_rows(const CtrDataset *dataset, bool validation);
/* sums of the rows' weights, for each class, [max(n_classes, 2)], and in all */
const double *dataset_class_weights(const CtrDataset *dataset, bool validation);
double dataset_weight(const CtrDataset *dataset, bool validation);
/*
 * From now on the rows that validate train as well, and nothing can be validated. Counts of rows by class
 * stay those of the two sets. Serves interrupts.
 */
void dataset_train_all(CtrDataset *dataset);
/* The first d_num numbers of a row are those that a batch has from now on. */
void dataset_narrow(CtrDataset *dataset, int d_num);
/* Are there rows that validate and do not train? Only then has dataset_start a pass over them. */
bool dataset_can_validate(const CtrDataset *dataset);
/* Starts a pass: training rows in an order that seed and epoch decide, validation rows as they came. */
void dataset_start(CtrDataset *dataset, bool validation, uint64 epoch);
/* The pass's next rows, at most batch_size; rows = 0 at the end. Pointers are good until the next call. */
void dataset_next(CtrDataset *dataset, NnBatch *batch);
/* Adds all training rows to the sums, in an order that is theirs. Serves interrupts. */
void dataset_sum_inputs(CtrDataset *dataset, NnInputSums *sums);
/* Deletes temporary files and memory. Not to be called at abort, when PostgreSQL deletes the files itself. */
void dataset_close(CtrDataset *dataset);

/* ---------------------------------------------------------------- group.c, report.c: what a training says */

/*
 * While an aggregate's final function runs: the names and values by which its rows were grouped, "country =
 * DE, day = 3"; NULL: the query has no GROUP BY. In the current context.
 */
char *group_keys(FunctionCallInfo fcinfo);
/* While it runs for the first group of a GROUP BY: is that the only one? */
bool group_is_only(FunctionCallInfo fcinfo);

typedef struct CtrReport {
    const CtrOptions *options;
    const char *group; /* as messages name it; NULL: the query has no GROUP BY */
    bool of_many;      /* other groups follow or came before: one line is enough */
} CtrReport;

/*
 * Reports that no model can be trained on the rows: raises an error with this code or, as the option
 * if_untrainable says, a warning, and returns. detail and hint may be NULL.
 */
void report_untrainable(const CtrReport *report, int code, const char *message, const char *detail,
                        const char *hint);
/*
 * Listens: NOTICEs of a training that is the only one, a single NOTICE of a group of many, WARNINGs of
 * either. Raises the error of a training that has diverged.
 */
void report_hear(void *report, const CtrEvent *event);

/* ------------------------------------------------------------------ trainable.c */

/* Rows as they arrived: those that take part; and those left out, without a label, or of weight 0. */
typedef struct CtrRowCounts {
    int64 taken, skipped, weightless;
} CtrRowCounts;

/* Do rows take part? If not, that is reported. */
bool trainable_rows(const CtrReport *report, const CtrRowCounts *counts);
/* Do the encoded training rows have something to learn from? If not, that is reported. */
bool trainable_labels(const CtrReport *report, const CtrRowCounts *counts, const CtrDataset *dataset);

/* ------------------------------------------------------------------ contest.c: the epochs */

/*
 * Trains the model, whose options, encoder and net are there: fills its parameters and its history. Where the
 * option "candidates" asks for it, other settings of the options are trained, too, and the result may be
 * another model than this one, which is then gone. given: the model to go on from, or NULL. Tells the
 * listeners; serves interrupts. NULL: it diverged, which was told.
 */
CtrModel *model_fit(CtrModel *model, CtrDataset *dataset, const CtrModel *given, NnPool *pool,
                    const CtrListeners *listeners);

/* ------------------------------------------------------------------ insight.c */

/* Fills the model's insight, once its parameters are fitted. Serves interrupts. */
void insight_fit(CtrModel *model, CtrDataset *dataset, NnPool *pool);

/* ------------------------------------------------------------------ diverged.c */

/*
 * Reports that the model under training has a number beyond what floats hold; `what` says where. Blames the
 * column whose numbers are huge, else the learning rate. ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE
 */
void report_diverged(const CtrReport *report, const CtrModel *model, const char *what);

#endif /* CTR_TRAIN_H */
