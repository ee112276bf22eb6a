/*
 * model_image.h: an unpacked model, with what a scorer makes of its weights, as a block of memory that other
 * processes can read in place (image.h, model_image.c).
 */
#ifndef CTR_MODEL_IMAGE_H
#define CTR_MODEL_IMAGE_H

#include "model/model.h"

/* weights: scorer_weights_size(net) bytes (nn/infer/scorer.h) */
Size model_image_size(CtrModel *model, void *weights);
/* Writes so many bytes to `block`, which is aligned to 64 bytes. Afterwards the model must not be used. */
void model_image_write(CtrModel *model, void *weights, char *block);
/*
 * The model of a block, which must outlive it, in a memory context of its own under `parent`. Nobody writes
 * to the block.
 */
CtrModel *model_image_open(char *block, MemoryContext parent, void **weights);
/* Changes with the structs that are in a block. */
uint32 model_image_layout(void);

#endif /* CTR_MODEL_IMAGE_H */
