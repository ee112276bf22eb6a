/*
 * explain.c: ctr_explain: what each feature of a row contributes to its logit.
 */
#include "model/explain.h"

#include <math.h>

#include "utils/builtins.h"

#include "nn/denormals.h"
#include "score/score.h"
#include "srf.h"
#include "threads.h"

/* One call of ctr_explain in a query: lives in fn_extra. */
typedef struct ExplainCall {
    CtrSite *site;
    NnPool *pool;          /* of this thread alone: its runs can be interrupted */
    MemoryContext context; /* of the explainer */
    CtrExplainer *explainer;
    char digest[CTR_MODEL_DIGEST_SIZE + 1]; /* of its model; several may come in turn */
} ExplainCall;

static ExplainCall *
explain_call(FunctionCallInfo fcinfo)
{
    MemoryContext context = fcinfo->flinfo->fn_mcxt;
    ExplainCall *call = fcinfo->flinfo->fn_extra;

    if (call == NULL) {
        call = MemoryContextAllocZero(context, sizeof(ExplainCall));
        call->site = site_create(context, 1, false);
        call->pool = threads_create_pool(context, 1);
        call->context = AllocSetContextCreate(context, "ctr explain", ALLOCSET_DEFAULT_SIZES);
        fcinfo->flinfo->fn_extra = call;
    }
    return call;
}

/* The explainer of the site's model, which the cache may have unpacked anew. */
static CtrExplainer *
call_explainer(ExplainCall *call)
{
    const CtrModel *model = site_model(call->site);

    if (call->explainer != NULL && call->explainer->model == model &&
        memcmp(call->digest, model->digest, sizeof(call->digest)) == 0)
        return call->explainer;
    call->explainer = NULL;
    MemoryContextReset(call->context);
    call->explainer = explainer_create(model, call->context);
    memcpy(call->digest, model->digest, sizeof(call->digest));
    return call->explainer;
}

/* The logit that is asked for: class 1 of a model of one class has the only one. */
static int
argument_class(FunctionCallInfo fcinfo, const CtrModel *model)
{
    const int classes = model->options.net.n_classes, least = classes == 1;
    const int most = classes == 1 ? 1 : classes - 1;
    int k;

    if (PG_NARGS() < 3)
        return NN_PATH_BEST_CLASS;
    k = PG_GETARG_INT32(2);
    if (k < least || k > most)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        classes == 1 ? errmsg("class %d cannot be explained by a model of one class", k)
                                     : errmsg("class %d is none of the model's %d classes", k, classes),
                        classes == 1 ? errhint("Give class 1, or none.")
                                     : errhint("Give a class from 0 to %d, or none.", most)));
    return k - least;
}

/* What explainer_run takes, and its result. */
typedef struct ExplainRun {
    CtrExplainer *explainer;
    const float *x_num;
    const int32 *x_cat;
    int k;
    NnPath path;
} ExplainRun;

static void
explain_task(void *arg, int task, int worker)
{
    ExplainRun *run = arg;
    const uint64_t mode = denormals_keep();

    run->path = explainer_run(run->explainer, run->x_num, run->x_cat, run->k);
    denormals_restore(mode);
}

static void
check_finite(const CtrExplainer *e, const NnPath *path)
{
    const CtrEncoder *encoder = e->model->encoder;
    bool good = isfinite(path->from) && isfinite(path->to);

    for (int i = 0; i < encoder->n_num + encoder->n_cat; i++)
        good &= isfinite(e->features[i]);
    if (!good)
        ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
                        errmsg("the model gives a row a contribution that is not finite"),
                        errdetail("Products of its weights with the row's numbers pass what floats hold."),
                        errhint("Check where the model's weights come from, or train it again with "
                                "numerical_transform => 'quantile'.")));
}

/*
 * A category that the model does not know is rare if training left out those with too few rows, for then
 * it may have been among them.
 */
static const char *
status_name(const CtrModel *model, int feature, bool has_value, const int32 *x_cat)
{
    const int f = feature - model->encoder->n_num;

    if (!has_value)
        return "missing";
    if (f < 0 || x_cat[f] != CTR_CODE_UNSEEN)
        return "known";
    return model->options.min_count > 1 ? "rare" : "unseen";
}

static void
put_feature(Tuplestorestate *rows, TupleDesc desc, const ExplainCall *call, int i, const int32 *x_cat)
{
    const CtrExplainer *e = call->explainer;
    const char *bytes;
    uint32 length;
    const bool has_value = site_value(call->site, i, &bytes, &length);
    Datum values[5] = {0};
    bool nulls[5] = {false, !has_value, false, e->attention == NULL, false};

    values[0] = CStringGetTextDatum(e->model->encoder->features[i].name);
    if (has_value)
        values[1] = PointerGetDatum(cstring_to_text_with_len(bytes, (int)length));
    values[2] = CStringGetTextDatum(status_name(e->model, i, has_value, x_cat));
    if (e->attention != NULL)
        values[3] = Float8GetDatum(explainer_attention(e, i));
    values[4] = Float8GetDatum(e->features[i]);
    tuplestore_putvalues(rows, desc, values, nulls);
}

/* CREATE FUNCTION ctr_explain(ctr_model, record [, class integer]) RETURNS TABLE (feature, …) */
PG_FUNCTION_INFO_V1(ctr_explain);
Datum
ctr_explain(PG_FUNCTION_ARGS)
{
    TupleDesc desc;
    Tuplestorestate *rows = srf_begin(fcinfo, &desc);
    CtrRow row = row_of_record(PG_GETARG_HEAPTUPLEHEADER(1));
    ExplainCall *call = explain_call(fcinfo);
    ExplainRun run;

    site_use(call->site, PG_GETARG_DATUM(0), &row);
    site_take(call->site, &row, 0);
    model_check_insight(site_model(call->site));
    site_inputs(call->site, &run.x_num, &run.x_cat);
    run.explainer = call_explainer(call);
    run.k = argument_class(fcinfo, run.explainer->model);
    threads_run(call->pool, explain_task, &run, 1);
    check_finite(run.explainer, &run.path);
    for (int i = 0; i < run.explainer->model->encoder->n_num + run.explainer->model->encoder->n_cat; i++)
        put_feature(rows, desc, call, i, run.x_cat);
    return (Datum)0;
}
