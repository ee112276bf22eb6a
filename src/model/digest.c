/*
 * digest.c: the digest in a model's first bytes: SHA-256 of the whole model but for its own digits, the
 * wall-clock seconds of the epochs and the time of the training. So trainings that are alike give models with
 * the same digest, and the digest names all that a model does.
 *
 * A model begins with the 8 bytes of its header's length and
 *   {"__metadata__":{"digest":"<64 hexadecimal digits>","epoch_seconds":"<seconds>","trained_at":"<time>"
 * where <seconds> has only digits, points, commas, blanks and brackets, and <time> has the form of
 * TIME_FORM: no other bytes can hide there. The last entry may be missing.
 */
#include "model/model.h"

#include "common/cryptohash.h"
#include "common/sha2.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#define LENGTH_SIZE    8
#define DIGEST_PREFIX  "{\"__metadata__\":{\"digest\":\""
#define SECONDS_PREFIX "\",\"epoch_seconds\":\""
#define TIME_PREFIX    "\",\"trained_at\":\""
#define TIME_FORM      "0000-00-00T00:00:00Z" /* 0: any digit */
#define DIGEST_BEGIN   (LENGTH_SIZE + sizeof(DIGEST_PREFIX) - 1)
#define DIGEST_END     (DIGEST_BEGIN + CTR_MODEL_DIGEST_SIZE)
#define SECONDS_BEGIN  (DIGEST_END + sizeof(SECONDS_PREFIX) - 1)
#define HASHED_PIECE   ((Size)4 * 1024 * 1024)

StaticAssertDecl(sizeof(TIME_FORM) - 1 == CTR_MODEL_TIME_SIZE, "a time has that form");
StaticAssertDecl(DIGEST_END <= CTR_MODEL_HEAD_SIZE, "the digest lies in a model's head");

bool
model_peek_digest(const char *bytes, Size size, char *digest, Node *escontext)
{
    if (size < DIGEST_END || memcmp(bytes + LENGTH_SIZE, DIGEST_PREFIX, sizeof(DIGEST_PREFIX) - 1) != 0)
        return safetensors_invalid(escontext, "it does not begin with its digest");
    memcpy(digest, bytes + DIGEST_BEGIN, CTR_MODEL_DIGEST_SIZE);
    return true;
}

void
model_digest(Datum value, char *digest)
{
    struct varlena *head = PG_DETOAST_DATUM_SLICE(value, 0, CTR_MODEL_HEAD_SIZE);

    model_peek_digest(VARDATA_ANY(head), VARSIZE_ANY_EXHDR(head), digest, NULL);
    if ((Pointer)head != DatumGetPointer(value))
        pfree(head);
}

/* The offset at which the seconds end; 0: the bytes do not begin as described above. */
static Size
seconds_end(const char *bytes, Size size)
{
    Size at = SECONDS_BEGIN;

    if (size < at || memcmp(bytes + DIGEST_END, SECONDS_PREFIX, sizeof(SECONDS_PREFIX) - 1) != 0)
        return 0;
    while (at < size && bytes[at] != '\0' && strchr("0123456789., []", bytes[at]) != NULL)
        at++;
    return at < size && bytes[at] == '"' ? at : 0;
}

/* The offset, from the seconds' end, at which the time begins; 0: there is none, or it has another form. */
static Size
time_begin(const char *bytes, Size size, Size end)
{
    const Size prefix = sizeof(TIME_PREFIX) - 1, begin = end + prefix;

    if (size <= begin + CTR_MODEL_TIME_SIZE || memcmp(bytes + end, TIME_PREFIX, prefix) != 0)
        return 0;
    for (Size i = 0; i < CTR_MODEL_TIME_SIZE; i++) {
        const char c = bytes[begin + i];

        if (TIME_FORM[i] == '0' ? c < '0' || c > '9' : c != TIME_FORM[i])
            return 0;
    }
    return bytes[begin + CTR_MODEL_TIME_SIZE] == '"' ? begin : 0;
}

/* Hashes in pieces and serves interrupts in between; at an error the resource owner frees the hash. */
static bool
update_hash(pg_cryptohash_ctx *hash, const char *bytes, Size n)
{
    bool good = true;

    for (Size piece; good && n > 0; bytes += piece, n -= piece) {
        CHECK_FOR_INTERRUPTS();
        piece = Min(n, HASHED_PIECE);
        good = pg_cryptohash_update(hash, (const uint8 *)bytes, piece) >= 0;
    }
    return good;
}

/*
 * end: of the seconds. Where OpenSSL does the work a hash fails for want of memory, or where its
 * configuration has no SHA-256: PostgreSQL itself needs that one for passwords and backups.
 */
static void
compute_digest(const char *bytes, Size size, Size end, char *digest)
{
    pg_cryptohash_ctx *hash = pg_cryptohash_create(PG_SHA256);
    uint8 sum[PG_SHA256_DIGEST_LENGTH];
    const Size time = time_begin(bytes, size, end);
    const Size rest = time > 0 ? time + CTR_MODEL_TIME_SIZE : end;

    if (hash == NULL || pg_cryptohash_init(hash) < 0 || !update_hash(hash, bytes, DIGEST_BEGIN) ||
        !update_hash(hash, bytes + DIGEST_END, SECONDS_BEGIN - DIGEST_END) ||
        !update_hash(hash, bytes + end, time > 0 ? time - end : 0) ||
        !update_hash(hash, bytes + rest, size - rest) || pg_cryptohash_final(hash, sum, sizeof(sum)) < 0)
        ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"),
                        errdetail("A model's SHA-256 could not be computed.")));
    pg_cryptohash_free(hash);
    hex_encode((const char *)sum, sizeof(sum), digest);
}

/* end: of the seconds */
static bool
digest_fits(const char *bytes, Size size, Size end)
{
    char digest[CTR_MODEL_DIGEST_SIZE];

    compute_digest(bytes, size, end, digest);
    return memcmp(digest, bytes + DIGEST_BEGIN, CTR_MODEL_DIGEST_SIZE) == 0;
}

bool
model_digest_fits(const char *bytes, Size size)
{
    const Size end = seconds_end(bytes, size);

    return end > 0 && digest_fits(bytes, size, end);
}

bool
model_verify_digest(const char *bytes, Size size, Node *escontext)
{
    const Size end = seconds_end(bytes, size);

    if (end == 0)
        return safetensors_invalid(escontext, "its seconds do not follow its digest");
    return digest_fits(bytes, size, end) ||
           safetensors_invalid(escontext, "its digest does not fit its bytes");
}

void
model_sign(char *bytes, Size size)
{
    Size end = seconds_end(bytes, size);

    Assert(end > 0);
    compute_digest(bytes, size, end, bytes + DIGEST_BEGIN);
}
