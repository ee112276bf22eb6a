/*
 * value.c: a member of CtrOptions as a table's row describes it: set and read.
 */
#include "options/table.h"

void
option_set(CtrOptions *options, const OptionSpec *spec, double value)
{
    char *member = (char *)options + spec->offset;

    switch (spec->type) {
    case OPTION_INTEGER:
    case OPTION_NAMED:
    case OPTION_BOOLEAN:
        if (spec->size == sizeof(int64))
            *(int64 *)member = (int64)value;
        else if (spec->size == sizeof(int))
            *(int *)member = (int)value;
        else
            *(bool *)member = value != 0;
        break;
    case OPTION_NUMBER:
        if (spec->size == sizeof(double))
            *(double *)member = value;
        else
            *(float *)member = (float)value;
        break;
    case OPTION_CROSSES:
        *(CtrCrossOption *)member = (CtrCrossOption){.kind = (CtrCrossesKind)value};
        break;
    case OPTION_COLUMN:
    case OPTION_COLUMNS:
    case OPTION_WIDTHS:
        break;
    }
}

int64
option_integer(const CtrOptions *options, const OptionSpec *spec)
{
    const char *member = (const char *)options + spec->offset;

    if (spec->type == OPTION_CROSSES)
        return ((const CtrCrossOption *)member)->kind;
    if (spec->size == sizeof(int64))
        return *(const int64 *)member;
    if (spec->size == sizeof(int))
        return *(const int *)member;
    return *(const bool *)member;
}
