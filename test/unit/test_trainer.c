/*
 * test_trainer.c: whole steps: the same bits for any number of threads and after interrupts, batches of odd
 * sizes, evaluation and scoring agree, clipping, many blocks, long trainings, dropout's coins, denormals, and
 * a planted model is learnt.
 */
#include <signal.h>
#include <stdatomic.h>
#include <sys/time.h>

#include "unit.h"

#include "nn/train/adam.h"

#define N_NUM 5
#define N_CAT 4
#define ROWS  600

#define MOST_CLASSES 3

static const int categories[N_CAT] = {50, 7, 3, 1000};
static atomic_bool interrupt;

static atomic_int looks_left; /* after so many an interrupt comes; 0: never */

static bool
interrupted_now(void)
{
    if (looks_left > 0 && atomic_fetch_sub(&looks_left, 1) == 1)
        interrupt = true;
    return interrupt;
}

typedef struct Run {
    UnitMemory memory;
    NnNet net;
    float *params;
    NnPool *pool;
    NnTrainer *trainer;
} Run;

static NnConfig
small_config(void)
{
    return (NnConfig){.architecture = NN_DEEPCROSS,
                      .n_classes = 1,
                      .n_mlp = 2,
                      .mlp_layers = {24, 12},
                      .mlp_dropout = 0.25f,
                      .cross_type = NN_CROSS_MATRIX,
                      .n_cross = 2,
                      .d_embed_max = 8,
                      .stacked = true,
                      .n_num = N_NUM,
                      .n_cat = N_CAT,
                      .categories = categories};
}

static void
run_create_with(Run *run, const NnConfig *config, int threads, int rows, const NnHyper *hyper)
{
    NnAlloc alloc;

    *run = (Run){0};
    alloc = unit_alloc(&run->memory);
    CHECK(net_create(&run->net, config, alloc) == NN_OK);
    run->params = alloc.alloc(alloc.owner, run->net.n_block * sizeof(float));
    net_init(&run->net, run->params, 0, 1, NULL);
    run->pool = pool_create(alloc, threads, interrupted_now);
    CHECK(trainer_create(&run->trainer, &run->net, run->params, hyper, rows, run->pool, alloc) == NN_OK);
}

static void
run_create(Run *run, const NnConfig *config, int threads, float clip_norm)
{
    NnHyper hyper = {.weight_decay = 1e-3f,
                     .embedding_decay = 1e-3f,
                     .beta1 = 0.9f,
                     .beta2 = 0.999f,
                     .epsilon = 1e-8f,
                     .clip_norm = clip_norm,
                     .seed = 11};

    run_create_with(run, config, threads, ROWS, &hyper);
}

static void
run_release(Run *run)
{
    pool_stop(run->pool);
    unit_release(&run->memory);
}

typedef struct Data {
    float x_num[ROWS * N_NUM], label[ROWS], weight[ROWS];
    int32_t x_cat[N_CAT * ROWS];
} Data;

/* the label follows a product of two fields' effects, which no linear model can reach, and a number */
static NnBatch
make_data(Data *data, int rows, uint64_t seed)
{
    NnRng rng;

    rng_seed(&rng, 99, seed);
    for (int i = 0; i < rows * N_NUM; i++)
        data->x_num[i] = (float)rng_uniform(&rng);
    for (int f = 0; f < N_CAT; f++)
        for (int r = 0; r < rows; r++)
            data->x_cat[f * ROWS + r] = (int32_t)rng_below(&rng, (uint64_t)categories[f]);
    for (int r = 0; r < rows; r++) {
        double a = data->x_cat[1 * ROWS + r] % 2 ? 1 : -1, b = data->x_cat[2 * ROWS + r] - 1;
        double logit = 3 * a * b + 2 * (double)data->x_num[r * N_NUM] - 1;

        data->label[r] = rng_uniform(&rng) < 1 / (1 + exp(-logit));
        data->weight[r] = (float)(1 + r % 3);
    }
    return (NnBatch){.rows = rows,
                     .x_num = data->x_num,
                     .x_cat = data->x_cat,
                     .ld_cat = ROWS,
                     .label = data->label,
                     .weight = data->weight,
                     .mean_weight = 2};
}

