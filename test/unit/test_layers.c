/*
 * test_layers.c: every layer's backward pass against central differences of its forward pass.
 *
 * A net of one layer (or of a few levels of one kind) runs on rows cut into two lanes and uneven blocks. The
 * loss is the sum of the outputs times fixed random numbers, in float8. For every parameter and every input,
 * each element's gradient is compared with (loss(+h) - loss(-h)) / 2h, relative to the largest gradient of
 * that tensor. A tensor whose gradients are all zero fails: it would agree with anything.
 */
#include "unit.h"

#define ROWS      23
#define TOLERANCE 5e-3

typedef struct Run {
    UnitMemory memory;
    NnNet net;
    int input, output; /* tensors */
    float *params, *grads;
    float *values, *dvalues;
    double *stats;
    float *batch_stats, *scratch;
    float *probe; /* [ROWS, d_out] what the outputs are multiplied by */
    int rows;
    bool train;
} Run;

static const int lane_start[] = {0, 9, ROWS};
static const int block_rows = 5;

static float
draw(NnRng *rng)
{
    return (float)(2 * rng_uniform(rng) - 1);
}

static void
fill_nan(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = NAN;
}

/* the builder between the two calls adds layers from run->input on and says what the output is */
static void
run_begin(Run *run, int d_in)
{
    *run = (Run){.rows = ROWS, .train = true};
    run->net.alloc = unit_alloc(&run->memory);
    run->net.config.n_classes = 1;
    run->input = net_tensor(&run->net, d_in);
}

static void
run_end(Run *run, int output, uint64_t seed)
{
    const NnNet *net = &run->net;
    NnRng rng;

    run->output = output;
    run->net.output = output;
    net_finish(&run->net);
    CHECK(net->status == NN_OK);
#define ROOM(type, count) ((type *)unit_take(&run->memory, (count) * sizeof(type)))
    run->params = ROOM(float, net->n_block);
    run->grads = ROOM(float, 2 * net->n_trained);
    run->values = ROOM(float, net->row_floats *ROWS);
    run->dvalues = ROOM(float, net->row_floats *ROWS);
    run->stats = ROOM(double, 2 * net->n_stats);
    run->batch_stats = ROOM(float, net->n_batch_stats);
    run->scratch = ROOM(float, net->scratch);
    run->probe = ROOM(float, (size_t)ROWS *(size_t)net->tensors[output].d);
#undef ROOM
    fill_nan(run->values, net->row_floats * ROWS); /* what is read before it is written shows */
    fill_nan(run->scratch, net->scratch);
    net_init(net, run->params, 0, seed, NULL);
    rng_seed(&rng, seed, 99);
    for (int p = 0; p < net->n_params; p++) /* nothing stays at zero or one, where a mistake could hide */
        if (net->params[p].dtype == NN_F32)
            for (size_t i = 0; i < net->params[p].count; i++)
                run->params[net->params[p].offset + i] += 0.2f * fabsf(draw(&rng));
    for (int r = 0; r < ROWS; r++) {
        for (int c = 0; c < net->tensors[run->input].d; c++)
            run->values[tensor_at(net, run->input, ROWS, (size_t)r) + (size_t)c] = draw(&rng) + 0.25f;
        for (int c = 0; c < net->tensors[output].d; c++)
            run->probe[r * net->tensors[output].d + c] = draw(&rng);
    }
}

typedef void (*BlockFunction)(const NnLayer *l, const NnBlock *b);

/* calls f for every block of every lane */
static void
over_blocks(Run *run, const NnLayer *l, BlockFunction f)
{
    for (int lane = 0; lane < 2; lane++)
        for (int row = lane_start[lane]; row < lane_start[lane + 1] && row < run->rows; row += block_rows) {
            int last = lane_start[lane + 1] < run->rows ? lane_start[lane + 1] : run->rows;
            NnBlock b = {.net = &run->net,
                         .params = run->params,
                         .tables = run->params,
                         .grads = run->grads + (size_t)lane * run->net.n_trained,
                         .values = run->values,
                         .dvalues = run->dvalues,
                         .capacity = ROWS,
                         .row = row,
                         .n = last - row < block_rows ? last - row : block_rows,
                         .train = run->train,
                         .key = 12345,
                         .stats = run->stats + (size_t)lane * run->net.n_stats,
                         .batch_stats = run->batch_stats,
                         .scratch = run->scratch};

            f(l, &b);
        }
}

