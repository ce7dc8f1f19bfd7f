/* SPDX-License-Identifier: Apache-2.0 */
#include "base/prom.h"

#include <ctype.h>
#include <dirent.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/mem.h"

/* ---- names ---- */

/* How many bytes the UTF-8 character at s has; 0 when it is none (cut, too long, a surrogate). */
static int rune(const char *s)
{
    const unsigned char *p = (const unsigned char *)s;
    int n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;

    for (int i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
        (p[0] == 0xf4 && p[1] > 0x8f))
        return 0;
    return n;
}

static bool may_stand(char c, bool colon)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || (colon && c == ':');
}

static void put_name(struct str *out, const char *raw, bool colon)
{
    while (*raw) {
        size_t good = 0;
        int n;

        while (may_stand(raw[good], colon))
            good++;
        str_addn(out, raw, good);
        raw += good;
        if (!*raw)
            return;
        str_addc(out, '_');
        n = rune(raw);
        raw += n ? n : 1;
    }
}

void prom_metric_name(struct str *out, const char *raw)
{
    put_name(out, raw, true);
}

void prom_label_name(struct str *out, const char *raw)
{
    while (raw[0] == '_' && raw[1] == '_')
        raw++;
    if (!*raw || isdigit((unsigned char)*raw))
        str_addc(out, '_');
    put_name(out, raw, false);
}

/* ---- values ---- */

static bool is_plain(char c)
{
    return (unsigned char)c < 0x80 && c && c != '\\' && c != '"' && c != '\n';
}

void prom_label_value(struct str *out, const char *value)
{
    for (int n; *value; value += n ? n : 1) {
        size_t plain = 0;

        while (is_plain(value[plain]))
            plain++;
        str_addn(out, value, plain);
        value += plain;
        if (!*value)
            return;
        n = rune(value);
        if (n == 0)
            str_addc(out, '?');
        else if (*value == '\\' || *value == '"')
            str_addf(out, "\\%c", *value);
        else if (*value == '\n')
            str_add(out, "\\n");
        else
            str_addn(out, value, (size_t)n);
    }
}

/* Most numbers of a page, and a page has millions. */
static void put_whole(struct str *out, int64_t v)
{
    char buf[24], *p = buf + sizeof buf;
    uint64_t rest = v < 0 ? (uint64_t)-v : (uint64_t)v;

    do
        *--p = (char)('0' + rest % 10);
    while (rest /= 10);
    if (v < 0)
        *--p = '-';
    str_addn(out, p, (size_t)(buf + sizeof buf - p));
}

void prom_number(struct str *out, double v)
{
    char buf[40];

    if (isnan(v)) {
        str_add(out, "NaN");
    } else if (isinf(v)) {
        str_add(out, v > 0 ? "+Inf" : "-Inf");
    } else if (v == floor(v) && fabs(v) < 1e15) {
        put_whole(out, (int64_t)v);
    } else {
        for (int digits = 15; digits <= 17; digits++) {
            snprintf(buf, sizeof buf, "%.*g", digits, v);
            if (strtod(buf, NULL) == v)
                break;
        }
        str_add(out, buf);
    }
}

double prom_read_number(const char *s)
{
    char *end;
    double v = strtod(s, &end);

    return end == s || *end ? 0 : v;
}

/* ---- labels ---- */

void prom_labels_put(struct prom_labels *l, const char *name, const char *value)
{
    auto_str struct str key = STR_INIT, text = STR_INIT;
    size_t at = 0;
    int order = 1;

    prom_label_name(&key, name);
    prom_label_value(&text, value);
    while (at < l->n && (order = strcmp(l->v[at].name, str_text(&key))) < 0)
        at++;
    if (at == l->n || order != 0) {
        l->v = mem_grow(l->v, l->n + 1, sizeof *l->v);
        memmove(l->v + at + 1, l->v + at, (l->n - at) * sizeof *l->v);
        l->n++;
        l->v[at].name = mem_str(str_text(&key));
    } else {
        free(l->v[at].value);
    }
    l->v[at].value = mem_str(str_text(&text));
}

void prom_labels_free(struct prom_labels *l)
{
    for (size_t i = 0; i < l->n; i++) {
        free(l->v[i].name);
        free(l->v[i].value);
    }
    free(l->v);
    *l = (struct prom_labels){NULL, 0};
}

