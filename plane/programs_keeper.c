/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A Keeper from the pod of one: ClickHouse Keeper where the machine has it, else ZooKeeper with the same members, ports
 * and time-outs. Keeper's HTTP readiness port is one number for all pods of an installation, which one machine cannot
 * give twice: the node agent asks by four-letter words instead (container_plan).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/mem.h"
#include "plane/programs.h"
#include "plane/translate.h"

#define ETC "/etc/clickhouse-keeper"
#define DATA "/var/lib/clickhouse-keeper"

static int default_dir(struct container_run *r, const char *path, const char *name, struct err *err)
{
    auto_free char *dir = mem_printf("%s/%s", r->dir, name);

    path_maps_add(&r->maps, path, dir);
    return program_mkdirs(path_maps_at(&r->maps, path), err);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The *.xml names in a directory, sorted; caller frees each and the list. */
static char **xml_names(const char *dir, size_t *n)
{
    DIR *d = opendir(dir);
    char **names = NULL;
    struct dirent *e;

    *n = 0;
    while (d && (e = readdir(d))) {
        if (e->d_name[0] == '.' || !str_ends(e->d_name, ".xml"))
            continue;
        names = mem_grow(names, *n + 1, sizeof *names);
        names[(*n)++] = mem_str(e->d_name);
    }
    if (d)
        closedir(d);
    if (*n)
        qsort(names, *n, sizeof *names, by_name);
    return names;
}

static int read_dir(struct keeper_conf *k, const char *dir, struct err *err)
{
    size_t n = 0;
    char **names = xml_names(dir, &n);
    int rc = 0;

    for (size_t i = 0; i < n; i++) {
        auto_free char *path = mem_printf("%s/%s", dir, names[i]);
        auto_free char *text = shim_read(AT_FDCWD, path);

        if (rc == 0 && text && keeper_conf_read(k, text, strlen(text), err) < 0) {
            err_ctx(err, "%s", names[i]);
            rc = -1;
        }
        free(names[i]);
    }
    free(names);
    return rc;
}

static int read_conf(const struct container_run *r, struct keeper_conf *k, struct err *err)
{
    static const char *const dirs[] = {ETC "/conf.d", ETC "/keeper_config.d"}; /* the order in which Keeper merges */

    k->server_id = 0;
    for (size_t i = 0; i < 2; i++) {
        const char *dir = path_maps_at(&r->maps, dirs[i]);

        if (dir && read_dir(k, dir, err) < 0)
            return -1;
    }
    return 0;
}

/* ---- ZooKeeper ---- */

static unsigned election_port(void *ctx, unsigned raft_port)
{
    struct container_run *r = ctx;
    auto_free char *name = mem_printf("zookeeper-election/%u", raft_port);

    return r->port ? r->port(r->port_ctx, name) : raft_port + 10000;
}

static const char log4j[] = "log4j.rootLogger=WARN, C\n"
                            "log4j.appender.C=org.apache.log4j.ConsoleAppender\n"
                            "log4j.appender.C.layout=org.apache.log4j.PatternLayout\n"
                            "log4j.appender.C.layout.ConversionPattern=%d{ISO8601} %-5p %c{1} %m%n\n";

static int write_zookeeper(struct container_run *r, const struct keeper_conf *k, unsigned port, const char *etc,
                           struct container_plan *plan, struct err *err)
{
    auto_free char *data = mem_printf("%s/zookeeper", path_maps_at(&r->maps, DATA));
    auto_free char *id = mem_printf("%d\n", k->server_id + 1);
    auto_str struct str cfg = STR_INIT;

    if (program_mkdirs(data, err) < 0 || translate_zoo_cfg(k, port, data, election_port, r, &cfg, err) < 0 ||
        program_write(etc, "zoo.cfg", cfg.s, cfg.len, 0600, NULL, err) < 0 ||
        program_write(etc, "log4j.properties", log4j, strlen(log4j), 0600, NULL, err) < 0 ||
        program_write(data, "myid", id, strlen(id), 0600, NULL, err) < 0)
        return -1;
    plan->zookeeper_port = port;
    plan->restart_on_change = true;
    plan->digest = hash_sha1_hex(cfg.s, cfg.len);
    return 0;
}

static int zookeeper_prepare(const struct program *p, struct container_run *r, const char *jar,
                             const struct keeper_conf *k, const char *etc, struct shim_spec *spec,
                             struct container_plan *plan, struct err *err)
{
    auto_free char *log = mem_printf("-Dlog4j.configuration=file:%s/log4j.properties", etc);
    auto_free char *path = mem_printf("%s:%s", etc, jar), *cfg = mem_printf("%s/zoo.cfg", etc);

    if (write_zookeeper(r, k, plan->zk_port, etc, plan, err) < 0)
        return -1;
    shim_spec_arg(spec, "java");
    for (char **a = p->java_args; a && *a; a++)
        shim_spec_arg(spec, *a);
    shim_spec_arg(spec, "-Dzookeeper.jmx.log4j.disable=true");
    shim_spec_arg(spec, log);
    shim_spec_arg(spec, "-cp");
    shim_spec_arg(spec, path);
    shim_spec_arg(spec, "org.apache.zookeeper.server.quorum.QuorumPeerMain");
    shim_spec_arg(spec, cfg);
    return 0;
}

/* ---- ClickHouse Keeper ---- */

static const char base_keeper[] =
    "<?xml version=\"1.0\"?>\n<!-- made by chfleet-plane; written again at each start -->\n<clickhouse>\n"
    "<logger><level>information</level><console>1</console></logger>\n<keeper_server>\n"
    "<coordination_settings><operation_timeout_ms>10000</operation_timeout_ms><session_timeout_ms>30000</"
    "session_timeout_ms>"
    "</coordination_settings>\n</keeper_server>\n</clickhouse>\n";

static void last_word(const struct container_run *r, unsigned port, struct str *out)
{
    const char *data = path_maps_at(&r->maps, DATA);

    str_addf(
        out,
        "<clickhouse>\n<listen_host replace=\"1\">127.0.0.1</listen_host>\n<keeper_server>\n<tcp_port>%u</tcp_port>\n"
        "<http_control remove=\"1\"/>\n<four_letter_word_white_list>*</four_letter_word_white_list>\n"
        "<log_storage_path>%s/coordination/logs</log_storage_path>\n"
        "<snapshot_storage_path>%s/coordination/snapshots</snapshot_storage_path>\n"
        "<storage_path>%s</storage_path>\n</keeper_server>\n</clickhouse>\n",
        port, data, data, data);
}

static int copy_translated(const struct container_run *r, const char *etc, const char *name, struct err *err)
{
    auto_free char *mount = mem_printf(ETC "/%s", name), *to = mem_printf("%s/%s", etc, name);
    const char *from = path_maps_at(&r->maps, mount);
    size_t n = 0;
    char **names = from ? xml_names(from, &n) : NULL;
    int rc = program_mkdirs(to, err);

    for (size_t i = 0; i < n; i++) {
        auto_free char *path = mem_printf("%s/%s", from, names[i]);
        auto_free char *text = shim_read(AT_FDCWD, path);
        struct translate_facts facts = {0};
        auto_str struct str out = STR_INIT;

        if (rc == 0 && text) {
            bool changed = translate_clickhouse(text, strlen(text), &r->maps, false, &facts, &out);

            rc = program_write(to, names[i], changed ? out.s : text, changed ? out.len : strlen(text), 0600, NULL, err);
        }
        translate_facts_fini(&facts);
        free(names[i]);
    }
    free(names);
    return rc;
}

static int real_keeper_prepare(struct container_run *r, const char *binary, const char *etc, struct shim_spec *spec,
                               struct container_plan *plan, struct err *err)
{
    const char *base = strrchr(binary, '/') ? strrchr(binary, '/') + 1 : binary;
    auto_free char *option = mem_printf("--config-file=%s/keeper_config.xml", etc);
    auto_free char *dir = mem_printf("%s/keeper_config.d", etc);
    auto_str struct str last = STR_INIT;

    last_word(r, plan->zk_port, &last);
    if (program_write(etc, "keeper_config.xml", base_keeper, strlen(base_keeper), 0600, NULL, err) < 0 ||
        copy_translated(r, etc, "conf.d", err) < 0 || copy_translated(r, etc, "keeper_config.d", err) < 0 ||
        program_write(dir, "zz-plane.xml", last.s, last.len, 0600, NULL, err) < 0)
        return -1;
    plan->keeper_http_ready = true;
    shim_spec_arg(spec, binary);
    if (!strstr(base, "keeper"))
        shim_spec_arg(spec, "keeper");
    shim_spec_arg(spec, option);
    return 0;
}

int program_keeper_prepare(const struct program *p, struct container_run *r, const char *binary, struct shim_spec *spec,
                           struct container_plan *plan, struct err *err)
{
    auto_free char *etc = mem_printf("%s/etc", r->dir);
    struct keeper_conf k = {0};
    int rc;

    if (program_mkdirs(etc, err) < 0 || default_dir(r, DATA, "data", err) < 0 ||
        default_dir(r, "/var/log/clickhouse-keeper", "logs", err) < 0)
        return -1;
    rc = read_conf(r, &k, err);
    plan->zk_port = container_port(r->container, "zk", k.tcp_port ? k.tcp_port : 2181);
    if (rc == 0)
        rc = str_ends(binary, ".jar") ? zookeeper_prepare(p, r, binary, &k, etc, spec, plan, err)
                                      : real_keeper_prepare(r, binary, etc, spec, plan, err);
    keeper_conf_fini(&k);
    return rc;
}
