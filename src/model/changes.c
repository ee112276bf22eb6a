/*
 * changes.c: a model as what it has other than another one, its base, which is already where it is to be
 * sent. A training on a shared encoder changes neither vocabularies nor statistics, and of embeddings those
 * that its rows have.
 *
 *   bytes 0-7    CTR_CHANGES_MAGIC
 *   bytes 8-71   the base's digest
 *   bytes 72-79  U32 the model's size in bytes, U32 the number n of stretches
 *   then         U32 [n, 3]: of each stretch where it begins in the base, how many bytes are from there,
 *                and how many of the model's own come after them
 *   then         all own bytes, one after the other
 */
#include "model/model.h"

#include "lib/stringinfo.h"
#include "miscadmin.h"

#include "model/layout.h"

#define UNIT  ((Size)64) /* bytes that are the base's or not; a stretch costs 12 */
#define PIECE ((Size)64 * 1024)

typedef struct Head {
    char magic[sizeof(CTR_CHANGES_MAGIC) - 1];
    char base[CTR_MODEL_DIGEST_SIZE];
    uint32 size, n;
} Head;

typedef struct Stretch {
    uint32 base_at, copied, own;
} Stretch;

StaticAssertDecl(sizeof(Head) == 80 && sizeof(Stretch) == 12, "changes are written as they lie in memory");

/* ------------------------------------------------------------------ writing */

typedef struct Writer {
    CtrValueBytes *model, *base;
    StringInfoData stretches;
    Stretch last; /* which is not among them yet */
    char *piece, *base_piece;
} Writer;

static void
end_stretch(Writer *w)
{
    appendBinaryStringInfo(&w->stretches, (const char *)&w->last, sizeof(Stretch));
    w->last = (Stretch){0};
}

static void
add_copied(Writer *w, Size base_at, Size n)
{
    if (w->last.own > 0 || (w->last.copied > 0 && w->last.base_at + w->last.copied != base_at))
        end_stretch(w);
    if (w->last.copied == 0)
        w->last.base_at = (uint32)base_at;
    w->last.copied += (uint32)n;
}

/* A tensor that the base has, too, of that size: unit by unit. */
static void
add_units(Writer *w, Size at, Size base_at, Size size)
{
    for (Size done = 0; done < size; done += PIECE) {
        const Size n = Min(PIECE, size - done);

        value_read(w->model, at + done, n, w->piece);
        value_read(w->base, base_at + done, n, w->base_piece);
        for (Size i = 0; i < n; i += UNIT) {
            const Size unit = Min(UNIT, n - i);

            if (memcmp(w->piece + i, w->base_piece + i, unit) == 0)
                add_copied(w, base_at + done + i, unit);
            else
                w->last.own += (uint32)unit;
        }
    }
}

static Size
header_size(const CtrSafeFile *file)
{
    return file->n_tensors > 0 ? file->tensors[0].at : file->bytes->size;
}

/* Takes apart the model, whose tensors lie back to back after its header. */
static void
add_all(Writer *w)
{
    const CtrSafeFile *file = safetensors_parse_bytes(w->model, NULL);
    const CtrSafeFile *base = safetensors_parse_bytes(w->base, NULL);
    const Size header = header_size(file), common = Min(header, header_size(base));

    add_units(w, 0, 0, common);
    w->last.own += (uint32)(header - common);
    for (int i = 0; i < file->n_tensors; i++) {
        const CtrSafeTensor *t = &file->tensors[i], *other = safetensors_find(base, t->name);
        const bool is_known = other != NULL && other->size == t->size;

        ctr_pause_at(i);
        if (is_known)
            add_units(w, t->at, other->at, t->size);
        else
            w->last.own += (uint32)t->size;
    }
    end_stretch(w);
}

static Size
own_bytes(const StringInfoData *stretches)
{
    Size n = 0;

    for (Size at = 0; at < (Size)stretches->len; at += sizeof(Stretch))
        n += ((const Stretch *)(stretches->data + at))->own;
    return n;
}

static void
copy_own(const Writer *w, char *to)
{
    Size at = 0;

    for (Size k = 0; k < (Size)w->stretches.len; k += sizeof(Stretch)) {
        const Stretch *s = (const Stretch *)(w->stretches.data + k);

        value_read(w->model, at + s->copied, s->own, to);
        at += s->copied + s->own;
        to += s->own;
    }
}

