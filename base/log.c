/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

static const char *const level_names[] = {"error", "warning", "notice", "info", "debug"};
static const char *log_program = "chfleet";
static enum log_level log_limit = LOG_INFO;

void log_init(const char *program, enum log_level level)
{
    log_program = program;
    log_limit = level;
}

void log_set_level(enum log_level level)
{
    log_limit = level;
}

int log_level_parse(const char *name)
{
    for (int i = 0; i < (int)(sizeof level_names / sizeof *level_names); i++)
        if (strcasecmp(name, level_names[i]) == 0)
            return i;
    return -1;
}

void log_at(enum log_level level, const char *about, const char *fmt, ...)
{
    char line[2048];
    struct timespec ts;
    struct tm tm;
    size_t n;
    va_list ap;
    int m;

    if (level > log_limit)
        return;
    clock_gettime(CLOCK_REALTIME, &ts);
    gmtime_r(&ts.tv_sec, &tm);
    n = strftime(line, sizeof line, "%Y-%m-%dT%H:%M:%S", &tm);
    n += (size_t)snprintf(line + n, sizeof line - n, ".%03ldZ %s %s[%d] %s%s", ts.tv_nsec / 1000000,
                          level_names[level], log_program, (int)getpid(), about ? about : "", about ? ": " : "");
    if (n >= sizeof line - 2)
        n = sizeof line - 2;
    va_start(ap, fmt);
    m = vsnprintf(line + n, sizeof line - n - 1, fmt, ap);
    va_end(ap);
    n = m < 0 ? n : n + (size_t)m;
    if (n >= sizeof line - 2)
        n = sizeof line - 2;
    for (size_t i = 0; i < n; i++) /* one event, one line: foreign text must not forge another */
        if (line[i] == '\n' || line[i] == '\r')
            line[i] = ' ';
    line[n++] = '\n';
    if (write(STDERR_FILENO, line, n) < 0)
        return;
}
