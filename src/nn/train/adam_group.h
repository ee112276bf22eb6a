/*
 * adam_group.h: rows of tables gathered into groups, for adam.c, which moves the rows of a batch, and
 * replay.c, which brings rows up to date. Private to these two.
 *
 * Rows are short (8 floats, say), so they are gathered into groups that fill vector registers. Every float
 * goes through the same arithmetic wherever in a group it lies, so grouping changes no bit.
 */
#ifndef NN_ADAM_GROUP_H
#define NN_ADAM_GROUP_H

#include "nn/train/adam.h"

#include <math.h>
#include <string.h>

#include "nn/kernels/simd.h"

/* floats; rows join one by one, and only many together hide the formula's latency */
#define NN_ADAM_GROUP 256

typedef struct NnAdamGroup {
    _Alignas(64) float w[NN_ADAM_GROUP];
    _Alignas(64) float m[NN_ADAM_GROUP];
    _Alignas(64) float v[NN_ADAM_GROUP];
} NnAdamGroup;

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

/* adam.c: a stretch ends, for n floats */
void adam_keep(float *m, float *v, size_t n, NnAdamKeep keep);
/* replay.c: for adam_init */
void adam_plan_sync(NnAdam *adam, NnArena *arena);

/* ------------------------------------------------------------------ tables */

/* a field's part of a table and of what belongs to it */
typedef struct NnTablePart {
    float *w;       /* [rows, d] */
    float *moments; /* [rows, 2, d] */
    NnAdamRow *rows;
    size_t d;
} NnTablePart;

static inline NnTablePart
table_part(const NnAdam *adam, int param, int64_t first_row)
{
    const NnParam *p = &adam->net->params[param];
    size_t d = (size_t)p->shape[1], offset = p->offset + (size_t)first_row * d;

    return (NnTablePart){adam->params + offset, adam->moments + 2 * (offset - adam->net->n_dense),
                         adam->rows[param] + first_row, d};
}

static inline NnTablePart
lookup_part(const NnAdam *adam, int lookup)
{
    const NnLookup *l = &adam->net->lookups[lookup];

    return table_part(adam, l->param, l->row_offset);
}

static inline __attribute__((always_inline)) void
load_row(NnAdamGroup *group, size_t at, const float *w, const float *moments, size_t d, size_t width)
{
    memcpy(group->w + at, w, width * sizeof(float));
    memcpy(group->m + at, moments, width * sizeof(float));
    memcpy(group->v + at, moments + d, width * sizeof(float));
}

static inline __attribute__((always_inline)) void
store_row(const NnAdamGroup *group, size_t at, float *w, float *moments, size_t d, size_t width)
{
    memcpy(w, group->w + at, width * sizeof(float));
    memcpy(moments, group->m + at, width * sizeof(float));
    memcpy(moments + d, group->v + at, width * sizeof(float));
}

/* the columns [column, column + width) of a row into or out of a group's floats from `at` */
static inline void
group_load(NnAdamGroup *group, size_t at, const NnTablePart *part, int32_t code, size_t column, size_t width)
{
    const float *w = part->w + (size_t)code * part->d + column;
    const float *moments = part->moments + 2 * (size_t)code * part->d + column;

    if (part->d == 8 && width == 8) /* so frequent that the compiler should know it */
        load_row(group, at, w, moments, 8, 8);
    else if (part->d == 4)
        load_row(group, at, w, moments, 4, 4);
    else if (part->d == 1)
        load_row(group, at, w, moments, 1, 1);
    else
        load_row(group, at, w, moments, part->d, width);
}

static inline void
group_store(const NnAdamGroup *group, size_t at, const NnTablePart *part, int32_t code, size_t column,
            size_t width)
{
    float *w = part->w + (size_t)code * part->d + column;
    float *moments = part->moments + 2 * (size_t)code * part->d + column;

    if (part->d == 8 && width == 8)
        store_row(group, at, w, moments, 8, 8);
    else if (part->d == 4)
        store_row(group, at, w, moments, 4, 4);
    else if (part->d == 1)
        store_row(group, at, w, moments, 1, 1);
    else
        store_row(group, at, w, moments, part->d, width);
}

static inline size_t
round_to_vectors(size_t n)
{
    return (n + NN_ALIGN - 1) / NN_ALIGN * NN_ALIGN;
}

/* What lies between a group's floats and the end of their last vector takes part in the arithmetic. */
static inline void
group_pad(NnAdamGroup *group, size_t floats)
{
    const size_t size = (round_to_vectors(floats) - floats) * sizeof(float);

    memset(group->w + floats, 0, size);
    memset(group->m + floats, 0, size);
    memset(group->v + floats, 0, size);
}

static inline int
rows_per_group(size_t d)
{
    return d < NN_ADAM_GROUP ? (int)(NN_ADAM_GROUP / d) : 1;
}

static inline void
prefetch_row(const NnTablePart *part, int32_t code)
{
    size_t at = (size_t)code * part->d;

    __builtin_prefetch(part->w + at, 1);
    __builtin_prefetch(part->moments + 2 * at, 1);
}

#endif /* NN_ADAM_GROUP_H */
