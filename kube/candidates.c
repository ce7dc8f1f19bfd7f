/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may lead next, as the Lease's record tells it: identity -> {"address", "said"} in an annotation. Each candidate says it again from time
 * to time, in other words each time; whose words do not change is forgotten by the leader. No clock is compared with another's.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "kube/impl.h"

#define CANDIDATES "chfleet.io/candidates"

struct candidates {
    char *identity, *address;
    cJSON *seen;      /* identity -> {"said": words, "ms": monotonic, when they were new to us} */
    cJSON *addresses; /* of the record, sorted, ours among them */
};

struct candidates *candidates_new(const char *identity, const char *address)
{
    struct candidates *c = mem_zero(sizeof *c);

    c->identity = mem_str(identity);
    c->address = mem_str(address);
    c->seen = cJSON_CreateObject();
    c->addresses = cJSON_CreateArray();
    json_add_str(c->addresses, address);
    return c;
}

void candidates_free(struct candidates *c)
{
    if (!c)
        return;
    free(c->identity);
    free(c->address);
    cJSON_Delete(c->seen);
    cJSON_Delete(c->addresses);
    free(c);
}

const cJSON *candidates_addresses(const struct candidates *c)
{
    return c->addresses;
}

static cJSON *parse(const cJSON *record)
{
    const char *text = json_annotation(record, CANDIDATES);
    cJSON *all = text ? json_parse(text, strlen(text), NULL) : NULL;

    if (cJSON_IsObject(all))
        return all;
    cJSON_Delete(all);
    return cJSON_CreateObject();
}

static bool fresh(const struct candidates *c, const cJSON *one, uint64_t now_ms)
{
    const cJSON *seen = json_get(c->seen, one->string);

    return strcmp(one->string, c->identity) == 0 || !seen ||
           now_ms - (uint64_t)json_int(seen, "ms", 0) < (uint64_t)CANDIDATE_FORGOTTEN_MS;
}

static void note_words(struct candidates *c, const cJSON *all, uint64_t now_ms)
{
    const cJSON *one;
    cJSON *next;

    cJSON_ArrayForEach(one, all) {
        const char *said = json_str(one, "said", "");
        cJSON *seen;

        if (str_eq(json_str(json_get(c->seen, one->string), "said", NULL), said))
            continue;
        seen = json_set_obj(c->seen, one->string);
        json_set_str(seen, "said", said);
        json_set_int(seen, "ms", (int64_t)now_ms);
    }
    for (cJSON *v = c->seen->child; v; v = next) {
        next = v->next;
        if (!json_get(all, v->string))
            cJSON_Delete(cJSON_DetachItemViaPointer(c->seen, v));
    }
}

/* Sorted and without doubles, so that the same candidates are the same text whoever of them leads. */
static void add_address(cJSON *list, const char *address)
{
    int at = 0;
    const cJSON *v;

    if (!address || !*address || json_has(list, address))
        return;
    cJSON_ArrayForEach(v, list)
        at += strcmp(v->valuestring, address) < 0;
    json_insert(list, at, cJSON_CreateString(address));
}

bool candidates_read(struct candidates *c, const cJSON *record, uint64_t now_ms)
{
    auto_json cJSON *all = parse(record);
    cJSON *list = cJSON_CreateArray();
    const cJSON *one;
    bool changed;

    note_words(c, all, now_ms);
    add_address(list, c->address);
    cJSON_ArrayForEach(one, all)
        if (fresh(c, one, now_ms))
            add_address(list, json_str(one, "address", NULL));
    changed = !cJSON_Compare(list, c->addresses, true);
    cJSON_Delete(c->addresses);
    c->addresses = list;
    return changed;
}

bool candidates_due(const struct candidates *c, const cJSON *record, uint64_t now_ms)
{
    auto_json cJSON *all = parse(record);
    const cJSON *mine = json_get(all, c->identity), *seen = json_get(c->seen, c->identity);

    return !mine || !str_eq(json_str(mine, "address", NULL), c->address) || !seen ||
           now_ms - (uint64_t)json_int(seen, "ms", 0) >= (uint64_t)CANDIDATE_SAYS_MS;
}

void candidates_write(const struct candidates *c, cJSON *record, const char *now, uint64_t now_ms, bool forget)
{
    auto_json cJSON *all = parse(record);
    auto_free char *text = NULL;
    cJSON *next;

    if (candidates_due(c, record, now_ms)) {
        cJSON *mine = json_set_obj(all, c->identity);

        json_set_str(mine, "address", c->address);
        json_set_str(mine, "said", now);
    }
    for (cJSON *v = forget ? all->child : NULL; v; v = next) {
        next = v->next;
        if (!fresh(c, v, now_ms))
            cJSON_Delete(cJSON_DetachItemViaPointer(all, v));
    }
    text = json_print(all);
    json_set_str(json_need_obj(json_need_obj(record, "metadata"), "annotations"), CANDIDATES, text);
}
