/*
 * test_transfer.c: net_take_over. A net whose fields have grown computes what the old one did: exactly the
 * same terms for known categories, and for new ones what the old net says of the unseen one; for every
 * architecture. Widths grow where a field crosses a square number of categories.
 */
#include "unit.h"

#define ROWS   90
#define FIELDS 3
#define UNSEEN 0

/* one field gets wider embeddings (DeepCross: 4 -> 6), one grows within its width, one stays */
static const int before[FIELDS] = {17, 9, 5}, after[FIELDS] = {40, 12, 5};

typedef struct Side {
    UnitMemory memory;
    NnNet net;
    float *params;
    float *logits; /* [ROWS, n_classes] */
} Side;

static void
side_create(Side *s, NnConfig config, const int *categories, uint64_t seed)
{
    config.categories = categories;
    CHECK(net_create(&s->net, &config, unit_alloc(&s->memory)) == NN_OK);
    s->params = unit_take(&s->memory, s->net.n_block * sizeof(float));
    s->logits = unit_take(&s->memory, sizeof(float) * (size_t)(ROWS * config.n_classes));
    net_init(&s->net, s->params, 0, seed, NULL);
}

/* As after a training: nothing is 0 or 1 by chance of its initial value. */
static void
disturb(Side *s)
{
    NnRng rng;

    rng_seed(&rng, 8, 0);
    for (int i = 0; i < s->net.n_params; i++) {
        const NnParam *p = &s->net.params[i];

        for (size_t j = 0; p->dtype == NN_F32 && j < p->count; j++)
            s->params[p->offset + j] += (float)(0.1 + 0.2 * rng_uniform(&rng));
        if (p->dtype == NN_I64 && p->ndim == 0)
            ((int64_t *)(s->params + p->offset))[0] = 12345;
    }
}

static void
score(Side *s, const float *x_num, const int32_t *x_cat)
{
    NnScorer *scorer;

    scorer = unit_scorer(&s->memory, &s->net, s->params, ROWS);
    scorer_run(scorer, x_num, x_cat, ROWS, ROWS, s->logits);
}

/*
 * x_cat [FIELDS, ROWS]: codes that the grown net knows, and the same where the old net knows them too, else
 * UNSEEN
 */
static void
draw_rows(float *x_num, int n_num, int32_t *x_cat, int32_t *x_old, int n_cat)
{
    NnRng rng;

    rng_seed(&rng, 9, 0);
    for (int i = 0; i < ROWS * n_num; i++)
        x_num[i] = (float)rng_uniform(&rng);
    for (int i = 0; i < ROWS * n_cat; i++) {
        x_cat[i] = (int32_t)rng_below(&rng, (uint64_t)after[i / ROWS]);
        x_old[i] = x_cat[i] < before[i / ROWS] ? x_cat[i] : UNSEEN;
    }
}

static void
check_embeddings(const Side *old, const Side *grown, const char *what)
{
    for (int i = 0; i < grown->net.n_lookups; i++) {
        const NnLookup *l = &grown->net.lookups[i], *o = &old->net.lookups[i];
        const float *table = grown->params + grown->net.params[l->param].offset;
        const float *old_table = old->params + old->net.params[o->param].offset;
        bool same = true;

        for (int r = 0; r < l->rows; r++) {
            const int from = r < o->rows ? r : UNSEEN;

            same &= memcmp(table + (l->row_offset + r) * l->d, old_table + (o->row_offset + from) * o->d,
                           sizeof(float) * (size_t)o->d) == 0;
        }
        CHECK_MESSAGE(same, "%s: field %d's embeddings are not taken over", what, l->field);
    }
}

static bool
is_wider(const Side *old, const Side *grown)
{
    for (int i = 0; i < grown->net.n_lookups; i++)
        if (grown->net.lookups[i].d > old->net.lookups[i].d)
            return true;
    return false;
}

static void
check_take_over(const NnConfig *config, bool widens, const char *what)
{
    const int n_logits = ROWS * config->n_classes;
    Side old = {0}, grown = {0};
    float *x_num, largest = 0, difference = 0;
    int32_t *x_cat, *x_old;

    side_create(&old, *config, before, 1);
    side_create(&grown, *config, after, 2);
    disturb(&old);
    x_num = unit_take(&old.memory, sizeof(float) * (size_t)(ROWS * config->n_num + 1));
    x_cat = unit_take(&old.memory, sizeof(int32_t) * (size_t)(ROWS * config->n_cat + 1));
    x_old = unit_take(&old.memory, sizeof(int32_t) * (size_t)(ROWS * config->n_cat + 1));
    draw_rows(x_num, config->n_num, x_cat, x_old, config->n_cat);
    CHECK_MESSAGE(is_wider(&old, &grown) == widens, "%s: embeddings %s wider", what,
                  widens ? "are not" : "are");

    net_take_over(&grown.net, grown.params, &old.net, old.params, UNSEEN, NULL);
    check_embeddings(&old, &grown, what);
    score(&old, x_num, x_old);
    score(&grown, x_num, x_cat);
    for (int i = 0; i < n_logits; i++) {
        largest = fmaxf(largest, fabsf(old.logits[i] - old.logits[i % config->n_classes]));
        difference = fmaxf(difference, fabsf(old.logits[i] - grown.logits[i]) / (1 + fabsf(old.logits[i])));
    }
    CHECK_MESSAGE(largest > 1e-3f, "%s: all rows have the same logits", what);
    /* sums over more terms are rounded otherwise */
    CHECK_MESSAGE(difference <= (widens ? 2e-6f : 0), "%s: logits differ by %g", what, (double)difference);
    unit_release(&old.memory);
    unit_release(&grown.memory);
}

