/*
 * test_matvec.c: a weight times one row, by the transposed copy, against sums in float8 and against the same row
 * among others, by the copy and by the weight as it is stored: widths at and around the kernel's tiles, a part of the weight's columns, setting and adding;
 * and each kernel that the CPU can run.
 */
#include "nn/math/products.h"
#include "nn/math/rows.h"
#include "nn/kernels/simd.h"
#include "unit.h"

#define MOST 700

/* y[j] (+)= sum over i of x[i] W[j, column + i] */
static void
single_row(int columns, int column, int d_in, int d_out, bool add)
{
    static float y[MOST], before[MOST], among[2 * MOST], x[2 * MOST];
    NnParam param = {
        .kind = NN_DENSE, .ndim = 2, .shape = {d_out, columns}, .count = (size_t)d_out * (size_t)columns};
    NnNet net = {.params = &param};
    UnitMemory memory = {0};
    float *weight = unit_take(&memory, param.count * sizeof(float));
    float *transposed = unit_take(&memory, transposed_floats(&param) * sizeof(float));
    const float *copies[] = {transposed};
    NnBlock b = {.net = &net, .params = weight, .n = 1, .transposed = copies};
    double off = 0, largest = 0;
    NnRng rng;

    rng_seed(&rng, 7, param.count);
    for (size_t i = 0; i < param.count; i++)
        weight[i] = (float)rng_normal(&rng);
    for (int i = 0; i < d_in; i++)
        x[i] = (float)rng_normal(&rng);
    for (int j = 0; j <= d_out; j++)
        y[j] = before[j] = (float)rng_normal(&rng);
    CHECK(transposed_floats(&param) > 0);
    transpose_weight(transposed, &param, weight, NULL);
    memset(weight, 0xff, param.count * sizeof(float)); /* NaN: only the copy may be read */
    weight_product(&b, rows_of(y, 1), rows_in(x, 1), 0, column, d_in, d_out, add);
    b.n = 2; /* whose first row has the same product, to the bit, */
    memcpy(x + MOST, x, sizeof(float) * (size_t)d_in);
    memcpy(among, before, sizeof(before));
    weight_product(&b, rows_of(among, MOST), rows_in(x, MOST), 0, column, d_in, d_out, add);
    CHECK(memcmp(y, among, sizeof(float) * (size_t)d_out) == 0);
    CHECK(among[d_out] == before[d_out]);
    rng_seed(&rng, 7, param.count);
    for (size_t i = 0; i < param.count; i++)
        weight[i] = (float)rng_normal(&rng);
    b.transposed = NULL; /* by the copy and without */
    memcpy(among, before, sizeof(before));
    weight_product(&b, rows_of(among, MOST), rows_in(x, MOST), 0, column, d_in, d_out, add);
    CHECK(memcmp(y, among, sizeof(float) * (size_t)d_out) == 0);
    for (int j = 0; j < d_out; j++) {
        double sum = add ? (double)before[j] : 0;

        for (int i = 0; i < d_in; i++)
            sum += (double)x[i] * (double)weight[j * columns + column + i];
        off = fmax(off, fabs((double)y[j] - sum));
        largest = fmax(largest, fabs(sum));
    }
    CHECK(largest > 1);
    CHECK_NEAR(off, 0, 1e-4);
    CHECK(y[d_out] == before[d_out]);
    unit_release(&memory);
}

static void
all_widths(void)
{
    for (int d_out = 2; d_out <= 258; d_out++)
        single_row(600, 0, 600, d_out, d_out % 2 == 0);
    single_row(64, 0, 64, 513, true);
    single_row(64, 0, 64, 512, false);
}

static void
part_of_the_columns(void)
{
    single_row(300, 37, 100, 128, false);
    single_row(300, 299, 1, 300, true);
}

static void
small_weights_have_no_copy(void)
{
    NnParam small = {.kind = NN_DENSE, .ndim = 2, .shape = {8, 8}, .count = 64};
    NnParam table = {.kind = NN_TABLE, .ndim = 2, .shape = {8, 800}, .count = 6400};

    CHECK(transposed_floats(&small) == 0);
    CHECK(transposed_floats(&table) == 0);
}

/* Whole numbers, so that the sums are exact. Eight zeros in a row meet weights that are not read. */
static void
every_kernel(void)
{
    enum { IN = 21, CLOSED = 8, OPEN = 16 };
    static float x[IN] = {1, -2, 3, 0, 5, 0, 0, 0, [CLOSED + 3] = -0.0f, [OPEN] = 4, 0, 2, 0, 1},
                 w[IN * MOST], y[MOST];

    for (int i = 0; simd_kernels(i); i++)
        for (int vectors = 1; vectors <= NN_MATVEC_VECTORS; vectors++) {
            const int width = vectors * simd_kernels(i)->lanes;
            int wrong = 0;

            for (int k = 0; k < IN * width; k++)
                w[k] = k / width >= CLOSED && k / width < OPEN ? NAN : (float)(k * 7 % 23);
            y[width] = -1;
            simd_kernels(i)->matvec(y, x, w, IN, vectors);
            for (int j = 0; j < width; j++) {
                float sum = 0;

                for (int k = 0; k < IN; k++)
                    sum += k < CLOSED || k >= OPEN ? x[k] * w[k * width + j] : 0;
                wrong += y[j] != sum;
            }
            CHECK_MESSAGE(wrong == 0 && y[width] == -1, "%s, %d vectors", simd_kernels(i)->name, vectors);
        }
}

int
main(void)
{
    CHECK(gemm_prepare());
    if (simd_kernels(0)) { /* without kernels there are no copies: all is gemm's, as test_blas */
        RUN(all_widths);
        RUN(part_of_the_columns);
    }
    RUN(every_kernel);
    RUN(small_weights_have_no_copy);
    return unit_end();
}
