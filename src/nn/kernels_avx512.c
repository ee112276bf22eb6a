/* kernels_avx512.c: the kernels of simd.h for CPUs with AVX-512. */
#include "simd.h"

#ifdef NN_SIMD_X86

#include "simd_avx512.h"

#include "adam_kernel.h"
#include "gemm_kernel.h"

const SimdKernels simd_avx512 = {"AVX-512", "SkylakeX", gemm_kernel, adam_step_kernel, adam_replay_kernel};

#endif
