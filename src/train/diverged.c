/*
 * diverged.c: the error for a training whose numbers have left the range of floats, and what it blames: a
 * column of huge numbers where there is one, else the learning rate.
 */
#include "train/train.h"

#include "options/table.h"

/*
 * A column is blamed if it gives the network numbers larger than this. Standardised numbers seldom are; of
 * larger ones, a few cross layers make products whose variance no float holds.
 */
#define BLAMELESS 100

/* the column that gives the network the largest numbers */
static int
largest_column(const CtrEncoder *encoder)
{
    int largest = 0;

    for (int i = 1; i < encoder->n_num; i++) {
        if (transform_largest(&encoder->transforms[i]) > transform_largest(&encoder->transforms[largest]))
            largest = i;
    }
    return largest;
}

void
report_diverged(const CtrReport *report, const CtrModel *model, const char *what)
{
    const CtrEncoder *encoder = model->encoder;
    const int column = largest_column(encoder);
    const NnTransform *transform = &encoder->transforms[column];
    const char *message = psprintf("training diverged: %s", what);

    if (encoder->n_num == 0 || transform_largest(transform) <= BLAMELESS)
        report_untrainable(report, ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, message, NULL,
                           "Lower \"learning_rate\", or set \"clip_norm\".");
    else
        report_untrainable(
            report, ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, message,
            psprintf("Column \"%s\" has numbers from %g to %g, and numerical_transform '%s' leaves some "
                     "as large as %g.",
                     encoder->features[column].name, transform->low, transform->high,
                     option_transform_name(transform->kind), transform_largest(transform)),
            "Use numerical_transform => 'quantile', or list the column in \"ignore\" or \"categorical\".");
}
