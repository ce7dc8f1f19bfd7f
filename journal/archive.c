/* SPDX-License-Identifier: Apache-2.0 */
#include "journal/archive.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "journal/journal.h"
#include "journal/pack.h"

enum {
    NEAR = 32,         /* how far back an equal text is looked for */
    PAGES_FREE = 1024, /* of 4 KiB, kept for new rows */
};

/* Stored in files: append only. */
enum task_field {
    F_TABLE,
    F_OBJECT,
    F_OUTCOME,
    F_BEGUN,
    F_MS,
    F_WHY,
    F_TEXTS,     /* baselines and details, each once */
    F_HOSTS,     /* a host … */
    F_NAMES,     /* … and the list of its steps in a row */
    F_TRIES,     /* attempt * 8 + outcome */
    F_GAPS,      /* ms from the end of the step before (first: from the beginning of the task) to the begin */
    F_TIMES,     /* ms from begin to end; -1: it has no end (a clock set back can make other numbers negative) */
    F_BASELINES, /* 1 + index into texts, 0: none */
    F_DETAILS,
    TASK_FIELDS
};

static cJSON *add_int(cJSON *array, int64_t v)
{
    cJSON *item = cJSON_CreateNumber((double)v);

    cJSON_AddItemToArray(array, item);
    return item;
}

static cJSON *add_text(cJSON *array, const char *text)
{
    cJSON *item = text ? cJSON_CreateString(text) : cJSON_CreateNull();

    cJSON_AddItemToArray(array, item);
    return item;
}

cJSON *journal_text_value(const char *text)
{
    auto_free char *again = NULL;
    cJSON *j;

    if (!text)
        return cJSON_CreateNull();
    j = *text == '{' || *text == '[' ? json_parse(text, strlen(text), NULL) : NULL;
    again = j ? json_print(j) : NULL;
    if (again && strcmp(text, again) == 0)
        return j;
    cJSON_Delete(j);
    return cJSON_CreateString(text);
}

/* Texts already in the list, as they came; borrowed until the statement moves on, so copied. */
struct texts {
    cJSON *array;
    char *near[NEAR];
    int n;
};

static void texts_free(struct texts *t)
{
    for (int i = 0; i < NEAR; i++)
        mem_freep(&t->near[i]);
}

static int text_index(struct texts *t, const char *text)
{
    if (!text)
        return 0;
    for (int i = t->n; i > 0 && i > t->n - NEAR; i--)
        if (strcmp(t->near[(i - 1) % NEAR], text) == 0)
            return i;
    cJSON_AddItemToArray(t->array, journal_text_value(text));
    mem_freep(&t->near[t->n % NEAR]);
    t->near[t->n % NEAR] = mem_str(text);
    return ++t->n;
}

struct columns {
    cJSON *of[TASK_FIELDS];
    struct texts texts;
    char *host; /* of the last step */
    cJSON *names;
};

static void add_name(struct columns *c, const char *host, const char *name)
{
    if (!c->host || strcmp(c->host, host) != 0) {
        add_text(c->of[F_HOSTS], host);
        free(c->host);
        c->host = mem_str(host);
        c->names = cJSON_CreateArray();
        cJSON_AddItemToArray(c->of[F_NAMES], c->names);
    }
    add_text(c->names, name);
}

static int add_steps(struct journal_db *d, uint32_t task, int64_t before, struct columns *c, struct err *err)
{
    sqlite3_stmt *s = journal_db_bind(d, SQL_STEP_LIST, err, (int64_t)task);
    int rc;

    if (!s)
        return -1;
    while ((rc = journal_db_next(d, s, err)) > 0) {
        int64_t begun = sqlite3_column_int64(s, 4), ended = sqlite3_column_int64(s, 5);

        add_name(c, journal_db_text(s, 0), journal_db_text(s, 1));
        add_int(c->of[F_TRIES], sqlite3_column_int64(s, 2) * 8 + sqlite3_column_int64(s, 3));
        add_int(c->of[F_GAPS], begun - before);
        add_int(c->of[F_TIMES], ended ? ended - begun : -1);
        add_int(c->of[F_BASELINES], text_index(&c->texts, journal_db_text(s, 6)));
        add_int(c->of[F_DETAILS], text_index(&c->texts, journal_db_text(s, 7)));
        before = ended ? ended : begun;
    }
    return rc;
}