static void
test_deepcross(void)
{
    static const char *const names[] = {"matrix", "vector", "mix"};

    for (int i = 0; i < 3 * 2 * 2 * 2 * 2; i++) {
        NnConfig config = {.architecture = NN_DEEPCROSS,
                           .cross_type = (NnCrossType)(i % 3),
                           .stacked = i / 3 % 2,
                           .n_classes = i / 6 % 2 ? 3 : 1,
                           .n_num = i / 12 % 2 ? 0 : 4,
                           .n_cat = FIELDS,
                           .n_cross = 2,
                           .low_rank = 3,
                           .n_experts = 2,
                           .d_embed_max = i / 24 ? 3 : 8,
                           .n_mlp = 2,
                           .mlp_layers = {7, 5}};
        char what[120];

        snprintf(what, sizeof what, "%s %s, %d classes, %d numbers, embeddings up to %d",
                 names[config.cross_type], config.stacked ? "stacked" : "parallel", config.n_classes,
                 config.n_num, config.d_embed_max);
        check_take_over(&config, config.d_embed_max > 3, what);
    }
}

static void
test_fibinet(void)
{
    static const char *const names[] = {"field_interaction", "field_each", "field_all"};

    for (int i = 0; i < 3 * 2 * 2; i++) {
        NnConfig config = {.architecture = NN_FIBINET,
                           .bilinear_type = (NnBilinearType)(i % 3),
                           .n_classes = i / 3 % 2 ? 3 : 1,
                           .n_num = i / 6 % 2 ? 0 : 4,
                           .n_cat = FIELDS,
                           .d_embed = 3,
                           .reduction_ratio = 2,
                           .n_mlp = 2,
                           .mlp_layers = {7, 5}};
        char what[120];

        snprintf(what, sizeof what, "%s, %d classes, %d numbers", names[config.bilinear_type],
                 config.n_classes, config.n_num);
        check_take_over(&config, false, what);
    }
}

static void
test_baselines(void)
{
    for (int i = 0; i < 2 * 2 * 2; i++) {
        NnConfig config = {.architecture = i % 2 ? NN_WIDE_DEEP : NN_DEEPFM,
                           .n_classes = i / 2 % 2 ? 3 : 1,
                           .n_num = i / 4 % 2 ? 0 : 4,
                           .n_cat = FIELDS,
                           .d_embed = 3,
                           .n_mlp = 2,
                           .mlp_layers = {7, 5}};
        char what[120];

        snprintf(what, sizeof what, "%s, %d classes, %d numbers", nn_arch(config.architecture)->name,
                 config.n_classes, config.n_num);
        check_take_over(&config, false, what);
    }
}

/* FiBiNET's offsets follow from the grown tables; counters of steps go on */
static void
test_buffers(void)
{
    NnConfig config = {.architecture = NN_FIBINET,
                       .n_classes = 1,
                       .n_cat = FIELDS,
                       .d_embed = 2,
                       .reduction_ratio = 2,
                       .n_mlp = 1,
                       .mlp_layers = {4}};
    Side old = {0}, grown = {0};
    const int64_t *offsets, *steps;

    side_create(&old, config, before, 1);
    side_create(&grown, config, after, 2);
    disturb(&old);
    net_take_over(&grown.net, grown.params, &old.net, old.params, UNSEEN, NULL);
    offsets = (const int64_t *)(grown.params +
                                grown.net.params[net_find_param(&grown.net, "cat_embedding.offsets")].offset);
    steps = (const int64_t *)(grown.params +
                              grown.net.params[net_find_param(&grown.net, "mlp.mlp.1.num_batches_tracked")]
                                  .offset);
    CHECK(offsets[0] == 0 && offsets[1] == after[0] && offsets[2] == after[0] + after[1]);
    CHECK(*steps == 12345);
    unit_release(&old.memory);
    unit_release(&grown.memory);
}

int
main(void)
{
    if (!gemm_prepare()) {
        printf("%s\n", blas_error());
        return 1;
    }
    RUN(test_deepcross);
    RUN(test_fibinet);
    RUN(test_baselines);
    RUN(test_buffers);
    return unit_end();
}
