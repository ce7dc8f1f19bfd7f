/* SPDX-License-Identifier: Apache-2.0 */
/* conformance KUBECONFIG FACTS…: TAP on standard output; 0 when every fact holds. */
#include <ctype.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/log.h"
#include "base/mem.h"
#include "tests/conform/conform.h"

struct run {
    struct wire *wire;
    bool is_plane;
    const char *file;
    char **lines;
    size_t n, i; /* i: the line that is being done */
    cJSON *vars, *kept;
    struct wire_answer last;
    struct str why; /* of the fact that does not hold */
    int facts, failed;
};

static bool fail(struct run *r, const char *text)
{
    str_addf(&r->why, "%s:%zu: %s", r->file, r->i + 1, text);
    return false;
}

/* ---- variables ---- */

static void add_escaped(struct str *out, const char *text)
{
    for (const char *p = text; *p; p++)
        str_addf(out, isalnum((unsigned char)*p) || strchr("-._~,", *p) ? "%c" : "%%%02X", (unsigned char)*p);
}

/* Caller frees. A name that nobody gave stays as it is. */
static char *with_variables(const struct run *r, const char *text, bool address)
{
    struct str out = STR_INIT;

    while (*text) {
        size_t n = 0;

        while (*text == '$' && (isalnum((unsigned char)text[1 + n]) || text[1 + n] == '_'))
            n++;
        auto_free char *name = mem_strn(text + 1, n);
        const char *value = n ? json_str(r->vars, name, NULL) : NULL;

        if (!value)
            str_addc(&out, *text++);
        else if (address)
            add_escaped(&out, value);
        else
            str_add(&out, value);
        if (value)
            text += n + 1;
    }
    return str_take(&out);
}

/* ---- requests ---- */

struct ask {
    char *method, *path, *body;
    char *type, *accept; /* NULL: JSON */
    unsigned until_s;
};

static void ask_free(struct ask *a)
{
    free(a->method);
    free(a->path);
    free(a->body);
    free(a->type);
    free(a->accept);
}

static const char *patch_type(const char *word)
{
    static const char *const types[][2] = {
        {"merge", "application/merge-patch+json"},
        {"json", "application/json-patch+json"},
        {"strategic", "application/strategic-merge-patch+json"},
        {"apply", "application/apply-patch+yaml"},
    };

    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(types[i][0], word) == 0)
            return types[i][1];
    return word;
}

static const char *form_type(const char *word)
{
    if (strcmp(word, "table") == 0)
        return "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
    if (strcmp(word, "metadata") == 0)
        return "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io";
    if (strcmp(word, "metadata-list") == 0)
        return "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io";
    return word;
}

static bool is_body_line(const char *line)
{
    return line[0] == ' ' || line[0] == '{' || line[0] == '[';
}

/* The lines of the body, as JSON; merged into `onto` where that is given. */
static bool take_body(struct run *r, struct ask *a, const char *onto)
{
    auto_str struct str text = STR_INIT;
    struct err err = ERR_INIT;
    cJSON *body = NULL;

    while (r->i + 1 < r->n && is_body_line(r->lines[r->i + 1]))
        str_addf(&text, "%s\n", r->lines[++r->i]);
    if (text.len) {
        auto_free char *plain = with_variables(r, text.s, false);

        if (strncmp(plain, "  raw ", 6) == 0) { /* as it stands: what is no JSON */
            a->body = mem_str(plain + 6);
            return true;
        }
        if (!(body = expect_yaml(plain, &err)))
            return fail(r, err.msg);
    }
    if (onto) {
        cJSON *whole = json_copy(json_get(r->kept, onto));

        if (body)
            json_merge_patch(&whole, body);
        cJSON_Delete(body);
        body = whole;
    }
    a->body = body ? json_print(body) : NULL;
    cJSON_Delete(body);
    return true;
}

