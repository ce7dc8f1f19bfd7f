/* SPDX-License-Identifier: Apache-2.0 */
/* Names of objects: macros, cuts, and what cannot be a name. */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "model/fleet_build.h"

enum {
    CUT_LONG = 60,    /* namespace, installation */
    CUT_SHORT = 15,   /* cluster, shard, replica, host */
    STS_LONGEST = 52, /* the controller puts "-<hash>" behind it in a label of 63 */
    NAME_LONGEST = 63,
};

char *names_cut(const char *part, size_t longest)
{
    size_t n = strlen(part);

    if (n > longest)
        n = longest;
    while (n && strchr("-_.", part[n - 1]))
        n--;
    while (n && strchr("-_.", *part)) {
        part++;
        n--;
    }
    return mem_strn(part, n);
}

static char *number(unsigned n)
{
    return mem_printf("%u", n);
}

/* The value of a macro in this scope; NULL = not known here, the text stays. */
static char *fleet_macro(const struct fleet *f, const char *name)
{
    const char *own = f->kind == FLEET_KEEPER ? "chk" : "chi";

    if (strcmp(name, "namespace") == 0)
        return names_cut(f->ns, CUT_LONG);
    if (strcmp(name, own) == 0)
        return names_cut(f->name, CUT_LONG);
    return NULL;
}

static char *scope_macro(const struct cluster *c, const struct shard *s, const struct host *h, const char *name)
{
    if (c && strcmp(name, "cluster") == 0)
        return names_cut(c->name, CUT_SHORT);
    if (c && strcmp(name, "clusterIndex") == 0)
        return number(c->index);
    if (s && strcmp(name, "shard") == 0)
        return names_cut(s->name, CUT_SHORT);
    if (s && strcmp(name, "shardIndex") == 0)
        return number(s->index);
    if (h && strcmp(name, "replica") == 0)
        return names_cut(h->replica_name, CUT_SHORT);
    if (h && strcmp(name, "replicaIndex") == 0)
        return number(h->replica_index);
    if (h && h->name && strcmp(name, "host") == 0)
        return names_cut(h->name, CUT_SHORT);
    return NULL;
}

/* Running numbers. The peer never closes a cycle, so a cycle index is 0 and an offset is the running number. */
static char *index_macro(const struct fleet *f, const struct host *h, const char *name)
{
    const char *own = f->kind == FLEET_KEEPER ? "chk" : "chi", *rest = NULL;

    if (strcmp(name, "shardScopeIndex") == 0)
        return number(h->replica_index);
    if (strcmp(name, "replicaScopeIndex") == 0)
        return number(h->shard_index);
    if (str_starts(name, own))
        rest = name + 3;
    if (rest && strcmp(rest, "ScopeIndex") == 0)
        return number(h->chi_index);
    if (rest && strcmp(rest, "ScopeCycleIndex") == 0)
        return number(0);
    if (rest && strcmp(rest, "ScopeCycleOffset") == 0)
        return number(h->chi_index);
    if (strcmp(name, "clusterScopeIndex") == 0 || strcmp(name, "clusterScopeCycleOffset") == 0)
        return number(h->cluster_index);
    if (strcmp(name, "clusterScopeCycleIndex") == 0)
        return number(0);
    if (strcmp(name, "clusterScopeCycleHeadPointsToPreviousCycleTail") == 0)
        return number(h->cluster_index);
    return NULL;
}

char *fleet_macros(const struct fleet *f, const struct cluster *c, const struct shard *s, const struct host *h,
                   const char *text)
{
    auto_str struct str out = STR_INIT;

    while (*text) {
        const char *end = *text == '{' ? strchr(text, '}') : NULL;
        char name[64];
        char *value = NULL;

        if (end && (size_t)(end - text - 1) < sizeof name) {
            memcpy(name, text + 1, (size_t)(end - text - 1));
            name[end - text - 1] = '\0';
            value = fleet_macro(f, name);
            if (!value)
                value = scope_macro(h ? h->cluster : c, h ? h->shard : s, h, name);
            if (!value && h && h->name)
                value = index_macro(f, h, name);
        }
        if (value) {
            str_add(&out, value);
            text = end + 1;
        } else {
            str_addc(&out, *text++);
        }
        free(value);
    }
    return str_take(&out);
}

const cJSON *names_template(const struct fleet *f, const char *list, const char *name)
{
    const cJSON *v;

    if (!name || !*name)
        return NULL;
    cJSON_ArrayForEach(v, json_get(json_at(f->resource, "spec.templates"), list))
        if (str_eq(json_str(v, "name", NULL), name))
            return v;
    return NULL;
}

