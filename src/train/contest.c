/*
 * contest.c: trains a model, in one setting of its options or in several, of which validation rows choose
 * one. The option "candidates" says how many; options/candidates.c which.
 *
 * The rows are encoded once. Settings are trained one after the other, each like a training of its own up to
 * its best epoch and, where the rate falls in the end, two epochs further: what they are worth then is what
 * counts. One that falls behind the best so far is not trained to its end, and no setting gets more epochs
 * than SPARE_SETTINGS leaves it. Of two the better is kept. So the result is, to the bit, what a training
 * with the options of the chosen setting gives, and memory is that of one training and a model or two.
 */
#include "train/fit.h"

#include <math.h>

#include "encode/encoder.h"

/* k settings may take so many times more than k times the steps of a training in the first one alone. */
#define SPARE_SETTINGS 0.5

typedef struct Contender {
    CtrModel *model;
    CtrFit *fit;
    CtrHistory history;
    CtrListeners listeners; /* this one */
    const CtrListeners *outer;
    bool trial; /* what happens is only for the comparison */
    CtrTried tried;
} Contender;

/* What happens in a setting: its epochs are its own history; who listens to the training hears of it all. */
static void
contender_hear(void *arg, const CtrEvent *event)
{
    Contender *c = arg;
    CtrEvent passed_on = *event;

    if (!c->fit->judging)
        history_hear(&c->history, event);
    passed_on.trial = c->trial;
    listeners_tell(c->outer, &passed_on);
}

static Contender *
contender_create(CtrModel *model, CtrDataset *dataset, const CtrModel *given, NnPool *pool,
                 const CtrListeners *outer, instr_time start)
{
    Contender *c = MemoryContextAllocZero(model->context, sizeof(Contender));

    c->model = model;
    c->outer = outer;
    c->history = history_begin(model, given);
    listeners_add(&c->listeners, contender_hear, c);
    c->fit = fit_create(model, dataset, given, pool, &c->listeners, start);
    return c;
}

/* Trains it up to where settings are compared. */
static void
contender_run(Contender *c, const CtrModel *given)
{
    CtrFit *fit = c->fit;

    dataset_narrow(fit->dataset, c->model->encoder->d_num);
    if (fit->options->recipe == CTR_RECIPE_ROBUST && (fit->options->epochs > 0 || given == NULL))
        fit->calibration = calibrate_start(fit, given);
    if (fit->options->epochs > 0)
        fit_run(fit);
}

static void
contender_judge(Contender *c, const char *name)
{
    CtrEpoch judged;

    c->tried = (CtrTried){.name = pstrdup(name), .epochs = c->fit->epoch, .val_loss = NAN, .val_auc = NAN};
    if (!fit_has_best(c->fit) || c->fit->diverged)
        return;
    c->trial = true;
    judged = c->fit->behind ? c->fit->best_metrics : fit_judge(c->fit);
    c->tried.val_loss = judged.val_loss;
    c->tried.val_auc = judged.val_auc;
    fit_end_trainer(c->fit);
}

/* The lower log loss of validation rows; where it is the same, the higher AUC. */
static bool
is_better(const CtrTried *a, const CtrTried *b)
{
    if (isnan(a->val_loss) || isnan(b->val_loss))
        return isnan(b->val_loss) && !isnan(a->val_loss);
    return a->val_loss < b->val_loss || (a->val_loss == b->val_loss && a->val_auc > b->val_auc);
}

/* A model of the same rows as another one, in another setting. encoder: the first setting's */
static CtrModel *
model_with_options(const CtrModel *other, CtrEncoder *encoder, const CtrOptions *options)
{
    MemoryContext context = AllocSetContextCreate(encoder->context, "ctr model", ALLOCSET_DEFAULT_SIZES);
    CtrModel *model = MemoryContextAlloc(context, sizeof(CtrModel));

    *model = *other;
    model->context = context;
    model->options = *options;
    model->encoder = encoder;
    if (!options->cross_counts && encoder->n_counted > 0)
        model->encoder = encoder_without_counts(encoder, options, context);
    model_create_net(model, NULL);
    insight_create(model);
    return model;
}

/* The settings that are compared. */
typedef struct Contest {
    Contender *best;
    CtrTried *tried; /* [n], as the model keeps them: in the context of the encoder, which all models share */
    int n, chosen;
    int64 steps;      /* trained so far */
    int64 alone;      /* of a training in the first setting, without a comparison */
    int64 judge, end; /* of a cooldown for the comparison, and of the one of the result */
} Contest;

/* Takes part in the comparison, and is freed, or the best so far is, with its model. */
static void
contest_enter(Contest *contest, Contender *c)
{
    Contender *worse = c;

    contest->steps += c->fit->steps;
    contest->tried[contest->n] = c->tried;
    if (!c->fit->behind && is_better(&c->tried, &contest->best->tried)) {
        worse = contest->best;
        contest->best = c;
        contest->chosen = contest->n;
    }
    contest->n++;
    MemoryContextDelete(worse->model->context);
}

/*
 * The next setting besides the first, from the i-th on, as options to start with; its name, or NULL: there is
 * none. One that leaves out what the rows do not have would be the first again.
 */
