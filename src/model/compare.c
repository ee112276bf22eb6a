/*
 * compare.c: comparing models: equality, order and hashes, all by the digest in their first bytes, so that
 * nothing but a value's first slice is read.
 */
#include "model/model.h"

#include "common/hashfn.h"

static int
compare_digests(FunctionCallInfo fcinfo)
{
    char a[CTR_MODEL_DIGEST_SIZE], b[CTR_MODEL_DIGEST_SIZE];

    model_digest(PG_GETARG_DATUM(0), a);
    model_digest(PG_GETARG_DATUM(1), b);
    return memcmp(a, b, CTR_MODEL_DIGEST_SIZE);
}

/* CREATE FUNCTION ctr_model_eq(ctr_model, ctr_model) RETURNS boolean */
PG_FUNCTION_INFO_V1(ctr_model_eq);
Datum
ctr_model_eq(PG_FUNCTION_ARGS)
{
    PG_RETURN_BOOL(compare_digests(fcinfo) == 0);
}

/* CREATE FUNCTION ctr_model_ne(ctr_model, ctr_model) RETURNS boolean */
PG_FUNCTION_INFO_V1(ctr_model_ne);
Datum
ctr_model_ne(PG_FUNCTION_ARGS)
{
    PG_RETURN_BOOL(compare_digests(fcinfo) != 0);
}

/* CREATE FUNCTION ctr_model_lt(ctr_model, ctr_model) RETURNS boolean */
PG_FUNCTION_INFO_V1(ctr_model_lt);
Datum
ctr_model_lt(PG_FUNCTION_ARGS)
{
    PG_RETURN_BOOL(compare_digests(fcinfo) < 0);
}

/* CREATE FUNCTION ctr_model_le(ctr_model, ctr_model) RETURNS boolean */
PG_FUNCTION_INFO_V1(ctr_model_le);
Datum
ctr_model_le(PG_FUNCTION_ARGS)
{
    PG_RETURN_BOOL(compare_digests(fcinfo) <= 0);
}

/* CREATE FUNCTION ctr_model_ge(ctr_model, ctr_model) RETURNS boolean */
PG_FUNCTION_INFO_V1(ctr_model_ge);
Datum
ctr_model_ge(PG_FUNCTION_ARGS)
{
    PG_RETURN_BOOL(compare_digests(fcinfo) >= 0);
}

/* CREATE FUNCTION ctr_model_gt(ctr_model, ctr_model) RETURNS boolean */
PG_FUNCTION_INFO_V1(ctr_model_gt);
Datum
ctr_model_gt(PG_FUNCTION_ARGS)
{
    PG_RETURN_BOOL(compare_digests(fcinfo) > 0);
}

/* CREATE FUNCTION ctr_model_cmp(ctr_model, ctr_model) RETURNS integer */
PG_FUNCTION_INFO_V1(ctr_model_cmp);
Datum
ctr_model_cmp(PG_FUNCTION_ARGS)
{
    PG_RETURN_INT32(compare_digests(fcinfo));
}

/* CREATE FUNCTION ctr_model_hash(ctr_model) RETURNS integer */
PG_FUNCTION_INFO_V1(ctr_model_hash);
Datum
ctr_model_hash(PG_FUNCTION_ARGS)
{
    char digest[CTR_MODEL_DIGEST_SIZE];

    model_digest(PG_GETARG_DATUM(0), digest);
    return hash_any((const unsigned char *)digest, CTR_MODEL_DIGEST_SIZE);
}

/* CREATE FUNCTION ctr_model_hash_extended(ctr_model, bigint) RETURNS bigint */
PG_FUNCTION_INFO_V1(ctr_model_hash_extended);
Datum
ctr_model_hash_extended(PG_FUNCTION_ARGS)
{
    char digest[CTR_MODEL_DIGEST_SIZE];

    model_digest(PG_GETARG_DATUM(0), digest);
    return hash_any_extended((const unsigned char *)digest, CTR_MODEL_DIGEST_SIZE, PG_GETARG_INT64(1));
}
