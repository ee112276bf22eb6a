/* compat.h: all differences between PostgreSQL 14 and 18 that this extension meets. */
#ifndef CTR_COMPAT_H
#define CTR_COMPAT_H

#include "postgres.h"

#if PG_VERSION_NUM < 140000
#error "ctr needs PostgreSQL 14 or later"
#endif

#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/*
 * common/jsonapi.h: parse actions return a status since 16, and may end the parsing; lexers are made in a new
 * way since 17. CTR_JSON_ACTION_END(good) ends an action; good is false where an error was reported, which
 * before 16 was raised.
 */
#if PG_VERSION_NUM >= 160000
#define CTR_JSON_ACTION           JsonParseErrorType
#define CTR_JSON_ACTION_END(good) return (good) ? JSON_SUCCESS : JSON_SEM_ACTION_FAILED
#define json_action_ended(status) ((status) == JSON_SEM_ACTION_FAILED)
#else
#define CTR_JSON_ACTION void
#define CTR_JSON_ACTION_END(good)                                                                            \
    do {                                                                                                     \
        (void)(good);                                                                                        \
        return;                                                                                              \
    } while (0)
#define json_action_ended(status) false
#endif

#if PG_VERSION_NUM >= 170000
#define json_lexer(text, length, encoding) makeJsonLexContextCstringLen(NULL, text, length, encoding, true)
#else
#define json_lexer(text, length, encoding) makeJsonLexContextCstringLen(text, length, encoding, true)
#endif

#include "fmgr.h"
#include "utils/builtins.h"

/*
 * Errors of input functions that their caller may want to get back instead of having them raised: since 16.
 */
#if PG_VERSION_NUM >= 160000
#include "nodes/miscnodes.h"
#define input_escontext(fcinfo) ((fcinfo)->context)
#else
#define input_escontext(fcinfo) NULL
#define errsave(escontext, ...)                                                                              \
    do {                                                                                                     \
        (void)(escontext);                                                                                   \
        ereport(ERROR, __VA_ARGS__);                                                                         \
    } while (0)
#endif

/* Sorts, and can be cancelled since 15. compare is called with a third argument, which is NULL. */
#if PG_VERSION_NUM >= 150000
#define sort_interruptible(base, n, size, compare) qsort_interruptible(base, n, size, compare, NULL)
#else
#define sort_interruptible(base, n, size, compare) qsort_arg(base, n, size, compare, NULL)
#endif

/* bytea's input function. false: reported to escontext. */
static inline bool
bytea_input(char *text, Node *escontext, Datum *bytes)
{
#if PG_VERSION_NUM >= 160000
    return DirectInputFunctionCallSafe(byteain, text, InvalidOid, -1, escontext, bytes);
#else
    *bytes = DirectFunctionCall1(byteain, CStringGetDatum(text));
    return true;
#endif
}

/* The bytes that hexadecimal digits stand for, and how many they are. false: reported to escontext. */
static inline bool
hex_input(const char *digits, Size n, char *bytes, Size *n_bytes, Node *escontext)
{
#if PG_VERSION_NUM >= 160000
    *n_bytes = hex_decode_safe(digits, n, bytes, escontext);
    return !SOFT_ERROR_OCCURRED(escontext);
#else
    *n_bytes = hex_decode(digits, n, bytes);
    return true;
#endif
}

#include "storage/buffile.h"
#include "storage/shmem.h" /* add_size, mul_size: in palloc.h since the minor releases of 2026 only */
#include "utils/tuplesort.h"

/* Reads exactly `size` bytes; an error if the file is shorter. */
static inline void
buffile_read(BufFile *file, void *bytes, Size size)
{
#if PG_VERSION_NUM >= 160000
    BufFileReadExact(file, bytes, size);
#else
    if (BufFileRead(file, bytes, size) != size)
        ereport(ERROR,
                (errcode(ERRCODE_IO_ERROR), errmsg("could not read from temporary file: file is too short")));
#endif
}

static inline void
buffile_write(BufFile *file, const void *bytes, Size size)
{
#if PG_VERSION_NUM >= 160000
    BufFileWrite(file, bytes, size);
#else
    BufFileWrite(file, unconstify(void *, bytes), size);
#endif
}

/* sorting parameter: the result is read once, or more than once */
#if PG_VERSION_NUM >= 150000
#define CTR_SORT_READ_ONCE TUPLESORT_NONE
#define CTR_SORT_REREAD    TUPLESORT_RANDOMACCESS
#else
#define CTR_SORT_READ_ONCE false
#define CTR_SORT_REREAD    true
#endif

/* the next Datum, allocated where the type is by reference; false at the end */
static inline bool
tuplesort_next(Tuplesortstate *sort, Datum *value, bool *is_null)
{
#if PG_VERSION_NUM >= 160000
    return tuplesort_getdatum(sort, true, true, value, is_null, NULL);
#else
    return tuplesort_getdatum(sort, true, value, is_null, NULL);
#endif
}

#include "catalog/pg_proc.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "utils/acl.h"

/*
 * Can the whole row that this variable belongs to be NULL? It can on the inner side of an outer join:
 * since 16 the variable says so, before that any outer join in the query counts. It also can as the old or
 * new row of a RETURNING list (since 18).
 */
static inline bool
var_may_be_null(const List *rtable, const Var *var)
{
#if PG_VERSION_NUM >= 180000
    return var->varnullingrels != NULL || var->varreturningtype != VAR_RETURNING_DEFAULT;
#elif PG_VERSION_NUM >= 160000
    return var->varnullingrels != NULL;
#else
    const ListCell *cell;

    foreach (cell, rtable) {
        const RangeTblEntry *rte = lfirst(cell);

        if (rte->rtekind == RTE_JOIN && IS_OUTER_JOIN(rte->jointype))
            return true;
    }
    return false;
#endif
}

/* Has the transaction taken longer than transaction_timeout (since 17)? */
static inline bool
transaction_is_over(void)
{
#if PG_VERSION_NUM >= 170000
    return TransactionTimeoutPending;
#else
    return false;
#endif
}

#include "access/xlog.h"

/*
 * May the interrupt that waits be a conflict with a standby's recovery, which ends the query? Since 16
 * nobody outside of PostgreSQL can see which interrupt it is, but others are rare there; before, the
 * conflict is a cancel.
 */
static inline bool
recovery_may_conflict(void)
{
#if PG_VERSION_NUM >= 160000
    return RecoveryInProgress();
#else
    return false;
#endif
}

/* May the role call the function? ACL_ID_PUBLIC: may everybody? */
static inline bool
may_execute(Oid function, Oid role)
{
#if PG_VERSION_NUM >= 160000
    return object_aclcheck(ProcedureRelationId, function, role, ACL_EXECUTE) == ACLCHECK_OK;
#else
    return pg_proc_aclcheck(function, role, ACL_EXECUTE) == ACLCHECK_OK;
#endif
}

#if PG_VERSION_NUM >= 180000
#include "commands/explain_format.h"
#include "commands/explain_state.h"
#endif

#include "utils/backend_status.h"

/* A backend's status, from 1 to pgstat_fetch_stat_numbackends(); renamed in 16. */
static inline LocalPgBackendStatus *
backend_status_by_index(int i)
{
#if PG_VERSION_NUM >= 160000
    return pgstat_get_local_beentry_by_index(i);
#else
    return pgstat_fetch_stat_local_beentry(i);
#endif
}

#endif /* CTR_COMPAT_H */
