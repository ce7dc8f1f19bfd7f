/* SPDX-License-Identifier: Apache-2.0 */
/* Disks, tables, the shared logs of replicated tables, and the part of Keeper that they use. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tests/sim/hosts_impl.h"

/* ---- znodes ---- */

static bool at_or_below(const char *path, const char *root)
{
    size_t n = strlen(root);

    return strncmp(path, root, n) == 0 && (path[n] == '\0' || path[n] == '/');
}

bool znode_has(const struct hosts *hs, const char *path)
{
    for (size_t i = 0; i < hs->znodes.n; i++)
        if (strcmp(hs->znodes.v[i], path) == 0)
            return true;
    return false;
}

void znode_add(struct hosts *hs, const char *path)
{
    if (znode_has(hs, path))
        return;
    hs->znodes.v = mem_grow(hs->znodes.v, hs->znodes.n + 1, sizeof *hs->znodes.v);
    hs->znodes.v[hs->znodes.n++] = mem_str(path);
}

void znode_delete_tree(struct hosts *hs, const char *path)
{
    for (size_t i = 0; i < hs->znodes.n;) {
        if (!at_or_below(hs->znodes.v[i], path)) {
            i++;
            continue;
        }
        free(hs->znodes.v[i]);
        hs->znodes.v[i] = hs->znodes.v[--hs->znodes.n];
    }
    for (struct chost *h = hs->list; h; h = h->next)
        for (struct dtable *t = h->disk ? h->disk->tables : NULL; t; t = t->next)
            if (t->path && h->state != CHOST_DOWN) {
                auto_free char *mine = mem_printf("%s/replicas/%s", t->path, t->replica);

                t->broken |= at_or_below(mine, path);
            }
}

static bool said_before(const struct str *out, const char *name, size_t n)
{
    const char *p = str_text(out);

    for (; *p; p = strchr(p, '\n') + 1)
        if (strncmp(p, name, n) == 0 && p[n] == '\n')
            return true;
    return false;
}

void znode_children(const struct hosts *hs, const char *path, struct str *out)
{
    size_t len = strcmp(path, "/") == 0 ? 0 : strlen(path);

    for (size_t i = 0; i < hs->znodes.n; i++) {
        const char *z = hs->znodes.v[i];
        size_t n;

        if (strncmp(z, path, len) != 0 || z[len] != '/' || !z[len + 1])
            continue;
        n = strcspn(z + len + 1, "/");
        if (said_before(out, z + len + 1, n))
            continue;
        str_addn(out, z + len + 1, n);
        str_addc(out, '\n');
    }
}

bool hosts_znode(struct hosts *hs, const char *path)
{
    auto_str struct str below = STR_INIT;

    znode_children(hs, path, &below);
    return znode_has(hs, path) || below.len;
}

int hosts_zk(struct hosts *hs, enum zk_op op, const char *path, struct str *value, struct err *err)
{
    switch (op) {
    case ZK_GET:
        if (!hosts_znode(hs, path))
            return err_set(err, ERR_MISSING, 0, "%s: no node", path);
        return 0;
    case ZK_LIST:
        if (!hosts_znode(hs, path))
            return err_set(err, ERR_MISSING, 0, "%s: no node", path);
        znode_children(hs, path, value);
        return 0;
    case ZK_CREATE_PATH:
        znode_add(hs, path);
        return 0;
    case ZK_DELETE_TREE:
        znode_delete_tree(hs, path);
        return 0;
    }
    return err_set(err, ERR_BUG, 0, "unknown operation");
}

/* ---- disks ---- */

static void table_free(struct dtable *t)
{
    free(t->db);
    free(t->name);
    free(t->engine);
    free(t->create);
    free(t->path);
    free(t->replica);
    free(t->own);
    free(t);
}

static void disk_empty(struct disk *d)
{
    while (d->tables) {
        struct dtable *t = d->tables;

        d->tables = t->next;
        table_free(t);
    }
    for (size_t i = 0; i < d->n_databases; i++) {
        free(d->databases[i].name);
        free(d->databases[i].engine);
        free(d->databases[i].path);
        free(d->databases[i].replica);
    }
    free(d->databases);
    d->databases = NULL;
    d->n_databases = 0;
}

