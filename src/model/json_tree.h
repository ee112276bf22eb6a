/*
 * json_tree.h: a small JSON document as a tree, with none of jsonb's limits and errors; what models keep in
 * JSON.
 */
#ifndef CTR_JSON_TREE_H
#define CTR_JSON_TREE_H

#include "model/model.h"

#include "common/jsonapi.h"

#define CTR_JSON_TREE_SIZE  ((Size)4 * 1024 * 1024) /* largest document, in bytes */
#define CTR_JSON_TREE_DEPTH 16                      /* of nesting, at most */

typedef struct CtrJsonNode {
    JsonTokenType type; /* of the value's first token: JSON_TOKEN_OBJECT_START, JSON_TOKEN_STRING, … */
    const char *key;    /* where it is a member of an object; NULL: it is not */
    const char *text;   /* a string without its quotes, or a number as it is written */
    struct CtrJsonNode *first, *last; /* the members or elements */
    struct CtrJsonNode *parent, *next;
} CtrJsonNode;

/* NULL: not valid JSON, or larger or deeper than the limits above. Memory from the current context. */
const CtrJsonNode *json_tree(const char *text);
/* The member of an object; NULL: there is none, or it is no object. */
const CtrJsonNode *json_member(const CtrJsonNode *object, const char *key);
/* The elements of an array of nothing but strings; false: it is something else. */
bool json_tree_strings(const CtrJsonNode *array, int *n, char ***strings);

#endif /* CTR_JSON_TREE_H */
