/*
 * test_describe.c: networks as modules, for every architecture: parameters have one owner each and add up to
 * the total, a module reads what is there, and its width is that of its weights.
 */
#include "unit.h"

static const int categories[] = {5, 30, 2};

/* the tensor of which this one is a part */
static int
root_of(const NnNet *net, int tensor)
{
    return net->tensors[tensor].parent >= 0 ? net->tensors[tensor].parent : tensor;
}

typedef struct Walk {
    const NnNet *net;
    const char *what;
    int *owners;   /* [n_params] */
    bool *written; /* [n_tensors] by root */
    int64_t params;
    int concats, adds;
} Walk;

/* floats of a row of all that a module reads, which must be there */
static int
width_of_inputs(const Walk *w, const NnModule *modules, int i)
{
    int d = 0;

    for (int j = 0; j < 3; j++) {
        const int input = modules[i].input[j];

        if (input >= 0) {
            CHECK_MESSAGE(w->written[root_of(w->net, input)], "%s: %s reads what is not there", w->what,
                          modules[i].kind);
            d += w->net->tensors[input].d;
        } else if (input < -1) {
            const int other = NN_OF_MODULE(input);

            CHECK_MESSAGE(other < i && modules[other].output == -1, "%s: %s reads module %d", w->what,
                          modules[i].kind, other);
            d += modules[other].d;
        }
    }
    return d;
}

static void
check_module(Walk *w, const NnModule *modules, int i)
{
    const NnModule *m = &modules[i];
    const int d_in = width_of_inputs(w, modules, i);
    const NnParam *p = m->n_params > 0 ? &w->net->params[m->first_param] : NULL;

    for (int j = 0; j < m->n_params; j++)
        w->owners[m->first_param + j]++;
    w->params += module_params(m, w->net);
    if (m->output >= 0) {
        CHECK_MESSAGE(w->net->tensors[m->output].d == m->d, "%s: %s is %d wide", w->what, m->kind, m->d);
        w->written[root_of(w->net, m->output)] = true;
    }
    if (strcmp(m->kind, "Linear") == 0)
        CHECK_MESSAGE(p && p->shape[0] == m->d && p->shape[1] == d_in, "%s: Linear %d, %d", w->what, d_in,
                      m->d);
    else if (strcmp(m->kind, "Concat") == 0)
        CHECK_MESSAGE(m->d == d_in && ++w->concats, "%s: Concat %d, %d", w->what, d_in, m->d);
    else if (strcmp(m->kind, "Add") == 0)
        CHECK_MESSAGE(2 * m->d == d_in && ++w->adds, "%s: Add %d, %d", w->what, d_in, m->d);
    else if (strcmp(m->kind, "FactorizationMachine") == 0)
        CHECK_MESSAGE(m->d == w->net->config.d_embed && d_in % m->d == 0, "%s: pairs %d, %d", w->what, d_in,
                      m->d);
    else if (strcmp(m->kind, "Sum") == 0)
        CHECK_MESSAGE(m->d == 1 && d_in == w->net->config.d_embed, "%s: Sum %d, %d", w->what, d_in, m->d);
    else if (strcmp(m->kind, "Gating") == 0)
        CHECK_MESSAGE(m->d > 0 && d_in == w->net->params[m->first_param].shape[1], "%s: Gating", w->what);
}