void fleet_warn(struct fleet *f, const char *fmt, ...)
{
    auto_free char *text = NULL;
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vasprintf(&text, fmt, ap);
    va_end(ap);
    if (n >= 0 && !json_has(f->warnings, text))
        json_add_str(f->warnings, text);
}

bool fleet_name_fits(const char *name)
{
    size_t n = strlen(name);

    for (size_t i = 0; i < n; i++)
        if (!islower((unsigned char)name[i]) && !isdigit((unsigned char)name[i]) &&
            !(i > 0 && i + 1 < n && name[i] == '-'))
            return false;
    return n > 0;
}

static int check_one(const struct host *h, const char *what, const char *name, size_t longest, struct err *err)
{
    if (!fleet_name_fits(name))
        return err_set(
            err, ERR_INPUT, 0,
            "host %s: its %s would be named \"%s\", but Kubernetes takes only lower case letters, digits and -: "
            "rename the installation, cluster, shard, replica or host",
            h->key, what, name);
    if (strcmp(what, "Service") == 0 && !islower((unsigned char)*name))
        return err_set(err, ERR_INPUT, 0,
                       "host %s: its Service would be named \"%s\", but the name of a Service begins with a letter: "
                       "change generateName of its serviceTemplate",
                       h->key, name);
    if (strlen(name) > longest)
        return err_set(
            err, ERR_INPUT, 0,
            "host %s: its %s would be named \"%s\", which has %zu characters; %zu are allowed: shorten the name "
            "of the installation, cluster, shard or host",
            h->key, what, name, strlen(name), longest);
    return 0;
}

struct taken {
    const char *name;
    const struct host *host;
};

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct taken *)a)->name, ((const struct taken *)b)->name);
}

static int check_unique(struct taken *v, size_t n, const char *what, struct err *err)
{
    qsort(v, n, sizeof *v, by_name);
    for (size_t i = 1; i < n; i++)
        if (strcmp(v[i - 1].name, v[i].name) == 0)
            return err_set(err, ERR_INPUT, 0,
                           "hosts %s (%s) and %s (%s) would both have the %s \"%s\": give them names that differ in "
                           "their first %d "
                           "characters, and a generateName {cluster} and {host}",
                           v[i - 1].host->key, v[i - 1].host->name, v[i].host->key, v[i].host->name, what, v[i].name,
                           CUT_SHORT);
    return 0;
}

/* Pods have a volume named as the ConfigMap of all hosts. */
static int check_common(const struct fleet *f, struct err *err)
{
    auto_free char *name =
        fleet_macros(f, NULL, NULL, NULL, f->kind == FLEET_KEEPER ? "chk-{chk}-common-configd" : "chi-{chi}-common-configd");

    if (strlen(name) <= NAME_LONGEST && fleet_name_fits(name))
        return 0;
    return err_set(err, ERR_INPUT, 0,
                   "metadata.name: pods would have a volume \"%s\", but Kubernetes takes at most %d lower case letters, "
                   "digits and -: rename the installation",
                   name, NAME_LONGEST);
}

int names_check(struct build *b, struct err *err)
{
    struct fleet *f = b->f;
    struct taken *v = mem_array(f->n_hosts * 3, sizeof *v), *sts = v, *service = v + f->n_hosts,
                 *key = service + f->n_hosts;
    int rc = 0;

    for (size_t i = 0; i < f->n_hosts && rc == 0; i++) {
        struct host *h = f->hosts[i];

        rc = check_one(h, "StatefulSet", h->sts, STS_LONGEST, err);
        if (rc == 0)
            rc = check_one(h, "Service", h->service, NAME_LONGEST, err);
        if (rc == 0)
            rc = check_one(h, "ConfigMap volume", h->configmap, NAME_LONGEST, err);
        sts[i] = (struct taken){h->sts, h};
        service[i] = (struct taken){h->service, h};
        key[i] = (struct taken){h->key, h};
    }
    if (rc == 0)
        rc = check_common(f, err);
    if (rc == 0)
        rc = check_unique(key, f->n_hosts, "key", err);
    if (rc == 0)
        rc = check_unique(sts, f->n_hosts, "StatefulSet", err);
    if (rc == 0)
        rc = check_unique(service, f->n_hosts, "Service", err);
    free(v);
    return rc;
}
