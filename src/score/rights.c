/*
 * rights.c: who may execute ctr_predict where its call became one of ctr_predict_columns. Everybody may
 * execute the latter, so it checks the right to EXECUTE the former, for the role that runs the plan.
 */
#include "score/score.h"

#include "access/htup_details.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#define COLUMNS_SUFFIX "_columns"

/* The function `name` of a schema with these arguments; InvalidOid: there is none. */
static Oid
find_function(Oid schema, const char *name, const Oid *types, int n_types)
{
    return GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid, CStringGetDatum(name),
                           PointerGetDatum(buildoidvector(types, n_types)), ObjectIdGetDatum(schema));
}

Oid
columns_function(Oid function, Oid model_type)
{
    Oid types[] = {model_type, REGTYPEOID, ANYOID};
    char *name = psprintf("%s" COLUMNS_SUFFIX, get_func_name(function));
    Oid found = find_function(get_func_namespace(function), name, types, lengthof(types));

    return OidIsValid(found) && may_execute(found, ACL_ID_PUBLIC) ? found : InvalidOid;
}

void
check_may_predict(Oid called)
{
    HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(called));
    Oid types[] = {InvalidOid, RECORDOID}, function = InvalidOid;
    Size length, suffix = strlen(COLUMNS_SUFFIX);
    Form_pg_proc form;
    char *name;

    if (!HeapTupleIsValid(tuple))
        elog(ERROR, "cache lookup failed for function %u", called);
    form = (Form_pg_proc)GETSTRUCT(tuple);
    types[0] = form->proargtypes.values[0];
    name = pstrdup(NameStr(form->proname));
    length = strlen(name);
    if (length > suffix && strcmp(name + length - suffix, COLUMNS_SUFFIX) == 0) {
        name[length - suffix] = '\0';
        function = find_function(form->pronamespace, name, types, lengthof(types));
    }
    ReleaseSysCache(tuple);
    if (!OidIsValid(function))
        elog(ERROR, "function %u does not stand for another", called);
    if (!may_execute(function, GetUserId()))
        aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_FUNCTION, name);
    InvokeFunctionExecuteHook(function);
}
