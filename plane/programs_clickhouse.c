/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A ClickHouse server from the pod of one. The server merges the operator's files itself, as in its image:
 *
 *     <dir>/etc/config.xml, users.xml     what the image's own files would say, for this machine
 *     <dir>/etc/{config.d,conf.d,users.d} one entry per mounted file: a link to the mount, or, when the file speaks of
 * paths or addresses of the container, a translated copy that is made again at each change
 *     <dir>/etc/users.d/zz-plane.xml      only when a user has no quota
 *
 * Data and logs lie in the volumes mounted at /var/lib/clickhouse and /var/log/clickhouse-server, else below <dir>.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "plane/programs.h"
#include "plane/translate.h"

static const char *const views[] = {"conf.d", "config.d", "users.d"};
enum { VIEWS = 3, USERS_VIEW = 2 };
#define ZZ "zz-plane.xml"

/* ---- base files ---- */

static void add_escaped(struct str *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '<')
            str_add(out, "&lt;");
        else if (*text == '&')
            str_add(out, "&amp;");
        else
            str_addc(out, *text);
    }
}

static void add_element(struct str *out, const char *tag, const char *text)
{
    str_addf(out, "<%s>", tag);
    add_escaped(out, text);
    str_addf(out, "</%s>\n", tag);
}

static void add_path(struct str *out, const char *tag, const char *dir, const char *rest)
{
    auto_free char *path = mem_printf("%s%s", dir, rest);

    add_element(out, tag, path);
}

/* The maps of programs.yaml as elements. */
static void add_tree(struct str *out, const cJSON *map)
{
    const cJSON *v;

    cJSON_ArrayForEach(v, map) {
        auto_free char *text = cJSON_IsString(v) ? mem_str(v->valuestring) : json_print(v);

        if (!cJSON_IsObject(v)) {
            add_element(out, v->string, text);
            continue;
        }
        str_addf(out, "<%s>\n", v->string);
        add_tree(out, v);
        str_addf(out, "</%s>\n", v->string);
    }
}

static void add_ports(struct str *out, const cJSON *container)
{
    static const struct {
        const char *name, *tag;
        unsigned dflt;
    } ports[] = {{"tcp", "tcp_port", 9000},
                 {"http", "http_port", 8123},
                 {"interserver", "interserver_http_port", 9009},
                 {"secureclient", "tcp_port_secure", 0},
                 {"https", "https_port", 0}};
    bool some = cJSON_GetArraySize(json_get(container, "ports")) > 0;

    for (size_t i = 0; i < sizeof ports / sizeof *ports; i++) {
        unsigned port = container_port(container, ports[i].name, some ? 0 : ports[i].dflt);

        if (port)
            str_addf(out, "<%s>%u</%s>\n", ports[i].tag, port, ports[i].tag);
    }
}

static void base_config(const struct program *p, const struct container_run *r, const char *data, const char *log,
                        struct str *out)
{
    str_add(out, "<?xml version=\"1.0\"?>\n<!-- made by chfleet-plane; written again at each start "
                 "-->\n<clickhouse>\n<logger>\n");
    str_add(out, "<level>information</level>\n<size>50M</size>\n<count>3</count>\n");
    add_path(out, "log", log, "/clickhouse-server.log");
    add_path(out, "errorlog", log, "/clickhouse-server.err.log");
    str_add(out, "</logger>\n");
    add_element(out, "display_name", json_name(r->pod));
    str_add(out, "<listen_host>127.0.0.1</listen_host>\n");
    add_ports(out, r->container);
    str_add(out, "<interserver_http_host>127.0.0.1</interserver_http_host>\n");
    add_path(out, "path", data, "/");
    add_path(out, "tmp_path", data, "/tmp/");
    add_path(out, "user_files_path", data, "/user_files/");
    add_path(out, "format_schema_path", data, "/format_schemas/");
    str_add(out, "<users_config>users.xml</users_config>\n<default_profile>default</default_profile>\n"
                 "<default_database>default</default_database>\n<user_directories>\n<users_xml><path>users.xml</path></"
                 "users_xml>\n"
                 "<local_directory>\n");
    add_path(out, "path", data, "/access/");
    str_add(
        out,
        "</local_directory>\n</user_directories>\n<mark_cache_size>1073741824</mark_cache_size>\n<remote_servers/>\n");
    add_tree(out, p->settings);
    str_add(out, "</clickhouse>\n");
}

