/*
 * plot.h: pictures of plain numbers. Each appends one <svg>. Memory from the current context.
 */
#ifndef CTR_PLOT_H
#define CTR_PLOT_H

#include "see/svg.h"

/* ------------------------------------------------------------------ axes.c: a frame with two axes */

typedef struct CtrAxis {
    double low, high, step; /* step: from tick to tick */
    int decimals;
} CtrAxis;

typedef struct CtrFrame {
    double left, top, right, bottom;
    CtrAxis x, y;
} CtrFrame;

/* An axis that holds low … high, with about so many round ticks; whole: none between integers */
CtrAxis axis_for(double low, double high, int ticks, bool whole);
double frame_x(const CtrFrame *frame, double value);
double frame_y(const CtrFrame *frame, double value);
/* where a frame may begin at the left, so that the ticks' numbers have room beside the upright axis's name */
double frame_left(const CtrAxis *y);
/* grid, ticks, and what the axes are called */
void frame_draw(StringInfo out, const CtrFrame *frame, const char *x_label, const char *y_label);

/* ------------------------------------------------------------------ curves.c */

/*
 * A metric of training and of validation rows by epoch; NaN: not measured. best: the epoch to mark, from 1,
 * or 0. The documents' plot_metric.
 */
typedef struct CtrEpochCurves {
    const char *title, *unit;
    const char *names[2];
    const double *values[2];
    int n, best;
} CtrEpochCurves;

void plot_epochs(StringInfo out, const CtrEpochCurves *curves);

/* A curve in the unit square beside its diagonal. note: a line below the title */
typedef struct CtrSquareCurve {
    const char *title, *note, *x_label, *y_label;
    const double *x, *y;
    int n;
    double most;  /* both axes are 0 … most, 1 or less */
    bool dots;    /* a dot at every point */
    char **hints; /* [n] of the dots; NULL where there are none */
} CtrSquareCurve;

void plot_square(StringInfo out, const CtrSquareCurve *curve);

/* ------------------------------------------------------------------ bars.c */

/* Values of names, the largest first and none below 0. */
typedef struct CtrBars {
    const char *title, *unit;
    const char *const *names;
    const double *values;
    int n;
} CtrBars;

void plot_bars(StringInfo out, const CtrBars *bars);

/* ------------------------------------------------------------------ heatmap.c */

/* Values [n, n], symmetric and none below 0, of pairs of names; the diagonal does not count. */
typedef struct CtrHeatmap {
    const char *title, *unit;
    const char *const *names;
    const double *values;
    int n;
} CtrHeatmap;

void plot_heatmap(StringInfo out, const CtrHeatmap *map);

#endif /* CTR_PLOT_H */
