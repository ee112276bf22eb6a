/*
 * test_parity.c: the engine against PyTorch. Every file of ../parity/fixtures (or of the directory given)
 * describes a network, its data and what PyTorch makes of them; ../parity/generate.py writes them and tells
 * what they hold.
 */
#include <dirent.h>

#include "unit.h"

#define FIXTURES         "../parity/fixtures"
#define LOGIT_TOLERANCE  1e-5 /* relative to the largest logit, or to 1 if that is larger */
#define TENSOR_TOLERANCE 1e-4 /* relative to the largest element of the tensor */
#define ROUNDING         1e-6 /* of a gradient that is zero in exact numbers: a bias before a normalisation */
#define ZERO             1e-9 /* what float64 leaves of such a gradient */

/* ---------------------------------------------------------- a file: just enough of safetensors and JSON */

typedef struct Fixture {
    char name[300];
    char *bytes;
    char *header; /* ends with a zero byte */
    const char *data;
} Fixture;

static bool
fixture_open(Fixture *f, const char *directory, const char *file)
{
    char path[600];
    FILE *stream;
    uint64_t header_size;
    long size;

    snprintf(path, sizeof path, "%s/%s", directory, file);
    snprintf(f->name, sizeof f->name, "%s", file);
    stream = fopen(path, "rb");
    if (!stream)
        return false;
    fseek(stream, 0, SEEK_END);
    size = ftell(stream);
    rewind(stream);
    f->bytes = malloc((size_t)size);
    if (fread(f->bytes, 1, (size_t)size, stream) != (size_t)size)
        abort();
    fclose(stream);
    memcpy(&header_size, f->bytes, 8);
    f->header = calloc(1, header_size + 1);
    /* the configuration is JSON in a JSON string: drop its backslashes */
    for (uint64_t i = 0, n = 0; i < header_size; i++)
        if (f->bytes[8 + i] != '\\')
            f->header[n++] = f->bytes[8 + i];
    f->data = f->bytes + 8 + header_size;
    return true;
}

static void
fixture_close(Fixture *f)
{
    free(f->bytes);
    free(f->header);
}

/* what follows "key": in the header, or NULL */
static const char *
fixture_find(const Fixture *f, const char *key)
{
    char quoted[250];
    const char *at;

    snprintf(quoted, sizeof quoted, "\"%s\":", key);
    at = strstr(f->header, quoted);
    return at ? at + strlen(quoted) : NULL;
}

/* a string of the metadata, without its first quote; "" if there is none */
static const char *
fixture_option(const Fixture *f, const char *key)
{
    const char *at = fixture_find(f, key);

    return at ? at + 1 : "";
}

static bool
option_is(const Fixture *f, const char *key, const char *value)
{
    const char *at = fixture_option(f, key);

    return strncmp(at, value, strlen(value)) == 0 && at[strlen(value)] == '"';
}

/* numbers of a list like 7, 40, 19" */
static int
option_list(const Fixture *f, const char *key, int *values)
{
    char *at = (char *)fixture_option(f, key);
    int n = 0;

    while (*at && *at != '"') {
        values[n++] = (int)strtol(at, &at, 10);
        at += strspn(at, ", ");
    }
    return n;
}

/* a tensor's bytes and their number; NULL if there is none */
static const void *
fixture_tensor(const Fixture *f, const char *name, size_t *size)
{
    const char *at = fixture_find(f, name);
    unsigned long first, last;

    if (!at || !(at = strstr(at, "\"data_offsets\":[")) || sscanf(at + 16, "%lu,%lu", &first, &last) != 2)
        return NULL;
    *size = last - first;
    return f->data + first;
}

/* ------------------------------------------------------------------ comparing */

/* differences may be tolerance times the largest element expected, or times least_scale if that is larger */
static void
check_close(const Fixture *f, const char *what, const float *found, const void *expected, size_t count,
            double tolerance, double least_scale)
{
    double largest = least_scale, worst = 0;

    for (size_t i = 0; i < count; i++) {
        float e;
        double error;

        memcpy(&e, (const char *)expected + i * sizeof(float), sizeof e);
        error = fabs((double)found[i] - e);
        largest = fmax(largest, fabs(e));
        worst = isnan(error) ? INFINITY : fmax(worst, error);
    }
    CHECK_MESSAGE(worst <= (largest < ZERO ? ROUNDING : tolerance * largest), "%s %s: off by %g of %g",
                  f->name, what, worst, largest);
}

