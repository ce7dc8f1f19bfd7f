/* SPDX-License-Identifier: Apache-2.0 */
/*
 * modern-copy SOURCE-PORT TARGET-PORT: the real worker fills the host at the target port from the one at the source port, both
 * of them engines of today behind HTTP. The supervisor is this program. Prints the incidents, then the outcome.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "tests/lib/networld.h"
#include "workers/protocol.h"
#include "workers/worker.h"

struct copy {
    struct networld *n;
    cJSON *facts;
    bool done, good;
};

static const char new_host[] = "ns/i/c/0/1";

static void send_facts(struct copy *c)
{
    auto_json cJSON *body = cJSON_CreateObject();
    auto_free char *text = NULL;

    json_set(json_set_obj(body, "hosts"), new_host, json_copy(c->facts));
    text = json_print(body);
    networld_send(c->n, MSG_FACTS, 0, 0, text);
}

static void on_frame(void *ctx, const struct frame *f)
{
    struct copy *c = ctx;
    auto_json cJSON *body = json_parse(f->body, f->len, NULL);
    const char *reply = "{\"ok\":true}", *value = json_str(body, "value", "");

    switch (f->type) {
    case MSG_APPLY:
        if (strcmp(json_str(body, "key", ""), "chfleet.io/loaded") == 0)
            json_set(c->facts, "loaded", json_parse(value, strlen(value), NULL));
        break;
    case MSG_MEMBER:
        json_set_str(c->facts, "member", json_str(body, "want", ""));
        json_set_str(json_get(c->facts, "pod"), "label", "yes");
        break;
    case MSG_CREDENTIALS:
        reply = "{\"ok\":true,\"data\":{\"user\":\"u\",\"password\":\"p\"}}";
        break;
    case MSG_INCIDENT:
        printf("incident %s: %s\n", json_str(body, "code", ""), json_str(body, "text", ""));
        return;
    case MSG_DONE:
        printf("%s %s\n", json_str(body, "outcome", ""), json_str(body, "text", ""));
        c->good = strcmp(json_str(body, "outcome", ""), "done") == 0;
        c->done = true;
        return;
    case MSG_RECORD:
    case MSG_PERMIT:
        break;
    default:
        return;
    }
    send_facts(c);
    networld_send(c->n, MSG_ANSWER, 0, f->seq, reply);
}

static const char facts[] =
    "{\"sts\":{\"exists\":true,\"observed\":true,\"updated\":true,\"replicas\":1,\"depth\":\"same\"},"
    "\"configmap\":{\"current\":true,\"restart_hash\":\"h\"},\"service\":{\"exists\":true},\"member\":\"out\",\"pvcs\":[],"
    "\"pod\":{\"exists\":true,\"ready\":true,\"terminating\":false,\"image_matches\":true,\"uid\":\"u\",\"identity\":\"u c1\","
    "\"label\":\"no\"}}";

static char *task(const char *source, const char *target)
{
    return mem_printf(
        "{\"operation\":1,\"task\":1,\"try\":1,\"table\":\"shard\",\"kind\":\"chi\",\"object\":\"ns/i/c/0\","
        "\"hosts\":[{\"key\":\"%s\",\"action\":\"create\",\"cluster\":\"c\",\"shard\":\"0\",\"replica\":\"1\",\"address\":"
        "\"127.0.0.1\",\"ports\":{\"http\":%s},\"macro_replica\":\"r1\",\"member\":false,\"want\":{\"restart_hash\":\"h\"}}],"
        "\"peers\":[{\"key\":\"ns/i/c/0/0\",\"cluster\":\"c\",\"shard\":\"0\",\"replica\":\"0\",\"address\":\"127.0.0.1\","
        "\"ports\":{\"http\":%s},\"macro_replica\":\"r0\",\"member\":true}],\"knobs\":{\"propagation_s\":1}}",
        new_host, target, source);
}

int main(int argc, char **argv)
{
    static const struct world_worker_args args = {.name = "ns/i/c/0", .lock_path = ""};
    struct copy c = {NULL};
    auto_free char *text = argc == 3 ? task(argv[1], argv[2]) : NULL;

    if (!text)
        return 2;
    c.n = networld_new();
    c.facts = json_parse(facts, strlen(facts), NULL);
    worker_main(networld_world(c.n), networld_chan(c.n, on_frame, &c), &args);
    send_facts(&c);
    networld_send(c.n, MSG_TASK, 0, 0, text);
    for (int i = 0; i < 2400 && !c.done; i++)
        networld_run(c.n, &c.done, 50);
    networld_close(c.n);
    networld_free(c.n);
    cJSON_Delete(c.facts);
    return c.good ? 0 : 1;
}
