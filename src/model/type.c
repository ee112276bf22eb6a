/*
 * type.c: the type ctr_model: as text, as binary, and the cast from bytea. All bytes from outside go through
 * the one validator.
 */
#include "model/layout.h"

#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#define TEXT_PIECE ((Size)256 * 1024) /* bytes that become text at once */
#define TEXT_SHOWN 60                 /* bytes of a wrong input that an error shows */

/*
 * Can the text be a model? A model has zero bytes, so its text as a bytea has a backslash. false: reported
 * to escontext.
 */
static bool
is_value(const char *text, Node *escontext)
{
    const int shown = pg_mbcliplen(text, (int)strlen(text), TEXT_SHOWN);

    if (strchr(text, '\\') != NULL)
        return true;
    errsave(escontext,
            (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
             errmsg("invalid input syntax for type %s: \"%.*s\"", "ctr_model", shown, text),
             errhint("A model is a value, not a name: write (SELECT model FROM models WHERE name = %s).",
                     quote_literal_cstr(pnstrdup(text, shown)))));
    return false;
}

/*
 * The length of the next piece of hexadecimal digits, with what blanks are among them: whole bytes, of two
 * digits each. All characters up to the blank count as one; hex_decode refuses those that are none. So it
 * does a character of several bytes, which must not be torn, because its error shows it.
 */
static Size
hex_piece(const char *digits, Size left)
{
    Size n = Min(TEXT_PIECE, left), blanks = 0;

    for (Size i = 0; i < n; i++)
        blanks += (unsigned char)digits[i] <= ' ';
    n = Min(n + (n - blanks) % 2, left);
    while (n < left && IS_HIGHBIT_SET(digits[n]))
        n++;
    return n;
}

/* bytea's input function; what ctr_model_out gives is read in pieces, between which a cancel gets through. */
static bool
read_text(char *text, Node *escontext, Datum *value)
{
    const char *digits = text + strlen("\\x");
    struct varlena *bytes;
    Size left, size = VARHDRSZ, decoded;

    if (strncmp(text, "\\x", strlen("\\x")) != 0)
        return bytea_input(text, escontext, value);
    left = strlen(digits);
    bytes = palloc(VARHDRSZ + left / 2);
    for (Size n; left > 0; digits += n, left -= n, size += decoded) {
        CHECK_FOR_INTERRUPTS();
        n = hex_piece(digits, left);
        if (!hex_input(digits, n, (char *)bytes + size, &decoded, escontext))
            return false;
    }
    SET_VARSIZE(bytes, size);
    *value = PointerGetDatum(bytes);
    return true;
}

/* CREATE FUNCTION ctr_model_in(cstring) RETURNS ctr_model */
PG_FUNCTION_INFO_V1(ctr_model_in);
Datum
ctr_model_in(PG_FUNCTION_ARGS)
{
    Node *escontext = input_escontext(fcinfo);
    char *text = PG_GETARG_CSTRING(0);
    Datum bytes;

    if (!is_value(text, escontext) || !read_text(text, escontext, &bytes) ||
        !model_validate(bytes, escontext))
        PG_RETURN_NULL();
    PG_RETURN_DATUM(bytes);
}

/*
 * CREATE FUNCTION ctr_model_out(ctr_model) RETURNS cstring: in hexadecimal digits, whatever bytea_output
 * says, because the function is immutable. In pieces, so that a cancel gets through.
 */
PG_FUNCTION_INFO_V1(ctr_model_out);
Datum
ctr_model_out(PG_FUNCTION_ARGS)
{
    CtrValueBytes *bytes = value_bytes(PG_GETARG_DATUM(0));
    char *piece = palloc(TEXT_PIECE), *text, *end;

    if (bytes->size > CTR_MODEL_TEXT_LARGEST)
        ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                        errmsg("model of %zu MB is too large for text", bytes->size >> 20),
                        errhint("Read it in binary format, as by COPY (FORMAT binary), or in parts, by "
                                "ctr_chunks(model).")));
    text = palloc(strlen("\\x") + 2 * bytes->size + 1);
    end = stpcpy(text, "\\x");
    for (Size at = 0, n; at < bytes->size; at += n) {
        n = Min(TEXT_PIECE, bytes->size - at);
        value_read(bytes, at, n, piece);
        end += hex_encode(piece, n, end);
        CHECK_FOR_INTERRUPTS();
    }
    *end = '\0';
    PG_RETURN_CSTRING(text);
}

/* CREATE FUNCTION ctr_model_recv(internal) RETURNS ctr_model */
PG_FUNCTION_INFO_V1(ctr_model_recv);
Datum
ctr_model_recv(PG_FUNCTION_ARGS)
{
    StringInfo message = (StringInfo)PG_GETARG_POINTER(0);
    const int n = message->len - message->cursor;
    struct varlena *bytes = palloc(VARHDRSZ + n);

    SET_VARSIZE(bytes, VARHDRSZ + n);
    ctr_copy(VARDATA(bytes), pq_getmsgbytes(message, n), n);
    model_validate(PointerGetDatum(bytes), NULL);
    PG_RETURN_POINTER(bytes);
}

/* CREATE FUNCTION ctr_model_send(ctr_model) RETURNS bytea */
PG_FUNCTION_INFO_V1(ctr_model_send);
Datum
ctr_model_send(PG_FUNCTION_ARGS)
{
    CtrValueBytes *bytes = value_bytes(PG_GETARG_DATUM(0));
    struct varlena *message = palloc(VARHDRSZ + bytes->size);

    SET_VARSIZE(message, VARHDRSZ + bytes->size);
    value_read(bytes, 0, bytes->size, VARDATA(message));
    PG_RETURN_BYTEA_P(message);
}

/* CREATE FUNCTION ctr_model(bytea) RETURNS ctr_model */
PG_FUNCTION_INFO_V1(ctr_model_from_bytea);
Datum
ctr_model_from_bytea(PG_FUNCTION_ARGS)
{
    struct varlena *value = PG_DETOAST_DATUM(PG_GETARG_DATUM(0));

    model_validate(PointerGetDatum(value), NULL);
    PG_RETURN_POINTER(value);
}
