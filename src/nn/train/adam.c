/*
 * adam.c: Adam (D. Kingma, J. Ba, 2015) with the arithmetic of torch.optim.Adam, in which weight_decay is L2
 * in the gradient. Rows of tables that a batch does not touch are moved later but by the same steps: see
 * adam.h.
 *
 * Rows are short (8 floats, say), so they are gathered into groups that fill vector registers. A group's rows
 * may have missed different numbers of steps: sorted by that, each joins the group when the steps reach the
 * one it saw last. Every float goes through the same arithmetic wherever in a group it lies, so grouping
 * changes no bit.
 */
#include "nn/train/adam.h"

#include <math.h>
#include <string.h>

#include "nn/kernels/simd.h"
#include "nn/tasks.h"

#define GROUP       256  /* floats; rows join one by one, and only many together hide the formula's latency */
#define SYNC_FLOATS 8192 /* of a table, in one task of a sync */
#define SYNC_ROWS   1024 /* at most */
#define PREFETCH    16   /* batch rows */
/* between two looks at whether to go on merging gradients */
#define MERGE_ROWS   8192
#define MERGE_FLOATS ((size_t)1 << 18)

typedef struct Group {
    _Alignas(64) float w[GROUP];
    _Alignas(64) float m[GROUP];
    _Alignas(64) float v[GROUP];
} Group;

/* ------------------------------------------------------------------ arithmetic */

/* The same formula as adam_kernel.h, which takes its place where the CPU can. */
static inline __attribute__((always_inline)) void
adam_element(float *w, float *m, float *v, float gradient, float decay, NnAdamStep step)
{
    float g = gradient + decay * *w;

    *m += step.m_part * g;
    *v += step.v_part * (g * g);
    *w -= step.rate * *m / (sqrtf(*v) + step.epsilon);
}

/* one step of n floats, a multiple of NN_ALIGN */
NN_KERNEL static void
adam_step_plain(float *restrict w, float *restrict m, float *restrict v, const float *restrict gradient,
                float scale, size_t n, float decay, NnAdamStep step)
{
    for (size_t i = 0; i < n; i += NN_ALIGN)
        for (size_t j = i; j < i + NN_ALIGN; j++)
            adam_element(&w[j], &m[j], &v[j], scale * gradient[j], decay, step);
}

/* a stretch ends */
NN_KERNEL static void
adam_keep(float *restrict m, float *restrict v, size_t n, NnAdamKeep keep)
{
    for (size_t i = 0; i < n; i++) {
        m[i] *= keep.m;
        v[i] *= keep.v;
    }
}

/* Where momentum and L2's gradient are nearly zero: no momentum, and, if it is L2 that pulls, no weight. */
static inline __attribute__((always_inline)) void
adam_settle(float *w, float *m, float decay)
{
    if (fabsf(*m) < NN_ADAM_NEARLY_ZERO && fabsf(decay * *w) < NN_ADAM_NEARLY_ZERO) {
        *m = 0.0f;
        *w = decay > 0.0f ? 0.0f : *w;
    }
}

