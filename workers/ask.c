/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "workers/protocol.h"
#include "workers/task.h"

/* An answer. Many peers give the same one: it is kept once. */
struct text {
    unsigned users;
    size_t len;
    char s[];
};

struct question {
    uint64_t digest;
    size_t len;
};

struct ask {
    struct task *t;
    struct question what;
    bool done, good, sent;
    struct text *text; /* NULL: none */
    cJSON *data;
    struct err *err; /* NULL: none */
    uint32_t seq; /* MSG_* */
    struct sql_call *sql;
    struct world_zk *zk;
    struct world_tcp *tcp;
};

/* What the server lets somebody in for, and does not let him do. */
enum { NO_RIGHT = 497 };
enum { SQL_MS = 10000, ZK_MS = 30000, WORD_MS = 3000, WORD_LIMIT = 65536 };
/* Each takes a connection's buffers and, where hosts have names, a thread: there are many workers of shards. */
enum { SQL_AT_ONCE = 4, SQL_AT_ONCE_OF_ALL = 8 };

static void text_leave(struct text *x)
{
    if (x && --x->users == 0)
        free(x);
}

static void text_take(struct ask *a, const char *s, size_t len)
{
    struct task *t = a->t;
    struct text *x = NULL;

    if (len == 0)
        return;
    for (size_t i = 0; i < t->n_asks && !x; i++)
        if (t->asks[i]->text && t->asks[i]->text->len == len && memcmp(t->asks[i]->text->s, s, len) == 0)
            x = t->asks[i]->text;
    if (!x) {
        x = mem_alloc(sizeof *x + len + 1);
        *x = (struct text){.len = len};
        memcpy(x->s, s, len);
        x->s[len] = '\0';
    }
    x->users++;
    a->text = x;
}

static void ask_free(struct ask *a)
{
    if (!a->done) {
        if (a->sql)
            sql_cancel(a->sql);
        if (a->zk)
            a->t->w->ops->zk_cancel(a->t->w, a->zk);
        if (a->tcp)
            a->t->w->ops->tcp_cancel(a->t->w, a->tcp);
    }
    free(a->err);
    text_leave(a->text);
    cJSON_Delete(a->data);
    free(a);
}

static void drop_from(struct task *t, size_t from)
{
    while (t->n_asks > from)
        ask_free(t->asks[--t->n_asks]);
}

void asks_clear(struct task *t)
{
    drop_from(t, 0);
    free(t->asks);
    t->asks = NULL;
    t->ask_at = 0;
}

void asks_restart(struct task *t)
{
    t->ask_at = 0;
}

struct ask *asks_pending_msg(struct task *t, uint32_t seq)
{
    for (size_t i = 0; i < t->n_asks; i++)
        if (!t->asks[i]->done && t->asks[i]->seq == seq)
            return t->asks[i];
    return NULL;
}

/* Puts the ask that is at `from` to the place that is asked next; the others keep their order. */
static struct ask *move_here(struct task *t, size_t from)
{
    struct ask *a = t->asks[from];

    memmove(t->asks + t->ask_at + 1, t->asks + t->ask_at, (from - t->ask_at) * sizeof *t->asks);
    return t->asks[t->ask_at++] = a;
}

