/* image.c: goes through the parts of a block that has no addresses. */
#include "image.h"

void *
image_part(CtrImage *image, const void *given, Size size)
{
    const Size at = image->used;
    char *part;

    image->used = add_size(at, TYPEALIGN(64, size));
    if (image->does == CTR_IMAGE_COUNT)
        return unconstify(void *, given);
    part = image->block + at;
    if (image->does == CTR_IMAGE_WRITE && given != NULL)
        ctr_copy(part, given, size);
    return part;
}

void *
image_copy(CtrImage *image, const void *given, Size size)
{
    const void *part = image_part(image, given, size);

    if (image->does != CTR_IMAGE_OPEN)
        return unconstify(void *, given);
    return memcpy(palloc(Max(size, 1)), part, size);
}

char *
image_string(CtrImage *image, const char *given)
{
    /* with the zero at its end; 0: there is none */
    const Size length = given == NULL || image->does == CTR_IMAGE_OPEN ? 0 : strlen(given) + 1;
    const Size *size = image_part(image, &length, sizeof(length));

    return *size == 0 ? NULL : image_copy(image, given, *size);
}