/* ------------------------------------------------------------------ same bits */

typedef struct Outcome {
    double loss;
    float logits[ROWS * MOST_CLASSES];
    float *params; /* a copy of the block */
    size_t size;
} Outcome;

static const int batch_rows[] = {ROWS, 1, 64, 129, 520, ROWS, 17, ROWS};

/* Steps over batches of odd sizes, repeated until they are not interrupted. Returns how often they were. */
static int
train_some(Run *run, Outcome *outcome)
{
    static Data data;
    int interrupted = 0;

    outcome->loss = 0;
    for (int s = 0; s < 8; s++) {
        NnBatch batch = make_data(&data, batch_rows[s], (uint64_t)s);
        NnStatus status;
        double loss;

        while ((status = trainer_step(run->trainer, &batch, 0.01f / (float)(1 + s % 3), &loss,
                                      outcome->logits)) == NN_INTERRUPTED) {
            interrupt = 0;
            interrupted++;
        }
        CHECK(status == NN_OK);
        interrupt = 0;
        outcome->loss += loss;
    }
    CHECK(trainer_steps(run->trainer) == 8);
    CHECK(trainer_sync(run->trainer) == NN_OK);
    outcome->size = run->net.n_block * sizeof(float);
    outcome->params = malloc(outcome->size);
    memcpy(outcome->params, run->params, outcome->size);
    return interrupted;
}

static void
check_same(Outcome *a, const Outcome *b)
{
    CHECK(a->loss == b->loss && isfinite(a->loss));
    CHECK(memcmp(a->logits, b->logits, sizeof(a->logits)) == 0);
    CHECK(a->size == b->size && memcmp(a->params, b->params, a->size) == 0);
    free(a->params);
}

static void
check_threads(const NnConfig *config, float clip_norm)
{
    static const int threads[] = {1, 2, 3, 8};
    static Outcome first, other;

    for (int i = 0; i < 4; i++) {
        Run run;

        run_create(&run, config, threads[i], clip_norm);
        CHECK(train_some(&run, i == 0 ? &first : &other) == 0);
        if (i > 0)
            check_same(&other, &first);
        run_release(&run);
    }
    free(first.params);
}

static void
same_bits_for_any_threads(void)
{
    NnConfig config = small_config();

    check_threads(&config, 0);
    check_threads(&config, 0.1f);
    config.cross_type = NN_CROSS_MIX;
    config.n_experts = 2;
    config.low_rank = 4;
    config.n_classes = MOST_CLASSES;
    check_threads(&config, 0);
    for (NnBilinearType type = NN_FIELD_INTERACTION; type <= NN_FIELD_ALL; type++) {
        config = small_config();
        config.architecture = NN_FIBINET;
        config.bilinear_type = type;
        config.d_embed = 4;
        config.reduction_ratio = 3;
        check_threads(&config, 0);
    }
    for (int i = 0; i < 4; i++) {
        config = small_config();
        config.architecture = i % 2 ? NN_WIDE_DEEP : NN_DEEPFM;
        config.n_classes = i / 2 ? MOST_CLASSES : 1;
        config.d_embed = 4;
        check_threads(&config, 0);
    }
}

static NnLayerType wrapped_type;
static void (*wrapped)(const NnLayer *l, const NnBlock *b);
static atomic_int countdown;

/* raises the flag at the countdown's end, then every 40 blocks */
static void
interrupting_pass(const NnLayer *l, const NnBlock *b)
{
    if (atomic_fetch_sub(&countdown, 1) == 1) {
        interrupt = 1;
        atomic_store(&countdown, 40);
    }
    wrapped(l, b);
}

