/*
 * test_adam.c: Adam against torch.optim.Adam's formula in float8, applied densely to every element at every
 * step: rows that were replayed must come out the same, and so must gradients that were merged.
 */
#include "unit.h"

#include "nn/kernels/simd.h"
#include "nn/train/adam.h"
#include "nn/denormals.h"

#define ROWS   37 /* of a batch */
#define TABLES 5

typedef struct Problem {
    UnitMemory memory;
    NnNet net;
    float *params;
    NnAdam adam;
    NnPool *pool;
    double *w, *m, *v, *g; /* [n_trained] the reference */
    double decay[2];       /* dense, tables */
    NnRng rng;
} Problem;

static const NnSimdKernels *kernels; /* that do the arithmetic; NULL: the plain formula */

/* four lookups: two share a table; one table is wider than a group of rows in registers */
static void
problem_create(Problem *p, float weight_decay, float embedding_decay)
{
    static const int64_t shapes[TABLES][2] = {{300, 8}, {2500, 2}, {20, 300}, {400, 4}, {500, 1}};
    static const int64_t dense[] = {50, 3};
    NnHyper hyper = {.weight_decay = weight_decay,
                     .embedding_decay = embedding_decay,
                     .beta1 = 0.9f,
                     .beta2 = 0.999f,
                     .epsilon = 1e-8f};
    NnArena arena = {0};
    NnAlloc alloc;
    size_t n;
    int param;

    *p = (Problem){.decay = {(double)weight_decay, (double)embedding_decay}};
    alloc = unit_alloc(&p->memory);
    p->net.alloc = alloc;
    net_param(&p->net, NN_DENSE, NN_NORMAL, 1, 2, dense, "dense");
    for (int i = 0; i < TABLES; i++) {
        param = net_param(&p->net, NN_TABLE, NN_NORMAL, 1, 2, shapes[i], "table%d", i);
        net_lookup(&p->net, i, param, 0, i == 0 ? 100 : (int)shapes[i][0], (int)shapes[i][1], 0);
    }
    net_lookup(&p->net, TABLES, 1, 100, 200, 8, 0);
    net_finish(&p->net);

    n = p->net.n_trained;
    p->params = alloc.alloc(alloc.owner, p->net.n_block * sizeof(float));
    net_init(&p->net, p->params, 0, 1, NULL);
    p->pool = pool_create(alloc, 1, NULL);
    adam_init(&p->adam, &p->net, p->params, &hyper, ROWS, &arena);
    arena = (NnArena){.base = alloc.alloc(alloc.owner, arena.used)};
    adam_init(&p->adam, &p->net, p->params, &hyper, ROWS, &arena);
    p->adam.kernels = kernels;

    p->w = alloc.alloc(alloc.owner, n * sizeof(double));
    p->m = alloc.alloc(alloc.owner, n * sizeof(double));
    p->v = alloc.alloc(alloc.owner, n * sizeof(double));
    p->g = alloc.alloc(alloc.owner, n * sizeof(double));
    for (size_t i = 0; i < n; i++)
        p->w[i] = (double)p->params[i];
    rng_seed(&p->rng, 5, 0);
}

static void
reference_step(Problem *p, double rate)
{
    double t = (double)p->adam.step + 1, beta1 = (double)0.9f, beta2 = (double)0.999f;
    double correction1 = 1 - pow(beta1, t), correction2 = sqrt(1 - pow(beta2, t));

    for (size_t i = 0; i < p->net.n_trained; i++) {
        double g = p->g[i] + p->decay[i >= p->net.n_dense] * p->w[i];

        p->m[i] = beta1 * p->m[i] + (1 - beta1) * g;
        p->v[i] = beta2 * p->v[i] + (1 - beta2) * g * g;
        p->w[i] -= rate / correction1 * p->m[i] / (sqrt(p->v[i]) / correction2 + (double)1e-8f);
    }
}

