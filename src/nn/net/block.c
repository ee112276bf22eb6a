/* block.c: a block of rows through the layers of a network, there and back. */
#include "nn/net/net.h"

#include <string.h>

void
block_forward(const NnBlock *b, int from, int to)
{
    for (int i = from; i < to; i++) {
        const NnLayer *l = &b->net->layers[i];

        l->type->forward(l, b);
    }
}

void
block_backward(const NnBlock *b, int from, int to)
{
    for (int i = from - 1; i >= to; i--) {
        const NnLayer *l = &b->net->layers[i];

        if (l->type->backward)
            l->type->backward(l, b);
    }
}

void
block_zero_gradients(const NnBlock *b)
{
    for (int i = 0; i < b->net->n_tensors; i++) {
        const NnTensor *t = &b->net->tensors[i];

        if (t->dzero)
            memset(block_dvalue(b, i).p, 0, (size_t)b->n * (size_t)t->ld * sizeof(float));
    }
}
