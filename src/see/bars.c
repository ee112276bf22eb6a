/* bars.c: a picture of bars, the longest first. */
#include "see/plot.h"

#include <math.h>

#include "see/style.h"

#define WIDTH     640
#define BARS_MOST 60  /* the picture says how many are left out */
#define PITCH     21  /* from bar to bar */
#define LEFT      212 /* room for names; whole ones are shown where the pointer rests on the bar */

static void
draw_bar(StringInfo out, const CtrBars *bars, int i, double top, double width)
{
    char *value = psprintf("%.4f", bars->values[i]);

    appendStringInfoString(out, "<g><title>");
    markup_append(out, bars->names[i]);
    appendStringInfo(out, ": %s</title>", value);
    svg_text(out, "end", LEFT - 8, top + 12, svg_shortened(bars->names[i], (LEFT - 14) / STYLE_LETTERS));
    svg_rect(out, "fill", LEFT, top, Max(width, 0.5), PITCH - 6);
    svg_text(out, "soft", LEFT + width + 7, top + 12, value);
    appendStringInfoString(out, "</g>");
}

void
plot_bars(StringInfo out, const CtrBars *bars)
{
    const int n = Min(bars->n, BARS_MOST);
    const double right = WIDTH - 74, top = 64;
    const char *rest = bars->n > n ? psprintf("; the first %d of %d", n, bars->n) : "";
    double most = 0;

    for (int i = 0; i < n; i++)
        most = fmax(most, bars->values[i]);
    svg_begin(out, WIDTH, top + n * PITCH + 16, bars->title);
    svg_text(out, "title", 24, 29, bars->title);
    svg_text(out, "soft", 24, 49, psprintf("%s%s", bars->unit, rest));
    for (int i = 0; i < n; i++)
        draw_bar(out, bars, i, top + i * PITCH, most > 0 ? bars->values[i] / most * (right - LEFT) : 0);
    svg_end(out);
}
