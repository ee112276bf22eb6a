/* heatmap.c: a picture of a symmetric matrix: what each two of several features have together. */
#include "see/plot.h"

#include <math.h>

#include "miscadmin.h"

#include "see/style.h"

#define WIDTH      640
#define SHOWN_MOST 40  /* features; the picture says how many are left out */
#define LEFT       142 /* room for names of rows; whole ones are shown where the pointer rests on a cell */
#define TOP        76
#define BELOW      138 /* room for the names of columns */
#define NAME_ROOM  (Min(LEFT, BELOW) - 12)
#define LEGEND     14 /* height of the scale */

/* A row of the matrix, and what it is ranked by. */
typedef struct Ranked {
    int feature;
    double most;
} Ranked;

static int
compare_ranked(const void *a, const void *b)
{
    const Ranked *x = a, *y = b;

    if (x->most != y->most)
        return x->most > y->most ? -1 : 1;
    return x->feature - y->feature;
}

/*
 * The features by their largest value, the first ones first. So both of the strongest pair come first, and if
 * some must be left out, none of theirs is as strong as the weakest that is shown.
 */
static Ranked *
rank_features(const CtrHeatmap *map)
{
    Ranked *ranked = palloc(sizeof(Ranked) * Max(map->n, 1));

    for (int a = 0; a < map->n; a++) {
        CHECK_FOR_INTERRUPTS();
        ranked[a] = (Ranked){.feature = a};
        for (int b = 0; b < map->n; b++) {
            if (a != b)
                ranked[a].most = fmax(ranked[a].most, map->values[(Size)a * map->n + b]);
        }
    }
    qsort(ranked, map->n, sizeof(Ranked), compare_ranked);
    return ranked;
}

/* 0 … STYLE_HEATS - 1 in equal steps */
static int
heat(double value, double most)
{
    return most > 0 ? Min((int)(value / most * STYLE_HEATS), STYLE_HEATS - 1) : 0;
}

static void
draw_cell(StringInfo out, const CtrHeatmap *map, int a, int b, double most, double x, double y, double size)
{
    const double value = map->values[(Size)a * map->n + b];

    appendStringInfo(out, "<path class=\"h%d\" d=\"M%.1f %.1fh%.1fv%.1fh-%.1fz\"><title>", heat(value, most),
                     x, y, size - 1, size - 1, size - 1);
    markup_append(out, map->names[a]);
    appendStringInfoString(out, " &#xD7; ");
    markup_append(out, map->names[b]);
    appendStringInfo(out, ": %.4f</title></path>", value);
}

/* the scale, in the corner that the triangle of cells leaves free */
static void
draw_legend(StringInfo out, double most)
{
    const double width = 22, left = WIDTH - 24 - STYLE_HEATS * width;

    for (int i = 0; i < STYLE_HEATS; i++)
        svg_rect(out, psprintf("h%d", i), left + i * width, TOP, width, LEGEND);
    for (int i = 0; i <= STYLE_HEATS; i += STYLE_HEATS / 3)
        svg_text(out,
                 i == STYLE_HEATS ? "soft end"
                 : i == 0         ? "soft"
                                  : "soft middle",
                 left + i * width, TOP + LEGEND + 15, psprintf("%.2g", most * i / STYLE_HEATS));
}

static void
draw_cells(StringInfo out, const CtrHeatmap *map, const Ranked *ranked, int n, double size)
{
    const bool small = size < 15;
    const char *soft = small ? "small end" : "end";
    const double room = NAME_ROOM / (small ? STYLE_SMALL_LETTERS : STYLE_LETTERS);

    for (int i = 0; i < n; i++) {
        const char *name = svg_shortened(map->names[ranked[i].feature], room);

        if (i > 0)
            svg_text(out, soft, LEFT - 6, TOP + (i - 0.5) * size + 4, name);
        if (i < n - 1)
            svg_text_upwards(out, soft, LEFT + (i + 0.5) * size + 4, TOP + (n - 1) * size + 7, name);
        for (int j = 0; j < i; j++)
            draw_cell(out, map, ranked[i].feature, ranked[j].feature, ranked[0].most, LEFT + j * size,
                      TOP + (i - 1) * size, size);
    }
}

void
plot_heatmap(StringInfo out, const CtrHeatmap *map)
{
    const Ranked *ranked = rank_features(map);
    const int n = Min(map->n, SHOWN_MOST);
    const double size = fmin(44, (double)(WIDTH - LEFT - 24) / Max(n - 1, 1));
    const char *rest = map->n > n ? psprintf("; the %d strongest of %d", n, map->n) : "";

    svg_begin(out, WIDTH, fmax(TOP + Max(n - 1, 0) * size + BELOW, TOP + LEGEND + 40), map->title);
    svg_text(out, "title", 24, 29, map->title);
    svg_text(out, "soft", 24, 49, psprintf("%s%s", map->unit, rest));
    if (n > 1) {
        draw_cells(out, map, ranked, n, size);
        draw_legend(out, ranked[0].most);
    } else
        svg_text(out, "soft", 24, TOP + 20, "a pair needs two features");
    svg_end(out);
}
