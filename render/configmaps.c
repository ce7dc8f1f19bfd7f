/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "render/internal.h"
#include "render/xml.h"

static void put_file(cJSON *data, const char *name, char *text)
{
    if (text && *text)
        json_set_str(data, name, text);
    free(text);
}

/* Entries of a files section that belong to this place. */
static void put_files(cJSON *data, const struct settings *files, enum file_place where, bool below)
{
    for (size_t i = 0; i < files->n; i++) {
        const struct setting *s = &files->v[i];

        if (s->kind == SETTING_TEXT && s->n_values && file_place(s->path, below) == (int)where)
            json_set_str(data, file_name(s->path), s->values[0]);
    }
}

static cJSON *configmap(const struct place *p, const char *pattern, const char *kind)
{
    auto_free char *name = p->h ? mem_str(p->h->configmap) : fleet_macros(p->f, NULL, NULL, NULL, pattern);

    return meta_object(p, "v1", "ConfigMap", name, meta_labels(p, "ConfigMap", kind), true);
}

void common_files(const struct fleet *f, const struct render_ctx *c, cJSON *data)
{
    auto_free char *version = version_lowest(f, c);
    struct settings files;

    if (!c->holding)
        put_file(data, "chop-generated-settings.xml", render_common_settings_file(f, c));
    section_with_addons(f, version, "files", &f->files, &files);
    put_files(data, &files, FILE_COMMON, false);
    settings_fini(&files);
    defaults_add(f, FILE_COMMON, version, data);
}

cJSON *render_common_configmap(const struct fleet *f, const struct render_ctx *c, struct err *err)
{
    bool keeper = f->kind == FLEET_KEEPER;
    struct place p = place_cr(f);
    cJSON *o = configmap(&p, keeper ? "chk-{chk}-common-configd" : "chi-{chi}-common-configd",
                         keeper ? "ChkCommon" : "ChiCommon");
    cJSON *data = json_set_obj(o, "data");

    (void)err;
    if (keeper) {
        put_file(data, "chop-generated-raft.xml", file_raft(f, c));
    } else {
        put_file(data, "chop-generated-remote_servers.xml", file_remote_servers(f, c));
        if (c->membership_generation)
            put_file(data, "chfleet-membership.xml", file_membership(c->membership_generation));
    }
    common_files(f, c, data);
    meta_note_keys(&p, o);
    return o;
}

static char *section_file(const struct fleet *f, const char *version, const char *section, const struct settings *own)
{
    struct settings all;
    char *text;

    section_with_addons(f, version, section, own, &all);
    text = xml_settings_file(&all, section);
    settings_fini(&all);
    return text;
}

void users_files(const struct fleet *f, const struct render_ctx *c, cJSON *data)
{
    auto_free char *version = version_lowest(f, c);
    struct settings files;

    if (f->kind == FLEET_CLICKHOUSE) {
        put_file(data, "chop-generated-quotas.xml", section_file(f, version, "quotas", &f->quotas));
        put_file(data, "chop-generated-profiles.xml", section_file(f, version, "profiles", &f->profiles));
    }
    section_with_addons(f, version, "files", &f->files, &files);
    put_files(data, &files, FILE_USERS, false);
    settings_fini(&files);
    defaults_add(f, FILE_USERS, version, data);
}

/* Which of the addresses in the file are those of pods: they come and go, and are no reason to write it. */
static void note_pod_ips(const struct render_ctx *c, cJSON *annotations)
{
    const char *const *ips = c->pod_ips ? c->pod_ips(c->ctx) : NULL;
    auto_str struct str text = STR_INIT;

    for (size_t i = 0; ips && ips[i]; i++)
        str_addf(&text, "%s%s", i ? "," : "", ips[i]);
    if (text.len)
        json_set_str(annotations, RENDER_POD_IPS, text.s);
}

/* For who renders without being one of them: `chfleet plan`. */
static void note_operator_ips(const struct render_ctx *c, cJSON *annotations)
{
    auto_str struct str text = STR_INIT;
    const cJSON *v;

    cJSON_ArrayForEach(v, c->operator_ips)
        str_addf(&text, "%s%s", text.len ? "," : "", v->valuestring);
    if (cJSON_GetArraySize(c->operator_ips) > 1)
        json_set_str(annotations, RENDER_OPERATOR_IPS, text.s);
}