/* The head of a task's row; *op and *begun besides. */
static int add_head(struct journal_db *d, uint32_t task, cJSON *doc, int64_t *op, int64_t *begun, struct err *err)
{
    sqlite3_stmt *s = journal_db_bind(d, SQL_TASK_GET, err, (int64_t)task);
    int rc = s ? journal_db_next(d, s, err) : -1;

    if (rc == 0)
        return err_set(err, ERR_BUG, 0, "task %u is not in the journal", task);
    if (rc < 0)
        return -1;
    *op = sqlite3_column_int64(s, 0);
    *begun = sqlite3_column_int64(s, 3);
    add_text(doc, journal_db_text(s, 2));
    add_text(doc, journal_db_text(s, 1));
    add_int(doc, sqlite3_column_int64(s, 5));
    add_int(doc, *begun);
    add_int(doc, sqlite3_column_int64(s, 4) - *begun);
    add_text(doc, journal_db_text(s, 6));
    journal_db_done(s);
    return 0;
}

static void columns_init(struct columns *c, cJSON *doc)
{
    *c = (struct columns){.host = NULL};
    for (int i = F_TEXTS; i < TASK_FIELDS; i++) {
        c->of[i] = cJSON_CreateArray();
        cJSON_AddItemToArray(doc, c->of[i]);
    }
    c->texts.array = c->of[F_TEXTS];
}

static int task_doc(struct journal_db *d, uint32_t task, cJSON *doc, int64_t *op, bool *steps, struct err *err)
{
    struct columns c;
    int64_t begun = 0;
    int rc;

    if (add_head(d, task, doc, op, &begun, err) < 0)
        return -1;
    columns_init(&c, doc);
    rc = add_steps(d, task, begun, &c, err);
    *steps = c.of[F_NAMES]->child != NULL;
    texts_free(&c.texts);
    free(c.host);
    return rc;
}

int journal_archive_task(struct journal_db *d, uint32_t task, struct err *err)
{
    auto_json cJSON *doc = cJSON_CreateArray();
    auto_str struct str pack = STR_INIT;
    int64_t op = 0;
    bool steps = false;

    if (task_doc(d, task, doc, &op, &steps, err) < 0)
        return -1;
    if (!steps) /* a task without steps needs no row */
        return 0;
    if (journal_pack(doc, d, &pack, err) < 0)
        return -1;
    if (journal_db_run(d, SQL_ARCHIVE_ADD, err, op, (int64_t)task, pack.s, pack.len) < 0)
        return -1;
    return journal_db_run(d, SQL_STEP_DELETE, err, (int64_t)task);
}

static int add_plan(struct journal_db *d, uint64_t op, cJSON *doc, struct err *err)
{
    sqlite3_stmt *s = journal_db_bind(d, SQL_OP_PLAN, err, (int64_t)op);
    int rc = s ? journal_db_next(d, s, err) : -1;

    if (rc == 0)
        return err_set(err, ERR_BUG, 0, "operation %llu is not open in the journal", (unsigned long long)op);
    if (rc < 0)
        return -1;
    cJSON_AddItemToArray(doc, journal_text_value(journal_db_text(s, 0)));
    journal_db_done(s);
    return 0;
}

int journal_archive_op(struct journal_db *d, uint64_t op, struct str *out, struct err *err)
{
    auto_json cJSON *doc = cJSON_CreateArray();
    cJSON *tasks = cJSON_CreateArray();
    int rc = add_plan(d, op, doc, err);
    sqlite3_stmt *s;

    cJSON_AddItemToArray(doc, tasks);
    if (rc < 0 || !(s = journal_db_bind(d, SQL_TASK_LIST, err, (int64_t)op)))
        return -1;
    for (int64_t begun = 0, before = 0; (rc = journal_db_next(d, s, err)) > 0; before = begun) {
        begun = sqlite3_column_int64(s, 5);
        add_int(tasks, sqlite3_column_int64(s, 0));
        add_int(tasks, sqlite3_column_int64(s, 1));
        add_text(tasks, journal_db_text(s, 2));
        add_text(tasks, journal_db_text(s, 3));
        add_int(tasks, sqlite3_column_int64(s, 4));
        add_int(tasks, begun - before);
        add_int(tasks, sqlite3_column_int64(s, 6) - begun);
        add_text(tasks, journal_db_text(s, 7));
        cJSON_AddItemToArray(tasks, journal_text_value(journal_db_text(s, 8)));
    }
    return rc < 0 ? -1 : journal_pack(doc, d, out, err);
}

