/* arguments.c: the arguments of the aggregates over labels and scores, checked. */
#include "metrics/arguments.h"

#include <float.h>
#include <math.h>

#include "common/shortest_dec.h"

bool
argument_missing(FunctionCallInfo fcinfo)
{
    for (int i = 1; i < PG_NARGS(); i++) {
        if (PG_ARGISNULL(i))
            return true;
    }
    return false;
}

static double
check_label(double label)
{
    if (label != 0 && label != 1)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("label has value %s", double_to_shortest_decimal(label)),
                        errdetail("Labels must be 0 or 1.")));
    return label;
}

double
label_argument(FunctionCallInfo fcinfo, bool is_boolean)
{
    return is_boolean ? (double)PG_GETARG_BOOL(1) : check_label(PG_GETARG_FLOAT8(1));
}

double
score_argument(FunctionCallInfo fcinfo)
{
    double score = PG_GETARG_FLOAT8(2);

    if (isnan(score))
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("score is NaN"),
                        errhint("Leave such rows out with FILTER (WHERE ...).")));
    return score;
}

void
check_probability(double score, const char *why)
{
    if (!(score >= 0 && score <= 1))
        ereport(ERROR,
                (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                 errmsg("score has value %s", double_to_shortest_decimal(score)), errdetail("%s", why)));
}

double
probability_argument(FunctionCallInfo fcinfo, const char *why)
{
    double score = PG_GETARG_FLOAT8(2);

    check_probability(score, why);
    return score;
}

double
weight_argument(FunctionCallInfo fcinfo)
{
    double weight = PG_NARGS() > 3 ? PG_GETARG_FLOAT8(3) : 1;

    if (!(weight >= 0 && weight <= FLT_MAX))
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("weight has value %s", double_to_shortest_decimal(weight)),
                        errdetail("Weights must be from 0 to %g.", FLT_MAX)));
    return weight;
}
