/* SPDX-License-Identifier: Apache-2.0 */
#include "exporter/ask.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "sql/statements.h"

#define PREFIX "chi_clickhouse_"

enum fetch { FETCH_VALUES, FETCH_PARTS, FETCH_REPLICAS, FETCH_MUTATIONS, FETCH_DISKS, FETCH_DETACHED, FETCHES };

/* The parts of the answer of metrics_values. */
enum part { PART_VERSION, PART_METRICS, PART_ASYNC, PART_EVENTS, PART_DICTIONARIES, PART_LONGEST, PART_SETTINGS, PART_ERRORS };

enum { FIELDS = 10 };

struct ask;
typedef void row_fn(struct ask *a, const char *const *field);

static row_fn on_value, on_table, on_replica, on_mutation, on_disk, on_detached;

static const struct {
    const char *statement;
    int fields;
    row_fn *row;
    const char *types[2]; /* label fetch_type of metric_fetch_errors */
} fetches[FETCHES] = {
    [FETCH_VALUES] = {"metrics_values", 3, on_value, {"system.metrics", NULL}},
    [FETCH_PARTS] = {"metrics_parts", 10, on_table, {"table sizes", "system parts"}},
    [FETCH_REPLICAS] = {"metrics_replicas", 3, on_replica, {"system.replicas", NULL}},
    [FETCH_MUTATIONS] = {"metrics_mutations", 4, on_mutation, {"system.mutations", NULL}},
    [FETCH_DISKS] = {"metrics_disks", 3, on_disk, {"system.disks", NULL}},
    [FETCH_DETACHED] = {"metrics_detached", 5, on_detached, {"system.detached_parts", NULL}},
};

struct call {
    struct ask *a;
    enum fetch fetch;
    struct sql_call *sql;
};

struct ask {
    struct world *w;
    struct pool *pool;
    struct target_host *h;
    char *user, *password, *ca; /* copies: the configuration may change meanwhile */
    struct http_tls trust;
    struct sql_host at;
    uint32_t connect_ms, query_ms;
    struct world_timer *timer;
    struct samples samples;
    struct str name; /* of the value that is being read */
    struct call identity, calls[FETCHES];
    unsigned open;
    bool failed[FETCHES], refused;
    double disk_bytes, key_bytes;
    ask_done_fn *done;
    void *ctx;
};

/* ---- numbers ---- */

static void gauge(struct ask *a, const char *name, const char *help, const char *const *labels, double v)
{
    samples_add(&a->samples, pool_family(a->pool, name, help, false), labels ? pool_labels(a->pool, labels) : 0, v);
}

static void raw_value(struct ask *a, const char *kind, const char *name, const char *help, bool counter, const char *number)
{
    str_reset(&a->name);
    str_add(&a->name, PREFIX);
    str_add(&a->name, kind);
    str_addc(&a->name, '_');
    prom_metric_name(&a->name, name);
    samples_add(&a->samples, pool_family(a->pool, str_text(&a->name), help, counter), 0, prom_read_number(number));
}

static void on_value(struct ask *a, const char *const *field)
{
    auto_free char *error = NULL;

    switch ((enum part)atoi(field[0])) {
    case PART_VERSION:
        a->h->version_known = sql_version_parse(field[1], &a->h->version) == 0;
        break;
    case PART_METRICS:
        raw_value(a, "metric", field[1], "Value of system.metrics or of the user's system.custom_metrics", false, field[2]);
        break;
    case PART_ASYNC:
        raw_value(a, "metric", field[1], "Value of system.asynchronous_metrics", false, field[2]);
        break;
    case PART_EVENTS:
        raw_value(a, "event", field[1], "Counter of system.events since the server started", true, field[2]);
        break;
    case PART_DICTIONARIES:
        raw_value(a, "metric", "MemoryDictionaryBytesAllocated", "Memory of all dictionaries", false, field[2]);
        break;
    case PART_LONGEST:
        raw_value(a, "metric", "LongestRunningQuery", "Seconds since the oldest running query began", false, field[2]);
        break;
    case PART_SETTINGS:
        raw_value(a, "metric", "ChangedSettingsHash", "Hash of all settings that differ from their defaults", false, field[2]);
        break;
    case PART_ERRORS:
        error = mem_printf("SystemErrors_%s", field[1]);
        raw_value(a, "metric", error, "How often the server reported this error since it started", true, field[2]);
        break;
    }
}

