/*
 * products.c: matrix products: by our own kernels (gemm_kernel.h, matvec_kernel.h) on a CPU that can run
 * them, elsewhere by OpenBLAS (or another CBLAS), which is loaded when it is first needed and has no other
 * caller.
 *
 * Loading it late, instead of linking with it, spares a new backend 10 to 20 ms where our kernels do, and
 * lets us decide three things first, which OpenBLAS reads from the environment only once, while it is loaded:
 *   - no threads of its own: they would run with our signal mask, and setting one later does not end them;
 *   - AVX-512 kernels where the CPU has the instructions: an OpenBLAS older than the CPU falls back to AVX2;
 *   - the true size of the L2 cache, by which it chooses its blocks; for an unknown CPU it guesses.
 * What the user set in the environment stays. A wrong choice of kernels would be silent, so a product is
 * checked.
 */
#include "nn/math/products.h"

#include <cblas.h>
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nn/kernels/simd.h"

typedef void Sgemm(CBLAS_LAYOUT, CBLAS_TRANSPOSE, CBLAS_TRANSPOSE, blasint, blasint, blasint, float,
                   const float *, blasint, const float *, blasint, float, float *, blasint);
typedef void Sgemv(CBLAS_LAYOUT, CBLAS_TRANSPOSE, blasint, blasint, float, const float *, blasint,
                   const float *, blasint, float, float *, blasint);

static struct {
    void *handle;
    Sgemm *sgemm;
    Sgemv *sgemv;
    const NnSimdKernels *kernels; /* of our own, or NULL */
    char error[1024];
    char version[512];
} blas;

/* ------------------------------------------------------------------ environment while loading */

typedef struct Setting {
    const char *name;
    char *before; /* a copy, or NULL when it was not set */
} Setting;

/* keep: leave alone what the user has set */
static void
setting_change(Setting *setting, const char *name, const char *value, bool keep)
{
    const char *before = getenv(name);

    setting->name = NULL;
    if (before && keep)
        return;
    setting->name = name;
    setting->before = before ? strdup(before) : NULL;
    setenv(name, value, 1);
}

static void
setting_restore(Setting *setting)
{
    if (!setting->name)
        return;
    if (setting->before)
        setenv(setting->name, setting->before, 1);
    else
        unsetenv(setting->name);
    free(setting->before);
}

/* bytes; 0: unknown */
static long
l2_cache(void)
{
#ifdef _SC_LEVEL2_CACHE_SIZE
    return sysconf(_SC_LEVEL2_CACHE_SIZE);
#else
    return 0;
#endif
}

static void *
open_library(void)
{
    static const char *const names[] = {"libopenblas.so.0", "libopenblas.so", "libblas.so.3"};
    Setting threads, core = {0}, cache = {0};
    const long cache_bytes = l2_cache();
    char kilobytes[32];
    void *handle = NULL;

    setting_change(&threads, "OPENBLAS_NUM_THREADS", "1", false);
    if (simd_kernels(0) && simd_kernels(0)->openblas_core)
        setting_change(&core, "OPENBLAS_CORETYPE", simd_kernels(0)->openblas_core, true);
    if (cache_bytes > 0) {
        snprintf(kilobytes, sizeof(kilobytes), "%ld", cache_bytes / 1024);
        setting_change(&cache, "OPENBLAS_L2_SIZE", kilobytes, true);
    }
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && !handle; i++)
        handle = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    if (!handle)
        snprintf(blas.error, sizeof(blas.error), "%s", dlerror());
    setting_restore(&cache);
    setting_restore(&core);
    setting_restore(&threads);
    return handle;
}

/* ------------------------------------------------------------------ what was loaded */

/* dlsym gives an object pointer; POSIX lets it be read as a function's */
static void
find_function(void *handle, const char *name, void *function)
{
    void *symbol = dlsym(handle, name);

    memcpy(function, &symbol, sizeof(symbol));
}

/* The library may have been in the process before us, with threads. */
static void
describe_library(void *handle)
{
    char *(*config)(void), *(*core)(void);
    int (*get_threads)(void);
    void (*set_threads)(int);

    find_function(handle, "openblas_get_config", &config);
    find_function(handle, "openblas_get_corename", &core);
    find_function(handle, "openblas_get_num_threads", &get_threads);
    find_function(handle, "openblas_set_num_threads", &set_threads);
    if (get_threads && set_threads && get_threads() > 1)
        set_threads(1);
    snprintf(blas.version, sizeof(blas.version), "%s, kernel %s, threads %d",
             config ? config() : "CBLAS of unknown make", core ? core() : "unknown",
             get_threads ? get_threads() : 1);
}

#define CHECK_M 37
#define CHECK_N 83
#define CHECK_K 131

/*
 * odd sizes, to reach the kernels' edges; small whole numbers, so that any order of adding gives the same sum
 */
