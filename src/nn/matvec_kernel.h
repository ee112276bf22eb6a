/*
 * matvec_kernel.h: one row times a tile of a transposed weight, for the vectors of simd_*.h. All columns of the result
 * stay in registers while the tile is read in one stretch, which the CPU prefetches well.
 */

/* y [vectors] = x [d_in] w;  w [d_in, vectors] */
SIMD_INLINE void
matvec_tile(float *restrict y, const float *restrict x, const float *restrict w, int d_in, const int vectors)
{
    Vector sum[MATVEC_VECTORS];

    for (int v = 0; v < vectors; v++)
        sum[v] = zero();
    for (int i = 0; i < d_in; i++, w += vectors * LANES) {
        const Vector xi = splat(x[i]);

        for (int v = 0; v < vectors; v++)
            sum[v] = fmadd(xi, load(w + v * LANES), sum[v]);
    }
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
