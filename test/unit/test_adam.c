/*
 * test_adam.c: Adam against torch.optim.Adam's formula in float8, applied densely to every element at every
 * step: rows that were replayed must come out the same, and so must gradients that were merged.
 */
#include "unit.h"

#include "adam.h"

#define ROWS   37 /* of a batch */
#define TABLES 3

typedef struct Problem {
    UnitMemory memory;
    NnNet net;
    float *params;
    Adam adam;
    NnPool *pool;
    double *w, *m, *v, *g; /* [n_trained] the reference */
    double decay[2];       /* dense, tables */
    NnRng rng;
} Problem;

/* four lookups: two share a table; one table is wider than a group of rows in registers */
static void
problem_create(Problem *p, float weight_decay, float embedding_decay)
{
    static const int64_t shapes[TABLES][2] = {{300, 8}, {2500, 2}, {20, 300}};
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

    for (size_t i = 0; i < p->net.n_trained; i++) {
        double g = p->g[i] + p->decay[i >= p->net.n_dense] * p->w[i];

        p->m[i] = beta1 * p->m[i] + (1 - beta1) * g;
        p->v[i] = beta2 * p->v[i] + (1 - beta2) * g * g;
        p->w[i] -=
            rate / (1 - pow(beta1, t)) * p->m[i] / (sqrt(p->v[i]) / sqrt(1 - pow(beta2, t)) + (double)1e-8f);
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
    AdamStep step = adam_next(&p->adam, rate);
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
        adam_merge_rows(&p->adam, i, dy, d, ROWS);
    }
    reference_step(p, rate);
    adam_dense(&p->adam, step, 0, p->net.n_dense, gradient, 1);
    for (int i = 0; i < p->net.n_lookups; i++)
        adam_update_rows(&p->adam, step, i, 1);
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
    for (int s = 0; s < ADAM_HISTORY + 5; s++) {
        if (adam_history_full(&p.adam)) {
            sync(&p);
            syncs++;
        }
        adam_commit(&p.adam, adam_next(&p.adam, 1e-4));
    }
    CHECK(syncs == 1);
    CHECK(p.adam.step == ADAM_HISTORY + 5 && p.adam.synced == ADAM_HISTORY);
    sync(&p);
    for (p.adam.step = 0; p.adam.step < ADAM_HISTORY + 5; p.adam.step++)
        reference_step(&p, 1e-4);
    CHECK_NEAR(difference(&p, p.net.n_dense, p.net.n_trained), 0, 2e-4);
    for (size_t i = p.net.n_dense; i < p.net.n_trained; i++)
        moved = fmax(moved, fabs(p.w[i] - before[i]));
    CHECK(moved > 0.1);
    pool_stop(p.pool);
    unit_release(&p.memory);
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
    RUN(every_decay);
    RUN(history_fills_up);
    RUN(sum_of_squares);
    return unit_end();
}
