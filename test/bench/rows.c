/*
 * rows.c: writes rows of rows.h as text for COPY: label, 13 integers, 26 categories; NULL is an empty field.
 *
 *   rows FIRST N [CATEGORIES]
 *
 * Rows FIRST … FIRST + N - 1. CATEGORIES: share that the number of categories is multiplied by (1).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rows.h"

static const char digits[] = "0123456789abcdef";

static char *
put_number(char *p, unsigned value)
{
    char reversed[12];
    int n = 0;

    do
        reversed[n++] = digits[value % 10];
    while ((value /= 10) > 0);
    while (n > 0)
        *p++ = reversed[--n];
    return p;
}

/* eight hexadecimal digits, others for every column and category */
static char *
put_category(char *p, int column, int category)
{
    uint32_t name = (uint32_t)category * 2654435761u + (uint32_t)column * 40503u;

    for (int shift = 28; shift >= 0; shift -= 4)
        *p++ = digits[name >> shift & 15];
    return p;
}

static void
put_row(uint64_t row, double share)
{
    char line[512], *p = put_number(line, (unsigned)bench_label(row));

    for (int i = 0; i < N_NUMBERS; i++) {
        int number = bench_number(row, i);

        *p++ = '\t';
        p = number < 0 ? p : put_number(p, (unsigned)number);
    }
    for (int c = 0; c < N_CATEGORIES; c++) {
        int limit = (int)(share * bench_categories[c]),
            category = bench_category(row, c, limit > 1 ? limit : 1);

        *p++ = '\t';
        p = category < 0 ? p : put_category(p, c, category);
    }
    *p++ = '\n';
    fwrite(line, 1, (size_t)(p - line), stdout);
}

int
main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: rows FIRST N [CATEGORIES]\n");
        return 2;
    }
    uint64_t first = strtoull(argv[1], NULL, 10), n = strtoull(argv[2], NULL, 10);
    double share = argc > 3 ? strtod(argv[3], NULL) : 1.0;

    for (uint64_t row = first; row < first + n; row++)
        put_row(row, share);
    return 0;
}
