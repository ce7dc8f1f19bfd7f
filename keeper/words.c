/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "keeper/keeper.h"

/* "key<separator>value" lines: the value of `key` into buf, or NULL. */
static const char *line_value(const char *text, const char *key, char *buf, size_t size)
{
    size_t n = strlen(key);

    for (const char *p = text; p && *p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL) {
        size_t len;

        if (strncmp(p, key, n) != 0 || !strchr("\t :", p[n]) || p[n] == '\0')
            continue;
        p += n;
        p += strspn(p, "\t :");
        len = strcspn(p, "\r\n");
        if (len >= size)
            len = size - 1;
        memcpy(buf, p, len);
        buf[len] = '\0';
        return buf;
    }
    return NULL;
}

static int64_t line_number(const char *text, const char *key, int base)
{
    char buf[64];

    return line_value(text, key, buf, sizeof buf) ? (int64_t)strtoll(buf, NULL, base) : 0;
}

static int not_serving(const char *text, struct keeper_state *s, struct keeper_state *out, struct err *err)
{
    if (strstr(text, "not currently serving")) {
        *out = *s;
        return 0;
    }
    if (strstr(text, "is not executed because it is not in the whitelist"))
        return err_set(err, ERR_REFUSED, 0, "the Keeper does not allow this four-letter word: add it to its whitelist");
    return err_set(err, ERR_INPUT, 0, "not an answer of a Keeper: '%.60s'", text);
}

static void put_version(struct keeper_state *s, const char *text)
{
    size_t n = strcspn(text, ", \r\n");

    if (n >= sizeof s->version)
        n = sizeof s->version - 1;
    memcpy(s->version, text, n);
    s->version[n] = '\0';
}

int keeper_parse_mntr(const char *text, struct keeper_state *out, struct err *err)
{
    struct keeper_state s = {0};
    char buf[128];

    if (!line_value(text, "zk_server_state", buf, sizeof buf))
        return not_serving(text, &s, out, err);
    memcpy(s.role, buf, sizeof s.role - 1);
    s.serving = true;
    if (line_value(text, "zk_version", buf, sizeof buf))
        put_version(&s, buf);
    s.znodes = line_number(text, "zk_znode_count", 10);
    s.followers = line_number(text, "zk_followers", 10);
    if (line_value(text, "zk_learners", buf, sizeof buf) && s.followers == 0) /* ZooKeeper from 3.6 on */
        s.followers = strtoll(buf, NULL, 10);
    s.synced_followers = line_number(text, "zk_synced_followers", 10);
    s.zxid = line_number(text, "zk_last_proposal_zxid", 0);
    *out = s;
    return 0;
}

int keeper_parse_srvr(const char *text, struct keeper_state *out, struct err *err)
{
    struct keeper_state s = {0};
    char buf[128];

    if (!line_value(text, "Mode", buf, sizeof buf))
        return not_serving(text, &s, out, err);
    memcpy(s.role, buf, sizeof s.role - 1);
    s.serving = true;
    s.znodes = line_number(text, "Node count", 10);
    s.zxid = line_number(text, "Zxid", 16);
    if (line_value(text, "Zookeeper version", buf, sizeof buf) ||
        line_value(text, "ClickHouse Keeper version", buf, sizeof buf))
        put_version(&s, buf);
    *out = s;
    return 0;
}
