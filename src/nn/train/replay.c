/*
 * replay.c: steps that rows of tables have missed: see adam.h.
 *
 * A group's rows may have missed different numbers of steps: sorted by that, each joins the group when the
 * steps reach the one it saw last.
 */
#include "nn/train/adam_group.h"

#include "nn/tasks.h"

#define SYNC_FLOATS 8192 /* of a table, in one task of a sync */
#define SYNC_ROWS   1024 /* at most */
#define ROWS_AHEAD  16   /* batch rows whose state is fetched before it is needed */

/* ------------------------------------------------------------------ arithmetic */

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

/* the steps from number `first` on */
static void
adam_replay(const NnAdam *adam, NnAdamGroup *group, size_t n, int64_t first, int64_t n_steps)
{
    const NnAdamStep *steps = adam->history + (first - adam->synced);
    const float decay = adam->embedding_decay;

    if (adam->kernels)
        adam->kernels->adam_replay(group->w, group->m, group->v, n, decay, adam->keep, steps, first, n_steps);
    else
        adam_replay_plain(group->w, group->m, group->v, n, decay, adam->keep, steps, first, n_steps);
}

/* ------------------------------------------------------------------ rows */

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

/* columns [column, column + width) of n rows that fit a group */
static void
replay_group(const NnAdam *adam, const NnTablePart *part, const int32_t *order, int n, size_t column,
             size_t width)
{
    NnAdamGroup group;

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
replay_rows(const NnAdam *adam, const NnTablePart *part, const int32_t *order, int n, NnPool *pool)
{
    int at_once = rows_per_group(part->d);

    for (int i = 0; i < n && !(pool && pool_interrupted(pool)); i += at_once) {
        int k = n - i < at_once ? n - i : at_once;

        for (int j = i == 0 ? 0 : i + at_once; j < i + 2 * at_once && j < n; j++)
            prefetch_row(part, order[j]);
        for (size_t column = 0; column < part->d; column += NN_ADAM_GROUP)
            replay_group(adam, part, order + i, k, column,
                         part->d - column < NN_ADAM_GROUP ? part->d - column : NN_ADAM_GROUP);
        for (int j = i; j < i + k; j++)
            part->rows[order[j]].step = (uint32_t)adam->step;
    }
}

void
adam_find_rows(NnAdam *adam, int lookup, const int32_t *codes, int rows, NnPool *pool)
{
    NnAdamRows *found = &adam->lookups[lookup];
    NnTablePart part = lookup_part(adam, lookup);
    int behind;

    found->n = found->updated = 0;
    for (int r = 0; r < rows; r++) {
        NnAdamRow *row = &part.rows[codes[r]];

        if (r + ROWS_AHEAD < rows)
            __builtin_prefetch(&part.rows[codes[r + ROWS_AHEAD]], 1);
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

/* ------------------------------------------------------------------ all rows */

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
    const NnTablePart part = table_part(adam, owner, first);
    const int behind = sort_behind(adam, part.rows, NULL, (int)rows, order);

    replay_rows(adam, &part, order, behind, NULL);
}

void
adam_synced(NnAdam *adam)
{
    adam->synced = adam->step;
}

void
adam_plan_sync(NnAdam *adam, NnArena *arena)
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
