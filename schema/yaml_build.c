/* SPDX-License-Identifier: Apache-2.0 */
/* libyaml's events → cJSON with places. Aliases are copied, with every copy counted, so that a small text cannot become
 * a large tree. */
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/mem.h"
#include "schema/yaml_internal.h"

#define ALIAS_BYTES_MAX (8u << 20) /* text that aliases may multiply to */
#define ANCHORS_MAX 1000u          /* they are searched one after the other */

struct anchor {
    char *name;
    cJSON *item; /* NULL while its node is still being read */
};

struct build {
    struct schema_yaml *y;
    const char *text;
    size_t len;
    yaml_parser_t parser;
    struct anchor *anchors; /* of the current document */
    size_t n_anchors;
    cJSON *kept; /* values of "<<", and keys: anchors may point into them until the document ends */
    size_t nodes, alias_bytes;
    struct err *err;
};

/* A mapping being read. */
struct mapping {
    cJSON *object;
    struct keyset keys;
    const cJSON *merged; /* value of its "<<"; NULL */
    struct schema_pos merge_at;
};

static struct schema_pos pos_of(yaml_mark_t mark)
{
    return (struct schema_pos){(unsigned)mark.line + 1, (unsigned)mark.column + 1};
}

/* libyaml gives broken bytes by offset only. */
static struct schema_pos pos_at_byte(const struct build *b, size_t offset)
{
    struct schema_pos pos = {1, 1};

    for (size_t i = 0; i < offset && i < b->len; i++) {
        if (b->text[i] == '\n')
            pos = (struct schema_pos){pos.line + 1, 1};
        else if (((unsigned char)b->text[i] & 0xc0) != 0x80)
            pos.column++;
    }
    return pos;
}

/* The first character of the line that is no blank, and whether a tab comes before it. */
static bool tab_before_text(const struct build *b, size_t line)
{
    const char *p = b->text, *end = b->text + b->len;

    for (; line > 0 && p < end; p++)
        line -= *p == '\n';
    for (; p < end && (*p == ' ' || *p == '\t' || *p == '-'); p++)
        if (*p == '\t')
            return true;
    return false;
}

/* What libyaml says → what to do. */
static const struct {
    const char *problem, *advice;
} advices[] = {
    {"mapping values are not allowed in this context",
     "a \": \" does not fit here: either this line is indented too far, or the line above lacks its value, or text "
     "that contains \": \" needs quotes"},
    {"did not find expected key", "the indentation of this line fits no line above it; align it with its neighbours"},
    {"did not find expected '-' indicator",
     "the list above is not finished: this line needs \"- \" in front or another indentation"},
    {"could not find expected ':'", "a key without \":\" after it, or text over several lines without quotes"},
    {"block sequence entries are not allowed in this context",
     "a list item \"- \" does not fit here: put it on a line of its own below its key"},
    {"did not find expected ',' or '}'", "inside { } a comma or the closing brace is missing"},
    {"did not find expected ',' or ']'", "inside [ ] a comma or the closing bracket is missing"},
    {"found unexpected end of stream", "a quote is opened and never closed"},
    {"found character that cannot start any token", "text may not begin with this character; put it in quotes"},
    {"found unknown escape character",
     "unknown escape in a text with double quotes; use single quotes, or double the backslash"},
    {"did not find expected <document start>",
     "text after the end of the document; a new document begins with a line \"---\""},
};

static int syntax_error(struct build *b)
{
    const yaml_parser_t *p = &b->parser;
    struct schema_pos pos = pos_of(p->problem_mark), from = pos_of(p->context_mark);
    const char *said = p->problem ? p->problem : "broken YAML", *advice = NULL;

    if (p->error == YAML_READER_ERROR)
        return schema_yaml_fail(b->y, pos_at_byte(b, p->problem_offset), b->err,
                                "a byte that is no UTF-8 text (or a control character): save the file as UTF-8");
    if (p->error == YAML_SCANNER_ERROR && tab_before_text(b, p->problem_mark.line))
        return schema_yaml_fail(b->y, pos, b->err, "a tab in the indentation; YAML allows only spaces there");
    for (size_t i = 0; i < sizeof advices / sizeof *advices && !advice; i++)
        if (strcmp(said, advices[i].problem) == 0)
            advice = advices[i].advice;
    if (p->context && from.line != pos.line)
        return schema_yaml_fail(b->y, pos, b->err, "broken YAML: %s (it begins at line %u)", advice ? advice : said,
                                from.line);
    return schema_yaml_fail(b->y, pos, b->err, "broken YAML: %s", advice ? advice : said);
}

