/*
 * test_net.c: where parameters and tensors lie, who adds to whose gradient, first values, and bad
 * configurations.
 */
#include "unit.h"

static const NnLayerType plain = {.kind = "Plain"};

static void
start(NnNet *net, UnitMemory *memory)
{
    *net = (NnNet){.alloc = unit_alloc(memory)};
}

static void
parameters_lie_by_kind(void)
{
    UnitMemory memory = {0};
    NnNet net;
    int table, dense, buffer, counter, late;

    start(&net, &memory);
    table = net_param(&net, NN_TABLE, NN_NORMAL, 1, 2, (const int64_t[]){5, 3}, "table");
    buffer = net_param(&net, NN_BUFFER, NN_ONE, 0, 1, (const int64_t[]){7}, "buffer.%d", 1);
    counter = net_param(&net, NN_BUFFER, NN_ZERO, 0, 0, NULL, "counter");
    net.params[counter].dtype = NN_I64;
    dense = net_param(&net, NN_DENSE, NN_UNIFORM, 0.5f, 1, (const int64_t[]){17}, "dense");
    late = net_param(&net, NN_DENSE, NN_ONE, 0, 2, (const int64_t[]){4, 4}, "late");
    net_finish(&net);
    CHECK(net.status == NN_OK);
    CHECK(net.params[dense].offset == 0 && net.params[late].offset == 32 && net.n_dense == 48);
    CHECK(net.params[table].offset == 48 && net.params[table].count == 15 && net.n_trained == 64);
    CHECK(net.params[buffer].offset == 64 && net.params[counter].offset == 80 && net.n_block == 96);
    CHECK(net.params[counter].count == 1);
    CHECK(net_find_param(&net, "buffer.1") == buffer && net_find_param(&net, "buffer") == -1);
    unit_release(&memory);
}

static void
views_share_rows(void)
{
    UnitMemory memory = {0};
    NnNet net;
    int root, view, inner;

    start(&net, &memory);
    net.output = net_tensor(&net, 20);
    root = net_tensor(&net, 21);
    view = net_view(&net, root, 5, 10);
    inner = net_view(&net, view, 2, 3);
    net_finish(&net);
    CHECK(net.tensors[net.output].ld == 20 && net.tensors[root].ld == 32 && net.row_floats == 52);
    CHECK(tensor_at(&net, inner, 16, 3) == 20 * 16 + 3 * 32 + 7);
    CHECK(tensor_at(&net, view, 16, 0) == tensor_at(&net, root, 16, 0) + 5);
    unit_release(&memory);
}

static void
later_readers_write_first(void)
{
    UnitMemory memory = {0};
    NnNet net;
    int x, a, b;

    start(&net, &memory);
    x = net_tensor(&net, 8);
    a = net_tensor(&net, 8);
    b = net_tensor(&net, 8);
    net.output = net_tensor(&net, 1);
    net_layer(&net, &plain, -1, x, "input");
    net_layer(&net, &plain, x, a, "first")->x2 = x;
    net_layer(&net, &plain, a, a, "in place");
    net_layer(&net, &plain, a, b, "second")->x2 = x;
    net_layer(&net, &plain, b, net.output, "last");
    net_finish(&net);
    CHECK(!net.layers[4].dx_add && !net.layers[3].dx_add && !net.layers[3].dx2_add);
    CHECK(!net.layers[2].dx_add);
    CHECK(net.layers[1].dx_add && net.layers[1].dx2_add);
    CHECK(!net.tensors[x].dzero && !net.tensors[a].dzero && !net.tensors[b].dzero &&
          !net.tensors[net.output].dzero);
    unit_release(&memory);
}

static void
readers_of_parts_start_from_zero(void)
{
    UnitMemory memory = {0};
    NnNet net;
    int x, left, right, y, unread;

    start(&net, &memory);
    x = net_tensor(&net, 8);
    left = net_view(&net, x, 0, 3);
    right = net_view(&net, x, 3, 5);
    y = net_tensor(&net, 8);
    unread = net_tensor(&net, 4);
    net.output = net_tensor(&net, 1);
    net_layer(&net, &plain, -1, left, "writes a part");
    net_layer(&net, &plain, -1, right, "writes the other");
    net_layer(&net, &plain, -1, unread, "unread");
    net_layer(&net, &plain, x, net_view(&net, y, 0, 4), "reads both");
    net_layer(&net, &plain, left, net_view(&net, y, 4, 4), "reads one");
    net_layer(&net, &plain, net_view(&net, y, 0, 4), net.output, "reads a half");
    net_layer(&net, &plain, net_view(&net, y, 4, 4), net.output, "reads the other half");
    net_finish(&net);
    CHECK(net.tensors[x].dzero && net.tensors[unread].dzero && !net.tensors[y].dzero);
    CHECK(net.layers[3].dx_add && net.layers[4].dx_add);
    CHECK(!net.layers[5].dx_add && !net.layers[6].dx_add);
    unit_release(&memory);
}

static void
first_values(void)
{
    static const int categories[] = {40, 200, 3};
    NnConfig config = {.architecture = NN_DEEPCROSS,
                       .n_classes = 1,
                       .n_mlp = 1,
                       .mlp_layers = {16},
                       .n_cross = 1,
                       .d_embed_max = 8,
                       .n_num = 2,
                       .n_cat = 3,
                       .categories = categories};
    UnitMemory memory = {0};
    float *a, *b, *c;
    double square = 0;
    NnNet net;
    const NnParam *table;

    CHECK(net_create(&net, &config, unit_alloc(&memory)) == NN_OK);
    a = unit_take(&memory, net.n_block * sizeof(float));
    b = unit_take(&memory, net.n_block * sizeof(float));
    c = unit_take(&memory, net.n_block * sizeof(float));
    net_init(&net, a, 0, 1, NULL);
    net_init(&net, b, 0, 1, NULL);
    net_init(&net, c, 0.01f, 2, NULL);
    CHECK(memcmp(a, b, net.n_block * sizeof(float)) == 0);
    CHECK(memcmp(a, c, net.n_block * sizeof(float)) != 0);
    table = &net.params[net_find_param(&net, "cat_embedding.embedding_list.1.weight")];
    for (size_t i = 0; i < table->count; i++)
        square += (double)(c[table->offset + i] * c[table->offset + i]);
    CHECK_NEAR(sqrt(square / (double)table->count), 0.01, 0.001);
    unit_release(&memory);
}