/* Questions are long statements, of which a worker asks dozens at once and needs to know only whether one is the same. */
static struct question question(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static struct question question(const char *fmt, ...)
{
    auto_str struct str text = STR_INIT;
    va_list ap;

    va_start(ap, fmt);
    str_addv(&text, fmt, ap);
    va_end(ap);
    return (struct question){hash_fnv64(str_text(&text), text.len), text.len};
}

static bool is_same(const struct ask *a, struct question q)
{
    return a->what.digest == q.digest && a->what.len == q.len;
}

static bool is_asked(const struct task *t, struct question what)
{
    for (size_t i = t->ask_at; i < t->n_asks; i++)
        if (is_same(t->asks[i], what))
            return true;
    return false;
}

/* The same question at this place or later in this round; else a new one (*fresh) that the caller starts. Later,
 * because many hosts are asked at once, and the answer of one brings its next question in front of what the others were
 * asked. */
static struct ask *ask_here(struct task *t, struct question what, bool *fresh)
{
    struct ask *a;

    *fresh = false;
    for (size_t i = t->ask_at; i < t->n_asks; i++)
        if (is_same(t->asks[i], what))
            return move_here(t, i);
    a = mem_zero(sizeof *a);
    a->t = t;
    a->what = what;
    t->asks = mem_grow(t->asks, t->n_asks + 1, sizeof *t->asks);
    t->asks[t->n_asks++] = a;
    *fresh = true;
    return move_here(t, t->n_asks - 1);
}

static enum ask_rc tell(const struct ask *a, struct answer *out)
{
    if (!a->done)
        return ASK_WAIT;
    out->text = a->text ? a->text->s : "";
    out->len = a->text ? a->text->len : 0;
    out->data = a->data;
    out->err = a->err ? *a->err : (struct err)ERR_INIT;
    out->sent = a->sent;
    return a->good ? ASK_GOOD : ASK_BAD;
}

static void ended(struct ask *a, const struct err *err)
{
    a->done = true;
    a->good = err == NULL;
    if (err)
        a->err = mem_copy(err, sizeof *err);
    a->sql = NULL;
    a->zk = NULL;
    a->tcp = NULL;
    task_poke(a->t);
}

/* ---- the supervisor ---- */

static enum err_kind kind_by_name(const char *name)
{
    static const enum err_kind kinds[] = {ERR_AGAIN, ERR_REFUSED, ERR_INPUT, ERR_CONFLICT, ERR_MISSING, ERR_SYS};

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(err_kind_name(kinds[i]), name) == 0)
            return kinds[i];
    return ERR_SYS;
}

void ask_answered(struct ask *a, const cJSON *answer)
{
    struct err err = ERR_INIT;

    a->data = json_copy(json_get(answer, "data"));
    a->sent = true;
    if (json_bool(answer, "ok", false)) {
        ended(a, NULL);
        return;
    }
    err_set(&err, kind_by_name(json_str(answer, "kind", "system")), 0, "%s",
            json_str(answer, "message", "the supervisor said no"));
    ended(a, &err);
}

enum ask_rc ask_msg(struct task *t, int type, cJSON *body, struct answer *out)
{
    auto_json cJSON *owned = body;
    auto_free char *text = json_print(body);
    bool fresh;
    struct ask *a = ask_here(t, question("msg|%d|%s", type, text), &fresh);

    if (fresh)
        a->seq = worker_send(t->worker, type, owned);
    return tell(a, out);
}

enum ask_rc ask_apply(struct task *t, const struct whost *h, const char *what, cJSON *more, struct answer *out)
{
    cJSON *body = more ? more : cJSON_CreateObject();

    json_set_str(body, "what", what);
    if (h)
        json_set_str(body, "host", h->key);
    return ask_msg(t, MSG_APPLY, body, out);
}

enum ask_rc ask_delete(struct task *t, const struct whost *h, const char *what, const char *name, const char *uid,
                       bool consent, struct answer *out)
{
    cJSON *body = cJSON_CreateObject();
    char pod[310];

    snprintf(pod, sizeof pod, "%s-0", host_str(h, "sts"));
    if (!name && strcmp(what, "pod") == 0)
        name = pod;
    else if (!name)
        name = host_str(h, strcmp(what, "statefulset") == 0 ? "sts" : what);
    json_set_str(body, "what", what);
    json_set_str(body, "host", h->key);
    json_set_str(body, "name", name);
    json_set_str(body, "uid", uid);
    if (consent)
        json_set_bool(body, "consent", true);
    return ask_msg(t, MSG_DELETE, body, out);
}

/* ---- SQL ---- */

/*
 * Who may come in, and from where, stands in files that take their time to a server: with a new address of ours or a new
 * password none lets us in for a while. That is no answer to anything, so for this while it is asked again.
 */
static void refused(struct ask *a, const struct err *err)
{
    struct task *t = a->t;
    uint64_t now = world_mono(t->w), grace_ms = (uint64_t)knob_int(t, "propagation_s", 90) * 1000;
    struct err later = ERR_INIT;

    if (!t->refused_ms)
        t->refused_ms = now;
    if (now - t->refused_ms >= grace_ms) {
        ended(a, err);
        return;
    }
    err_set(&later, ERR_AGAIN, 0, "it does not let chfleet in (yet; files of users take up to %llu s): %s",
            (unsigned long long)grace_ms / 1000, err->msg);
    later.sys = err->sys;
    ended(a, &later);
}

