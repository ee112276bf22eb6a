/*
 * svg.h: pictures as SVG, text by text and line by line. What is written is ASCII, whatever the database's
 * encoding and the client's; class: one of see/style.h. Coordinates are CSS pixels from the upper left.
 */
#ifndef CTR_SVG_H
#define CTR_SVG_H

#include "ctr.h"

#include "lib/stringinfo.h"

/*
 * Text between tags or in an attribute, of HTML too. Characters that XML forbids, and those that would change
 * the direction of what follows, become pictures of themselves or U+FFFD.
 */
void markup_append(StringInfo out, const char *text);

/* as much of a name as is so many ems wide, with dots at the end where it is wider */
char *svg_shortened(const char *name, double width);

/* title: what the picture shows, for those who do not see it; not drawn */
void svg_begin(StringInfo out, double width, double height, const char *title);
void svg_end(StringInfo out);
void svg_line(StringInfo out, const char *class, double x1, double y1, double x2, double y2);
void svg_rect(StringInfo out, const char *class, double x, double y, double width, double height);
/* hint: shown where the pointer rests on it */
void svg_dot(StringInfo out, const char *class, double x, double y, double radius, const char *hint);
void svg_text(StringInfo out, const char *class, double x, double y, const char *text);
/* the same, turned to be read from below */
void svg_text_upwards(StringInfo out, const char *class, double x, double y, const char *text);
/* A line through n points; where y[i] is NaN it is interrupted. */
void svg_curve(StringInfo out, const char *class, const double *x, const double *y, int n);

#endif /* CTR_SVG_H */
