/* SPDX-License-Identifier: Apache-2.0 */
#include "render/xml.h"

#include <inttypes.h>
#include <libxml/parser.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"

static void indent(struct xml *x)
{
    for (unsigned i = 0; !x->compact && i < x->depth; i++)
        str_add(&x->out, "    ");
}

static void end_line(struct xml *x)
{
    if (!x->compact || x->depth == 0)
        str_addc(&x->out, '\n');
}

void xml_line(struct xml *x, const char *raw)
{
    indent(x);
    str_add(&x->out, raw);
    end_line(x);
}

void xml_open(struct xml *x, const char *tag)
{
    indent(x);
    str_addf(&x->out, "<%s>", tag);
    end_line(x);
    x->depth++;
}

void xml_close(struct xml *x, const char *tag)
{
    x->depth--;
    indent(x);
    str_addf(&x->out, "</%s>", tag);
    end_line(x);
}

/* Length of the entity reference at the beginning of s, 0 if there is none. */
static size_t entity(const char *s)
{
    static const char *const names[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&apos;"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (str_starts(s, names[i]))
            return strlen(names[i]);
    if (s[1] == '#') {
        size_t n = s[2] == 'x' ? 3 + strspn(s + 3, "0123456789abcdefABCDEF") : 2 + strspn(s + 2, "0123456789");

        if (s[n] == ';' && n > 2)
            return n + 1;
    }
    return 0;
}

static bool is_fragment(const char *value)
{
    auto_free char *doc = NULL;
    xmlDocPtr parsed;
    bool elements = false;

    if (!strchr(value, '<') || !strchr(value, '>'))
        return false;
    doc = mem_printf("<x>%s</x>", value);
    parsed =
        xmlReadMemory(doc, (int)strlen(doc), NULL, NULL, XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NONET);
    if (!parsed)
        return false;
    for (xmlNodePtr n = xmlDocGetRootElement(parsed)->children; n; n = n->next)
        elements |= n->type == XML_ELEMENT_NODE;
    xmlFreeDoc(parsed);
    return elements;
}

void xml_escape(struct str *out, const char *value)
{
    if (is_fragment(value)) {
        str_add(out, value);
        return;
    }
    for (const char *p = value; *p; p++) {
        if (*p == '&' && !entity(p))
            str_add(out, "&amp;");
        else if (*p == '<')
            str_add(out, "&lt;");
        else if (*p == '>')
            str_add(out, "&gt;");
        else if ((unsigned char)*p >= 0x20 || *p == '\t' || *p == '\n' || *p == '\r')
            str_addc(out, *p);
    }
}

static void element(struct xml *x, const char *tag, const char *attributes, const char *value)
{
    indent(x);
    str_addf(&x->out, "<%s%s%s>", tag, attributes && *attributes ? " " : "", attributes ? attributes : "");
    xml_escape(&x->out, value);
    str_addf(&x->out, "</%s>", tag);
    end_line(x);
}

void xml_text(struct xml *x, const char *tag, const char *value)
{
    element(x, tag, NULL, value);
}

void xml_int(struct xml *x, const char *tag, int64_t value)
{
    auto_free char *text = mem_printf("%" PRId64, value);

    xml_text(x, tag, text);
}

static void leaf(struct xml *x, const char *tag, const struct setting *s)
{
    auto_free char *env = NULL;

    switch (s->kind) {
    case SETTING_REMOVE:
        element(x, tag, "remove=\"1\"", "");
        break;
    case SETTING_ENV:
        env = mem_printf("from_env=\"%s\"", s->values[0]);
        element(x, tag, env, "");
        break;
    case SETTING_TEXT:
    case SETTING_LIST:
        for (size_t i = 0; i < s->n_values; i++)
            element(x, tag, s->attributes, s->values[i]);
        break;
    case SETTING_FILE:
        break;
    }
}

const char *xml_bool(const char *text)
{
    static const char *const readable[] = {"true", "false", "yes", "no", "on", "off", "1", "0"};

    for (size_t i = 0; i < sizeof readable / sizeof *readable; i++)
        if (strcasecmp(text, readable[i]) == 0)
            return text;
    return str_bool(text) == 1 ? "True" : "False";
}

/* What is still to be written of a range of settings that share the first `from` bytes of their path. */
struct level {
    const struct setting **v;
    size_t n, from;
};

static void print_level(struct xml *x, const struct level *l);

static bool below(const struct setting *s, size_t from, const char *name, size_t len)
{
    return strncmp(s->path + from, name, len) == 0 && (s->path[from + len] == '\0' || s->path[from + len] == '/');
}

/* One element: its value if it has one (then sub-paths are hidden, as in the peer), else what is below it. */
static void print_element(struct xml *x, const struct level *l, const char *name, size_t len)
{
    auto_free char *tag = mem_strn(name, len);
    struct level sub = {mem_array(l->n, sizeof *sub.v), 0, l->from + len + 1};
    const char *attributes = NULL;
    bool hidden = false;

    for (size_t i = 0; i < l->n; i++) {
        if (!l->v[i] || !below(l->v[i], l->from, name, len))
            continue;
        if (l->v[i]->path[l->from + len] == '/') {
            sub.v[sub.n++] = l->v[i];
        } else if (l->v[i]->kind == SETTING_TEXT && l->v[i]->n_values == 0) {
            attributes = l->v[i]->attributes;
        } else {
            leaf(x, tag, l->v[i]);
            hidden = true;
        }
        l->v[i] = NULL;
    }
    if (!hidden && sub.n) {
        auto_free char *open = mem_printf("%s%s%s", tag, attributes ? " " : "", attributes ? attributes : "");

        xml_open(x, open);
        print_level(x, &sub);
        xml_close(x, tag);
    } else if (!hidden) {
        element(x, tag, attributes, "");
    }
    free(sub.v);
}

static void print_level(struct xml *x, const struct level *l)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->v[i])
            print_element(x, l, l->v[i]->path + l->from, strcspn(l->v[i]->path + l->from, "/"));
}

void xml_settings(struct xml *x, const struct settings *s)
{
    struct level l = {mem_array(s->n, sizeof *l.v), s->n, 0};

    for (size_t i = 0; i < s->n; i++)
        l.v[i] = &s->v[i];
    print_level(x, &l);
    free(l.v);
}

char *xml_settings_file(const struct settings *s, const char *section)
{
    struct xml x = XML_INIT;

    if (s->n == 0)
        return NULL;
    xml_open(&x, "clickhouse");
    if (section)
        xml_open(&x, section);
    xml_settings(&x, s);
    if (section)
        xml_close(&x, section);
    xml_close(&x, "clickhouse");
    return str_take(&x.out);
}