static void
check(const NnConfig *config, const char *what, int concats, int adds)
{
    UnitMemory memory = {0};
    NnNet net;
    Walk w = {.net = &net, .what = what};
    int64_t trained = 0;

    CHECK(net_create(&net, config, unit_alloc(&memory)) == NN_OK);
    w.owners = unit_take(&memory, sizeof(int) * (size_t)net.n_params);
    w.written = unit_take(&memory, sizeof(bool) * (size_t)net.n_tensors);
    for (const NnLayer *l = net.layers; l < net.layers + net.n_layers; l++) {
        NnModule modules[NN_MODULES_MOST];
        const int n = layer_describe(l, &net, modules);

        CHECK(n > 0 && n <= NN_MODULES_MOST && modules[n - 1].output == l->y);
        for (int i = 0; i < n; i++)
            check_module(&w, modules, i);
    }
    for (int i = 0; i < net.n_params; i++) {
        const NnParam *p = &net.params[i];

        /* offsets follow from the net */
        CHECK_MESSAGE(w.owners[i] == (p->init != NN_OFFSETS), "%s: %s has %d owners", what, p->name,
                      w.owners[i]);
        trained += p->kind == NN_BUFFER ? 0 : (int64_t)p->count;
    }
    CHECK_MESSAGE(w.params == trained && trained > 0, "%s: %ld parameters, not %ld", what, (long)w.params,
                  (long)trained);
    CHECK_MESSAGE(w.concats == concats && w.adds == adds, "%s: %d Concat, %d Add", what, w.concats, w.adds);
    unit_release(&memory);
}

static NnConfig
config_of(NnArchitecture architecture, int i, bool stacked)
{
    return (NnConfig){.architecture = architecture,
                      .n_classes = 3,
                      .n_mlp = 2,
                      .mlp_layers = {7, 5},
                      .mlp_dropout = 0.25f,
                      .cross_type = (NnCrossType)i,
                      .n_cross = 2,
                      .low_rank = 3,
                      .n_experts = 2,
                      .d_embed_max = 3,
                      .stacked = stacked,
                      .d_embed = 3,
                      .reduction_ratio = 2,
                      .bilinear_type = (NnBilinearType)i,
                      .n_num = 4,
                      .n_cat = 3,
                      .categories = categories};
}

static void
test_modules(void)
{
    static const char *const crosses[] = {"matrix", "vector", "mix"};
    static const char *const bilinears[] = {"field_interaction", "field_each", "field_all"};

    for (int i = 0; i < 3; i++) {
        NnConfig config = config_of(NN_DEEPCROSS, i, true);

        check(&config, crosses[i], 0, 0);
        config = config_of(NN_DEEPCROSS, i, false);
        check(&config, crosses[i], 1, 0); /* the last Linear reads the MLP and the cross network */
        config = config_of(NN_FIBINET, i, false);
        check(&config, bilinears[i], 1, 2); /* both kinds of fields; two wide parts */
    }
    for (int i = 0; i < 2; i++) {
        NnConfig config = config_of(NN_DEEPFM, 0, false);

        config.n_classes = i ? 3 : 1;
        check(&config, "deepfm", 0, 3); /* pairs of fields, and two wide parts */
        config.architecture = NN_WIDE_DEEP;
        check(&config, "wide_deep", 0, 2);
    }
}

/* what a summary says of the first layers of a small network */
static void
test_kinds(void)
{
    static const char *const kinds[] = {"Input",          "Embedding",      "Embedding", "Embedding",
                                        "CrossNetMatrix", "CrossNetMatrix", "Linear",    "BatchNorm1d",
                                        "ReLU",           "Dropout"};
    static const int params[] = {0,          5 * 2, 30 * 3, 2 * 2, 11 * 11 + 11, 11 * 11 + 11,
                                 7 * 11 + 7, 2 * 7, 0,      0};
    const NnConfig config = config_of(NN_DEEPCROSS, NN_CROSS_MATRIX, true);
    UnitMemory memory = {0};
    NnModule modules[NN_MODULES_MOST];
    NnNet net;
    int at = 0;

    CHECK(net_create(&net, &config, unit_alloc(&memory)) == NN_OK);
    for (const NnLayer *l = net.layers; at < 10; l++) {
        const int n = layer_describe(l, &net, modules);

        for (int i = 0; i < n && at < 10; i++, at++)
            CHECK_MESSAGE(strcmp(modules[i].kind, kinds[at]) == 0 &&
                              module_params(&modules[i], &net) == params[at],
                          "module %d is %s with %ld parameters", at, modules[i].kind,
                          (long)module_params(&modules[i], &net));
    }
    unit_release(&memory);
}

int
main(void)
{
    RUN(test_modules);
    RUN(test_kinds);
    return unit_end();
}
