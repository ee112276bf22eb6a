/* test_loss.c: losses against their definitions, gradients against differences, and logits at the ends. */
#include "unit.h"

#include "nn/math/vecmath.h"

#define ROWS 9

/* in float8, from the definition; y is a class, or for one class a probability */
static double
plain_loss(const double *z, double y, int classes)
{
    double sum = 0;

    if (classes == 1)
        return log1p(exp(z[0])) - y * z[0];
    for (int c = 0; c < classes; c++)
        sum += exp(z[c]);
    return log(sum) - z[(int)y];
}

static void
gradient_check(int classes)
{
    float z[ROWS * 4], dz[ROWS * 4], y[ROWS], weight[ROWS];
    double expected = 0, sum, largest = 0;
    const double h = 1e-5;
    NnRng rng;

    rng_seed(&rng, 1, (uint64_t)classes);
    for (int i = 0; i < ROWS * classes; i++)
        z[i] = (float)(3 * rng_normal(&rng));
    for (int r = 0; r < ROWS; r++) {
        y[r] = classes == 1 ? (r == 3 ? 0.25f : (float)(r % 2)) : (float)(r % classes);
        weight[r] = (float)(r % 4);
    }
    sum = loss_forward_backward(dz, z, y, weight, ROWS, classes, 0.5f);
    for (int r = 0; r < ROWS; r++) {
        double row[4];

        for (int c = 0; c < classes; c++)
            row[c] = (double)z[r * classes + c];
        expected += (double)weight[r] * plain_loss(row, (double)y[r], classes);
        for (int c = 0; c < classes; c++) {
            double up, down;

            row[c] += h;
            up = plain_loss(row, (double)y[r], classes);
            row[c] -= 2 * h;
            down = plain_loss(row, (double)y[r], classes);
            row[c] += h;
            CHECK_NEAR((double)dz[r * classes + c], 0.5 * (double)weight[r] * (up - down) / (2 * h), 1e-6);
            largest = fmax(largest, fabs((double)dz[r * classes + c]));
        }
    }
    CHECK(largest > 0.1);
    CHECK_NEAR(sum, expected, 1e-5 * expected);
    CHECK_NEAR(loss_forward(z, y, weight, ROWS, classes), sum, 0);
}

static void
gradients(void)
{
    gradient_check(1);
    gradient_check(2);
    gradient_check(4);
}

static void
no_weight_is_one(void)
{
    float z[] = {0.5f, -2.0f}, y[] = {1, 0}, one[] = {1, 1};

    CHECK_NEAR(loss_forward(z, y, NULL, 2, 1), loss_forward(z, y, one, 2, 1), 0);
}

static void
ends_stay_finite(void)
{
    float z[] = {200, -200, 200, -200}, y[] = {1, 0, 0, 1}, dz[4];
    float wide[] = {500, -500, 0}, class[] = {1}, dwide[3];

    CHECK_NEAR(loss_forward_backward(dz, z, y, NULL, 4, 1, 1), 400, 1e-4);
    CHECK(dz[0] == 0 && dz[1] == 0 && dz[2] == 1 && dz[3] == -1);
    CHECK_NEAR(loss_forward_backward(dwide, wide, class, NULL, 1, 3, 1), 1000, 1e-3);
    CHECK(dwide[0] == 1 && dwide[1] == -1 && dwide[2] == 0);
}

/* the losses of scored rows, where probabilities are 0 and 1 to float8 */
static void
sure_rows_lose_what_they_should(void)
{
    static const float logits[] = {0, 1, -1, 30, -30, 500, -500, 3e38f, -3e38f}, three[] = {500, -500, 0};

    for (size_t i = 0; i < sizeof(logits) / sizeof(logits[0]); i++) {
        const double z = (double)logits[i];
        const double softplus = z > 30 ? z : log1p(exp(z));

        CHECK_NEAR(logit_loss(&logits[i], 1, 0), softplus, 1e-12 * fabs(softplus));
        CHECK_NEAR(logit_loss(&logits[i], 1, 1), softplus - z, 1e-12 * fabs(z));
        CHECK(logit_loss(&logits[i], 1, 0) >= 0 && logit_loss(&logits[i], 1, 1) >= 0);
    }
    CHECK_NEAR(logit_loss(three, 3, 1), 1000, 1e-9);
    CHECK_NEAR(logit_loss(three, 3, 0), 0, 1e-9);
}

static void
only_finite_logits_pass(void)
{
    float z[40] = {0};

    z[3] = 3.4e38f, z[4] = -3.4e38f;
    CHECK(logits_finite(z, 40) && logits_finite(z, 1) && logits_finite(z, 0));
    for (int i = 0; i < 40; i++) {
        static const float odd[] = {NAN, INFINITY, -INFINITY};

        z[i] = odd[i % 3];
        CHECK(!logits_finite(z, 40) && logits_finite(z, (size_t)i) && !logits_finite(z + i, 1));
        z[i] = 0;
    }
}

static void
probabilities_add_up(void)
{
    float z[] = {1, 2, 3, -1, 0, 40, -40};
    double p[3];

    class_probabilities(p, z, 3);
    CHECK_NEAR(p[0] + p[1] + p[2], 1, 1e-15);
    CHECK_NEAR(p[1] / p[0], exp(1), 1e-14);
    for (int i = 0; i < 7; i++) {
        class_probabilities(p, &z[i], 1);
        CHECK(p[1] == probability(z[i]));
        CHECK_NEAR(p[0] + p[1], 1, 1e-15);
        CHECK_NEAR(p[0] / exp(-(double)z[i]) / p[1], 1, 1e-14);
    }
    CHECK(probability(17) < probability(17.00001f) && probability(30) < 1);
}

static void
vector_functions(void)
{
    double exp_error = 0, tanh_error = 0, softplus_error = 0;

    for (int i = -80000; i <= 80000; i++) {
        float x = (float)i / 1000;
        double d = (double)x;

        exp_error = fmax(exp_error, fabs((double)nn_expf(x) / exp(d) - 1));
        tanh_error = fmax(tanh_error, fabs((double)nn_tanhf(x) - tanh(d)) / fmax(fabs(tanh(d)), 1e-30));
        softplus_error = fmax(softplus_error, fabs((double)nn_softplusf(x) / log1p(exp(d)) - 1));
    }
    CHECK_NEAR(exp_error, 0, 2e-7);
    CHECK_NEAR(tanh_error, 0, 3e-7);
    CHECK_NEAR(softplus_error, 0, 5e-7);
    CHECK(nn_expf(-200) == 0 && isinf(nn_expf(200)) && isnan(nn_expf(NAN)));
    CHECK(nn_tanhf(-200) == -1 && nn_tanhf(200) == 1 && isnan(nn_tanhf(NAN)));
    CHECK(nn_sigmoidf(-200) == 0 && nn_sigmoidf(200) == 1);
}

int
main(void)
{
    RUN(gradients);
    RUN(no_weight_is_one);
    RUN(ends_stay_finite);
    RUN(probabilities_add_up);
    RUN(sure_rows_lose_what_they_should);
    RUN(only_finite_logits_pass);
    RUN(vector_functions);
    return unit_end();
}
