/* kernels_avx512.c: the kernels of simd.h for CPUs with AVX-512. */
#include "simd.h"

#ifdef NN_SIMD_X86

#include "simd_avx512.h"

#include "adam_kernel.h"
#include "gemm_kernel.h"
#include "matvec_kernel.h"

const SimdKernels simd_avx512 = {.name = "AVX-512",
                                 .openblas_core = "SkylakeX",
                                 .gemm = gemm_kernel,
                                 .gemv = gemv_kernel,
                                 .lanes = LANES,
                                 .matvec = matvec_kernel,
                                 .adam_step = adam_step_kernel,
                                 .adam_replay = adam_replay_kernel};

#endif
