/* test_schedule.c: learning rates, the best epoch, and when to stop. */
#include "unit.h"

static void
test_rates(void)
{
    NnSchedule s;

    schedule_init(&s, NN_CONSTANT, true, 0.01, 3, 10);
    CHECK(schedule_rate(&s, 0) == 0.01 && schedule_rate(&s, 1) == 0.01);
    schedule_report(&s, 1, 0.5);
    schedule_report(&s, 2, 0.4);
    CHECK(schedule_rate(&s, 0.2) == 0.01);

    schedule_init(&s, NN_COSINE, true, 0.01, 3, 10);
    CHECK(schedule_rate(&s, 0) == 0.01);
    CHECK_NEAR(schedule_rate(&s, 0.5), 0.005, 1e-15);
    CHECK_NEAR(schedule_rate(&s, 1.0 / 3), 0.0075, 1e-15);
    CHECK_NEAR(schedule_rate(&s, 1), 0, 1e-15);
    CHECK_NEAR(schedule_rate(&s, 1.5), 0, 1e-15);

    schedule_init(&s, NN_PLATEAU, false, 0.01, 9, 10);
    schedule_report(&s, 1, 0.5);
    CHECK(schedule_rate(&s, 0.1) == 0.01);
    schedule_report(&s, 2, 0.5); /* equal is no improvement */
    CHECK(schedule_rate(&s, 0.2) == 0.005);
    schedule_report(&s, 3, 0.4);
    CHECK(schedule_rate(&s, 0.3) == 0.005);
    schedule_report(&s, 4, NAN);
    CHECK(schedule_rate(&s, 0.4) == 0.0025);

    schedule_init(&s, NN_COOLDOWN, false, 0.01, 2, 8);
    CHECK(schedule_rate(&s, 0) == 0.01 && schedule_rate(&s, 1) == 0.01);
    s.cooling = true;
    CHECK(schedule_rate(&s, 0) == 0.01);
    CHECK_NEAR(schedule_rate(&s, 0.75), 0.0025, 1e-15);
    CHECK_NEAR(schedule_rate(&s, 1.5), 0, 1e-15);
    CHECK(schedule_cooldown_epochs(NN_COOLDOWN, 10) == 1 && schedule_cooldown_epochs(NN_COSINE, 10) == 0);
    CHECK(schedule_cooldown_epochs(NN_COOLDOWN, 2) == 1 && schedule_cooldown_epochs(NN_COOLDOWN, 1) == 0);
}

/* feeds metrics epoch by epoch; returns the epoch after which it stops */
static int
run(NnSchedule *s, const double *metrics, int n)
{
    for (int epoch = 1; epoch <= n; epoch++) {
        schedule_report(s, epoch, metrics[epoch - 1]);
        if (schedule_stop(s, epoch))
            return epoch;
    }
    return 0;
}

static void
test_stop(void)
{
    static const double up[] = {0.6, 0.7, 0.65, 0.69, 0.7, 0.71, 0.7, 0.7};
    static const double slow[] = {0.5, 0.4997, 0.4994, 0.498, 0.4978, 0.4976, 0.4974, 0.4972};
    static const double bad[] = {NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN};
    NnSchedule s;

    schedule_init(&s, NN_CONSTANT, true, 0.01, 3, 100);
    CHECK(run(&s, up, 8) == 5);
    CHECK(s.best_epoch == 2 && s.best == 0.7); /* the first of equally good ones */

    schedule_init(&s, NN_CONSTANT, true, 0.01, 4, 100);
    CHECK(run(&s, up, 8) == 0);
    CHECK(s.best_epoch == 6 && s.best == 0.71);

    schedule_init(&s, NN_CONSTANT, true, 0.01, 0, 100);
    CHECK(run(&s, up, 8) == 0);
    schedule_init(&s, NN_CONSTANT, true, 0.01, 0, 7);
    CHECK(run(&s, up, 8) == 7);

    schedule_init(&s, NN_CONSTANT, false, 0.01, 2, 100);
    CHECK(run(&s, up, 8) == 3);
    CHECK(s.best_epoch == 1 && s.best == 0.6);

    schedule_init(&s, NN_CONSTANT, false, 0.01, 2, 100);
    CHECK(run(&s, bad, 8) == 2);
    CHECK(s.best_epoch == 0);

    schedule_init(&s, NN_CONSTANT, false, 0.01, 2, 100);
    CHECK(run(&s, slow, 8) == 0);
    schedule_init(&s, NN_COOLDOWN, false, 0.01, 2, 100);
    CHECK(run(&s, slow, 8) == 6); /* two steps that are too small, together, are enough */
    CHECK(s.best_epoch == 6 && s.best == slow[5]);
    schedule_init(&s, NN_COOLDOWN, true, 0.01, 2, 100);
    CHECK(run(&s, up, 8) == 4);
}

static void
test_report(void)
{
    NnSchedule s;

    schedule_init(&s, NN_CONSTANT, false, 0.01, 2, 100);
    CHECK(!schedule_report(&s, 1, NAN));
    CHECK(schedule_report(&s, 2, INFINITY));
    CHECK(schedule_report(&s, 3, 0.5));
    CHECK(!schedule_report(&s, 4, 0.5));
    CHECK(!schedule_report(&s, 5, NAN));
    CHECK(schedule_report(&s, 6, 0.4));
}

/*
 * every row once, never more than a batch, as many steps as without sharing, and none of less than half a
 * batch
 */
static void
few_rows_are_no_batch(void)
{
    for (int batch = 1; batch <= 70; batch++) {
        for (int rows = 1; rows <= 300; rows++) {
            int left = rows, steps = 0, least = rows;

            for (int n; left > 0; left -= n, steps++) {
                n = schedule_batch_rows(left, batch);
                if (n < 1 || n > batch)
                    break;
                least = n < least ? n : least;
            }
            CHECK_MESSAGE(left == 0 && steps == (rows + batch - 1) / batch,
                          "%d rows by %d: %d steps, %d rows left", rows, batch, steps, left);
            CHECK_MESSAGE(2 * least >= (batch < rows ? batch : rows), "%d rows by %d: a batch of %d", rows,
                          batch, least);
        }
    }
    CHECK(schedule_batch_rows(1025, 512) == 512 && schedule_batch_rows(513, 512) == 257 &&
          schedule_batch_rows(256, 512) == 256);
    CHECK(schedule_batch_rows(5000000000, 512) == 512);
}

int
main(void)
{
    RUN(test_rates);
    RUN(test_stop);
    RUN(test_report);
    RUN(few_rows_are_no_batch);
    return unit_end();
}
