/* SPDX-License-Identifier: Apache-2.0 */
/* What only a restart loads: the rules of the operator configuration, and a digest of all it applies to. */
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/str.h"
#include "model/config.h"
#include "model/version.h"
#include "render/internal.h"
#include "render/xmldiff.h"

bool render_needs_restart(const cJSON *config, const char *version, const char *path)
{
    const cJSON *block, *rule;
    bool answer = false;

    cJSON_ArrayForEach(block, json_at(config, "clickhouse.configurationRestartPolicy.rules")) {
        if (!version_fits(version, json_str(block, "version", "*")))
            continue;
        cJSON_ArrayForEach(rule, json_get(block, "rules")) {
            const cJSON *v;

            cJSON_ArrayForEach(v, rule)
                if (str_glob(v->string, path))
                    answer = config_flag(v) == 1;
        }
    }
    return answer;
}

struct digest {
    const struct fleet *f;
    const char *version; /* that runs: decides what is rendered */
    const char *rules; /* that the image names: decides which rules apply, so that learning the running version changes
                          nothing */
    struct str text;
};

static void add_setting(struct digest *d, const char *section, const struct setting *s)
{
    auto_free char *path = mem_printf("%s/%s", section, s->path);

    if (!render_needs_restart(d->f->config, d->rules, path))
        return;
    str_addf(&d->text, "%s kind=%d", path, s->kind == SETTING_LIST && s->n_values == 1 ? SETTING_TEXT : s->kind);
    if (s->attributes)
        str_addf(&d->text, " attributes=%s", s->attributes);
    if (s->secret_name)
        str_addf(&d->text, " secret=%s/%s", s->secret_name, s->secret_key);
    for (size_t i = 0; i < s->n_values; i++)
        str_addf(&d->text, " %zu:%s", strlen(s->values[i]), s->values[i]);
    str_addc(&d->text, '\n');
}

static void add_all(struct digest *d, const char *section, const struct settings *own)
{
    struct settings all;

    section_with_addons(d->f, d->version, section, own, &all);
    for (size_t i = 0; i < all.n; i++)
        add_setting(d, section, &all.v[i]);
    settings_fini(&all);
}

static void add_value(void *ctx, const char *path, const char *value, const char *unused)
{
    struct str *text = ctx;

    (void)unused;
    str_addf(text, " %s=%zu:%s", path, strlen(value), value);
}

/* What a file says, not how it is laid out. */
static void add_file(struct digest *d, const struct setting *s)
{
    auto_free char *path = mem_printf("files/%s", s->path);

    if (!render_needs_restart(d->f->config, d->rules, path))
        return;
    str_addf(&d->text, "%s", file_name(s->path));
    if (s->secret_name)
        str_addf(&d->text, " secret=%s/%s", s->secret_name, s->secret_key);
    if (s->n_values)
        xmldiff_walk(s->values[0], add_value, &d->text);
    str_addc(&d->text, '\n');
}

/* Files of the installation and of the host; users' files are loaded without a restart. */
static void add_files(struct digest *d, const struct host *h)
{
    struct settings all;

    section_with_addons(d->f, d->version, "files", &d->f->files, &all);
    for (size_t i = 0; i < all.n; i++)
        if (file_place(all.v[i].path, false) == FILE_COMMON)
            add_file(d, &all.v[i]);
    for (size_t i = 0; i < h->files.n; i++)
        if (file_place(h->files.v[i].path, true) == FILE_HOST)
            add_file(d, &h->files.v[i]);
    settings_fini(&all);
}

char *render_restart_hash(const struct fleet *f, const struct host *h, const struct render_ctx *c, struct err *err)
{
    auto_free char *version = render_version_for(f, h, c), *zookeeper = NULL;
    struct digest d = {.f = f, .version = version, .rules = h->tag_version, .text = STR_INIT};
    char *hex;

    (void)err;
    add_all(&d, "settings", &f->settings);
    for (size_t i = 0; i < h->settings.n; i++)
        add_setting(&d, "settings", &h->settings.v[i]);
    add_files(&d, h);
    if (f->kind == FLEET_CLICKHOUSE) {
        add_all(&d, "profiles", &f->profiles);
        add_all(&d, "quotas", &f->quotas);
        for (int p = 0; p < HOST_PORTS; p++)
            if (h->ports[p])
                str_addf(&d.text, "port %s %u\n", host_port_names[p], h->ports[p]);
        str_addf(&d.text, "address %s\n", h->address);
        zookeeper = file_zookeeper(h);
        str_addf(&d.text, "zookeeper %s\n", zookeeper ? zookeeper : "");
    }
    hex = hash_sha256_hex(str_text(&d.text), d.text.len);
    hex[32] = '\0'; /* an annotation, not a signature */
    str_free(&d.text);
    return hex;
}
