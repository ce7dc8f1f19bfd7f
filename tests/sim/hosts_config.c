/* SPDX-License-Identifier: Apache-2.0 */
/* What a server reads from its mounted files, as far as the simulation looks at it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tests/sim/hosts_impl.h"

void loaded_free(struct loaded *l)
{
    for (size_t i = 0; i < l->n_macros; i++) {
        free(l->macros[i].name);
        free(l->macros[i].value);
    }
    for (size_t i = 0; i < l->n_members; i++)
        free(l->members[i].host);
    free(l->members);
    free(l->settings);
    free(l->users);
    memset(l, 0, sizeof *l);
}

/* The text between <tag> and </tag> after `from`, not beyond `end` (NULL = no limit); *len is its length. */
static const char *element(const char *from, const char *end, const char *tag, size_t *len)
{
    char open[80], close[80];
    const char *p, *q;

    snprintf(open, sizeof open, "<%s>", tag);
    snprintf(close, sizeof close, "</%s>", tag);
    p = from ? strstr(from, open) : NULL;
    q = p ? strstr(p, close) : NULL;
    if (!q || (end && q > end))
        return NULL;
    p += strlen(open);
    *len = (size_t)(q - p);
    return p;
}

static void set_macro(struct loaded *l, char *name, char *value)
{
    for (size_t i = 0; i < l->n_macros; i++)
        if (strcmp(l->macros[i].name, name) == 0) {
            free(l->macros[i].value);
            l->macros[i].value = value;
            free(name);
            return;
        }
    if (l->n_macros == sizeof l->macros / sizeof *l->macros) {
        free(name);
        free(value);
        return;
    }
    l->macros[l->n_macros].name = name;
    l->macros[l->n_macros++].value = value;
}

static void read_macros(struct loaded *l, const char *text)
{
    size_t n;
    const char *p = element(text, NULL, "macros", &n), *end = p ? p + n : NULL;

    while (p && (p = strchr(p, '<')) && p < end) {
        size_t len = strcspn(p + 1, "> ");
        auto_free char *tag = mem_strn(p + 1, len);
        const char *value = element(p, end, tag, &n);

        if (!value)
            return;
        set_macro(l, mem_str(tag), mem_strn(value, n));
        p = value + n + strlen(tag) + 3;
    }
}

static void read_members(struct loaded *l, const char *text, const char *cluster)
{
    size_t n, m, len = 0;
    const char *rs = element(text, NULL, "remote_servers", &n), *c = rs ? element(rs, rs + n, cluster, &m) : NULL;
    const char *end = c ? c + m : NULL, *s = c;

    while (s && (s = element(s, end, "shard", &n))) {
        const char *stop = s + n, *p = s, *r;

        while ((r = element(p, stop, "replica", &m))) {
            const char *port = element(r, stop, "port", &n), *host = element(r, stop, "host", &len);

            if (port && host) {
                if (l->n_members % 64 == 0)
                    l->members = mem_grow(l->members, l->n_members + 64, sizeof *l->members);
                l->members[l->n_members].shard = (unsigned)l->n_shards;
                l->members[l->n_members].host = mem_strn(host, len);
                l->members[l->n_members++].port = (unsigned)atoi(port);
            }
            p = r + m;
        }
        l->n_shards++;
        s = stop;
    }
}

static unsigned port_of(const char *text, const char *tag, unsigned dflt)
{
    auto_free char *removed = mem_printf("<%s remove=\"1\"", tag);
    size_t n;
    const char *p = element(text, NULL, tag, &n);

    return p ? (unsigned)atoi(p) : strstr(text, removed) ? 0 : dflt;
}

static void read_ports(struct loaded *l, const char *text)
{
    l->http = port_of(text, "http_port", l->http);
    l->tcp = port_of(text, "tcp_port", l->tcp);
    l->https = port_of(text, "https_port", l->https);
    l->tls = port_of(text, "tcp_port_secure", l->tls);
}

static void read_file(struct loaded *l, const char *name, const char *text)
{
    read_macros(l, text);
    if (strcmp(name, "chop-generated-hostname-ports.xml") == 0)
        read_ports(l, text);
}