static int next_event(struct build *b, yaml_event_t *event)
{
    return yaml_parser_parse(&b->parser, event) ? 0 : syntax_error(b);
}

static int count_node(struct build *b, struct schema_pos pos)
{
    if (++b->nodes <= SCHEMA_YAML_NODES)
        return 0;
    return schema_yaml_fail(b->y, pos, b->err,
                            "more than %u values (aliases count each time they are used): split the file",
                            SCHEMA_YAML_NODES);
}

static int check_depth(struct build *b, struct schema_pos pos, unsigned depth)
{
    return depth <= SCHEMA_YAML_DEPTH
               ? 0
               : schema_yaml_fail(b->y, pos, b->err, "nested deeper than %d levels", SCHEMA_YAML_DEPTH);
}

/* ---- anchors ---- */

static size_t open_anchor(struct build *b, const yaml_char_t *name)
{
    b->anchors = mem_grow(b->anchors, b->n_anchors + 1, sizeof *b->anchors);
    b->anchors[b->n_anchors] = (struct anchor){mem_str((const char *)name), NULL};
    return b->n_anchors++;
}

static int too_many_anchors(struct build *b, struct schema_pos pos)
{
    return schema_yaml_fail(b->y, pos, b->err, "more than %u anchors in one document", ANCHORS_MAX);
}

static void drop_anchors(struct build *b)
{
    for (size_t i = 0; i < b->n_anchors; i++)
        free(b->anchors[i].name);
    free(b->anchors);
    b->anchors = NULL;
    b->n_anchors = 0;
    cJSON_Delete(b->kept);
    b->kept = NULL;
}

static const struct anchor *find_anchor(const struct build *b, const char *name)
{
    for (size_t i = b->n_anchors; i-- > 0;)
        if (strcmp(b->anchors[i].name, name) == 0)
            return &b->anchors[i];
    return NULL;
}

static cJSON *copy_leaf(struct build *b, const cJSON *from)
{
    if (from->valuestring)
        b->alias_bytes += strlen(from->valuestring);
    return cJSON_Duplicate(from, 0);
}

/* Keeps the places of the original, because there the user finds what is written. */
static cJSON *copy_tree(struct build *b, const cJSON *from, struct schema_pos pos, unsigned depth)
{
    auto_json cJSON *to = NULL;
    struct schema_pos value = {0, 0}, key = {0, 0};
    const cJSON *child;
    cJSON *done;

    if (count_node(b, pos) < 0 || check_depth(b, pos, depth) < 0)
        return NULL;
    to = copy_leaf(b, from);
    if (b->alias_bytes > ALIAS_BYTES_MAX) {
        schema_yaml_fail(b->y, pos, b->err, "the aliases of this file multiply its text beyond %u MiB",
                         ALIAS_BYTES_MAX >> 20);
        return NULL;
    }
    if (schema_posmap_get(b->y->map, from, &value, &key))
        schema_posmap_put(b->y->map, to, value, key);
    cJSON_ArrayForEach(child, from)
    {
        cJSON *sub = copy_tree(b, child, pos, depth + 1);

        if (!sub)
            return NULL;
        cJSON_AddItemToArray(to, sub); /* keeps the name it was duplicated with */
    }
    done = to;
    to = NULL;
    return done;
}

