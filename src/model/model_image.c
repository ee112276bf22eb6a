/*
 * model_image.c: goes through the parts of an unpacked model. In the block are all large ones, parameters,
 * vocabularies, statistics. A process that opens it makes for itself what has addresses: the options, from
 * their record, the network's description and the encoder's structs.
 */
#include "model/model_image.h"

#include "common/hashfn.h"

#include "model/layout.h"
#include "model/record.h"
#include "nn/infer/scorer.h"

static void
image_options(CtrImage *image, CtrModel *model)
{
    const bool opens = image->does == CTR_IMAGE_OPEN;
    const char *record = image_string(image, opens ? NULL : record_write(&model->options));

    if (opens) {
        memset(&model->options, 0, sizeof(model->options));
        (void)record_read(&model->options, json_tree(record), model->version, NULL);
    }
}

static void
image_insight(CtrImage *image, CtrModel *model)
{
    CtrInsightTensor tensors[CTR_MODEL_INSIGHTS];

    insight_tensors(model, tensors);
    for (int i = 0; i < CTR_MODEL_INSIGHTS; i++) {
        if (tensors[i].n > 0)
            *tensors[i].values = CTR_IMAGE_PART(image, *tensors[i].values, tensors[i].n);
    }
}

static void
image_training(CtrImage *image, CtrModel *model)
{
    model->history = CTR_IMAGE_PART(image, model->history, model->n_epochs);
    model->tried = CTR_IMAGE_COPY(image, model->tried, model->n_tried);
    for (int i = 0; i < model->n_tried; i++)
        model->tried[i].name = image_string(image, model->tried[i].name);
    if (model->label_rows)
        model->label_rows = CTR_IMAGE_PART(image, model->label_rows, Max(model->options.net.n_classes, 2));
}

static CtrModel *
image_model(CtrImage *image, CtrModel *given, void **weights)
{
    CtrModel *model = CTR_IMAGE_COPY(image, given, 1);

    model->version = image_string(image, model->version);
    image_options(image, model);
    model->encoder = encoder_image(image, model->encoder);
    if (image->does == CTR_IMAGE_OPEN) {
        model->context = CurrentMemoryContext;
        (void)model_create_net(model, NULL);
    }
    model->params = CTR_IMAGE_PART(image, model->params, model->net.n_block);
    *weights = image_part(image, *weights, scorer_weights_size(&model->net));
    image_training(image, model);
    image_insight(image, model);
    return model;
}

Size
model_image_size(CtrModel *model, void *weights)
{
    CtrImage image = {.does = CTR_IMAGE_COUNT};

    image_model(&image, model, &weights);
    return image.used;
}

void
model_image_write(CtrModel *model, void *weights, char *block)
{
    CtrImage image = {.does = CTR_IMAGE_WRITE, .block = block};

    image_model(&image, model, &weights);
}

CtrModel *
model_image_open(char *block, MemoryContext parent, void **weights)
{
    MemoryContext context = AllocSetContextCreate(parent, "ctr model", ALLOCSET_DEFAULT_SIZES);
    MemoryContext caller = MemoryContextSwitchTo(context);
    CtrImage image = {.does = CTR_IMAGE_OPEN, .block = block};
    CtrModel *model = image_model(&image, NULL, weights);

    MemoryContextSwitchTo(caller);
    return model;
}

uint32
model_image_layout(void)
{
    const Size sizes[] = {sizeof(CtrModel),    sizeof(CtrOptions), sizeof(CtrEncoder), sizeof(CtrFeature),
                          sizeof(NnTransform), sizeof(CtrBuckets), sizeof(NnNet),      sizeof(CtrTried)};

    return hash_bytes((const unsigned char *)sizes, sizeof(sizes));
}
