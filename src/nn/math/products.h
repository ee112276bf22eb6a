/*
 * products.h: matrix products (products.c), the only caller of BLAS.
 */
#ifndef NN_PRODUCTS_H
#define NN_PRODUCTS_H

#include "nn/nn.h"

/* Before the first gemm(), and in one thread. false: this CPU needs the library, and it cannot be loaded. */
bool gemm_prepare(void);
const char *gemm_kernels(void); /* "AVX2"; NULL: the library's */
/*
 * Row-major. C[m,n] = A[m,k] B[k,n], or += if `add`, with A and B as stored or transposed; k >= 1. By our own
 * kernels where the CPU has what they need, else by the library. In a task of a pool whose run is
 * interrupted, C is left unfinished.
 */
void gemm(bool transpose_a, bool transpose_b, int m, int n, int k, NnRowsIn a, NnRowsIn b, bool add,
          NnRows c);
/* Loads the library once per process: one thread, the widest kernels, all signals blocked while it loads. */
bool blas_load(void);
const char *blas_error(void); /* why blas_load() failed */
/* the library's own description of itself, and its kernel */
const char *blas_version(void);
/* The same as gemm() by the loaded library: what others are measured against. */
void blas_gemm(bool transpose_a, bool transpose_b, int m, int n, int k, NnRowsIn a, NnRowsIn b, bool add,
               NnRows c);

#endif /* NN_PRODUCTS_H */