static void
interrupted_steps_leave_no_trace(void)
{
    static Outcome first, other;
    NnConfig config = small_config();
    int interrupted = 0;
    Run run;

    run_create(&run, &config, 1, 0.1f);
    train_some(&run, &first);
    for (int layer = 0; layer < run.net.n_layers; layer++) {
        for (int way = 0; way < 2; way++) {
            Run again;
            NnLayer *l;

            run_create(&again, &config, 2, 0.1f);
            l = &again.net.layers[layer];
            if (way == 1 && !l->type->backward) {
                run_release(&again);
                continue;
            }
            wrapped_type = *l->type;
            wrapped = way == 0 ? wrapped_type.forward : wrapped_type.backward;
            *(way == 0 ? &wrapped_type.forward : &wrapped_type.backward) = interrupting_pass;
            l->type = &wrapped_type;
            atomic_store(&countdown, 1 + layer);
            interrupted += train_some(&again, &other);
            check_same(&other, &first);
            run_release(&again);
        }
    }
    CHECK(interrupted > 10);
    free(first.params);
    run_release(&run);
}

/* an interrupt at each look of a step, one after the other: also between what moves the parameters */
static void
every_look_leaves_no_trace(void)
{
    static Data data;
    static Outcome first, other;
    NnConfig config = small_config();
    NnBatch batch = make_data(&data, ROWS, 0);
    int look = 0, interrupted;
    double loss, again;
    Run runs[2];

    config.n_mlp = 2; /* several pieces of dense parameters are updated one after the other */
    config.mlp_layers[0] = config.mlp_layers[1] = 100;
    for (int i = 0; i < 2; i++)
        run_create(&runs[i], &config, 1, 0.1f);
    do {
        CHECK(trainer_step(runs[0].trainer, &batch, 0.01f, &loss, first.logits) == NN_OK);
        atomic_store(&looks_left, ++look);
        interrupted = 0;
        while (trainer_step(runs[1].trainer, &batch, 0.01f, &again, other.logits) == NN_INTERRUPTED) {
            interrupt = 0;
            interrupted++;
        }
        atomic_store(&looks_left, 0);
        CHECK(loss == again);
    } while (interrupted > 0);
    CHECK(look > 20);
    for (int i = 0; i < 2; i++)
        CHECK(trainer_sync(runs[i].trainer) == NN_OK);
    CHECK(memcmp(runs[0].params, runs[1].params, runs[0].net.n_block * sizeof(float)) == 0);
    for (int i = 0; i < 2; i++)
        run_release(&runs[i]);
}

static void
raise_flag(int signal)
{
    (void)signal;
    interrupt = 1;
}

/* an alarm at a random moment of a step, as a server's cancel comes: also while parameters move */
static void
alarms_leave_no_trace(void)
{
    static Data data;
    static Outcome first, other;
    NnConfig config = small_config();
    NnBatch batch = make_data(&data, ROWS, 0);
    int interrupted = 0;
    double loss, again;
    NnRng rng;
    Run runs[2];

    rng_seed(&rng, 8, 0);
    signal(SIGALRM, raise_flag);
    for (int i = 0; i < 2; i++)
        run_create(&runs[i], &config, 2, 0);
    for (int s = 0; s < 300; s++) {
        struct timeval start, end;
        struct itimerval alarm = {{0, 0}, {0, 0}};
        int64_t step_time;

        gettimeofday(&start, NULL);
        CHECK(trainer_step(runs[0].trainer, &batch, 0.01f, &loss, first.logits) == NN_OK);
        gettimeofday(&end, NULL);
        step_time = 1000000 * (end.tv_sec - start.tv_sec) + end.tv_usec - start.tv_usec;
        alarm.it_value.tv_usec =
            1 + (long)rng_below(&rng, (uint64_t)(step_time < 900000 ? step_time + 1 : 900000));
        setitimer(ITIMER_REAL, &alarm, NULL);
        while (trainer_step(runs[1].trainer, &batch, 0.01f, &again, other.logits) == NN_INTERRUPTED) {
            interrupt = 0;
            interrupted++;
        }
        setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {0, 0}}, NULL);
        interrupt = 0;
        CHECK(loss == again);
    }
    CHECK(interrupted > 0);
    for (int i = 0; i < 2; i++)
        CHECK(trainer_sync(runs[i].trainer) == NN_OK);
    CHECK(memcmp(runs[0].params, runs[1].params, runs[0].net.n_block * sizeof(float)) == 0);
    CHECK(memcmp(first.logits, other.logits, sizeof(first.logits)) == 0);
    run_release(&runs[0]);
    run_release(&runs[1]);
}