/* "[until N] METHOD PATH [as TYPE] [for FORM] [onto NAME]" */
static bool parse_ask(struct run *r, const char *line, struct ask *a)
{
    auto_free char *copy = mem_str(line);
    char *save = NULL, *word = strtok_r(copy, " ", &save), *key;
    auto_free char *onto = NULL;

    memset(a, 0, sizeof *a);
    if (strcmp(word, "until") == 0) {
        a->until_s = (unsigned)atoi(strtok_r(NULL, " ", &save));
        word = strtok_r(NULL, " ", &save);
    }
    a->method = mem_str(word);
    a->path = with_variables(r, strtok_r(NULL, " ", &save), true);
    while ((key = strtok_r(NULL, " ", &save)) && (word = strtok_r(NULL, " ", &save))) {
        char **to = strcmp(key, "as") == 0 ? &a->type : strcmp(key, "for") == 0 ? &a->accept : &onto;

        free(*to);
        *to = mem_str(to == &a->type ? patch_type(word) : to == &a->accept ? form_type(word) : word);
    }
    return take_body(r, a, onto);
}

static void send_ask(struct run *r, const struct ask *a)
{
    wire_answer_free(&r->last);
    wire_send(r->wire,
              &(struct wire_request){
                  .method = a->method, .path = a->path, .type = a->type, .accept = a->accept, .body = a->body},
              &r->last);
}

/* ---- expectations ---- */

static const char *header_of(const struct run *r, const char *name)
{
    size_t n = strlen(name);

    for (const char *p = str_text(&r->last.headers); *p; p += strcspn(p, "\n"), p += *p == '\n')
        if (strncasecmp(p, name, n) == 0 && p[n] == ':')
            return p + n + 1;
    return "";
}

static bool header_holds(struct run *r, const char *line, struct str *why)
{
    char name[64], text[200];

    if (sscanf(line, "header %63s ~ %199[^\n]", name, text) == 2 && strcasestr(header_of(r, name), text))
        return true;
    str_addf(why, "the headers are %s", str_text(&r->last.headers));
    return false;
}

static bool one_holds(struct run *r, const char *line, struct str *why)
{
    auto_free char *plain = with_variables(r, line, false);

    if (isdigit((unsigned char)plain[0])) {
        if (r->last.status == atoi(plain))
            return true;
        str_addf(why, "the status is %d: %.600s", r->last.status, str_text(&r->last.text));
        return false;
    }
    if (str_starts(plain, "header "))
        return header_holds(r, plain, why);
    return expect_holds(r->last.body, plain, r->vars, why);
}

/* All "?" lines that follow line `at`. *end is the last of them; `bad` the first that does not hold. */
static bool all_hold(struct run *r, size_t at, size_t *end, size_t *bad, struct str *why)
{
    for (*end = at; *end + 1 < r->n && str_starts(r->lines[*end + 1], "? "); ++*end) {
        if (one_holds(r, r->lines[*end + 1] + 2, why))
            continue;
        *bad = *end + 1;
        return false;
    }
    return true;
}

static bool expectations(struct run *r)
{
    auto_str struct str why = STR_INIT;
    size_t end, bad;

    if (all_hold(r, r->i, &end, &bad, &why)) {
        r->i = end;
        return true;
    }
    r->i = bad;
    auto_free char *text = mem_printf("%s: %s", r->lines[bad], str_text(&why));

    return fail(r, text);
}

static bool do_ask(struct run *r, const char *line)
{
    struct ask a;
    time_t end;
    bool good = parse_ask(r, line, &a);

    end = time(NULL) + a.until_s;
    while (good) {
        auto_str struct str why = STR_INIT;
        size_t last, bad;

        send_ask(r, &a);
        if (a.until_s == 0 || all_hold(r, r->i, &last, &bad, &why) || time(NULL) > end)
            break;
        nanosleep(&(struct timespec){0, 100000000}, NULL);
    }
    ask_free(&a);
    return good && expectations(r);
}

/* ---- other lines ---- */

static bool do_events(struct run *r, const char *line)
{
    wire_answer_free(&r->last);
    r->last.body = wire_events(r->wire, strcmp(line, "events end") == 0 ? -1 : atoi(line + 7));
    r->last.status = (int)json_int(r->last.body, "status", 0);
    return expectations(r);
}

static bool do_repeat(struct run *r, const char *line)
{
    auto_str struct str text = STR_INIT;
    char name[32], what[200];
    int times;

    if (sscanf(line, "repeat %31s %d %199s", name, &times, what) != 3)
        return fail(r, "repeat NAME N TEXT");
    while (times-- > 0)
        str_add(&text, what);
    json_set_str(r->vars, name, str_text(&text));
    return true;
}

