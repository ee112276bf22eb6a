/*
 * evaluate.c: the aggregate ctr_evaluate, with its parallel halves. The arithmetic is in
 * nn/math/evaluation.c.
 */
#include "score/score.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"

#include "score/scores.h"
#include "nn/math/evaluation.h"

#define CLASSES_MOST 1000 /* as the option n_classes allows */

typedef struct Evaluation Evaluation;

/*
 * Rows of one call site that wait to be scored together. All of them belong to one aggregate state, and to
 * the model and row type that the site used last. When the memory context of that state is reset, its rows
 * are dropped from here (evaluation_forget).
 */
typedef struct EvaluationBlock {
    CtrSite *site;
    Evaluation *owner; /* the state that the waiting rows belong to; NULL: none wait */
    int n;
    int labels[NN_BLOCK];
} EvaluationBlock;

struct Evaluation {
    char digest[CTR_MODEL_DIGEST_SIZE]; /* of the model that scores its rows: one in a state */
    NnEvaluation sums;                  /* no rows in it: all labels so far were NULL */
    CtrScores scores;                   /* collected for models of one class only */
    MemoryContext context;
    EvaluationBlock *block; /* NULL in a state that only combines */
    MemoryContextCallback callback;
};

/*
 * A state as it is sent to another process; the counts of classes (class_rows of the sums) follow the
 * head.
 */
typedef struct EvaluationHead {
    char digest[CTR_MODEL_DIGEST_SIZE];
    NnEvaluation sums;
    int64 class_rows[FLEXIBLE_ARRAY_MEMBER];
} EvaluationHead;

static void
evaluation_forget(void *arg)
{
    Evaluation *e = arg;

    if (e->block->owner == e)
        e->block->owner = NULL;
}

/* digest: of the model; block: of the call site that brings rows, NULL in a state that only combines */
static Evaluation *
evaluation_create(MemoryContext context, const char *digest, int classes, EvaluationBlock *block)
{
    Evaluation *e = MemoryContextAllocZero(context, sizeof(Evaluation));

    memcpy(e->digest, digest, CTR_MODEL_DIGEST_SIZE);
    e->sums.classes = classes;
    e->sums.class_rows = MemoryContextAllocZero(context, sizeof(int64) * Max(classes, 2));
    e->context = context;
    e->block = block;
    if (block != NULL) {
        e->callback.func = evaluation_forget;
        e->callback.arg = e;
        MemoryContextRegisterResetCallback(context, &e->callback);
    }
    return e;
}

/* All rows of a state must have the same model: numbers over several models would describe none of them. */
static void
evaluation_check_model(const Evaluation *e, const char *digest)
{
    if (memcmp(e->digest, digest, CTR_MODEL_DIGEST_SIZE) != 0)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("ctr_evaluate has several models in one group"),
                        errhint("Evaluate each by itself: GROUP BY the model, or by a column that tells the "
                                "models apart.")));
}

/* Scores the waiting rows and adds them to the sums of their state. */
static void
block_score(EvaluationBlock *block)
{
    Evaluation *e = block->owner;
    const int classes = e->sums.classes;
    const float *logits = site_score(block->site, block->n);

    block->owner = NULL;
    for (int i = 0; i < block->n; i++, logits += classes) {
        evaluation_add(&e->sums, logits, block->labels[i]);
        if (classes == 1)
            scores_add(&e->scores, e->context, logits[0], block->labels[i], 1);
    }
}

/* Must be called before a state is read: some of its rows may still wait. */
static void
evaluation_complete(Evaluation *e)
{
    if (e->block != NULL && e->block->owner == e)
        block_score(e->block);
}

static EvaluationBlock *
evaluation_block(FunctionCallInfo fcinfo)
{
    if (fcinfo->flinfo->fn_extra == NULL) {
        MemoryContext context = fcinfo->flinfo->fn_mcxt;
        EvaluationBlock *block = MemoryContextAllocZero(context, sizeof(EvaluationBlock));

        block->site = site_create(context, NN_BLOCK, true);
        fcinfo->flinfo->fn_extra = block;
    }
    return fcinfo->flinfo->fn_extra;
}

/* Adds the row that the site took last to those that wait. */
static void
block_add(EvaluationBlock *block, Evaluation *e, int label)
{
    if (block->owner == NULL)
        block->n = 0;
    block->owner = e;
    block->labels[block->n++] = label;
    if (block->n == site_capacity(block->site))
        block_score(block);
}

/* A state without rows is NULL, because then a parallel worker has nothing to serialize. */
static Datum
evaluation_datum(FunctionCallInfo fcinfo, const Evaluation *e)
{
    if (e == NULL)
        PG_RETURN_NULL();
    PG_RETURN_POINTER(e);
}

