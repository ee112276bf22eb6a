/*
 * trainer.c: one training step over one batch, and evaluation: who computes what, in which order, on which
 * thread.
 *
 * The passes (passes.c) leave every lane's gradients. These are added up in lane order, and Adam moves the
 * parameters. Nothing but the replay of rows (see adam.h) changes the parameters before that last run.
 * Interrupted, the step begins anew; the last run goes on where it was.
 */
#include "nn/train/passes.h"

#include <math.h>
#include <string.h>

#include "nn/math/products.h"

#define DENSE_CHUNK 4096 /* parameters in one task */

/* ------------------------------------------------------------------ gradients */

static void
find_rows_task(void *arg, int lookup, int worker)
{
    NnTrainer *t = arg;
    size_t field = (size_t)t->net->lookups[lookup].field;

    (void)worker;
    adam_find_rows(&t->adam, lookup, t->batch->x_cat + field * t->batch->ld_cat, t->batch->rows, t->pool);
}

static int
dense_tasks(const NnNet *net)
{
    return (int)((net->n_dense + DENSE_CHUNK - 1) / DENSE_CHUNK);
}

static size_t
dense_chunk(const NnNet *net, size_t first)
{
    return net->n_dense - first < DENSE_CHUNK ? net->n_dense - first : DENSE_CHUNK;
}

NN_KERNEL static void
add_floats(float *restrict sum, const float *restrict x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sum[i] += x[i];
}

/*
 * a lookup's gradients into its distinct rows, or the lanes' gradients of some dense parameters into lane 0's
 */
static void
reduce_task(void *arg, int task, int worker)
{
    NnTrainer *t = arg;
    const NnNet *net = t->net;
    const float *gradient;
    size_t n;

    (void)worker;
    if (task < net->n_lookups) {
        const NnLookup *l = &net->lookups[task];

        adam_merge_rows(&t->adam, task, t->dvalues + tensor_at(net, l->y, t->capacity, 0),
                        (size_t)net->tensors[l->y].ld, t->batch->rows, t->pool);
        gradient = t->adam.lookups[task].gradient;
        n = (size_t)t->adam.lookups[task].n * (size_t)l->d;
    } else {
        size_t first = (size_t)(task - net->n_lookups) * DENSE_CHUNK;

        n = dense_chunk(net, first);
        for (int lane = 1; lane < t->lanes; lane++)
            add_floats(t->grads + first, t->grads + (size_t)lane * net->n_dense + first, n);
        gradient = t->grads + first;
    }
    if (t->hyper.clip_norm > 0.0f)
        t->norms[task] = squares(gradient, n);
}

static void
update_task(void *arg, int task, int worker)
{
    NnTrainer *t = arg;

    (void)worker;
    if (task < t->net->n_lookups) {
        adam_update_rows(&t->adam, t->step, task, t->clip_scale, t->pool);
    } else if (!t->updated[task - t->net->n_lookups]) {
        size_t first = (size_t)(task - t->net->n_lookups) * DENSE_CHUNK;

        t->updated[task - t->net->n_lookups] = true;
        adam_dense(&t->adam, t->step, first, dense_chunk(t->net, first), t->grads + first, t->clip_scale);
    }
}

/* the factor that brings the whole gradient's norm down to clip_norm, as torch.nn.utils.clip_grad_norm_ */
static float
clip_scale(const NnTrainer *t, int tasks)
{
    double sum = 0.0, scale;

    if (t->hyper.clip_norm <= 0.0f)
        return 1.0f;
    for (int i = 0; i < tasks; i++)
        sum += t->norms[i];
    scale = (double)t->hyper.clip_norm / (sqrt(sum) + 1e-6);
    return scale < 1.0 ? (float)scale : 1.0f;
}

/* ------------------------------------------------------------------ steps */

static float
gradient_scale(const NnBatch *batch)
{
    return (float)(1.0 / (batch->rows * (batch->weight ? batch->mean_weight : 1.0)));
}

/*
 * Everything before the parameters move: rows up to date, values, loss, and all gradients in one place each.
 */
static NnStatus
compute_gradients(NnTrainer *t, const NnBatch *batch, double *loss, float *logits)
{
    int tasks = t->net->n_lookups + dense_tasks(t->net);
    NnStatus status = NN_OK;

    t->batch = batch;
    t->logits = logits;
    t->grad_scale = gradient_scale(batch);
    if (adam_history_full(&t->adam))
        status = trainer_sync(t);
    if (status == NN_OK)
        status = pool_run(t->pool, find_rows_task, t, t->net->n_lookups, true);
    if (status == NN_OK)
        status = passes_run(t);
    if (status == NN_OK)
        status = pool_run(t->pool, reduce_task, t, tasks, true);
    if (status != NN_OK)
        return status;
    *loss = 0.0;
    for (int lane = 0; lane < t->lanes; lane++)
        *loss += t->losses[lane];
    return NN_OK;
}

/* The gradients are there: how the parameters move. */
static void
begin_update(NnTrainer *t, int tasks, float learning_rate, double loss)
{
    t->step = adam_next(&t->adam, (double)learning_rate);
    t->clip_scale = clip_scale(t, tasks);
    t->loss = loss;
    memset(t->updated, 0, (size_t)dense_tasks(t->net));
    t->updating = true;
}

static void
end_update(NnTrainer *t)
{
    const NnNet *net = t->net;

    t->updating = false;
    adam_commit(&t->adam, t->step);
    for (int i = 0; i < net->n_layers; i++) {
        const NnLayer *l = &net->layers[i];

        if (l->type->update_buffers)
            l->type->update_buffers(l, net, t->params, t->batch_stats + l->batch_stats_offset, t->batch->rows,
                                    t->hyper.mean_first);
    }
}

