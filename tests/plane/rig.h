/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plane without its network side, as a process of its own that a test can kill: real world, store on disk,
 * controllers, node agent, balancer. The test talks to it over a socket pair; all calls block and fail the test when
 * something is wrong.
 */
#ifndef TESTS_PLANE_RIG_H
#define TESTS_PLANE_RIG_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/json.h"
#include "plane/kinds.h"

struct rig {
    char dir[64];
    pid_t plane; /* 0 = not running */
    int fd;
    unsigned base_port; /* the test's own ports are base_port … base_port + 49 */
};

void rig_init(struct rig *r);
void rig_fini(struct rig *r);  /* stops everything that runs below dir, and removes it */
void rig_start(struct rig *r); /* a plane on the same directory */
void rig_kill(struct rig *r, int signo);

void rig_create(struct rig *r, enum plane_kind kind,
                const char *json); /* NAME=… not needed: text as kubectl would send it */
void rig_patch(struct rig *r, enum plane_kind kind, const char *name, const char *merge_patch);
void rig_delete(struct rig *r, enum plane_kind kind, const char *name, int grace_s, const char *propagation);
cJSON *rig_get(struct rig *r, enum plane_kind kind,
               const char *name);                     /* namespace default; NULL when it is not there; caller frees */
cJSON *rig_list(struct rig *r, enum plane_kind kind); /* array; caller frees */

/* Polls up to ms until the dotted path of the object prints as `text` ("\"Running\"", "1"; NULL = absent object). Fails
 * the test. */
void rig_await(struct rig *r, enum plane_kind kind, const char *name, const char *path, const char *text, unsigned ms);
bool rig_pod_ready(struct rig *r, const char *name);
void rig_await_ready(struct rig *r, const char *name, unsigned ms);
/* Identity of the pod's first container; caller frees. */
char *rig_container_id(struct rig *r, const char *pod);
/* Of the server (first container) and its shim. */
pid_t rig_server_pid(struct rig *r, const char *pod, pid_t *shim);
void rest_ms(unsigned ms);
/* GET of http://127.0.0.1:port/path, or a query by POST. Returns the HTTP status (0 = no answer); *body may be NULL,
 * caller frees. */
int rig_http(unsigned port, const char *path, const char *post, char **body);

#endif