static double
run_forward(Run *run)
{
    const NnNet *net = &run->net;
    const int d = net->tensors[run->output].d;
    double loss = 0;

    for (int i = 0; i < net->n_layers; i++) {
        const NnLayer *l = &net->layers[i];

        if (run->train && l->type->forward_stats) {
            memset(run->stats, 0, 2 * net->n_stats * sizeof(double));
            over_blocks(run, l, l->type->forward_stats);
            l->type->forward_merge(l, net, run->params, run->stats + l->stats_offset, net->n_stats, 2,
                                   run->rows, run->batch_stats + l->batch_stats_offset);
        }
        over_blocks(run, l, l->type->forward);
    }
    for (int r = 0; r < run->rows; r++)
        for (int c = 0; c < d; c++)
            loss += (double)run->probe[r * d + c] *
                    run->values[tensor_at(net, run->output, ROWS, (size_t)r) + (size_t)c];
    return loss;
}

/* gradients of all parameters in run->grads, of the input in run->dvalues */
static void
run_backward(Run *run)
{
    const NnNet *net = &run->net;
    const int d = net->tensors[run->output].d;

    run_forward(run);
    memset(run->grads, 0, 2 * net->n_trained * sizeof(float));
    for (size_t i = 0; i < net->row_floats * ROWS; i++)
        run->dvalues[i] = NAN; /* who adds where nobody wrote shows */
    for (int r = 0; r < run->rows; r++)
        memcpy(run->dvalues + tensor_at(net, run->output, ROWS, (size_t)r), run->probe + r * d,
               (size_t)d * sizeof(float));
    for (int i = net->n_layers - 1; i >= 0; i--) {
        const NnLayer *l = &net->layers[i];

        if (l->type->backward_stats) {
            memset(run->stats, 0, 2 * net->n_stats * sizeof(double));
            over_blocks(run, l, l->type->backward_stats);
            l->type->backward_merge(l, run->stats + l->stats_offset, net->n_stats, 2, run->rows,
                                    run->batch_stats + l->batch_stats_offset);
        }
        over_blocks(run, l, l->type->backward);
    }
    for (size_t i = 0; i < net->n_trained; i++)
        run->grads[i] += run->grads[net->n_trained + i];
}

static double
numerical_gradient(Run *run, float *x, float h)
{
    const float before = *x;
    double plus, minus, step;

    *x = before + h;
    plus = run_forward(run);
    step = *x;
    *x = before - h;
    minus = run_forward(run);
    step -= *x;
    *x = before;
    return (plus - minus) / step;
}

/* x, gradient: rows of d elements, ld apart */
static void
check_elements(Run *run, const char *layer, const char *what, float *x, const float *gradient, int rows,
               int d, int ld)
{
    double largest = 0, worst = 0;

    for (int r = 0; r < rows; r++)
        for (int c = 0; c < d; c++) {
            const float found = gradient[(size_t)r * ld + c];
            double error = INFINITY;

            /* a ReLU's kink within a step spoils the difference, so smaller steps get a chance too */
            for (float h = 4e-3f; h > 2e-4f && !(error <= TOLERANCE * fabs(found)); h /= 4)
                error = fmin(error, fabs(found - numerical_gradient(run, x + (size_t)r * ld + c, h)));
            largest = fmax(largest, fabs(found));
            worst = isnan(found) ? INFINITY : fmax(worst, error);
        }
    CHECK_MESSAGE(largest > 1e-3, "%s %s: gradients are all zero", layer, what);
    CHECK_MESSAGE(worst <= TOLERANCE * largest, "%s %s: off by %g of %g", layer, what, worst, largest);
}

static void
run_check(Run *run, const char *layer)
{
    const NnNet *net = &run->net;
    const NnTensor *input = &net->tensors[run->input];
    float *gradients = unit_take(&run->memory, net->n_trained * sizeof(float));
    float *dx = unit_take(&run->memory, (size_t)ROWS * (size_t)input->ld * sizeof(float));

    run_backward(run);
    memcpy(gradients, run->grads, net->n_trained * sizeof(float));
    memcpy(dx, run->dvalues + tensor_at(net, run->input, ROWS, 0),
           (size_t)ROWS * (size_t)input->ld * sizeof(float));
    for (int p = 0; p < net->n_params; p++)
        if (net->params[p].kind != NN_BUFFER)
            check_elements(run, layer, net->params[p].name, run->params + net->params[p].offset,
                           gradients + net->params[p].offset, 1, (int)net->params[p].count, 0);
    check_elements(run, layer, "input", run->values + tensor_at(net, run->input, ROWS, 0), dx, run->rows,
                   input->d, input->ld);
    unit_release(&run->memory);
}

