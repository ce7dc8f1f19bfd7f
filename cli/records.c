/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/records.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "base/str.h"

int records_open(struct fleet_api *a, struct journal_reader **out, struct err *err)
{
    auto_free char *dir = api_operator_dir(a);

    if (!a->local)
        return err_set(err, ERR_MISSING, 0, "the journal is beside the operator, and this one is not on this machine; run the command "
                                            "there (kubectl exec … chfleetd's pod), or give --data DIR");
    return journal_read_open(out, dir, err);
}

char *records_prefix(const struct fleet_api *a, const char *name)
{
    if (!name)
        return a->all ? mem_str("") : mem_printf("%s/", a->ns);
    return mem_printf("%s/%s", a->ns, name);
}

bool records_below(const char *prefix, const char *object)
{
    size_t n = strlen(prefix);

    if (n == 0 || prefix[n - 1] == '/')
        return str_starts(object, prefix);
    return str_starts(object, prefix) && (object[n] == '\0' || object[n] == '/' || str_starts(object + n, ".keeper"));
}

void records_filter(cJSON *rows, const char *prefix)
{
    cJSON *row = rows ? rows->child : NULL, *next;

    for (; row; row = next) {
        next = row->next;
        if (!records_below(prefix, json_str(row, "object", "")))
            cJSON_Delete(cJSON_DetachItemViaPointer(rows, row));
    }
}

void records_clock(int64_t wall_ms, char *buf, size_t size)
{
    time_t t = (time_t)(wall_ms / 1000);
    struct tm tm;

    buf[0] = '\0';
    if (wall_ms <= 0)
        return;
    localtime_r(&t, &tm);
    strftime(buf, size, "%Y-%m-%d %H:%M:%S", &tm);
}
