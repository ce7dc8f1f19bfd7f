/* SPDX-License-Identifier: Apache-2.0 */
/* Keeper's configuration, and the ZooKeeper configuration that does the same. */
#include <libxml/parser.h>
#include <libxml/tree.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "plane/translate.h"

enum { XML_FLAGS = XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NOCDATA };

static const xmlNode *child(const xmlNode *n, const char *name)
{
    for (n = n ? n->children : NULL; n; n = n->next)
        if (n->type == XML_ELEMENT_NODE && strcmp((const char *)n->name, name) == 0)
            return n;
    return NULL;
}

static void copy_text(const xmlNode *n, char *buf, size_t size)
{
    xmlChar *text = n ? xmlNodeGetContent(n) : NULL;
    const char *p = text ? (const char *)text : "";

    p += strspn(p, " \t\r\n");
    snprintf(buf, size, "%.*s", (int)strcspn(p, " \t\r\n"), p);
    xmlFree(text);
}

static void take_number(const xmlNode *n, unsigned *to)
{
    char buf[32];

    copy_text(n, buf, sizeof buf);
    if (buf[0] >= '0' && buf[0] <= '9')
        *to = (unsigned)strtoul(buf, NULL, 10);
}

static void take_members(struct keeper_conf *k, const xmlNode *raft)
{
    free(k->members);
    k->members = NULL;
    k->n_members = 0;
    for (const xmlNode *n = raft->children; n; n = n->next) {
        struct keeper_member *m;

        if (n->type != XML_ELEMENT_NODE || strcmp((const char *)n->name, "server") != 0)
            continue;
        k->members = mem_grow(k->members, k->n_members + 1, sizeof *k->members);
        m = &k->members[k->n_members++];
        *m = (struct keeper_member){0, 9444, ""};
        take_number(child(n, "id"), &m->id);
        take_number(child(n, "port"), &m->port);
        copy_text(child(n, "hostname"), m->host, sizeof m->host);
    }
}

int keeper_conf_read(struct keeper_conf *k, const char *text, size_t len, struct err *err)
{
    xmlDoc *doc = xmlReadMemory(text, (int)len, NULL, NULL, XML_FLAGS);
    const xmlNode *root = doc ? xmlDocGetRootElement(doc) : NULL, *server, *coord;
    unsigned id = (unsigned)k->server_id;

    if (!doc && !strstr(text, "<!--")) /* a file of nothing but comments is no document, and no harm */
        return err_set(err, ERR_INPUT, 0, "not well-formed XML");
    server = child(root, "keeper_server");
    coord = child(server, "coordination_settings");
    take_number(child(server, "server_id"), &id);
    k->server_id = (int)id;
    take_number(child(server, "tcp_port"), &k->tcp_port);
    take_number(child(coord, "min_session_timeout_ms"), &k->session_min_ms);
    take_number(child(coord, "session_timeout_ms"), &k->session_max_ms);
    if (child(server, "raft_configuration"))
        take_members(k, child(server, "raft_configuration"));
    xmlFreeDoc(doc);
    return 0;
}

void keeper_conf_fini(struct keeper_conf *k)
{
    free(k->members);
    k->members = NULL;
    k->n_members = 0;
}

static const struct keeper_member *own(const struct keeper_conf *k)
{
    for (size_t i = 0; i < k->n_members; i++)
        if ((int)k->members[i].id == k->server_id)
            return &k->members[i];
    return NULL;
}

/* ZooKeeper's ids begin at 1, Keeper's at 0. */
static void put_members(const struct keeper_conf *k, unsigned (*election)(void *ctx, unsigned raft_port), void *ctx,
                        struct str *out)
{
    str_add(out, "initLimit=20\nsyncLimit=10\nquorumListenOnAllIPs=false\n");
    for (size_t i = 0; i < k->n_members; i++) {
        const struct keeper_member *m = &k->members[i];

        str_addf(out, "server.%u=127.0.0.1:%u:%u\n", m->id + 1, m->port, election(ctx, m->port));
    }
}

int translate_zoo_cfg(const struct keeper_conf *k, unsigned client_port, const char *data_dir,
                      unsigned (*election)(void *ctx, unsigned raft_port), void *ctx, struct str *out, struct err *err)
{
    if (k->n_members > 1 && !own(k))
        return err_set(err, ERR_INPUT, 0, "server_id %d is not in raft_configuration", k->server_id);
    str_addf(out, "tickTime=2000\ndataDir=%s\nclientPort=%u\nclientPortAddress=127.0.0.1\n", data_dir, client_port);
    str_add(out, "maxClientCnxns=0\nadmin.enableServer=false\n4lw.commands.whitelist=*\n");
    str_add(out, "autopurge.purgeInterval=1\nautopurge.snapRetainCount=3\n");
    if (k->session_min_ms)
        str_addf(out, "minSessionTimeout=%u\n", k->session_min_ms);
    if (k->session_max_ms)
        str_addf(out, "maxSessionTimeout=%u\n", k->session_max_ms);
    if (k->n_members > 1)
        put_members(k, election, ctx, out);
    return 0;
}