/* ------------------------------------------------------------------ the layers */

static void
test_linear(void)
{
    Run run;
    int wide, y;

    run_begin(&run, 7);
    run_end(&run, net_linear(&run.net, run.input, 5, true, "l"), 1);
    run_check(&run, "linear");
    run_begin(&run, 7);
    run_end(&run, net_linear(&run.net, run.input, 1, false, "l"), 2);
    run_check(&run, "linear without bias");
    run_begin(&run, 18);
    wide = net_linear(&run.net, run.input, 3, true, "a");
    run_end(&run, net_linear_joint(&run.net, wide, run.input, 4, "l"), 3);
    run_check(&run, "linear over two tensors");
    run_begin(&run, 6);
    y = net_linear(&run.net, run.input, 3, true, "a");
    net_linear_add(&run.net, run.input, y, true, "b");
    run_end(&run, y, 4);
    run_check(&run, "linear that adds");
}

static void
test_mlp(void)
{
    const int widths[] = {20, 5};
    Run run;

    run_begin(&run, 18);
    run_end(&run, net_batchnorm(&run.net, run.input, "bn"), 5);
    run_check(&run, "batchnorm");
    run_begin(&run, 6);
    run_end(&run, net_mlp(&run.net, run.input, widths, 2, 0.3f, "mlp"), 6);
    for (int p = 0; p < run.net.n_params;
         p++) /* biases before a normalisation have no gradient: take them out */
        if (strstr(run.net.params[p].name, ".0.bias") || strstr(run.net.params[p].name, ".4.bias"))
            run.net.params[p].kind = NN_BUFFER;
    run_check(&run, "mlp with dropout");
}

static void
test_crosses(void)
{
    Run run;

    run_begin(&run, 19);
    run_end(&run, net_cross_vector(&run.net, run.input, 3, "c"), 7);
    run_check(&run, "cross vector");
    run_begin(&run, 19);
    run_end(&run, net_cross_matrix(&run.net, run.input, 3, "c"), 8);
    run_check(&run, "cross matrix");
    run_begin(&run, 11);
    run_end(&run, net_cross_mix(&run.net, run.input, 2, 4, 3, "c"), 9);
    run_check(&run, "cross mix");
    run_begin(&run, 11);
    run_end(&run, net_cross_mix(&run.net, run.input, 2, 4, 3, "c"), 12);
    run.rows = 1;
    run_check(&run, "cross mix of one row");
    run_begin(&run, 5);
    run_end(&run, net_cross_mix(&run.net, run.input, 2, 1, 1, "c"), 10);
    for (int p = 0; p < run.net.n_params; p++) /* the gate of a single expert is always 1 */
        if (strstr(run.net.params[p].name, "gating"))
            run.net.params[p].kind = NN_BUFFER;
    run_check(&run, "cross mix of one expert");
    run_begin(&run, 5);
    CHECK(net_cross_matrix(&run.net, run.input, 0, "c") == run.input);
    unit_release(&run.memory);
}

static void
test_fields(void)
{
    static const char *const names[] = {"field_interaction", "field_each", "field_all"};
    Run run;
    int y;

    run_begin(&run, 4);
    y = net_tensor(&run.net, 4 * 9);
    net_num_embedding(&run.net, run.input, y, 4, 9, "e");
    run_end(&run, y, 11);
    run_check(&run, "num_embedding");
    for (int fields = 2; fields <= 5; fields += 3) {
        run_begin(&run, fields * 9);
        run_end(&run, net_fm(&run.net, run.input, fields, 9, "fm"), (uint64_t)(13 + fields));
        run_check(&run, "fm");
    }
    run_begin(&run, 3 * 9);
    y = net_fm(&run.net, run.input, 3, 9, "fm");
    net_linear_add(&run.net, run.input, y, false, "l");
    run_end(&run, y, 22);
    run_check(&run, "fm of fields that another layer reads, too");
    run_begin(&run, 7);
    y = net_linear(&run.net, run.input, 1, true, "a");
    net_sum_add(&run.net, run.input, y, "sum");
    net_linear_add(&run.net, run.input, y, false, "b");
    run_end(&run, y, 21);
    run_check(&run, "sum that adds");
    run_begin(&run, 6 * 3);
    run_end(&run, net_senet(&run.net, run.input, 6, 2, "se"), 12);
    run_check(&run, "senet");
    for (int type = NN_FIELD_INTERACTION; type <= NN_FIELD_ALL; type++)
        for (int fields = 2; fields <= 11; fields += 9) { /* of one strip, and of several */
            run_begin(&run, fields * 9);
            y = net_senet(&run.net, run.input, fields, 3, "se");
            run_end(&run, net_bilinear_linear(&run.net, run.input, y, fields, type, 2, "b", "l"),
                    (uint64_t)(40 + 20 * type + fields));
            for (int p = 0; p < run.net.n_params; p++) {
                NnParam *param = &run.net.params[p];

                if (strstr(param->name, "excitation")) /* keep the attention alive */
                    for (size_t i = 0; i < param->count; i++)
                        run.params[param->offset + i] = fabsf(run.params[param->offset + i]);
            }
            run_check(&run, names[type]);
        }
}

