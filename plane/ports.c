/* SPDX-License-Identifier: Apache-2.0 */
#include "plane/ports.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"

struct ports {
    struct world *w;
    char *path;
    unsigned first, last;
    cJSON *given;
};

struct ports *ports_open(struct world *w, const char *path, unsigned first, unsigned last)
{
    struct ports *p = mem_zero(sizeof *p);
    auto_free char *text = NULL;
    size_t len = 0;

    p->w = w;
    p->path = mem_str(path);
    p->first = first;
    p->last = last;
    if (path && w->ops->read_file(w, path, &text, &len, NULL) == 0)
        p->given = json_parse(text, len, NULL);
    if (!cJSON_IsObject(p->given)) {
        cJSON_Delete(p->given);
        p->given = cJSON_CreateObject();
    }
    return p;
}

void ports_close(struct ports *p)
{
    if (!p)
        return;
    cJSON_Delete(p->given);
    free(p->path);
    free(p);
}

static void save(struct ports *p)
{
    auto_free char *text = p->path ? json_print(p->given) : NULL;
    struct err e = ERR_INIT;

    if (text && p->w->ops->write_file(p->w, p->path, text, strlen(text), 0600, &e) < 0)
        log_error(NULL, "%s; free some space, or ports may be others after the next start", e.msg);
}

static bool usable(const struct ports *p, unsigned port)
{
    const cJSON *v;

    cJSON_ArrayForEach(v, p->given)
        if (cJSON_IsNumber(v) && (unsigned)v->valuedouble == port)
            return false;
    return port > 0 && port < 65536 && p->w->ops->port_free(p->w, port);
}

unsigned ports_get(struct ports *p, const char *name, unsigned want)
{
    const cJSON *have = json_get(p->given, name);

    if (cJSON_IsNumber(have))
        return (unsigned)have->valuedouble;
    if (!usable(p, want)) {
        for (want = p->first; want <= p->last && !usable(p, want); want++)
            continue;
        if (want > p->last)
            return 0;
    }
    json_set_int(p->given, name, want);
    save(p);
    return want;
}

void ports_drop(struct ports *p, const char *name)
{
    if (!json_get(p->given, name))
        return;
    cJSON_DeleteItemFromObjectCaseSensitive(p->given, name);
    save(p);
}