/* Host settings win over common ones: they come first in the text. */
static void read_settings(struct chost *h, struct loaded *l)
{
    auto_str struct str own = STR_INIT, common = STR_INIT, users = STR_INIT;

    for (size_t i = 0; i < h->n_mounts; i++) {
        bool host = strstr(h->mounts[i].configmap, "-deploy-confd-") != NULL;
        const cJSON *f;

        cJSON_ArrayForEach(f, h->mounts[i].data) {
            if (strstr(h->mounts[i].configmap, "-usersd"))
                str_add(&users, f->valuestring);
            else if (strncmp(f->string, "chop-generated-settings", 23) == 0)
                str_add(host ? &own : &common, f->valuestring);
        }
    }
    str_add(&own, str_text(&common));
    l->settings = str_take(&own);
    l->users = str_take(&users);
}

static void read_all(struct chost *h, struct loaded *l)
{
    const char *cluster;

    l->http = 8123; /* what the image's own configuration opens */
    l->tcp = 9000;
    for (size_t i = 0; i < h->n_mounts; i++) {
        const cJSON *common = json_get(h->mounts[i].data, "chop-generated-settings.xml");

        if (cJSON_IsString(common)) /* the host's own file comes after it */
            read_ports(l, common->valuestring);
    }
    for (size_t i = 0; i < h->n_mounts; i++) {
        const cJSON *f;

        cJSON_ArrayForEach(f, h->mounts[i].data)
            read_file(l, f->string, f->valuestring);
    }
    cluster = loaded_macro(l, "cluster");
    for (size_t i = 0; cluster && i < h->n_mounts; i++) {
        const cJSON *rs = json_get(h->mounts[i].data, "chop-generated-remote_servers.xml");

        if (cJSON_IsString(rs))
            read_members(l, rs->valuestring, cluster);
    }
    read_settings(h, l);
}

void config_load(struct chost *h, bool at_start)
{
    h->loaded_ms = sim_now(h->hs->s);
    loaded_free(&h->now);
    read_all(h, &h->now);
    if (at_start) {
        loaded_free(&h->start);
        read_all(h, &h->start);
    }
}

const char *loaded_macro(const struct loaded *l, const char *name)
{
    for (size_t i = 0; i < l->n_macros; i++)
        if (strcmp(l->macros[i].name, name) == 0)
            return l->macros[i].value;
    return NULL;
}

char *expand_macros(const struct chost *h, const char *text)
{
    auto_str struct str out = STR_INIT;

    while (*text) {
        const char *end = *text == '{' ? strchr(text, '}') : NULL;
        auto_free char *name = end ? mem_strn(text + 1, (size_t)(end - text - 1)) : NULL;
        const char *value = name ? loaded_macro(&h->now, name) : NULL;

        if (value) {
            str_add(&out, value);
            text = end + 1;
        } else {
            str_addc(&out, *text++);
        }
    }
    return str_take(&out);
}

int64_t chost_macro_int(const struct chost *h, const char *macro)
{
    const char *v = loaded_macro(&h->now, macro);

    return v ? strtoll(v, NULL, 10) : -1;
}

const char *chost_setting(const struct chost *h, const char *tag, bool at_start, char *buf, size_t size)
{
    const struct loaded *l = at_start ? &h->start : &h->now;
    size_t n = 0;
    const char *p = l->settings ? element(l->settings, NULL, tag, &n) : NULL;

    snprintf(buf, size, "%.*s", (int)n, p ? p : "");
    return buf;
}

static struct chost *member(const struct chost *h, const char *host, unsigned port)
{
    struct hosts *hs = h->hs;
    auto_free char *ns = mem_strn(h->pod, strcspn(h->pod, "/"));
    struct chost *other;

    if (!hs->resolve)
        return hosts_listening(hs, host, port, true);
    other = hs->resolve(hs->hooks.ctx, ns, host);
    return other && (chost_port(other, true) == port || chost_tls_port(other, true) == port) ? other : NULL;
}

int chost_members(const struct chost *h, unsigned shard, struct chost **replicas, int max)
{
    int n = 0;

    if ((int)shard >= h->now.n_shards)
        return -1;
    for (size_t i = 0; i < h->now.n_members; i++)
        if (h->now.members[i].shard == shard && n < max)
            replicas[n++] = member(h, h->now.members[i].host, h->now.members[i].port);
    return n;
}
