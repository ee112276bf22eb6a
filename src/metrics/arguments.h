/* arguments.h: what the aggregates over labels and scores are given: state, label, score [, …]. */
#ifndef CTR_ARGUMENTS_H
#define CTR_ARGUMENTS_H

#include "score/scores.h"

/* Is an argument after the state NULL? Such rows are left out. */
bool argument_missing(FunctionCallInfo fcinfo);
/* the label, boolean or float8: the SQL declarations say which. Error where it is neither 0 nor 1 */
double label_argument(FunctionCallInfo fcinfo, bool is_boolean);
/* the score. Error where it is NaN */
double score_argument(FunctionCallInfo fcinfo);
/* Error where a score is no probability. why: the error's detail */
void check_probability(double score, const char *why);
/* the score where it must be a probability */
double probability_argument(FunctionCallInfo fcinfo, const char *why);
/* the weight; 1 where the aggregate was called without */
double weight_argument(FunctionCallInfo fcinfo);

#endif /* CTR_ARGUMENTS_H */
