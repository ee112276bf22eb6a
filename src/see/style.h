/* style.h: how pictures and pages look. Nothing else names a colour. */
#ifndef CTR_STYLE_H
#define CTR_STYLE_H

#define STYLE_HEATS 9 /* classes h0 … h8, from nothing to the most */

/* of pictures, which say by class what a shape is */
extern const char style_picture[];
/* of pages, beside it */
extern const char style_page[];

#endif /* CTR_STYLE_H */
