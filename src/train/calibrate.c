/*
 * calibrate.c: what the robust recipe does so that probabilities hold, not the ranking alone, also where rows
 * are few or one label is rare. The network starts by answering the labels' shares. After each epoch the last
 * bias is moved until the mean prediction is the mean label: batch normalisation's running statistics lag
 * behind weights that move, and can be wrong by several logits. Validation, and the result, see the moved
 * bias; the next epoch goes on with the trained one, because a training step normalises by its own batch.
 *
 * A network that has seen few rows of one label believes too much in what it knows of them. Its logits become
 * smaller in the end, by a part that is 1 once there are many. And it may know its training rows by heart:
 * then a bias that is right on average for them is wrong for new rows. By how much is told by what the best
 * epoch predicts for the rows that chance held back: on average it should be the mean label of all rows (that
 * of these rows is of too few). The result's bias is moved by that, too.
 */
#include "train/fit.h"

#include "miscadmin.h"

#include "nn/train/calibration.h"

/*
 * Training rows that the mean prediction is taken of: many for the result, fewer where epochs are
 * compared. A row that is only scored takes up to 0.4 of the time of one that trains: an eighth of the
 * rows are 5 % of an epoch at most.
 */
#define SAMPLE_LEAST   4096 /* for the result, or all there are */
#define SAMPLE_LARGEST 65536
#define SAMPLE_PART    32  /* of the training rows, one in so many */
#define EPOCH_LEAST    512 /* after an epoch */
#define EPOCH_PART     8
#define SAMPLE_LOGITS  ((Size)1024 * 1024)
#define GIVEN_ROWS     1000 /* that a given model counts as: few new rows say little of the mean label */
#define FEW_ROWS       5.0  /* of the rarer labels: with as many, logits are halved */
#define CLOSE_ENOUGH   1e-6 /* of a step, in logits */
#define STEPS_LARGEST  200

struct CtrCalibration {
    double *targets;       /* [max(n_classes, 2)]: the labels' shares are in proportion to these */
    float *bias, *trained; /* [n_classes]: the network's, and as training left it */
    bool moved;            /* they differ */
    bool given;            /* the network began as another model's */
    NnHeldBack held_back;  /* of the epoch's validation pass */
    double missing;        /* in the best epoch's bias, where rows have not been seen */
    int after_epoch;       /* rows of the sample that compares epochs */
    int n, room;           /* a random sample of the training rows, as the network sees it: */
    float *logits;         /* [room, n_classes] */
    float *weights;        /* [room] */
    double *shift;         /* [n_classes] */
    double *scratch;       /* [max(n_classes, 2)] */
};

static CtrCalibration *
calibration_create(const CtrFit *fit)
{
    MemoryContext old = MemoryContextSwitchTo(fit->context);
    const NnNet *net = &fit->model->net;
    const int classes = fit->options->net.n_classes;
    const int64 rows = dataset_rows(fit->dataset, false);
    CtrCalibration *c = palloc0(sizeof(CtrCalibration));

    c->bias = fit->model->params + net->params[net_last_bias(net)].offset;
    c->trained = palloc(sizeof(float) * classes);
    c->room = (int)Min(Min(Max(rows / SAMPLE_PART, SAMPLE_LEAST), SAMPLE_LARGEST), rows);
    c->room = (int)Min((Size)c->room, SAMPLE_LOGITS / classes);
    c->after_epoch = (int)Min(Max(rows / EPOCH_PART, EPOCH_LEAST), c->room);
    c->logits = palloc(sizeof(float) * classes * c->room);
    c->weights = palloc(sizeof(float) * c->room);
    c->shift = palloc0(sizeof(double) * classes);
    c->scratch = palloc(sizeof(double) * Max(classes, 2));
    c->targets = palloc(sizeof(double) * Max(classes, 2));
    MemoryContextSwitchTo(old);
    return c;
}

/* The pass's order is random, so its first rows are a sample. */
static void
take_sample(CtrFit *fit, CtrCalibration *c, int rows)
{
    const int classes = fit->options->net.n_classes;
    NnBatch batch;

    c->n = 0;
    dataset_start(fit->dataset, false, 0);
    while (c->n < rows) {
        dataset_next(fit->dataset, &batch);
        if (batch.rows == 0)
            break;
        batch.rows = Min(batch.rows, rows - c->n);
        fit_evaluate(fit, &batch);
        memcpy(c->logits + (Size)c->n * classes, fit->logits, sizeof(float) * classes * batch.rows);
        for (int i = 0; i < batch.rows; i++)
            c->weights[c->n + i] = batch.weight ? batch.weight[i] : 1.0f;
        c->n += batch.rows;
    }
}

/*
 * Labels of the training rows, and of those that chance has held back: the more, the surer. Rows of a
 * validation_column stay apart: a user may want to score them as rows that the model has never seen.
 */
