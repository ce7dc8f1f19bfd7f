/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fleet as a command sees it: the API server, and where chfleet runs on this machine its folder with the operator's
 * status address and journal. All calls here wait for their answer.
 */
#ifndef CLI_API_H
#define CLI_API_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"
#include "base/world.h"
#include "cli/cli.h"
#include "kube/kube.h"

struct fleet_api {
    struct world *w;
    struct kube *k;         /* NULL until api_open() */
    char *data_dir;         /* of chfleet up, absolute; may not exist */
    char *kubeconfig;       /* the file used; NULL = kube's own search */
    char *server;           /* its URL */
    char *ns;               /* of -n, else the kubeconfig's */
    const char *program;    /* as the user calls it, for lines to copy */
    const char *data_given; /* --data as it was given; NULL */
    bool all;               /* --all-namespaces */
    bool local;             /* the API server is that of data_dir */
};

/* Folder of chfleet up: --data, else $XDG_DATA_HOME/chfleet, else ~/.local/share/chfleet; absolute. Caller frees. */
char *api_data_dir(const struct cli *c, struct err *err);

/* Finds the kubeconfig (see --help) and makes a client; nothing is sent yet. fini also after an error. */
int api_open(struct fleet_api *a, const struct cli *c, struct err *err);
/* The same for the plane of this folder, whatever the environment says. All namespaces. */
int api_open_local(struct fleet_api *a, const char *dir, struct err *err);
/* Does the API server take connections? One try, at most a second. */
bool api_ping(struct fleet_api *a);
void api_fini(struct fleet_api *a);
#define auto_api __attribute__((cleanup(api_fini)))

/* Each gives the answered object (caller owns), or NULL and err. An unreachable server is ERR_AGAIN with the address and
 * what to do. */
cJSON *api_get(struct fleet_api *a, enum kube_kind kind, const char *ns, const char *name, struct err *err);
cJSON *api_list(struct fleet_api *a, enum kube_kind kind, const char *ns, const char *selector, struct err *err);
cJSON *api_create(struct fleet_api *a, enum kube_kind kind, const char *ns, const cJSON *obj, struct err *err);
cJSON *api_patch(struct fleet_api *a, enum kube_kind kind, const char *ns, const char *name, const cJSON *patch,
                 struct err *err);
int api_delete(struct fleet_api *a, enum kube_kind kind, const char *ns, const char *name, const char *uid, struct err *err);
cJSON *api_raw(struct fleet_api *a, const char *path, struct err *err);
cJSON *api_raw_within(struct fleet_api *a, const char *path, unsigned ms, struct err *err);

/* GET http://ADDRESS/path from the operator of data_dir. ERR_MISSING when it has written no address (not started here),
 * ERR_AGAIN when it does not answer. */
cJSON *api_operator(struct fleet_api *a, const char *path, struct err *err);
char *api_operator_address(const struct fleet_api *a); /* "127.0.0.1:PORT" or NULL; caller frees */
char *api_exporter_address(const struct fleet_api *a); /* of its /metrics, likewise */
char *api_operator_dir(const struct fleet_api *a);     /* where its journal is; caller frees */

/* Waits ms, with the loop running. */
void api_sleep(struct fleet_api *a, uint64_t ms);
uint64_t api_mono(struct fleet_api *a);

#endif