struct ddatabase *disk_database(const struct disk *d, const char *name)
{
    for (size_t i = 0; i < d->n_databases; i++)
        if (strcmp(d->databases[i].name, name) == 0)
            return &d->databases[i];
    return NULL;
}

static struct ddatabase *database_add(struct disk *d, const char *name, const char *engine)
{
    d->databases = mem_grow(d->databases, d->n_databases + 1, sizeof *d->databases);
    d->databases[d->n_databases] = (struct ddatabase){.name = mem_str(name), .engine = mem_str(engine)};
    return &d->databases[d->n_databases++];
}

struct disk *disk_get(struct hosts *hs, const char *id)
{
    struct disk *d;

    for (d = hs->disks; d; d = d->next)
        if (strcmp(d->id, id) == 0)
            return d;
    d = mem_zero(sizeof *d);
    d->id = mem_str(id);
    database_add(d, "default", "Atomic");
    d->next = hs->disks;
    hs->disks = d;
    return d;
}

void hosts_disk_gone(struct hosts *hs, const char *id)
{
    for (struct disk *d = hs->disks; d; d = d->next)
        if (strcmp(d->id, id) == 0) {
            d->gone = true;
            disk_empty(d);
            database_add(d, "default", "Atomic");
        }
}

void disks_free(struct hosts *hs)
{
    while (hs->disks) {
        struct disk *d = hs->disks;

        hs->disks = d->next;
        disk_empty(d);
        free(d->id);
        free(d);
    }
    while (hs->logs) {
        struct klog *l = hs->logs;

        hs->logs = l->next;
        free(l->path);
        free(l->at);
        free(l);
    }
}

struct dtable *disk_table(const struct disk *d, const char *db, const char *name)
{
    for (struct dtable *t = d->tables; t; t = t->next)
        if (strcmp(t->db, db) == 0 && strcmp(t->name, name) == 0)
            return t;
    return NULL;
}

static struct dtable *loaded(struct dtable *t)
{
    while (t && t->left_out)
        t = t->next;
    return t;
}

struct dtable *table_first(const struct chost *h)
{
    return loaded(h->disk->tables);
}

struct dtable *table_next(const struct dtable *t)
{
    return loaded(t->next);
}

const char *chost_left_out(const struct chost *h)
{
    for (const struct dtable *t = h->disk ? h->disk->tables : NULL; t; t = t->next)
        if (t->left_out)
            return t->name;
    return NULL;
}

bool disk_has(const struct dtable *t, size_t entry)
{
    if (entry < t->have)
        return true;
    for (size_t i = 0; i < t->n_own; i++)
        if (t->own[i] == entry)
            return true;
    return false;
}

/* ---- replication ---- */

static struct klog *log_get(struct hosts *hs, const char *path)
{
    struct klog *l;

    for (l = hs->logs; l; l = l->next)
        if (strcmp(l->path, path) == 0)
            return l;
    l = mem_zero(sizeof *l);
    l->path = mem_str(path);
    l->next = hs->logs;
    hs->logs = l;
    return l;
}

bool chost_lies(const struct chost *h)
{
    return h->state == CHOST_UP && h->disk && h->disk->killed && sim_now(h->hs->s) < h->session_ms;
}

bool chost_session(const struct chost *h)
{
    return h->state == CHOST_UP && (sim_now(h->hs->s) >= h->session_ms || chost_lies(h));
}

static bool has_replicas(const struct chost *h)
{
    const struct dtable *t = h->disk ? h->disk->tables : NULL;

    while (t && !t->log)
        t = t->next;
    return t != NULL;
}

bool chost_readonly(struct chost *h)
{
    return h->state != CHOST_UP || (has_replicas(h) && !chost_session(h));
}

static uint64_t below(struct hosts *hs, uint64_t max)
{
    return max ? sim_random(hs->s) % (max + 1) : 0;
}

