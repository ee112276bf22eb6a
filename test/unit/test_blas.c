/* test_blas.c: gemm against plain loops, and that loading the library leaves the process as it was. */
#include <signal.h>
#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>

#include "nn/kernels/simd.h"
#include "unit.h"

#ifndef UNIT_WITHOUT_BLAS
static int
count_threads(void)
{
    DIR *tasks = opendir("/proc/self/task");
    int n = 0;

    while (tasks && readdir(tasks))
        n++;
    if (tasks)
        closedir(tasks);
    return n;
}

static void
loading_leaves_no_trace(void)
{
    int threads = count_threads();
    sigset_t mask;

    setenv("OPENBLAS_NUM_THREADS", "7", 1);
    unsetenv("OPENBLAS_L2_SIZE");
    CHECK_MESSAGE(blas_load(), "%s", blas_error());
    CHECK(blas_load());
    CHECK(strcmp(getenv("OPENBLAS_NUM_THREADS"), "7") == 0);
    CHECK(getenv("OPENBLAS_L2_SIZE") == NULL);
    CHECK(count_threads() == threads);
    CHECK(strstr(blas_version(), "kernel") != NULL);
    CHECK(gemm_prepare());
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    CHECK(!sigismember(&mask, SIGINT) && !sigismember(&mask, SIGTERM));
}
#endif

/* small whole numbers, so that the sums are exact */
static void
fill(float *x, int n, NnRng *rng)
{
    for (int i = 0; i < n; i++)
        x[i] = (float)rng_below(rng, 17) - 8.0f;
}

typedef void Gemm(bool, bool, int, int, int, NnRowsIn, NnRowsIn, bool, NnRows);

static void
compare(Gemm *product, bool transpose_a, bool transpose_b, int m, int n, int k, bool add, NnRng *rng)
{
    int lda = (transpose_a ? m : k) + 3, ldb = (transpose_b ? k : n) + 1, ldc = n + 2, wrong = 0;
    int size_a = lda * (transpose_a ? k : m) - 3, size_b = ldb * (transpose_b ? n : k) - 1,
        size_c = ldc * m - 2;
    /* pieces of their own, so that a sanitizer sees what is read beyond one */
    float *a = malloc((size_t)size_a * sizeof(float)), *b = malloc((size_t)size_b * sizeof(float));
    float *c = malloc((size_t)size_c * sizeof(float)), *expected = malloc((size_t)size_c * sizeof(float));

    fill(a, size_a, rng);
    fill(b, size_b, rng);
    fill(c, size_c, rng);
    for (int i = 0; i < size_c && !add; i++)
        c[i] = NAN; /* must not be read */
    memcpy(expected, c, (size_t)size_c * sizeof(float));
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++) {
            float sum = add ? c[i * ldc + j] : 0.0f;

            for (int l = 0; l < k; l++)
                sum +=
                    a[transpose_a ? l * lda + i : i * lda + l] * b[transpose_b ? j * ldb + l : l * ldb + j];
            expected[i * ldc + j] = sum;
        }
    product(transpose_a, transpose_b, m, n, k, rows_in(a, lda), rows_in(b, ldb), add, rows_of(c, ldc));
    for (int i = 0; i < size_c; i++) /* what lies between the rows must not be touched */
        wrong += c[i] != expected[i] && !(isnan(c[i]) && isnan(expected[i]));
    CHECK_MESSAGE(wrong == 0, "%d of %d wrong: %c%c m %d n %d k %d add %d", wrong, m * n,
                  transpose_a ? 't' : 'n', transpose_b ? 't' : 'n', m, n, k, add);
    free(a);
    free(b);
    free(c);
    free(expected);
}

static const NnSimdKernels *kernels;

static void
kernels_gemm(bool transpose_a, bool transpose_b, int m, int n, int k, NnRowsIn a, NnRowsIn b, bool add,
             NnRows c)
{
    kernels->gemm(transpose_a, transpose_b, m, n, k, a.p, a.ld, b.p, b.ld, add, c.p, c.ld);
}

/* one row's kernel as a product of any kind */
static void
kernels_gemv(bool transpose_a, bool transpose_b, int m, int n, int k, NnRowsIn a, NnRowsIn b, bool add,
             NnRows c)
{
    if (m == 1 && !transpose_a)
        kernels->gemv(transpose_b, n, k, a.p, b.p, b.ld, add, c.p);
    else
        kernels_gemm(transpose_a, transpose_b, m, n, k, a, b, add, c);
}