static void *
no_memory(void *owner, size_t size)
{
    (void)size;
    (void)owner;
    return NULL;
}

static void
failures_are_statuses(void)
{
    static const int categories[] = {40, 0};
    NnConfig config = {
        .n_classes = 1, .n_mlp = 1, .mlp_layers = {4}, .d_embed_max = 8, .categories = categories};
    UnitMemory memory = {0};
    NnNet net;

    CHECK(net_create(&net, &config, unit_alloc(&memory)) == NN_BAD_CONFIG);
    config.n_cat = 2;
    CHECK(net_create(&net, &config, unit_alloc(&memory)) == NN_BAD_CONFIG);
    config.n_cat = 1;
    config.n_classes = 0;
    CHECK(net_create(&net, &config, unit_alloc(&memory)) == NN_BAD_CONFIG);
    config.n_classes = 1;
    CHECK(net_create(&net, &config, (NnAlloc){no_memory, NULL}) == NN_NO_MEMORY);
    CHECK(net_create(&net, &config, unit_alloc(&memory)) == NN_OK);
    unit_release(&memory);
}

/* What an architecture cannot do with a configuration, it says before anything is built. */
static void
faults_are_found_before_building(void)
{
    NnConfig config = {.architecture = NN_FIBINET, .d_embed = 8, .n_num = 1, .n_cat = 0};

    CHECK(nn_arch_check(&config).kind == NN_NO_PAIR && nn_arch_check(&config).fields == 1);
    config.n_cat = 1224;
    CHECK(nn_arch_check(&config).kind == NN_NO_FAULT && nn_arch_least_params(&config) == 1225 * 1224 / 2);
    config.n_cat = 1225;
    CHECK(nn_arch_check(&config).kind == NN_TOO_MANY_MATRICES &&
          nn_arch_check(&config).most == NN_PAIRS_MOST);
    config.bilinear_type = NN_FIELD_EACH;
    CHECK(nn_arch_check(&config).kind == NN_NO_FAULT && nn_arch_least_params(&config) == 0);
    config.d_embed = 1024;
    CHECK(nn_arch_check(&config).kind == NN_NO_FAULT);
    config.n_cat = 1448; /* 1449 * 1448 * 1024 > 2^31 - 1 */
    CHECK(nn_arch_check(&config).kind == NN_TOO_MANY_NUMBERS && nn_arch_check(&config).fields == 1449);
    config.architecture = NN_DEEPCROSS;
    CHECK(nn_arch_check(&config).kind == NN_NO_FAULT && nn_arch_least_params(&config) == 0);
}

/*
 * FiBiNET of 500 fields has a matrix for each pair of them. Describing, drawing and taking over so many
 * parameters takes time in proportion to their number: looking for each from the first one on would take
 * minutes.
 */
static void
many_parameters_are_drawn(void)
{
    enum { FIELDS = 500 };
    static int categories[FIELDS];
    const NnConfig config = {.architecture = NN_FIBINET,
                             .n_classes = 1,
                             .n_mlp = 1,
                             .mlp_layers = {2},
                             .d_embed = 2,
                             .reduction_ratio = 3,
                             .bilinear_type = NN_FIELD_INTERACTION,
                             .n_cat = FIELDS,
                             .categories = categories};
    UnitMemory memory = {0};
    NnAlloc alloc = unit_alloc(&memory);
    float *params, *taken;
    int drawn = 0, uniform = 0;
    NnNet net;

    for (int f = 0; f < FIELDS; f++)
        categories[f] = 3;
    CHECK(net_create(&net, &config, alloc) == NN_OK && net.n_params > FIELDS * (FIELDS - 1) / 2);
    params = alloc.alloc(alloc.owner, net.n_block * sizeof(float));
    taken = alloc.alloc(alloc.owner, net.n_block * sizeof(float));
    CHECK(net_init(&net, params, 0, 1, NULL) == NN_OK);
    for (int i = 0; i < net.n_params; i++) {
        const NnParam *p = &net.params[i];

        uniform += p->init == NN_UNIFORM;
        drawn += p->init == NN_UNIFORM && params[p->offset] != 0 &&
                 (i == 0 || params[p->offset] != params[net.params[i - 1].offset]);
    }
    CHECK_MESSAGE(uniform > FIELDS * (FIELDS - 1) / 2 && drawn == uniform, "%d of %d parameters drawn", drawn,
                  uniform);
    CHECK(net_init(&net, taken, 0, 2, NULL) == NN_OK);
    net_take_over(&net, taken, &net, params, 0, NULL);
    CHECK(memcmp(taken, params, net.n_block * sizeof(float)) == 0);
    unit_release(&memory);
}

int
main(void)
{
    RUN(parameters_lie_by_kind);
    RUN(views_share_rows);
    RUN(later_readers_write_first);
    RUN(readers_of_parts_start_from_zero);
    RUN(first_values);
    RUN(faults_are_found_before_building);
    RUN(many_parameters_are_drawn);
    RUN(failures_are_statuses);
    return unit_end();
}
