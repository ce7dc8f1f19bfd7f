/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/window.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

enum { DAY_S = 86400, TZIF_HEAD = 44 };

int64_t window_seconds(const char *text)
{
    char unit = 0, rest = 0;
    long long n = 0;

    if (!text || sscanf(text, "%lld%c%c", &n, &unit, &rest) != 2 || n < 0)
        return -1;
    switch (unit) {
    case 's':
        return n;
    case 'm':
        return n * 60;
    case 'h':
        return n * 3600;
    case 'd':
        return n * DAY_S;
    default:
        return -1;
    }
}

static int32_t be32(const char *p)
{
    const unsigned char *u = (const unsigned char *)p;

    return (int32_t)((uint32_t)u[0] << 24 | (uint32_t)u[1] << 16 | (uint32_t)u[2] << 8 | u[3]);
}

int window_offset(const char *tzif, size_t len, int64_t utc_s, int64_t *offset, struct err *err)
{
    uint32_t times, types, i;
    const char *at = tzif + TZIF_HEAD, *index, *info;

    if (len < TZIF_HEAD || memcmp(tzif, "TZif", 4) != 0)
        return err_set(err, ERR_INPUT, 0, "not a time zone file");
    times = (uint32_t)be32(tzif + 32);
    types = (uint32_t)be32(tzif + 36);
    if (types == 0 || times > len || types > len || TZIF_HEAD + (size_t)times * 5 + (size_t)types * 6 > len)
        return err_set(err, ERR_INPUT, 0, "a damaged time zone file");
    index = at + (size_t)times * 4;
    info = index + times;
    for (i = times; i > 0 && be32(at + (size_t)(i - 1) * 4) > utc_s; i--)
        continue;
    i = i == 0 ? 0 : (unsigned char)index[i - 1];
    if (i >= types)
        return err_set(err, ERR_INPUT, 0, "a damaged time zone file");
    *offset = be32(info + (size_t)i * 6);
    return 0;
}

/* Debian's "fat" files have all rules in the first block; "slim" ones keep it empty and must be read from the second.
 */
static int zone_offset(struct world *w, const char *zone, int64_t utc_s, int64_t *offset, struct err *err)
{
    auto_free char *path = mem_printf("/usr/share/zoneinfo/%s", zone), *text = NULL;
    size_t len = 0;

    if (strcmp(zone, "UTC") == 0 || strcmp(zone, "Etc/UTC") == 0) {
        *offset = 0;
        return 0;
    }
    if (strstr(zone, "..") || zone[0] == '/' || w->ops->read_file(w, path, &text, &len, NULL) < 0)
        return err_set(err, ERR_INPUT, 0,
                       "spec.chfleet.windows: this machine knows no time zone \"%s\" (package tzdata has them)", zone);
    return window_offset(text, len, utc_s, offset, err);
}

static bool is_open(struct world *w, const cJSON *win, int64_t utc_s, struct err *err)
{
    static const char *const days[] = {"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"}; /* day 0 was a Thursday */
    int64_t length = window_seconds(json_str(win, "duration", "")), offset = 0, local;
    const cJSON *list = json_get(win, "days");
    unsigned h = 0, m = 0;

    if (sscanf(json_str(win, "start", ""), "%u:%u", &h, &m) != 2 || length < 0) {
        err_set(err, ERR_INPUT, 0, "spec.chfleet.windows: start is HH:MM and duration is like 4h");
        return false;
    }
    if (zone_offset(w, json_str(win, "timezone", "UTC"), utc_s, &offset, err) < 0)
        return false;
    local = utc_s + offset;
    for (int64_t day = local / DAY_S; day >= 0 && day >= local / DAY_S - length / DAY_S - 1; day--) {
        int64_t from = day * DAY_S + h * 3600 + m * 60;

        if ((!cJSON_GetArraySize(list) || json_has(list, days[day % 7])) && local >= from && local < from + length)
            return true;
    }
    return false;
}

bool window_open(struct world *w, const cJSON *windows, uint64_t wall_ms, struct err *err)
{
    const cJSON *win;

    if (!cJSON_GetArraySize(windows))
        return true;
    cJSON_ArrayForEach(win, windows)
        if (is_open(w, win, (int64_t)(wall_ms / 1000), err))
            return true;
    return false;
}