static void base_users(const struct program *p, struct str *out)
{
    str_add(out, "<?xml version=\"1.0\"?>\n<!-- made by chfleet-plane; written again at each start -->\n<clickhouse>\n"
                 "<profiles>\n<default>\n");
    add_tree(out, p->profile);
    str_add(out, "</default>\n</profiles>\n<users>\n<default>\n<password></password>\n<networks>\n<ip>127.0.0.1</ip>\n"
                 "</networks>\n<profile>default</profile>\n<quota>default</quota>\n</default>\n</users>\n"
                 "<quotas>\n<default/>\n</quotas>\n</clickhouse>\n");
}

/* ---- views ---- */

struct view {
    const char *dir;    /* <dir>/etc/config.d */
    const char *source; /* the mount; NULL = nothing is mounted there */
    const struct path_maps *maps;
    bool keep_listen;
    struct translate_facts facts;
};

static bool is_file_name(const char *name)
{
    return name[0] != '.' && strcmp(name, ZZ) != 0;
}

static int link_entry(const struct view *v, const char *name, struct err *err)
{
    auto_free char *target = mem_printf("%s/%s", v->source, name), *path = mem_printf("%s/%s", v->dir, name);
    auto_free char *tmp = mem_printf("%s/.%s.next", v->dir, name);
    char now[4096];
    ssize_t n = readlink(path, now, sizeof now);

    if (n == (ssize_t)strlen(target) && memcmp(now, target, (size_t)n) == 0)
        return 0;
    unlink(tmp);
    if (symlink(target, tmp) < 0 || rename(tmp, path) < 0)
        return err_set(err, ERR_SYS, errno, "link %s", path);
    return 0;
}

static int view_entry(struct view *v, int source, const char *name, struct err *err)
{
    auto_free char *text = shim_read(source, name);
    auto_str struct str out = STR_INIT;
    bool changed = false;

    if (!text)
        return 0; /* a directory, or gone meanwhile */
    if (str_ends(name, ".xml")) {
        changed = translate_clickhouse(text, strlen(text), v->maps, v->keep_listen, &v->facts, &out);
    } else if (str_ends(name, ".yaml") || str_ends(name, ".yml")) {
        auto_free char *mapped = path_maps_text(v->maps, text);

        changed = strcmp(mapped, text) != 0;
        str_add(&out, mapped);
    }
    return changed ? program_write(v->dir, name, out.s, out.len, 0600, NULL, err) : link_entry(v, name, err);
}

/* Entries whose file is gone from the mount. */
static void drop_stale(const struct view *v)
{
    DIR *d = opendir(v->dir);
    struct dirent *e;

    while (d && (e = readdir(d))) {
        auto_free char *source = v->source ? mem_printf("%s/%s", v->source, e->d_name) : NULL;

        if (is_file_name(e->d_name) && (!source || access(source, F_OK) < 0))
            unlinkat(dirfd(d), e->d_name, 0);
    }
    if (d)
        closedir(d);
}

static int fill_view(struct view *v, struct err *err)
{
    DIR *d = v->source ? opendir(v->source) : NULL;
    struct dirent *e;
    int rc = 0;

    while (rc == 0 && d && (e = readdir(d)))
        if (is_file_name(e->d_name))
            rc = view_entry(v, dirfd(d), e->d_name, err);
    if (d)
        closedir(d);
    if (rc == 0)
        drop_stale(v);
    return rc;
}

static int write_quotas(const struct view *v, struct err *err)
{
    auto_str struct str text = STR_INIT;
    auto_free char *path = mem_printf("%s/" ZZ, v->dir);

    translate_missing_quotas(&v->facts, &text);
    if (text.len)
        return program_write(v->dir, ZZ, text.s, text.len, 0600, NULL, err);
    unlink(path);
    return 0;
}

static int make_view(const struct program *p, const struct container_run *r, const char *etc, int which,
                     struct shim_spec *spec, struct err *err)
{
    auto_free char *dir = mem_printf("%s/%s", etc, views[which]);
    auto_free char *mount = mem_printf("/etc/clickhouse-server/%s", views[which]);
    struct view v = {
        .dir = dir, .source = path_maps_at(&r->maps, mount), .maps = &r->maps, .keep_listen = p->listen_as_configured};
    int rc = program_mkdirs(dir, err);

    if (rc == 0)
        rc = fill_view(&v, err);
    if (rc == 0 && which == USERS_VIEW)
        rc = write_quotas(&v, err);
    for (size_t i = 0; i < v.facts.n_keepers; i++)
        shim_spec_await(spec, v.facts.keepers[i]);
    translate_facts_fini(&v.facts);
    return rc;
}

/* ---- scripts ---- */

static void add_quoted(struct str *out, const char *text)
{
    str_add(out, " '");
    for (; *text; text++) {
        if (*text == '\'')
            str_add(out, "'\\''");
        else
            str_addc(out, *text);
    }
    str_addc(out, '\'');
}

