/*
 * passes.c: a batch through the layers of a network in training, there and back.
 *
 * The layers are cut into passes where one needs the whole batch (batch normalisation). A pass is run by
 * lanes, which are tasks for the pool; a lane takes one block of rows through all layers of the pass before
 * the next, so that the block stays in cache. The pass in the middle turns round: last layers, loss, and back
 * through them.
 */
#include "nn/train/passes.h"

#include <string.h>

#include "nn/math/loss.h"
#include "nn/math/rng.h"

/* ------------------------------------------------------------------ blocks */

NnBlock
trainer_block(const NnTrainer *t, int row, int n, int worker, bool train)
{
    return (NnBlock){.net = t->net,
                     .params = t->params,
                     .tables = t->params,
                     .values = t->values,
                     .dvalues = t->dvalues,
                     .capacity = t->capacity,
                     .x_num = t->batch->x_num,
                     .x_cat = t->batch->x_cat,
                     .ld_cat = t->batch->ld_cat,
                     .row = row,
                     .n = n,
                     .train = train,
                     .batch_stats = t->batch_stats,
                     .scratch = t->scratch + (size_t)worker * t->net->scratch};
}

double
trainer_loss(const NnTrainer *t, const NnBlock *b)
{
    const NnBatch *batch = t->batch;
    int classes = t->net->config.n_classes;
    const float *z = block_value(b, t->net->output).p,
                *weight = batch->weight ? batch->weight + b->row : NULL;

    if (t->logits)
        memcpy(t->logits + (size_t)b->row * (size_t)classes, z,
               (size_t)b->n * (size_t)classes * sizeof(float));
    if (!b->train)
        return loss_forward(z, batch->label + b->row, weight, b->n, classes);
    return loss_forward_backward(block_dvalue(b, t->net->output).p, z, batch->label + b->row, weight, b->n,
                                 classes, t->grad_scale);
}

/* ------------------------------------------------------------------ passes */

static void
zero_stats(const NnLayer *l, NnBlock *b)
{
    memset(b->stats + l->stats_offset, 0, (size_t)l->n_stats * sizeof(double));
}

/* Of the parameters that do not set their gradient themselves. */
static void
clear_gradients(const NnNet *net, float *grads)
{
    for (const NnParam *p = net->params; p < net->params + net->n_params; p++)
        if (p->kind == NN_DENSE && !p->grad_set)
            memset(grads + p->offset, 0, p->count * sizeof(float));
}

/* one lane of the current pass */
static void
lane_task(void *arg, int lane, int worker)
{
    NnTrainer *t = arg;
    const NnNet *net = t->net;
    const NnPass *p = t->pass;
    int first = lane * t->lane_rows, end = first + t->lane_rows;
    NnBlock b = trainer_block(t, first, 0, worker, true);

    b.grads = t->grads + (size_t)lane * net->n_dense;
    b.stats = t->stats + (size_t)lane * net->n_stats;
    b.key = rng_mix(t->hyper.seed ^ rng_mix((uint64_t)t->adam.step));
    end = end < t->batch->rows ? end : t->batch->rows;
    if (p->forward_stats >= 0)
        zero_stats(&net->layers[p->forward_stats], &b);
    if (p->backward_stats >= 0)
        zero_stats(&net->layers[p->backward_stats], &b);
    if (p->turn) {
        clear_gradients(net, b.grads);
        t->losses[lane] = 0.0;
    }
    for (; b.row < end && !pool_interrupted(t->pool); b.row += b.n) {
        b.n = end - b.row < NN_BLOCK ? end - b.row : NN_BLOCK;
        b.first = b.row == first;
        block_forward(&b, p->forward, p->forward_end);
        if (p->forward_stats >= 0)
            net->layers[p->forward_stats].type->forward_stats(&net->layers[p->forward_stats], &b);
        if (p->turn) {
            block_zero_gradients(&b);
            t->losses[lane] += trainer_loss(t, &b);
        }
        block_backward(&b, p->backward, p->backward_end);
        if (p->backward_stats >= 0)
            net->layers[p->backward_stats].type->backward_stats(&net->layers[p->backward_stats], &b);
    }
}

/* after a pass: what its lanes counted becomes the batch's statistics */
static void
merge_stats(NnTrainer *t, const NnPass *p)
{
    const NnLayer *l;

    if (p->forward_stats >= 0) {
        l = &t->net->layers[p->forward_stats];
        l->type->forward_merge(l, t->net, t->params, t->stats + l->stats_offset, t->net->n_stats, t->lanes,
                               t->batch->rows, t->batch_stats + l->batch_stats_offset);
    }
    if (p->backward_stats >= 0) {
        l = &t->net->layers[p->backward_stats];
        l->type->backward_merge(l, t->stats + l->stats_offset, t->net->n_stats, t->lanes, t->batch->rows,
                                t->batch_stats + l->batch_stats_offset);
    }
}

int
passes_plan(const NnNet *net, NnPass *passes)
{
    NnPass p = {.forward_stats = -1, .backward_stats = -1};
    int n = 0;

    for (int i = 0; i < net->n_layers; i++) {
        if (!net->layers[i].type->forward_stats)
            continue;
        p.forward_end = p.forward_stats = i;
        if (passes)
            passes[n] = p;
        n++;
        p.forward = i;
        p.forward_stats = -1;
    }
    p.forward_end = net->n_layers;
    p.turn = true;
    p.backward = net->n_layers;
    for (int i = net->n_layers - 1; i >= 0; i--) {
        if (!net->layers[i].type->backward_stats)
            continue;
        p.backward_end = i + 1;
        p.backward_stats = i;
        if (passes)
            passes[n] = p;
        n++;
        p = (NnPass){.forward_stats = -1, .backward_stats = -1, .backward = i + 1};
    }
    if (passes)
        passes[n] = p;
    return n + 1;
}

/* Lanes depend on the number of rows only: that keeps every sum's order whatever the number of threads. */
static void
cut_lanes(NnTrainer *t)
{
    int rows = t->batch->rows, lanes = rows / NN_LANE_ROWS;

    lanes = lanes < 1 ? 1 : lanes > NN_LANES ? NN_LANES : lanes;
    t->lane_rows = ((rows + lanes - 1) / lanes + 15) / 16 * 16;
    t->lanes = (rows + t->lane_rows - 1) / t->lane_rows;
}

NnStatus
passes_run(NnTrainer *t)
{
    NnStatus status = NN_OK;

    cut_lanes(t);
    for (int i = 0; i < t->n_passes && status == NN_OK; i++) {
        t->pass = &t->passes[i];
        status = pool_run(t->pool, lane_task, t, t->lanes, true);
        if (status == NN_OK)
            merge_stats(t, t->pass);
    }
    return status;
}
