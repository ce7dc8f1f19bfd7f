/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RENDER_FACTS_INTERNAL_H
#define RENDER_FACTS_INTERNAL_H

#include "render/compare.h"
#include "render/internal.h"

struct text_set {
    char **v;
    size_t n, cap;
};
void text_set_add(struct text_set *s, const char *text);
void text_set_sort(struct text_set *s);
bool text_set_has(const struct text_set *s, const char *text); /* after sorting */
void text_set_free(struct text_set *s);

/* What the making of facts knows while it goes over the hosts. */
struct gather {
    const struct fleet *f;
    const struct render_ctx *c;
    const struct facts_source *src;
    struct facts *out;
    struct text_set listed;           /* "host:port" (ClickHouse) or "host" (Keeper) of the live list */
    struct text_set has_data;         /* status.hostsWithTablesCreated */
    struct file_lines common, settings; /* live common files against rendered ones; the settings file apart */
    char *common_settings;            /* rendered chop-generated-settings.xml, "" = none */
};

/* Facts of one wanted host. */
int facts_wanted_host(struct gather *g, const struct host *h, struct host_facts *out, struct err *err);
/* What can be read off the StatefulSet and pod alone. */
void facts_live_host(const struct gather *g, const cJSON *sts, const cJSON *pod, struct host_facts *out);

#endif
