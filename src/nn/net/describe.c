/* describe.c: a network as the modules that a reader of PyTorch or ONNX knows. */
#include "nn/net/net.h"

NnModule
layer_module(const NnLayer *l, const NnNet *net)
{
    NnModule m = {.kind = l->type->kind,
                  .input = {l->x, l->x2, -1},
                  .output = l->y,
                  .d = tensor_width(net, l->y),
                  .first_param = l->param[0]};

    while (m.n_params < (int)(sizeof l->param / sizeof l->param[0]) && l->param[m.n_params] >= 0 &&
           l->param[m.n_params] == l->param[0] + m.n_params)
        m.n_params++;
    return m;
}

int
layer_describe(const NnLayer *l, const NnNet *net, NnModule *modules)
{
    if (l->type->describe)
        return l->type->describe(l, net, modules);
    modules[0] = layer_module(l, net);
    return 1;
}

int64_t
module_params(const NnModule *module, const NnNet *net)
{
    int64_t sum = 0;

    for (int i = module->first_param; i < module->first_param + module->n_params; i++)
        sum += net->params[i].kind == NN_BUFFER ? 0 : (int64_t)net->params[i].count;
    return sum;
}