/* ---- retention ---- */

static int delete_op(struct journal_db *d, int64_t op, bool *gone, struct err *err)
{
    if (journal_db_run(d, SQL_OP_DELETE, err, op) < 0)
        return -1;
    *gone = sqlite3_changes(d->db) > 0;
    return *gone ? journal_db_run(d, SQL_ARCHIVE_DELETE, err, op) : 0;
}

/* Space of rows that went is used by new rows; what is far too much goes back to the file system, in small parts, since
 * somebody may be waiting for an ack. */
static int give_back_pages(struct journal_db *d, struct err *err)
{
    int64_t pages = 0;

    if (journal_db_pragma(d, "PRAGMA freelist_count", &pages, err) < 0)
        return -1;
    return pages > PAGES_FREE ? journal_db_exec(d, "PRAGMA incremental_vacuum(256)", err) : 0;
}

static int64_t bytes_in_use(struct journal_db *d)
{
    int64_t pages = 0, free_pages = 0, size = 0;

    journal_db_pragma(d, "PRAGMA page_count", &pages, NULL);
    journal_db_pragma(d, "PRAGMA freelist_count", &free_pages, NULL);
    journal_db_pragma(d, "PRAGMA page_size", &size, NULL);
    return (pages - free_pages) * size;
}

int journal_archive_trim(struct journal_db *d, int64_t ended, int64_t keep, int64_t keep_bytes, struct err *err)
{
    int64_t op = 0;
    bool gone = true;
    int rc = journal_db_int(d, SQL_OP_OLD, &op, err, ended, keep);

    if (rc > 0)
        rc = delete_op(d, op, &gone, err); /* one comes, one goes */
    while (rc >= 0 && gone && bytes_in_use(d) > keep_bytes) {
        rc = journal_db_int(d, SQL_OP_OLDEST, &op, err);
        if (rc <= 0)
            break;
        rc = delete_op(d, op, &gone, err);
    }
    return rc < 0 ? -1 : give_back_pages(d, err);
}

/* ---- readers ---- */

cJSON *journal_show_step(cJSON *array, const struct journal_shown_step *s)
{
    cJSON *j = cJSON_CreateObject();

    json_set_int(j, "task", s->task);
    json_set_str(j, "table", s->table);
    json_set_str(j, "object", s->object);
    json_set_str(j, "step", s->name);
    json_set_int(j, "attempt", s->attempt);
    json_set_str(j, "outcome", outcome_name((enum outcome)s->outcome));
    json_set_int(j, "begun", s->begun_ms);
    if (s->ended_ms)
        json_set_int(j, "ended", s->ended_ms);
    cJSON_AddItemToArray(array, j);
    return j;
}

static const char *text_of(const cJSON *j)
{
    return cJSON_IsString(j) ? j->valuestring : "";
}

static int64_t int_of(const cJSON *j)
{
    return cJSON_IsNumber(j) ? (int64_t)j->valuedouble : 0;
}

static void set_text(cJSON *j, const char *key, const cJSON *texts, int64_t index)
{
    const cJSON *text = index > 0 ? cJSON_GetArrayItem(texts, (int)index - 1) : NULL;

    if (text)
        json_set(j, key, json_copy(text));
}

/* One step along each column of numbers; false at the end of one. */
static bool next_values(const cJSON **at, int64_t *value)
{
    for (int i = F_TRIES; i < TASK_FIELDS; i++) {
        if (!at[i])
            return false;
        value[i] = int_of(at[i]);
        at[i] = at[i]->next;
    }
    return true;
}

static void show_step(const cJSON *const *head, struct journal_shown_step *s, const int64_t *v, int64_t *time,
                      cJSON *array)
{
    cJSON *shown;

    s->attempt = v[F_TRIES] / 8;
    s->outcome = (int)(v[F_TRIES] % 8);
    s->begun_ms = *time + v[F_GAPS];
    s->ended_ms = v[F_TIMES] == -1 ? 0 : s->begun_ms + v[F_TIMES];
    *time = s->ended_ms ? s->ended_ms : s->begun_ms;
    shown = journal_show_step(array, s);
    set_text(shown, "baseline", head[F_TEXTS], v[F_BASELINES]);
    set_text(shown, "detail", head[F_TEXTS], v[F_DETAILS]);
}

