/* kernels_avx512.c: the kernels of simd.h for CPUs with AVX-512. */
#include "nn/kernels/simd.h"

#ifdef NN_SIMD_X86

#include "nn/kernels/simd_avx512.h"

#include "nn/kernels/adam_kernel.h"
#include "nn/kernels/gemm_kernel.h"
#include "nn/kernels/matvec_kernel.h"

const NnSimdKernels simd_avx512 = {.name = "AVX-512",
                                   .openblas_core = "SkylakeX",
                                   .gemm = gemm_kernel,
                                   .gemv = gemv_kernel,
                                   .lanes = LANES,
                                   .depth = DEPTH,
                                   .matvec = matvec_kernel,
                                   .adam_step = adam_step_kernel,
                                   .adam_replay = adam_replay_kernel};

#endif