static void sql_answered(void *ctx, const char *rows, size_t len, const struct err *err, bool sent)
{
    struct ask *a = ctx;

    text_take(a, rows, len);
    a->sent = sent;
    if (!err)
        a->t->refused_ms = 0;
    if (err && err->kind == ERR_REFUSED && err->sys != NO_RIGHT) {
        worker_forget_credentials(a->t->worker); /* perhaps they were changed: ask again next time */
        refused(a, err);
        return;
    }
    ended(a, err);
}

void query_prefix(const struct task *t, char *buf, size_t size)
{
    snprintf(buf, size, "chfleet-%" PRId64 "-%" PRIu32 "-", t->op, t->id);
}

static void start_sql(struct ask *a, struct whost *h, const char *sql, const struct ask_opts *o, const char *user,
                      const char *password)
{
    struct task *t = a->t;
    const struct http_tls trust = worker_trust(t->worker);
    const struct access *way = worker_access(t->worker);
    struct sql_host at = {.address = host_str(h, "address"),
                          .user = user,
                          .password = password,
                          .trust = &trust};
    char id[160];
    struct sql_query q = {.text = sql,
                          .id = id,
                          .alone = o && o->alone,
                          .settings = o ? o->settings : NULL,
                          .connect_ms = way->connect_ms,
                          .timeout_ms = o && o->timeout_ms ? o->timeout_ms : way->query_ms ? way->query_ms : SQL_MS};
    unsigned plain = (unsigned)json_int(h->json, "ports.http", 0), secure = (unsigned)json_int(h->json, "ports.https", 0);

    at.tls = way->secure ? secure || !plain : !plain && secure && !way->plain;
    at.port = at.tls ? secure : plain;
    if (!at.port) /* a host that says neither */
        at.port = way->port;
    query_prefix(t, id, sizeof id);
    snprintf(id + strlen(id), sizeof id - strlen(id), "%s-%" PRIu32 "-%" PRIu32,
             t->phase == PHASE_FENCE ? "fence" : t->step->name, t->tries, t->queries++);
    a->sql = sql_start(t->w, &at, &q, sql_answered, a);
}

static enum ask_rc credentials(struct task *t, const char **user, const char **password, struct answer *out)
{
    enum ask_rc rc;

    if (worker_has_credentials(t->worker, user, password))
        return ASK_GOOD;
    rc = ask_msg(t, MSG_CREDENTIALS, cJSON_CreateObject(), out);
    if (rc != ASK_GOOD)
        return rc;
    worker_take_credentials(t->worker, out->data);
    return worker_has_credentials(t->worker, user, password) ? ASK_GOOD : ASK_BAD;
}

static unsigned sql_running(const struct task *t)
{
    unsigned n = 0;

    for (size_t i = 0; i < t->n_asks; i++)
        n += t->asks[i]->sql != NULL;
    return n;
}

enum ask_rc ask_text(struct task *t, struct whost *h, const char *sql, const struct ask_opts *o, struct answer *out)
{
    const char *user = NULL, *password = NULL;
    enum ask_rc rc = credentials(t, &user, &password, out);
    struct question what;
    struct ask *a;
    bool fresh;

    if (rc != ASK_GOOD)
        return rc;
    t->polled = true;
    what = question("sql|%s|%s|%s", h->key, o && o->settings ? o->settings : "", sql);
    if (!is_asked(t, what) && !(o && o->alone) && sql_running(t) >= (t->host ? SQL_AT_ONCE : SQL_AT_ONCE_OF_ALL))
        return ASK_WAIT; /* the end of one brings us here again */
    a = ask_here(t, what, &fresh);
    if (fresh)
        start_sql(a, h, sql, o, user, password);
    return tell(a, out);
}

struct sql_rows answer_rows(const struct answer *a)
{
    return (struct sql_rows){a->text, a->text + a->len};
}

static enum ask_rc version_by(struct task *t, struct whost *h, const struct ask_opts *o, struct answer *out)
{
    const char *identity = fact_str(t, h, "pod.identity"), *f[2];
    auto_str struct str buf = STR_INIT, sql = STR_INIT;
    struct sql_rows rows;
    enum ask_rc rc;