static void table_sync(struct chost *h, struct dtable *t)
{
    uint64_t now = sim_now(h->hs->s);

    if (!t->log || t->broken || t->left_out || now < t->catch_at || now < h->session_ms)
        return;
    while (t->have < t->log->n && (disk_has(t, t->have) || t->log->at[t->have] + ZK_LAG_MS <= now))
        t->have++;
}

void tables_sync(struct chost *h)
{
    if (h->state != CHOST_UP || !h->disk)
        return;
    for (struct dtable *t = h->disk->tables; t; t = t->next)
        table_sync(h, t);
}

/* What was missed comes after a while: soon, mostly; late, sometimes. */
static uint64_t catch_up_time(struct chost *h, const struct dtable *t)
{
    struct hosts *hs = h->hs;
    bool missed = t->log && t->have < t->log->n;
    uint64_t from = h->session_ms;

    if (!missed)
        return from;
    return from + (below(hs, 3) ? below(hs, 1500) : below(hs, hs->knobs.catchup_max_ms));
}

/* Servers of 18.16 that find no Keeper when they load their tables end, mostly; sometimes they come up without one. Not all
 * replicas without the same one: then nobody could know that there was a table. */
static bool comes_up_without(struct chost *h, const struct dtable *t)
{
    struct sql_version v = chost_version(h);
    unsigned permille = h->hs->knobs.left_out_permille;

    if (!permille || sql_version_at_least(&v, 21, 1) || below(h->hs, 999) >= permille)
        return false;
    for (struct disk *d = h->hs->disks; d; d = d->next) {
        const struct dtable *other = disk_table(d, t->db, t->name);

        if (other && other != t && other->left_out)
            return false;
    }
    return true;
}

void tables_started(struct chost *h)
{
    struct hosts *hs = h->hs;

    h->session_ms = sim_now(hs->s) + (h->disk->killed ? hs->knobs.lie_ms : below(hs, hs->knobs.session_max_ms));
    h->queue_style = below(hs, 1);
    for (struct dtable *t = h->disk->tables; t; t = t->next) {
        t->broken = false;
        t->left_out = false;
        t->left_out = comes_up_without(h, t);
        if (!t->log)
            continue;
        t->at_start = t->log->n;
        t->catch_at = catch_up_time(h, t);
    }
}

bool tables_loadable(const struct chost *h)
{
    for (struct dtable *t = h->disk->tables; t; t = t->next)
        if (t->path) {
            auto_free char *mine = mem_printf("%s/replicas/%s", t->path, t->replica);

            if (!znode_has(h->hs, mine))
                return false;
        }
    return true;
}

size_t table_pointer(struct chost *h, struct dtable *t)
{
    table_sync(h, t);
    return h->queue_style && !chost_lies(h) && sim_now(h->hs->s) >= h->session_ms ? t->log->n : t->have;
}

int64_t table_delay_s(struct chost *h, const struct dtable *t)
{
    uint64_t now = sim_now(h->hs->s);

    if (chost_lies(h))
        return (int64_t)(h->hs->knobs.epoch_s + now / 1000);
    return t->have < t->log->n && t->log->at[t->have] + ZK_LAG_MS < now ? (int64_t)((now - t->log->at[t->have]) / 1000)
                                                                        : 0;
}

static bool replica_active(struct hosts *hs, const char *path, const char *replica)
{
    for (struct chost *h = hs->list; h; h = h->next)
        for (struct dtable *t = h->state == CHOST_UP && h->disk ? h->disk->tables : NULL; t; t = t->next)
            if (t->path && strcmp(t->path, path) == 0 && strcmp(t->replica, replica) == 0)
                return !t->left_out && chost_session(h);
    return false;
}

unsigned replicas_of(struct hosts *hs, const char *path, bool active)
{
    auto_free char *dir = mem_printf("%s/replicas", path);
    auto_str struct str names = STR_INIT;
    unsigned n = 0;

    znode_children(hs, dir, &names);
    for (char *p = names.s, *end; p && *p; p = end + 1) {
        end = strchr(p, '\n');
        *end = '\0';
        n += !active || replica_active(hs, path, p);
    }
    return n;
}

