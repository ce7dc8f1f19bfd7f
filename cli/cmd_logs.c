/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/world_real.h"
#include "cli/api.h"
#include "cli/target.h"

struct logging {
    struct world *w;
    struct err err;
    bool failed, broken_pipe;
};

static void on_data(void *ctx, const char *data, size_t len)
{
    struct logging *l = ctx;

    while (len > 0) {
        ssize_t n = write(STDOUT_FILENO, data, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) { /* the reader went away: `chfleet logs … | head` */
            l->broken_pipe = true;
            l->w->ops->quit(l->w, 0);
            return;
        }
        data += n;
        len -= (size_t)n;
    }
}

static void on_done(void *ctx, int status, const cJSON *obj, const struct err *err)
{
    struct logging *l = ctx;

    (void)status;
    (void)obj;
    if (err) {
        l->err = *err;
        l->failed = true;
    }
    l->w->ops->quit(l->w, 0);
}

static int add_number(const struct cli *c, const char *option, const char *query, struct str *path, struct err *err)
{
    const char *text = cli_text(c, option, NULL);

    if (!text)
        return 0;
    if (!*text || strspn(text, "0123456789") != strlen(text))
        return err_set(err, ERR_INPUT, 0, "--%s needs a number, not '%s'", option, text);
    str_addf(path, "&%s=%s", query, text);
    return 0;
}

static int make_path(const struct cli *c, const cJSON *pod, const char *container, struct str *path, struct err *err)
{
    const char *since = cli_text(c, "since", NULL);
    uint64_t since_ms = 0;
    auto_free char *base = kube_path(KUBE_POD, json_ns(pod), json_name(pod));

    str_addf(path, "%s/log?container=%s", base, container);
    if (cli_flag(c, "follow"))
        str_add(path, "&follow=true");
    if (cli_flag(c, "previous"))
        str_add(path, "&previous=true");
    if (cli_flag(c, "timestamps"))
        str_add(path, "&timestamps=true");
    if (since && cli_duration_ms(since, &since_ms, err) < 0)
        return -1;
    if (since)
        str_addf(path, "&sinceSeconds=%llu", (unsigned long long)(since_ms + 999) / 1000);
    return add_number(c, "tail", "tailLines", path, err);
}

int cmd_logs(struct cli *c)
{
    struct err err = ERR_INIT;
    auto_api struct fleet_api a = {0};
    auto_json cJSON *pod = NULL;
    auto_str struct str path = STR_INIT;
    const char *container;
    struct logging l = {0};

    if (api_open(&a, c, &err) < 0 || target_find(&a, c->args[0], cli_text(c, "container", NULL), &pod, &container, &err) < 0 ||
        make_path(c, pod, container, &path, &err) < 0)
        return cli_fail(c, &err);
    l.w = a.w;
    kube_stream(a.k, path.s, on_data, on_done, &l);
    world_real_run(a.w);
    return l.failed && !l.broken_pipe ? cli_fail(c, &l.err) : EXIT_DONE;
}
