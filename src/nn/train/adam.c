/*
 * adam.c: Adam (D. Kingma, J. Ba, 2015) with the arithmetic of torch.optim.Adam, in which weight_decay is L2
 * in the gradient: a step of the dense parameters and of the rows that a batch touches. Rows of tables that a
 * batch does not touch are moved later but by the same steps: see adam.h and replay.c.
 */
#include "nn/train/adam_group.h"

/* between two looks at whether to go on merging gradients */
#define MERGE_ROWS   8192
#define MERGE_FLOATS ((size_t)1 << 18)

/* ------------------------------------------------------------------ arithmetic */

/* one step of n floats, a multiple of NN_ALIGN */
NN_KERNEL static void
adam_step_plain(float *restrict w, float *restrict m, float *restrict v, const float *restrict gradient,
                float scale, size_t n, float decay, NnAdamStep step)
{
    for (size_t i = 0; i < n; i += NN_ALIGN)
        for (size_t j = i; j < i + NN_ALIGN; j++)
            adam_element(&w[j], &m[j], &v[j], scale * gradient[j], decay, step);
}

NN_KERNEL void
adam_keep(float *restrict m, float *restrict v, size_t n, NnAdamKeep keep)
{
    for (size_t i = 0; i < n; i++) {
        m[i] *= keep.m;
        v[i] *= keep.v;
    }
}

/* the step after those done, of n floats */
static void
adam_step(const NnAdam *adam, float *w, float *m, float *v, const float *gradient, float scale, size_t n,
          float decay, NnAdamStep step)
{
    if (adam->kernels)
        adam->kernels->adam_step(w, m, v, gradient, scale, n, decay, step);
    else
        adam_step_plain(w, m, v, gradient, scale, n, decay, step);
    if ((adam->step + 1) % NN_ADAM_STRETCH == 0)
        adam_keep(m, v, n, adam->keep);
}

