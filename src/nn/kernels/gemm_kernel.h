/*
 * gemm_kernel.h: matrix products of the sizes that a network of this kind has, for the vectors of simd_*.h.
 *
 * A layer multiplies a block of NN_BLOCK rows by a weight of a few ten to a few hundred columns. For sizes
 * like these a BLAS library, which copies both factors into buffers made for large matrices, spends a quarter
 * of its time on the copying. Here only B is copied, DEPTH rows of a strip of at most MOST_VECTORS vectors at
 * a time, so that it stays in the L1 cache, and for few rows not even that; A is read where it lies, one
 * number broadcast to a vector; and a tile of TILE_ROWS rows of C stays in registers while the strip passes.
 * Whatever the sizes, each element of C is summed over k in order, DEPTH terms at a time: the same bits in
 * every call.
 */

typedef Vector Strip[DEPTH * MOST_VECTORS]; /* [k, vectors]: the strip's rows of B */

/* The columns of C that a strip covers: `vectors` vectors, the last one's first `last` lanes only. */
typedef struct Width {
    int vectors, last;
} Width;

static Width
strip_width(int columns)
{
    const int left = (columns + LANES - 1) / LANES;
    /* one vector too many is cut in two halves: one alone would leave most of the registers empty */
    const int vectors = left == MOST_VECTORS + 1 ? (left + 1) / 2 : left < MOST_VECTORS ? left : MOST_VECTORS;
    const int last = columns - (vectors - 1) * LANES;

    return (Width){vectors, last < LANES ? last : LANES};
}

/* ------------------------------------------------------------------ C from a strip */

/* A's element (i, p) is a[i * row + p * step]: A as it is stored, or transposed */
typedef struct Left {
    const float *a;
    size_t row, step;
} Left;

/* The strip's row p is b[p * step, …]: in the copy, where it is whole vectors, or in B itself. */
typedef struct Right {
    const float *b;
    size_t step;
    bool copied;
} Right;

/*
 * c [rows, width]  (+)= left right, from row `first` on
 *
 * All loops over the tile must be unrolled, else the compiler keeps its sums in memory: with PostgreSQL's
 * -fwrapv it does not see by itself that they are short, and the product takes three times as long.
 */
SIMD_INLINE void
tile(float *c, int ldc, Left left, int first, Right right, int k, int last, bool adding, const int rows,
     const int vectors)
{
    const float *a = left.a + (size_t)first * left.row;
    Vector sum[TILE_ROWS][MOST_VECTORS];

#pragma GCC unroll 8
    for (int i = 0; i < rows; i++) {
#pragma GCC unroll 8
        for (int v = 0; v < vectors; v++)
            sum[i][v] = zero();
    }
    for (int p = 0; p < k; p++) {
        Vector b[MOST_VECTORS];

#pragma GCC unroll 8
        for (int v = 0; v < vectors; v++)
            b[v] = load_lanes(right.b + (size_t)p * right.step + v * LANES,
                              right.copied || v < vectors - 1 ? LANES : last);
#pragma GCC unroll 8
        for (int i = 0; i < rows; i++) {
#pragma GCC unroll 8
            for (int v = 0; v < vectors; v++)
                sum[i][v] = fmadd(splat(a[(size_t)i * left.row + (size_t)p * left.step]), b[v], sum[i][v]);
        }
    }
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++) {
#pragma GCC unroll 8
        for (int v = 0; v < vectors; v++) {
            const int lanes = v == vectors - 1 ? last : LANES;
            float *to = c + ((size_t)first + (size_t)i) * (size_t)ldc + v * LANES;

            if (adding)
                sum[i][v] = add(sum[i][v], load_lanes(to, lanes));
            store_lanes(to, sum[i][v], lanes);
        }
    }
}

/* c [m, width] (+)= left right */
SIMD_INLINE void
strip_product(float *c, int ldc, Left left, Right right, int m, int k, int last, bool adding,
              const int vectors)
{
    int i = 0;

    if (right.copied)
        right.step = (size_t)vectors * LANES;

    for (; m - i >= TILE_ROWS; i += TILE_ROWS)
        tile(c, ldc, left, i, right, k, last, adding, TILE_ROWS, vectors);
    if (m - i >= 4) {
        tile(c, ldc, left, i, right, k, last, adding, 4, vectors);
        i += 4;
    }
    if (m - i >= 2) {
        tile(c, ldc, left, i, right, k, last, adding, 2, vectors);
        i += 2;
    }
    if (m - i >= 1)
        tile(c, ldc, left, i, right, k, last, adding, 1, vectors);
}

