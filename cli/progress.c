/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/out.h"
#include "cli/status.h"

enum { REDRAW_MS = 250, UNREACHABLE_MAX_MS = 60000 };

struct screen {
    unsigned lines;  /* drawn the last time, to be overwritten */
    cJSON *said;     /* host or installation → last line printed, where there is no terminal */
    uint64_t lost_since; /* mono ms; 0 = the fleet answers */
};

static uint64_t wall_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void redraw(struct screen *s, const cJSON *doc, bool wide)
{
    auto_str struct str text = STR_INIT;
    struct status_form form = {.wide = wide, .now_ms = wall_ms()};

    out_screen(&form.columns, &form.rows);
    status_print(doc, &form, &text);
    if (s->lines)
        printf("\033[%uA\033[J", s->lines);
    fputs(str_text(&text), stdout);
    s->lines = out_lines(str_text(&text));
    fflush(stdout);
}

static void say_once(struct screen *s, const char *key, const char *line)
{
    char clock[32];
    time_t now = time(NULL);
    struct tm tm;

    if (str_eq(cJSON_GetStringValue(json_get(s->said, key)), line))
        return;
    json_set_str(s->said, key, line);
    localtime_r(&now, &tm);
    strftime(clock, sizeof clock, "%H:%M:%S", &tm);
    printf("%s %s\n", clock, line);
}

static void say_host(struct screen *s, const cJSON *inst, const cJSON *h)
{
    const char *action = json_str(h, "action", ""), *step = json_str(h, "step", ""), *code = json_str(h, "waiting", "");
    auto_str struct str line = STR_INIT;

    str_addf(&line, "%s %s: ", json_str(inst, "name", ""), json_str(h, "host", ""));
    if (*action && !str_eq(action, "none"))
        str_addf(&line, "%s%s%s ", action, *step ? ", " : "", step);
    str_add(&line, json_str(h, "state", ""));
    if (*code)
        str_addf(&line, " %s", code);
    say_once(s, json_str(h, "key", ""), str_text(&line));
}

/* "demo: Aborted", and the error below it. No newline at the end. */
static void add_result(struct str *line, const cJSON *inst, const char *status, const char *else_say)
{
    str_addf(line, "%s: %s\n", json_str(inst, "name", ""), *status ? status : else_say);
    out_indented(line, "  ", json_str(inst, "error", ""));
    line->s[--line->len] = '\0';
}

static void say_changes(struct screen *s, const cJSON *doc)
{
    const cJSON *inst, *h;

    if (!s->said)
        s->said = cJSON_CreateObject();
    cJSON_ArrayForEach(inst, json_get(doc, "installations")) {
        auto_str struct str line = STR_INIT;

        cJSON_ArrayForEach(h, json_get(inst, "hosts"))
            say_host(s, inst, h);
        add_result(&line, inst, json_str(inst, "status", ""), "not seen by an operator yet");
        say_once(s, json_str(inst, "key", ""), str_text(&line));
    }
    fflush(stdout);
}

static void show(struct screen *s, const cJSON *doc, bool wide)
{
    if (out_is_terminal())
        redraw(s, doc, wide);
    else
        say_changes(s, doc);
}

/* A fleet that does not answer for a while is waited for: plane or operator may just be restarting. */
static bool still_hopeful(struct fleet_api *a, struct screen *s, const struct err *err)
{
    if (err->kind != ERR_AGAIN)
        return false;
    if (!s->lost_since)
        s->lost_since = api_mono(a);
    return api_mono(a) - s->lost_since < UNREACHABLE_MAX_MS;
}

static void keep_goals(cJSON *doc, const struct progress_goal *goals, size_t n)
{
    cJSON *list = json_get(doc, "installations"), *inst = list->child, *next;

    for (; inst; inst = next) {
        bool wanted = false;

        next = inst->next;
        for (size_t i = 0; i < n; i++)
            wanted = wanted || (str_eq(json_str(inst, "name", ""), goals[i].name) &&
                                str_eq(json_str(inst, "namespace", ""), goals[i].ns) &&
                                str_eq(json_str(inst, "kind", ""), kube_kind_info(goals[i].kind)->kind));
        if (!wanted)
            cJSON_Delete(cJSON_DetachItemViaPointer(list, inst));
    }
}

static const cJSON *find_goal(const cJSON *doc, const struct progress_goal *g)
{
    const cJSON *inst;

    cJSON_ArrayForEach(inst, json_get(doc, "installations"))
        if (str_eq(json_str(inst, "name", ""), g->name) && str_eq(json_str(inst, "namespace", ""), g->ns) &&
            str_eq(json_str(inst, "kind", ""), kube_kind_info(g->kind)->kind))
            return inst;
    return NULL;
}

static void say_failed(const cJSON *inst)
{
    auto_str struct str text = STR_INIT;

    add_result(&text, inst, json_str(inst, "status", ""), "failed");
    fprintf(stderr, "%s\nchfleet why %s says more\n", str_text(&text), json_str(inst, "name", ""));
}

/* -1: go on waiting; else the exit code. */
static int judge(const cJSON *doc, const struct progress_goal *goals, size_t n)
{
    size_t done = 0;

    for (size_t i = 0; i < n; i++) {
        const cJSON *inst = find_goal(doc, &goals[i]);
        int state = inst ? status_done(inst, goals[i].generation) : -1;

        if (!inst)
            fprintf(stderr, "%s was deleted meanwhile\n", goals[i].name);
        else if (state < 0)
            say_failed(inst);
        if (state < 0)
            return inst && str_eq(json_str(inst, "code", ""), "REFUSED") ? EXIT_REFUSED : EXIT_FAILED;
        done += state == 1;
    }
    return done == n ? EXIT_DONE : -1;
}

int progress_follow(struct fleet_api *a, const struct progress_goal *goals, size_t n, uint64_t limit_ms)
{
    struct screen s = {0};
    uint64_t until = api_mono(a) + limit_ms;
    int code = -1;

    a->all = true;
    while (code < 0) {
        struct err err = ERR_INIT;
        auto_json cJSON *doc = status_collect(a, NULL, 0, &err);

        if (doc) {
            s.lost_since = 0;
            keep_goals(doc, goals, n);
            show(&s, doc, false);
            code = judge(doc, goals, n);
        } else if (!still_hopeful(a, &s, &err)) {
            fprintf(stderr, "%s\n", err.msg);
            code = err_exit_code(&err);
        }
        if (code < 0 && api_mono(a) >= until) {
            fprintf(stderr, "not done after %llu s; the work goes on (chfleet status --watch)\n", (unsigned long long)limit_ms / 1000);
            code = EXIT_TIMEOUT;
        }
        if (code < 0)
            api_sleep(a, REDRAW_MS);
    }
    cJSON_Delete(s.said);
    return code;
}

int progress_watch(struct fleet_api *a, const char *const *names, int n, bool wide, struct err *err)
{
    struct screen s = {0};

    for (;;) {
        struct err why = ERR_INIT;
        auto_json cJSON *doc = status_collect(a, names, n, &why);

        if (doc) {
            s.lost_since = 0;
            show(&s, doc, wide);
        } else if (!still_hopeful(a, &s, &why)) {
            *err = why;
            cJSON_Delete(s.said);
            return -1;
        }
        api_sleep(a, REDRAW_MS);
    }
}
