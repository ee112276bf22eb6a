/*
 * engine.c: the engine alone, without PostgreSQL: how fast it trains, and how fast the bare matrix products of the same
 * network are, which no trainer can beat.
 *
 *   engine NET [KEY=VALUE ...]    NET: vector, matrix, mix, field_all, field_each, field_interaction
 *       rows=1000000   rows that decide the vocabularies          batch=2048    threads=2
 *       samples=7      measured stretches, alternating            stretch=1     seconds of each
 *       sgemm=1        0: only the training (profiles)
 *       cpu=0          1: count the process's CPU time instead of the clock's, for a busy machine; then threads=1
 *
 * Prints the row of a Markdown table: training's and sgemm's rows/s (median, spread) and the quotient's median.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "rows.h"

#define MAX_PRODUCTS 16
#define MAX_SAMPLES  64

typedef struct Settings {
    int rows, batch, threads, samples, sgemm, cpu;
    double stretch;
} Settings;

/* Y [B, d_out] = X [B, d_in] W', `count` times with other matrices */
typedef struct Product {
    int d_in, d_out, count;
} Product;

typedef struct Bench {
    Settings settings;
    NnConfig config;
    NnNet net;
    NnPool *pool;
    NnTrainer *trainer;
    int categories[N_CATEGORIES];
    float *x_num, *label; /* [rows, N_NUMBERS], [rows] */
    int32_t *x_cat;       /* [batches][N_CATEGORIES, batch] */
    int next;             /* batch */
    Product products[MAX_PRODUCTS];
    int n_products;
    float *buffer; /* the products' matrices */
} Bench;

