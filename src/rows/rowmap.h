/*
 * rowmap.h: how the columns of a row type are looked up; private to rowmap.c and the files that decide
 * what the columns are for (rowmap_*.c).
 */
#ifndef CTR_ROWMAP_H
#define CTR_ROWMAP_H

#include "rows/column_type.h"

#define ROWMAP_NOT_FOUND (-1)
#define ROWMAP_DUPLICATE (-2)

static inline const char *
rowmap_name(TupleDesc desc, int attribute)
{
    return NameStr(TupleDescAttr(desc, attribute)->attname);
}

/* ------------------------------------------------------------------ rowmap.c */

/* A map without features and roles, in a context of its own under parent. */
CtrRowMap *rowmap_create(const CtrRow *row, MemoryContext parent);
/* the attribute's index, ROWMAP_NOT_FOUND or ROWMAP_DUPLICATE */
int rowmap_find(const CtrRowMap *map, const char *name);
/* the column's type; of a domain, the type that it is over */
Oid rowmap_base_type(const CtrRowMap *map, int attribute);
/* Makes the column read this attribute. */
void rowmap_set_column(const CtrRowMap *map, CtrColumn *column, int attribute);
/* Why the column cannot be a feature of this kind, if it cannot. */
ColumnFault rowmap_feature_fault(const CtrRowMap *map, int attribute, CtrFeatureKind kind);

/* ------------------------------------------------------------------ rowmap_roles.c */

void rowmap_duplicate_error(const char *name);
/* The column that an option names: an error when it is not there. */
int rowmap_find_named(const CtrRowMap *map, const char *option, const char *name);
/* Finds the label, weight and validation column. */
void rowmap_set_roles(CtrRowMap *map, const CtrOptions *options);
/* Is the column one of these? */
bool rowmap_has_role(const CtrRowMap *map, int attribute);
void rowmap_check_label_type(const CtrRowMap *map);

/* ------------------------------------------------------------------ rowmap_check.c */

void rowmap_no_feature_error(const char *name);
/*
 * Every name in the options' lists is a column, and named once; and as the given model has it, whose n
 * features these are (NULL: no model).
 */
void rowmap_check_lists(const CtrRowMap *map, const CtrOptions *options, const CtrFeature *features, int n);
/* Every column that the option "crosses" names is one of the n features, and a categorical one. */
void rowmap_check_crosses(const CtrRowMap *map, const CtrOptions *options, const CtrFeature *features, int n);
/* Error if UTF-8 cannot spell a name that the model's file will have. Better now than after the training. */
void rowmap_check_names(const CtrRowMap *map, const CtrOptions *options);

/* ------------------------------------------------------------------ rowmap_for_scoring.c */

/* The features' columns, by name; all that are missing are one error. */
void rowmap_find_features(CtrRowMap *map, const CtrFeature *features, int n);

#endif /* CTR_ROWMAP_H */