/* several steps, from number `first` on, without a gradient of the loss */
NN_KERNEL static void
adam_replay_plain(float *restrict w, float *restrict m, float *restrict v, size_t n, float decay,
                  NnAdamKeep keep, const NnAdamStep *restrict steps, int64_t first, int64_t n_steps)
{
    for (int64_t s = 0; s < n_steps; s++) {
        for (size_t i = 0; i < n; i += NN_ALIGN)
            for (size_t j = i; j < i + NN_ALIGN; j++)
                adam_element(&w[j], &m[j], &v[j], 0.0f, decay, steps[s]);
        if ((first + s + 1) % NN_ADAM_STRETCH != 0)
            continue;
        adam_keep(m, v, n, keep);
        for (size_t i = 0; i < n; i++)
            adam_settle(&w[i], &m[i], decay);
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

/* the steps from number `first` on */
static void
adam_replay(const NnAdam *adam, Group *group, size_t n, int64_t first, int64_t n_steps)
{
    const NnAdamStep *steps = adam->history + (first - adam->synced);
    const float decay = adam->embedding_decay;

    if (adam->kernels)
        adam->kernels->adam_replay(group->w, group->m, group->v, n, decay, adam->keep, steps, first, n_steps);
    else
        adam_replay_plain(group->w, group->m, group->v, n, decay, adam->keep, steps, first, n_steps);
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

/* ------------------------------------------------------------------ tables */

/* a field's part of a table and of what belongs to it */
typedef struct TablePart {
    float *w;       /* [rows, d] */
    float *moments; /* [rows, 2, d] */
    NnAdamRow *rows;
    size_t d;
} TablePart;

static TablePart
table_part(const NnAdam *adam, int param, int64_t first_row)
{
    const NnParam *p = &adam->net->params[param];
    size_t d = (size_t)p->shape[1], offset = p->offset + (size_t)first_row * d;

    return (TablePart){adam->params + offset, adam->moments + 2 * (offset - adam->net->n_dense),
                       adam->rows[param] + first_row, d};
}

static TablePart
lookup_part(const NnAdam *adam, int lookup)
{
    const NnLookup *l = &adam->net->lookups[lookup];

    return table_part(adam, l->param, l->row_offset);
}

static inline __attribute__((always_inline)) void
load_row(Group *group, size_t at, const float *w, const float *moments, size_t d, size_t width)
{
    memcpy(group->w + at, w, width * sizeof(float));
    memcpy(group->m + at, moments, width * sizeof(float));
    memcpy(group->v + at, moments + d, width * sizeof(float));
}

static inline __attribute__((always_inline)) void
store_row(const Group *group, size_t at, float *w, float *moments, size_t d, size_t width)
{
    memcpy(w, group->w + at, width * sizeof(float));
    memcpy(moments, group->m + at, width * sizeof(float));
    memcpy(moments + d, group->v + at, width * sizeof(float));
}

/* the columns [column, column + width) of a row into or out of a group's floats from `at` */
static inline void
group_load(Group *group, size_t at, const TablePart *part, int32_t code, size_t column, size_t width)
{
    const float *w = part->w + (size_t)code * part->d + column;
    const float *moments = part->moments + 2 * (size_t)code * part->d + column;

    if (part->d == 8 && width == 8) /* so frequent that the compiler should know it */
        load_row(group, at, w, moments, 8, 8);
    else
        load_row(group, at, w, moments, part->d, width);
}

static inline void
group_store(const Group *group, size_t at, const TablePart *part, int32_t code, size_t column, size_t width)
{
    float *w = part->w + (size_t)code * part->d + column;
    float *moments = part->moments + 2 * (size_t)code * part->d + column;

    if (part->d == 8 && width == 8)
        store_row(group, at, w, moments, 8, 8);
    else
        store_row(group, at, w, moments, part->d, width);
}

static size_t
round_to_vectors(size_t n)
{
    return (n + NN_ALIGN - 1) / NN_ALIGN * NN_ALIGN;
}

/* What lies between a group's floats and the end of their last vector takes part in the arithmetic. */
static inline void
group_pad(Group *group, size_t floats)
{
    const size_t size = (round_to_vectors(floats) - floats) * sizeof(float);

    memset(group->w + floats, 0, size);
    memset(group->m + floats, 0, size);
    memset(group->v + floats, 0, size);
}

static int
rows_per_group(size_t d)
{
    return d < GROUP ? (int)(GROUP / d) : 1;
}

/* ------------------------------------------------------------------ replay */

/* a row that no batch has touched has no momentum: only L2 can move it */
static bool
row_is_behind(const NnAdam *adam, const NnAdamRow *row)
{
    return row->step < adam->step && (row->step > 0 || adam->embedding_decay != 0.0f);
}

/*
 * Writes those of n codes (NULL: 0 .. n-1) whose rows are behind, the farthest behind first. Returns how
 * many.
 */
static int
sort_behind(const NnAdam *adam, const NnAdamRow *rows, const int32_t *codes, int n, int32_t *order)
{
    int32_t start[NN_ADAM_HISTORY + 1]; /* counting sort by steps since the last sync */
    int behind = 0;

    memset(start, 0, (size_t)(adam->step - adam->synced + 1) * sizeof(start[0]));
    for (int i = 0; i < n; i++) {
        const NnAdamRow *row = &rows[codes ? codes[i] : i];

        if (row_is_behind(adam, row))
            start[row->step - adam->synced + 1]++;
    }
    for (int64_t s = 0; s < adam->step - adam->synced; s++)
        start[s + 1] += start[s];
    for (int i = 0; i < n; i++) {
        int32_t code = codes ? codes[i] : i;

        if (row_is_behind(adam, &rows[code])) {
            order[start[rows[code].step - adam->synced]++] = code;
            behind++;
        }
    }
    return behind;
}

static void
prefetch_row(const TablePart *part, int32_t code)
{
    size_t at = (size_t)code * part->d;

    __builtin_prefetch(part->w + at, 1);
    __builtin_prefetch(part->moments + 2 * at, 1);
}

/* columns [column, column + width) of n rows that fit a group */
static void
replay_group(const NnAdam *adam, const TablePart *part, const int32_t *order, int n, size_t column,
             size_t width)
{
    Group group;

    for (int i = 0; i < n; i++) {
        int64_t seen = part->rows[order[i]].step;
        int64_t until = i + 1 < n ? part->rows[order[i + 1]].step : adam->step;
        size_t floats = ((size_t)i + 1) * width;

        group_load(&group, (size_t)i * width, part, order[i], column, width);
        if (until == seen)
            continue;
        group_pad(&group, floats);
        adam_replay(adam, &group, round_to_vectors(floats), seen, until - seen);
    }
    for (int i = 0; i < n; i++)
        group_store(&group, (size_t)i * width, part, order[i], column, width);
}

/* order [n]: from sort_behind. pool: whose interrupt to ask, or NULL */
static void
replay_rows(const NnAdam *adam, const TablePart *part, const int32_t *order, int n, NnPool *pool)
{
    int at_once = rows_per_group(part->d);

    for (int i = 0; i < n && !(pool && pool_interrupted(pool)); i += at_once) {
        int k = n - i < at_once ? n - i : at_once;

        for (int j = i == 0 ? 0 : i + at_once; j < i + 2 * at_once && j < n; j++)
            prefetch_row(part, order[j]);
        for (size_t column = 0; column < part->d; column += GROUP)
            replay_group(adam, part, order + i, k, column,
                         part->d - column < GROUP ? part->d - column : GROUP);
        for (int j = i; j < i + k; j++)
            part->rows[order[j]].step = (uint32_t)adam->step;
    }
}

/* ------------------------------------------------------------------ a batch's rows */

void
adam_find_rows(NnAdam *adam, int lookup, const int32_t *codes, int rows, NnPool *pool)
{
    NnAdamRows *found = &adam->lookups[lookup];
    TablePart part = lookup_part(adam, lookup);
    int behind;

    found->n = found->updated = 0;
    for (int r = 0; r < rows; r++) {
        NnAdamRow *row = &part.rows[codes[r]];

        if (r + PREFETCH < rows)
            __builtin_prefetch(&part.rows[codes[r + PREFETCH]], 1);
        if (row->slot == 0) {
            found->code[found->n++] = codes[r];
            row->slot = found->n;
        }
        found->place[r] = row->slot - 1;
    }
    for (int i = 0; i < found->n; i++)
        part.rows[found->code[i]].slot = 0;
    behind = sort_behind(adam, part.rows, found->code, found->n, found->order);
    replay_rows(adam, &part, found->order, behind, pool);
}

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
update_group(const NnAdam *adam, const TablePart *part, const NnAdamRows *found, int first, int n,
             NnAdamStep step, float scale)
{
    Group group;

    for (size_t column = 0; column < part->d; column += GROUP) {
        const size_t width = part->d - column < GROUP ? part->d - column : GROUP;

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
    TablePart part = lookup_part(adam, lookup);
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

/* rows of a table in one task of a sync */
static int64_t
sync_rows(const NnParam *p)
{
    int64_t rows = SYNC_FLOATS / p->shape[1];

    return rows < 1 ? 1 : rows > SYNC_ROWS ? SYNC_ROWS : rows;
}

static int
sync_tasks_of(const NnParam *p)
{
    return p->kind == NN_TABLE ? (int)((p->shape[0] + sync_rows(p) - 1) / sync_rows(p)) : 0;
}

int
adam_sync_tasks(const NnAdam *adam)
{
    return adam->synced < adam->step ? adam->sync_tasks[adam->net->n_params] : 0;
}

void
adam_sync_task(NnAdam *adam, int task)
{
    int32_t order[SYNC_ROWS];
    const int owner = task_owner(adam->sync_tasks, adam->net->n_params, task);
    const NnParam *p = &adam->net->params[owner];
    const int64_t first = (task - adam->sync_tasks[owner]) * sync_rows(p);
    const int64_t rows = p->shape[0] - first < sync_rows(p) ? p->shape[0] - first : sync_rows(p);
    const TablePart part = table_part(adam, owner, first);
    const int behind = sort_behind(adam, part.rows, NULL, (int)rows, order);

    replay_rows(adam, &part, order, behind, NULL);
}

void
adam_synced(NnAdam *adam)
{
    adam->synced = adam->step;
}

static void
plan_sync(NnAdam *adam, NnArena *arena)
{
    const NnNet *net = adam->net;
    int tasks = 0;

    adam->sync_tasks = arena_take(arena, (size_t)net->n_params + 1, sizeof(int));
    for (int i = 0; arena->base && i < net->n_params; i++) {
        adam->sync_tasks[i] = tasks;
        tasks += sync_tasks_of(&net->params[i]);
    }
    if (arena->base)
        adam->sync_tasks[net->n_params] = tasks;
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
    plan_sync(adam, arena);
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