void prom_labels_print(struct str *out, const struct prom_labels *l, const struct prom_labels *over)
{
    size_t a = 0, b = 0;
    const char *comma = "";

    while (a < l->n || b < over->n) {
        int order = a == l->n ? 1 : b == over->n ? -1 : strcmp(l->v[a].name, over->v[b].name);
        const struct prom_label *one = order < 0 ? &l->v[a] : &over->v[b];

        a += order <= 0;
        b += order >= 0;
        str_add(out, comma);
        str_add(out, one->name);
        str_add(out, "=\"");
        str_add(out, one->value);
        str_addc(out, '"');
        comma = ",";
    }
}

cJSON *prom_texts(const cJSON *from)
{
    cJSON *out = cJSON_CreateObject();
    const cJSON *v;

    cJSON_ArrayForEach(v, from)
        if (cJSON_IsString(v) && !str_starts(v->string, "chfleet.io/") &&
            strcmp(v->string, "kubectl.kubernetes.io/last-applied-configuration") != 0)
            json_set_str(out, v->string, v->valuestring);
    return out;
}

void prom_labels_put_texts(struct prom_labels *l, const cJSON *texts, const cJSON *exclude)
{
    auto_json cJSON *those = prom_texts(texts);
    const cJSON *v;

    cJSON_ArrayForEach(v, those)
        if (!json_has(exclude, v->string))
            prom_labels_put(l, v->string, v->valuestring);
}

/* ---- families without labels ---- */

void prom_family(struct str *out, const char *name, const char *type, const char *help)
{
    str_addf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void prom_single(struct str *out, const char *name, const char *type, const char *help, double v)
{
    prom_family(out, name, type, help);
    str_addf(out, "%s ", name);
    prom_number(out, v);
    str_addc(out, '\n');
}

/* ---- this process ---- */

static double open_files(void)
{
    DIR *d = opendir("/proc/self/fd");
    int n = -3; /* ".", "..", and the one that reads */

    for (; d && readdir(d); n++)
        continue;
    if (d)
        closedir(d);
    return d ? n : 0;
}

/* Fields of /proc/self/stat behind the name of the program, which may hold anything: [0] is the third one. */
static int read_stat(unsigned long long *field, int max)
{
    char buf[1024];
    FILE *f = fopen("/proc/self/stat", "r");
    size_t len = f ? fread(buf, 1, sizeof buf - 1, f) : 0;
    char *p;
    int n = 0;

    if (f)
        fclose(f);
    buf[len] = '\0';
    p = strrchr(buf, ')');
    p = p ? p + 1 : buf;
    for (char *save = NULL, *word = strtok_r(p, " ", &save); word && n < max; word = strtok_r(NULL, " ", &save))
        field[n++] = strtoull(word, NULL, 10);
    return n;
}

static double boot_time(void)
{
    char line[256];
    double at = 0;
    FILE *f = fopen("/proc/stat", "r");

    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, "btime ", 6) == 0)
            at = strtod(line + 6, NULL);
    if (f)
        fclose(f);
    return at;
}

void prom_process(struct str *out)
{
    enum { UTIME = 11, STIME = 12, STARTED = 19, VSIZE = 20, RSS = 21, FIELDS = 22 };
    unsigned long long f[FIELDS] = {0};
    double tick = (double)sysconf(_SC_CLK_TCK);
    struct rlimit files;

    if (read_stat(f, FIELDS) < FIELDS)
        return;
    prom_single(out, "process_cpu_seconds_total", "counter", "User and system time", (double)(f[UTIME] + f[STIME]) / tick);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0)
        prom_single(out, "process_max_fds", "gauge", "Files that may be open", (double)files.rlim_cur);
    prom_single(out, "process_open_fds", "gauge", "Files that are open", open_files());
    prom_single(out, "process_resident_memory_bytes", "gauge", "Resident memory", (double)f[RSS] * (double)sysconf(_SC_PAGESIZE));
    prom_single(out, "process_start_time_seconds", "gauge", "Start of the process since 1970", boot_time() + (double)f[STARTED] / tick);
    prom_single(out, "process_virtual_memory_bytes", "gauge", "Virtual memory", (double)f[VSIZE]);
}