/* ------------------------------------------------------------------ evaluation */

static void
scoring_equals_evaluation(void)
{
    static Data data;
    static float logits[ROWS], whole[ROWS];
    NnConfig config = small_config();
    double loss, sum = 0, largest = 0, off = 0, off_single = 0;
    NnScorer *scorer;
    Outcome outcome;
    NnBatch batch;
    Run run;

    run_create(&run, &config, 2, 0);
    train_some(&run, &outcome);
    free(outcome.params);
    batch = make_data(&data, ROWS, 50);
    CHECK(trainer_evaluate(run.trainer, &batch, &loss, logits) == NN_OK);
    scorer = unit_scorer(&run.memory, &run.net, run.params, ROWS);
    scorer_run(scorer, data.x_num, data.x_cat, ROWS, ROWS, whole);
    for (int r = 0; r < ROWS; r++) {
        double z = (double)logits[r];
        float single;

        scorer_run(scorer, data.x_num + r * N_NUM, data.x_cat + r, ROWS, 1, &single);
        off = fmax(off, fabs((double)whole[r] - z));
        off_single = fmax(off_single, fabs((double)single - z));
        largest = fmax(largest, fabs(z));
        sum += (double)data.weight[r] * (log1p(exp(z)) - (double)data.label[r] * z);
    }
    CHECK(largest > 0.1);
    CHECK_NEAR(off, 0, 2e-5);
    CHECK_NEAR(off_single, 0, 2e-5);
    CHECK_NEAR(loss, sum, 1e-5 * sum);
    run_release(&run);
}

/* ------------------------------------------------------------------ updates */

/* after - before [n], from before on */
static double
product_of_moves(const float *a, const float *b, const float *before, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += ((double)a[i] - (double)before[i]) * ((double)b[i] - (double)before[i]);
    return sum;
}

/*
 * Adam's step does not tell how long a gradient was, unless epsilon is so large that nothing else counts
 * below the line: then a clipped step is as much shorter as the gradient of all parameters, the tables' among
 * them, is too long.
 */
static void
clipping_shortens_the_whole_gradient(void)
{
    static Data data;
    NnConfig config = small_config();
    NnBatch batch = make_data(&data, ROWS, 1);
    NnHyper hyper = {.beta1 = 0.9f, .beta2 = 0.999f, .epsilon = 1e3f, .seed = 11};
    double loss, norm;
    float *before, *gradients;
    Run runs[2];

    for (int i = 0; i < 2; i++) {
        run_create_with(&runs[i], &config, 2, ROWS, &hyper);
        if (i == 0) {
            before = unit_take(&runs[0].memory, runs[0].net.n_block * sizeof(float));
            gradients = unit_take(&runs[0].memory, runs[0].net.n_trained * sizeof(float));
            memcpy(before, runs[0].params, runs[0].net.n_block * sizeof(float));
            CHECK(trainer_gradients(runs[0].trainer, &batch, &loss, NULL, gradients) == NN_OK);
            norm = sqrt(squares(gradients, runs[0].net.n_trained));
            hyper.clip_norm = (float)norm / 3;
        }
        CHECK(trainer_step(runs[i].trainer, &batch, 1e3f, &loss, NULL) == NN_OK);
        CHECK(trainer_sync(runs[i].trainer) == NN_OK);
    }
    for (int tables = 0; tables < 2; tables++) {
        size_t first = tables ? runs[0].net.n_dense : 0;
        size_t n = tables ? runs[0].net.n_trained - first : runs[0].net.n_dense;
        const float *whole = runs[0].params + first, *clipped = runs[1].params + first;
        double square = product_of_moves(whole, whole, before + first, n);

        CHECK(square > 1e-8);
        CHECK_NEAR(product_of_moves(whole, clipped, before + first, n) / square, 1.0 / 3, 1e-3);
    }
    run_release(&runs[0]);
    run_release(&runs[1]);
}

