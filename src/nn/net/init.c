/* init.c: a network's first parameters, and which numbers no training can leave in them. */
#include "nn/net/net.h"

#include <float.h>
#include <string.h>

#include "nn/math/rng.h"
#include "nn/tasks.h"

#define INIT_CHUNK 65536 /* elements that one task of net_init draws, from a random stream of its own */

void
net_plan_init(NnNet *net)
{
    int tasks = 0;

    net->init_tasks = net->alloc.alloc(net->alloc.owner, ((size_t)net->n_params + 1) * sizeof(int));
    if (!net->init_tasks) {
        net->status = NN_NO_MEMORY;
        return;
    }
    for (int i = 0; i < net->n_params; i++) {
        net->init_tasks[i] = tasks;
        tasks += (int)((net->params[i].count + INIT_CHUNK - 1) / INIT_CHUNK);
    }
    net->init_tasks[net->n_params] = tasks;
}

/* values: int64 [n_cat] */
static void
write_offsets(const NnNet *net, float *values)
{
    int64_t offset = 0;

    for (int f = 0; f < net->config.n_cat; f++) {
        memcpy(values + 2 * f, &offset, sizeof(offset));
        offset += net->config.categories[f];
    }
}

typedef struct Init {
    const NnNet *net;
    float *params;
    float embedding_init;
    uint64_t seed;
} Init;

/* values [n]: elements of p */
static void
draw(const Init *init, const NnParam *p, float *values, size_t n, NnRng *rng)
{
    bool given = p->kind == NN_TABLE && init->embedding_init > 0.0f;
    double scale = given ? (double)init->embedding_init : (double)p->init_scale;

    if (given || p->init == NN_NORMAL) {
        for (size_t j = 0; j < n; j++)
            values[j] = (float)(scale * rng_normal(rng));
    } else if (p->init == NN_UNIFORM) {
        for (size_t j = 0; j < n; j++)
            values[j] = (float)(scale * (2.0 * rng_uniform(rng) - 1.0));
    } else if (p->init == NN_ONE) {
        for (size_t j = 0; j < n; j++)
            values[j] = 1.0f;
    } else if (p->init == NN_OFFSETS) {
        write_offsets(init->net, values);
    } else {
        memset(values, 0, n * (p->dtype == NN_I64 ? sizeof(int64_t) : sizeof(float)));
    }
}

static void
init_task(void *arg, int task, int worker)
{
    const Init *init = arg;
    const int owner = task_owner(init->net->init_tasks, init->net->n_params, task);
    const int chunk = task - init->net->init_tasks[owner];
    const NnParam *p = &init->net->params[owner];
    const size_t first = (size_t)chunk * INIT_CHUNK;
    NnRng rng;

    (void)worker;
    /* no parameter's values depend on the others' sizes */
    rng_seed(&rng, init->seed, (uint64_t)owner << 32 | (uint64_t)chunk);
    if (p->init == NN_OFFSETS && chunk > 0)
        return; /* written as a whole */
    draw(init, p, init->params + p->offset + first * (p->dtype == NN_I64 ? 2 : 1),
         p->count - first < INIT_CHUNK ? p->count - first : INIT_CHUNK, &rng);
}

NnStatus
net_init(const NnNet *net, float *params, float embedding_init, uint64_t seed, NnPool *pool)
{
    Init init = {net, params, embedding_init, seed};
    const int tasks = net->init_tasks[net->n_params];

    if (pool)
        return pool_run(pool, init_task, &init, tasks, true);
    for (int task = 0; task < tasks; task++)
        init_task(&init, task, 0);
    return NN_OK;
}

/* ------------------------------------------------------------------ soundness */

#define SOUND_PIECE ((size_t)1 << 20)

/* whether all n numbers are finite and at least `least` */
NN_KERNEL static bool
all_sound(const float *x, size_t n, float least)
{
    int bad = 0;

    for (size_t i = 0; i < n; i++)
        bad |= !(x[i] >= least && x[i] <= FLT_MAX);
    return bad == 0;
}

static bool
floats_are_sound(const NnParam *p, const float *numbers, NnPause pause)
{
    for (size_t done = 0; done < p->count; done += SOUND_PIECE) {
        const size_t left = p->count - done;

        if (pause)
            pause();
        if (!all_sound(numbers + done, left < SOUND_PIECE ? left : SOUND_PIECE,
                       p->variance ? 0.0f : -FLT_MAX))
            return false;
    }
    return true;
}

static bool
param_is_sound(const NnParam *p, const float *numbers, NnPause pause)
{
    int64_t steps;

    if (p->dtype == NN_F32)
        return floats_are_sound(p, numbers, pause);
    if (p->init == NN_OFFSETS)
        return true; /* they follow from the net */
    memcpy(&steps, numbers, sizeof steps);
    return steps >= 0 && steps <= NN_STEPS_MOST;
}

int
net_find_unsound(const NnNet *net, const float *params, NnPause pause)
{
    for (int i = 0; i < net->n_params; i++)
        if (!param_is_sound(&net->params[i], params + net->params[i].offset, pause))
            return i;
    return -1;
}
