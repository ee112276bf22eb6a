/*
 * json.c: lists of strings in JSON, as options and models have them.
 */
#include "options/options.h"

#include "utils/builtins.h"
#include "utils/json.h"

JsonbValue *
jsonb_elements(const JsonbValue *value, int *n)
{
    JsonbContainer *array;
    JsonbValue *elements;

    if (value->type != jbvBinary || !JsonContainerIsArray(value->val.binary.data))
        return NULL;
    array = value->val.binary.data;
    *n = JsonContainerSize(array);
    elements = palloc(sizeof(JsonbValue) * Max(*n, 1));
    for (int i = 0; i < *n; i++)
        elements[i] = *getIthJsonbValueFromContainer(array, i);
    return elements;
}

bool
jsonb_strings(const JsonbValue *value, int *n, char ***strings)
{
    JsonbValue *elements = jsonb_elements(value, n);

    if (elements == NULL)
        return false;
    *strings = palloc(sizeof(char *) * Max(*n, 1));
    for (int i = 0; i < *n; i++) {
        if (elements[i].type != jbvString)
            return false;
        (*strings)[i] = pnstrdup(elements[i].val.string.val, elements[i].val.string.len);
    }
    return true;
}

Jsonb *
jsonb_from_text(const char *text)
{
    return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(text)));
}

void
json_append_strings(StringInfo text, char *const *strings, int n)
{
    appendStringInfoChar(text, '[');
    for (int i = 0; i < n; i++) {
        if (i > 0)
            appendStringInfoChar(text, ',');
        escape_json(text, strings[i]);
    }
    appendStringInfoChar(text, ']');
}
