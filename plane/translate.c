/* SPDX-License-Identifier: Apache-2.0 */
#include "plane/translate.h"

#include <libxml/parser.h>
#include <libxml/tree.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { XML_FLAGS = XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NOCDATA };

static bool named(const xmlNode *n, const char *name)
{
    return n->type == XML_ELEMENT_NODE && strcmp((const char *)n->name, name) == 0;
}

/* ---- paths ---- */

static bool map_node_text(xmlNode *n, const struct path_maps *maps)
{
    const char *old = (const char *)n->content;
    auto_free char *text = NULL;

    if (!old || !strchr(old, '/'))
        return false;
    text = path_maps_text(maps, old);
    if (strcmp(text, old) == 0)
        return false;
    xmlNodeSetContent(n, NULL);
    xmlNodeAddContent(n, (const xmlChar *)text); /* this one escapes */
    return true;
}

static bool map_attributes(xmlNode *n, const struct path_maps *maps)
{
    bool changed = false;

    for (xmlAttr *a = n->properties; a; a = a->next)
        for (xmlNode *t = a->children; t; t = t->next)
            if (t->type == XML_TEXT_NODE)
                changed |= map_node_text(t, maps);
    return changed;
}

static bool map_tree(xmlNode *n, const struct path_maps *maps)
{
    bool changed = false;

    for (; n; n = n->next) {
        if (n->type == XML_TEXT_NODE)
            changed |= map_node_text(n, maps);
        else if (n->type == XML_ELEMENT_NODE)
            changed |= map_attributes(n, maps) | map_tree(n->children, maps);
    }
    return changed;
}

/* ---- what does not fit this machine ---- */

static bool is_zero_port(const xmlNode *n)
{
    static const char *const ports[] = {"tcp_port",   "tcp_port_secure",       "http_port",
                                        "https_port", "interserver_http_port", "interserver_https_port",
                                        "mysql_port", "postgresql_port"};
    bool zero = false;

    for (size_t i = 0; i < sizeof ports / sizeof *ports; i++)
        if (named(n, ports[i])) {
            xmlChar *text = xmlNodeGetContent(n);

            zero = text && strcmp((const char *)text, "0") == 0;
            xmlFree(text);
        }
    return zero;
}

/* listen_try is for addresses that a machine may not have; on the one address we give, a port that is taken would leave a
 * server that serves by half, beside another program that gets its clients. */
static bool drop_unfit(xmlNode *root, bool keep_listen)
{
    bool changed = false;

    for (xmlNode *n = root->children, *next; n; n = next) {
        next = n->next;
        if ((!keep_listen && (named(n, "listen_host") || named(n, "listen_try"))) || is_zero_port(n)) {
            xmlUnlinkNode(n);
            xmlFreeNode(n);
            changed = true;
        }
    }
    return changed;
}

/* ---- users ---- */

void translate_facts_fini(struct translate_facts *f)
{
    for (size_t i = 0; i < f->n_users; i++)
        free(f->users[i]);
    free(f->users);
    free(f->has_quota);
    *f = (struct translate_facts){0};
}

static void note_user(struct translate_facts *f, const char *name, bool quota)
{
    size_t i = 0;

    while (i < f->n_users && strcmp(f->users[i], name) != 0)
        i++;
    if (i == f->n_users) {
        f->users = mem_grow(f->users, i + 1, sizeof *f->users);
        f->has_quota = mem_grow(f->has_quota, i + 1, sizeof *f->has_quota);
        f->users[i] = mem_str(name);
        f->has_quota[i] = false;
        f->n_users++;
    }
    f->has_quota[i] |= quota;
}

static void note_users(struct translate_facts *f, const xmlNode *root)
{
    for (const xmlNode *u = root->children; u; u = u->next) {
        if (!named(u, "users"))
            continue;
        for (const xmlNode *one = u->children; one; one = one->next) {
            bool quota = false;

            if (one->type != XML_ELEMENT_NODE)
                continue;
            for (const xmlNode *field = one->children; field; field = field->next)
                quota |= named(field, "quota");
            note_user(f, (const char *)one->name, quota);
        }
    }
}

static char *text_of(const xmlNode *parent, const char *name)
{
    for (const xmlNode *n = parent->children; n; n = n->next)
        if (named(n, name)) {
            xmlChar *text = xmlNodeGetContent(n);
            char *copy = mem_str((const char *)text);

            xmlFree(text);
            return copy;
        }
    return mem_str("");
}

/* <zookeeper><node><host>127.0.0.1</host><port>N</port></node>… */
static void note_keepers(struct translate_facts *f, const xmlNode *root)
{
    for (const xmlNode *z = root->children; z; z = z->next) {
        if (!named(z, "zookeeper"))
            continue;
        for (const xmlNode *n = z->children; n; n = n->next) {
            auto_free char *host = named(n, "node") ? text_of(n, "host") : NULL, *port = host ? text_of(n, "port") : NULL;

            if (host && strcmp(host, "127.0.0.1") == 0 && f->n_keepers < sizeof f->keepers / sizeof *f->keepers &&
                strtoul(port, NULL, 10) - 1 < 65535)
                f->keepers[f->n_keepers++] = (unsigned)strtoul(port, NULL, 10);
        }
    }
}

void translate_missing_quotas(const struct translate_facts *f, struct str *out)
{
    for (size_t i = 0; i < f->n_users; i++)
        if (!f->has_quota[i] && strcmp(f->users[i], "default") != 0)
            str_addf(out, "        <%s><quota>default</quota></%s>\n", f->users[i], f->users[i]);
    if (out->len) {
        auto_free char *inner = str_take(out);

        str_addf(out, "<clickhouse>\n    <users>\n%s    </users>\n</clickhouse>\n", inner);
    }
}

bool translate_clickhouse(const char *text, size_t len, const struct path_maps *maps, bool keep_listen,
                          struct translate_facts *facts, struct str *out)
{
    xmlDoc *doc = xmlReadMemory(text, (int)len, NULL, NULL, XML_FLAGS);
    xmlNode *root = doc ? xmlDocGetRootElement(doc) : NULL;
    bool changed = false;
    xmlChar *dump = NULL;
    int n = 0;

    if (root) {
        note_users(facts, root);
        note_keepers(facts, root);
        changed = drop_unfit(root, keep_listen);
        changed |= map_tree(root->children, maps);
    }
    if (changed) {
        xmlDocDumpMemory(doc, &dump, &n);
        str_addn(out, dump, (size_t)n);
        xmlFree(dump);
    }
    xmlFreeDoc(doc);
    return changed;
}
