/* unpack_params.c: lays out a model's network and reads its parameters. */
#include "model/unpack.h"

#include "miscadmin.h"

#include "nn/arch/arch.h"

/*
 * A network may have a tensor for each pair of features. So before it is laid out, the file must have that
 * many tensors.
 */
bool
unpack_net(CtrUnpacker *u)
{
    const NnConfig config = model_net_config(u->model);

    if (nn_arch_least_params(&config) > u->file->n_tensors)
        return safetensors_invalid(u->escontext,
                                   "it has only %d tensors for the interactions of " INT64_FORMAT " features",
                                   u->file->n_tensors, (int64)config.n_num + config.n_cat);
    return model_create_net(u->model, u->escontext);
}

static bool
check_offsets(CtrUnpacker *u, const NnParam *p, const float *block)
{
    const int *categories = u->model->encoder->categories;
    int64 expected = 0;

    for (int f = 0; f < p->shape[0]; f++) {
        int64 offset;

        memcpy(&offset, (const char *)(block + p->offset) + sizeof(offset) * f, sizeof(offset));
        if (offset != expected)
            return safetensors_invalid(u->escontext, "tensor \"%s\" does not fit the categories", p->name);
        expected += categories[f];
    }
    return true;
}

bool
unpack_params(CtrUnpacker *u)
{
    const NnNet *net = &u->model->net;
    const CtrSafeTensor **tensors = palloc(mul_size(net->n_params, sizeof(CtrSafeTensor *)));
    float *block;

    for (int i = 0; i < net->n_params; i++) {
        const NnParam *p = &net->params[i];

        ctr_pause_at(i);
        tensors[i] =
            unpack_tensor(u, p->name, p->dtype == NN_F32 ? CTR_SAFE_F32 : CTR_SAFE_I64, p->ndim, p->shape);
        if (tensors[i] == NULL)
            return false;
    }
    block = MemoryContextAllocHuge(u->model->context, add_size(mul_size(net->n_block, sizeof(float)), 64));
    block = (float *)TYPEALIGN(64, block);
    ctr_huge_pages(block, net->n_block * sizeof(float));
    for (int i = 0; i < net->n_params; i++) {
        const NnParam *p = &net->params[i];

        CHECK_FOR_INTERRUPTS();
        safetensors_read(u->file, tensors[i], block + p->offset);
        memset((char *)(block + p->offset) + tensors[i]->size, 0,
               TYPEALIGN(NN_ALIGN * sizeof(float), tensors[i]->size) - tensors[i]->size);
        if (p->init == NN_OFFSETS && !check_offsets(u, p, block))
            return false;
    }
    u->model->params = block;
    return true;
}
