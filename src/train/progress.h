/*
 * progress.h: how far a backend's trainings are, where other sessions can read it: the view ctr_progress.
 *
 * It stands where PostgreSQL's own commands put their progress: in the backend's status, which lies in
 * shared memory without a preload, and which PostgreSQL itself clears at an error, where a subtransaction
 * fails, and when the backend ends.
 */
#ifndef CTR_PROGRESS_H
#define CTR_PROGRESS_H

#include "train/events.h"
#include "train/train.h"

#include "utils/backend_progress.h"

/* Not one of PostgreSQL's commands, which are numbered from 1: the letters "ctr". */
#define CTR_PROGRESS_COMMAND ((ProgressCommandType)0x637472)

typedef enum CtrPhase {
    CTR_PHASE_READING,
    CTR_PHASE_ENCODING,
    CTR_PHASE_TRAINING,
    CTR_PHASE_VALIDATING,
    CTR_PHASE_COMPARING, /* epochs that only tell which setting is the best */
    CTR_PHASE_FINISHING
} CtrPhase;

/* The numbers that the status has: integers, times as TimestampTz, floats as the bits of a double. */
enum {
    CTR_PROGRESS_PHASE,
    CTR_PROGRESS_ROWS,
    CTR_PROGRESS_GROUP, /* from 1; 0: no GROUP BY */
    CTR_PROGRESS_EPOCH, /* from 1; 0: before the first */
    CTR_PROGRESS_EPOCHS,
    CTR_PROGRESS_BATCH, /* of the epoch */
    CTR_PROGRESS_BATCHES,
    CTR_PROGRESS_LOSS, /* NaN: none yet; so too the metric */
    CTR_PROGRESS_BEST_METRIC,
    CTR_PROGRESS_BEST_EPOCH, /* 0: none */
    CTR_PROGRESS_BEGAN,
    CTR_PROGRESS_ENDS, /* as estimated; 0: unknown */
    CTR_PROGRESS_SIZE
};

/* One training's part in it. Zeroed to begin with. */
typedef struct CtrProgress {
    int64 numbers[CTR_PROGRESS_SIZE];
    MemoryContextCallback at_end;
    TimestampTz fit_began;
    bool shown;
} CtrProgress;

/* Shows the training; until progress_end, or until the context, in which progress lies, is reset. */
void progress_begin(CtrProgress *progress, MemoryContext context);
/* Counts a row that has come in. */
void progress_row(CtrProgress *progress);
/* The training of rows that have been read begins. group: its number, or 0. */
void progress_group(CtrProgress *progress, int group, CtrRowCounts counts);
/* Listens to a training's events. */
void progress_hear(void *progress, const CtrEvent *event);
void progress_end(CtrProgress *progress);

#endif /* CTR_PROGRESS_H */
