/* curves.c: pictures of curves: a metric by epoch, and curves in the unit square. */
#include "see/plot.h"

#include <math.h>

#define WIDTH      640
#define HEIGHT     380
#define SIDE       460 /* of a square picture */
#define DOTS_MOST  60  /* epochs; more have no dots */
#define LEGEND_GAP 110

/* ------------------------------------------------------------------ by epoch */

/* the lowest and highest of the values; false: none was measured */
static bool
values_range(const CtrEpochCurves *curves, double *low, double *high)
{
    *low = INFINITY;
    *high = -INFINITY;
    for (int k = 0; k < 2; k++) {
        for (int i = 0; i < curves->n; i++) {
            if (isfinite(curves->values[k][i])) {
                *low = fmin(*low, curves->values[k][i]);
                *high = fmax(*high, curves->values[k][i]);
            }
        }
    }
    return *low <= *high;
}

static bool
is_measured(const CtrEpochCurves *curves, int k)
{
    for (int i = 0; i < curves->n; i++) {
        if (isfinite(curves->values[k][i]))
            return true;
    }
    return false;
}

static void
draw_epochs(StringInfo out, const CtrFrame *frame, const CtrEpochCurves *curves, int k)
{
    double *x = palloc(sizeof(double) * curves->n), *y = palloc(sizeof(double) * curves->n);

    for (int i = 0; i < curves->n; i++) {
        const double value = curves->values[k][i];

        x[i] = frame_x(frame, i + 1);
        y[i] = isfinite(value) ? frame_y(frame, value) : NAN;
    }
    svg_curve(out, k == 0 ? "one" : "two", x, y, curves->n);
    for (int i = 0; i < curves->n && curves->n <= DOTS_MOST; i++) {
        if (!isnan(y[i]))
            svg_dot(out, k == 0 ? "dot-one" : "dot-two", x[i], y[i], curves->n > 25 ? 2.5 : 4,
                    psprintf("epoch %d: %s %.4f", i + 1, curves->names[k], curves->values[k][i]));
    }
}

/* the metric of the epoch whose weights the model has: of validation rows, or else of training rows */
static void
mark_best(StringInfo out, const CtrFrame *frame, const CtrEpochCurves *curves)
{
    const int k = is_measured(curves, 1) ? 1 : 0;
    const double value = curves->values[k][curves->best - 1];
    const double x = frame_x(frame, curves->best);
    const bool at_right = x > (frame->left + frame->right) / 2;
    char *text = isfinite(value) ? psprintf("best epoch %d: %.4f", curves->best, value)
                                 : psprintf("best epoch %d", curves->best);

    svg_line(out, "mark", x, frame->top, x, frame->bottom);
    if (isfinite(value))
        svg_dot(out, "dot-mark", x, frame_y(frame, value), 7.5, text);
    svg_text(out, at_right ? "best end" : "best", x + (at_right ? -7 : 7), frame->top + 12, text);
}

static void
draw_legend(StringInfo out, const CtrEpochCurves *curves)
{
    double x = WIDTH - 24;

    for (int k = 1; k >= 0; k--) {
        if (!is_measured(curves, k))
            continue;
        svg_line(out, k == 0 ? "one" : "two", x - LEGEND_GAP + 10, 24, x - LEGEND_GAP + 38, 24);
        svg_text(out, "", x - LEGEND_GAP + 45, 28, curves->names[k]);
        x -= LEGEND_GAP;
    }
}

void
plot_epochs(StringInfo out, const CtrEpochCurves *curves)
{
    CtrFrame frame = {.top = 54, .right = WIDTH - 24, .bottom = HEIGHT - 56};
    double low, high;

    svg_begin(out, WIDTH, HEIGHT, curves->title);
    svg_text(out, "title", 24, 29, curves->title);
    if (values_range(curves, &low, &high)) {
        const double side = fmax(0.5, curves->n * 0.015), margin = (high - low) * 0.08;

        frame.x = axis_for(1, curves->n, 10, true);
        frame.x.low = 1 - side;
        frame.x.high = curves->n + side;
        frame.y = axis_for(low - margin, high + margin * 2, 6, false);
        frame.left = frame_left(&frame.y);
        frame_draw(out, &frame, "epoch", curves->unit);
        for (int k = 0; k < 2; k++)
            draw_epochs(out, &frame, curves, k);
        if (curves->best > 0)
            mark_best(out, &frame, curves);
        draw_legend(out, curves);
    } else
        svg_text(out, "soft middle", WIDTH / 2, HEIGHT / 2, "not measured in this training");
    svg_end(out);
}

/* ------------------------------------------------------------------ in the unit square */

void
plot_square(StringInfo out, const CtrSquareCurve *curve)
{
    CtrFrame frame = {.top = 74, .right = SIDE - 24, .bottom = SIDE - 6};
    double *x = palloc(sizeof(double) * Max(curve->n, 1)), *y = palloc(sizeof(double) * Max(curve->n, 1));

    frame.x = frame.y = axis_for(0, curve->most, 6, false);
    frame.left = frame_left(&frame.y);
    svg_begin(out, SIDE, SIDE + 48, curve->title);
    svg_text(out, "title", 24, 29, curve->title);
    svg_text(out, "soft", 24, 51, curve->note);
    frame_draw(out, &frame, curve->x_label, curve->y_label);
    svg_line(out, "chance", frame.left, frame.bottom, frame.right, frame.top);
    for (int i = 0; i < curve->n; i++) {
        x[i] = frame_x(&frame, curve->x[i]);
        y[i] = frame_y(&frame, curve->y[i]);
    }
    svg_curve(out, "two", x, y, curve->n);
    for (int i = 0; i < curve->n && curve->dots; i++)
        svg_dot(out, "dot-two", x[i], y[i], 4, curve->hints[i]);
    svg_end(out);
}