/* every parameter in `block` against the file's <prefix>.<name> */
static void
check_params(const Fixture *f, const NnNet *net, const char *prefix, const float *block, bool buffers)
{
    for (int i = 0; i < net->n_params; i++) {
        const NnParam *p = &net->params[i];
        char name[200];
        size_t size;
        const void *expected;

        if (p->kind == NN_BUFFER && !buffers)
            continue;
        snprintf(name, sizeof name, "%s.%s", prefix, p->name);
        expected = fixture_tensor(f, name, &size);
        CHECK_MESSAGE(expected, "%s: no %s", f->name, name);
        if (!expected)
            continue;
        if (p->dtype == NN_I64)
            CHECK_MESSAGE(size == 8 * p->count && memcmp(block + p->offset, expected, size) == 0, "%s %s",
                          f->name, name);
        else if (size == 4 * p->count)
            check_close(f, name, block + p->offset, expected, p->count, TENSOR_TOLERANCE, 0);
        else
            CHECK_MESSAGE(false, "%s %s: %zu bytes", f->name, name, size);
    }
}

/* ------------------------------------------------------------------ one network */

typedef struct Case {
    Fixture f;
    UnitMemory memory;
    NnNet net;
    int categories[8], rows, batches, steps;
    float *params, *x_num, *label;
    int32_t *x_cat;
} Case;

static void *
copy_tensor(Case *c, const char *name, size_t *size)
{
    const void *bytes = fixture_tensor(&c->f, name, size);

    return bytes ? memcpy(unit_take(&c->memory, *size), bytes, *size) : NULL;
}

static NnArchitecture
read_architecture(const Fixture *f)
{
    static const char *const names[NN_ARCHITECTURES] = {[NN_DEEPCROSS] = "DeepCross",
                                                        [NN_FIBINET] = "FiBiNET",
                                                        [NN_DEEPFM] = "DeepFM",
                                                        [NN_WIDE_DEEP] = "WideDeep"};

    for (int i = 0; i < NN_ARCHITECTURES; i++)
        if (option_is(f, "architecture", names[i]))
            return (NnArchitecture)i;
    CHECK_MESSAGE(false, "%s: no such architecture", f->name);
    return NN_DEEPCROSS;
}

static NnConfig
read_config(Case *c)
{
    const Fixture *f = &c->f;
    NnConfig config = {.architecture = read_architecture(f),
                       .n_classes = atoi(fixture_option(f, "n_classes")),
                       .n_cross = atoi(fixture_option(f, "n_cross")),
                       .low_rank = atoi(fixture_option(f, "low_rank")),
                       .n_experts = atoi(fixture_option(f, "n_experts")),
                       .d_embed_max = atoi(fixture_option(f, "d_embed_max")),
                       .stacked = option_is(f, "stacked", "True"),
                       .d_embed = atoi(fixture_option(f, "d_embed")),
                       .reduction_ratio = atof(fixture_option(f, "reduction_ratio")),
                       .categories = c->categories};

    config.cross_type = option_is(f, "cross_type", "matrix")   ? NN_CROSS_MATRIX
                        : option_is(f, "cross_type", "vector") ? NN_CROSS_VECTOR
                                                               : NN_CROSS_MIX;
    config.bilinear_type = option_is(f, "bilinear_type", "field_all")    ? NN_FIELD_ALL
                           : option_is(f, "bilinear_type", "field_each") ? NN_FIELD_EACH
                                                                         : NN_FIELD_INTERACTION;
    config.n_mlp = option_list(f, "mlp_layers", config.mlp_layers);
    config.n_cat = option_list(f, "categories", c->categories);
    return config;
}

static void
load_case(Case *c)
{
    NnConfig config = read_config(c);
    size_t size = 0, n_num = 0;
    int initial = 0;

    c->rows = atoi(fixture_option(&c->f, "rows"));
    c->steps = atoi(fixture_option(&c->f, "steps"));
    c->label = copy_tensor(c, "label", &size);
    c->batches = (int)(size / sizeof(float)) / c->rows;
    c->x_cat = copy_tensor(c, "x_cat", &size);
    c->x_num = copy_tensor(c, "x_num", &n_num);
    config.n_num = (int)(n_num / sizeof(float)) / (c->rows * c->batches);
    CHECK(net_create(&c->net, &config, unit_alloc(&c->memory)) == NN_OK);

    c->params = unit_take(&c->memory, c->net.n_block * sizeof(float));
    for (int i = 0; i < c->net.n_params; i++) {
        const NnParam *p = &c->net.params[i];
        char name[200];
        const void *bytes;

        snprintf(name, sizeof name, "initial.%s", p->name);
        bytes = fixture_tensor(&c->f, name, &size);
        CHECK_MESSAGE(bytes && size == p->count * (p->dtype == NN_I64 ? 8 : 4), "%s: %s", c->f.name, name);
        if (bytes)
            memcpy(c->params + p->offset, bytes, size);
    }
    for (const char *at = c->f.header; (at = strstr(at, "\"initial.")); at++)
        initial++;
    CHECK_MESSAGE(initial == c->net.n_params, "%s: %d parameters, not %d", c->f.name, c->net.n_params,
                  initial);
}