int64_t chost_insert(struct chost *h, const char *db, const char *name)
{
    struct dtable *t = h->state == CHOST_UP ? disk_table(h->disk, db, name) : NULL;
    struct klog *l = t ? t->log : NULL;

    if (!l || t->broken || t->left_out || chost_readonly(h))
        return -1;
    if (l->n == l->cap)
        l->at = mem_grow(l->at, l->cap = l->cap ? 2 * l->cap : 64, sizeof *l->at);
    l->at[l->n] = sim_now(h->hs->s);
    t->own = mem_grow(t->own, t->n_own + 1, sizeof *t->own);
    t->own[t->n_own++] = l->n++;
    tables_sync(h);
    return (int64_t)l->n - 1;
}

/* ---- statements that make and drop ---- */

/* A name, perhaps in back quotes, ends at blank, '(' or '.'. */
static const char *take_name(const char *p, char *buf, size_t size)
{
    size_t n = 0;

    while (*p == ' ')
        p++;
    if (*p == '`') {
        for (p++; *p && *p != '`'; p++) {
            if (*p == '\\' && p[1])
                p++;
            if (n + 1 < size)
                buf[n++] = *p;
        }
        p += *p == '`';
    } else {
        for (; *p && !strchr(" (.\n;", *p); p++)
            if (n + 1 < size)
                buf[n++] = *p;
    }
    buf[n] = '\0';
    return p;
}

static const char *skip_word(const char *p, const char *word)
{
    while (*p == ' ')
        p++;
    return strncasecmp(p, word, strlen(word)) == 0 ? p + strlen(word) : p;
}

/* The n-th quoted argument of an engine, from 0. */
static char *quoted_arg(const char *engine, int n)
{
    const char *p = engine, *end;

    for (; p && n >= 0; n--) {
        p = strchr(p, '\'');
        end = p ? strchr(p + 1, '\'') : NULL;
        if (!end)
            return NULL;
        if (n == 0)
            return mem_strn(p + 1, (size_t)(end - p - 1));
        p = end + 1;
    }
    return NULL;
}

static int replicated(struct chost *h, struct dtable *t, const char *engine, struct err *err)
{
    auto_free char *path = quoted_arg(engine, 0), *replica = quoted_arg(engine, 1), *mine = NULL;

    if (!path || !replica) {
        err_set(err, ERR_SYS, 0, "Table engine %s needs 2 arguments", t->engine);
        return err->sys = 42, -1;
    }
    t->path = expand_macros(h, path);
    t->replica = expand_macros(h, replica);
    mine = mem_printf("%s/replicas/%s", t->path, t->replica);
    if (znode_has(h->hs, mine)) {
        err_set(err, ERR_SYS, 0, "Replica %s already exists.", mine);
        return err->sys = 253, -1;
    }
    znode_add(h->hs, mine);
    t->log = log_get(h->hs, t->path);
    t->at_start = t->log->n;
    t->catch_at = catch_up_time(h, t);
    if (t->catch_at < sim_now(h->hs->s))
        t->catch_at = sim_now(h->hs->s);
    return 0;
}

/* create_table_query has no IF NOT EXISTS. */
static char *as_server_says(const char *sql)
{
    static const char phrase[] = "IF NOT EXISTS ";
    const char *at = strstr(sql, phrase);

    return at ? mem_printf("%.*s%s", (int)(at - sql), sql, at + sizeof phrase - 1) : mem_str(sql);
}

static int create_table(struct chost *h, const char *sql, const char *p, const char *what, struct err *err)
{
    char db[96] = "default", name[96], engine[64];
    const char *e = strstr(sql, "ENGINE");
    struct dtable *t;

    p = skip_word(p, "IF NOT EXISTS");
    p = take_name(p, name, sizeof name);
    if (*p == '.') {
        snprintf(db, sizeof db, "%s", name);
        take_name(p + 1, name, sizeof name);
    }
    t = disk_table(h->disk, db, name);
    if (t && t->left_out) {
        err_set(err, ERR_SYS, 0, "Data directory for table already containing data parts");
        return err->sys = 117, -1;
    }
    if (t)
        return 0;
    if (e)
        take_name(skip_word(e + 6, "="), engine, sizeof engine);
    t = mem_zero(sizeof *t);
    t->db = mem_str(db);
    t->name = mem_str(name);
    t->engine = mem_str(e && strcmp(what, "TABLE") == 0 ? engine : "View");
    t->create = as_server_says(sql);
    t->catch_at = NEVER;
    if (e && strncmp(engine, "Replicated", 10) == 0 && replicated(h, t, e, err) < 0) {
        table_free(t);
        return -1;
    }
    t->next = h->disk->tables;
    h->disk->tables = t;
    return 0;
}

