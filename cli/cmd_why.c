/* SPDX-License-Identifier: Apache-2.0 */
/* Why something waits, was refused, or failed: decisions and incidents of the journal, and the status. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/api.h"
#include "cli/out.h"
#include "cli/records.h"
#include "cli/status.h"

enum { INCIDENTS = 20 };

struct reasons {
    cJSON *decisions, *incidents, *errors; /* errors: of the installations themselves */
    bool known;                            /* an installation of that name is there */
};

static int from_journal(struct fleet_api *a, const char *prefix, struct reasons *r, struct err *err)
{
    struct journal_reader *reader;

    if (records_open(a, &reader, err) < 0)
        return -1;
    r->decisions = journal_read_decisions(reader, prefix, err);
    r->incidents = r->decisions ? journal_read_incidents(reader, prefix, INCIDENTS, err) : NULL;
    journal_read_close(reader);
    if (!r->incidents)
        return -1;
    records_filter(r->decisions, prefix);
    records_filter(r->incidents, prefix);
    return 0;
}

static void put_reason(cJSON *list, const char *object, const char *code, const char *text, int64_t since)
{
    cJSON *row = cJSON_CreateObject();

    json_set_str(row, "object", object);
    json_set_str(row, "code", code);
    json_set_str(row, "text", text);
    if (since)
        json_set_int(row, "since", since);
    cJSON_AddItemToArray(list, row);
}

/* The row of the same object and reason; NULL. */
static const cJSON *same_reason(const cJSON *rows, const char *object, const char *code)
{
    const cJSON *row;

    cJSON_ArrayForEach(row, rows)
        if (str_eq(json_str(row, "object", ""), object) && str_eq(json_str(row, "code", ""), code))
            return row;
    return NULL;
}

static void put_error(struct reasons *r, const cJSON *inst)
{
    const char *key = json_str(inst, "key", ""), *code = json_str(inst, "code", json_str(inst, "status", ""));

    put_reason(r->errors, key, code, json_str(inst, "error", ""),
               json_int(same_reason(r->decisions, key, code), "since", 0));
}

/* What the resources and pods say themselves; all there is where the journal cannot be read. */
static int from_status(struct fleet_api *a, const char *prefix, bool waits, struct reasons *r, struct err *err)
{
    auto_json cJSON *doc = status_collect(a, NULL, 0, err);
    const cJSON *inst, *h;

    if (!doc)
        return -1;
    cJSON_ArrayForEach(inst, json_get(doc, "installations")) {
        const char *key = json_str(inst, "key", "");
        bool asked_for = records_below(prefix, key) || records_below(key, prefix);

        r->known |= asked_for;
        if (asked_for && *json_str(inst, "error", ""))
            put_error(r, inst);
        cJSON_ArrayForEach(h, json_get(inst, "hosts"))
            if (waits && records_below(prefix, json_str(h, "key", "")) && *json_str(h, "waiting", ""))
                put_reason(r->decisions, json_str(h, "key", ""), json_str(h, "waiting", ""), json_str(h, "text", ""),
                           json_int(h, "sinceMs", 0));
    }
    return 0;
}

/* What an Event of ours is about: the host that its text begins with, else the installation. Caller frees. */
static char *event_object(const cJSON *event)
{
    bool keeper = str_eq(json_str(event, "involvedObject.kind", ""), "ClickHouseKeeperInstallation");
    const char *text = json_str(event, "message", ""), *colon = strstr(text, ": ");
    auto_free char *key = mem_printf("%s/%s%s", json_str(event, "involvedObject.namespace", json_ns(event)),
                                     json_str(event, "involvedObject.name", ""), keeper ? ".keeper" : "");
    auto_free char *first = colon ? mem_strn(text, (size_t)(colon - text)) : mem_str("");

    return mem_str(str_starts(first, key) && first[strlen(key)] == '/' && !strchr(first, ' ') ? first : key);
}

/* Where the journal cannot be read, incidents are those that the API server still keeps Events of (an hour or so). */
static int from_events(struct fleet_api *a, const char *prefix, struct reasons *r, struct err *err)
{
    auto_json cJSON *list = api_list(a, KUBE_EVENT, a->all ? NULL : a->ns, NULL, err);
    const cJSON *e;

    if (!list)
        return -1;
    r->incidents = cJSON_CreateArray();
    cJSON_ArrayForEach(e, json_get(list, "items")) {
        auto_free char *object = event_object(e);
        const char *text = json_str(e, "message", "");
        size_t n = strlen(object);
        cJSON *row;

        if (!str_eq(json_str(e, "type", ""), "Warning") || !str_eq(json_str(e, "source.component", ""), "chfleet") ||
            !records_below(prefix, object))
            continue;
        row = cJSON_CreateObject();
        json_set_str(row, "object", object);
        json_set_str(row, "code", json_str(e, "reason", ""));
        json_set_str(row, "text", str_starts(text, object) && str_starts(text + n, ": ") ? text + n + 2 : text);
        json_set_int(row, "at", kube_time_parse(json_str(e, "lastTimestamp", "")));
        cJSON_AddItemToArray(r->incidents, row);
    }
    return 0;
}