/*
 * Rows that come thirty times have the gradient that they have when they come once; lanes then have several
 * blocks.
 */
static void
many_blocks_are_as_one(void)
{
    enum { FEW = 70, TIMES = 30, MANY = FEW * TIMES };
    static Data data;
    static float x_num[MANY * N_NUM], label[MANY], weight[MANY];
    static int32_t x_cat[N_CAT * MANY];
    const NnHyper hyper = {.beta1 = 0.9f, .beta2 = 0.999f, .epsilon = 1e-8f};
    NnConfig config = small_config();
    NnBatch few = make_data(&data, FEW, 1), many = {MANY, x_num, x_cat, MANY, label, weight, 2};
    double loss, many_loss, largest = 0, apart = 0;
    float *gradients, *many_gradients;
    Run run;

    for (int r = 0; r < MANY; r++) {
        memcpy(x_num + r * N_NUM, data.x_num + r % FEW * N_NUM, sizeof(float) * N_NUM);
        for (int f = 0; f < N_CAT; f++)
            x_cat[f * MANY + r] = data.x_cat[f * ROWS + r % FEW];
        label[r] = data.label[r % FEW];
        weight[r] = data.weight[r % FEW];
    }
    config.mlp_dropout = 0;
    run_create_with(&run, &config, 2, MANY, &hyper);
    gradients = unit_take(&run.memory, run.net.n_trained * sizeof(float));
    many_gradients = unit_take(&run.memory, run.net.n_trained * sizeof(float));
    CHECK(trainer_gradients(run.trainer, &few, &loss, NULL, gradients) == NN_OK);
    CHECK(trainer_gradients(run.trainer, &many, &many_loss, NULL, many_gradients) == NN_OK);
    for (size_t i = 0; i < run.net.n_trained; i++) {
        largest = fmax(largest, fabs((double)gradients[i]));
        apart = fmax(apart, fabs((double)(gradients[i] - many_gradients[i])));
    }
    CHECK(largest > 1e-3);
    CHECK_NEAR(apart / largest, 0, 1e-4);
    CHECK_NEAR(many_loss, TIMES * loss, 1e-5 * many_loss);
    run_release(&run);
}

#define FEW_FLOATS 256

/* a net without a layer that looks at whole batches */
static void
run_create_crosses(Run *run, int rows)
{
    const NnHyper hyper = {.beta1 = 0.9f, .beta2 = 0.999f, .epsilon = 1e-8f};
    const NnAlloc alloc = unit_alloc(&run->memory);
    int x;

    *run = (Run){.net = {.alloc = alloc, .config = {.n_classes = 1, .n_num = N_NUM}}};
    x = net_tensor(&run->net, N_NUM);
    net_input_numerical(&run->net, x);
    run->net.output = net_linear(&run->net, net_cross_matrix(&run->net, x, 2, "cross"), 1, true, "linear");
    net_finish(&run->net);
    CHECK(run->net.status == NN_OK && run->net.n_trained <= FEW_FLOATS);
    run->params = alloc.alloc(alloc.owner, run->net.n_block * sizeof(float));
    net_init(&run->net, run->params, 0, 1, NULL);
    run->pool = pool_create(alloc, 2, NULL);
    CHECK(trainer_create(&run->trainer, &run->net, run->params, &hyper, rows, run->pool, alloc) == NN_OK);
}

