/* vocab_image.c: a vocabulary in a block of memory that other processes can read in place (image.h). */
#include "encode/vocab.h"

/* Copies the longer strings of `vocab` to `text`; `strings`, copies of its own, then say where they are. */
static void
write_text(const CtrVocab *vocab, VocabString *strings, char *text)
{
    Size at = 0;

    for (int32 id = 0; id < vocab->count; id++) {
        const uint32 length = vocab->strings[id].length;

        ctr_pause_at(id);
        if (length <= SHORT_LENGTH)
            continue;
        memcpy(text + at, vocab_string(vocab, &vocab->strings[id]), length);
        string_set_place(&strings[id], at);
        at += length;
    }
}

CtrVocab *
vocab_image(CtrImage *image, CtrVocab *given)
{
    CtrVocab *vocab = CTR_IMAGE_COPY(image, given, 1);
    VocabString *strings = CTR_IMAGE_PART(image, vocab->strings, vocab->count);
    char *text = image_part(image, NULL, vocab->long_bytes);

    if (image->does == CTR_IMAGE_WRITE)
        write_text(vocab, strings, text);
    vocab->slots = CTR_IMAGE_PART(image, vocab->slots, vocab->mask + 1);
    if (image->does == CTR_IMAGE_OPEN) {
        vocab_choose_key();
        vocab->context = CurrentMemoryContext;
        vocab->strings = strings;
        vocab->text = (uintptr_t)text;
        vocab->room = vocab->count;
        vocab->chunk = NULL;
        vocab->chunk_left = 0;
    }
    return vocab;
}