static void
sync(Problem *p)
{
    for (int task = adam_sync_tasks(&p->adam) - 1; task >= 0; task--)
        adam_sync_task(&p->adam, task);
    adam_synced(&p->adam);
}

/* largest difference between [first, last) of the parameters and the reference */
static double
difference(const Problem *p, size_t first, size_t last)
{
    double largest = 0;

    for (size_t i = first; i < last; i++) {
        double d = fabs((double)p->params[i] - p->w[i]);

        largest = d > largest || isnan(d) ? d : largest;
    }
    return largest;
}

/*
 * one step with random codes and gradients in both; returns how far the batch's rows were off before they
 * moved
 */
static double
problem_step(Problem *p, double rate)
{
    NnAdamStep step = adam_next(&p->adam, rate);
    float gradient[160] = {0}, *dy = malloc(ROWS * 300 * sizeof(float));
    int32_t codes[ROWS];
    double off = 0;

    memset(p->g, 0, p->net.n_trained * sizeof(double));
    for (int i = 0; i < 150; i++) {
        gradient[i] = (float)rng_normal(&p->rng);
        p->g[i] = (double)gradient[i];
    }
    for (int i = 0; i < p->net.n_lookups; i++) {
        const NnLookup *l = &p->net.lookups[i];
        size_t d = (size_t)l->d, table = p->net.params[l->param].offset + (size_t)l->row_offset * d;

        /* half of the rows few codes, so that gradients are merged; some rows no batch ever touches */
        for (int r = 0; r < ROWS; r++)
            codes[r] = (int32_t)rng_below(&p->rng, r % 2 ? 3 : (uint64_t)l->rows * 9 / 10);
        adam_find_rows(&p->adam, i, codes, ROWS, p->pool);
        for (int r = 0; r < ROWS; r++) {
            size_t row = table + (size_t)codes[r] * d;

            off = fmax(off, difference(p, row, row + d));
            for (size_t j = 0; j < d; j++) {
                dy[(size_t)r * d + j] = (float)rng_normal(&p->rng);
                p->g[row + j] += (double)dy[(size_t)r * d + j];
            }
        }
        adam_merge_rows(&p->adam, i, dy, d, ROWS, p->pool);
    }
    reference_step(p, rate);
    adam_dense(&p->adam, step, 0, p->net.n_dense, gradient, 1);
    for (int i = 0; i < p->net.n_lookups; i++)
        adam_update_rows(&p->adam, step, i, 1, p->pool);
    adam_commit(&p->adam, step);
    free(dy);
    return off;
}

static void
lazy_equals_dense(float weight_decay, float embedding_decay)
{
    Problem p;
    double moved = 0;

    problem_create(&p, weight_decay, embedding_decay);
    for (int s = 0; s < 120; s++) {
        CHECK_NEAR(problem_step(&p, 0.01 / (1 + s % 7)), 0, 2e-5);
        if (s == 50)
            CHECK(difference(&p, p.net.n_dense, p.net.n_trained) > 1e-3); /* something is left to replay */
        if (s == 50 || s == 51 || s == 119) {
            sync(&p);
            CHECK_NEAR(difference(&p, 0, p.net.n_trained), 0, 2e-5);
        }
    }
    for (size_t i = 0; i < p.net.n_trained; i++)
        moved = fmax(moved, fabs(p.m[i]));
    CHECK(moved > 0.1);
    pool_stop(p.pool);
    unit_release(&p.memory);
}

static void
every_decay(void)
{
    lazy_equals_dense(1e-3f, 1e-3f);
    lazy_equals_dense(0, 0);
    lazy_equals_dense(0, 0.1f);
}

