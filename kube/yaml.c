/* SPDX-License-Identifier: Apache-2.0 */
/* A kubeconfig's YAML (or JSON, which is YAML) as a cJSON tree. */
#include <string.h>
#include <yaml.h>

#include "kube/impl.h"

enum { DEPTH_MAX = 64, NODES_MAX = 1000000 };

struct walk {
    yaml_document_t *doc;
    int left; /* nodes that may still be made: an alias to an alias to … is not expanded for ever */
};

static cJSON *node_json(struct walk *w, int index, int depth, struct err *err);

static cJSON *scalar_json(const yaml_node_t *node)
{
    const char *s = (const char *)node->data.scalar.value;

    if (node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE) {
        if (str_eq(s, "true") || str_eq(s, "false"))
            return cJSON_CreateBool(s[0] == 't');
        if (str_eq(s, "null") || str_eq(s, "~") || str_eq(s, ""))
            return cJSON_CreateNull();
    }
    return cJSON_CreateString(s);
}

static cJSON *sequence_json(struct walk *w, const yaml_node_t *node, int depth, struct err *err)
{
    cJSON *j = cJSON_CreateArray();

    for (const yaml_node_item_t *i = node->data.sequence.items.start; i < node->data.sequence.items.top; i++) {
        cJSON *child = node_json(w, *i, depth + 1, err);

        if (!child) {
            cJSON_Delete(j);
            return NULL;
        }
        cJSON_AddItemToArray(j, child);
    }
    return j;
}

static cJSON *mapping_json(struct walk *w, const yaml_node_t *node, int depth, struct err *err)
{
    cJSON *j = cJSON_CreateObject();

    for (const yaml_node_pair_t *p = node->data.mapping.pairs.start; p < node->data.mapping.pairs.top; p++) {
        const yaml_node_t *key = yaml_document_get_node(w->doc, p->key);
        cJSON *child = NULL;

        if (key->type != YAML_SCALAR_NODE)
            err_set(err, ERR_INPUT, 0, "line %zu: a key must be a plain text", key->start_mark.line + 1);
        else
            child = node_json(w, p->value, depth + 1, err);
        if (!child) {
            cJSON_Delete(j);
            return NULL;
        }
        json_set(j, (const char *)key->data.scalar.value, child);
    }
    return j;
}

static cJSON *node_json(struct walk *w, int index, int depth, struct err *err)
{
    const yaml_node_t *node = yaml_document_get_node(w->doc, index);

    if (depth > DEPTH_MAX || --w->left < 0) {
        err_set(err, ERR_INPUT, 0, "line %zu: nested too deeply, or an alias inside itself", node->start_mark.line + 1);
        return NULL;
    }
    switch (node->type) {
    case YAML_SCALAR_NODE:
        return scalar_json(node);
    case YAML_SEQUENCE_NODE:
        return sequence_json(w, node, depth, err);
    case YAML_MAPPING_NODE:
        return mapping_json(w, node, depth, err);
    default:
        return cJSON_CreateNull();
    }
}

cJSON *kube_yaml_parse(const char *text, size_t len, struct err *err)
{
    yaml_parser_t parser;
    yaml_document_t doc;
    cJSON *j = NULL;

    if (!yaml_parser_initialize(&parser)) {
        err_set(err, ERR_SYS, 0, "no memory for the YAML parser");
        return NULL;
    }
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
    if (!yaml_parser_load(&parser, &doc)) {
        err_set(err, ERR_INPUT, 0, "line %zu, column %zu: not valid YAML: %s", parser.problem_mark.line + 1,
                parser.problem_mark.column + 1, parser.problem ? parser.problem : "unreadable");
        yaml_parser_delete(&parser);
        return NULL;
    }
    if (yaml_document_get_root_node(&doc)) {
        struct walk w = {&doc, NODES_MAX};

        j = node_json(&w, 1, 0, err);
    } else {
        err_set(err, ERR_INPUT, 0, "the file is empty");
    }
    yaml_document_delete(&doc);
    yaml_parser_delete(&parser);
    return j;
}
