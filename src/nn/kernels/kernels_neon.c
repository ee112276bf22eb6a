/* kernels_neon.c: the kernels of simd.h for 64-bit ARM. */
#include "nn/kernels/simd.h"

#ifdef NN_SIMD_NEON

#include "nn/kernels/simd_neon.h"

#include "nn/kernels/adam_kernel.h"
#include "nn/kernels/gemm_kernel.h"
#include "nn/kernels/matvec_kernel.h"

const NnSimdKernels simd_neon = {.name = "NEON",
                                 .openblas_core = NULL,
                                 .gemm = gemm_kernel,
                                 .gemv = gemv_kernel,
                                 .lanes = LANES,
                                 .depth = DEPTH,
                                 .matvec = matvec_kernel,
                                 .adam_step = adam_step_kernel,
                                 .adam_replay = adam_replay_kernel};

#endif
