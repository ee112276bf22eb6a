/*
 * matvec.c: products with a Linear's weight. Scoring has a transposed copy of it: for blocks of rows gemm
 * copies strips of that without transposing each again, and for a single row, as ctr_predict scores them,
 * there is a kernel of our own.
 *
 * A single row reads every weight once that meets no zeros: it costs what the weights cost to bring from the
 * L2 cache. The copy is cut into tiles, each as many columns of the result as fit the CPU's registers and one
 * stretch of memory: twice to three times as fast as sgemv, whose dot products read several rows at once. It
 * adds in gemm's order, so that a row has the same score, to the bit, alone and in a block.
 */
#include "nn/net/net.h"

#include "nn/kernels/simd.h"
#include "nn/math/products.h"
#include "nn/math/rows.h"

#define LEAST_WEIGHTS 1024
#define MOST_LANES    16

/*
 * How a transposed copy is cut: tiles [d_in, vectors * lanes], one after the other, the last one's last
 * columns unused.
 */
typedef struct Tiles {
    int n, vectors, floats; /* vectors and floats of a tile's row */
} Tiles;

/* equally wide ones: a narrow one would leave registers empty */
static Tiles
cut_tiles(const NnSimdKernels *kernels, int d_out)
{
    const int vectors = (d_out + kernels->lanes - 1) / kernels->lanes;
    const int n = (vectors + NN_MATVEC_VECTORS - 1) / NN_MATVEC_VECTORS;
    const int width = (vectors + n - 1) / n;

    return (Tiles){n, width, width * kernels->lanes};
}

/*
 * y [width]  (+)= x w
 * x [d_in]
 * w [d_in, …]: a tile
 * In as many sums as gemm makes.
 */
static void
tile_product(float *y, const float *x, const float *w, int d_in, int width, const NnSimdKernels *kernels,
             Tiles tiles, bool add)
{
    float product[NN_MATVEC_VECTORS * MOST_LANES];

    for (int i = 0; i < d_in; i += kernels->depth, w += (size_t)kernels->depth * (size_t)tiles.floats) {
        const int depth = d_in - i < kernels->depth ? d_in - i : kernels->depth;

        kernels->matvec(product, x + i, w, depth, tiles.vectors);
        rows_copy(rows_of(y, 0), rows_in(product, 0), 1, width, add || i > 0);
    }
}

/*
 * y [d_out]  (+)= x w
 * x [d_in]
 * w: transposed copy of `rows` rows, of which d_in from `first` on take part
 */
static void
matvec(float *y, const float *x, const float *w, int rows, int first, int d_in, int d_out, bool add)
{
    const NnSimdKernels *kernels = simd_kernels(0);
    const Tiles tiles = cut_tiles(kernels, d_out);

    for (int column = 0; column < d_out; column += tiles.floats, w += (size_t)rows * (size_t)tiles.floats) {
        const int width = d_out - column < tiles.floats ? d_out - column : tiles.floats;

        tile_product(y + column, x, w + (size_t)first * (size_t)tiles.floats, d_in, width, kernels, tiles,
                     add);
    }
}

/*
 * The same for n rows.
 * y [n, d_out], x [n, d_in]
 */
static void
tiles_product(int n, NnRows y, NnRowsIn x, const float *w, int rows, int first, int d_in, int d_out, bool add)
{
    const Tiles tiles = cut_tiles(simd_kernels(0), d_out);

    for (int column = 0; column < d_out; column += tiles.floats, w += (size_t)rows * (size_t)tiles.floats) {
        const int width = d_out - column < tiles.floats ? d_out - column : tiles.floats;

        gemm(false, false, n, width, d_in, x, rows_in(w + (size_t)first * (size_t)tiles.floats, tiles.floats),
             add, rows_part(y, 0, column));
    }
}

size_t
transposed_floats(const NnParam *p)
{
    const NnSimdKernels *kernels = simd_kernels(0);
    Tiles tiles;

    if (!kernels || p->kind != NN_DENSE || p->ndim != 2 || p->count < LEAST_WEIGHTS)
        return 0;
    tiles = cut_tiles(kernels, (int)p->shape[0]);
    return (size_t)p->shape[1] * (size_t)tiles.n * (size_t)tiles.floats;
}

void
transpose_weight(float *transposed, const NnParam *p, const float *weight, NnPause pause)
{
    const size_t d_out = (size_t)p->shape[0], d_in = (size_t)p->shape[1];
    const size_t width = (size_t)cut_tiles(simd_kernels(0), (int)p->shape[0]).floats;

    for (size_t first = 0; first < d_out; first += width, transposed += d_in * width) {
        if (pause)
            pause();
        for (size_t i = 0; i < d_in; i++)
            for (size_t j = 0; j < width; j++)
                transposed[i * width + j] = first + j < d_out ? weight[(first + j) * d_in + i] : 0;
    }
}

void
weight_product(const NnBlock *b, NnRows y, NnRowsIn x, int param, int column, int d_in, int d_out, bool add)
{
    const NnParam *p = &b->net->params[param];
    const float *copy = b->transposed ? b->transposed[param] : NULL;

    if (copy == NULL)
        gemm(false, true, b->n, d_out, d_in, x, rows_in_part(block_weight(b, param), 0, column), add, y);
    else if (b->n == 1)
        matvec(y.p, x.p, copy, (int)p->shape[1], column, d_in, d_out, add);
    else
        tiles_product(b->n, y, x, copy, (int)p->shape[1], column, d_in, d_out, add);
}
