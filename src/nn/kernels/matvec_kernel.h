/*
 * matvec_kernel.h: products with one row, for the vectors of simd_*.h.
 */
#include <string.h>

/* ------------------------------------------------------------------ times a tile of a transposed weight */

/*
 * All columns of the result stay in registers while the tile is read in one stretch, which the CPU prefetches
 * well. Rows of the weight that meet zeros, MATVEC_GROUP at once, are not read: FiBiNET's attention closes
 * about half of the fields, and with each the interactions of all its pairs.
 */
#define MATVEC_GROUP 8

/* x [MATVEC_GROUP]: is every number zero? */
SIMD_INLINE bool
all_zero(const float *x)
{
    uint64_t bits[MATVEC_GROUP / 2], all = 0;

    memcpy(bits, x, sizeof(bits));
    for (int i = 0; i < MATVEC_GROUP / 2; i++)
        all |= bits[i];
    return (all & UINT64_C(0x7fffffff7fffffff)) == 0; /* -0 is zero, too */
}

/* sum [vectors]  += x [n] w;  w [n, vectors] */
SIMD_INLINE void
matvec_add(Vector *sum, const float *restrict x, const float *restrict w, int n, const int vectors)
{
    for (int i = 0; i < n; i++, w += vectors * LANES) {
        const Vector xi = splat(x[i]);

        for (int v = 0; v < vectors; v++)
            sum[v] = fmadd(xi, load(w + v * LANES), sum[v]);
    }
}

/* y [vectors] = x [d_in] w;  w [d_in, vectors] */
SIMD_INLINE void
matvec_tile(float *restrict y, const float *restrict x, const float *restrict w, int d_in, const int vectors)
{
    Vector sum[NN_MATVEC_VECTORS];
    int i = 0;

    for (int v = 0; v < vectors; v++)
        sum[v] = zero();
    for (; i + MATVEC_GROUP <= d_in; i += MATVEC_GROUP, w += MATVEC_GROUP * vectors * LANES)
        if (!all_zero(x + i))
            matvec_add(sum, x + i, w, MATVEC_GROUP, vectors);
    matvec_add(sum, x + i, w, d_in - i, vectors);
    for (int v = 0; v < vectors; v++)
        store(y + v * LANES, sum[v]);
}

/* the same for a number of vectors that the compiler does not know */
SIMD static void
matvec_kernel(float *restrict y, const float *restrict x, const float *restrict w, int d_in, int vectors)
{
    switch (vectors) {
#define CASE(n)                                                                                              \
    case n:                                                                                                  \
        matvec_tile(y, x, w, d_in, n);                                                                       \
        break;
        CASE(1)
        CASE(2)
        CASE(3)
        CASE(4)
        CASE(5)
        CASE(6)
        CASE(7)
        CASE(8)
        CASE(9)
        CASE(10)
        CASE(11)
        CASE(12)
        CASE(13)
#undef CASE
    }
}

/* ------------------------------------------------------------------ times a matrix as it lies */

/*
 * Each element is summed as gemm_kernel sums it, over k in order, DEPTH terms at a time: a row has the same
 * product, to the bit, alone and among others.
 */

#define GEMV_VECTORS 4 /* at once: as many sums as hide the time that one addition takes */

/* c [(vectors - 1) * LANES + last]  (+)= a [k] b [k, …] */
SIMD_INLINE void
gemv_columns(float *c, const float *a, const float *b, int ldb, int k, bool adding, int last,
             const int vectors)
{
    Vector sum[GEMV_VECTORS];

    for (int v = 0; v < vectors; v++)
        sum[v] = zero();
    for (int p = 0; p < k; p++, b += ldb)
        for (int v = 0; v < vectors; v++)
            sum[v] = fmadd(splat(a[p]), load_lanes(b + v * LANES, v == vectors - 1 ? last : LANES), sum[v]);
    for (int v = 0; v < vectors; v++, c += LANES) {
        const int lanes = v == vectors - 1 ? last : LANES;

        store_lanes(c, adding ? add(sum[v], load_lanes(c, lanes)) : sum[v], lanes);
    }
}

/* c [rows]  (+)= b [rows, k] a [k];  rows <= LANES */
SIMD_INLINE void
gemv_rows(float *c, const float *a, const float *b, int ldb, int rows, int k, bool adding)
{
    Vector sum = zero();

    for (int p = 0; p < k; p += LANES) {
        const int lanes = k - p < LANES ? k - p : LANES;
        Vector columns[LANES];

        for (int i = 0; i < LANES; i++)
            columns[i] = i < rows ? load_lanes(b + (size_t)i * (size_t)ldb + p, lanes) : zero();
        transpose(columns);
        for (int i = 0; i < lanes; i++)
            sum = fmadd(splat(a[p + i]), columns[i], sum);
    }
    store_lanes(c, adding ? add(sum, load_lanes(c, rows)) : sum, rows);
}

/* c [n] (+)= a [k] b [k, n] */
SIMD static void
gemv_plain(int n, int k, const float *a, const float *b, int ldb, bool adding, float *c)
{
    int j = 0;

    for (; n - j >= GEMV_VECTORS * LANES; j += GEMV_VECTORS * LANES)
        gemv_columns(c + j, a, b + j, ldb, k, adding, LANES, GEMV_VECTORS);
    for (; j < n; j += LANES)
        gemv_columns(c + j, a, b + j, ldb, k, adding, n - j < LANES ? n - j : LANES, 1);
}

/* c [n] (+)= b [n, k] a [k] */
SIMD static void
gemv_transposed(int n, int k, const float *a, const float *b, int ldb, bool adding, float *c)
{
    int j = 0;

    for (; n - j >= LANES; j += LANES)
        gemv_rows(c + j, a, b + (size_t)j * (size_t)ldb, ldb, LANES, k, adding);
    if (j < n)
        gemv_rows(c + j, a, b + (size_t)j * (size_t)ldb, ldb, n - j, k, adding);
}

SIMD static void
gemv_kernel(bool transpose_b, int n, int k, const float *a, const float *b, int ldb, bool adding, float *c)
{
    for (int p = 0; p < k; p += DEPTH) {
        const int depth = k - p < DEPTH ? k - p : DEPTH;

        if (transpose_b)
            gemv_transposed(n, depth, a + p, b + p, ldb, adding || p > 0, c);
        else
            gemv_plain(n, depth, a + p, b + (size_t)p * (size_t)ldb, ldb, adding || p > 0, c);
    }
}
