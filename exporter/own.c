/* SPDX-License-Identifier: Apache-2.0 */
#include "exporter/own.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "exporter/text.h"

static void number(struct str *out, const char *name, const char *type, const char *help, double v)
{
    str_addf(out, "# HELP %s %s\n# TYPE %s %s\n%s ", name, help, name, type, name);
    text_number(out, v);
    str_addc(out, '\n');
}

void own_before(struct str *out, const struct own_numbers *n)
{
    number(out, "chfleet_exporter_hosts", "gauge", "ClickHouse hosts that were asked for the last page", (double)n->hosts);
    number(out, "chfleet_exporter_hosts_failed", "gauge", "Of these, hosts that did not answer", (double)n->failed);
    str_addf(out, "# HELP chfleet_exporter_info Version of the exporter\n# TYPE chfleet_exporter_info gauge\n"
                  "chfleet_exporter_info{version=\"%s\"} 1\n",
             PACKAGE_VERSION_TEXT);
    number(out, "chfleet_exporter_installations", "gauge", "Installations that are known", (double)n->installations);
    number(out, "chfleet_exporter_leading", "gauge", "0 when another exporter shows the hosts (--leader-only)", n->leading);
    number(out, "chfleet_exporter_look_seconds", "gauge", "How long it took to ask all hosts", (double)n->took_ms / 1000);
    number(out, "chfleet_exporter_looks_total", "counter", "How often all hosts were asked", (double)n->scrapes);
}

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

void own_after(struct str *out)
{
    enum { UTIME = 11, STIME = 12, STARTED = 19, VSIZE = 20, RSS = 21, FIELDS = 22 };
    unsigned long long f[FIELDS] = {0};
    double tick = (double)sysconf(_SC_CLK_TCK);
    struct rlimit files;

    if (read_stat(f, FIELDS) < FIELDS)
        return;
    number(out, "process_cpu_seconds_total", "counter", "User and system time", (double)(f[UTIME] + f[STIME]) / tick);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0)
        number(out, "process_max_fds", "gauge", "Files that may be open", (double)files.rlim_cur);
    number(out, "process_open_fds", "gauge", "Files that are open", open_files());
    number(out, "process_resident_memory_bytes", "gauge", "Resident memory", (double)f[RSS] * (double)sysconf(_SC_PAGESIZE));
    number(out, "process_start_time_seconds", "gauge", "Start of the process since 1970", boot_time() + (double)f[STARTED] / tick);
    number(out, "process_virtual_memory_bytes", "gauge", "Virtual memory", (double)f[VSIZE]);
}