/* ------------------------------------------------------------------ what gradients do not show */

/* Ten batches whose means are 1, 2, … 10: the plain mean of those so far, then exponential. */
static void
test_batchnorm_mean_first(void)
{
    const NnLayer *layer;
    Run run;
    float *mean, *var, *batch_mean, *batch_var;

    run_begin(&run, 1);
    run_end(&run, net_batchnorm(&run.net, run.input, "bn"), 30);
    layer = &run.net.layers[0];
    mean = run.params + run.net.params[net_find_param(&run.net, "bn.running_mean")].offset;
    var = run.params + run.net.params[net_find_param(&run.net, "bn.running_var")].offset;
    batch_mean = run.batch_stats + layer->batch_stats_offset;
    batch_var = batch_mean + 2; /* the mean, the inverse deviation, the unbiased variance */
    *mean = 0;
    *var = 1;
    for (int i = 1; i <= 10; i++) {
        *batch_mean = (float)i;
        *batch_var = (float)(2 * i);
        layer->type->update_buffers(layer, &run.net, run.params, run.batch_stats, ROWS, true);
        CHECK_NEAR((double)*mean, (i + 1) / 2.0, 1e-5);
        CHECK_NEAR((double)*var, i + 1, 1e-5);
    }
    *batch_mean = 100;
    layer->type->update_buffers(layer, &run.net, run.params, run.batch_stats, ROWS, true);
    CHECK_NEAR((double)*mean, 0.9 * 5.5 + 0.1 * 100, 1e-4);
    /* batches without variance, or none but of rounding, do not tell the scale; PyTorch's follows them */
    *var = 4;
    for (int i = 0; i < 3; i++) {
        const float means[] = {100, 0, 1e6F}, vars[] = {0, 5e-12F, 1};

        *batch_mean = means[i];
        *batch_var = vars[i];
        layer->type->update_buffers(layer, &run.net, run.params, run.batch_stats, ROWS, true);
        CHECK(*var == 4);
    }
    /* small variances that are real do, and large ones beside a mean that is larger still */
    *batch_mean = 0;
    *batch_var = 5e-10F;
    layer->type->update_buffers(layer, &run.net, run.params, run.batch_stats, ROWS, true);
    CHECK(*var < 4);
    *var = 4;
    *batch_mean = 1e9F;
    *batch_var = 1e6F;
    layer->type->update_buffers(layer, &run.net, run.params, run.batch_stats, ROWS, true);
    CHECK(*var > 1e5);
    *var = 4;
    *batch_mean = 1e6F;
    *batch_var = 0;
    layer->type->update_buffers(layer, &run.net, run.params, run.batch_stats, ROWS, false);
    CHECK(*var < 4);
    unit_release(&run.memory);
}

/* One field has no pair; products of three by hand, far apart in size, keep their digits. */
static void
test_fm_values(void)
{
    Run run;
    const float *y;

    run_begin(&run, 3);
    run_end(&run, net_fm(&run.net, run.input, 1, 3, "fm"), 32);
    run_forward(&run);
    y = run.values + tensor_at(&run.net, run.output, ROWS, 0);
    CHECK(y[0] == 0 && y[1] == 0 && y[2] == 0);
    unit_release(&run.memory);

    run_begin(&run, 3 * 2);
    run_end(&run, net_fm(&run.net, run.input, 3, 2, "fm"), 33);
    memcpy(run.values + tensor_at(&run.net, run.input, ROWS, 0), (const float[]){1, 10000, 2, 0.5f, 3, 0.25f},
           6 * sizeof(float));
    run_forward(&run);
    y = run.values + tensor_at(&run.net, run.output, ROWS, 0);
    CHECK_MESSAGE(y[0] == 11 && y[1] == 7500.125f, "%.9g %.9g", y[0], y[1]);
    unit_release(&run.memory);
}

