/* SPDX-License-Identifier: Apache-2.0 */
/* chfleetd: wires the supervisor to the real world. */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/world_real.h"
#include "keeper/keeper.h"
#include "render/render.h"
#include "schema/config_file.h"
#include "supervisor/internal.h"
#include "supervisor/program.h"
#include "workers/worker.h"

struct daemon_options {
    const char *kubeconfig, *data, *config, *status_address, *metrics_address, *log_level;
    struct names {
        const char **v;
        size_t n;
    } namespaces, exclude;
    unsigned port_base;
    struct kube_limits limits;
};

enum { PORT_BASE_MIN = 1024, PORT_BASE_MAX = 60000, RATE = 50, RATE_MOST = 200, RATE_MAX = 5000 };

struct trimming {
    struct world *w;
    unsigned ms;
};

struct daemon_state {
    struct daemon_options o;
    struct trimming trimming;
    struct world *w;
    struct kube *kube;
    struct journal *journal;
    struct super *super;
    struct http_front *status, *metrics;
    int claim;    /* see claim_fleet(); -1 */
    char *stamp;  /* of the configuration file and its folders, when they were read last */
    cJSON *config; /* what was read last, for its folders */
    struct world_timer *look;
};

static void add_names(struct names *l, const char *list)
{
    auto_free char *copy = mem_str(list);

    for (char *save = NULL, *ns = strtok_r(copy, ",:", &save); ns; ns = strtok_r(NULL, ",:", &save)) {
        l->v = mem_grow(l->v, l->n + 2, sizeof *l->v);
        l->v[l->n++] = mem_str(ns);
        l->v[l->n] = NULL;
    }
}

static void free_names(struct names *l)
{
    for (size_t i = 0; i < l->n; i++)
        free((void *)l->v[i]);
    free(l->v);
}

static int take_ports(struct daemon_options *o, const char *value, struct err *err)
{
    char *end;

    o->port_base = (unsigned)strtoul(value, &end, 10);
    if (*end || o->port_base < PORT_BASE_MIN || o->port_base > PORT_BASE_MAX)
        return err_set(err, ERR_INPUT, 0, "--port-base must be a number from %d to %d", PORT_BASE_MIN, PORT_BASE_MAX);
    return 0;
}

static int take_rate(unsigned *to, const char *name, const char *value, struct err *err)
{
    char *end;
    unsigned long n = strtoul(value, &end, 10);

    if (*end || n < 1 || n > RATE_MAX)
        return err_set(err, ERR_INPUT, 0, "--%s must be a number of requests a second from 1 to %d", name, RATE_MAX);
    *to = (unsigned)n;
    return 0;
}

static int take_option(void *ctx, const char *name, const char *value, struct err *err)
{
    struct daemon_options *o = ctx;
    struct {
        const char *name, **to;
    } texts[] = {{"kubeconfig", &o->kubeconfig},
                 {"data", &o->data},
                 {"config", &o->config},
                 {"status-address", &o->status_address},
                 {"metrics-address", &o->metrics_address},
                 {"log-level", &o->log_level}};

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (strcmp(name, texts[i].name) == 0)
            *texts[i].to = value;
    if (strcmp(name, "namespace") == 0)
        add_names(&o->namespaces, value);
    else if (strcmp(name, "exclude-namespace") == 0)
        add_names(&o->exclude, value);
    else if (strcmp(name, "port-base") == 0)
        return take_ports(o, value, err);
    else if (strcmp(name, "api-rate") == 0)
        return take_rate(&o->limits.qps, name, value, err);
    else if (strcmp(name, "api-rate-most") == 0)
        return take_rate(&o->limits.most, name, value, err);
    else if (strcmp(name, "log-level") == 0 && log_level_parse(value) < 0)
        return err_set(err, ERR_INPUT, 0, "--log-level %s: write error, warning, notice, info or debug", value);
    return 0;
}