/* the mean gradient of all batches of so many rows */
static void
mean_gradient(const NnBatch *all, int rows, float *mean)
{
    float gradients[FEW_FLOATS];
    double loss;
    Run run;

    run_create_crosses(&run, rows);
    memset(mean, 0, FEW_FLOATS * sizeof(float));
    for (int first = 0; first < all->rows; first += rows) {
        const NnBatch batch = {.rows = rows,
                               .x_num = all->x_num + first * N_NUM,
                               .x_cat = all->x_cat + first,
                               .ld_cat = all->ld_cat,
                               .label = all->label + first,
                               .weight = all->weight + first,
                               .mean_weight = all->mean_weight};

        CHECK(trainer_gradients(run.trainer, &batch, &loss, NULL, gradients) == NN_OK);
        for (size_t i = 0; i < run.net.n_trained; i++)
            mean[i] += gradients[i] * (float)rows / (float)all->rows;
    }
    run_release(&run);
}

/* Of all rows one in fifty weighs a hundred times as much as another; it counts so in batches of any size. */
static void
weights_count_alike_in_all_batches(void)
{
    static const int rows[] = {300, 60, 12, 4, 1};
    static Data data;
    float whole[FEW_FLOATS], mean[FEW_FLOATS];
    NnBatch batch = make_data(&data, ROWS, 6);
    double largest = 0;

    batch.mean_weight = 0;
    for (int r = 0; r < ROWS; r++) {
        data.weight[r] = r % 50 == 7 ? 100 : 1;
        batch.mean_weight += (double)data.weight[r] / ROWS;
    }
    mean_gradient(&batch, ROWS, whole);
    for (size_t i = 0; i < FEW_FLOATS; i++)
        largest = fmax(largest, fabs((double)whole[i]));
    CHECK(largest > 1e-3);
    for (size_t k = 0; k < sizeof(rows) / sizeof(rows[0]); k++) {
        double apart = 0;

        mean_gradient(&batch, rows[k], mean);
        for (size_t i = 0; i < FEW_FLOATS; i++)
            apart = fmax(apart, fabs((double)(mean[i] - whole[i])));
        CHECK_MESSAGE(apart < 1e-4 * largest, "batches of %d rows: off by %g of %g", rows[k], apart, largest);
    }
}

static void
gradients_change_nothing(void)
{
    static Data data;
    NnConfig config = small_config();
    NnBatch batch = make_data(&data, ROWS, 1);
    float *before, *grads, logits[ROWS];
    double loss, again, norm;
    Run run;

    run_create(&run, &config, 2, 0);
    before = malloc(run.net.n_block * sizeof(float));
    grads = malloc(run.net.n_trained * sizeof(float));
    memcpy(before, run.params, run.net.n_block * sizeof(float));
    CHECK(trainer_gradients(run.trainer, &batch, &loss, logits, grads) == NN_OK);
    norm = squares(grads, run.net.n_trained);
    CHECK(isfinite(norm) && norm > 1e-6);
    CHECK(memcmp(before, run.params, run.net.n_block * sizeof(float)) == 0);
    CHECK(trainer_gradients(run.trainer, &batch, &again, logits, grads) == NN_OK);
    CHECK(loss == again);
    free(before);
    free(grads);
    run_release(&run);
}

