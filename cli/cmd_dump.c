/* SPDX-License-Identifier: Apache-2.0 */
/* One archive with what is needed to understand a problem, without secrets. What cannot be read is named in it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/api.h"
#include "cli/out.h"
#include "cli/records.h"
#include "cli/redact.h"
#include "cli/status.h"
#include "cli/tar.h"

enum { OPERATIONS = 50, INCIDENTS = 200, STEPS_OF = 10, LOG_BYTES = 2 << 20 };

static const enum kube_kind kinds[] = {KUBE_CHI, KUBE_CHK, KUBE_CHIT, KUBE_CHOPCONF, KUBE_STS, KUBE_POD, KUBE_SVC, KUBE_EPSLICE,
                                       KUBE_CM, KUBE_SECRET, KUBE_PVC, KUBE_PV, KUBE_PDB, KUBE_EVENT, KUBE_LEASE, KUBE_NODE};

struct dump {
    struct fleet_api *a;
    FILE *f;
    const char *root; /* first folder of all names */
    uint64_t now_s;
    struct str missing;
};

static void put_text(struct dump *d, const char *name, const char *text, size_t len)
{
    auto_free char *path = mem_printf("%s/%s", d->root, name);

    tar_add(d->f, path, text, len, d->now_s);
}

static void put_json(struct dump *d, const char *name, const cJSON *j)
{
    auto_str struct str text = STR_INIT;

    out_json(j, &text);
    put_text(d, name, str_text(&text), text.len);
}

static void note_missing(struct dump *d, const char *what, const struct err *err)
{
    str_addf(&d->missing, "%s: %s\n", what, err->msg);
}

static void put_kind(struct dump *d, enum kube_kind kind)
{
    struct err err = ERR_INIT;
    const struct kube_kind_info *info = kube_kind_info(kind);
    const char *ns = d->a->all || !info->namespaced ? NULL : d->a->ns;
    auto_json cJSON *list = api_list(d->a, kind, ns, NULL, &err);
    auto_free char *name = mem_printf("objects/%s.json", info->plural);
    cJSON *obj;

    if (!list) {
        note_missing(d, name, &err);
        return;
    }
    cJSON_ArrayForEach(obj, json_get(list, "items")) {
        json_set_str(obj, "kind", info->kind);
        redact_object(obj);
    }
    put_json(d, name, list);
}

static void put_status(struct dump *d)
{
    struct err err = ERR_INIT;
    auto_json cJSON *doc = status_collect(d->a, NULL, 0, &err), *raw = api_operator(d->a, "/status", &err);
    auto_json cJSON *metrics = api_operator(d->a, "/metrics", &err);

    if (doc)
        put_json(d, "status.json", doc);
    else
        note_missing(d, "status.json", &err);
    if (raw)
        put_json(d, "operator-status.json", raw);
    if (cJSON_IsString(metrics))
        put_text(d, "metrics.txt", metrics->valuestring, strlen(metrics->valuestring));
}

static void put_rows(struct dump *d, const char *name, cJSON *rows, const struct err *err)
{
    if (rows)
        put_json(d, name, rows);
    else
        note_missing(d, name, err);
    cJSON_Delete(rows);
}

static void put_journal(struct dump *d)
{
    struct err err = ERR_INIT;
    struct journal_reader *r;
    auto_json cJSON *ops = NULL;
    const cJSON *op;
    int n = 0;

    if (records_open(d->a, &r, &err) < 0) {
        note_missing(d, "journal", &err);
        return;
    }
    ops = journal_read_ops(r, "", OPERATIONS, &err);
    put_rows(d, "journal/operations.json", ops ? json_copy(ops) : NULL, &err);
    put_rows(d, "journal/decisions.json", journal_read_decisions(r, "", &err), &err);
    put_rows(d, "journal/incidents.json", journal_read_incidents(r, "", INCIDENTS, &err), &err);
    cJSON_ArrayForEach(op, ops) {
        auto_free char *name = mem_printf("journal/steps-%lld.json", (long long)json_int(op, "op", 0));

        if (n++ < STEPS_OF)
            put_rows(d, name, journal_read_steps(r, (uint64_t)json_int(op, "op", 0), &err), &err);
    }
    journal_read_close(r);
}

/* The end of a log; databases' own logs hold queries, so they are not taken. */
static void put_log(struct dump *d, const char *name)
{
    auto_free char *path = mem_printf("%s/log/%s.log", d->a->data_dir, name), *entry = mem_printf("log/%s.log", name);
    auto_free char *text = mem_alloc(LOG_BYTES);
    FILE *f = d->a->local ? fopen(path, "re") : NULL;
    size_t n;

    if (!f)
        return;
    if (fseek(f, -(long)LOG_BYTES, SEEK_END) < 0)
        rewind(f);
    n = fread(text, 1, LOG_BYTES, f);
    fclose(f);
    put_text(d, entry, text, n);
}

static void put_all(struct dump *d)
{
    auto_free char *version = mem_printf("chfleet %s\nserver %s\n", PACKAGE_VERSION_TEXT, d->a->server);

    put_text(d, "version.txt", version, strlen(version));
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        put_kind(d, kinds[i]);
    put_status(d);
    put_journal(d);
    put_log(d, "operator");
    put_log(d, "plane");
    put_log(d, "guard");
    if (d->missing.len)
        put_text(d, "missing.txt", d->missing.s, d->missing.len);
    tar_end(d->f);
}

static FILE *open_archive(const char *path, struct err *err)
{
    FILE *f;

    if (str_eq(path, "-")) {
        if (isatty(STDOUT_FILENO)) {
            err_set(err, ERR_INPUT, 0, "an archive is nothing for a terminal: chfleet dump -f - > FILE");
            return NULL;
        }
        return stdout;
    }
    f = fopen(path, "wxe");
    if (!f)
        err_set(err, ERR_INPUT, 0, "cannot make %s: %m", path);
    return f;
}

int cmd_dump(struct cli *c)
{
    struct err err = ERR_INIT;
    auto_api struct fleet_api a = {0};
    char root[64];
    time_t now = time(NULL);
    struct tm tm;
    bool broken;

    gmtime_r(&now, &tm);
    strftime(root, sizeof root, "chfleet-dump-%Y%m%d-%H%M%S", &tm);
    auto_free char *standard = mem_printf("%s.tar", root);
    const char *path = cli_text(c, "filename", standard);
    struct dump d = {.a = &a, .root = root, .now_s = (uint64_t)now};

    if (api_open(&a, c, &err) < 0 || !(d.f = open_archive(path, &err)))
        return cli_fail(c, &err);
    a.all = !cli_text(c, "namespace", NULL);
    put_all(&d);
    broken = fflush(d.f) != 0 || ferror(d.f);
    if (d.f != stdout && fclose(d.f) != 0)
        broken = true;
    if (d.missing.len)
        fprintf(stderr, "not in it:\n%s", d.missing.s);
    str_free(&d.missing);
    if (broken)
        err_set(&err, ERR_SYS, 0, "writing %s failed: is the disk full?", path);
    else if (d.f != stdout)
        printf("%s\n", path);
    return broken ? cli_fail(c, &err) : EXIT_DONE;
}