static void on_table(struct ask *a, const char *const *f)
{
    const char *labels[] = {"database", f[0], "table", f[1], "active", f[2], NULL};

    gauge(a, PREFIX "table_partitions", "Partitions of the table", labels, prom_read_number(f[3]));
    gauge(a, PREFIX "table_parts", "Parts of the table", labels, prom_read_number(f[4]));
    gauge(a, PREFIX "table_parts_bytes", "Bytes of the table's parts", labels, prom_read_number(f[5]));
    gauge(a, PREFIX "table_parts_bytes_uncompressed", "Bytes of the table's data before compression", labels, prom_read_number(f[6]));
    gauge(a, PREFIX "table_parts_rows", "Rows of the table's parts", labels, prom_read_number(f[7]));
    a->disk_bytes += prom_read_number(f[8]);
    a->key_bytes += prom_read_number(f[9]);
}

static void on_replica(struct ask *a, const char *const *f)
{
    const char *labels[] = {"database", f[0], "table", f[1], NULL};

    gauge(a, PREFIX "system_replicas_is_session_expired", "1 when the table's session with Keeper is over", labels,
          prom_read_number(f[2]));
}

static void on_mutation(struct ask *a, const char *const *f)
{
    const char *labels[] = {"database", f[0], "table", f[1], NULL};

    gauge(a, PREFIX "table_mutations", "Unfinished mutations of the table", labels, prom_read_number(f[2]));
    gauge(a, PREFIX "table_mutations_parts_to_do", "Parts that unfinished mutations have before them", labels,
          prom_read_number(f[3]));
}

static void on_disk(struct ask *a, const char *const *f)
{
    const char *labels[] = {"disk", f[0], NULL};

    gauge(a, PREFIX "metric_DiskFreeBytes", "Free bytes of the local disk", labels, prom_read_number(f[1]));
    gauge(a, PREFIX "metric_DiskTotalBytes", "Size of the local disk", labels, prom_read_number(f[2]));
}

static void on_detached(struct ask *a, const char *const *f)
{
    const char *labels[] = {"database", f[0], "table", f[1], "disk", f[2], "reason", f[3], NULL};

    gauge(a, PREFIX "metric_DetachedParts", "Detached parts of the table", labels, prom_read_number(f[4]));
}

/* ---- end ---- */

static void add_fetch_errors(struct ask *a)
{
    for (int i = 0; i < FETCHES; i++)
        for (int k = 0; k < 2 && fetches[i].types[k]; k++) {
            const char *labels[] = {"fetch_type", fetches[i].types[k], NULL};

            gauge(a, PREFIX "metric_fetch_errors", "1 when the last fetch of this type failed", labels, a->failed[i]);
        }
}

static void ask_free(struct ask *a)
{
    samples_free(&a->samples);
    str_free(&a->name);
    free(a->user);
    free(a->password);
    free(a->ca);
    free(a);
}

static void finish(struct ask *a)
{
    if (!a->failed[FETCH_PARTS]) {
        gauge(a, PREFIX "metric_DiskDataBytes", "Bytes of all parts on disk", NULL, a->disk_bytes);
        gauge(a, PREFIX "metric_MemoryPrimaryKeyBytesAllocated", "Memory of all primary keys", NULL, a->key_bytes);
    }
    add_fetch_errors(a);
    samples_finish(&a->samples, a->pool);
    a->h->failed = a->failed[FETCH_VALUES];
    a->done(a->ctx, &a->samples, a->refused); /* what it took is not ours any more */
    ask_free(a);
}

static void fail_all(struct ask *a)
{
    for (int i = 0; i < FETCHES; i++)
        a->failed[i] = true;
}

/* ---- questions ---- */

static void answered(void *ctx, const char *rows, size_t len, const struct err *err, bool sent);

static void start(struct ask *a, struct call *c, enum fetch fetch, const char *statement)
{
    auto_str struct str text = STR_INIT;
    struct sql_query q = {.timeout_ms = a->query_ms, .connect_ms = a->connect_ms};
    struct err err = ERR_INIT;

    *c = (struct call){a, fetch, NULL};
    if (sql_statement(&text, statement, a->h->version_known ? &a->h->version : NULL, NULL, &err) < 0) {
        log_error(a->h->hostname, "%s", err.msg);
        a->failed[fetch] = true;
        if (fetch == FETCH_VALUES)
            fail_all(a);
        return;
    }
    q.text = str_text(&text);
    c->sql = sql_start(a->w, &a->at, &q, answered, c);
    a->open++;
}

