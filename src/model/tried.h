/*
 * tried.h: the settings that a training has compared, as a model keeps and shows them; see tried.c.
 */
#ifndef CTR_TRIED_H
#define CTR_TRIED_H

#include "model/json_tree.h"

/* As a JSON array of objects, in the order in which they were tried. */
char *tried_write(const CtrModel *model);
/* Reads what tried_write has written; memory from the model's context. false: it is something else. */
bool tried_read(CtrModel *model, const CtrJsonNode *tried);

#endif /* CTR_TRIED_H */
