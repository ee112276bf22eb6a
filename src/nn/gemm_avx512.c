/*
 * gemm_avx512.c: matrix products of the sizes that a network of this kind has, for CPUs with AVX-512.
 *
 * A layer multiplies a block of NN_BLOCK rows by a weight of a few ten to a few hundred columns. For sizes like
 * these a BLAS library, which copies both factors into buffers made for large matrices, spends a quarter of its
 * time on the copying. Here only B is copied, DEPTH rows of a strip of at most 48 columns at a time, so that it
 * stays in the L1 cache; A is read where it lies, one number broadcast to a vector; and a tile of 8 rows of C
 * stays in 24 of the 32 registers while the strip passes. Whatever the sizes, each element of C is summed
 * over k in order, DEPTH terms at a time: the same bits in every call.
 */
#include "avx512.h"

#ifdef NN_AVX512

#include <immintrin.h>

#define LANES        16  /* floats of a vector */
#define TILE_ROWS    8   /* of C, in registers: TILE_ROWS * MOST_VECTORS accumulators */
#define MOST_VECTORS 3   /* of a strip's width */
#define DEPTH        128 /* rows of B at a time: 24 kB of a strip */

typedef __m512 Strip[DEPTH * MOST_VECTORS]; /* [k, vectors]: the strip's rows of B */

/* The columns of C that a strip covers: `vectors` vectors, of which the last one's are those of `mask`. */
typedef struct Width {
    int vectors;
    __mmask16 mask;
} Width;

static Width
strip_width(int columns)
{
    const int left = (columns + LANES - 1) / LANES;
    /* four vectors are cut in two halves: one alone would leave most of the registers empty */
    const int vectors = left == 4 ? 2 : left < MOST_VECTORS ? left : MOST_VECTORS;
    const int last = columns - (vectors - 1) * LANES;

    return (Width){vectors, last < LANES ? (__mmask16)((1u << last) - 1) : 0xFFFF};
}

/* ------------------------------------------------------------------ C from a strip */

/*
 * c [rows, width]  (+)= a b, where A's element (i, p) is a[i * row + p * step]
 * b [k, vectors]
 */
NN_AVX512_INLINE void
tile(float *c, int ldc, const float *a, size_t row, size_t step, const __m512 *b, int k, __mmask16 mask,
     bool add, const int rows, const int vectors)
{
    __m512 sum[TILE_ROWS][MOST_VECTORS];

    for (int i = 0; i < rows; i++)
        for (int v = 0; v < vectors; v++)
            sum[i][v] = _mm512_setzero_ps();
    for (int p = 0; p < k; p++)
        for (int i = 0; i < rows; i++)
            for (int v = 0; v < vectors; v++)
                sum[i][v] = _mm512_fmadd_ps(_mm512_set1_ps(a[(size_t)i * row + (size_t)p * step]),
                                            b[p * vectors + v], sum[i][v]);
    for (int i = 0; i < rows; i++)
        for (int v = 0; v < vectors; v++) {
            const __mmask16 columns = v == vectors - 1 ? mask : 0xFFFF;
            float *to = c + (size_t)i * (size_t)ldc + v * LANES;

            if (add)
                sum[i][v] = _mm512_add_ps(sum[i][v], _mm512_maskz_loadu_ps(columns, to));
            _mm512_mask_storeu_ps(to, columns, sum[i][v]);
        }
}

/* c [m, width] (+)= a b */
NN_AVX512_INLINE void
strip_product(float *c, int ldc, const float *a, size_t row, size_t step, const __m512 *b, int m, int k,
              __mmask16 mask, bool add, const int vectors)
{
    int i = 0;

    for (; m - i >= 8; i += 8)
        tile(c + (size_t)i * (size_t)ldc, ldc, a + (size_t)i * row, row, step, b, k, mask, add, 8, vectors);
    if (m - i >= 4) {
        tile(c + (size_t)i * (size_t)ldc, ldc, a + (size_t)i * row, row, step, b, k, mask, add, 4, vectors);
        i += 4;
    }
    if (m - i >= 2) {
        tile(c + (size_t)i * (size_t)ldc, ldc, a + (size_t)i * row, row, step, b, k, mask, add, 2, vectors);
        i += 2;
    }
    if (m - i >= 1)
        tile(c + (size_t)i * (size_t)ldc, ldc, a + (size_t)i * row, row, step, b, k, mask, add, 1, vectors);
}

/* with A as stored: its rows go along k */
NN_AVX512 static void
multiply_plain(float *c, int ldc, const float *a, int lda, const __m512 *b, int m, int k, Width width,
               bool add)
{
    switch (width.vectors) {
    case 1:
        strip_product(c, ldc, a, (size_t)lda, 1, b, m, k, width.mask, add, 1);
        break;
    case 2:
        strip_product(c, ldc, a, (size_t)lda, 1, b, m, k, width.mask, add, 2);
        break;
    default:
        strip_product(c, ldc, a, (size_t)lda, 1, b, m, k, width.mask, add, 3);
    }
}

