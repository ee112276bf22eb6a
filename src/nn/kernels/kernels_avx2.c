/* kernels_avx2.c: the kernels of simd.h for CPUs with AVX2. */
#include "nn/kernels/simd.h"

#ifdef NN_SIMD_X86

#include "nn/kernels/simd_avx2.h"

#include "nn/kernels/adam_kernel.h"
#include "nn/kernels/gemm_kernel.h"
#include "nn/kernels/matvec_kernel.h"

const NnSimdKernels simd_avx2 = {.name = "AVX2",
                                 .openblas_core = NULL,
                                 .gemm = gemm_kernel,
                                 .gemv = gemv_kernel,
                                 .lanes = LANES,
                                 .depth = DEPTH,
                                 .matvec = matvec_kernel,
                                 .adam_step = adam_step_kernel,
                                 .adam_replay = adam_replay_kernel};

#endif