/* False: the program ends with *code. */
static bool parse_options(int argc, char **argv, struct daemon_options *o, int *code)
{
    if (!program_parse(&chfleetd_program, argc, argv, take_option, o, code))
        return false;
    if (!o->data) {
        fputs("chfleetd: --data DIR is needed: where the journal is kept\n", stderr);
        *code = 2;
        return false;
    }
    for (size_t i = 0; i < 2 && !o->namespaces.n; i++)
        if (getenv(i ? "WATCH_NAMESPACE" : "WATCH_NAMESPACES"))
            add_names(&o->namespaces, getenv(i ? "WATCH_NAMESPACE" : "WATCH_NAMESPACES"));
    if (!o->exclude.n && getenv("WATCH_NAMESPACES_EXCLUDE"))
        add_names(&o->exclude, getenv("WATCH_NAMESPACES_EXCLUDE"));
    return true;
}

static int make_dir(const char *path, struct err *err)
{
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return err_set(err, ERR_SYS, errno, "cannot make directory %s", path);
    return 0;
}

/* Configuration file and folders as JSON text; checked. Without a file NULL. */
static int read_config(struct daemon_state *d, char **out, struct err *err)
{
    auto_problems struct schema_problems problems = SCHEMA_PROBLEMS_INIT;
    cJSON *config = NULL;

    *out = NULL;
    if (!d->o.config)
        return 0;
    free(d->stamp);
    d->stamp = schema_config_stamp(d->o.config, d->config); /* before reading: what changes meanwhile is read again */
    if (schema_config_load(d->o.config, &config, &problems, err) < 0)
        return -1;
    if (render_check_config(config, err) < 0) {
        cJSON_Delete(config);
        return -1;
    }
    if (problems.n) { /* only notes are left */
        auto_str struct str text = STR_INIT;

        schema_problems_print(&problems, d->o.config, &text);
        for (char *save = NULL, *line = strtok_r(text.s, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
            log_warn(NULL, "%s", line);
    }
    cJSON_Delete(d->config);
    d->config = config;
    *out = json_print(config);
    return 0;
}

/*
 * What was in force last stays in the data folder: a file that is wrong when this process is started again must not be what
 * leaves the fleet without its operator.
 */
static char *kept_path(const struct daemon_state *d)
{
    return mem_printf("%s/config-in-force.json", d->o.data);
}

static void keep_config(struct daemon_state *d, const char *text)
{
    auto_free char *path = kept_path(d);
    struct err err = ERR_INIT;

    if (text && d->w->ops->write_file(d->w, path, text, strlen(text), 0600, &err) < 0)
        log_warn(NULL, "the configuration in force is not kept for the next start: %s", err.msg);
}

/* NULL: there is none, or it is torn. Caller frees. */
static char *kept_config(struct daemon_state *d)
{
    auto_free char *path = kept_path(d), *text = NULL;
    auto_json cJSON *tree = NULL;
    struct err err = ERR_INIT;
    size_t len = 0;

    if (d->w->ops->read_file(d->w, path, &text, &len, &err) < 0)
        return NULL;
    tree = json_parse(text, len, NULL);
    return tree ? json_print(tree) : NULL;
}

/* The file's, else the kept one: then *refused says why (caller frees). */
static int first_config(struct daemon_state *d, char **out, char **refused, struct err *err)
{
    struct err why = ERR_INIT;

    if (read_config(d, out, &why) == 0)
        return 0;
    if (why.kind == ERR_INPUT && (*out = kept_config(d))) {
        *refused = mem_str(why.msg);
        return 0;
    }
    *err = why;
    return -1;
}

static void stopped(void *ctx)
{
    struct daemon_state *d = ctx;

    d->w->ops->quit(d->w, 0);
}

static void reload(struct daemon_state *d)
{
    auto_free char *text = NULL;
    struct err err = ERR_INIT;

    if (read_config(d, &text, &err) < 0)
        super_reload_failed(d->super, err.msg);
    else if (text && super_reload(d->super, text, &err) == 0) /* it says itself what is wrong */
        keep_config(d, text);
}

/* A mounted ConfigMap changes without a word; looking at a few files costs nothing. */
enum { LOOK_MS = 2000 };

static void look(void *ctx)
{
    struct daemon_state *d = ctx;
    auto_free char *now = schema_config_stamp(d->o.config, d->config);

    d->look = world_timer(d->w, LOOK_MS, look, d);
    if (str_eq(now, d->stamp))
        return;
    reload(d);
}

static void on_signal(void *ctx, int signo)
{
    struct daemon_state *d = ctx;

    if (signo != SIGHUP) {
        log_note(NULL, "ending at a safe point");
        super_stop(d->super, stopped, d);
        return;
    }
    log_note(NULL, "SIGHUP: reading the configuration");
    reload(d);
}

static int start_fronts(struct daemon_state *d, struct err *err)
{
    auto_free char *file = mem_printf("%s/status.address", d->o.data);
    struct event_base *base = world_real_base(d->w);

    if (http_front_open(base, d->super, d->o.status_address ? d->o.status_address : "127.0.0.1:0", file, &d->status,
                        err) < 0)
        return -1;
    return d->o.metrics_address ? http_front_open(base, d->super, d->o.metrics_address, NULL, &d->metrics, err) : 0;
}

static const char *identity(char *buf, size_t size)
{
    const char *pod = getenv("OPERATOR_POD_NAME");
    char host[128] = "localhost";

    gethostname(host, sizeof host - 1);
    if (pod)
        snprintf(buf, size, "%s", pod);
    else
        snprintf(buf, size, "%s-%d", host, (int)getpid());
    return buf;
}

/*
 * Where no Lease keeps a second supervisor away (no pod, so no namespace for it), all supervisors of an API server are
 * on this machine: the one that has a name that belongs to the API server is alone, whatever --data it has. The kernel
 * takes the name back when we die.
 */
static int claim_fleet(struct daemon_state *d, const char *server, struct err *err)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    const char *ns = d->o.namespaces.n == 1 ? d->o.namespaces.v[0] : "*";
    auto_free char *text = mem_printf("chfleetd/%s/%s", server, ns), *hash = hash_sha256_hex(text, strlen(text));

    d->claim = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(name.sun_path + 1, sizeof name.sun_path - 1, "chfleetd-%.32s", hash); /* no file: it begins with a zero */
    if (d->claim < 0)
        return err_set(err, ERR_SYS, errno, "cannot make a socket");
    if (bind(d->claim, (struct sockaddr *)&name, sizeof name) == 0)
        return 0;
    if (errno != EADDRINUSE)
        return err_set(err, ERR_SYS, errno, "cannot claim %s", server);
    return err_set(err, ERR_REFUSED, 0,
                   "another chfleetd of this machine, with another --data, works on %s: stop that one first (the one "
                   "of chfleet up "
                   "by chfleet down --keep)",
                   server);
}

/* A worker holds much for a moment (the schema of a dozen peers) and waits for minutes: there are many of it. What a look at a
 * large fleet leaves behind lies between what stays. */
enum { WORKER_TRIM_MS = 1000, MAIN_TRIM_MS = 5000 };

static void trim(void *ctx)
{
    struct trimming *t = ctx;

    malloc_trim(0);
    world_timer(t->w, t->ms, trim, t);
}

static void trim_each(struct trimming *t, struct world *w, unsigned ms)
{
    *t = (struct trimming){w, ms};
    world_timer(w, ms, trim, t);
}

static int start(struct daemon_state *d, struct err *err)
{
    struct kube_config *kc = NULL;
    auto_free char *config = NULL, *refused = NULL, *locks = mem_printf("%s/locks", d->o.data);
    char id[160];
    struct super_options so = {.data_dir = d->o.data,
                               .namespaces = d->o.namespaces.v,
                               .exclude = d->o.exclude.v,
                               .identity = identity(id, sizeof id),
                               .look_for_others = true,
                               .lease_ns = getenv("OPERATOR_POD_NAMESPACE"),
                               .operator_ip = getenv("OPERATOR_POD_IP"),
                               .build = PACKAGE_VERSION_TEXT,
                               .log_level = d->o.log_level ? log_level_parse(d->o.log_level) : LOG_INFO,
                               .port_base = d->o.port_base};

    if (make_dir(d->o.data, err) < 0 || make_dir(locks, err) < 0 || first_config(d, &config, &refused, err) < 0 ||
        journal_open(&d->journal, d->o.data, d->w, world_real_base(d->w), 0, err) < 0 ||
        kube_config_load(d->w, d->o.kubeconfig, &kc, err) < 0 ||
        (!so.lease_ns && claim_fleet(d, kube_config_server(kc), err) < 0))
        return -1;
    so.config_ns = so.lease_ns ? so.lease_ns : kube_config_namespace(kc);
    d->o.limits.burst = 2 * d->o.limits.qps;
    d->kube = kube_new(d->w, kc, &d->o.limits);
    so.config_text = config;
    if (super_new(d->w, d->kube, d->journal, &so, &d->super, err) < 0 || start_fronts(d, err) < 0)
        return -1;
    if (refused)
        super_reload_failed(d->super, refused);
    else
        keep_config(d, config);
    if (d->o.config)
        d->look = world_timer(d->w, LOOK_MS, look, d);
    trim_each(&d->trimming, d->w, MAIN_TRIM_MS);
    world_real_signal(d->w, SIGTERM, on_signal, d);
    world_real_signal(d->w, SIGINT, on_signal, d);
    world_real_signal(d->w, SIGHUP, on_signal, d);
    return 0;
}

static int worker_begin(struct world *w, struct world_chan *chan, const struct world_worker_args *args)
{
    mallopt(M_MXFAST, 0); /* small pieces, too, grow together when they are freed */
    mallopt(M_TOP_PAD, 4 << 10);
    trim_each(mem_zero(sizeof(struct trimming)), w, WORKER_TRIM_MS); /* as long as the process lives */
    return worker_main(w, chan, args);
}

int main(int argc, char **argv)
{
    struct daemon_state d = {.claim = -1, .o.limits = {.qps = RATE, .most = RATE_MOST}};
    struct world_spawner *spawner = NULL;
    struct err err = ERR_INIT;
    int code = 0;

    mem_keep_little(argv);
    if (!parse_options(argc, argv, &d.o, &code)) {
        free_names(&d.o.namespaces);
        free_names(&d.o.exclude);
        return code;
    }
    log_init("chfleetd", d.o.log_level ? (enum log_level)log_level_parse(d.o.log_level) : LOG_INFO);
    signal(SIGPIPE, SIG_IGN);
    mallopt(M_ARENA_MAX, 1); /* the journal's thread asks for little; freed memory goes back to the machine */
    mallopt(M_TRIM_THRESHOLD, 128 << 10);
    mallopt(M_TOP_PAD, 32 << 10);
    world_real_set_zk(&keeper_zk_ops);
    if (world_real_spawner(worker_begin, &spawner, &err) < 0 || world_real_new(spawner, &d.w, &err) < 0 ||
        start(&d, &err) < 0) {
        log_error(NULL, "%s", err.msg);
        code = err_exit_code(&err);
    } else {
        code = world_real_run(d.w);
    }
    http_front_close(d.status);
    http_front_close(d.metrics);
    super_free(d.super);
    kube_free(d.kube);
    journal_close(d.journal);
    if (d.w)
        world_real_free(d.w);
    free_names(&d.o.namespaces);
    free_names(&d.o.exclude);
    free(d.stamp);
    cJSON_Delete(d.config);
    return code;
}