/* with A transposed: its rows go along m */
NN_AVX512 static void
multiply_transposed(float *c, int ldc, const float *a, int lda, const __m512 *b, int m, int k, Width width,
                    bool add)
{
    switch (width.vectors) {
    case 1:
        strip_product(c, ldc, a, 1, (size_t)lda, b, m, k, width.mask, add, 1);
        break;
    case 2:
        strip_product(c, ldc, a, 1, (size_t)lda, b, m, k, width.mask, add, 2);
        break;
    default:
        strip_product(c, ldc, a, 1, (size_t)lda, b, m, k, width.mask, add, 3);
    }
}

/* ------------------------------------------------------------------ a strip from B */

/* strip [k, vectors] = b [k, width] */
NN_AVX512 static void
copy_plain(__m512 *strip, const float *b, int ldb, int k, Width width)
{
    for (int p = 0; p < k; p++, strip += width.vectors, b += ldb) {
        for (int v = 0; v < width.vectors - 1; v++)
            strip[v] = _mm512_loadu_ps(b + v * LANES);
        strip[width.vectors - 1] = _mm512_maskz_loadu_ps(width.mask, b + (width.vectors - 1) * LANES);
    }
}

/* y[p * step] for p < k = column p of the n rows of x [n, k]; n, k <= 16 */
NN_AVX512 static void
transpose_square(__m512 *y, int step, const float *x, int ldx, int n, int k)
{
    const __mmask16 mask = (__mmask16)((1u << k) - 1);
    __m512 r[LANES], t[LANES];

    for (int i = 0; i < LANES; i++)
        r[i] = i < n ? _mm512_maskz_loadu_ps(mask, x + (size_t)i * (size_t)ldx) : _mm512_setzero_ps();
    /* pairs of numbers, pairs of pairs, then quarters of the vectors change places */
    for (int i = 0; i < LANES; i += 2) {
        t[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
    }
    for (int i = 0; i < LANES; i += 4)
        for (int j = 0; j < 2; j++) {
            const __m512d a = _mm512_castps_pd(t[i + j]), b = _mm512_castps_pd(t[i + j + 2]);

            r[i + 2 * j] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, b));
            r[i + 2 * j + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, b));
        }
    for (int half = 0; half < LANES; half += 8)
        for (int i = half; i < half + 4; i++) {
            t[i] = _mm512_shuffle_f32x4(r[i], r[i + 4], 0x88);
            t[i + 4] = _mm512_shuffle_f32x4(r[i], r[i + 4], 0xDD);
        }
    for (int i = 0; i < 8; i++) {
        r[i] = _mm512_shuffle_f32x4(t[i], t[i + 8], 0x88);
        r[i + 8] = _mm512_shuffle_f32x4(t[i], t[i + 8], 0xDD);
    }
    for (int p = 0; p < k; p++)
        y[p * step] = r[p];
}

/* strip [k, vectors] = the transpose of b [columns, k] */
NN_AVX512 static void
copy_transposed(__m512 *strip, const float *b, int ldb, int k, int columns, Width width)
{
    for (int v = 0; v < width.vectors; v++, b += LANES * (size_t)ldb, columns -= LANES)
        for (int p = 0; p < k; p += LANES)
            transpose_square(strip + p * width.vectors + v, width.vectors, b + p, ldb,
                             columns < LANES ? columns : LANES, k - p < LANES ? k - p : LANES);
}

/* ------------------------------------------------------------------ the whole */

NN_AVX512 void
gemm_avx512(bool transpose_a, bool transpose_b, int m, int n, int k, const float *a, int lda, const float *b,
            int ldb, bool add, float *c, int ldc)
{
    Strip strip;

    for (int p = 0; p < k; p += DEPTH) {
        const int depth = k - p < DEPTH ? k - p : DEPTH;
        const float *ap = transpose_a ? a + (size_t)p * (size_t)lda : a + p;
        Width width;

        for (int j = 0; j < n; j += width.vectors * LANES) {
            width = strip_width(n - j);
            if (transpose_b)
                copy_transposed(strip, b + (size_t)j * (size_t)ldb + p, ldb, depth, n - j, width);
            else
                copy_plain(strip, b + (size_t)p * (size_t)ldb + j, ldb, depth, width);
            if (transpose_a)
                multiply_transposed(c + j, ldc, ap, lda, strip, m, depth, width, add || p > 0);
            else
                multiply_plain(c + j, ldc, ap, lda, strip, m, depth, width, add || p > 0);
        }
    }
}

#endif /* NN_AVX512 */