/* The label of the row that the site took last; false: NULL. */
static bool
evaluation_label(const CtrSite *site, int *label)
{
    if (!site_has_label(site))
        ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN),
                        errmsg("label column \"%s\" is missing in the rows to evaluate",
                               site_model(site)->options.label)));
    return site_label(site, label);
}

/* Do rows of this state wait at its call site, for the same model and row type? */
static bool
block_continues(const EvaluationBlock *block, const Evaluation *e, Datum model, const CtrRow *row)
{
    return block->owner == e && site_has_model(block->site, model) && site_has_type(block->site, row);
}

/* CREATE FUNCTION ctr_evaluate_transition(internal, ctr_model, record) RETURNS internal */
PG_FUNCTION_INFO_V1(ctr_evaluate_transition);
Datum
ctr_evaluate_transition(PG_FUNCTION_ARGS)
{
    MemoryContext context = aggregate_context(fcinfo);
    Evaluation *e = PG_ARGISNULL(0) ? NULL : (Evaluation *)PG_GETARG_POINTER(0);
    EvaluationBlock *block;
    const CtrModel *model;
    CtrRow row;
    CtrSite *site;
    int label;

    if (PG_ARGISNULL(1) || PG_ARGISNULL(2))
        return evaluation_datum(fcinfo, e);
    block = evaluation_block(fcinfo);
    site = block->site;
    row = row_of_record(PG_GETARG_HEAPTUPLEHEADER(2));
    if (block->owner != NULL && !block_continues(block, e, PG_GETARG_DATUM(1), &row))
        block_score(block);
    site_use(site, PG_GETARG_DATUM(1), &row);
    model = site_model(site);
    if (e == NULL)
        e = evaluation_create(context, model->digest, model->options.net.n_classes, block);
    evaluation_check_model(e, model->digest);
    site_take(site, &row, block->owner ? block->n : 0);
    if (evaluation_label(site, &label))
        block_add(block, e, label);
    PG_RETURN_POINTER(e);
}

/* Adds a state to another one, which may be NULL and is in `context`. */
static Evaluation *
evaluation_add_state(Evaluation *into, const Evaluation *from, MemoryContext context)
{
    if (into == NULL)
        into = evaluation_create(context, from->digest, from->sums.classes, NULL);
    evaluation_check_model(into, from->digest);
    evaluation_merge(&into->sums, &from->sums);
    scores_append(&into->scores, context, &from->scores);
    return into;
}

PG_FUNCTION_INFO_V1(ctr_evaluate_combine);
Datum
ctr_evaluate_combine(PG_FUNCTION_ARGS)
{
    MemoryContext context = aggregate_context(fcinfo);
    Evaluation *into = PG_ARGISNULL(0) ? NULL : (Evaluation *)PG_GETARG_POINTER(0);
    const Evaluation *from = PG_ARGISNULL(1) ? NULL : (Evaluation *)PG_GETARG_POINTER(1);

    /* no rows of either wait: each has been deserialized or made here */
    if (from == NULL)
        return evaluation_datum(fcinfo, into);
    PG_RETURN_POINTER(evaluation_add_state(into, from, context));
}

PG_FUNCTION_INFO_V1(ctr_evaluate_serialize);
Datum
ctr_evaluate_serialize(PG_FUNCTION_ARGS)
{
    Evaluation *e = (Evaluation *)PG_GETARG_POINTER(0);
    Size counts = sizeof(int64) * Max(e->sums.classes, 2);
    EvaluationHead *head = palloc0(offsetof(EvaluationHead, class_rows) + counts);

    aggregate_context(fcinfo);
    evaluation_complete(e);
    memcpy(head->digest, e->digest, CTR_MODEL_DIGEST_SIZE);
    head->sums = e->sums;
    head->sums.class_rows = NULL;
    memcpy(head->class_rows, e->sums.class_rows, counts);
    PG_RETURN_BYTEA_P(scores_serialize(head, offsetof(EvaluationHead, class_rows) + counts, &e->scores));
}

/* The state that ctr_evaluate_serialize wrote, in the current context. */
static Evaluation *
evaluation_read(bytea *bytes)
{
    EvaluationHead *head, fixed;
    Evaluation *e;
    int64 *class_rows;
    Size counts;

    memcpy(&fixed, VARDATA_ANY(bytes), sizeof(fixed));
    counts = sizeof(int64) * Max(fixed.sums.classes, 2);
    head = palloc(offsetof(EvaluationHead, class_rows) + counts);
    e = evaluation_create(CurrentMemoryContext, fixed.digest, fixed.sums.classes, NULL);
    scores_deserialize(bytes, head, offsetof(EvaluationHead, class_rows) + counts, &e->scores);
    class_rows = e->sums.class_rows;
    memcpy(class_rows, head->class_rows, counts);
    e->sums = head->sums;
    e->sums.class_rows = class_rows;
    return e;
}