    if (sql_statement(&sql, "identity", NULL, NULL, &out->err) < 0)
        return ASK_BAD;
    rc = ask_text(t, h, str_text(&sql), o, out);
    if (rc != ASK_GOOD)
        return rc;
    rows = answer_rows(out);
    if (sql_next(&rows, &buf, f, 2) != 2 || sql_version_parse(f[0], &h->version) < 0) {
        err_set(&out->err, ERR_SYS, 0, "%s answers, but not as a ClickHouse server does", h->key);
        return ASK_BAD;
    }
    h->started_s = strtoll(f[1], NULL, 10);
    free(h->version_of);
    h->version_of = mem_str(identity);
    return ASK_GOOD;
}

enum ask_rc ask_version(struct task *t, struct whost *h, struct answer *out)
{
    return version_by(t, h, NULL, out);
}

static enum ask_rc known_version(struct task *t, struct whost *h, const struct ask_opts *o, struct answer *out)
{
    memset(out, 0, sizeof *out);
    out->text = "";
    if (h->version_of && strcmp(h->version_of, fact_str(t, h, "pod.identity")) == 0)
        return ASK_GOOD;
    return version_by(t, h, o, out);
}

enum ask_rc ask_known_version(struct task *t, struct whost *h, struct answer *out)
{
    return known_version(t, h, NULL, out);
}

enum ask_rc ask_sql_opts(struct task *t, struct whost *h, const char *statement, const struct sql_arg *args,
                         const struct ask_opts *o, struct answer *out)
{
    auto_str struct str sql = STR_INIT;
    const struct ask_opts patience = {.timeout_ms = o ? o->timeout_ms : 0};
    enum ask_rc rc = known_version(t, h, &patience, out);

    if (rc != ASK_GOOD)
        return rc;
    if (sql_statement(&sql, statement, &h->version, args, &out->err) < 0)
        return ASK_BAD;
    return ask_text(t, h, str_text(&sql), o, out);
}

enum ask_rc ask_sql(struct task *t, struct whost *h, const char *statement, const struct sql_arg *args,
                    struct answer *out)
{
    return ask_sql_opts(t, h, statement, args, NULL, out);
}

enum ask_rc ask_number(struct task *t, struct whost *h, const char *statement, const struct sql_arg *args, int64_t *out,
                       struct answer *a)
{
    enum ask_rc rc = ask_sql(t, h, statement, args, a);
    char *end;

    if (rc != ASK_GOOD)
        return rc;
    *out = strtoll(a->text, &end, 10);
    if (end == a->text || (*end != '\n' && *end != '\0')) {
        err_set(&a->err, ERR_SYS, 0, "%s: %s: no number in the answer", h->key, statement);
        return ASK_BAD;
    }
    return ASK_GOOD;
}

/* ---- Keeper ---- */

static void zk_answered(void *ctx, const char *value, const struct err *err)
{
    struct ask *a = ctx;

    text_take(a, value, value ? strlen(value) : 0);
    ended(a, err);
}

enum ask_rc ask_zk(struct task *t, enum zk_op op, const char *path, struct answer *out)
{
    const char *servers = json_str(t->json, "zookeeper.servers", "");
    bool fresh;
    struct ask *a = ask_here(t, question("zk|%d|%s", (int)op, path), &fresh);

    t->polled = true;
    if (fresh)
        a->zk = t->w->ops->zk(t->w, servers, op, path, ZK_MS, zk_answered, a);
    return tell(a, out);
}

static void word_answered(void *ctx, const char *text, size_t len, const struct err *err)
{
    struct ask *a = ctx;

    text_take(a, text, len);
    ended(a, err);
}

enum ask_rc ask_word(struct task *t, const struct whost *h, const char *word, struct answer *out)
{
    bool fresh;
    struct ask *a = ask_here(t, question("word|%s|%s", h->key, word), &fresh);

    t->polled = true;
    if (fresh)
        a->tcp = t->w->ops->tcp(t->w, host_str(h, "address"), (unsigned)json_int(h->json, "ports.zk", 2181), word,
                                WORD_LIMIT, WORD_MS, word_answered, a);
    return tell(a, out);
}

/* ---- into a step's result ---- */

enum step_rc asked(struct task *t, enum ask_rc rc, const struct answer *a, struct err *err)
{
    if (rc == ASK_WAIT)
        return STEP_WAIT;
    if (rc == ASK_GOOD)
        return STEP_YES;
    if (a->err.kind == ERR_AGAIN || a->err.kind == ERR_CONFLICT) {
        t->polled = true; /* no event tells when it would do: it is asked again after a pause */
        return not_yet(t, NULL, "%s", a->err.msg);
    }
    *err = a->err;
    return STEP_FAIL;
}
