/*
 * merge_columns.c: what the parts' columns have in common. Vocabularies are the exact union, with the sum of
 * the counts, of which the option min_count decides what is known. Numbers are fitted on the parts' points
 * (nn/math/points.h). A single part's are its own: it has fitted them on its rows.
 */
#include "train/prepare.h"

#include <float.h>

#include "miscadmin.h"

#include "encode/encoder.h"
#include "train/choose.h"

#define LEVELS 32 /* as many as a number of parts has bits */

/*
 * A column's points of the parts so far: level k has those of 2^k parts together, or none. So a point is
 * merged as often as there are levels, and not as often as there are parts.
 */
typedef struct Levels {
    NnPoints points[LEVELS];
} Levels;

/* What is added up while the parts are read. */
typedef struct Sums {
    CtrUnion *categories; /* [n_cat] */
    Levels *points;       /* [n_num] */
    int64 *missing;       /* [n_num + n_cat] */
} Sums;

static void
add_rows(CtrModel *all, const CtrModel *part)
{
    all->train_rows = prepare_add_rows(all->train_rows, part->train_rows);
    all->validation_rows = prepare_add_rows(all->validation_rows, part->validation_rows);
    all->skipped_rows = prepare_add_rows(all->skipped_rows, part->skipped_rows);
    for (int k = 0; k < Max(all->options.net.n_classes, 2); k++) {
        all->label_rows[k] = prepare_add_rows(all->label_rows[k], part->label_rows ? part->label_rows[k] : 0);
        all->prepared.class_weights[k] =
            Min(all->prepared.class_weights[k] + part->prepared.class_weights[k], FLT_MAX);
    }
}

static int64
points_rows(const NnPoints *points)
{
    int64 rows = 0;

    for (int64 i = 0; i < points->n; i++)
        rows += points->rows[i];
    return rows;
}

/* Points of two parts as one, in a context that outlives both. */
static NnPoints
merge_points(const NnPoints *a, const NnPoints *b, MemoryContext context)
{
    const Size n = (Size)(a->n + b->n);
    NnPoints sum = {.values = MemoryContextAllocHuge(context, Max(n, 1) * sizeof(double)),
                    .rows = MemoryContextAllocHuge(context, Max(n, 1) * sizeof(int64))};

    CHECK_FOR_INTERRUPTS();
    if (points_rows(a) > NN_POINTS_LARGEST - points_rows(b))
        ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
                        errmsg("the parts to merge have more than %lld rows together",
                               (long long)NN_POINTS_LARGEST)));
    points_merge(&sum, a, b);
    return sum;
}

static void
free_points(NnPoints *points)
{
    pfree(points->values);
    pfree(points->rows);
    *points = (NnPoints){0};
}

/* Adds a part to the level of no others; where two meet, they go up a level as one. */
static void
add_points(Levels *levels, const NnPoints *part, MemoryContext context)
{
    const NnPoints nothing = {.exact = true};
    NnPoints all = merge_points(&nothing, part, context);
    int k;

    for (k = 0; levels->points[k].values != NULL; k++) {
        const NnPoints sum = merge_points(&levels->points[k], &all, context);

        free_points(&levels->points[k]);
        free_points(&all);
        all = sum;
    }
    levels->points[k] = all;
}

static NnPoints
all_points(Levels *levels, MemoryContext context)
{
    NnPoints all = {.exact = true};

    for (int k = 0; k < LEVELS; k++) {
        if (levels->points[k].values != NULL)
            all = merge_points(&all, &levels->points[k], context);
    }
    return all;
}

static void
add_part(Sums *sums, CtrModel *all, const CtrModel *part)
{
    const CtrEncoder *encoder = part->encoder;

    add_rows(all, part);
    for (int i = 0; i < encoder->n_num + encoder->n_cat; i++)
        sums->missing[i] = prepare_add_rows(sums->missing[i], encoder->features[i].missing);
    for (int i = 0; i < encoder->n_num; i++)
        add_points(&sums->points[i], &part->prepared.points[i], all->context);
    for (int f = 0; f < encoder->n_cat; f++)
        union_add(&sums->categories[f], encoder->vocabs[f], encoder->frequencies[f], NULL);
}

static Sums
sums_create(const CtrEncoder *encoder)
{
    Sums sums = {.categories = palloc(sizeof(CtrUnion) * Max(encoder->n_cat, 1)),
                 .points = palloc0(sizeof(Levels) * Max(encoder->n_num, 1)),
                 .missing = palloc0(sizeof(int64) * (encoder->n_num + encoder->n_cat))};

    for (int f = 0; f < encoder->n_cat; f++)
        sums.categories[f] = union_create(CurrentMemoryContext);
    return sums;
}

/* only: the encoder of a single part, or NULL */
static void
fit(CtrModel *all, const Sums *sums, const CtrEncoder *only)
{
    CtrEncoder *encoder = all->encoder;

    for (int i = 0; i < encoder->n_num; i++) {
        if (only)
            encoder_keep_number(encoder, i, only, sums->missing[i]);
        else {
            NnPoints points = all_points(&sums->points[i], all->context);

            encoder_fit_points(encoder, i, &all->options, &points, sums->missing[i]);
        }
    }
    for (int f = 0; f < encoder->n_cat; f++) {
        const CtrUnion *categories = &sums->categories[f];

        pfree(encoder_fit_categories(encoder, f, categories->seen, categories->counts, all->options.min_count,
                                     NULL, sums->missing[encoder->n_num + f]));
    }
}

/* The crosses that options name, whose counts are no inputs: no row need be asked which they are. */
static void
set_crosses(CtrModel *all)
{
    const bool counted[CTR_CROSSES_MOST] = {false};
    CtrCross crosses[CTR_CROSSES_MOST];
    const int n = crosses_named(&all->options, all->encoder, crosses);

    if (n == 0)
        return;
    encoder_await_pairs(all->encoder, &all->options, crosses, n, counted);
    all->stage = CTR_STAGE_COMMON_CROSSES;
}

static CtrModel *
common_create(const CtrModel *part, MemoryContext context)
{
    CtrModel *all = MemoryContextAllocZero(context, sizeof(CtrModel));
    const int classes = Max(part->options.net.n_classes, 2);

    all->context = context;
    all->stage = CTR_STAGE_COMMON_COLUMNS;
    all->options = part->options;
    all->weights = CTR_WEIGHTS_INITIAL;
    all->encoder = encoder_create(context, &part->options, part->encoder->features, part->encoder->n_num,
                                  part->encoder->n_cat, NULL);
    all->label_rows = MemoryContextAllocZero(context, sizeof(int64) * classes);
    all->prepared.class_weights = MemoryContextAllocZero(context, sizeof(double) * classes);
    return all;
}

CtrModel *
merge_columns(const CtrParts *parts, MemoryContext context)
{
    const CtrModel *first = parts_unpack(parts, 0, context);
    CtrModel *all = common_create(first, context);
    Sums sums = sums_create(first->encoder);

    add_part(&sums, all, first);
    for (int i = 1; i < parts->n; i++) {
        CtrModel *part = parts_unpack(parts, i, context);

        parts_check_same(first, part);
        add_part(&sums, all, part);
        MemoryContextDelete(part->context);
    }
    fit(all, &sums, parts->n == 1 ? first->encoder : NULL);
    if (!crosses_need_rows(&all->options, all->encoder))
        set_crosses(all);
    return all;
}