cJSON *render_users_configmap(const struct fleet *f, const struct render_ctx *c, struct err *err)
{
    bool keeper = f->kind == FLEET_KEEPER;
    struct place p = place_cr(f);
    auto_json cJSON *o = configmap(&p, keeper ? "chk-{chk}-common-usersd" : "chi-{chi}-common-usersd",
                                   keeper ? "ChkCommonUsers" : "ChiCommonUsers");
    cJSON *data = json_set_obj(o, "data"), *out;
    char *users = NULL;

    if (!keeper) {
        if (file_users(f, c, &users, err) < 0)
            return NULL;
        put_file(data, "chop-generated-users.xml", users);
        note_pod_ips(c, json_need_obj(json_get(o, "metadata"), "annotations"));
        note_operator_ips(c, json_need_obj(json_get(o, "metadata"), "annotations"));
    }
    users_files(f, c, data);
    meta_note_keys(&p, o);
    out = o;
    o = NULL;
    return out;
}

/* Installation-level files for hosts reach them through their clusters; the ones below stand in host->files. */
static void host_data(const struct host *h, const char *version, const struct render_ctx *c, cJSON *data)
{
    const char *held = c->held_settings ? c->held_settings(c->ctx, h) : NULL;

    if (h->cluster->fleet->kind == FLEET_KEEPER) {
        put_file(data, "chop-generated-server-id.xml", file_server_id(h));
    } else {
        put_file(data, "chop-generated-macros.xml", file_macros(h));
        put_file(data, "chop-generated-hostname-ports.xml", file_ports(h, version));
        put_file(data, "chop-generated-zookeeper.xml", file_zookeeper(h));
    }
    put_file(data, "chop-generated-settings.xml", xml_settings_file(&h->settings, NULL));
    if (held && *held)
        json_set_str(data, "chop-generated-settings_common.xml", held);
    put_files(data, &h->files, FILE_HOST, true);
    defaults_add(h->cluster->fleet, FILE_HOST, version, data);
}

/* A host that still holds the settings of before: its digest is the old one, whatever the resource wants later. */
static bool holds_old_settings(const struct fleet *f, const struct host *h, const struct render_ctx *c)
{
    const char *held = c->held_settings ? c->held_settings(c->ctx, h) : NULL;
    auto_free char *wanted = held ? render_common_settings_file(f, c) : NULL;

    return held && !str_eq(held, wanted ? wanted : "");
}

/* The digest as a macro: a running server says by SQL whether it has these files. A host that was taken over gets it with its
 * first change, so that taking over changes no file. */
static void put_config_macro(cJSON *data, const char *hash)
{
    put_file(data, RENDER_CONFIG_FILE,
             mem_printf("<yandex>\n    <macros>\n        <chfleet_config>%s</chfleet_config>\n    </macros>\n</yandex>\n", hash));
}

cJSON *render_host_configmap(const struct fleet *f, const struct host *h, const struct render_ctx *c, struct err *err)
{
    struct place p = place_host(h);
    cJSON *o = configmap(&p, NULL, "Host"), *annotations = json_at(o, "metadata.annotations");
    const cJSON *live = ctx_live(c, "ConfigMap", h->configmap);
    auto_free char *version = render_version_for(f, h, c), *hash = render_restart_hash(f, h, c, err);
    const char *old = live ? json_annotation(live, RENDER_RESTART_HASH) : NULL;
    const char *since = live ? json_annotation(live, RENDER_RESTART_SINCE) : NULL;

    host_data(h, version, c, json_set_obj(o, "data"));
    if (old && holds_old_settings(f, h, c)) {
        json_set_str(annotations, RENDER_RESTART_HASH, old);
    } else {
        json_set_str(annotations, RENDER_RESTART_HASH, hash);
        if (!str_eq(old, hash))
            since = live && !old && restart_same_as_live(f, h, c, o) ? RENDER_ADOPTED : c->now;
    }
    json_set_str(annotations, RENDER_RESTART_SINCE, since ? since : "");
    if (f->kind == FLEET_CLICKHOUSE && (!str_eq(since, RENDER_ADOPTED) || json_get(json_get(live, "data"), RENDER_CONFIG_FILE)))
        put_config_macro(json_get(o, "data"), json_get(annotations, RENDER_RESTART_HASH)->valuestring);
    json_set_str(annotations, RENDER_FOR, *version ? version : "any");
    meta_note_keys(&p, o);
    return o;
}