/* more steps than the history holds, which a sync empties */
static void
history_fills_up(void)
{
    Problem p;
    double moved = 0;
    int syncs = 0;
    double *before;

    problem_create(&p, 0, 1e-3f);
    before = p.net.alloc.alloc(p.net.alloc.owner, p.net.n_trained * sizeof(double));
    memcpy(before, p.w, p.net.n_trained * sizeof(double));
    for (int s = 0; s < NN_ADAM_HISTORY + 5; s++) {
        if (adam_history_full(&p.adam)) {
            sync(&p);
            syncs++;
        }
        adam_commit(&p.adam, adam_next(&p.adam, 1e-4));
    }
    CHECK(syncs == 1);
    CHECK(p.adam.step == NN_ADAM_HISTORY + 5 && p.adam.synced == NN_ADAM_HISTORY);
    sync(&p);
    for (p.adam.step = 0; p.adam.step < NN_ADAM_HISTORY + 5; p.adam.step++)
        reference_step(&p, 1e-4);
    CHECK_NEAR(difference(&p, p.net.n_dense, p.net.n_trained), 0, 2e-4);
    for (size_t i = p.net.n_dense; i < p.net.n_trained; i++)
        moved = fmax(moved, fabs(p.w[i] - before[i]));
    CHECK(moved > 0.1);
    pool_stop(p.pool);
    unit_release(&p.memory);
}

/*
 * Rows of which most are not touched for thousands of steps, brought up to date every few steps (each) or
 * once: the same bits. In the end they come to rest, which the replay takes a short way through, and L2 has
 * taken them to zero.
 */
static void
replay_in_pieces(float embedding_decay)
{
    Problem each, once;
    size_t first, n, moving = 0, below = 0;
    float largest = 0;

    problem_create(&each, 0, embedding_decay);
    problem_create(&once, 0, embedding_decay);
    first = once.net.n_dense;
    n = once.net.n_trained - first;
    for (int s = 0; s < NN_ADAM_HISTORY; s++) {
        if (s < 5) {
            problem_step(&each, 0.01);
            problem_step(&once, 0.01);
        } else {
            adam_commit(&each.adam, adam_next(&each.adam, 0.01));
            adam_commit(&once.adam, adam_next(&once.adam, 0.01));
        }
        if (s % 13 == 0)
            sync(&each);
    }
    sync(&each);
    sync(&once);
    CHECK(memcmp(each.params + first, once.params + first, n * sizeof(float)) == 0);
    CHECK(memcmp(each.adam.moments, once.adam.moments, 2 * n * sizeof(float)) == 0);
    for (size_t i = 0; i < n; i++) {
        const float w = once.params[first + i], moment = once.adam.moments[i];

        largest = fmaxf(largest, fabsf(w));
        below += fpclassify(w) == FP_SUBNORMAL;
        below += fpclassify(moment) == FP_SUBNORMAL;
    }
    for (int row = 0; row < 300; row++) /* table0, of 8 floats: m, then v */
        for (int j = 0; j < 8; j++)
            moving += once.adam.moments[2 * 8 * row + j] != 0;
    CHECK_MESSAGE(moving < 24, "%zu of 2400 have momentum", moving);
    CHECK_MESSAGE(embedding_decay > 0 ? largest < 1e-8f : largest > 1, "the largest weight is %g",
                  (double)largest);
    CHECK_MESSAGE(below == 0, "%zu denormal numbers", below);
    pool_stop(each.pool);
    pool_stop(once.pool);
    unit_release(&each.memory);
    unit_release(&once.memory);
}

static void
replay_in_one_go(void)
{
    const uint64_t mode = denormals_flush(); /* as in a pool's tasks */

    replay_in_pieces(0.1f);
    replay_in_pieces(0);
    denormals_restore(mode);
}

static void
sum_of_squares(void)
{
    float x[100];

    for (int i = 0; i < 100; i++)
        x[i] = (float)i;
    CHECK_NEAR(squares(x, 100), 328350, 0);
    CHECK_NEAR(squares(x, 0), 0, 0);
}

int
main(void)
{
    for (int i = 0; i == 0 || kernels; i++) { /* the plain formula comes last */
        kernels = simd_kernels(i);
        RUN(every_decay);
        if (unit_emulated())
            continue;
        RUN(history_fills_up);
        RUN(replay_in_one_go);
    }
    RUN(sum_of_squares);
    return unit_end();
}