static bool is_ask(const char *line)
{
    static const char *const words[] = {"GET ", "POST ", "PUT ", "PATCH ", "DELETE ", "until "};

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (str_starts(line, words[i]))
            return true;
    return false;
}

static bool do_line(struct run *r, const char *line)
{
    if (!*line || *line == '#')
        return true;
    if (is_ask(line))
        return do_ask(r, line);
    if (str_starts(line, "keep ")) {
        json_set(r->kept, line + 5, json_copy(r->last.body));
        return true;
    }
    if (str_starts(line, "repeat "))
        return do_repeat(r, line);
    if (str_starts(line, "events "))
        return do_events(r, line);
    if (!str_starts(line, "watch "))
        return fail(r, "a line of no known kind");
    auto_free char *path = with_variables(r, line + 6, true);

    wire_watch(r->wire, path);
    return true;
}

static void tell(struct run *r, const char *name, bool good)
{
    r->facts++;
    r->failed += !good;
    printf("%sok %d - %s\n", good ? "" : "not ", r->facts, name);
    if (!good)
        printf("#   %s\n", str_text(&r->why));
    fflush(stdout);
}

static bool is_meant(const struct run *r, const char *line)
{
    return strcmp(line, r->is_plane ? "only cluster" : "only plane") != 0;
}

/* One fact, from its "=" line. */
static void do_fact(struct run *r)
{
    const char *name = r->lines[r->i] + 2, *line;
    bool good = true, meant = true;

    str_reset(&r->why);
    for (r->i++; r->i < r->n && !str_starts(r->lines[r->i], "= "); r->i++) {
        line = r->lines[r->i];
        if (str_starts(line, "only "))
            meant = is_meant(r, line);
        else if (good && meant)
            good = do_line(r, line);
    }
    if (meant)
        tell(r, name, good);
}

static char *read_all(const char *path)
{
    FILE *f = fopen(path, "re");
    struct str s = STR_INIT;
    char buf[4096];
    size_t n;

    if (!f)
        return NULL;
    while ((n = fread(buf, 1, sizeof buf, f)) > 0)
        str_addn(&s, buf, n);
    fclose(f);
    return str_take(&s);
}

static int do_file(struct run *r, const char *path)
{
    auto_free char *text = read_all(path);
    char *save = text, *line;

    if (!text) {
        fprintf(stderr, "%s cannot be read\n", path);
        return -1;
    }
    r->file = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    r->lines = mem_array(strlen(text) + 1, sizeof *r->lines);
    for (r->n = 0; (line = strsep(&save, "\n"));)
        r->lines[r->n++] = line;
    for (r->i = 0; r->i < r->n;)
        if (str_starts(r->lines[r->i], "= "))
            do_fact(r);
        else
            r->i++;
    free(r->lines);
    return 0;
}

static void first_variables(struct run *r)
{
    time_t t = time(NULL);
    struct tm tm;
    char now[40];

    gmtime_r(&t, &tm);
    strftime(now, sizeof now, "%Y-%m-%dT%H:%M:%S.000000Z", &tm);
    json_set_str(r->vars, "now", now);
    json_set_str(r->vars, "ns", "conform");
}

int main(int argc, char **argv)
{
    struct run r = {.vars = cJSON_CreateObject(), .kept = cJSON_CreateObject()};
    struct err err = ERR_INIT;
    int rc = 0;

    signal(SIGPIPE, SIG_IGN);
    log_init("conformance", LOG_WARN);
    if (argc < 3) {
        fputs("usage: conformance KUBECONFIG FACTS…\n", stderr);
        return 2;
    }
    if (!(r.wire = wire_open(argv[1], &r.is_plane, &err))) {
        fprintf(stderr, "%s\n", err.msg);
        return 1;
    }
    first_variables(&r);
    for (int i = 2; i < argc && rc == 0; i++)
        rc = do_file(&r, argv[i]);
    printf("1..%d\n", r.facts);
    wire_answer_free(&r.last);
    wire_close(r.wire);
    cJSON_Delete(r.vars);
    cJSON_Delete(r.kept);
    str_free(&r.why);
    return rc < 0 || r.failed || r.facts == 0;
}