static void
learns_a_planted_model(void)
{
    static Data data;
    NnConfig config = small_config();
    double loss, first = 0, best = 0;
    NnBatch batch;
    Run run;

    run_create(&run, &config, 2, 0);
    batch = make_data(&data, ROWS, 1000);
    for (int r = 0; r < ROWS; r++) { /* what the true probabilities would lose */
        double a = data.x_cat[1 * ROWS + r] % 2 ? 1 : -1, b = data.x_cat[2 * ROWS + r] - 1;
        double z = 3 * a * b + 2 * (double)data.x_num[r * N_NUM] - 1;

        best += log1p(exp(z)) - (double)data.label[r] * z;
    }
    batch.weight = NULL;
    CHECK(trainer_evaluate(run.trainer, &batch, &first, NULL) == NN_OK);
    for (int s = 0; s < 400; s++) {
        batch = make_data(&data, ROWS, (uint64_t)s);
        CHECK(trainer_step(run.trainer, &batch, 0.005f, &loss, NULL) == NN_OK);
    }
    CHECK(trainer_sync(run.trainer) == NN_OK);
    batch = make_data(&data, ROWS, 1000);
    batch.weight = NULL;
    CHECK(trainer_evaluate(run.trainer, &batch, &loss, NULL) == NN_OK);
    CHECK_MESSAGE(loss / ROWS < 0.05 + best / ROWS && loss < first,
                  "loss %.4f of first %.4f, best possible %.4f", loss / ROWS, first / ROWS, best / ROWS);
    run_release(&run);
}

/*
 * A training longer than the history of steps gives the same bits as one whose rows are brought up to date
 * now and then.
 */
static void
long_trainings_lose_no_step(void)
{
    static Data data;
    NnConfig config = small_config();
    double loss;
    Run runs[2];

    config.n_mlp = 1;
    config.mlp_layers[0] = 2;
    for (int i = 0; i < 2; i++)
        run_create(&runs[i], &config, 1, 0);
    for (int s = 0; s < NN_ADAM_HISTORY + 300; s++) {
        NnBatch batch = make_data(&data, 2, (uint64_t)s);

        for (int i = 0; i < 2; i++)
            CHECK(trainer_step(runs[i].trainer, &batch, 0.001f, &loss, NULL) == NN_OK);
        if (s % 1000 == 999)
            CHECK(trainer_sync(runs[1].trainer) == NN_OK);
    }
    for (int i = 0; i < 2; i++)
        CHECK(trainer_sync(runs[i].trainer) == NN_OK);
    CHECK(memcmp(runs[0].params, runs[1].params, runs[0].net.n_block * sizeof(float)) == 0);
    run_release(&runs[0]);
    run_release(&runs[1]);
}

/* clip_norm lengthens no gradient */
static void
short_gradients_are_not_clipped(void)
{
    static Outcome free_run, clipped;
    NnConfig config = small_config();
    Run run;

    run_create(&run, &config, 1, 0);
    train_some(&run, &free_run);
    run_release(&run);
    run_create(&run, &config, 1, 1e6f);
    train_some(&run, &clipped);
    check_same(&clipped, &free_run);
    run_release(&run);
    free(free_run.params);
}

/*
 * a step without a learning rate moves nothing, but the next one leaves out other units; so does another seed
 */
static void
dropout_depends_on_step_and_seed(void)
{
    static Data data;
    NnConfig config = small_config();
    NnHyper hyper = {.beta1 = 0.9f, .beta2 = 0.999f, .epsilon = 1e-8f};
    NnBatch batch = make_data(&data, ROWS, 3);
    float *grads[4];
    double loss;
    size_t size = 0;

    for (int i = 0; i < 4; i++) {
        Run run;

        hyper.seed = i == 3 ? 12 : 11;
        run_create_with(&run, &config, 2, ROWS, &hyper);
        if (i == 2)
            CHECK(trainer_step(run.trainer, &batch, 0, &loss, NULL) == NN_OK);
        size = run.net.n_trained * sizeof(float);
        grads[i] = malloc(size);
        CHECK(trainer_gradients(run.trainer, &batch, &loss, NULL, grads[i]) == NN_OK);
        run_release(&run);
    }
    CHECK(memcmp(grads[0], grads[1], size) == 0);
    CHECK(memcmp(grads[0], grads[2], size) != 0);
    CHECK(memcmp(grads[0], grads[3], size) != 0);
    for (int i = 0; i < 4; i++)
        free(grads[i]);
}

