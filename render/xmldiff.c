/* SPDX-License-Identifier: Apache-2.0 */
#include "render/xmldiff.h"

#include <ctype.h>
#include <libxml/parser.h>
#include <libxml/xmlerror.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/str.h"

struct item {
    char *path, *value;
};

struct flat {
    struct item *v;
    size_t n;
};

static void flat_free(struct flat *f)
{
    for (size_t i = 0; i < f->n; i++) {
        free(f->v[i].path);
        free(f->v[i].value);
    }
    free(f->v);
}

static void add(struct flat *f, const char *path, char *value)
{
    if ((f->n & (f->n + 1)) == 0)
        f->v = mem_grow(f->v, 2 * (f->n + 1), sizeof *f->v);
    f->v[f->n++] = (struct item){mem_str(path), value};
}

static char *trimmed(const char *s)
{
    size_t n;

    while (isspace((unsigned char)*s))
        s++;
    n = strlen(s);
    while (n && isspace((unsigned char)s[n - 1]))
        n--;
    return mem_strn(s, n);
}

static unsigned position(const xmlNode *n)
{
    unsigned k = 1;

    for (const xmlNode *p = n->prev; p; p = p->prev)
        k += p->type == XML_ELEMENT_NODE && xmlStrcmp(p->name, n->name) == 0;
    return k;
}

static bool has_elements(const xmlNode *n)
{
    for (const xmlNode *k = n->children; k; k = k->next)
        if (k->type == XML_ELEMENT_NODE)
            return true;
    return false;
}

static void flatten(struct flat *f, xmlNode *n, struct str *path);

static void element(struct flat *f, xmlNode *n, struct str *path)
{
    size_t len = path->len;
    unsigned k = position(n);

    str_addf(path, "%s%s", len ? "/" : "", (const char *)n->name);
    if (k > 1)
        str_addf(path, "[%u]", k);
    for (const xmlAttr *a = n->properties; a; a = a->next) {
        size_t at = path->len;
        xmlChar *value = xmlNodeListGetString(n->doc, a->children, 1);

        str_addf(path, "@%s", (const char *)a->name);
        add(f, path->s, mem_str(value ? (const char *)value : ""));
        xmlFree(value);
        path->len = at;
        path->s[at] = '\0';
    }
    if (has_elements(n)) {
        flatten(f, n->children, path);
    } else {
        xmlChar *text = xmlNodeGetContent(n);

        if (!n->properties || (text && *text))
            add(f, path->s, trimmed(text ? (const char *)text : ""));
        xmlFree(text);
    }
    path->len = len;
    path->s[len] = '\0';
}

static void flatten(struct flat *f, xmlNode *n, struct str *path)
{
    for (; n; n = n->next)
        if (n->type == XML_ELEMENT_NODE)
            element(f, n, path);
}

char *xmldiff_complaint(const char *text)
{
    xmlParserCtxtPtr parser = xmlNewParserCtxt();
    xmlDocPtr doc = xmlCtxtReadMemory(parser, text, (int)strlen(text), NULL, NULL,
                                      XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NONET | XML_PARSE_HUGE);
    const xmlError *e = xmlCtxtGetLastError(parser);
    char *out = NULL;

    if (!doc) {
        auto_free char *what = trimmed(e && e->message ? e->message : "not well-formed");

        out = mem_printf("line %d: %s", e ? e->line : 0, what);
    }
    xmlFreeDoc(doc);
    xmlFreeParserCtxt(parser);
    return out;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct item *)a)->path, ((const struct item *)b)->path);
}

static void read_xml(struct flat *f, const char *text, const char *below)
{
    auto_str struct str path = STR_INIT;
    xmlDocPtr doc;
    xmlNode *start;

    if (!text || !*text)
        return;
    doc = xmlReadMemory(text, (int)strlen(text), NULL, NULL,
                        XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NONET | XML_PARSE_HUGE);
    if (!doc) {
        add(f, "", mem_str(text));
        return;
    }
    start = xmlDocGetRootElement(doc);
    start = start ? start->children : NULL;
    for (xmlNode *n = start; below && n; n = n->next)
        if (n->type == XML_ELEMENT_NODE && strcmp((const char *)n->name, below) == 0)
            start = n->children;
    flatten(f, start, &path);
    xmlFreeDoc(doc);
    if (f->n)
        qsort(f->v, f->n, sizeof *f->v, by_path);
}

static bool is_word(const char *s)
{
    return str_bool(s) >= 0 && !isdigit((unsigned char)*s);
}

bool xmldiff_same_value(const char *a, const char *b)
{
    char *x, *y;
    double p, q;

    if (strcmp(a, b) == 0)
        return true;
    if (is_word(a) && is_word(b))
        return strcasecmp(a, b) == 0;
    p = strtod(a, &x);
    q = strtod(b, &y);
    /* digits of long integers count: a double would not see the last ones */
    return *a && *b && !*x && !*y && p == q && (strchr(a, '.') || strchr(b, '.'));
}

void xmldiff(const char *from, const char *to, const char *below, xmldiff_fn *fn, void *ctx)
{
    struct flat a = {NULL, 0}, b = {NULL, 0};
    size_t i = 0, j = 0;

    if (str_eq(from, to))
        return;
    read_xml(&a, from, below);
    read_xml(&b, to, below);
    while (i < a.n || j < b.n) {
        int c = i == a.n ? 1 : j == b.n ? -1 : strcmp(a.v[i].path, b.v[j].path);

        if (c < 0) {
            fn(ctx, a.v[i].path, a.v[i].value, NULL);
        } else if (c > 0) {
            fn(ctx, b.v[j].path, NULL, b.v[j].value);
        } else if (!xmldiff_same_value(a.v[i].value, b.v[j].value)) {
            fn(ctx, a.v[i].path, a.v[i].value, b.v[j].value);
        }
        i += c <= 0;
        j += c >= 0;
    }
    flat_free(&a);
    flat_free(&b);
}

void xmldiff_walk(const char *text, xmldiff_fn *fn, void *ctx)
{
    struct flat a = {NULL, 0};

    read_xml(&a, text, NULL);
    for (size_t i = 0; i < a.n; i++)
        fn(ctx, a.v[i].path, a.v[i].value, NULL);
    flat_free(&a);
}
