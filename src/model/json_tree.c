/*
 * json_tree.c: builds the tree of a JSON document from the events of PostgreSQL's parser.
 *
 * The bytes come from anywhere, so size and depth are limited before the parser sees them: it recurses, and
 * raises an error where the stack ends.
 */
#include "model/json_tree.h"

#include "mb/pg_wchar.h"

typedef struct TreeState {
    CtrJsonNode *root, *open; /* open: the object or array that the parser is in */
    const char *key;          /* of the next value */
} TreeState;

/* Does the text open more than CTR_JSON_TREE_DEPTH objects and arrays within one another? */
static bool
nests_too_deeply(const char *text)
{
    bool in_string = false;
    int depth = 0;

    for (const char *c = text; *c != '\0' && depth <= CTR_JSON_TREE_DEPTH; c++) {
        if (in_string && *c == '\\' && c[1] != '\0')
            c++;
        else if (*c == '"')
            in_string = !in_string;
        else if (!in_string && (*c == '{' || *c == '['))
            depth++;
        else if (!in_string && (*c == '}' || *c == ']'))
            depth--;
    }
    return depth > CTR_JSON_TREE_DEPTH;
}

static CtrJsonNode *
add_node(TreeState *state, JsonTokenType type, const char *text)
{
    CtrJsonNode *node = palloc0(sizeof(CtrJsonNode));

    *node = (CtrJsonNode){.type = type, .key = state->key, .text = text, .parent = state->open};
    state->key = NULL;
    if (state->open == NULL)
        state->root = node;
    else if (state->open->last == NULL)
        state->open->first = state->open->last = node;
    else
        state->open->last = state->open->last->next = node;
    return node;
}

static CTR_JSON_ACTION
on_object_start(void *arg)
{
    TreeState *state = arg;

    state->open = add_node(state, JSON_TOKEN_OBJECT_START, NULL);
    CTR_JSON_ACTION_END(true);
}

static CTR_JSON_ACTION
on_array_start(void *arg)
{
    TreeState *state = arg;

    state->open = add_node(state, JSON_TOKEN_ARRAY_START, NULL);
    CTR_JSON_ACTION_END(true);
}

static CTR_JSON_ACTION
on_end(void *arg)
{
    TreeState *state = arg;

    state->open = state->open->parent;
    CTR_JSON_ACTION_END(true);
}

static CTR_JSON_ACTION
on_field_start(void *arg, char *name, bool isnull)
{
    ((TreeState *)arg)->key = name;
    CTR_JSON_ACTION_END(true);
}

static CTR_JSON_ACTION
on_scalar(void *arg, char *token, JsonTokenType type)
{
    add_node(arg, type, token);
    CTR_JSON_ACTION_END(true);
}

const CtrJsonNode *
json_tree(const char *text)
{
    TreeState state = {0};
    JsonSemAction actions = {.semstate = &state,
                             .object_start = on_object_start,
                             .object_end = on_end,
                             .array_start = on_array_start,
                             .array_end = on_end,
                             .object_field_start = on_field_start,
                             .scalar = on_scalar};
    Size size = strlen(text);

    if (size > CTR_JSON_TREE_SIZE || nests_too_deeply(text))
        return NULL;
    if (pg_parse_json(json_lexer(unconstify(char *, text), (int)size, GetDatabaseEncoding()), &actions) !=
        JSON_SUCCESS)
        return NULL;
    return state.root;
}

const CtrJsonNode *
json_member(const CtrJsonNode *object, const char *key)
{
    if (object->type != JSON_TOKEN_OBJECT_START)
        return NULL;
    for (const CtrJsonNode *node = object->first; node != NULL; node = node->next) {
        if (strcmp(node->key, key) == 0)
            return node;
    }
    return NULL;
}

bool
json_tree_strings(const CtrJsonNode *array, int *n, char ***strings)
{
    int at = 0;

    *n = 0;
    if (array->type != JSON_TOKEN_ARRAY_START)
        return false;
    for (const CtrJsonNode *node = array->first; node != NULL; node = node->next) {
        if (node->type != JSON_TOKEN_STRING)
            return false;
        ++*n;
    }
    *strings = palloc(sizeof(char *) * Max(*n, 1));
    for (const CtrJsonNode *node = array->first; node != NULL; node = node->next)
        (*strings)[at++] = pstrdup(node->text);
    return true;
}
