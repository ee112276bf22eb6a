/* safetensors_floats.c: the elements of a tensor as floats, whatever type they are stored in. */
#include "model/safetensors_format.h"

#include <math.h>

/* IEEE 754 binary16: 1 bit of sign, 5 of exponent, 10 of fraction */
static float
float_of_half(uint16 half)
{
    const int exponent = half >> 10 & 0x1f, fraction = half & 0x3ff;
    float value;

    if (exponent == 0x1f)
        value = fraction == 0 ? INFINITY : NAN;
    else if (exponent == 0)
        value = ldexpf((float)fraction, -24);
    else
        value = ldexpf((float)(fraction | 0x400), exponent - 25);
    return half & 0x8000 ? -value : value;
}

/* the upper half of a float */
static float
float_of_brain(uint16 brain)
{
    const uint32 bits = (uint32)brain << 16;
    float value;

    memcpy(&value, &bits, sizeof(value));
    return value;
}

#define CONVERT(type, convert)                                                                               \
    for (Size i = 0; i < n; i++) {                                                                           \
        type x;                                                                                              \
        ctr_pause_at((int64)i);                                                                              \
        memcpy(&x, data + i * sizeof(x), sizeof(x));                                                         \
        to[i] = convert(x);                                                                                  \
    }                                                                                                        \
    break

void
safetensors_read_floats(const CtrSafeFile *file, const CtrSafeTensor *tensor, float *to)
{
    const Size n = tensor->size / safetensors_dtypes[tensor->dtype].size;
    char *data;

    if (tensor->dtype == CTR_SAFE_F32) {
        safetensors_read(file, tensor, to);
        return;
    }
    data = palloc_extended(Max(tensor->size, 1), MCXT_ALLOC_HUGE);
    safetensors_read(file, tensor, data);
    switch (tensor->dtype) {
    case CTR_SAFE_F32:
        break;
    case CTR_SAFE_U8:
        CONVERT(uint8, (float));
    case CTR_SAFE_I32:
        CONVERT(int32, (float));
    case CTR_SAFE_U32:
        CONVERT(uint32, (float));
    case CTR_SAFE_I64:
        CONVERT(int64, (float));
    case CTR_SAFE_F64:
        CONVERT(double, (float));
    case CTR_SAFE_F16:
        CONVERT(uint16, float_of_half);
    case CTR_SAFE_BF16:
        CONVERT(uint16, float_of_brain);
    }
    pfree(data);
}
