/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/api.h"
#include "cli/out.h"
#include "cli/records.h"

static const char *outcome_colour(const char *outcome)
{
    if (str_starts(outcome, "done") || str_starts(outcome, "already"))
        return out_green();
    return str_eq(outcome, "failed") || str_eq(outcome, "refused") ? out_red() : out_yellow();
}

static void took(const cJSON *row, char *buf, size_t size)
{
    int64_t begun = json_int(row, "begun", 0), ended = json_int(row, "ended", 0);

    if (!ended)
        snprintf(buf, size, "running");
    else if (ended - begun < 10000)
        snprintf(buf, size, "%lld.%03llds", (long long)((ended - begun) / 1000), (long long)((ended - begun) % 1000));
    else
        out_age((uint64_t)(ended - begun), buf, size);
}

static void print_ops(const cJSON *ops)
{
    static const char *const heads[] = {"OPERATION", "INSTALLATION", "GENERATION", "BEGUN", "TOOK", "OUTCOME", "WHY", NULL};
    struct out_table t;
    auto_str struct str text = STR_INIT;
    const cJSON *op;

    out_table_init(&t, heads);
    cJSON_ArrayForEach(op, ops) {
        char begun[32], time[32];
        const char *outcome = json_str(op, "outcome", "");

        records_clock(json_int(op, "begun", 0), begun, sizeof begun);
        took(op, time, sizeof time);
        out_cellf(&t, "%lld", (long long)json_int(op, "op", 0));
        out_cell(&t, json_str(op, "object", ""));
        out_cellf(&t, "%lld", (long long)json_int(op, "generation", 0));
        out_cell(&t, begun);
        out_cell(&t, time);
        out_cell_colour(&t, outcome, outcome_colour(outcome));
        out_cell(&t, json_str(op, "why", ""));
    }
    out_table_print(&t, "", &text);
    out_table_fini(&t);
    fputs(ops->child ? str_text(&text) : "nothing was done here yet\n", stdout);
}

/* Baseline and detail are small documents; one line is enough for people. */
static char *short_text(const cJSON *row, const char *key)
{
    const cJSON *v = json_get(row, key);

    if (!v || cJSON_IsNull(v))
        return mem_str("");
    return cJSON_IsString(v) ? mem_str(v->valuestring) : json_print(v);
}

/* Oldest first: a history of one operation is read from its beginning. */
static void print_steps(const cJSON *steps, bool wide)
{
    static const char *const heads[] = {"BEGUN", "HOST", "TABLE", "STEP", "TRY", "TOOK", "OUTCOME", "DETAIL", NULL};
    struct out_table t;
    auto_str struct str text = STR_INIT;

    out_table_init(&t, heads);
    for (int i = cJSON_GetArraySize(steps) - 1; i >= 0; i--) {
        const cJSON *s = cJSON_GetArrayItem(steps, i);
        char begun[32], time[32];
        const char *outcome = json_str(s, "outcome", "");
        auto_free char *detail = short_text(s, "detail"), *baseline = short_text(s, "baseline"),
                       *both = mem_printf("%s%s%s", detail, *detail && wide && *baseline ? "  " : "", wide ? baseline : "");

        records_clock(json_int(s, "begun", 0), begun, sizeof begun);
        took(s, time, sizeof time);
        out_cell(&t, begun);
        out_cell(&t, json_str(s, "object", ""));
        out_cell(&t, json_str(s, "table", ""));
        out_cell(&t, json_str(s, "step", ""));
        out_cellf(&t, "%lld", (long long)json_int(s, "attempt", 0));
        out_cell(&t, time);
        out_cell_colour(&t, outcome, outcome_colour(outcome));
        out_cell(&t, both);
    }
    out_table_print(&t, "", &text);
    out_table_fini(&t);
    fputs(steps->child ? str_text(&text) : "no step of this operation is in the journal\n", stdout);
}

static void answer(struct cli *c, const char *kind, const char *key, cJSON *rows)
{
    const char *form = cli_text(c, "output", "table");
    auto_json cJSON *doc = NULL;

    if (str_eq(form, "json") || str_eq(form, "yaml")) {
        doc = out_document_new(kind);
        json_set(doc, key, json_copy(rows));
        out_document(doc, form);
    } else if (str_eq(key, "operations")) {
        print_ops(rows);
    } else {
        print_steps(rows, str_eq(form, "wide"));
    }
}

static bool is_number(const char *s)
{
    return s && *s && strspn(s, "0123456789") == strlen(s);
}

static int history(struct cli *c, struct fleet_api *a, struct err *err)
{
    const char *what = c->n_args ? c->args[0] : NULL, *limit_text = cli_text(c, "limit", "20");
    struct journal_reader *r = NULL;
    auto_free char *prefix = records_prefix(a, what);
    auto_json cJSON *rows = NULL;
    int limit = atoi(limit_text);

    if (limit <= 0)
        return err_set(err, ERR_INPUT, 0, "--limit needs a number from 1 on, not '%s'", limit_text);
    if (records_open(a, &r, err) < 0)
        return -1;
    if (is_number(what)) {
        rows = journal_read_steps(r, strtoull(what, NULL, 10), err);
    } else {
        rows = journal_read_ops(r, prefix, limit, err);
        records_filter(rows, prefix);
    }
    journal_read_close(r);
    if (!rows)
        return -1;
    if (what && !rows->child)
        return err_set(err, ERR_MISSING, 0,
                       is_number(what) ? "no step of operation %s is in the journal; chfleet history lists operations"
                                       : "nothing was done to %s, as far as the journal knows; chfleet history lists operations",
                       what);
    answer(c, "History", is_number(what) ? "steps" : "operations", rows);
    return 0;
}

int cmd_history(struct cli *c)
{
    struct err err = ERR_INIT;
    auto_api struct fleet_api a = {0};

    if (api_open(&a, c, &err) < 0 || history(c, &a, &err) < 0)
        return cli_fail(c, &err);
    return EXIT_DONE;
}
