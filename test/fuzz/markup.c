/*
 * markup.c: the target "markup": texts in pictures and pages. Nothing of a text may become a tag, end an
 * attribute or leave ASCII.
 */
#include "fuzz.h"

#include "see/svg.h"

/* What is written instead of a text: ASCII, no quotes, no tags, each & the begin of a character's number. */
static void
check_written(const char *written)
{
    for (const char *c = written; *c != '\0'; c++) {
        if (*c < 0x20 || *c > 0x7E || strchr("<>\"'", *c) != NULL)
            fuzz_finding("character %d in %s", *c, written);
        if (*c == '&' && (strncmp(c, "&#x", 3) != 0 || strspn(c + 3, "0123456789ABCDEF") == 0 ||
                          c[3 + strspn(c + 3, "0123456789ABCDEF")] != ';'))
            fuzz_finding("an & that begins nothing: %s", c);
    }
}

static int
count(const char *text, char c)
{
    int n = 0;

    while ((text = strchr(text, c)) != NULL) {
        n++;
        text++;
    }
    return n;
}

static void
run_markup(const uint8 *data, size_t size)
{
    char *text = fuzz_text(data, size);
    StringInfoData written, picture;
    const int most = size > 0 ? data[0] % 40 : 0;

    if (text == NULL)
        return;
    fuzz_count_accepted();
    initStringInfo(&written);
    markup_append(&written, text);
    check_written(written.data);
    initStringInfo(&picture);
    svg_begin(&picture, 100, 50, text);
    svg_text(&picture, "name", 1, 2, svg_shortened(text, most));
    svg_text_upwards(&picture, "name", 1, 2, text);
    svg_dot(&picture, "dot", 1, 2, 3, text);
    svg_end(&picture);
    if (count(picture.data, '<') != 15 || count(picture.data, '>') < 15)
        fuzz_finding("%d tags in %s", count(picture.data, '<'), picture.data);
}

const FuzzTarget fuzz_markup = {.name = "markup", .run = run_markup};