NN_KERNEL double
squares(const float *x, size_t n)
{
    double sum = 0.0;

#pragma omp simd reduction(+ : sum)
    for (size_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    return sum;
}

/* ------------------------------------------------------------------ a batch's rows */

static inline __attribute__((always_inline)) void
add_rows(float *restrict gradient, const int32_t *restrict place, const float *restrict dy, size_t ld,
         int rows, size_t d)
{
    for (int r = 0; r < rows; r++) {
        float *restrict sum = gradient + (size_t)place[r] * d;

        for (size_t j = 0; j < d; j++)
            sum[j] += dy[(size_t)r * ld + j];
    }
}

void
adam_merge_rows(NnAdam *adam, int lookup, const float *dy, size_t ld, int rows, NnPool *pool)
{
    NnAdamRows *found = &adam->lookups[lookup];
    const size_t d = (size_t)adam->net->lookups[lookup].d;
    const size_t floats = round_to_vectors((size_t)found->n * d);

    for (size_t done = 0; done < floats && !pool_interrupted(pool); done += MERGE_FLOATS)
        memset(found->gradient + done, 0,
               (floats - done < MERGE_FLOATS ? floats - done : MERGE_FLOATS) * sizeof(float));
    for (int r = 0; r < rows && !pool_interrupted(pool); r += MERGE_ROWS) {
        const int n = rows - r < MERGE_ROWS ? rows - r : MERGE_ROWS;

        if (d == 8) /* so frequent that the compiler should know it */
            add_rows(found->gradient, found->place + r, dy + (size_t)r * ld, ld, n, 8);
        else
            add_rows(found->gradient, found->place + r, dy + (size_t)r * ld, ld, n, d);
    }
}

/* the rows that were found, [first, first + n), which fit a group */
static void
update_group(const NnAdam *adam, const NnTablePart *part, const NnAdamRows *found, int first, int n,
             NnAdamStep step, float scale)
{
    NnAdamGroup group;

    for (size_t column = 0; column < part->d; column += NN_ADAM_GROUP) {
        const size_t width = part->d - column < NN_ADAM_GROUP ? part->d - column : NN_ADAM_GROUP;

        for (int j = 0; j < n; j++)
            group_load(&group, (size_t)j * width, part, found->code[first + j], column, width);
        group_pad(&group, (size_t)n * width);
        adam_step(adam, group.w, group.m, group.v, found->gradient + (size_t)first * part->d + column, scale,
                  round_to_vectors((size_t)n * width), adam->embedding_decay, step);
        for (int j = 0; j < n; j++)
            group_store(&group, (size_t)j * width, part, found->code[first + j], column, width);
    }
    for (int j = first; j < first + n; j++)
        part->rows[found->code[j]].step = (uint32_t)(adam->step + 1);
}

void
adam_update_rows(NnAdam *adam, NnAdamStep step, int lookup, float scale, NnPool *pool)
{
    NnAdamRows *found = &adam->lookups[lookup];
    NnTablePart part = lookup_part(adam, lookup);
    const int at_once = rows_per_group(part.d);

    while (found->updated < found->n && !pool_interrupted(pool)) {
        const int first = found->updated, next = first + at_once;

        for (int j = next; j < next + at_once && j < found->n; j++)
            prefetch_row(&part, found->code[j]);
        found->updated = next < found->n ? next : found->n;
        update_group(adam, &part, found, first, found->updated - first, step, scale);
    }
}

/* ------------------------------------------------------------------ dense parameters, and the whole */

void
adam_dense(NnAdam *adam, NnAdamStep step, size_t first, size_t n, const float *gradient, float scale)
{
    adam_step(adam, adam->params + first, adam->m + first, adam->v + first, gradient, scale, n,
              adam->weight_decay, step);
}

NnAdamStep
adam_next(const NnAdam *adam, double learning_rate)
{
    double correction1 = 1.0 - adam->power1 * adam->beta1;
    double correction2 = sqrt(1.0 - adam->power2 * adam->beta2);
    double scale1 = adam->scale1 * adam->beta1, scale2 = adam->scale2 * adam->beta2;

    return (NnAdamStep){.m_part = (float)((1.0 - adam->beta1) / scale1),
                        .v_part = (float)((1.0 - adam->beta2) / scale2),
                        .rate = (float)(learning_rate / correction1 * correction2 * scale1 / sqrt(scale2)),
                        .epsilon = (float)(adam->epsilon * correction2 / sqrt(scale2))};
}

void
adam_commit(NnAdam *adam, NnAdamStep step)
{
    adam->history[adam->step - adam->synced] = step;
    adam->power1 *= adam->beta1;
    adam->power2 *= adam->beta2;
    adam->step++;
    adam->scale1 = adam->step % NN_ADAM_STRETCH == 0 ? 1.0 : adam->scale1 * adam->beta1;
    adam->scale2 = adam->step % NN_ADAM_STRETCH == 0 ? 1.0 : adam->scale2 * adam->beta2;
}

bool
adam_history_full(const NnAdam *adam)
{
    return adam->step - adam->synced == NN_ADAM_HISTORY;
}

void
adam_init(NnAdam *adam, const NnNet *net, float *params, const NnHyper *hyper, int batch_size, NnArena *arena)
{
    size_t rows = (size_t)batch_size;

    *adam = (NnAdam){.net = net,
                     .params = params,
                     .kernels = simd_kernels(0),
                     .beta1 = (double)hyper->beta1,
                     .beta2 = (double)hyper->beta2,
                     .epsilon = (double)hyper->epsilon,
                     .power1 = 1.0,
                     .power2 = 1.0,
                     .scale1 = 1.0,
                     .scale2 = 1.0,
                     .keep = {(float)pow((double)hyper->beta1, NN_ADAM_STRETCH),
                              (float)pow((double)hyper->beta2, NN_ADAM_STRETCH)},
                     .weight_decay = hyper->weight_decay,
                     .embedding_decay = hyper->embedding_decay};
    adam->history = arena_take(arena, NN_ADAM_HISTORY, sizeof(NnAdamStep));
    adam->m = arena_take(arena, net->n_dense, sizeof(float));
    adam->v = arena_take(arena, net->n_dense, sizeof(float));
    adam->moments = arena_take(arena, 2 * (net->n_trained - net->n_dense), sizeof(float));
    adam->rows = arena_take(arena, (size_t)net->n_params, sizeof(NnAdamRow *));
    adam->lookups = arena_take(arena, (size_t)net->n_lookups, sizeof(NnAdamRows));
    for (int i = 0; i < net->n_params; i++) {
        const NnParam *p = &net->params[i];
        NnAdamRow *states =
            p->kind == NN_TABLE ? arena_take(arena, (size_t)p->shape[0], sizeof(NnAdamRow)) : NULL;

        if (arena->base)
            adam->rows[i] = states;
    }
    adam_plan_sync(adam, arena);
    for (int i = 0; i < net->n_lookups; i++) {
        size_t floats = round_to_vectors(rows * (size_t)net->lookups[i].d);
        NnAdamRows found = {.code = arena_take(arena, rows, sizeof(int32_t)),
                            .place = arena_take(arena, rows, sizeof(int32_t)),
                            .order = arena_take(arena, rows, sizeof(int32_t)),
                            .gradient = arena_take(arena, floats + NN_ALIGN, sizeof(float))};

        if (arena->base)
            adam->lookups[i] = found;
    }
}