static const char *
next_setting(const CtrOptions *first, const CtrEncoder *encoder, int *i, CtrOptions *options)
{
    const char *name;

    do {
        *options = *first;
        name = candidate_apply(options, (*i)++);
    } while (name != NULL && options->cross_counts != first->cross_counts && encoder->n_counted == 0);
    return name;
}

/* Before the first setting is judged: what its training takes, and what comes after the epochs of each. */
static void
contest_measure(Contest *contest, const CtrFit *first)
{
    const CtrOptions *options = first->options;
    const int64 rows = dataset_rows(first->dataset, false), held_back = dataset_rows(first->dataset, true);
    const int epochs = schedule_cooldown_epochs(options->lr_schedule, options->epochs);

    contest->judge = epochs * fit_epoch_steps(first, rows);
    /* where the rows that judge never train, the cooldown that is judged gives the result */
    contest->end = options->validation_column == NULL ? epochs * fit_epoch_steps(first, rows + held_back) : 0;
    contest->alone = first->steps + Max(contest->judge, contest->end);
}

/*
 * Limits the next setting to the epochs that are left for it, which its name then says. false: not one is.
 * The bound is in steps, not in seconds, so that the same rows give the same result.
 */
static bool
contest_limit(const Contest *contest, CtrOptions *options, const char **name)
{
    const CtrFit *fit = contest->best->fit;
    const double most = (contest->n + 1 + SPARE_SETTINGS) * (double)contest->alone;
    const double left = most - (double)(contest->steps + contest->judge + contest->end);
    const int epochs =
        (int)fmin(left / (double)fit_epoch_steps(fit, dataset_rows(fit->dataset, false)), options->epochs);
    const int all = epochs + schedule_cooldown_epochs(options->lr_schedule, options->epochs);

    if (all < options->epochs) {
        options->epochs = all;
        *name = psprintf("%s, epochs => %d", *name, all);
    }
    return epochs > 0;
}

/* Are there rows to choose by, and another setting? */
static bool
is_contested(const Contender *first, bool given)
{
    const CtrModel *model = first->model;
    CtrOptions options;
    int i = 0;

    return model->options.candidates > 1 && !given && first->fit->best != NULL &&
           next_setting(&model->options, model->encoder, &i, &options) != NULL;
}

/* Trains other settings than the first, too, and returns the best of all. */
static Contender *
contest_run(Contender *first, CtrDataset *dataset, NnPool *pool)
{
    const CtrOptions options = first->model->options;
    CtrEncoder *encoder = first->model->encoder;
    MemoryContext old = MemoryContextSwitchTo(encoder->context);
    Contest contest = {.best = first, .tried = palloc(sizeof(CtrTried) * options.candidates), .n = 1};
    CtrOptions changed;
    const char *name;
    int next = 0;

    contest_measure(&contest, first->fit);
    contender_judge(first, "first");
    contest.tried[0] = first->tried;
    contest.steps = first->fit->steps;
    while (contest.n < options.candidates && !contest.best->fit->out_of_time &&
           (name = next_setting(&options, encoder, &next, &changed)) != NULL &&
           contest_limit(&contest, &changed, &name)) {
        const Contender *best = contest.best;
        CtrModel *model = model_with_options(best->model, encoder, &changed);
        Contender *c = contender_create(model, dataset, NULL, pool, best->outer, best->fit->start);

        c->trial = true;
        c->fit->steps_before = contest.steps;
        c->fit->rival = best->fit;
        contender_run(c, NULL);
        contender_judge(c, name);
        contest_enter(&contest, c);
    }
    contest.best->model->tried = contest.tried;
    contest.best->model->n_tried = contest.n;
    contest.best->model->chosen = contest.chosen;
    dataset_narrow(dataset, contest.best->model->encoder->d_num);
    MemoryContextSwitchTo(old);
    return contest.best;
}

CtrModel *
model_fit(CtrModel *model, CtrDataset *dataset, const CtrModel *given, NnPool *pool,
          const CtrListeners *listeners)
{
    instr_time start;
    Contender *c;
    bool contested;

    INSTR_TIME_SET_CURRENT(start);
    fit_check_size(model, dataset, pool);
    c = contender_create(model, dataset, given, pool, listeners, start);
    contested = is_contested(c, given != NULL);
    if (contested)
        c->fit->steps_planned *= model->options.candidates;
    listeners_tell(&c->listeners,
                   &(CtrEvent){.kind = CTR_EVENT_FIT_BEGINS, .model = model, .dataset = dataset});
    contender_run(c, given);
    if (contested && !c->fit->diverged && !c->fit->out_of_time) {
        c = contest_run(c, dataset, pool);
        c->trial = false;
        listeners_tell(&c->listeners, &(CtrEvent){.kind = CTR_EVENT_CHOSEN,
                                                  .model = c->model,
                                                  .dataset = dataset,
                                                  .epoch = c->fit->schedule.best_epoch,
                                                  .metrics = &c->fit->best_metrics,
                                                  .watches_auc = c->fit->schedule.maximize});
    }
    model = fit_finish(c->fit) ? c->model : NULL;
    MemoryContextDelete(c->fit->context);
    return model;
}
