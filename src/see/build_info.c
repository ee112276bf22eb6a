/* build_info.c: ctr_build_info, which shows what was built and which libraries are loaded. */
#include "threads.h"

#ifdef CTR_WITH_ONNX
#include <protobuf-c/protobuf-c.h>
#endif

#include "funcapi.h"
#include "utils/builtins.h"

#include "nn/math/products.h"

/* The name of what computes matrix products. */
static const char *
products(void)
{
    const char *library = blas_load() ? blas_version() : blas_error();

    return gemm_kernels() ? psprintf("ctr's %s kernels, in place of %s", gemm_kernels(), library) : library;
}

/*
 * CREATE FUNCTION ctr_build_info(OUT version text, OUT postgresql text, OUT blas text, OUT threads integer,
 *                                OUT onnx text)
 */
PG_FUNCTION_INFO_V1(ctr_build_info);
Datum
ctr_build_info(PG_FUNCTION_ARGS)
{
    TupleDesc desc;
    Datum values[5];
    bool nulls[5] = {false};

    if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
        elog(ERROR, "return type must be a row type");
    values[0] = CStringGetTextDatum(CTR_VERSION);
    values[1] = CStringGetTextDatum(PG_VERSION);
    values[2] = CStringGetTextDatum(products());
    values[3] = Int32GetDatum(threads_count(0));
#ifdef CTR_WITH_ONNX
    values[4] = CStringGetTextDatum(psprintf("protobuf-c %s", protobuf_c_version()));
#else
    nulls[4] = true;
#endif
    PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
