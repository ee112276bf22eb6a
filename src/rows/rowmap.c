/*
 * rowmap.c: the columns of a row type, found by name and read by type: looked up once per call site. Which of
 * them are features, label, weight and validation mark is decided in rowmap_for_training.c and
 * rowmap_for_scoring.c.
 */
#include "rows/rowmap.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

static int
compare_names(const void *a, const void *b, void *desc)
{
    return strcmp(rowmap_name(desc, *(const int *)a), rowmap_name(desc, *(const int *)b));
}

/*
 * Sorts the names, because a query that scores one row would otherwise spend half of its time on searching
 * n columns for each of n features.
 */
static void
sort_names(CtrRowMap *map)
{
    const size_t size = sizeof(int) * (size_t)Max(map->desc->natts, 1);

    map->columns = palloc0(size);
    for (int i = 0; i < map->desc->natts; i++) {
        if (!TupleDescAttr(map->desc, i)->attisdropped)
            map->columns[map->n_columns++] = i;
    }
    map->by_name = memcpy(palloc(size), map->columns, size);
    qsort_arg(map->by_name, map->n_columns, sizeof(int), compare_names, map->desc);
}

static bool
is_name(const CtrRowMap *map, int i, const char *name)
{
    return i < map->n_columns && strcmp(rowmap_name(map->desc, map->by_name[i]), name) == 0;
}

/* the attribute's index, ROWMAP_NOT_FOUND or ROWMAP_DUPLICATE */
int
rowmap_find(const CtrRowMap *map, const char *name)
{
    int low = 0, high = map->n_columns; /* the first name that is not less lies in [low, high] */

    while (low < high) {
        int middle = (low + high) / 2;

        if (strcmp(rowmap_name(map->desc, map->by_name[middle]), name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (!is_name(map, low, name))
        return ROWMAP_NOT_FOUND;
    return is_name(map, low + 1, name) ? ROWMAP_DUPLICATE : map->by_name[low];
}

CtrRow
row_of_record(HeapTupleHeader record)
{
    return (CtrRow){.type = HeapTupleHeaderGetTypeId(record),
                    .typmod = HeapTupleHeaderGetTypMod(record),
                    .tuple = record};
}

/* The planner passes the right ones (predict_columns.c), but anyone may call the function directly. */
void
rowmap_check_columns(const CtrRowMap *map, const CtrRow *row)
{
    int n;

    if (row->tuple)
        return;
    n = row->call->nargs - CTR_FIRST_COLUMN;
    if (n != map->n_columns)
        ereport(ERROR,
                (errcode(ERRCODE_DATATYPE_MISMATCH),
                 errmsg("row type %s has %d columns, not %d", format_type_be(row->type), map->n_columns, n)));
    for (int i = 0; i < n; i++) {
        const Oid type = get_fn_expr_argtype(row->call->flinfo, CTR_FIRST_COLUMN + i);
        const FormData_pg_attribute *attribute = TupleDescAttr(map->desc, map->columns[i]);

        if (type != attribute->atttypid)
            ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
                            errmsg("column \"%s\" of row type %s has type %s, not %s",
                                   NameStr(attribute->attname), format_type_be(row->type),
                                   format_type_be(attribute->atttypid), format_type_be(type))));
    }
}

CtrRowMap *
rowmap_create(const CtrRow *row, MemoryContext parent)
{
    MemoryContext context = AllocSetContextCreate(parent, "ctr row map", ALLOCSET_SMALL_SIZES);
    MemoryContext old = MemoryContextSwitchTo(context);
    CtrRowMap *map = palloc0(sizeof(CtrRowMap));
    TupleDesc desc;

    map->context = context;
    map->row_context = AllocSetContextCreate(context, "ctr row", ALLOCSET_SMALL_SIZES);
    map->type = row->type;
    map->typmod = row->typmod;
    desc = lookup_rowtype_tupdesc(map->type, map->typmod);
    map->desc = CreateTupleDescCopyConstr(desc);
    ReleaseTupleDesc(desc);
    if (map->type != RECORDOID) {
        map->entry = lookup_type_cache(map->type, TYPECACHE_TUPDESC);
        map->shape = map->entry->tupDesc_identifier;
    }
    sort_names(map);
    map->values = palloc0(sizeof(Datum) * Max(map->desc->natts, 1));
    map->nulls = palloc0(sizeof(bool) * Max(map->desc->natts, 1));
    map->label.attribute = map->weight.attribute = map->validation.attribute = ROWMAP_NOT_FOUND;
    MemoryContextSwitchTo(old);
    rowmap_check_columns(map, row);
    return map;
}

/* The type cache has forgotten the type's columns: are they still the same? */
static bool
shape_is_same(CtrRowMap *map)
{
    TupleDesc desc = lookup_rowtype_tupdesc(map->type, map->typmod);
    bool same = equalTupleDescs(desc, map->desc);

    ReleaseTupleDesc(desc);
    if (same)
        map->shape = map->entry->tupDesc_identifier;
    return same;
}

bool
rowmap_fits(CtrRowMap *map, const CtrRow *row)
{
    if (row->type != map->type || row->typmod != map->typmod)
        return false;
    return map->entry == NULL || map->entry->tupDesc_identifier == map->shape || shape_is_same(map);
}

void
rowmap_change_error(const CtrRowMap *map, const CtrRow *row)
{
    TupleDesc before = map->desc, now = lookup_rowtype_tupdesc_copy(row->type, row->typmod);
    char *detail = psprintf("The first row has %d columns, this one has %d.", before->natts, now->natts);

    for (int i = 0; i < Min(before->natts, now->natts); i++) {
        const Oid type_before = TupleDescAttr(before, i)->atttypid,
                  type_now = TupleDescAttr(now, i)->atttypid;

        if (type_before == type_now && strcmp(rowmap_name(before, i), rowmap_name(now, i)) == 0)
            continue;
        detail = psprintf("Column %d is \"%s\" of type %s, in the first row it was \"%s\" of type %s.", i + 1,
                          rowmap_name(now, i), format_type_be(type_now), rowmap_name(before, i),
                          format_type_be(type_before));
        break;
    }
    ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH), errmsg("the row type changes between rows"),
                    errdetail("%s", detail), errhint("Cast all rows to one type.")));
}

