/*
 * onnx.c: ctr_to_onnx, a model as an ONNX file: its network as a graph (onnx_layers.c), and its encoder as
 * metadata (onnx_encoder.c). A build without protobuf-c says that it cannot.
 */
#include "model/model.h"

#ifdef CTR_WITH_ONNX

#include "miscadmin.h"

#include "io/onnx.h"

#define ENCODER_KEY "ctr.encoder"

/* ------------------------------------------------------------------ the bytes */

/* A bytea that protobuf-c fills piece by piece, its first member the library's. */
typedef struct OnnxBytes {
    ProtobufCBuffer base;
    char *end;
} OnnxBytes;

/* Serves interrupts: the library, since 1.4, has allocated nothing that an error would leak. */
static void
append_bytes(ProtobufCBuffer *buffer, size_t n, const uint8_t *bytes)
{
    OnnxBytes *to = (OnnxBytes *)buffer;

    ctr_copy(to->end, bytes, n);
    to->end += n;
}

static struct varlena *
pack_message(const Onnx__ModelProto *message, MemoryContext context)
{
    const Size size = onnx__model_proto__get_packed_size(message);
    OnnxBytes bytes = {.base = {append_bytes}};
    struct varlena *value;

    if (!AllocSizeIsValid(VARHDRSZ + size))
        ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                        errmsg("the model as ONNX has %zu MB, and a value cannot have more than %zu",
                               size >> 20, MaxAllocSize >> 20)));
    value = MemoryContextAlloc(context, VARHDRSZ + size);
    SET_VARSIZE(value, VARHDRSZ + size);
    bytes.end = VARDATA(value);
    onnx__model_proto__pack_to_buffer(message, &bytes.base);
    if (bytes.end != VARDATA(value) + size)
        elog(ERROR, "the model as ONNX has another size than it said");
    return value;
}

/* ------------------------------------------------------------------ the graph and what is around it */

static OnnxGraph *
create_graph(const CtrModel *model)
{
    const NnConfig *config = &model->net.config;
    const int classes = config->n_classes;
    OnnxGraph *graph = onnx_graph_create(model);
    const char *logits;

    if (config->n_num > 0)
        onnx_add_input(graph, "x_num", ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, config->n_num);
    if (config->n_cat > 0)
        onnx_add_input(graph, "x_cat", ONNX__TENSOR_PROTO__DATA_TYPE__INT64, config->n_cat);
    logits = onnx_add_network(graph);
    graph->layer = "probability";
    if (classes == 1) {
        const char *axes = onnx_list(graph, 1, (const int64[]){1});

        onnx_node(graph, "Squeeze", onnx_node(graph, "Sigmoid", logits, NULL), axes, NULL);
    } else {
        onnx_node(graph, "Softmax", logits, NULL);
        onnx_set_int(graph, "axis", 1);
    }
    onnx_name_output(graph, "probability");
    onnx_add_output(graph, "probability", classes == 1 ? 0 : classes);
    return graph;
}

static struct varlena *
model_to_onnx(const CtrModel *model, MemoryContext context)
{
    Onnx__ModelProto message = ONNX__MODEL_PROTO__INIT;
    Onnx__OperatorSetIdProto opset = ONNX__OPERATOR_SET_ID_PROTO__INIT, *opsets[] = {&opset};
    Onnx__StringStringEntryProto entry = ONNX__STRING_STRING_ENTRY_PROTO__INIT, *entries[] = {&entry};
    StringInfoData encoder;

    initStringInfo(&encoder);
    onnx_describe_encoder(&encoder, model);
    entry.key = ENCODER_KEY;
    entry.value = encoder.data;
    opset.domain = "";
    opset.has_version = true;
    opset.version = ONNX_OPSET;
    message.has_ir_version = true;
    message.ir_version = ONNX_IR_VERSION;
    message.producer_name = "ctr";
    message.producer_version = CTR_VERSION;
    message.n_opset_import = lengthof(opsets);
    message.opset_import = opsets;
    message.n_metadata_props = lengthof(entries);
    message.metadata_props = entries;
    message.graph = &create_graph(model)->proto;
    return pack_message(&message, context);
}

#else

static struct varlena *
model_to_onnx(const CtrModel *model, MemoryContext context)
{
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("ONNX is not supported"),
                    errdetail("This functionality requires ctr to be built with protobuf-c support.")));
}

#endif

/* CREATE FUNCTION ctr_to_onnx(ctr_model) RETURNS bytea */
PG_FUNCTION_INFO_V1(ctr_to_onnx);
Datum
ctr_to_onnx(PG_FUNCTION_ARGS)
{
    MemoryContext caller = CurrentMemoryContext;
    CtrModel *model = model_unpack(PG_GETARG_DATUM(0), caller);
    struct varlena *onnx;

    MemoryContextSwitchTo(model->context);
    onnx = model_to_onnx(model, caller);
    MemoryContextSwitchTo(caller);
    MemoryContextDelete(model->context);
    PG_RETURN_BYTEA_P(onnx);
}