static void
batches_without_weight_are_harmless(void)
{
    static Data data;
    NnConfig config = small_config();
    NnBatch batch = make_data(&data, 100, 4);
    double loss;
    Run run;

    run_create(&run, &config, 2, 0);
    for (int r = 0; r < batch.rows; r++)
        data.weight[r] = 0;
    CHECK(trainer_step(run.trainer, &batch, 0.01f, &loss, NULL) == NN_OK);
    CHECK(loss == 0);
    CHECK(trainer_sync(run.trainer) == NN_OK);
    CHECK(net_find_unsound(&run.net, run.params, NULL) == -1);
    run_release(&run);
}

static void
unsound_parameters_are_found(void)
{
    const int64_t steps[] = {NN_STEPS_MOST, NN_STEPS_MOST + 1, -1};
    NnConfig config = small_config();
    int batches;
    Run run;

    run_create(&run, &config, 2, 0);
    run.params[run.net.params[1].offset] = NAN;
    CHECK(net_find_unsound(&run.net, run.params, NULL) == 1);
    run.params[run.net.params[1].offset] = 0;
    CHECK(net_find_unsound(&run.net, run.params, NULL) == -1);
    batches = net_find_param(&run.net, "mlp.mlp.1.num_batches_tracked");
    for (int i = 0; i < 3; i++) {
        memcpy(run.params + run.net.params[batches].offset, &steps[i], sizeof steps[i]);
        CHECK(net_find_unsound(&run.net, run.params, NULL) == (i == 0 ? -1 : batches));
    }
    run_release(&run);
}

/*
 * Denormal numbers are zero while the engine computes, and only then: the caller's arithmetic is the
 * server's.
 */
static void
callers_keep_their_denormals(void)
{
    static Data data;
    static float logits[ROWS];
    volatile float tiny = 1e-38f;
    NnConfig config = small_config();
    NnBatch batch = make_data(&data, ROWS, 5);
    double loss;
    NnScorer *scorer;
    Run run;

    run_create(&run, &config, 2, 0);
    CHECK(trainer_step(run.trainer, &batch, 0.01f, &loss, NULL) == NN_OK);
    CHECK(tiny / 16 > 0);
    CHECK(trainer_sync(run.trainer) == NN_OK);
    CHECK(tiny / 16 > 0);
    scorer = unit_scorer(&run.memory, &run.net, run.params, ROWS);
    scorer_run(scorer, batch.x_num, batch.x_cat, batch.ld_cat, ROWS, logits);
    CHECK(tiny / 16 > 0);
    scorer_run(scorer, batch.x_num, batch.x_cat, batch.ld_cat, 1, logits);
    CHECK(tiny / 16 > 0);
    run_release(&run);
}

int
main(void)
{
    RUN(same_bits_for_any_threads);
    RUN(interrupted_steps_leave_no_trace);
    RUN(every_look_leaves_no_trace);
    RUN(alarms_leave_no_trace);
    RUN(scoring_equals_evaluation);
    RUN(clipping_shortens_the_whole_gradient);
    RUN(many_blocks_are_as_one);
    RUN(weights_count_alike_in_all_batches);
    RUN(gradients_change_nothing);
    RUN(learns_a_planted_model);
    RUN(long_trainings_lose_no_step);
    RUN(short_gradients_are_not_clipped);
    RUN(dropout_depends_on_step_and_seed);
    RUN(batches_without_weight_are_harmless);
    RUN(unsound_parameters_are_found);
    RUN(callers_keep_their_denormals);
    return unit_end();
}
