/*
 * record.h: the options in a model's bytes, which later versions of ctr must be able to read; see record.c.
 */
#ifndef CTR_RECORD_H
#define CTR_RECORD_H

#include "model/json_tree.h"
#include "options/table.h"

/* The options as the JSON text that a model keeps: the same text for the same options. */
char *record_write(const CtrOptions *options);
/*
 * Reads what record_write of this or any released version has written. version: of the ctr that wrote it, for
 * messages. Names are copied into the current context. false: reported to escontext (or raised, where that is
 * NULL): ERRCODE_FEATURE_NOT_SUPPORTED for what only a later version can know, else "invalid ctr_model: …".
 */
bool record_read(CtrOptions *options, const CtrJsonNode *record, const char *version, Node *escontext);
/*
 * Reads one value (record_value.c). false: this version does not know it; a member that is a single number is
 * then unchanged.
 */
bool record_read_value(CtrOptions *options, const OptionSpec *spec, const CtrJsonNode *node);

#endif /* CTR_RECORD_H */
