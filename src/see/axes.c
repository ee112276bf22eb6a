/* axes.c: axes with round ticks. */
#include "see/plot.h"

#include <math.h>

#include "see/style.h"

#define NAME_RIGHT 24   /* where the name of the upright axis ends */
#define LEFT_LEAST 74   /* so that frames of pictures side by side mostly begin in one place */
#define DIGIT      0.64 /* the width of a tick's digits, in their size */

/* the least of 1, 2, 5, 10, 20, … and their tenths that is not below `least` */
static double
round_step(double least)
{
    static const double steps[] = {1, 2, 5, 10};
    const double power = pow(10, floor(log10(least)));

    for (int i = 0; i < (int)lengthof(steps); i++) {
        if (steps[i] * power >= least * (1 - 1e-9))
            return steps[i] * power;
    }
    return 10 * power;
}

/* Where there is nothing between low and high, the axis reaches a little further on both sides. */
CtrAxis
axis_for(double low, double high, int ticks, bool whole)
{
    CtrAxis axis = {.low = low, .high = high};

    if (!(axis.high - axis.low > 1e-9 * fmax(fabs(axis.low), fabs(axis.high)))) {
        const double margin = fmax(fabs(axis.low) / 10, 1e-6);

        axis.low -= margin;
        axis.high += margin;
    }
    axis.step = round_step((axis.high - axis.low) / ticks);
    if (whole)
        axis.step = fmax(1, round(axis.step));
    axis.decimals = (int)Min(Max(ceil(-log10(axis.step) - 1e-9), 0), 15);
    return axis;
}

double
frame_x(const CtrFrame *frame, double value)
{
    return frame->left +
           (value - frame->x.low) / (frame->x.high - frame->x.low) * (frame->right - frame->left);
}

double
frame_y(const CtrFrame *frame, double value)
{
    return frame->bottom -
           (value - frame->y.low) / (frame->y.high - frame->y.low) * (frame->bottom - frame->top);
}

double
frame_left(const CtrAxis *y)
{
    const int low = (int)strlen(psprintf("%.*f", y->decimals, y->low));
    const int high = (int)strlen(psprintf("%.*f", y->decimals, y->high));

    return fmax(LEFT_LEAST, NAME_RIGHT + 8 + DIGIT * STYLE_LETTERS * Max(low, high));
}

/* the first tick, in steps; those that follow are counted, so that none drifts */
static double
first_tick(const CtrAxis *axis)
{
    return ceil(axis->low / axis->step - 1e-6);
}

static bool
is_tick(const CtrAxis *axis, double tick)
{
    return tick * axis->step <= axis->high + axis->step * 1e-6;
}

void
frame_draw(StringInfo out, const CtrFrame *frame, const char *x_label, const char *y_label)
{
    for (double i = first_tick(&frame->y); is_tick(&frame->y, i); i++) {
        const double y = frame_y(frame, i * frame->y.step);

        svg_line(out, "grid", frame->left, y, frame->right, y);
        svg_text(out, "soft end", frame->left - 8, y + 4,
                 psprintf("%.*f", frame->y.decimals, i * frame->y.step + 0.0));
    }
    for (double i = first_tick(&frame->x); is_tick(&frame->x, i); i++) {
        const double x = frame_x(frame, i * frame->x.step);

        svg_line(out, "axis", x, frame->bottom, x, frame->bottom + 5);
        svg_text(out, "soft middle", x, frame->bottom + 20,
                 psprintf("%.*f", frame->x.decimals, i * frame->x.step + 0.0));
    }
    svg_line(out, "axis", frame->left, frame->bottom, frame->right, frame->bottom);
    svg_text(out, "soft middle", (frame->left + frame->right) / 2, frame->bottom + 40, x_label);
    svg_text_upwards(out, "soft middle", 18, (frame->top + frame->bottom) / 2, y_label);
}