static void
set_targets(const CtrFit *fit, CtrCalibration *c)
{
    const double *training = dataset_class_weights(fit->dataset, false);
    const double *held_back = dataset_class_weights(fit->dataset, true);

    for (int k = 0; k < Max(fit->options->net.n_classes, 2); k++)
        c->targets[k] = training[k] + (fit->options->validation_column ? 0 : held_back[k]);
}

/*
 * Adds to the targets what the model to go on from predicts for the training rows, as if it were GIVEN_ROWS
 * of them.
 */
static void
add_given(CtrFit *fit, CtrCalibration *c)
{
    const int classes = fit->options->net.n_classes;
    const double rows = (double)dataset_rows(fit->dataset, false);
    const double row = dataset_weight(fit->dataset, false) / rows; /* weighs so much on average */

    take_sample(fit, c, c->room);
    calibration_means(c->scratch, c->shift, c->logits, c->weights, c->n, classes);
    for (int k = 0; k < Max(classes, 2); k++)
        c->targets[k] += GIVEN_ROWS * row * c->scratch[k];
}

void
calibrate_weights(CtrModel *model, const double *class_weights)
{
    const CtrEncoder *encoder = model->encoder;
    const NnNet *net = &model->net;

    calibration_start_weights(net, model->params, encoder->n_num,
                              encoder->sums_statistics ? encoder->d_num - encoder->n_num - encoder->n_counted
                                                       : 0);
    calibration_start(model->params + net->params[net_last_bias(net)].offset, class_weights,
                      model->options.net.n_classes);
}

CtrCalibration *
calibrate_start(CtrFit *fit, const CtrModel *given)
{
    CtrCalibration *c = calibration_create(fit);
    const bool is_start = given && given->encoder->shared && given->weights == CTR_WEIGHTS_INITIAL;

    set_targets(fit, c);
    c->given = given && !is_start;
    if (c->given)
        add_given(fit, c);
    else if (!is_start)
        calibrate_weights(fit->model, c->targets);
    return c;
}

/* Moves the last bias until the mean prediction over so many rows is the mean label. */
static void
move_bias(CtrFit *fit, CtrCalibration *c, int rows)
{
    const int classes = fit->options->net.n_classes;

    take_sample(fit, c, rows);
    memset(c->shift, 0, sizeof(double) * classes);
    for (int i = 0; i < STEPS_LARGEST; i++) {
        CHECK_FOR_INTERRUPTS();
        if (calibration_step(c->shift, c->scratch, c->logits, c->weights, c->n, classes, c->targets) <
            CLOSE_ENOUGH)
            break;
    }
    for (int k = 0; k < classes; k++)
        c->bias[k] = (float)((double)c->bias[k] + c->shift[k]);
}

void
calibrate_epoch(CtrFit *fit)
{
    CtrCalibration *c = fit->calibration;

    memcpy(c->trained, c->bias, sizeof(float) * fit->options->net.n_classes);
    move_bias(fit, c, c->after_epoch);
    c->moved = true;
    c->held_back = (NnHeldBack){0};
}

/*
 * Rows of a validation_column need not be like those that train, so their mean prediction may rightly be
 * another. Several classes are left as they are: what was measured are clicks.
 */
void
calibrate_validation(CtrFit *fit, const NnBatch *batch)
{
    if (fit->options->net.n_classes == 1 && !fit->options->validation_column)
        held_back_add(&fit->calibration->held_back, fit->logits, batch->weight, batch->rows);
}

void
calibrate_best(CtrFit *fit)
{
    CtrCalibration *c = fit->calibration;

    c->missing = held_back_shift(&c->held_back, c->targets[1] / (c->targets[0] + c->targets[1]));
}

/* Rows of all labels but the commonest: clicks, where they are rare. */
static double
rare_rows(const CtrFit *fit)
{
    double all = 0, most = 0;

    for (int k = 0; k < Max(fit->options->net.n_classes, 2); k++) {
        const double rows = (double)dataset_class_rows(fit->dataset, false)[k] +
                            (double)dataset_class_rows(fit->dataset, true)[k];

        all += rows;
        most = Max(most, rows);
    }
    return all - most;
}

void
calibrate_result(CtrFit *fit)
{
    CtrCalibration *c = fit->calibration;
    const double rare = rare_rows(fit);

    if (!c->given)
        calibration_scale(&fit->model->net, fit->model->params, (float)(rare / (rare + FEW_ROWS)));
    if (!c->given || c->after_epoch < c->room)
        move_bias(fit, c, c->room);
    c->bias[0] += (float)c->missing;
}

void
calibrate_keep(CtrFit *fit)
{
    fit->calibration->moved = false;
}

void
calibrate_undo(CtrFit *fit)
{
    CtrCalibration *c = fit->calibration;

    if (c->moved)
        memcpy(c->bias, c->trained, sizeof(float) * fit->options->net.n_classes);
    c->moved = false;
}