static bool same_text(const cJSON *a, const cJSON *b)
{
    static const char *const keys[] = {"object", "code", "text"};

    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (!str_eq(json_str(a, keys[i], ""), json_str(b, keys[i], "")))
            return false;
    return true;
}

/* How often what `row` says was said; 0 when an earlier row said it. The newest come first. */
static unsigned times_said(const cJSON *rows, const cJSON *row)
{
    const cJSON *other;
    bool after = false;
    unsigned n = 0;

    cJSON_ArrayForEach(other, rows) {
        after |= other == row;
        if (same_text(other, row)) {
            if (!after)
                return 0;
            n++;
        }
    }
    return n;
}

/* What is to be done, where the text cannot say it. */
static const char *advice(const char *code)
{
    if (str_eq(code, "FAILED"))
        return "    it is tried again by itself, after longer and longer pauses; at once: chfleet retry; or correct the spec: "
               "chfleet apply\n";
    if (str_eq(code, "WAIT_HOLD"))
        return "    chfleet release lets it go on\n";
    return "";
}

/* Rows that `said` has too are left out. */
static void print_rows(const char *title, const cJSON *rows, const char *when, const cJSON *said)
{
    const cJSON *row;
    bool titled = false;

    cJSON_ArrayForEach(row, rows) {
        auto_str struct str text = STR_INIT;
        char clock[32], age[32] = "";
        int64_t at = json_int(row, when, 0), now = (int64_t)time(NULL) * 1000;
        unsigned n = times_said(rows, row);

        if (n == 0 || same_reason(said, json_str(row, "object", ""), json_str(row, "code", "")))
            continue;
        if (!titled)
            printf("%s%s%s\n", out_bold(), title, out_plain());
        titled = true;
        records_clock(at, clock, sizeof clock);
        if (at > 0)
            out_age(now > at ? (uint64_t)(now - at) : 0, age, sizeof age);
        printf("  %s  %s%s%s", json_str(row, "object", ""), out_yellow(), json_str(row, "code", ""), out_plain());
        if (at > 0)
            printf("  %s %s (%s)", strcmp(when, "at") == 0 ? "at" : "since", clock, age);
        if (n > 1)
            printf(", %u times", n);
        out_indented(&text, "    ", json_str(row, "text", "no more is known"));
        printf("\n%s%s", str_text(&text), advice(json_str(row, "code", "")));
    }
}

static void print_text(const struct reasons *r)
{
    print_rows("Failed or refused", r->errors, "since", NULL);
    print_rows("Waits", r->decisions, "since", r->errors);
    print_rows("Incidents", r->incidents, "at", NULL);
    if (!r->errors->child && !(r->decisions && r->decisions->child) && !(r->incidents && r->incidents->child))
        printf("nothing waits, nothing was refused, nothing happened that should not have\n");
}

static int collect(struct fleet_api *a, const char *name, const char *prefix, struct reasons *r, struct err *err)
{
    struct err why = ERR_INIT;
    bool journal = from_journal(a, prefix, r, &why) == 0;

    if (!journal && why.kind != ERR_MISSING) {
        *err = why;
        return -1;
    }
    if (!r->decisions)
        r->decisions = cJSON_CreateArray();
    r->errors = cJSON_CreateArray();
    if ((from_status(a, prefix, !journal, r, &why) < 0 || (!journal && from_events(a, prefix, r, &why) < 0)) && !journal) {
        *err = why;
        return -1;
    }
    if (name && !r->known && !r->decisions->child && !(r->incidents && r->incidents->child))
        return err_set(err, ERR_MISSING, 0, "there is no installation %s in namespace %s; chfleet get chi,chk -A lists all", name,
                       a->ns);
    return 0;
}

static void print_document(const struct reasons *r, const char *form)
{
    auto_json cJSON *doc = out_document_new("Why");

    json_set(doc, "errors", json_copy(r->errors));
    json_set(doc, "decisions", json_copy(r->decisions));
    json_set(doc, "incidents", r->incidents ? json_copy(r->incidents) : cJSON_CreateArray());
    out_document(doc, form);
}

int cmd_why(struct cli *c)
{
    struct err err = ERR_INIT;
    auto_api struct fleet_api a = {0};
    struct reasons r = {0};
    const char *form = cli_text(c, "output", "table");
    int code = EXIT_DONE;

    if (api_open(&a, c, &err) < 0)
        return cli_fail(c, &err);
    const char *name = c->n_args ? c->args[0] : NULL;
    auto_free char *prefix = records_prefix(&a, name);
    if (collect(&a, name, prefix, &r, &err) < 0)
        code = cli_fail(c, &err);
    else if (str_eq(form, "table"))
        print_text(&r);
    else
        print_document(&r, form);
    cJSON_Delete(r.decisions);
    cJSON_Delete(r.incidents);
    cJSON_Delete(r.errors);
    return code;
}
