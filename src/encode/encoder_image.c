/*
 * encoder_image.c: an encoder that scores in a block of memory that other processes can read in place
 * (image.h).
 */
#include "encode/encode.h"

static void
image_numbers(CtrImage *image, CtrEncoder *encoder)
{
    const int n = encoder->n_num;

    encoder->transforms = CTR_IMAGE_COPY(image, encoder->transforms, n);
    for (int i = 0; i < n; i++) {
        NnTransform *t = &encoder->transforms[i];

        t->quantiles = CTR_IMAGE_PART(image, t->quantiles, t->n_quantiles);
    }
    if (encoder->buckets == NULL)
        return;
    encoder->buckets = CTR_IMAGE_COPY(image, encoder->buckets, n);
    for (int i = 0; i < n; i++) {
        CtrBuckets *buckets = &encoder->buckets[i];

        buckets->bounds = CTR_IMAGE_PART(image, buckets->bounds, buckets->n_bounds);
    }
}

static void
image_categories(CtrImage *image, CtrEncoder *encoder)
{
    const int n = encoder->n_cat + encoder->n_crosses;

    encoder->categories = CTR_IMAGE_PART(image, encoder->categories, encoder->d_cat);
    encoder->vocabs = CTR_IMAGE_COPY(image, encoder->vocabs, n);
    encoder->frequencies = CTR_IMAGE_COPY(image, encoder->frequencies, n);
    for (int f = 0; f < n; f++) {
        encoder->vocabs[f] = vocab_image(image, encoder->vocabs[f]);
        encoder->frequencies[f] =
            CTR_IMAGE_PART(image, encoder->frequencies[f], vocab_count(encoder->vocabs[f]));
    }
}

static void
image_crosses(CtrImage *image, CtrEncoder *encoder)
{
    const int n = encoder->n_crosses;

    if (n == 0)
        return;
    encoder->crosses = CTR_IMAGE_PART(image, encoder->crosses, n);
    encoder->pair_rows = CTR_IMAGE_COPY(image, encoder->pair_rows, n);
    for (int k = 0; k < n; k++) {
        int32 **rows = &encoder->pair_rows[k];

        if (*rows != NULL)
            *rows = CTR_IMAGE_PART(image, *rows, vocab_count(encoder->vocabs[encoder->n_cat + k]));
    }
}

static void
image_statistics(CtrImage *image, CtrEncoder *encoder)
{
    const int n = encoder->n_statistics;

    if (n == 0)
        return;
    encoder->statistics = CTR_IMAGE_COPY(image, encoder->statistics, n);
    for (int f = 0; f < n; f++)
        encoder->statistics[f] = CTR_IMAGE_PART(image, encoder->statistics[f], encoder->categories[f]);
}

CtrEncoder *
encoder_image(CtrImage *image, CtrEncoder *given)
{
    CtrEncoder *encoder = CTR_IMAGE_COPY(image, given, 1);
    const int n = encoder->n_num + encoder->n_cat;

    Assert(encoder->sums == NULL);
    if (image->does == CTR_IMAGE_OPEN)
        encoder->context = CurrentMemoryContext;
    encoder->features = CTR_IMAGE_COPY(image, encoder->features, n);
    for (int i = 0; i < n; i++)
        encoder->features[i].name = image_string(image, encoder->features[i].name);
    image_numbers(image, encoder);
    image_categories(image, encoder);
    image_crosses(image, encoder);
    image_statistics(image, encoder);
    return encoder;
}
