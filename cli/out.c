/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/out.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"

/* ---- colours ---- */

void out_forbid_colour(void)
{
    setenv("NO_COLOR", "1", 1);
}

bool out_is_terminal(void)
{
    return isatty(STDOUT_FILENO) == 1;
}

static bool colours(void)
{
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

    return !(no && *no) && term && !str_eq(term, "dumb") && out_is_terminal();
}

const char *out_bold(void)
{
    return colours() ? "\033[1m" : "";
}
const char *out_plain(void)
{
    return colours() ? "\033[0m" : "";
}
const char *out_red(void)
{
    return colours() ? "\033[31m" : "";
}
const char *out_green(void)
{
    return colours() ? "\033[32m" : "";
}
const char *out_yellow(void)
{
    return colours() ? "\033[33m" : "";
}
const char *out_dim(void)
{
    return colours() ? "\033[2m" : "";
}

void out_screen(unsigned *columns, unsigned *rows)
{
    struct winsize size = {0};

    if (out_is_terminal())
        ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
    *columns = size.ws_col;
    *rows = size.ws_row;
}

unsigned out_lines(const char *text)
{
    unsigned n = 0;

    for (; *text; text++)
        n += *text == '\n';
    return n;
}

void out_indented(struct str *out, const char *indent, const char *text)
{
    for (size_t len; *text; text += len + (text[len] == '\n')) {
        len = strcspn(text, "\n");
        str_add(out, indent);
        str_addn(out, text, len);
        str_addc(out, '\n');
    }
}

/* ---- times ---- */

void out_age(uint64_t ms, char *buf, size_t size)
{
    uint64_t s = ms / 1000;

    if (s < 120)
        snprintf(buf, size, "%us", (unsigned)s);
    else if (s < 600)
        snprintf(buf, size, "%um%us", (unsigned)(s / 60), (unsigned)(s % 60));
    else if (s < 3 * 3600)
        snprintf(buf, size, "%um", (unsigned)(s / 60));
    else if (s < 48 * 3600)
        snprintf(buf, size, "%uh", (unsigned)(s / 3600));
    else
        snprintf(buf, size, "%ud", (unsigned)(s / 86400));
}

int64_t out_time(const char *rfc3339)
{
    struct tm tm = {0};

    if (!rfc3339 || !strptime(rfc3339, "%Y-%m-%dT%H:%M:%S", &tm))
        return -1;
    return (int64_t)timegm(&tm); /* Kubernetes writes UTC */
}

void out_age_of(const char *rfc3339, char *buf, size_t size)
{
    int64_t then = out_time(rfc3339), now = (int64_t)time(NULL);

    if (then < 0)
        snprintf(buf, size, "<unknown>");
    else
        out_age(now > then ? (uint64_t)(now - then) * 1000 : 0, buf, size);
}

void out_rfc3339(uint64_t wall_ms, char *buf, size_t size)
{
    time_t t = (time_t)(wall_ms / 1000);
    struct tm tm;

    gmtime_r(&t, &tm);
    strftime(buf, size, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

/* ---- tables ---- */

void out_table_init(struct out_table *t, const char *const *heads)
{
    memset(t, 0, sizeof *t);
    for (; heads[t->columns]; t->columns++)
        out_cell_colour(t, heads[t->columns], out_dim());
    t->header = t->columns;
}

void out_cell_colour(struct out_table *t, const char *text, const char *colour)
{
    if (t->n_cells % 64 == 0)
        t->cells = mem_grow(t->cells, t->n_cells + 64, sizeof *t->cells);
    t->cells[t->n_cells++] = (struct out_cell){mem_str(text && *text ? text : "-"), colour};
}

void out_cell(struct out_table *t, const char *text)
{
    out_cell_colour(t, text, "");
}

void out_cellf(struct out_table *t, const char *fmt, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    out_cell(t, text);
}

/* Characters, not bytes: host names and reasons may hold arrows and dots. */
static size_t width(const char *s)
{
    size_t n = 0;

    for (; *s; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

void out_table_print(const struct out_table *t, const char *indent, struct str *out)
{
    size_t wide[32] = {0}, columns = t->columns < 32 ? t->columns : 32;

    for (size_t i = 0; i < t->n_cells; i++)
        if (width(t->cells[i].text) > wide[i % columns])
            wide[i % columns] = width(t->cells[i].text);
    for (size_t i = 0; i < t->n_cells; i++) {
        const struct out_cell *cell = &t->cells[i];
        bool last = i % columns == columns - 1;
        size_t pad = last ? 0 : wide[i % columns] - width(cell->text) + 2;

        if (i % columns == 0)
            str_add(out, indent);
        str_addf(out, "%s%s%s%*s", cell->colour, cell->text, *cell->colour ? out_plain() : "", (int)pad, "");
        if (last)
            str_addc(out, '\n');
    }
}

void out_table_fini(struct out_table *t)
{
    for (size_t i = 0; i < t->n_cells; i++)
        free(t->cells[i].text);
    free(t->cells);
    memset(t, 0, sizeof *t);
}

/* ---- documents ---- */

cJSON *out_document_new(const char *kind)
{
    cJSON *doc = cJSON_CreateObject();

    json_set_str(doc, "apiVersion", "chfleet.io/v1");
    json_set_str(doc, "kind", kind);
    return doc;
}

void out_document(const cJSON *doc, const char *form)
{
    auto_str struct str text = STR_INIT;

    if (str_eq(form, "yaml"))
        out_yaml(doc, &text);
    else
        out_json(doc, &text);
    fputs(str_text(&text), stdout);
}

static void scalar_json(const cJSON *j, struct str *out)
{
    auto_free char *text = json_print(j);

    str_add(out, text);
}

static void json_level(const cJSON *j, unsigned level, struct str *out)
{
    bool object = cJSON_IsObject(j);
    const cJSON *item;

    if ((!object && !cJSON_IsArray(j)) || !j->child) {
        scalar_json(j, out);
        return;
    }
    str_addc(out, object ? '{' : '[');
    cJSON_ArrayForEach(item, j) {
        str_addf(out, "%s\n%*s", item == j->child ? "" : ",", (int)(level + 1) * 2, "");
        if (object) {
            cJSON key = {.type = cJSON_String, .valuestring = item->string};

            scalar_json(&key, out);
            str_add(out, ": ");
        }
        json_level(item, level + 1, out);
    }
    str_addf(out, "\n%*s%c", (int)level * 2, "", object ? '}' : ']');
}

void out_json(const cJSON *j, struct str *out)
{
    json_level(j, 0, out);
    str_addc(out, '\n');
}
