/*
 * outer.c: averages and steps over the parameters of parts, in double precision. A category that few parts
 * have seen would, averaged by rows, hardly leave the place where all began; so its embedding counts by the
 * rows in which each part has seen it.
 */
#include "nn/train/outer.h"

#include <math.h>
#include <string.h>

#define PIECE 65536 /* numbers, or rows of a table, between two calls of `pause` */

static void
pause_at(NnPause pause, size_t i)
{
    if (pause && i % PIECE == 0)
        pause();
}

static double
integer_at(const float *params, size_t i)
{
    int64_t n;

    memcpy(&n, (const char *)params + i * sizeof(n), sizeof(n));
    return (double)n;
}

/* Numbers that are not rows of tables: sum[i] is of element i, also where that is an integer. */
static void
add_param(const NnParam *p, double *sum, const float *params, double share, NnPause pause)
{
    for (size_t i = 0; i < p->count; i++) {
        pause_at(pause, i);
        sum[i] += share * (p->dtype == NN_I64 ? integer_at(params, i) : (double)params[i]);
    }
}

static void
add_table(const NnLookup *l, double *sum, const float *table, const NnShare *share, size_t first_code,
          NnPause pause)
{
    for (int r = 0; r < l->rows; r++) {
        const size_t code = first_code + (size_t)r, row = (size_t)(l->row_offset + r) * (size_t)l->d;
        const int64_t all = share->all_rows[code];
        const double part = all > 0 ? (double)share->code_rows[code] / (double)all : share->rows;

        pause_at(pause, (size_t)r);
        for (int i = 0; i < l->d; i++)
            sum[row + (size_t)i] += part * (double)table[row + (size_t)i];
    }
}

void
outer_add(const NnNet *net, double *sum, const float *params, const NnShare *share, NnPause pause)
{
    for (int i = 0; i < net->n_params; i++) {
        const NnParam *p = &net->params[i];

        if (p->kind != NN_TABLE)
            add_param(p, sum + p->offset, params + p->offset, share->rows, pause);
    }
    for (int i = 0; i < net->n_lookups; i++) {
        const NnLookup *l = &net->lookups[i];
        const size_t table = net->params[l->param].offset;
        size_t code = 0;

        for (int f = 0; f < l->field; f++)
            code += (size_t)net->config.categories[f];
        add_table(l, sum + table, params + table, share, code, pause);
    }
}

void
outer_mean(const NnNet *net, float *params, const double *sum, NnPause pause)
{
    for (int i = 0; i < net->n_params; i++) {
        const NnParam *p = &net->params[i];
        float *to = params + p->offset;

        for (size_t k = 0; k < p->count; k++) {
            pause_at(pause, k);
            if (p->dtype == NN_F32)
                to[k] = (float)sum[p->offset + k];
            else if (p->init != NN_OFFSETS) {
                const int64_t n = llrint(sum[p->offset + k]);

                memcpy((char *)to + k * sizeof(n), &n, sizeof(n));
            }
        }
    }
}

void
outer_step(const NnNet *net, float *next, float *velocity, const float *previous, const float *merged,
           double momentum, NnPause pause)
{
    for (size_t i = 0; i < net->n_trained; i++) {
        const double d = (double)merged[i] - previous[i];
        const double v = momentum * velocity[i] + d;

        pause_at(pause, i);
        velocity[i] = (float)v;
        next[i] = (float)(previous[i] + d + momentum * v);
    }
    if (next != merged)
        memcpy(next + net->n_trained, merged + net->n_trained,
               (net->n_block - net->n_trained) * sizeof(float));
}
