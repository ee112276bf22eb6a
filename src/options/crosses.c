/* crosses.c: pairs of columns as the option "crosses" has them: arrays of two names in an array. */
#include "options/table.h"

bool
crosses_read(CtrCrossOption *crosses, const JsonbValue *value)
{
    int n, two;
    JsonbValue *elements = jsonb_elements(value, &n);

    if (elements == NULL || n > CTR_CROSSES_MOST)
        return false;
    *crosses =
        (CtrCrossOption){.kind = CTR_CROSSES_GIVEN, .pairs = palloc(sizeof(CtrCrossNames) * Max(n, 1))};
    for (; crosses->n < n; crosses->n++) {
        char **names;

        if (!jsonb_strings(&elements[crosses->n], &two, &names) || two != 2 || names[0][0] == '\0' ||
            names[1][0] == '\0')
            return false;
        memcpy(crosses->pairs[crosses->n].columns, names, sizeof(crosses->pairs->columns));
    }
    return true;
}

static bool
same_pair(const CtrCrossNames *a, const CtrCrossNames *b)
{
    const bool swapped = strcmp(a->columns[0], b->columns[0]) != 0;

    return strcmp(a->columns[0], b->columns[swapped]) == 0 &&
           strcmp(a->columns[1], b->columns[!swapped]) == 0;
}

void
crosses_check(const CtrCrossOption *crosses)
{
    for (int i = 0; i < crosses->n; i++) {
        const CtrCrossNames *pair = &crosses->pairs[i];

        if (strcmp(pair->columns[0], pair->columns[1]) == 0)
            ereport(ERROR,
                    (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                     errmsg("option \"crosses\" has column \"%s\" twice in one pair", pair->columns[0]),
                     errhint("A pair is of two different columns.")));
        for (int j = 0; j < i; j++) {
            if (same_pair(pair, &crosses->pairs[j]))
                ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                                errmsg("option \"crosses\" has the pair of \"%s\" and \"%s\" twice",
                                       pair->columns[0], pair->columns[1]),
                                errhint("The order of the two columns does not matter.")));
        }
    }
}

void
crosses_append(StringInfo text, const CtrCrossOption *crosses)
{
    appendStringInfoChar(text, '[');
    for (int i = 0; i < crosses->n; i++) {
        if (i > 0)
            appendStringInfoChar(text, ',');
        json_append_strings(text, crosses->pairs[i].columns, 2);
    }
    appendStringInfoChar(text, ']');
}