/* sizes on both sides of what a vector, a tile, a strip and a stretch of k hold */
static void
products(void)
{
    static const int sizes[] = {1, 2, 7, 16, 33, 49, 65, 131};
    const int n_sizes = unit_emulated() ? 5 : sizeof(sizes) / sizeof(sizes[0]);
    NnRng rng;

    rng_seed(&rng, 1, 0);
    for (int m = 0; m < n_sizes; m++)
        for (int n = 0; n < n_sizes; n++)
            for (int k = 0; k < n_sizes; k++)
                for (int way = 0; way < 8; way++) {
                    compare(gemm, way & 1, way & 2, sizes[m], sizes[n], sizes[k], way & 4, &rng);
#ifndef UNIT_WITHOUT_BLAS
                    compare(blas_gemm, way & 1, way & 2, sizes[m], sizes[n], sizes[k], way & 4, &rng);
#endif
                    for (int i = 0; (kernels = simd_kernels(i)) != NULL; i++) {
                        compare(kernels_gemm, way & 1, way & 2, sizes[m], sizes[n], sizes[k], way & 4, &rng);
                        compare(kernels_gemv, way & 1, way & 2, sizes[m], sizes[n], sizes[k], way & 4, &rng);
                    }
                }
}

/*
 * Each length of a kernel's edges on its own: rows of a tile, columns of a strip, k of a transposed square.
 */
static void
edges_of(Gemm *product)
{
    NnRng rng;

    rng_seed(&rng, 2, 0);
    for (int size = 1; size <= (unit_emulated() ? 20 : 80); size++)
        for (int way = 0; way < 4; way++) {
            compare(product, way & 1, way & 2, size, 20, 20, false, &rng);
            compare(product, way & 1, way & 2, 20, size, 20, true, &rng);
            compare(product, way & 1, way & 2, 20, 20, 100 + size, true, &rng);
            compare(product, way & 1, way & 2, 20, 20, 220 + size, false, &rng);
            compare(product, false, way & 1, 1, size, 81 - size, way & 2, &rng);
        }
}

static void
edges(void)
{
    edges_of(gemm);
    for (int i = 0; (kernels = simd_kernels(i)) != NULL; i++) {
        edges_of(kernels_gemm);
        edges_of(kernels_gemv);
    }
}

/* a row alone has the product, to the bit, that it has among others */
static void
rows_alone(void)
{
    enum { M = 5, N = 83, K = 300 };
    static float a[M * K], b[N * K], c[M * N], alone[N];
    NnRng rng;

    rng_seed(&rng, 3, 0);
    for (int i = 0; i < M * K; i++)
        a[i] = (float)rng_normal(&rng);
    for (int i = 0; i < N * K; i++)
        b[i] = (float)rng_normal(&rng);
    for (int i = 0; (kernels = simd_kernels(i)) != NULL; i++)
        for (int way = 0; way < 4; way++)
            for (int k = 1; k <= K; k += 23) {
                int wrong = 0;

                memset(c, 0, sizeof(c));
                memset(alone, 0, sizeof(alone));
                for (int j = 0; j < M * N && way & 1; j++)
                    c[j] = (float)(j % N);
                for (int j = 0; j < N && way & 1; j++)
                    alone[j] = (float)j;
                kernels->gemm(false, way & 2, M, N, k, a, K, b, way & 2 ? K : N, way & 1, c, N);
                kernels->gemv(way & 2, N, k, a + 2 * K, b, way & 2 ? K : N, way & 1, alone);
                for (int j = 0; j < N; j++)
                    wrong += alone[j] != c[2 * N + j];
                CHECK_MESSAGE(wrong == 0, "%s, way %d, k %d: %d differ", kernels->name, way, k, wrong);
            }
}

#define WIDE 4096

static atomic_bool interrupt;

static bool
interrupted_now(void)
{
    return interrupt;
}

/* c [3, WIDE] = a [3, 5] b [5, WIDE], interrupted before it begins */
static void
product_task(void *arg, int task, int worker)
{
    float *c = arg, *a = calloc(15, sizeof(float)), *b = calloc(5 * WIDE, sizeof(float));

    (void)task;
    (void)worker;
    atomic_store(&interrupt, true);
    gemm(false, false, 3, WIDE, 5, rows_in(a, 5), rows_in(b, WIDE), false, rows_of(c, WIDE));
    free(a);
    free(b);
}

/* a large product does not hold up the end of the run that it is part of; outside of a run nothing ends it */
static void
interrupts_end_a_product(void)
{
    UnitMemory memory = {0};
    NnPool *pool = pool_create(unit_alloc(&memory), 1, interrupted_now);
    float *c = calloc(3 * WIDE, sizeof(float));

    if (gemm_kernels()) {
        c[WIDE - 1] = 7;
        CHECK(pool_run(pool, product_task, c, 1, true) == NN_INTERRUPTED);
        CHECK(c[WIDE - 1] == 7);
        atomic_store(&interrupt, false);
        CHECK(pool_run(pool, product_task, c, 1, false) == NN_OK);
        CHECK(c[WIDE - 1] == 0);
        c[WIDE - 1] = 7;
        product_task(c, 0, 0);
        CHECK(c[WIDE - 1] == 0);
    }
    free(c);
    pool_stop(pool);
    unit_release(&memory);
}

int
main(void)
{
#ifndef UNIT_WITHOUT_BLAS /* a CPU with kernels never loads it */
    RUN(loading_leaves_no_trace);
#endif
    CHECK(gemm_prepare());
    RUN(products);
    RUN(edges);
    RUN(rows_alone);
    RUN(interrupts_end_a_product);
    return unit_end();
}
