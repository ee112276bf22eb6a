/* style.h: how pictures and pages look. Nothing else names a colour. */
#ifndef CTR_STYLE_H
#define CTR_STYLE_H

#define STYLE_HEATS 9 /* classes h0 … h8, from nothing to the most */

/* sizes of letters in pictures, and of class "small" */
#define STYLE_LETTERS       13.0
#define STYLE_SMALL_LETTERS 11.0

/* of pictures, which say by class what a shape is */
extern const char style_picture[];
/* of pages, beside it */
extern const char style_page[];

#endif /* CTR_STYLE_H */