NnStatus
trainer_step(NnTrainer *t, const NnBatch *batch, float learning_rate, double *loss, float *logits)
{
    const int tasks = t->net->n_lookups + dense_tasks(t->net);
    NnStatus status = t->updating ? NN_OK : compute_gradients(t, batch, loss, logits);

    if (status == NN_OK && !t->updating)
        begin_update(t, tasks, learning_rate, *loss);
    if (status == NN_OK)
        status = pool_run(t->pool, update_task, t, tasks, true);
    if (status != NN_OK)
        return status;
    *loss = t->loss;
    end_update(t);
    return NN_OK;
}

NnStatus
trainer_gradients(NnTrainer *t, const NnBatch *batch, double *loss, float *logits, float *grads)
{
    const NnNet *net = t->net;
    NnStatus status = compute_gradients(t, batch, loss, logits);

    if (status != NN_OK)
        return status;
    memset(grads, 0, net->n_trained * sizeof(float));
    memcpy(grads, t->grads, net->n_dense * sizeof(float));
    for (int i = 0; i < net->n_lookups; i++) {
        const NnLookup *l = &net->lookups[i];
        const NnAdamRows *found = &t->adam.lookups[i];
        float *table = grads + net->params[l->param].offset + (size_t)l->row_offset * (size_t)l->d;

        for (int j = 0; j < found->n; j++)
            add_floats(table + (size_t)found->code[j] * (size_t)l->d,
                       found->gradient + (size_t)j * (size_t)l->d, (size_t)l->d);
    }
    return NN_OK;
}

static void
sync_task(void *arg, int task, int worker)
{
    NnTrainer *t = arg;

    (void)worker;
    adam_sync_task(&t->adam, task);
}

NnStatus
trainer_sync(NnTrainer *t)
{
    NnStatus status = pool_run(t->pool, sync_task, t, adam_sync_tasks(&t->adam), true);

    if (status == NN_OK)
        adam_synced(&t->adam);
    return status;
}

int64_t
trainer_steps(const NnTrainer *t)
{
    return t->adam.step;
}

/* ------------------------------------------------------------------ evaluation */

static int
evaluation_tasks(int rows)
{
    return (rows + NN_BLOCK - 1) / NN_BLOCK;
}

static void
evaluate_task(void *arg, int task, int worker)
{
    NnTrainer *t = arg;
    int row = task * NN_BLOCK, left = t->batch->rows - row;
    NnBlock b = trainer_block(t, row, left < NN_BLOCK ? left : NN_BLOCK, worker, false);

    block_forward(&b, 0, t->net->n_layers);
    t->losses[task] = trainer_loss(t, &b);
}

NnStatus
trainer_evaluate(NnTrainer *t, const NnBatch *batch, double *loss, float *logits)
{
    int tasks = evaluation_tasks(batch->rows);
    NnStatus status;

    t->batch = batch;
    t->logits = logits;
    status = pool_run(t->pool, evaluate_task, t, tasks, true);
    *loss = 0.0;
    for (int i = 0; i < tasks; i++)
        *loss += t->losses[i];
    return status;
}

/* ------------------------------------------------------------------ memory */

static void
trainer_layout(NnTrainer *t, NnTrainer **place, int threads, NnArena *arena)
{
    const NnNet *net = t->net;
    size_t tasks = (size_t)evaluation_tasks(t->batch_size);

    *place = arena_take(arena, 1, sizeof(NnTrainer));
    t->capacity = ((size_t)t->batch_size + NN_ALIGN - 1) / NN_ALIGN * NN_ALIGN;
    t->n_passes = passes_plan(net, NULL);
    t->passes = arena_take(arena, (size_t)t->n_passes, sizeof(NnPass));
    t->values = arena_take(arena, net->row_floats * t->capacity, sizeof(float));
    t->dvalues = arena_take(arena, net->row_floats * t->capacity, sizeof(float));
    t->grads = arena_take(arena, NN_LANES * net->n_dense, sizeof(float));
    t->stats = arena_take(arena, NN_LANES * net->n_stats, sizeof(double));
    t->batch_stats = arena_take(arena, net->n_batch_stats, sizeof(float));
    t->scratch = arena_take(arena, (size_t)threads * net->scratch, sizeof(float));
    t->losses = arena_take(arena, tasks > NN_LANES ? tasks : NN_LANES, sizeof(double));
    t->norms = arena_take(arena, (size_t)(net->n_lookups + dense_tasks(net)), sizeof(double));
    t->updated = arena_take(arena, (size_t)dense_tasks(net), sizeof(bool));
    adam_init(&t->adam, net, t->params, &t->hyper, t->batch_size, arena);
}

size_t
trainer_size(const NnNet *net, int batch_size, int threads)
{
    NnTrainer t = {.net = net, .batch_size = batch_size}, *place;
    NnArena arena = {0};

    trainer_layout(&t, &place, threads, &arena);
    return arena.used;
}

NnStatus
trainer_create(NnTrainer **trainer, const NnNet *net, float *params, const NnHyper *hyper, int batch_size,
               NnPool *pool, NnAlloc alloc)
{
    NnTrainer t = {.net = net, .pool = pool, .params = params, .hyper = *hyper, .batch_size = batch_size};
    NnArena arena = {0};

    if (!gemm_prepare())
        return NN_NO_BLAS;
    arena.base = alloc.alloc(alloc.owner, trainer_size(net, batch_size, pool_threads(pool)));
    if (!arena.base)
        return NN_NO_MEMORY;
    trainer_layout(&t, trainer, pool_threads(pool), &arena);
    passes_plan(net, t.passes);
    **trainer = t;
    return NN_OK;
}
