/* progress.c: writes the progress of trainings into the backend's status. */
#include "train/progress.h"

#include <math.h>

#include "utils/backend_status.h"
#include "utils/timestamp.h"

#define ROWS_ONE_BY_ONE                                                                                      \
    1024 /* later rows are shown in steps, because a row can take less than showing it does */
#define ROWS_STEP 256

/*
 * What a backend's trainings have in common. A query can collect rows of many groups in turn, and can have
 * several calls of ctr_train; the status has room for one of them.
 */
static struct {
    int shown;  /* trainings that are shown now */
    int64 rows; /* read since the first of them began */
    TimestampTz began;
    ProgressCommandType outer; /* the command that was in the status before, such as COPY, and its numbers */
    Oid outer_target;
    int64 outer_numbers[PGSTAT_NUM_PROGRESS_PARAM];
} backend;

static int64
bits_of(double number)
{
    int64 bits;

    memcpy(&bits, &number, sizeof(bits));
    return bits;
}

/* The command in the status: none where PostgreSQL has cleared it, or where the backend has no status. */
static ProgressCommandType
current_command(void)
{
    return MyBEEntry ? MyBEEntry->st_progress_command : PROGRESS_COMMAND_INVALID;
}

static void
set_numbers(const int64 *numbers, int n)
{
    int indexes[PGSTAT_NUM_PROGRESS_PARAM];

    for (int i = 0; i < n; i++)
        indexes[i] = i;
    pgstat_progress_update_multi_param(n, indexes, numbers);
}

/*
 * All numbers each time, and the command where it has gone: a function that the rows come from may have
 * ended a subtransaction, and COPY counts its rows in the same place.
 */
static void
show(const CtrProgress *progress)
{
    if (current_command() != CTR_PROGRESS_COMMAND)
        pgstat_progress_start_command(CTR_PROGRESS_COMMAND, InvalidOid);
    set_numbers(progress->numbers, CTR_PROGRESS_SIZE);
}

static void
keep_outer_command(void)
{
    backend.outer = current_command();
    if (backend.outer == PROGRESS_COMMAND_INVALID)
        return;
    backend.outer_target = MyBEEntry->st_progress_command_target;
    memcpy(backend.outer_numbers, MyBEEntry->st_progress_param, sizeof(backend.outer_numbers));
}

/* Nothing to do where PostgreSQL has cleared the status at an error. */
static void
restore_outer_command(void)
{
    if (current_command() != CTR_PROGRESS_COMMAND)
        return;
    pgstat_progress_end_command();
    if (backend.outer == PROGRESS_COMMAND_INVALID)
        return;
    pgstat_progress_start_command(backend.outer, backend.outer_target);
    set_numbers(backend.outer_numbers, PGSTAT_NUM_PROGRESS_PARAM);
}

static void
end_with_context(void *progress)
{
    progress_end(progress);
}

void
progress_begin(CtrProgress *progress, MemoryContext context)
{
    if (backend.shown++ == 0) {
        keep_outer_command();
        backend.rows = 0;
        backend.began = GetCurrentTimestamp();
    }
    progress->shown = true;
    progress->numbers[CTR_PROGRESS_BEGAN] = backend.began;
    progress->numbers[CTR_PROGRESS_LOSS] = progress->numbers[CTR_PROGRESS_BEST_METRIC] = bits_of(NAN);
    progress->at_end = (MemoryContextCallback){.func = end_with_context, .arg = progress};
    MemoryContextRegisterResetCallback(context, &progress->at_end);
    show(progress);
}

void
progress_end(CtrProgress *progress)
{
    if (!progress->shown)
        return;
    progress->shown = false;
    if (--backend.shown == 0)
        restore_outer_command();
}

void
progress_row(CtrProgress *progress)
{
    backend.rows++;
    if (backend.rows > ROWS_ONE_BY_ONE && backend.rows % ROWS_STEP != 0)
        return;
    progress->numbers[CTR_PROGRESS_ROWS] = backend.rows;
    show(progress);
}

void
progress_group(CtrProgress *progress, int group, CtrRowCounts counts)
{
    progress->numbers[CTR_PROGRESS_GROUP] = group;
    progress->numbers[CTR_PROGRESS_ROWS] = counts.taken + counts.skipped + counts.weightless;
}

/* ------------------------------------------------------------------ events */

static void
begin_fit(CtrProgress *progress, const CtrEvent *event)
{
    progress->fit_began = GetCurrentTimestamp();
    progress->numbers[CTR_PROGRESS_EPOCHS] = event->model->options.epochs;
}

/* The last epochs may have more rows than those before: validation rows train as well. */
static void
begin_epoch(CtrProgress *progress, const CtrEvent *event)
{
    const int64 rows = dataset_rows(event->dataset, false), size = event->model->options.batch_size;

    progress->numbers[CTR_PROGRESS_EPOCH] = event->epoch;
    progress->numbers[CTR_PROGRESS_BATCH] = 0;
    progress->numbers[CTR_PROGRESS_BATCHES] = (rows + size - 1) / size;
    progress->numbers[CTR_PROGRESS_LOSS] = bits_of(NAN);
}

/* The end is estimated as if all epochs were trained, and what is left took as long as what is done. */
static void
end_batch(CtrProgress *progress, const CtrEvent *event)
{
    const TimestampTz taken = GetCurrentTimestamp() - progress->fit_began;

    progress->numbers[CTR_PROGRESS_BATCH]++;
    progress->numbers[CTR_PROGRESS_LOSS] = bits_of(event->loss);
    progress->numbers[CTR_PROGRESS_ENDS] =
        progress->fit_began + (TimestampTz)((double)taken * event->steps_planned / event->steps);
}

/* After an epoch; and once settings have been compared, the best of which takes the place of the first. */
static void
show_best(CtrProgress *progress, const CtrEvent *event)
{
    if (!event->metrics->is_best || event->trial)
        return;
    progress->numbers[CTR_PROGRESS_BEST_EPOCH] = event->epoch;
    progress->numbers[CTR_PROGRESS_BEST_METRIC] =
        bits_of(event->watches_auc ? event->metrics->val_auc : event->metrics->val_loss);
}

static CtrPhase
phase_after(const CtrEvent *event)
{
    if (event->trial)
        return CTR_PHASE_COMPARING;
    switch (event->kind) {
    case CTR_EVENT_ROWS_READ:
    case CTR_EVENT_ENCODING:
        return CTR_PHASE_ENCODING;
    case CTR_EVENT_VALIDATING:
        return CTR_PHASE_VALIDATING;
    case CTR_EVENT_FINISHING:
    case CTR_EVENT_TRAINED:
    case CTR_EVENT_UNTRAINED:
    case CTR_EVENT_DIVERGED:
        return CTR_PHASE_FINISHING;
    default:
        return CTR_PHASE_TRAINING;
    }
}

void
progress_hear(void *arg, const CtrEvent *event)
{
    CtrProgress *progress = arg;

    progress->numbers[CTR_PROGRESS_PHASE] = phase_after(event);
    if (event->kind == CTR_EVENT_FIT_BEGINS)
        begin_fit(progress, event);
    else if (event->kind == CTR_EVENT_EPOCH_BEGINS)
        begin_epoch(progress, event);
    else if (event->kind == CTR_EVENT_BATCH_TRAINED)
        end_batch(progress, event);
    else if (event->kind == CTR_EVENT_EPOCH_ENDS || event->kind == CTR_EVENT_CHOSEN)
        show_best(progress, event);
    show(progress);
}
