/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trees that are kept by the thousand and not changed. What stands between two brackets is a part: an array of nodes and
 * their texts in one piece of memory, and equal parts exist once, whichever trees they are in. From the innermost outwards,
 * two parts are equal when their nodes are, and those when they point to the same parts.
 */
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"

struct part {
    struct part *next; /* in its slot */
    uint64_t digest;
    size_t users, n;
    cJSON nodes[]; /* then their texts */
};

/* The one piece of state of this file: every part, by digest. It is empty when nothing is kept. */
static struct {
    struct part **slots;
    size_t cap, n;
} parts;

static struct part *part_of(const cJSON *first)
{
    return (struct part *)((char *)first - offsetof(struct part, nodes));
}

/* ---- digest and comparison of a list of nodes; their children are parts already ---- */

static uint64_t mix(uint64_t digest, const void *data, size_t len)
{
    return (digest ^ hash_fnv64(data, len)) * UINT64_C(0x9e3779b97f4a7c15);
}

static uint64_t mix_text(uint64_t digest, const char *text)
{
    return text ? mix(digest, text, strlen(text)) : digest * 31;
}

static uint64_t digest_of(const cJSON *first)
{
    uint64_t digest = 0;

    for (const cJSON *c = first; c; c = c->next) {
        digest = mix(digest, &c->type, sizeof c->type);
        digest = mix(digest, &c->valuedouble, sizeof c->valuedouble);
        digest = mix(digest, &c->child, sizeof c->child);
        digest = mix_text(mix_text(digest, c->string), c->valuestring);
    }
    return digest;
}

static bool is_same_node(const cJSON *a, const cJSON *b)
{
    return a->type == b->type && a->child == b->child && memcmp(&a->valuedouble, &b->valuedouble, sizeof a->valuedouble) == 0 &&
           str_eq(a->string, b->string) && str_eq(a->valuestring, b->valuestring);
}

static bool is_same(const struct part *p, const cJSON *first)
{
    const cJSON *c = first;

    for (size_t i = 0; i < p->n; i++, c = c->next)
        if (!c || !is_same_node(&p->nodes[i], c))
            return false;
    return c == NULL;
}

/* ---- the table ---- */

static struct part **slot_of(uint64_t digest)
{
    return &parts.slots[digest & (parts.cap - 1)];
}

static void grow(void)
{
    struct part **old = parts.slots;
    size_t n = parts.cap;

    parts.cap = n ? n * 2 : 64;
    parts.slots = mem_array(parts.cap, sizeof *parts.slots);
    for (size_t i = 0; i < n; i++)
        for (struct part *p = old[i], *next; p; p = next) {
            struct part **slot = slot_of(p->digest);

            next = p->next;
            p->next = *slot;
            *slot = p;
        }
    free(old);
}

static void leave(struct part *p)
{
    struct part **at;

    if (--p->users)
        return;
    for (size_t i = 0; i < p->n; i++)
        if (p->nodes[i].child)
            leave(part_of(p->nodes[i].child));
    for (at = slot_of(p->digest); *at != p; at = &(*at)->next)
        continue;
    *at = p->next;
    free(p);
    if (--parts.n == 0) {
        free(parts.slots);
        parts.slots = NULL;
        parts.cap = 0;
    }
}

/* ---- making ---- */

static size_t own_text(const char *s)
{
    return s ? strlen(s) + 1 : 0;
}

static bool has_own_name(const cJSON *c)
{
    return c->string && !(c->type & cJSON_StringIsConst); /* one that is shared lives for ever */
}

static char *put_text(char **at, const char *s)
{
    size_t n = own_text(s);
    char *to = *at;

    if (!s)
        return NULL;
    memcpy(to, s, n);
    *at += n;
    return to;
}

static struct part *part_new(const cJSON *first, uint64_t digest)
{
    size_t n = 0, texts = 0;
    struct part *p;
    char *at;

    for (const cJSON *c = first; c; c = c->next, n++)
        texts += own_text(c->valuestring) + (has_own_name(c) ? own_text(c->string) : 0);
    p = mem_alloc(sizeof *p + n * sizeof *p->nodes + texts);
    *p = (struct part){.digest = digest, .users = 1, .n = n};
    at = (char *)&p->nodes[n];
    for (size_t i = 0; i < n; i++, first = first->next) {
        cJSON *c = &p->nodes[i];

        *c = *first;
        c->next = i + 1 < n ? c + 1 : NULL;
        c->prev = i ? c - 1 : &p->nodes[n - 1];
        c->valuestring = put_text(&at, first->valuestring);
        if (has_own_name(first))
            c->string = put_text(&at, first->string);
    }
    return p;
}

static struct part *part_found(const cJSON *first, uint64_t digest)
{
    struct part *p = parts.cap ? *slot_of(digest) : NULL;

    while (p && (p->digest != digest || !is_same(p, first)))
        p = p->next;
    return p;
}

static void part_put(struct part *p)
{
    struct part **slot;

    if (parts.n >= parts.cap)
        grow();
    slot = slot_of(p->digest);
    p->next = *slot;
    *slot = p;
    parts.n++;
}

/* Takes the list; NULL gives NULL. */
static cJSON *keep_list(cJSON *first)
{
    struct part *p;
    uint64_t digest;

    if (!first)
        return NULL;
    for (cJSON *c = first; c; c = c->next)
        c->child = keep_list(c->child);
    digest = digest_of(first);
    p = part_found(first, digest);
    if (p) {
        p->users++;
        for (const cJSON *c = first; c; c = c->next)
            if (c->child)
                leave(part_of(c->child)); /* p has it, too */
    } else {
        p = part_new(first, digest);
        part_put(p);
    }
    for (cJSON *c = first; c; c = c->next)
        c->child = NULL;
    cJSON_Delete(first);
    return p->nodes;
}

const cJSON *json_keep(cJSON *j)
{
    cJSON *kept;

    if (!j)
        return NULL;
    json_share_names(j);
    j->child = keep_list(j->child);
    kept = mem_copy(j, sizeof *j);
    kept->next = kept->prev = NULL;
    kept->string = NULL;
    kept->valuestring = mem_str(j->valuestring);
    j->child = NULL;
    cJSON_Delete(j);
    return kept;
}

void json_keep_no_more(const cJSON *kept)
{
    cJSON *j = (cJSON *)kept;

    if (!j)
        return;
    if (j->child)
        leave(part_of(j->child));
    free(j->valuestring);
    free(j);
}