/* CREATE FUNCTION ctr_changes(model ctr_model, base ctr_model) RETURNS bytea */
PG_FUNCTION_INFO_V1(ctr_changes);
Datum
ctr_changes(PG_FUNCTION_ARGS)
{
    MemoryContext caller = CurrentMemoryContext;
    MemoryContext scratch = AllocSetContextCreate(caller, "ctr changes", ALLOCSET_DEFAULT_SIZES);
    Writer w = {0};
    Head head = {.magic = CTR_CHANGES_MAGIC};
    struct varlena *result;
    Size size;
    char *to;

    MemoryContextSwitchTo(scratch);
    w.model = value_bytes(PG_GETARG_DATUM(0));
    w.base = value_bytes(PG_GETARG_DATUM(1));
    w.piece = palloc(2 * PIECE);
    w.base_piece = w.piece + PIECE;
    initStringInfo(&w.stretches);
    add_all(&w);
    model_digest(PG_GETARG_DATUM(1), head.base);
    head.size = (uint32)w.model->size;
    head.n = (uint32)((Size)w.stretches.len / sizeof(Stretch));
    size = add_size(VARHDRSZ + sizeof(Head) + w.stretches.len, own_bytes(&w.stretches));
    if (!AllocSizeIsValid(size))
        ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("the model has too many changes")));
    result = MemoryContextAlloc(caller, size);
    SET_VARSIZE(result, size);
    to = VARDATA(result);
    memcpy(to, &head, sizeof(Head));
    memcpy(to + sizeof(Head), w.stretches.data, w.stretches.len);
    copy_own(&w, to + sizeof(Head) + w.stretches.len);
    MemoryContextSwitchTo(caller);
    MemoryContextDelete(scratch);
    PG_RETURN_BYTEA_P(result);
}

/* ------------------------------------------------------------------ reading */

static void
refuse(const char *why)
{
    safetensors_refuse(NULL, "changes of a model", "%s", why);
}

/* ops [n + 1] from the stretches, all of which lie within both values and fill the model. */
static void
read_stretches(CtrValueBytes *bytes, const Stretch *stretches, int n, Size own_at)
{
    Size at = 0;

    bytes->ops = MemoryContextAllocHuge(CurrentMemoryContext, mul_size((Size)n + 1, sizeof(CtrValueOp)));
    bytes->n_ops = n;
    for (int k = 0; k < n; k++) {
        const Stretch *s = &stretches[k];

        ctr_pause_at(k);
        if ((Size)s->copied > bytes->base->size || s->base_at > bytes->base->size - s->copied ||
            s->own > bytes->own->size - own_at || at + s->copied + s->own > bytes->size)
            refuse("they go beyond its bytes");
        bytes->ops[k] = (CtrValueOp){(uint32)at, s->base_at, s->copied, (uint32)own_at};
        at += (Size)s->copied + s->own;
        own_at += s->own;
    }
    if (at != bytes->size || own_at != bytes->own->size)
        refuse("they do not fill its bytes");
    bytes->ops[n] = (CtrValueOp){.at = (uint32)at};
}

CtrValueBytes *
changes_bytes(CtrValueBytes *base, Datum changes)
{
    CtrValueBytes *bytes = palloc0(sizeof(CtrValueBytes)), *own = value_bytes(changes);
    char begin[CTR_MODEL_HEAD_SIZE], digest[CTR_MODEL_DIGEST_SIZE];
    const Size begin_size = Min(base->size, CTR_MODEL_HEAD_SIZE);
    Stretch *stretches;
    Size size;
    Head head;

    if (own->size < sizeof(Head))
        refuse("they are too few bytes");
    value_read(own, 0, sizeof(Head), &head);
    if (memcmp(head.magic, CTR_CHANGES_MAGIC, sizeof(head.magic)) != 0)
        refuse("they do not begin as ctr_changes lets them");
    size = (Size)head.n * sizeof(Stretch);
    if (head.n == 0 || size > own->size - sizeof(Head))
        refuse("their stretches go beyond their bytes");
    if (!AllocSizeIsValid((Size)head.size + VARHDRSZ))
        refuse("the model would be too large");
    value_read(base, 0, begin_size, begin);
    model_peek_digest(begin, begin_size, digest, NULL);
    if (memcmp(head.base, digest, sizeof(digest)) != 0)
        ereport(ERROR,
                (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("the changes are those of another model"),
                 errdetail("They belong to one of digest %.12s, not %.12s.",
                           strspn(head.base, "0123456789abcdef") >= 12 ? head.base : "unknown", digest),
                 errhint("Give the model that ctr_changes got as its second argument.")));
    stretches = MemoryContextAllocHuge(CurrentMemoryContext, size);
    value_read(own, sizeof(Head), size, stretches);
    *bytes = (CtrValueBytes){.size = head.size, .base = base, .own = own, .context = CurrentMemoryContext};
    read_stretches(bytes, stretches, (int)head.n, sizeof(Head) + size);
    pfree(stretches);
    return bytes;
}

struct varlena *
changes_apply(CtrValueBytes *bytes)
{
    struct varlena *model = palloc(VARHDRSZ + bytes->size);

    SET_VARSIZE(model, VARHDRSZ + bytes->size);
    value_read(bytes, 0, bytes->size, VARDATA(model));
    model_validate(PointerGetDatum(model), NULL);
    return model;
}

/* CREATE FUNCTION ctr_apply(base ctr_model, changes bytea) RETURNS ctr_model */
PG_FUNCTION_INFO_V1(ctr_apply);
Datum
ctr_apply(PG_FUNCTION_ARGS)
{
    PG_RETURN_POINTER(changes_apply(changes_bytes(value_bytes(PG_GETARG_DATUM(0)), PG_GETARG_DATUM(1))));
}