static bool
product_is_right(void)
{
    static const int largest = CHECK_M * CHECK_K + CHECK_K * CHECK_N + CHECK_M * CHECK_N;
    float *a = malloc((size_t)largest * sizeof(float)), *b, *c;
    bool right = a != NULL;

    if (!a)
        return false;
    b = a + CHECK_M * CHECK_K;
    c = b + CHECK_K * CHECK_N;
    for (int i = 0; i < CHECK_M * CHECK_K; i++)
        a[i] = (float)(i * 7 % 23 - 11);
    for (int i = 0; i < CHECK_K * CHECK_N; i++)
        b[i] = (float)(i * 5 % 19 - 9);
    blas_gemm(false, false, CHECK_M, CHECK_N, CHECK_K, rows_in(a, CHECK_K), rows_in(b, CHECK_N), false,
              rows_of(c, CHECK_N));
    for (int i = 0; i < CHECK_M; i++) {
        for (int j = 0; j < CHECK_N; j++) {
            float sum = 0.0f;

            for (int k = 0; k < CHECK_K; k++)
                sum += a[i * CHECK_K + k] * b[k * CHECK_N + j];
            right = right && c[i * CHECK_N + j] == sum;
        }
    }
    free(a);
    return right;
}

bool
blas_load(void)
{
    sigset_t all, before;

    if (blas.handle)
        return true;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    blas.handle = open_library();
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!blas.handle)
        return false;

    find_function(blas.handle, "cblas_sgemm", &blas.sgemm);
    find_function(blas.handle, "cblas_sgemv", &blas.sgemv);
    describe_library(blas.handle);
    if (!blas.sgemm || !blas.sgemv)
        snprintf(blas.error, sizeof(blas.error), "the BLAS library has no cblas_sgemm (%s)", blas.version);
    else if (!product_is_right())
        snprintf(
            blas.error, sizeof(blas.error),
            "the BLAS library multiplies wrongly on this CPU (%s); another kernel can be chosen with the "
            "environment variable OPENBLAS_CORETYPE",
            blas.version);
    else
        return true;
    dlclose(blas.handle);
    blas.handle = NULL;
    return false;
}

bool
gemm_prepare(void)
{
    blas.kernels = simd_kernels(0);
    return blas.kernels || blas_load();
}

const char *
gemm_kernels(void)
{
    return simd_kernels(0) ? simd_kernels(0)->name : NULL;
}

const char *
blas_error(void)
{
    return blas.error;
}

const char *
blas_version(void)
{
    return blas.version;
}

/* ------------------------------------------------------------------ products */

#define PIECE_PRODUCTS ((size_t)1 << 28)
#define PIECE_COLUMNS  64 /* at least */

void
blas_gemm(bool transpose_a, bool transpose_b, int m, int n, int k, NnRowsIn a, NnRowsIn b, bool add, NnRows c)
{
    blas.sgemm(CblasRowMajor, transpose_a ? CblasTrans : CblasNoTrans,
               transpose_b ? CblasTrans : CblasNoTrans, m, n, k, 1.0f, a.p, a.ld, b.p, b.ld,
               add ? 1.0f : 0.0f, c.p, c.ld);
}

/* c [n] (+)= a [k] times B: sgemm would first copy the whole of B */
static void
blas_gemv(bool transpose_b, int n, int k, const float *a, NnRowsIn b, bool add, float *c)
{
    if (!add)
        memset(c, 0, (size_t)n * sizeof(float)); /* 0 * c would keep a NaN of an unused c */
    blas.sgemv(CblasRowMajor, transpose_b ? CblasNoTrans : CblasTrans, transpose_b ? n : k,
               transpose_b ? k : n, 1.0f, b.p, b.ld, a, 1, add ? 1.0f : 0.0f, c, 1);
}

/* As many columns at a time as take the library some ten milliseconds: it cannot be interrupted. */
static void
blas_gemm_in_pieces(bool transpose_a, bool transpose_b, int m, int n, int k, NnRowsIn a, NnRowsIn b, bool add,
                    NnRows c)
{
    const size_t columns = PIECE_PRODUCTS / ((size_t)m * (size_t)k + 1) + PIECE_COLUMNS;

    for (size_t first = 0; first < (size_t)n; first += columns) {
        const size_t left = (size_t)n - first;
        const int at = (int)first;

        if (first > 0 && pool_task_interrupted())
            return;
        blas_gemm(transpose_a, transpose_b, m, (int)(left < columns ? left : columns), k, a,
                  transpose_b ? rows_in_part(b, at, 0) : rows_in_part(b, 0, at), add, rows_part(c, 0, at));
    }
}

void
gemm(bool transpose_a, bool transpose_b, int m, int n, int k, NnRowsIn a, NnRowsIn b, bool add, NnRows c)
{
    const bool one_row = m == 1 && !transpose_a;

    if (blas.kernels) {
        if (one_row)
            blas.kernels->gemv(transpose_b, n, k, a.p, b.p, b.ld, add, c.p);
        else
            blas.kernels->gemm(transpose_a, transpose_b, m, n, k, a.p, a.ld, b.p, b.ld, add, c.p, c.ld);
    } else if (one_row) {
        blas_gemv(transpose_b, n, k, a.p, b, add, c.p);
    } else {
        blas_gemm_in_pieces(transpose_a, transpose_b, m, n, k, a, b, add, c);
    }
}
