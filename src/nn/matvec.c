/*
 * matvec.c: products with a Linear's weight: gemm for blocks of rows, and for a single row, as ctr_predict scores them,
 * a kernel of our own on a transposed copy of the weight.
 *
 * A single row reads every weight once: it costs what the weights cost to bring from the L2 cache. Transposed, all of
 * the result's columns stay in registers while the copy is read in one stretch, which the CPU prefetches well:
 * twice to three times as fast as sgemv, whose dot products read several rows at once.
 */
#include <string.h>

#include "rows.h"

#define MOST_VECTORS  16 /* half of AVX-512's registers */
#define LEAST_WEIGHTS 1024

typedef float Vector __attribute__((vector_size(NN_ALIGN * sizeof(float)), aligned(sizeof(float))));

/* y [width] = x [d_in] w, width = vectors * NN_ALIGN */
static inline __attribute__((always_inline)) void
columns(float *restrict y, const float *restrict x, const float *restrict w, size_t ldw, int d_in,
        const int vectors)
{
    Vector sum[MOST_VECTORS] = {0};

    for (int i = 0; i < d_in; i++) {
        const Vector *row = (const Vector *)(w + (size_t)i * ldw);

        for (int v = 0; v < vectors; v++)
            sum[v] += x[i] * row[v];
    }
    memcpy(y, sum, (size_t)vectors * sizeof(Vector));
}

/* the same for a number of vectors that the compiler does not know */
static NN_KERNEL void
columns_of(float *restrict y, const float *restrict x, const float *restrict w, size_t ldw, int d_in,
           int vectors)
{
    switch (vectors) {
#define CASE(n)                                                                                              \
    case n:                                                                                                  \
        columns(y, x, w, ldw, d_in, n);                                                                      \
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
        CASE(14)
        CASE(15)
        CASE(16)
#undef CASE
    }
}

/*
 * y [d_out]  (+)= x w
 * x [d_in]
 * w [d_in, ldw], ldw a multiple of NN_ALIGN and at least d_out
 */
static void
matvec(float *y, const float *x, const float *w, size_t ldw, int d_in, int d_out, bool add)
{
    float product[MOST_VECTORS * NN_ALIGN];

    for (int first = 0; first < d_out; first += MOST_VECTORS * NN_ALIGN) {
        const int left = d_out - first,
                  width = left < MOST_VECTORS * NN_ALIGN ? left : MOST_VECTORS * NN_ALIGN;

        columns_of(product, x, w + first, ldw, d_in, (width + NN_ALIGN - 1) / NN_ALIGN);
        rows_copy(y + first, 0, product, 0, 1, width, add);
    }
}

static size_t
transposed_ld(const NnParam *p)
{
    return ((size_t)p->shape[0] + NN_ALIGN - 1) / NN_ALIGN * NN_ALIGN;
}

size_t
transposed_floats(const NnParam *p)
{
    if (p->kind != NN_DENSE || p->ndim != 2 || p->count < LEAST_WEIGHTS)
        return 0;
    return (size_t)p->shape[1] * transposed_ld(p);
}

void
transpose_weight(float *transposed, const NnParam *p, const float *weight)
{
    const size_t d_out = (size_t)p->shape[0], d_in = (size_t)p->shape[1], ld = transposed_ld(p);

    for (size_t i = 0; i < d_in; i++)
        for (size_t j = 0; j < d_out; j++)
            transposed[i * ld + j] = weight[j * d_in + i];
}

void
weight_product(const NnBlock *b, float *y, int ldy, const float *x, int ldx, int param, int column, int d_in,
               int d_out, bool add)
{
    const NnParam *p = &b->net->params[param];

    if (b->n == 1 && b->transposed && b->transposed[param])
        matvec(y, x, b->transposed[param] + (size_t)column * transposed_ld(p), transposed_ld(p), d_in, d_out,
               add);
    else
        gemm(false, true, b->n, d_out, d_in, x, ldx, block_param(b, param) + column, (int)p->shape[1], add, y,
             ldy);
}
