/* SPDX-License-Identifier: Apache-2.0 */
/* The two time formats of Kubernetes objects: RFC 3339 with seconds, or with microseconds (leases). */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "kube/impl.h"

int64_t kube_time_parse(const char *text)
{
    struct tm tm = {0};
    const char *p = text ? strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;
    int64_t ms = 0, scale = 100;
    int hours = 0, minutes = 0;

    if (!p)
        return -1;
    if (*p == '.')
        for (p++; *p >= '0' && *p <= '9'; p++, scale /= 10)
            ms += (*p - '0') * scale;
    if (*p == '+' || *p == '-') {
        if (sscanf(p + 1, "%2d:%2d", &hours, &minutes) != 2)
            return -1;
        if (*p == '-') {
            hours = -hours;
            minutes = -minutes;
        }
    } else if (strcmp(p, "Z") != 0) {
        return -1;
    }
    return (int64_t)timegm(&tm) * 1000 + ms - (hours * 60 + minutes) * INT64_C(60000);
}

void kube_time_print(uint64_t wall_ms, bool micro, char out[32])
{
    time_t sec = (time_t)(wall_ms / 1000);
    struct tm tm;
    size_t n;

    gmtime_r(&sec, &tm);
    n = strftime(out, 32, "%Y-%m-%dT%H:%M:%S", &tm);
    if (micro)
        snprintf(out + n, 32 - n, ".%03u000Z", (unsigned)(wall_ms % 1000));
    else
        snprintf(out + n, 32 - n, "Z");
}