static void start_rest(struct ask *a)
{
    for (int i = FETCH_VALUES + 1; i < FETCHES; i++)
        if (sql_has(fetches[i].statement, &a->h->version)) /* an older server has nothing there, which is no failure */
            start(a, &a->calls[i], (enum fetch)i, fetches[i].statement);
}

static void take_rows(struct ask *a, enum fetch fetch, const char *rows, size_t len)
{
    struct sql_rows r = {rows, rows + len};
    auto_str struct str buf = STR_INIT;
    const char *field[FIELDS];

    for (int n; (n = sql_next(&r, &buf, field, FIELDS));) {
        if (n >= fetches[fetch].fields)
            fetches[fetch].row(a, field);
    }
}

static void on_failure(struct ask *a, const struct call *c, const struct err *err)
{
    log_debug(a->h->hostname, "%s", err->msg);
    a->failed[c->fetch] = true;
    a->refused |= err->kind == ERR_REFUSED;
    if (c->fetch != FETCH_VALUES)
        return;
    fail_all(a); /* a host that does not say its version and numbers is not asked for more */
    if (err->kind == ERR_MISSING)
        a->h->version_known = false; /* it was another one that had these tables */
}

static void answered(void *ctx, const char *rows, size_t len, const struct err *err, bool sent)
{
    struct call *c = ctx;
    struct ask *a = c->a;

    (void)sent;
    c->sql = NULL;
    a->open--;
    if (err) {
        on_failure(a, c, err);
    } else if (c == &a->identity) {
        struct sql_rows r = {rows, rows + len};
        auto_str struct str buf = STR_INIT;
        const char *field[2];

        a->h->version_known = sql_next(&r, &buf, field, 2) > 0 && sql_version_parse(field[0], &a->h->version) == 0;
        if (a->h->version_known)
            start(a, &a->calls[FETCH_VALUES], FETCH_VALUES, fetches[FETCH_VALUES].statement);
        else
            fail_all(a);
    } else {
        take_rows(a, c->fetch, rows, len);
        if (c->fetch == FETCH_VALUES)
            start_rest(a);
    }
    if (!a->open)
        finish(a);
}

/* auto: plain HTTP where the host has it, as the configuration's authors are used to. */
static bool choose_port(const struct target_host *h, const char *scheme, struct sql_host *at)
{
    if (strcmp(scheme, "https") == 0 || (strcmp(scheme, "http") != 0 && !h->http)) {
        at->tls = true;
        at->port = h->https;
    } else {
        at->port = h->http;
    }
    return at->port != 0;
}

static void nothing_to_wait_for(void *ctx)
{
    struct ask *a = ctx;

    a->timer = NULL;
    finish(a);
}

struct ask *ask_start(struct world *w, struct pool *pool, struct target_host *h, const struct target_access *access,
                      ask_done_fn *done, void *ctx)
{
    struct ask *a = mem_zero(sizeof *a);

    *a = (struct ask){.w = w, .pool = pool, .h = h, .done = done, .ctx = ctx};
    a->connect_ms = access->connect_ms;
    a->query_ms = access->query_ms;
    a->user = mem_str(access->user);
    a->password = mem_str(access->password);
    a->ca = mem_str(access->trust.ca);
    a->trust = (struct http_tls){.ca = a->ca, .insecure = access->trust.insecure};
    a->at = (struct sql_host){.address = h->address, .user = a->user, .password = a->password, .trust = &a->trust};
    if (!choose_port(h, access->scheme, &a->at)) {
        log_debug(h->hostname, "has no port for clickhouse.access.scheme %s", access->scheme);
        fail_all(a);
    } else if (h->version_known) {
        start(a, &a->calls[FETCH_VALUES], FETCH_VALUES, fetches[FETCH_VALUES].statement);
    } else {
        start(a, &a->identity, FETCH_VALUES, "identity");
    }
    if (!a->open)
        a->timer = world_timer(w, 0, nothing_to_wait_for, a);
    return a;
}

static void cancel_calls(struct ask *a)
{
    if (a->identity.sql)
        fail_all(a);
    sql_cancel(a->identity.sql);
    for (int i = 0; i < FETCHES; i++) {
        if (a->calls[i].sql && i == FETCH_VALUES)
            fail_all(a);
        a->failed[i] |= a->calls[i].sql != NULL;
        sql_cancel(a->calls[i].sql);
    }
    world_timer_stop(a->w, &a->timer);
}

void ask_give_up(struct ask *a)
{
    cancel_calls(a);
    finish(a);
}

void ask_cancel(struct ask *a)
{
    if (!a)
        return;
    cancel_calls(a);
    ask_free(a);
}
