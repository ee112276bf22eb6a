/* progress_view.c: ctr_progress, which shows how far the trainings of this server are. */
#include "train/progress.h"

#include <math.h>

#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/backend_status.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "srf.h"

/* As in PostgreSQL's own progress views: one's own rows, and all with the rights of pg_read_all_stats. */
static bool
may_see(Oid owner)
{
    return has_privs_of_role(GetUserId(), owner) || has_privs_of_role(GetUserId(), ROLE_PG_READ_ALL_STATS);
}

static const char *
phase_name(int64 phase)
{
    static const char *const names[] = {
        [CTR_PHASE_READING] = "reading",     [CTR_PHASE_ENCODING] = "encoding",
        [CTR_PHASE_TRAINING] = "training",   [CTR_PHASE_VALIDATING] = "validating",
        [CTR_PHASE_COMPARING] = "comparing", [CTR_PHASE_FINISHING] = "finishing"};

    return phase >= 0 && phase < (int64)lengthof(names) ? names[phase] : NULL;
}

/* ------------------------------------------------------------------ a row's columns */

enum {
    COLUMN_PID,
    COLUMN_DATID,
    COLUMN_USESYSID,
    COLUMN_PHASE,
    COLUMN_ROWS,
    COLUMN_GROUP,
    COLUMN_EPOCH,
    COLUMN_EPOCHS,
    COLUMN_BATCH,
    COLUMN_BATCHES,
    COLUMN_LOSS,
    COLUMN_BEST_METRIC,
    COLUMN_BEST_EPOCH,
    COLUMN_ELAPSED,
    COLUMN_ESTIMATED_END,
    COLUMNS
};

typedef struct Row {
    Datum values[COLUMNS];
    bool nulls[COLUMNS];
} Row;

static void
put(Row *row, int column, Datum value)
{
    row->values[column] = value;
    row->nulls[column] = false;
}

/* NULL where it is 0: a group without a GROUP BY, an epoch before the first */
static void
put_count(Row *row, int column, int64 count)
{
    if (count > 0)
        put(row, column,
            column == COLUMN_BATCH || column == COLUMN_BATCHES ? Int64GetDatum(count)
                                                               : Int32GetDatum((int32)count));
}

static void
put_float(Row *row, int column, int64 bits)
{
    double number;

    memcpy(&number, &bits, sizeof(number));
    if (!isnan(number))
        put(row, column, Float8GetDatum(number));
}

static Datum
elapsed_since(TimestampTz began)
{
    return DirectFunctionCall2(timestamp_mi, TimestampTzGetDatum(GetCurrentTimestamp()),
                               TimestampTzGetDatum(began));
}

static void
put_progress(Row *row, const int64 *numbers)
{
    const char *phase = phase_name(numbers[CTR_PROGRESS_PHASE]);

    if (phase)
        put(row, COLUMN_PHASE, CStringGetTextDatum(phase));
    put(row, COLUMN_ROWS, Int64GetDatum(numbers[CTR_PROGRESS_ROWS]));
    put_count(row, COLUMN_GROUP, numbers[CTR_PROGRESS_GROUP]);
    put_count(row, COLUMN_EPOCH, numbers[CTR_PROGRESS_EPOCH]);
    put_count(row, COLUMN_EPOCHS, numbers[CTR_PROGRESS_EPOCHS]);
    put_count(row, COLUMN_BATCH, numbers[CTR_PROGRESS_BATCH]);
    put_count(row, COLUMN_BATCHES, numbers[CTR_PROGRESS_BATCHES]);
    put_float(row, COLUMN_LOSS, numbers[CTR_PROGRESS_LOSS]);
    put_float(row, COLUMN_BEST_METRIC, numbers[CTR_PROGRESS_BEST_METRIC]);
    put_count(row, COLUMN_BEST_EPOCH, numbers[CTR_PROGRESS_BEST_EPOCH]);
    put(row, COLUMN_ELAPSED, elapsed_since(numbers[CTR_PROGRESS_BEGAN]));
    if (numbers[CTR_PROGRESS_ENDS] != 0)
        put(row, COLUMN_ESTIMATED_END, TimestampTzGetDatum(numbers[CTR_PROGRESS_ENDS]));
}

/*
 * CREATE FUNCTION ctr_progress(OUT pid integer, OUT datid oid, OUT usesysid oid, OUT phase text, ...)
 *   RETURNS SETOF record
 */
PG_FUNCTION_INFO_V1(ctr_progress);
Datum
ctr_progress(PG_FUNCTION_ARGS)
{
    TupleDesc desc;
    Tuplestorestate *store = srf_begin(fcinfo, &desc);
    const int backends = pgstat_fetch_stat_numbackends();

    for (int i = 1; i <= backends; i++) {
        const LocalPgBackendStatus *local = backend_status_by_index(i);
        const PgBackendStatus *backend = local ? &local->backendStatus : NULL;
        Row row;

        CHECK_FOR_INTERRUPTS();
        if (backend == NULL || backend->st_progress_command != CTR_PROGRESS_COMMAND)
            continue;
        memset(row.nulls, true, sizeof(row.nulls));
        put(&row, COLUMN_PID, Int32GetDatum(backend->st_procpid));
        put(&row, COLUMN_DATID, ObjectIdGetDatum(backend->st_databaseid));
        put(&row, COLUMN_USESYSID, ObjectIdGetDatum(backend->st_userid));
        if (may_see(backend->st_userid))
            put_progress(&row, backend->st_progress_param);
        tuplestore_putvalues(store, desc, row.values, row.nulls);
    }
    return (Datum)0;
}