int table_attach(struct chost *h, const char *db, const char *name, struct err *err)
{
    struct dtable *t = disk_table(h->disk, db, name);
    auto_free char *mine = t && t->path ? mem_printf("%s/replicas/%s", t->path, t->replica) : NULL;

    if (!t) {
        err_set(err, ERR_SYS, 0, "There is no metadata file for table %s", name);
        return err->sys = 390, -1;
    }
    if (mine && !znode_has(h->hs, mine)) {
        err_set(err, ERR_SYS, 0, "No node, path: %s/parts", mine);
        return err->sys = 999, -1;
    }
    t->left_out = false;
    return 0;
}

void table_drop(struct chost *h, const char *db, const char *name)
{
    for (struct dtable **at = &h->disk->tables; *at; at = &(*at)->next) {
        struct dtable *t = *at;

        if (strcmp(t->db, db) != 0 || strcmp(t->name, name) != 0)
            continue;
        *at = t->next;
        if (t->path) {
            auto_free char *mine = mem_printf("%s/replicas/%s", t->path, t->replica);

            znode_delete_tree(h->hs, mine);
            if (replicas_of(h->hs, t->path, false) == 0)
                znode_delete_tree(h->hs, t->path);
        }
        table_free(t);
        return;
    }
}

/* Replicated('PATH', 'SHARD', 'REPLICA') */
static int create_database(struct chost *h, const char *name, const char *engine, struct err *err)
{
    auto_free char *path = quoted_arg(engine, 0), *shard = quoted_arg(engine, 1), *replica = quoted_arg(engine, 2);
    auto_free char *at = NULL, *of = NULL, *as = NULL, *full = NULL, *mine = NULL;
    struct ddatabase *db;

    if (disk_database(h->disk, name))
        return 0;
    if (strncmp(engine, "Replicated(", 11) == 0 && chost_version(h).major < 21) {
        err_set(err, ERR_SYS, 0, "Unknown database engine: %s", engine);
        return err->sys = 336, -1;
    }
    if (strncmp(engine, "Replicated(", 11) == 0 && path && shard && replica) {
        at = expand_macros(h, path);
        of = expand_macros(h, shard);
        as = expand_macros(h, replica);
        full = mem_printf("%s|%s", of, as);
        mine = mem_printf("%s/replicas/%s", at, full);
        if (znode_has(h->hs, mine)) {
            err_set(err, ERR_SYS, 0, "Replica %s of shard %s of replicated database at %s already exists.", as, of, at);
            return err->sys = 253, -1;
        }
        znode_add(h->hs, mine);
    }
    db = database_add(h->disk, name, engine);
    db->path = at ? mem_str(at) : NULL;
    db->replica = full ? mem_str(full) : NULL;
    return 0;
}

int database_drop_replica(struct chost *h, const char *name, const char *replica, struct err *err)
{
    const struct ddatabase *db = disk_database(h->disk, name);
    auto_free char *node = db && db->path ? mem_printf("%s/replicas/%s", db->path, replica) : NULL;

    if (!node || !znode_has(h->hs, node)) {
        err_set(err, ERR_SYS, 0, "Replica %s of database %s does not exist", replica, name);
        return err->sys = node ? 36 : 81, -1;
    }
    znode_delete_tree(h->hs, node);
    return 0;
}