static cJSON *read_alias(struct build *b, const yaml_event_t *ev, unsigned depth)
{
    const char *name = (const char *)ev->data.alias.anchor;
    const struct anchor *a = find_anchor(b, name);
    struct schema_pos pos = pos_of(ev->start_mark);
    cJSON *item;

    if (!a) {
        schema_yaml_fail(b->y, pos, b->err, "the alias *%.100s has no anchor &%.100s before it in this document", name,
                         name);
        return NULL;
    }
    if (!a->item) {
        schema_yaml_fail(b->y, pos, b->err, "the anchor &%.100s would contain itself", name);
        return NULL;
    }
    item = copy_tree(b, a->item, pos, depth);
    if (item) {
        free(item->string);
        item->string = NULL;
    }
    return item;
}

/* ---- nodes ---- */

static cJSON *read_node(struct build *b, yaml_event_t *ev, unsigned depth);

static cJSON *read_scalar(struct build *b, const yaml_event_t *ev)
{
    const char *why = NULL;
    bool plain = ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    cJSON *item = schema_scalar((const char *)ev->data.scalar.value, ev->data.scalar.length, plain,
                                (const char *)ev->data.scalar.tag, &why);

    if (!item)
        schema_yaml_fail(b->y, pos_of(ev->start_mark), b->err, "%s", why);
    return item;
}

static bool tag_fits(const yaml_char_t *tag, const char *want)
{
    return !tag || strcmp((const char *)tag, "!") == 0 || strcmp((const char *)tag, want) == 0;
}

static cJSON *read_list(struct build *b, const yaml_event_t *start, unsigned depth)
{
    auto_json cJSON *list = cJSON_CreateArray();
    cJSON *done;

    if (!tag_fits(start->data.sequence_start.tag, YAML_SEQ_TAG)) {
        schema_yaml_fail(b->y, pos_of(start->start_mark), b->err, "this tag is not supported on a list");
        return NULL;
    }
    for (;;) {
        yaml_event_t ev;
        cJSON *item;

        if (next_event(b, &ev) < 0)
            return NULL;
        if (ev.type == YAML_SEQUENCE_END_EVENT) {
            yaml_event_delete(&ev);
            break;
        }
        item = read_node(b, &ev, depth + 1);
        yaml_event_delete(&ev);
        if (!item)
            return NULL;
        cJSON_AddItemToArray(list, item);
    }
    done = list;
    list = NULL;
    return done;
}

/* Keeps a value that anchors point to until the document ends. */
static void keep(struct build *b, cJSON *item)
{
    if (!b->kept)
        b->kept = cJSON_CreateArray();
    cJSON_AddItemToArray(b->kept, item);
}

static int anchor_key(struct build *b, const yaml_event_t *ev, const cJSON *item)
{
    cJSON *copy;
    size_t slot;

    if (ev->type != YAML_SCALAR_EVENT || !ev->data.scalar.anchor)
        return 0;
    if (b->n_anchors == ANCHORS_MAX)
        return too_many_anchors(b, pos_of(ev->start_mark));
    copy = json_copy(item);
    keep(b, copy);
    schema_posmap_put(b->y->map, copy, pos_of(ev->start_mark), (struct schema_pos){0, 0});
    slot = open_anchor(b, ev->data.scalar.anchor);
    b->anchors[slot].item = copy;
    return 0;
}

/* The text of a key, as kubectl writes it into JSON: numbers and booleans become text. NULL + err. Caller frees. */
static char *key_text(struct build *b, const yaml_event_t *ev)
{
    auto_json cJSON *item = NULL;
    struct schema_pos pos = pos_of(ev->start_mark);

    if (ev->type == YAML_SCALAR_EVENT)
        item = read_scalar(b, ev);
    else if (ev->type == YAML_ALIAS_EVENT)
        item = read_alias(b, ev, 1);
    else
        schema_yaml_fail(b->y, pos, b->err,
                         "a key must be plain text, not a list or mapping; if it begins with { or [, put it in quotes");
    if (!item || anchor_key(b, ev, item) < 0)
        return NULL;
    if (cJSON_IsString(item))
        return mem_str(item->valuestring);
    if (cJSON_IsBool(item) || cJSON_IsNumber(item) || cJSON_IsRaw(item))
        return json_print(item);
    schema_yaml_fail(b->y, pos, b->err, "a key is missing before \":\"");
    return NULL;
}

