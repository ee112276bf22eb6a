/* svg.c: the writer of pictures. */
#include "see/svg.h"

#include <math.h>

#include "mb/pg_wchar.h"

#include "see/style.h"

/* ------------------------------------------------------------------ text */

#define REPLACEMENT 0xFFFD

/* the character to write for one that must not or cannot be written */
static pg_wchar
harmless(pg_wchar c)
{
    if (c < 0x20)
        return 0x2400 + c; /* its picture */
    if (c == 0x7F)
        return 0x2421;
    if ((c >= 0x80 && c < 0xA0) || (c >= 0xD800 && c < 0xE000) || (c & 0xFFFE) == 0xFFFE)
        return REPLACEMENT;
    if (c == 0x200E || c == 0x200F || (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069))
        return REPLACEMENT; /* changes of direction */
    return c;
}

static void
append_character(StringInfo out, pg_wchar c)
{
    c = harmless(c);
    if (c >= 0x7F || c == '&' || c == '<' || c == '>' || c == '"' || c == '\'')
        appendStringInfo(out, "&#x%X;", (unsigned)c);
    else
        appendStringInfoChar(out, (char)c);
}

/* In a database of encoding SQL_ASCII text may be anything; what is no UTF-8 is replaced byte by byte. */
void
markup_append(StringInfo out, const char *text)
{
    const int length = (int)strlen(text);
    const char *utf8 = GetDatabaseEncoding() == PG_SQL_ASCII ? text : pg_server_to_any(text, length, PG_UTF8);
    const unsigned char *s = (const unsigned char *)utf8, *end = s + strlen(utf8);

    while (s < end) {
        const int n = pg_utf_mblen(s);

        if (n > end - s || !pg_utf8_islegal(s, n)) {
            append_character(out, REPLACEMENT);
            s++;
            continue;
        }
        append_character(out, utf8_to_unicode(s));
        s += n;
    }
}

/*
 * About how wide a character is, in ems. Who looks has one sans-serif font or another: these are the widths
 * of DejaVu Sans, one of the widest, rounded up.
 */
static double
character_width(const char *s)
{
    if (IS_HIGHBIT_SET(*s))
        return pg_dsplen(s) == 0 ? 0 : pg_dsplen(s) == 1 ? 0.85 : 1;
    if (*s < 0x20 || strchr("mwMW@%\x7f", *s) != NULL)
        return 1;
    if (strchr("#+<=>^~", *s) != NULL)
        return 0.84;
    if (strchr("ijlI.,:;'|!", *s) != NULL)
        return 0.35;
    if (strchr("frt()[]-/\\\" ", *s) != NULL)
        return 0.46;
    return *s >= 'A' && *s <= 'Z' ? 0.79 : 0.64;
}

char *
svg_shortened(const char *name, double width)
{
    static const char dots[] = "...";
    const double dots_width = 3 * character_width(dots);
    double end = 0;
    Size with_dots = 0; /* bytes before which dots would fit */

    for (const char *s = name; *s != '\0'; s += pg_mblen(s)) {
        if (end + dots_width <= width)
            with_dots = s - name;
        end += character_width(s);
    }
    return end <= width ? pstrdup(name) : psprintf("%.*s%s", (int)with_dots, name, dots);
}

/* ------------------------------------------------------------------ shapes */

void
svg_begin(StringInfo out, double width, double height, const char *title)
{
    appendStringInfo(out,
                     "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"ctr\" width=\"%.0f\" height=\"%.0f\" "
                     "viewBox=\"0 0 %.0f %.0f\" role=\"img\"><title>",
                     width, height, width, height);
    markup_append(out, title);
    appendStringInfo(out, "</title><style>%s</style>", style_picture);
    svg_rect(out, "paper", 0, 0, width, height);
}

void
svg_end(StringInfo out)
{
    appendStringInfoString(out, "</svg>\n");
}

void
svg_line(StringInfo out, const char *class, double x1, double y1, double x2, double y2)
{
    appendStringInfo(out, "<path class=\"%s\" d=\"M%.1f %.1fL%.1f %.1f\"/>", class, x1, y1, x2, y2);
}

void
svg_rect(StringInfo out, const char *class, double x, double y, double width, double height)
{
    appendStringInfo(out, "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>", class,
                     x, y, width, height);
}

void
svg_dot(StringInfo out, const char *class, double x, double y, double radius, const char *hint)
{
    appendStringInfo(out, "<circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\"><title>", class, x, y,
                     radius);
    markup_append(out, hint);
    appendStringInfoString(out, "</title></circle>");
}

void
svg_text(StringInfo out, const char *class, double x, double y, const char *text)
{
    appendStringInfo(out, "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\">", class, x, y);
    markup_append(out, text);
    appendStringInfoString(out, "</text>");
}

void
svg_text_upwards(StringInfo out, const char *class, double x, double y, const char *text)
{
    appendStringInfo(out, "<text class=\"%s\" transform=\"translate(%.1f %.1f) rotate(-90)\">", class, x, y);
    markup_append(out, text);
    appendStringInfoString(out, "</text>");
}

void
svg_curve(StringInfo out, const char *class, const double *x, const double *y, int n)
{
    bool drawing = false;

    appendStringInfo(out, "<path class=\"%s\" d=\"", class);
    for (int i = 0; i < n; i++) {
        if (!isnan(y[i]))
            appendStringInfo(out, "%c%.1f %.1f", drawing ? 'L' : 'M', x[i], y[i]);
        drawing = !isnan(y[i]);
    }
    appendStringInfoString(out, "\"/>");
}