/* <dir>/bin/NAME: exec ARGS "$@" */
static int write_script(const struct container_run *r, const char *name, const char *const *argv, struct err *err)
{
    auto_str struct str text = STR_INIT;
    auto_free char *bin = mem_printf("%s/bin", r->dir);

    str_add(&text, "#!/bin/sh\nexec");
    for (; *argv; argv++)
        add_quoted(&text, *argv);
    str_add(&text, " \"$@\"\n");
    return program_write(bin, name, text.s, text.len, 0750, NULL, err);
}

/* The image's entry point (troubleshooting wraps it in a shell), the server by its usual path, and a client that finds
 * the port. */
static int write_scripts(struct container_run *r, const char *const *server, const char *config, struct err *err)
{
    auto_free char *option = mem_printf("--config-file=%s", config);
    auto_free char *port = mem_printf("%u", container_port(r->container, "tcp", 9000));
    auto_free char *entry = mem_printf("%s/bin/entrypoint.sh", r->dir),
                   *plain = mem_printf("%s/bin/clickhouse-server", r->dir);
    const char *with_config[] = {server[0], server[1] ? server[1] : option, server[1] ? option : NULL, NULL};
    const char *client[] = {"/usr/bin/clickhouse-client", "--host", "127.0.0.1", "--port", port, NULL};

    path_maps_add(&r->maps, "/entrypoint.sh", entry);
    path_maps_add(&r->maps, "/usr/bin/clickhouse-server", plain);
    if (access(client[0], X_OK) == 0 && write_script(r, "clickhouse-client", client, err) < 0)
        return -1;
    return write_script(r, "entrypoint.sh", with_config, err) < 0 ? -1
                                                                  : write_script(r, "clickhouse-server", server, err);
}

/* ---- all ---- */

static int default_dir(struct container_run *r, const char *path, const char *name, struct err *err)
{
    auto_free char *dir = mem_printf("%s/%s", r->dir, name);

    path_maps_add(&r->maps, path, dir);
    return program_mkdirs(path_maps_at(&r->maps, path), err);
}

static int make_dirs(struct container_run *r, struct err *err)
{
    static const char *const inside[] = {"tmp", "user_files", "format_schemas", "access"};
    const char *data;

    if (default_dir(r, "/etc/clickhouse-server", "etc", err) < 0 ||
        default_dir(r, "/var/lib/clickhouse", "data", err) < 0 ||
        default_dir(r, "/var/log/clickhouse-server", "logs", err) < 0)
        return -1;
    data = path_maps_at(&r->maps, "/var/lib/clickhouse");
    for (size_t i = 0; i < sizeof inside / sizeof *inside; i++) {
        auto_free char *dir = mem_printf("%s/%s", data, inside[i]);

        if (program_mkdirs(dir, err) < 0)
            return -1;
    }
    return 0;
}

static int write_base(const struct program *p, const struct container_run *r, const char *etc, struct err *err)
{
    auto_str struct str config = STR_INIT, users = STR_INIT;

    base_config(p, r, path_maps_at(&r->maps, "/var/lib/clickhouse"),
                path_maps_at(&r->maps, "/var/log/clickhouse-server"), &config);
    base_users(p, &users);
    return program_write(etc, "config.xml", config.s, config.len, 0600, NULL, err) < 0
               ? -1
               : program_write(etc, "users.xml", users.s, users.len, 0600, NULL, err);
}

int program_clickhouse_prepare(const struct program *p, struct container_run *r, const char *binary,
                               struct shim_spec *spec, struct container_plan *plan, struct err *err)
{
    const char *base = strrchr(binary, '/') ? strrchr(binary, '/') + 1 : binary;
    const char *server[] = {binary, strstr(base, "server") ? NULL : "server", NULL}; /* the multi-tool wants a word */
    auto_free char *option = NULL;
    const char *etc;

    if (make_dirs(r, err) < 0)
        return -1;
    plan->error_log = mem_printf("%s/clickhouse-server.err.log", path_maps_at(&r->maps, "/var/log/clickhouse-server"));
    etc = path_maps_at(&r->maps, "/etc/clickhouse-server");
    option = mem_printf("--config-file=%s/config.xml", etc);
    if (write_base(p, r, etc, err) < 0 || write_scripts(r, server, option + strlen("--config-file="), err) < 0)
        return -1;
    for (int i = 0; i < VIEWS; i++)
        if (make_view(p, r, etc, i, spec, err) < 0)
            return -1;
    shim_spec_arg(spec, binary);
    if (server[1])
        shim_spec_arg(spec, server[1]);
    shim_spec_arg(spec, option);
    return 0;
}