static bool is_merge(const yaml_event_t *ev)
{
    if (ev->type != YAML_SCALAR_EVENT || strcmp((const char *)ev->data.scalar.value, "<<") != 0)
        return false;
    return ev->data.scalar.tag ? strcmp((const char *)ev->data.scalar.tag, "tag:yaml.org,2002:merge") == 0
                               : ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

static int put_merge(struct build *b, struct mapping *m, cJSON *value, struct schema_pos pos)
{
    const cJSON *child;

    if (m->merged) {
        cJSON_Delete(value);
        return schema_yaml_fail(b->y, pos, b->err,
                                "\"<<\" is here a second time; the first is at %u:%u. Write one with a list",
                                m->merge_at.line, m->merge_at.column);
    }
    keep(b, value);
    m->merged = value;
    m->merge_at = pos;
    if (cJSON_IsObject(value))
        return 0;
    if (!cJSON_IsArray(value))
        return schema_yaml_fail(b->y, pos, b->err, "\"<<\" needs a mapping or a list of mappings");
    cJSON_ArrayForEach(child, value) if (!cJSON_IsObject(child)) return schema_yaml_fail(
        b->y, pos, b->err, "\"<<\" needs a mapping or a list of mappings");
    return 0;
}

static int put_pair(struct build *b, struct mapping *m, char *key, cJSON *value, struct schema_pos pos)
{
    struct schema_pos at = {0, 0};
    const cJSON *first;

    cJSON_AddItemToObject(m->object, key, value);
    schema_posmap_put(b->y->map, value, schema_yaml_value_pos(b->y, value), pos);
    first = schema_keyset_add(&m->keys, value);
    if (!first)
        return 0;
    at = schema_yaml_key_pos(b->y, first);
    return schema_yaml_fail(b->y, pos, b->err,
                            "the key \"%.100s\" is here a second time; the first is at %u:%u. Remove one", key, at.line,
                            at.column);
}

static int read_pair(struct build *b, struct mapping *m, const yaml_event_t *key_event, unsigned depth)
{
    bool merge = is_merge(key_event);
    auto_free char *key = merge ? mem_str("<<") : key_text(b, key_event);
    struct schema_pos pos = pos_of(key_event->start_mark);
    yaml_event_t ev;
    cJSON *value;

    if (!key || next_event(b, &ev) < 0)
        return -1;
    value = read_node(b, &ev, depth + 1);
    yaml_event_delete(&ev);
    if (!value)
        return -1;
    return merge ? put_merge(b, m, value, pos) : put_pair(b, m, key, value, pos);
}

/* Adds what the mapping lacks: written keys win, then earlier merges. */
static int merge_from(struct build *b, struct mapping *m, const cJSON *from, unsigned depth)
{
    const cJSON *child;

    cJSON_ArrayForEach(child, from)
    {
        cJSON *copy;

        if (schema_keyset_find(&m->keys, child->string))
            continue;
        copy = copy_tree(b, child, m->merge_at, depth + 1);
        if (!copy)
            return -1;
        cJSON_AddItemToArray(m->object, copy); /* keeps the name it was duplicated with */
        schema_keyset_add(&m->keys, copy);
    }
    return 0;
}

static int apply_merge(struct build *b, struct mapping *m, unsigned depth)
{
    const cJSON *child;

    if (cJSON_IsObject(m->merged))
        return merge_from(b, m, m->merged, depth);
    cJSON_ArrayForEach(child, m->merged) if (merge_from(b, m, child, depth) < 0) return -1;
    return 0;
}

static int fill_mapping(struct build *b, struct mapping *m, unsigned depth)
{
    for (;;) {
        yaml_event_t ev;
        bool end;
        int rc = 0;

        if (next_event(b, &ev) < 0)
            return -1;
        end = ev.type == YAML_MAPPING_END_EVENT;
        if (!end)
            rc = read_pair(b, m, &ev, depth);
        yaml_event_delete(&ev);
        if (end || rc < 0)
            return rc;
    }
}

static cJSON *read_mapping(struct build *b, const yaml_event_t *start, unsigned depth)
{
    struct mapping m = {cJSON_CreateObject(), {NULL, 0, 0}, NULL, {0, 0}};
    int rc;

    if (!tag_fits(start->data.mapping_start.tag, YAML_MAP_TAG))
        rc = schema_yaml_fail(b->y, pos_of(start->start_mark), b->err, "this tag is not supported on a mapping");
    else
        rc = fill_mapping(b, &m, depth);
    if (rc == 0 && m.merged)
        rc = apply_merge(b, &m, depth);
    schema_keyset_fini(&m.keys);
    if (rc < 0) {
        cJSON_Delete(m.object);
        return NULL;
    }
    return m.object;
}

static const yaml_char_t *anchor_of(const yaml_event_t *ev)
{
    switch (ev->type) {
    case YAML_SCALAR_EVENT:
        return ev->data.scalar.anchor;
    case YAML_SEQUENCE_START_EVENT:
        return ev->data.sequence_start.anchor;
    case YAML_MAPPING_START_EVENT:
        return ev->data.mapping_start.anchor;
    default:
        return NULL;
    }
}

static cJSON *read_by_type(struct build *b, yaml_event_t *ev, unsigned depth)
{
    switch (ev->type) {
    case YAML_ALIAS_EVENT:
        return read_alias(b, ev, depth);
    case YAML_SCALAR_EVENT:
        return read_scalar(b, ev);
    case YAML_SEQUENCE_START_EVENT:
        return read_list(b, ev, depth);
    default:
        return read_mapping(b, ev, depth);
    }
}

static cJSON *read_node(struct build *b, yaml_event_t *ev, unsigned depth)
{
    struct schema_pos pos = pos_of(ev->start_mark);
    const yaml_char_t *name = anchor_of(ev);
    size_t slot = 0;
    cJSON *item;

    if (check_depth(b, pos, depth) < 0 || count_node(b, pos) < 0)
        return NULL;
    if (name && b->n_anchors == ANCHORS_MAX) {
        too_many_anchors(b, pos);
        return NULL;
    }
    if (name)
        slot = open_anchor(b, name);
    item = read_by_type(b, ev, depth);
    if (!item)
        return NULL;
    if (name)
        b->anchors[slot].item = item;
    if (ev->type != YAML_ALIAS_EVENT) /* a copy has the place of its original */
        schema_posmap_put(b->y->map, item, pos, (struct schema_pos){0, 0});
    return item;
}

static int read_document(struct build *b)
{
    yaml_event_t ev;
    struct schema_pos start;
    cJSON *root;

    if (next_event(b, &ev) < 0)
        return -1;
    start = pos_of(ev.start_mark);
    root = read_node(b, &ev, 1);
    yaml_event_delete(&ev);
    drop_anchors(b);
    return root ? schema_yaml_add(b->y, root, start, b->err) : -1;
}

static int read_stream(struct build *b)
{
    for (;;) {
        yaml_event_t ev;
        yaml_event_type_t type;

        if (next_event(b, &ev) < 0)
            return -1;
        type = ev.type;
        yaml_event_delete(&ev);
        if (type == YAML_STREAM_END_EVENT || type == YAML_NO_EVENT)
            return 0;
        if (type == YAML_DOCUMENT_START_EVENT && read_document(b) < 0)
            return -1;
    }
}

int schema_yaml_build(struct schema_yaml *y, const char *text, size_t len, struct err *err)
{
    struct build b = {.y = y, .text = text, .len = len, .err = err};
    int rc;

    if (!yaml_parser_initialize(&b.parser))
        return err_set(err, ERR_SYS, 0, "no memory for the YAML parser");
    yaml_parser_set_input_string(&b.parser, (const unsigned char *)text, len);
    rc = read_stream(&b);
    drop_anchors(&b);
    yaml_parser_delete(&b.parser);
    return rc;
}