static double
now(const Bench *b)
{
    struct timespec t;

    clock_gettime(b->settings.cpu ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void *
take(void *owner, size_t size)
{
    void *memory;

    (void)owner;
    if (posix_memalign(&memory, 4096, size > 0 ? size : 64) != 0) {
        fprintf(stderr, "engine: out of memory\n");
        exit(1);
    }
    if (size >= 4 << 20) /* as the extension does */
        (void)madvise(memory, size / 4096 * 4096, MADV_HUGEPAGE);
    return memset(memory, 0, size);
}

static const NnAlloc alloc = {take, NULL};

static void
check(NnStatus status, const char *what)
{
    if (status == NN_OK)
        return;
    fprintf(stderr, "engine: %s failed: %s\n", what, status == NN_NO_BLAS ? blas_error() : "see NnStatus");
    exit(1);
}

/* ------------------------------------------------------------------ rows and network */

/* Codes of a column in order of appearance, as an encoder gives them; 0 and 1 are for unseen and missing ones. */
static void
make_column(Bench *b, int column)
{
    int32_t *seen = take(NULL, sizeof(int32_t) * (size_t)bench_categories[column]), next = 2;
    size_t batch = (size_t)b->settings.batch;

    for (size_t row = 0; row < (size_t)b->settings.rows; row++) {
        int category = bench_category(row, column, bench_categories[column]);
        int32_t code = 1;

        if (category >= 0) {
            if (seen[category] == 0)
                seen[category] = next++;
            code = seen[category];
        }
        b->x_cat[(row / batch * N_CATEGORIES + (size_t)column) * batch + row % batch] = code;
    }
    b->categories[column] = next;
    free(seen);
}

static void
make_rows(Bench *b)
{
    b->settings.rows = b->settings.rows / b->settings.batch * b->settings.batch;
    b->x_num = take(NULL, sizeof(float) * N_NUMBERS * (size_t)b->settings.rows);
    b->label = take(NULL, sizeof(float) * (size_t)b->settings.rows);
    b->x_cat = take(NULL, sizeof(int32_t) * N_CATEGORIES * (size_t)b->settings.rows);
    for (int c = 0; c < N_CATEGORIES; c++)
        make_column(b, c);
    for (uint64_t row = 0; row < (uint64_t)b->settings.rows; row++) {
        b->label[row] = (float)bench_label(row);
        for (int i = 0; i < N_NUMBERS; i++)
            b->x_num[row * N_NUMBERS + (uint64_t)i] = (float)bench_uniform(bench_hash(row, i));
    }
}

static void
make_config(Bench *b, const char *net)
{
    static const char *const names[] = {"matrix",     "vector",   "mix", "field_interaction",
                                        "field_each", "field_all"};
    int i = 0;

    while (i < 6 && strcmp(names[i], net) != 0)
        i++;
    if (i == 6) {
        fprintf(stderr, "engine: no network \"%s\"\n", net);
        exit(2);
    }
    b->config = (NnConfig){.architecture = i < 3 ? NN_DEEPCROSS : NN_FIBINET,
                           .n_classes = 1,
                           .n_mlp = 3,
                           .mlp_layers = {128, 64, 32},
                           .mlp_dropout = 0.25f,
                           .cross_type = (NnCrossType)(i % 3),
                           .n_cross = 2,
                           .low_rank = 32,
                           .n_experts = 4,
                           .d_embed_max = 8,
                           .stacked = true,
                           .d_embed = 8,
                           .reduction_ratio = 3,
                           .bilinear_type = (NnBilinearType)(i % 3),
                           .n_num = N_NUMBERS,
                           .n_cat = N_CATEGORIES,
                           .categories = b->categories};
}

/* The reference recipe: Adam 0.002 with L2 0.001 on all parameters. */
static void
make_trainer(Bench *b)
{
    NnHyper hyper = {.weight_decay = 1e-3f,
                     .embedding_decay = 1e-3f,
                     .beta1 = 0.9f,
                     .beta2 = 0.999f,
                     .epsilon = 1e-8f,
                     .seed = 1};
    float *params;

    check(net_create(&b->net, &b->config, alloc), "net_create");
    params = take(NULL, b->net.n_block * sizeof(float));
    net_init(&b->net, params, 0, 1, NULL);
    b->pool = pool_create(alloc, b->settings.threads, NULL);
    check(trainer_create(&b->trainer, &b->net, params, &hyper, b->settings.batch, b->pool, alloc),
          "trainer_create");
}

/* ------------------------------------------------------------------ the two sides */

static void
train_step(Bench *b)
{
    size_t row = (size_t)b->next * (size_t)b->settings.batch;
    NnBatch batch = {.rows = b->settings.batch,
                     .x_num = b->x_num + row * N_NUMBERS,
                     .x_cat = b->x_cat + row * N_CATEGORIES,
                     .ld_cat = (size_t)b->settings.batch,
                     .label = b->label + row};
    double loss;

    check(trainer_step(b->trainer, &batch, 0.002f, &loss, NULL), "trainer_step");
    b->next = (b->next + 1) % (b->settings.rows / b->settings.batch);
}

static void
add_product(Bench *b, int d_in, int d_out, int count)
{
    b->products[b->n_products++] = (Product){d_in, d_out, count};
}

static void
list_products(Bench *b)
{
    const int fields = N_NUMBERS + N_CATEGORIES, d = b->config.d_embed;
    size_t largest = 0;
    int d_in = b->net.tensors[0].d;

    if (b->config.architecture == NN_FIBINET) {
        d_in = fields * (fields - 1) * d;
        if (b->config.bilinear_type == NN_FIELD_INTERACTION)
            add_product(b, d, d, fields * (fields - 1));
        else
            add_product(b, d, d, 2 * (fields - 1));
    } else if (b->config.cross_type == NN_CROSS_MATRIX) {
        add_product(b, d_in, d_in, 2);
    } else if (b->config.cross_type == NN_CROSS_MIX) {
        add_product(b, d_in, 128, 4); /* V and U of four experts of rank 32, two levels */
    }
    for (int i = 0; i < b->config.n_mlp; i++) {
        add_product(b, d_in, b->config.mlp_layers[i], 1);
        d_in = b->config.mlp_layers[i];
    }
    for (int i = 0; i < b->n_products; i++) {
        const Product *p = &b->products[i];
        size_t x = (size_t)b->settings.batch * (size_t)p->d_in,
               y = (size_t)b->settings.batch * (size_t)p->d_out;
        size_t w = (size_t)p->d_in * (size_t)p->d_out;

        largest = largest > 2 * (x + y) + w * (1 + (size_t)b->settings.threads)
                      ? largest
                      : 2 * (x + y) + w * (1 + (size_t)b->settings.threads);
    }
    b->buffer = take(NULL, largest * sizeof(float));
    for (size_t i = 0; i < largest; i++)
        b->buffer[i] = 0.001f * (float)(i % 97);
}

/* forward, dW and dX of one thread's share of the batch, through all layers */
static void
product_task(void *arg, int task, int worker)
{
    Bench *b = arg;
    int n = b->settings.batch / b->settings.threads;
    size_t first = (size_t)task * (size_t)n, rows = (size_t)b->settings.batch;

    (void)worker;
    for (int i = 0; i < b->n_products; i++) {
        const Product *p = &b->products[i];
        size_t d_in = (size_t)p->d_in, d_out = (size_t)p->d_out;
        float *ys = b->buffer + 2 * rows * d_in, *ws = ys + 2 * rows * d_out;
        NnRows x = rows_of(b->buffer + first * d_in, p->d_in), dx = rows_of(x.p + rows * d_in, p->d_in);
        NnRows y = rows_of(ys + first * d_out, p->d_out), dy = rows_of(y.p + rows * d_out, p->d_out);
        NnRows w = rows_of(ws, p->d_in), dw = rows_of(ws + (1 + (size_t)task) * d_in * d_out, p->d_in);

        for (int k = 0; k < p->count; k++) {
            blas_gemm(false, true, n, p->d_out, p->d_in, x.in, w.in, false, y);
            blas_gemm(true, false, p->d_out, p->d_in, n, dy.in, x.in, false, dw);
            blas_gemm(false, false, n, p->d_in, p->d_out, dy.in, w.in, false, dx);
        }
    }
}

static void
sgemm_step(Bench *b)
{
    pool_run(b->pool, product_task, b, b->settings.threads, false);
}

/* ------------------------------------------------------------------ measuring */

/* rows/s over one stretch */
static double
measure(Bench *b, void (*step)(Bench *))
{
    double start = now(b), elapsed;
    int steps = 0;

    do {
        step(b);
        steps++;
        elapsed = now(b) - start;
    } while (elapsed < b->settings.stretch);
    return (double)steps * b->settings.batch / elapsed;
}

static int
compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double
median(const double *values, int n)
{
    double sorted[MAX_SAMPLES];

    memcpy(sorted, values, (size_t)n * sizeof(double));
    qsort(sorted, (size_t)n, sizeof(double), compare_doubles);
    return n % 2 ? sorted[n / 2] : 0.5 * (sorted[n / 2 - 1] + sorted[n / 2]);
}

static double
smallest(const double *values, int n)
{
    double least = values[0];

    for (int i = 1; i < n; i++)
        least = values[i] < least ? values[i] : least;
    return least;
}

static double
largest(const double *values, int n)
{
    double most = values[0];

    for (int i = 1; i < n; i++)
        most = values[i] > most ? values[i] : most;
    return most;
}

static void
run(Bench *b, const char *net)
{
    double training[MAX_SAMPLES], sgemm[MAX_SAMPLES], ratio[MAX_SAMPLES];
    int n = b->settings.samples;

    for (int i = 0; i < 50; i++) /* Adam's rows of momentum, caches, the CPU's clock */
        train_step(b);
    for (int i = 0; i < n; i++) {
        training[i] = measure(b, train_step);
        sgemm[i] = b->settings.sgemm ? measure(b, sgemm_step) : 0;
        ratio[i] = training[i] / sgemm[i];
    }
    printf("| %s | %.0f (%.0f … %.0f) |", net, median(training, n), smallest(training, n),
           largest(training, n));
    if (b->settings.sgemm)
        printf(" %.0f (%.0f … %.0f) | %.2f (%.2f … %.2f) |", median(sgemm, n), smallest(sgemm, n),
               largest(sgemm, n), median(ratio, n), smallest(ratio, n), largest(ratio, n));
    printf("\n");
}

static void
read_setting(Settings *s, const char *text)
{
    if (sscanf(text, "rows=%d", &s->rows) == 1 || sscanf(text, "batch=%d", &s->batch) == 1 ||
        sscanf(text, "threads=%d", &s->threads) == 1 || sscanf(text, "samples=%d", &s->samples) == 1 ||
        sscanf(text, "stretch=%lf", &s->stretch) == 1 || sscanf(text, "sgemm=%d", &s->sgemm) == 1 ||
        sscanf(text, "cpu=%d", &s->cpu) == 1)
        return;
    fprintf(stderr, "engine: no setting \"%s\"\n", text);
    exit(2);
}

int
main(int argc, char **argv)
{
    Bench b = {.settings = {1000000, 2048, 2, 7, 1, 0, 1.0}};

    if (argc < 2) {
        fprintf(stderr, "usage: engine NET [KEY=VALUE ...]; see engine.c\n");
        return 2;
    }
    for (int i = 2; i < argc; i++)
        read_setting(&b.settings, argv[i]);
    if (b.settings.samples > MAX_SAMPLES)
        b.settings.samples = MAX_SAMPLES;
    if (!blas_load())
        check(NN_NO_BLAS, "blas_load");
    make_config(&b, argv[1]);
    make_rows(&b);
    make_trainer(&b);
    list_products(&b);
    fprintf(stderr, "kernels: ctr's %s; BLAS: %s\n", gemm_kernels() ? gemm_kernels() : "none", blas_version());
    run(&b, argv[1]);
    pool_stop(b.pool);
    return 0;
}