/* the same for a width that the compiler does not know */
SIMD_INLINE void
multiply(float *c, int ldc, Left left, Right right, int m, int k, Width width, bool adding)
{
    if (width.vectors == 1)
        strip_product(c, ldc, left, right, m, k, width.last, adding, 1);
    else if (MOST_VECTORS == 2 || width.vectors == 2)
        strip_product(c, ldc, left, right, m, k, width.last, adding, 2);
    else
        strip_product(c, ldc, left, right, m, k, width.last, adding, MOST_VECTORS);
}

/*
 * Three functions, because the compiler makes better ones when it knows which of a Left's distances is 1, and
 * whether there is a copy.
 */
SIMD static void
multiply_plain(float *c, int ldc, const float *a, int lda, const Vector *strip, int m, int k, Width width,
               bool adding)
{
    multiply(c, ldc, (Left){a, (size_t)lda, 1}, (Right){.b = (const float *)strip, .copied = true}, m, k,
             width, adding);
}

SIMD static void
multiply_transposed(float *c, int ldc, const float *a, int lda, const Vector *strip, int m, int k,
                    Width width, bool adding)
{
    multiply(c, ldc, (Left){a, 1, (size_t)lda}, (Right){.b = (const float *)strip, .copied = true}, m, k,
             width, adding);
}

SIMD static void
multiply_in_place(float *c, int ldc, const float *a, int lda, const float *b, int ldb, int m, int k,
                  Width width, bool adding)
{
    multiply(c, ldc, (Left){a, (size_t)lda, 1}, (Right){.b = b, .step = (size_t)ldb}, m, k, width, adding);
}

/* ------------------------------------------------------------------ a strip from B */

/* strip [k, vectors] = b [k, width] */
SIMD static void
copy_plain(Vector *strip, const float *b, int ldb, int k, Width width)
{
    for (int p = 0; p < k; p++, strip += width.vectors, b += ldb) {
        for (int v = 0; v < width.vectors - 1; v++)
            strip[v] = load(b + v * LANES);
        strip[width.vectors - 1] = load_lanes(b + (width.vectors - 1) * LANES, width.last);
    }
}

/* y[p * step] for p < k = column p of the n rows of x [n, k]; n, k <= LANES */
SIMD static void
transpose_square(Vector *y, int step, const float *x, int ldx, int n, int k)
{
    Vector r[LANES];

    for (int i = 0; i < LANES; i++)
        r[i] = i < n ? load_lanes(x + (size_t)i * (size_t)ldx, k) : zero();
    transpose(r);
    for (int p = 0; p < k; p++)
        y[p * step] = r[p];
}

/* strip [k, vectors] = the transpose of b [columns, k] */
SIMD static void
copy_transposed(Vector *strip, const float *b, int ldb, int k, int columns, Width width)
{
    for (int v = 0; v < width.vectors; v++, b += LANES * (size_t)ldb, columns -= LANES)
        for (int p = 0; p < k; p += LANES)
            transpose_square(strip + p * width.vectors + v, width.vectors, b + p, ldb,
                             columns < LANES ? columns : LANES, k - p < LANES ? k - p : LANES);
}

/* ------------------------------------------------------------------ the whole */

#define IN_PLACE (2 * TILE_ROWS) /* so few rows of C take less time than it takes to copy B */

SIMD static void
gemm_kernel(bool transpose_a, bool transpose_b, int m, int n, int k, const float *a, int lda, const float *b,
            int ldb, bool adding, float *c, int ldc)
{
    const bool in_place = m <= IN_PLACE && !transpose_a && !transpose_b;
    Strip strip;

    for (int p = 0; p < k; p += DEPTH) {
        const int depth = k - p < DEPTH ? k - p : DEPTH;
        const float *ap = transpose_a ? a + (size_t)p * (size_t)lda : a + p;
        Width width;

        for (int j = 0; j < n; j += width.vectors * LANES) {
            if (j > 0 && pool_task_interrupted()) /* a product may take seconds, a strip of it does not */
                return;
            width = strip_width(n - j);
            if (in_place) {
                multiply_in_place(c + j, ldc, ap, lda, b + (size_t)p * (size_t)ldb + j, ldb, m, depth, width,
                                  adding || p > 0);
                continue;
            }
            if (transpose_b)
                copy_transposed(strip, b + (size_t)j * (size_t)ldb + p, ldb, depth, n - j, width);
            else
                copy_plain(strip, b + (size_t)p * (size_t)ldb + j, ldb, depth, width);
            if (transpose_a)
                multiply_transposed(c + j, ldc, ap, lda, strip, m, depth, width, adding || p > 0);
            else
                multiply_plain(c + j, ldc, ap, lda, strip, m, depth, width, adding || p > 0);
        }
    }
}