static void
test_batchnorm_values(void)
{
    Run run;
    NnNet *net = &run.net;
    float *x, *y, *mean, *var;
    int64_t batches;
    double moment = 0, square = 0;

    run_begin(&run, 1);
    run_end(&run, net_batchnorm(net, run.input, "bn"), 30);
    x = run.values + tensor_at(net, run.input, ROWS, 0);
    y = run.values + tensor_at(net, run.output, ROWS, 0);
    mean = run.params + net->params[net_find_param(net, "bn.running_mean")].offset;
    var = run.params + net->params[net_find_param(net, "bn.running_var")].offset;
    run.params[net->params[net_find_param(net, "bn.weight")].offset] = 1;
    run.params[net->params[net_find_param(net, "bn.bias")].offset] = 0.5f;
    *mean = 0;
    *var = 1;
    for (int r = 0; r < ROWS; r++) {
        x[r] += 4096; /* far from zero: a sum of squares would lose the variance */
        moment += x[r] / ROWS;
    }
    for (int r = 0; r < ROWS; r++)
        square += (x[r] - moment) * (x[r] - moment);
    run_forward(&run);
    net->layers[0].type->update_buffers(&net->layers[0], net, run.params, run.batch_stats, ROWS, false);
    CHECK_MESSAGE(fabs(*mean - 0.1 * moment) < 1e-3, "running mean %g, not %g", *mean, 0.1 * moment);
    CHECK_MESSAGE(fabs(*var - 0.9 - 0.1 * square / (ROWS - 1)) < 1e-5, "running variance %g", *var);
    for (int r = 0; r < ROWS; r++) {
        const double expected = (x[r] - moment) / sqrt(square / ROWS + 1e-5) + 0.5;

        CHECK_MESSAGE(fabs(y[r] - expected) < 2e-3, "row %d: %g, not %g", r, y[r], expected);
    }

    for (int train = 1; train >= 0; train--) {
        run.rows = 1;
        run.train = train;
        *mean = x[0] - 2;
        *var = 0.25f;
        run_forward(&run);
        CHECK_MESSAGE(fabs(y[0] - (2 / sqrt(0.25 + 1e-5) + 0.5)) < 1e-4,
                      "one row by running statistics, training %d: %g", train, y[0]);
    }
    net->layers[0].type->update_buffers(&net->layers[0], net, run.params, run.batch_stats, 1, false);
    memcpy(&batches, run.params + net->params[net_find_param(net, "bn.num_batches_tracked")].offset, 8);
    CHECK_MESSAGE(*mean == x[0] - 2 && *var == 0.25f && batches == 1,
                  "one row moves statistics: %g, %g, %d batches", *mean, *var, (int)batches);
    unit_release(&run.memory);
}

static void
test_dropout(void)
{
    const int d = 500, n = ROWS * 500;
    Run run;
    float *y, first[ROWS * 500];
    int kept = 0, same = 0;

    run_begin(&run, d);
    run_end(&run, net_relu_dropout(&run.net, run.input, 0.25f, "r"), 31);
    y = run.values;
    for (int r = 0; r < ROWS; r++)
        for (int c = 0; c < d; c++)
            y[tensor_at(&run.net, run.output, ROWS, (size_t)r) + (size_t)c] = 3;
    run_forward(&run);
    for (int r = 0; r < ROWS; r++)
        for (int c = 0; c < d; c++) {
            const float v = y[tensor_at(&run.net, run.output, ROWS, (size_t)r) + (size_t)c];

            CHECK_MESSAGE(v == 0 || fabsf(v - 4) < 1e-5f, "%g is neither dropped nor scaled", v);
            first[r * d + c] = v;
            kept += v > 0;
            if (r > 0)
                same += (v > 0) == (first[(r - 1) * d + c] > 0);
        }
    CHECK_MESSAGE(fabs(kept / (double)n - 0.75) < 0.02, "kept %d of %d", kept, n);
    CHECK_MESSAGE(fabs(same / (double)(n - d) - 0.625) < 0.02, "neighbouring rows agree in %d of %d", same,
                  n - d);
    run.train = false;
    run_forward(&run);
    for (int i = 0; i < n; i++)
        CHECK(y[tensor_at(&run.net, run.output, ROWS, (size_t)(i / d)) + (size_t)(i % d)] == first[i]);
    unit_release(&run.memory);
}

int
main(void)
{
    if (!gemm_prepare()) {
        printf("%s\n", blas_error());
        return 1;
    }
    test_linear();
    test_mlp();
    test_crosses();
    test_fields();
    test_fm_values();
    test_batchnorm_values();
    test_batchnorm_mean_first();
    test_dropout();
    return unit_end();
}
