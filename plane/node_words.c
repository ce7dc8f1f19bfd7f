/* SPDX-License-Identifier: Apache-2.0 */
/* Why did a container end? What people would look for first, in one line for the pod's status. */
#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "plane/node_priv.h"

enum { TAIL = 6000, WORDS_MAX = 400, LINES = 3 };

/* The end of a file that was written since then; NULL. Caller frees. */
static char *tail_of(const char *path, uint64_t since_ms)
{
    auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    char *text;
    ssize_t n;

    if (fd < 0 || fstat(fd, &st) < 0 || (uint64_t)st.st_mtime + 1 < since_ms / 1000)
        return NULL;
    text = mem_alloc(TAIL + 1);
    n = pread(fd, text, TAIL, st.st_size > TAIL ? st.st_size - TAIL : 0);
    text[n > 0 ? n : 0] = '\0';
    return text;
}

static void add_words(struct str *out, const char *line, size_t len)
{
    while (len && isspace((unsigned char)line[len - 1]))
        len--;
    if (out->len + len + 2 > WORDS_MAX)
        len = out->len + 2 < WORDS_MAX ? WORDS_MAX - out->len - 2 : 0;
    if (!len)
        return;
    str_add(out, out->len ? "; " : "");
    str_addn(out, line, len);
}

/* ClickHouse's start: the lines of its own application object are about why it does not go on. */
static void application_lines(const char *text, struct str *out)
{
    static const char mark[] = "Application: ";
    const char *lines[LINES] = {NULL};
    size_t n = 0;

    for (const char *p = strstr(text, mark); p; p = strstr(p + 1, mark)) { /* the last ones */
        const char *words = p + strlen(mark);

        if (n && strncmp(lines[(n - 1) % LINES], words, strcspn(words, "\n")) == 0)
            continue; /* the same again, from the next try */
        lines[n++ % LINES] = words;
    }
    for (size_t i = n > LINES ? n - LINES : 0; i < n; i++)
        add_words(out, lines[i % LINES], strcspn(lines[i % LINES], "\n"));
}

static void last_line(const char *text, struct str *out)
{
    size_t end = strlen(text), from;

    while (end && isspace((unsigned char)text[end - 1]))
        end--;
    for (from = end; from && text[from - 1] != '\n'; from--)
        continue;
    add_words(out, text + from, end - from);
}

static void taken_ports(const struct node_ctr *c, struct str *out)
{
    struct world *w = c->pod->node->w;
    const cJSON *p;

    cJSON_ArrayForEach(p, json_get(c->spec, "ports")) {
        unsigned port = (unsigned)json_int(p, "containerPort", 0);

        if (port && !w->ops->port_free(w, port))
            str_addf(out, "%sport %u is used by another process (ss -ltnp 'sport = :%u' shows which)",
                     out->len ? "; " : "", port, port);
    }
}

char *ctr_last_words(const struct node_ctr *c)
{
    auto_free char *log = mem_printf("%s/log", c->dir), *text = NULL;
    struct str out = STR_INIT;

    if (c->st.message[0] || c->st.exit_code == 0)
        return mem_str(c->st.message);
    taken_ports(c, &out);
    text = c->plan.error_log ? tail_of(c->plan.error_log, c->st.last_started_ms) : NULL;
    if (text)
        application_lines(text, &out);
    if (!out.len) {
        free(text);
        text = tail_of(log, c->st.last_started_ms);
        last_line(text ? text : "", &out);
    }
    for (size_t i = 0; i < out.len; i++)
        if ((unsigned char)out.s[i] < ' ' || (unsigned char)out.s[i] > '~') /* no half characters in an API object */
            out.s[i] = ' ';
    return str_take(&out);
}