PG_FUNCTION_INFO_V1(ctr_evaluate_deserialize);
Datum
ctr_evaluate_deserialize(PG_FUNCTION_ARGS)
{
    aggregate_context(fcinfo);
    PG_RETURN_POINTER(evaluation_read(PG_GETARG_BYTEA_PP(0)));
}

/* ------------------------------------------------------------------ parts, evaluated elsewhere */

/* Do the sums count as many rows as there are scores? The head is checked before the rest is read. */
static bool
part_is_sound(const bytea *bytes)
{
    const Size size = VARSIZE_ANY_EXHDR(bytes);
    EvaluationHead head;
    Size begin;
    int64 rows = 0, count;

    if (size < sizeof(head))
        return false;
    memcpy(&head, VARDATA_ANY(bytes), sizeof(head));
    if (head.sums.classes < 1 || head.sums.classes > CLASSES_MOST || head.sums.rows < 0 ||
        head.sums.rows > (int64)MaxAllocSize || head.sums.correct < 0 || head.sums.correct > head.sums.rows ||
        !isfinite(head.sums.loss) || !isfinite(head.sums.predicted))
        return false;
    begin = offsetof(EvaluationHead, class_rows) + sizeof(int64) * Max(head.sums.classes, 2);
    if (size != begin + (head.sums.classes == 1 ? sizeof(NnScore) * head.sums.rows : 0))
        return false;
    for (int k = 0; k < Max(head.sums.classes, 2); k++) {
        memcpy(&count, VARDATA_ANY(bytes) + offsetof(EvaluationHead, class_rows) + sizeof(int64) * k,
               sizeof(count));
        if (count < 0 || count > head.sums.rows)
            return false;
        rows += count;
    }
    return rows == head.sums.rows;
}

static bool
scores_are_sound(const CtrScores *scores)
{
    for (int64 i = 0; i < scores->n; i++) {
        const NnScore *score = &scores->items[i];

        ctr_pause_at(i);
        if (!isfinite(score->score) || !(score->label == 0 || score->label == 1) || score->weight != 1)
            return false;
    }
    return true;
}

/* CREATE FUNCTION ctr_evaluate_merge_transition(internal, bytea) RETURNS internal */
PG_FUNCTION_INFO_V1(ctr_evaluate_merge_transition);
Datum
ctr_evaluate_merge_transition(PG_FUNCTION_ARGS)
{
    MemoryContext context = aggregate_context(fcinfo);
    Evaluation *into = PG_ARGISNULL(0) ? NULL : (Evaluation *)PG_GETARG_POINTER(0);
    const Evaluation *part = NULL;
    bytea *bytes;

    if (PG_ARGISNULL(1))
        return evaluation_datum(fcinfo, into);
    bytes = PG_GETARG_BYTEA_PP(1);
    if (part_is_sound(bytes))
        part = evaluation_read(bytes);
    if (part == NULL || !scores_are_sound(&part->scores) ||
        (into != NULL && into->sums.classes != part->sums.classes &&
         memcmp(into->digest, part->digest, CTR_MODEL_DIGEST_SIZE) == 0))
        ereport(ERROR,
                (errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
                 errmsg("this is not what ctr_evaluate_part gives"),
                 errhint("Parts are merged on machines of the same kind as those that evaluated them.")));
    return evaluation_datum(fcinfo, evaluation_add_state(into, part, context));
}

static Datum
nullable(double value, bool *null)
{
    *null = isnan(value);
    return Float8GetDatum(value);
}

/* CREATE FUNCTION ctr_evaluate_final(internal) RETURNS ctr_evaluation: NULL without rows */
PG_FUNCTION_INFO_V1(ctr_evaluate_final);
Datum
ctr_evaluate_final(PG_FUNCTION_ARGS)
{
    Evaluation *e = PG_ARGISNULL(0) ? NULL : (Evaluation *)PG_GETARG_POINTER(0);
    TupleDesc desc;
    Datum values[6];
    bool nulls[6] = {false};
    double rows;

    if (e != NULL)
        evaluation_complete(e);
    if (e == NULL || e->sums.rows == 0) {
        aggregate_warn_empty(fcinfo, "ctr_evaluate has no rows to evaluate",
                             e != NULL ? "The label is NULL in all rows."
                                       : "There is no row, or the model is NULL in all rows.");
        PG_RETURN_NULL();
    }
    if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
        elog(ERROR, "return type must be a row type");
    rows = (double)e->sums.rows;
    values[0] = Int64GetDatum(e->sums.rows);
    values[1] = nullable(e->sums.loss / rows, &nulls[1]);
    values[2] = nullable(e->sums.classes == 1 ? scores_auc(&e->scores) : NAN, &nulls[2]);
    values[3] = nullable((double)e->sums.correct / rows, &nulls[3]);
    values[4] = nullable(evaluation_normalized_entropy(&e->sums), &nulls[4]);
    values[5] = nullable(evaluation_calibration(&e->sums), &nulls[5]);
    PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
