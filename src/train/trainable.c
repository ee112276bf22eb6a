/*
 * trainable.c: whether a model can be trained on the rows: there must be some, and labels of two classes
 * among those that train.
 */
#include "train/train.h"

static void
report_weightless(const CtrReport *report)
{
    report_untrainable(report, ERRCODE_INVALID_PARAMETER_VALUE,
                       psprintf("weight column \"%s\" is 0 in all training rows", report->options->weight),
                       NULL, NULL);
}

/* The training rows have one class, `only`: rows of the others may be among those held back. */
static void
report_one_class(const CtrReport *report, const CtrDataset *dataset, int only)
{
    const int64 *held_back = dataset_class_rows(dataset, true);
    const int64 rows = dataset_rows(dataset, false);
    char *message = psprintf("label column \"%s\" has no other value than %d", report->options->label, only);
    int64 others = 0;

    for (int k = 0; k < Max(report->options->net.n_classes, 2); k++)
        others += k != only ? held_back[k] : 0;
    if (others == 0)
        report_untrainable(report, ERRCODE_INVALID_PARAMETER_VALUE, message,
                           rows == 1
                               ? "There is 1 training row; a model needs at least two classes to learn from."
                               : psprintf("There are " INT64_FORMAT " training rows; a model needs at least "
                                          "two classes to learn from.",
                                          rows),
                           NULL);
    else
        report_untrainable(
            report, ERRCODE_INVALID_PARAMETER_VALUE, psprintf("%s in training rows", message),
            psprintf("Of the " INT64_FORMAT " rows held back for validation, " INT64_FORMAT
                     " %s another value.",
                     dataset_rows(dataset, true), others, others == 1 ? "has" : "have"),
            "Lower \"validation\", or mark the rows to hold back by \"validation_column\", so that "
            "rows of two classes train.");
}

bool
trainable_rows(const CtrReport *report, const CtrRowCounts *counts)
{
    if (counts->taken > 0)
        return true;
    if (counts->weightless > 0)
        report_weightless(report);
    else
        report_untrainable(report, ERRCODE_NO_DATA_FOUND, "no rows to train on",
                           psprintf("The label is NULL in all rows (" INT64_FORMAT ").", counts->skipped),
                           NULL);
    return false;
}

bool
trainable_labels(const CtrReport *report, const CtrRowCounts *counts, const CtrDataset *dataset)
{
    const int64 *class_rows = dataset_class_rows(dataset, false);
    int seen = 0, last = 0;

    for (int k = 0; k < Max(report->options->net.n_classes, 2); k++) {
        if (class_rows[k] > 0) {
            seen++;
            last = k;
        }
    }
    if (dataset_rows(dataset, false) == 0 && counts->weightless > 0)
        report_weightless(report);
    else if (dataset_rows(dataset, false) == 0)
        report_untrainable(report, ERRCODE_INVALID_PARAMETER_VALUE, "all rows are for validation", NULL,
                           "\"validation_column\" marks the rows to hold back; the others train.");
    else if (seen == 1)
        report_one_class(report, dataset, last);
    else
        return true;
    return false;
}
