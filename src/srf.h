/*
 * srf.h: functions that return sets of rows.
 */
#ifndef CTR_SRF_H
#define CTR_SRF_H

#include "ctr.h"

#include "fmgr.h"
#include "utils/tuplestore.h"

/*
 * Starts a set-returning function that materializes its rows. Returns the store to put them into; *desc is
 * their type.
 */
Tuplestorestate *srf_begin(FunctionCallInfo fcinfo, TupleDesc *desc);

#endif /* CTR_SRF_H */