static bool show_steps(uint32_t task, const cJSON *const *head, cJSON *array)
{
    struct journal_shown_step s = {.task = task, .table = text_of(head[F_TABLE])};
    const cJSON *at[TASK_FIELDS], *host = head[F_HOSTS]->child, *names, *name;
    int64_t v[TASK_FIELDS], time = int_of(head[F_BEGUN]);

    for (int i = F_TRIES; i < TASK_FIELDS; i++)
        at[i] = head[i]->child;
    cJSON_ArrayForEach(names, head[F_NAMES])
    {
        if (!host)
            return false;
        s.object = text_of(host);
        host = host->next;
        cJSON_ArrayForEach(name, names)
        {
            if (!next_values(at, v))
                return false;
            s.name = text_of(name);
            show_step(head, &s, v, &time, array);
        }
    }
    return !host && !at[F_TRIES];
}

int journal_archive_show(struct journal_db *d, uint32_t task, const void *pack, size_t len, cJSON *array,
                         struct err *err)
{
    auto_json cJSON *doc = journal_unpack(pack, len, d, err);
    const cJSON *head[TASK_FIELDS] = {NULL}, *at = doc ? doc->child : NULL;
    bool good = doc != NULL;

    if (!doc)
        return -1;
    for (int i = 0; i < TASK_FIELDS; i++, at = at ? at->next : NULL) {
        head[i] = at;
        good = good && at && (i < F_TEXTS || cJSON_IsArray(at));
    }
    if (good && show_steps(task, head, array))
        return 0;
    return err_set(err, ERR_INPUT, 0, "the archived steps of task %u are damaged", task);
}

cJSON *journal_show_task(cJSON *array, const struct journal_shown_task *t)
{
    cJSON *j = cJSON_CreateObject();

    json_set_int(j, "task", t->task);
    json_set_int(j, "wave", t->wave);
    json_set_str(j, "object", t->object);
    json_set_str(j, "table", t->table);
    json_set_str(j, "outcome", outcome_name((enum outcome)t->outcome));
    json_set_int(j, "begun", t->begun_ms);
    if (t->ended_ms)
        json_set_int(j, "ended", t->ended_ms);
    json_set_str(j, "why", t->why);
    cJSON_AddItemToArray(array, j);
    return j;
}

static bool show_plan_tasks(const cJSON *at, cJSON *array)
{
    enum { TASK, WAVE, OBJECT, TABLE, OUTCOME, AFTER, MS, WHY, TEXT, FIELDS };
    const cJSON *f[FIELDS];
    int64_t begun = 0;

    while (at) {
        for (int i = 0; i < FIELDS; i++, at = at->next)
            if (!(f[i] = at))
                return false;
        begun += int_of(f[AFTER]);
        struct journal_shown_task t = {
            .task = int_of(f[TASK]),
            .wave = int_of(f[WAVE]),
            .object = text_of(f[OBJECT]),
            .table = text_of(f[TABLE]),
            .outcome = (int)int_of(f[OUTCOME]),
            .begun_ms = begun,
            .ended_ms = begun + int_of(f[MS]),
            .why = cJSON_IsString(f[WHY]) ? f[WHY]->valuestring : NULL,
        };
        cJSON *shown = journal_show_task(array, &t);
        if (!cJSON_IsNull(f[TEXT]))
            json_set(shown, "text", json_copy(f[TEXT]));
    }
    return true;
}

cJSON *journal_archive_plan(struct journal_db *d, const void *pack, size_t len, struct err *err)
{
    auto_json cJSON *doc = journal_unpack(pack, len, d, err);
    const cJSON *plan = doc ? doc->child : NULL, *tasks = plan ? plan->next : NULL;
    cJSON *out;

    if (!doc)
        return NULL;
    out = cJSON_CreateObject();
    if (plan)
        json_set(out, "plan", json_copy(plan));
    if (cJSON_IsArray(tasks) && show_plan_tasks(tasks->child, json_set_arr(out, "tasks")))
        return out;
    cJSON_Delete(out);
    err_set(err, ERR_INPUT, 0, "an archived plan of the journal is damaged");
    return NULL;
}