static NnBatch
batch_of(const Case *c, int i)
{
    return (NnBatch){.rows = c->rows,
                     .x_num = c->x_num + (size_t)(i * c->rows) * (size_t)c->net.config.n_num,
                     .x_cat = c->x_cat + i * c->rows,
                     .ld_cat = (size_t)(c->rows * c->batches),
                     .label = c->label + i * c->rows};
}

static void
check_logits(const Case *c, const char *name, const char *what, const float *found)
{
    size_t size, count = (size_t)c->rows * (size_t)c->net.config.n_classes;
    const void *expected = fixture_tensor(&c->f, name, &size);

    CHECK(expected && size == count * sizeof(float));
    if (expected)
        check_close(&c->f, what, found, expected, count, LOGIT_TOLERANCE, 1);
}

static void
check_scorer(Case *c, const NnBatch *batch, float *logits)
{
    NnScorer *scorer;

    scorer = unit_scorer(&c->memory, &c->net, c->params, c->rows);
    memset(logits, 0, (size_t)(c->rows * c->net.config.n_classes) * sizeof(float));
    scorer_run(scorer, batch->x_num, batch->x_cat, batch->ld_cat, c->rows, logits);
    check_logits(c, "evaluated", "scored", logits);
}

static void
check_case(Case *c)
{
    const NnHyper hyper = {
        .weight_decay = 1e-3f, .embedding_decay = 1e-3f, .beta1 = 0.9f, .beta2 = 0.999f, .epsilon = 1e-8f};
    const NnAlloc alloc = unit_alloc(&c->memory);
    const NnBatch first = batch_of(c, 0);
    const size_t n_logits = (size_t)c->rows * (size_t)c->net.config.n_classes;
    float *gradients = unit_take(&c->memory, c->net.n_trained * sizeof(float));
    float *logits = unit_take(&c->memory, n_logits * sizeof(float));
    NnPool *pool = pool_create(alloc, 1, NULL);
    NnTrainer *trainer;
    size_t size;
    double loss;
    float mean_loss;

    CHECK(trainer_create(&trainer, &c->net, c->params, &hyper, c->rows, pool, alloc) == NN_OK);
    CHECK(trainer_gradients(trainer, &first, &loss, logits, gradients) == NN_OK);
    mean_loss = (float)(loss / c->rows);
    check_logits(c, "logits", "logits", logits);
    check_close(&c->f, "loss", &mean_loss, fixture_tensor(&c->f, "loss", &size), 1, LOGIT_TOLERANCE, 1);
    check_params(&c->f, &c->net, "gradient", gradients, false);

    for (int step = 0; step < c->steps; step++) {
        const NnBatch batch = batch_of(c, step % c->batches);

        CHECK(trainer_step(trainer, &batch, 0.002f, &loss, NULL) == NN_OK);
    }
    CHECK(trainer_sync(trainer) == NN_OK);
    check_params(&c->f, &c->net, "after", c->params, true);
    CHECK(trainer_evaluate(trainer, &first, &loss, logits) == NN_OK);
    check_logits(c, "evaluated", "evaluated", logits);
    check_scorer(c, &first, logits);
    pool_stop(pool);
}

int
main(int argc, char **argv)
{
    const char *directory = argc > 1 ? argv[1] : FIXTURES;
    DIR *files = opendir(directory);
    const struct dirent *entry;
    int n = 0, of[NN_ARCHITECTURES] = {0};

    if (!gemm_prepare()) {
        printf("%s\n", blas_error());
        return 1;
    }
    while (files && (entry = readdir(files))) {
        Case c = {0};

        if (entry->d_name[0] == '.' || !fixture_open(&c.f, directory, entry->d_name))
            continue;
        load_case(&c);
        check_case(&c);
        of[c.net.config.architecture]++;
        fixture_close(&c.f);
        unit_release(&c.memory);
        n++;
    }
    if (files)
        closedir(files);
    CHECK_MESSAGE(n > 0, "no fixtures in %s", directory);
    for (int i = 0; i < NN_ARCHITECTURES && argc == 1; i++) /* a document need not have all of them */
        CHECK_MESSAGE(of[i] > 0, "no fixtures of %s", nn_arch((NnArchitecture)i)->name);
    return unit_end();
}
