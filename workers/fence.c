/* SPDX-License-Identifier: Apache-2.0 */
/* What a worker does before it probes: queries and writes of an earlier worker of its task must not be under way. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "workers/protocol.h"
#include "workers/task.h"

static enum step_rc fence_host(struct task *t, struct whost *h, struct err *err)
{
    char pattern[80];
    const struct sql_arg args[] = {{"pattern", pattern}, {NULL, NULL}};
    struct answer a;
    int64_t n = 0;
    enum ask_rc rc;

    (void)err;
    if (!host_runs(t, h))
        return STEP_YES;
    query_prefix(t, pattern, sizeof pattern - 2);
    strncat(pattern, "%", 2);
    rc = ask_number(t, h, "fence_running", args, &n, &a);
    if (rc == ASK_GOOD && n == 0)
        return STEP_YES;
    if (rc == ASK_GOOD)
        rc = ask_sql(t, h, "fence_kill", args, &a);
    if (rc == ASK_WAIT)
        return STEP_WAIT;
    return not_yet(t, NULL, "waiting for queries of an earlier worker on %s%s%s", h->key, rc == ASK_BAD ? ": " : "",
                   rc == ASK_BAD ? a.err.msg : "");
}

/* An annotation on the object of a row that was begun and not ended: a request that is still in flight gets a conflict.
 */
static enum step_rc fence_object(struct task *t, const struct whost *h)
{
    auto_free char *epoch = mem_printf("%lld-%u-%u", (long long)t->op, t->id, t->tries);
    const cJSON *row, *last = NULL;
    struct answer a;
    cJSON *more;
    enum ask_rc rc;

    cJSON_ArrayForEach(row, t->rows)
        if (str_eq(json_str(row, "host", NULL), h->key))
            last = row;
    if (!last || json_str(last, "outcome", NULL) || !fact_bool(t, h, "sts.exists"))
        return STEP_YES;
    more = cJSON_CreateObject();
    json_set_str(more, "key", "chfleet.io/epoch");
    json_set_str(more, "value", epoch);
    rc = ask_apply(t, h, "annotate", more, &a);
    return rc == ASK_WAIT ? STEP_WAIT : STEP_YES; /* an object that is gone needs no fence */
}

static bool spoken_to(const struct task *t, const struct whost *h)
{
    if (!t->fence_all)
        return h == t->host;
    for (size_t i = 0; i < t->n_own; i++)
        if (h == &t->hosts[i] || same_shard(h, &t->hosts[i]))
            return true;
    return false;
}

enum step_rc fence_hosts(struct task *t)
{
    enum step_rc all = STEP_YES;
    struct err err = ERR_INIT;

    for (size_t i = 0; i < t->n_hosts && cJSON_GetArraySize(t->rows) > 0; i++) {
        enum step_rc rc = STEP_YES;

        if (!spoken_to(t, &t->hosts[i]))
            continue;
        if (i < t->n_own && t->fence_all)
            rc = fence_object(t, &t->hosts[i]);
        if (rc == STEP_YES && strcmp(t->kind, "chi") == 0)
            rc = fence_host(t, &t->hosts[i], &err);
        if (rc == STEP_WAIT)
            all = STEP_WAIT;
        else if (rc != STEP_YES && all == STEP_YES)
            all = STEP_NO;
    }
    return all;
}