void chost_lose_table(struct chost *h, const char *db, const char *name)
{
    for (struct dtable **at = &h->disk->tables; *at; at = &(*at)->next) {
        struct dtable *t = *at;

        if (strcmp(t->db, db) != 0 || strcmp(t->name, name) != 0)
            continue;
        *at = t->next;
        table_free(t);
        return;
    }
}

int tables_ddl(struct chost *h, const char *sql, struct err *err)
{
    static const char *const kinds[] = {"TABLE", "VIEW", "MATERIALIZED VIEW"};
    const char *p = skip_word(sql, "CREATE");
    char name[96];

    if (p == sql)
        return 1;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const char *q = skip_word(p, kinds[i]);

        if (q != p && *q == ' ')
            return create_table(h, sql, q, kinds[i], err);
    }
    if (strncasecmp(p + 1, "DATABASE", 8) != 0)
        return 1;
    p = take_name(skip_word(skip_word(p, "DATABASE"), "IF NOT EXISTS"), name, sizeof name);
    p = skip_word(skip_word(p, "ENGINE"), "=");
    p += strspn(p, " ");
    return create_database(h, name, *p ? p : "Ordinary", err);
}

/* ---- truth ---- */

bool chost_current(struct chost *h, uint64_t within_ms)
{
    uint64_t now = sim_now(h->hs->s);

    tables_sync(h);
    for (struct dtable *t = h->disk ? h->disk->tables : NULL; t; t = t->next)
        if (t->log && t->have < t->log->n && t->log->at[t->have] + within_ms < now)
            return false;
    return true;
}

bool chost_behind_start(struct chost *h)
{
    tables_sync(h);
    for (struct dtable *t = h->disk ? h->disk->tables : NULL; t; t = t->next)
        if (t->log && t->have < t->at_start)
            return true;
    return false;
}

static bool elsewhere(struct hosts *hs, const char *disk, const struct dtable *mine, size_t entry)
{
    for (struct disk *d = hs->disks; d; d = d->next)
        for (struct dtable *t = d->gone || strcmp(d->id, disk) == 0 ? NULL : d->tables; t; t = t->next)
            if (t->log == mine->log && disk_has(t, entry))
                return true;
    return false;
}

int64_t hosts_only_on(struct hosts *hs, const char *disk)
{
    int64_t n = 0;

    for (struct chost *h = hs->list; h; h = h->next)
        tables_sync(h);
    for (struct disk *d = hs->disks; d; d = d->next)
        for (struct dtable *t = strcmp(d->id, disk) == 0 ? d->tables : NULL; t; t = t->next) {
            n += t->rows;
            for (size_t i = 0; t->log && i < t->log->n; i++)
                n += disk_has(t, i) && !elsewhere(hs, disk, t, i);
        }
    return n;
}

char *hosts_schema_gap(struct hosts *hs, const char *pod_a, const char *pod_b)
{
    const struct chost *a = hosts_get(hs, pod_a, false), *b = hosts_get(hs, pod_b, false);

    if (!a || !b || !a->disk || !b->disk)
        return mem_str("(no disk)");
    for (const struct dtable *t = a->disk->tables; t; t = t->next)
        if (!disk_table(b->disk, t->db, t->name))
            return mem_printf("%s.%s", t->db, t->name);
    return NULL;
}

char *hosts_dead_replica(struct hosts *hs)
{
    for (size_t i = 0; i < hs->znodes.n; i++) {
        const char *z = hs->znodes.v[i], *r = strstr(z, "/replicas/");
        bool found = false;

        for (struct disk *d = r ? hs->disks : NULL; d; d = d->next)
            for (size_t k = 0; k < d->n_databases; k++) {
                const struct ddatabase *db = &d->databases[k];

                found |= db->path && strncmp(z, db->path, strlen(db->path)) == 0 && strcmp(r + 10, db->replica) == 0;
            }
        for (struct disk *d = r ? hs->disks : NULL; d; d = d->next)
            for (struct dtable *t = d->tables; t; t = t->next)
                found |= t->path && strncmp(z, t->path, strlen(t->path)) == 0 && strcmp(r + 10, t->replica) == 0;
        if (r && !found)
            return mem_str(z);
    }
    return NULL;
}
