/*
 * spelling.c: how a model's file spells categories and names, which are in the database's encoding: in UTF-8.
 *
 * A model goes from database to database, and not every category can be spelt in every encoding. One that the
 * database cannot spell never occurs there, but keeps its place in the model: in memory it is a zero byte,
 * which no text has, and the file's bytes. A category that UTF-8 cannot spell, or not so that it comes back,
 * is a byte FF in the file, which no UTF-8 has, and the database's bytes. So each has one spelling, and comes
 * back from it.
 */
#include "rows/spelling.h"

#include "catalog/namespace.h"
#include "mb/pg_wchar.h"

#define NOT_OF_DATABASE '\0'
#define NOT_OF_FILE     '\xff'

bool
spelling_start(CtrSpelling *spelling)
{
    const int encoding = GetDatabaseEncoding();

    if (encoding == PG_UTF8 || encoding == PG_SQL_ASCII)
        return false;
    spelling->encoding = encoding;
    spelling->to_file = FindDefaultConversionProc(encoding, PG_UTF8);
    spelling->to_database = FindDefaultConversionProc(PG_UTF8, encoding);
    return true;
}

/* Are the bytes ASCII, which is the same in all encodings? */
static bool
is_plain(const char *bytes, uint32 length)
{
    for (uint32 i = 0; i < length; i++) {
        if (IS_HIGHBIT_SET(bytes[i]) || bytes[i] == '\0')
            return false;
    }
    return true;
}

/* The bytes in another encoding, allocated; NULL: it cannot spell them. */
static char *
convert(Oid conversion, int from, int to, const char *bytes, uint32 length)
{
    const Size room = (Size)length * MAX_CONVERSION_GROWTH + 1;
    char *result;

    if (!OidIsValid(conversion) || length > PG_INT32_MAX / MAX_CONVERSION_GROWTH - 1)
        return NULL;
    result = palloc_extended(room, MCXT_ALLOC_HUGE);
    if (pg_do_encoding_conversion_buf(conversion, from, to, (unsigned char *)unconstify(char *, bytes),
                                      (int)length, (unsigned char *)result, (int)room, true) == (int)length)
        return result;
    pfree(result);
    return NULL;
}

static char *
to_file(const CtrSpelling *s, const char *bytes, uint32 length)
{
    return convert(s->to_file, s->encoding, PG_UTF8, bytes, length);
}

static char *
to_database(const CtrSpelling *s, const char *bytes, uint32 length)
{
    return convert(s->to_database, PG_UTF8, s->encoding, bytes, length);
}

/* Is `text` these bytes? NULL is not. Frees it. */
static bool
is_and_free(char *text, const char *bytes, uint32 length)
{
    bool same = text != NULL && strlen(text) == length && memcmp(text, bytes, length) == 0;

    if (text != NULL)
        pfree(text);
    return same;
}

void
spelling_append_for_file(const CtrSpelling *s, StringInfo file, const char *bytes, uint32 length)
{
    char *converted = NULL;

    if (is_plain(bytes, length))
        appendBinaryStringInfo(file, bytes, (int)length);
    else if (bytes[0] == NOT_OF_DATABASE)
        appendBinaryStringInfo(file, bytes + 1, (int)length - 1);
    else if ((converted = to_file(s, bytes, length)) != NULL &&
             is_and_free(to_database(s, converted, strlen(converted)), bytes, length))
        appendStringInfoString(file, converted);
    else {
        appendStringInfoChar(file, NOT_OF_FILE);
        appendBinaryStringInfo(file, bytes, (int)length);
    }
    if (converted != NULL)
        pfree(converted);
}

void
spelling_append_for_database(const CtrSpelling *s, StringInfo text, const char *bytes, uint32 length)
{
    char *converted = NULL;
    StringInfoData back;

    if (is_plain(bytes, length)) {
        appendBinaryStringInfo(text, bytes, (int)length);
        return;
    }
    converted = bytes[0] == NOT_OF_FILE ? pnstrdup(bytes + 1, length - 1) : to_database(s, bytes, length);
    initStringInfo(&back);
    if (converted != NULL)
        spelling_append_for_file(s, &back, converted, strlen(converted));
    if (converted != NULL && back.len == (int)length && memcmp(back.data, bytes, length) == 0)
        appendStringInfoString(text, converted);
    else {
        appendStringInfoChar(text, NOT_OF_DATABASE);
        appendBinaryStringInfo(text, bytes, (int)length);
    }
    if (converted != NULL)
        pfree(converted);
    pfree(back.data);
}

char *
spelling_for_database(const char *text, Size size)
{
    CtrSpelling spelling;

    return spelling_start(&spelling) ? to_database(&spelling, text, (uint32)size) : pnstrdup(text, size);
}

bool
spelling_has_file(const char *name)
{
    CtrSpelling spelling;
    char *converted;

    if (!spelling_start(&spelling))
        return pg_verify_mbstr(PG_UTF8, name, (int)strlen(name), true);
    converted = to_file(&spelling, name, strlen(name));
    return converted != NULL &&
           is_and_free(to_database(&spelling, converted, strlen(converted)), name, strlen(name));
}