/* Built-in types are not looked up, because that would cost a query that scores a single row too much. */
Oid
rowmap_base_type(const CtrRowMap *map, int attribute)
{
    Oid type = TupleDescAttr(map->desc, attribute)->atttypid;

    return type_reader(type) == CTR_READ_OUTPUT ? getBaseType(type) : type;
}

void
rowmap_set_column(const CtrRowMap *map, CtrColumn *column, int attribute)
{
    column->attribute = attribute;
    column->name = rowmap_name(map->desc, attribute);
    column->reader = type_reader(rowmap_base_type(map, attribute));
    if (column->reader == CTR_READ_OUTPUT) {
        Oid output;
        bool is_varlena;

        getTypeOutputInfo(TupleDescAttr(map->desc, attribute)->atttypid, &output, &is_varlena);
        fmgr_info_cxt(output, &column->output, map->context);
    }
}

/* Why the column cannot be a feature of this kind, if it cannot. */
ColumnFault
rowmap_feature_fault(const CtrRowMap *map, int attribute, CtrFeatureKind kind)
{
    Oid type = rowmap_base_type(map, attribute);
    CtrColumnReader reader = type_reader(type);

    if (kind == CTR_CATEGORICAL)
        return category_fault(type, TupleDescAttr(map->desc, attribute)->attcollation);
    return reads_number(reader) || reader == CTR_READ_BOOL ? COLUMN_FINE : COLUMN_NO_NUMBER;
}
