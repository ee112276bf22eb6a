/* state_dict.c: the trained tensors of a model alone, as PyTorch takes them. */
#include "model/layout.h"

/* CREATE FUNCTION ctr_state_dict(ctr_model) RETURNS bytea: the network's parameters alone */
PG_FUNCTION_INFO_V1(ctr_state_dict);
Datum
ctr_state_dict(PG_FUNCTION_ARGS)
{
    CtrSafeFile *file = safetensors_parse(PG_GETARG_DATUM(0), NULL);
    CtrSafeFile *weights = safetensors_create(file->n_tensors);

    weights->bytes = file->bytes;
    for (int i = 0; i < file->n_tensors; i++) {
        const CtrSafeTensor *tensor = &file->tensors[i];

        if (strncmp(tensor->name, CTR_MODEL_PREFIX, strlen(CTR_MODEL_PREFIX)) != 0)
            weights->tensors[weights->n_tensors++] = *tensor;
    }
    safetensors_add_entry(weights, "format", "pt"); /* what the transformers library looks for */
    PG_RETURN_BYTEA_P(safetensors_write(weights, CurrentMemoryContext));
}
