/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Words to a running operator are annotations, so that they are in the API server's audit log, need no more rights than
 * the resource itself, and wait for an operator that is not there.
 *
 *   chfleet.io/hold: REASON      on an installation, or on the StatefulSet of one host: nothing that serves is taken out
 *                                while it stands. What is out already comes back.
 *   chfleet.io/command: retry    what failed in this generation is tried again. Taken away when it is done.
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "supervisor/internal.h"

#define COMMAND "chfleet.io/command"

static const char *hold_of(const cJSON *obj)
{
    const char *reason = json_annotation(obj, FLEET_HOLD);

    return reason && *reason && str_bool(reason) != 0 ? reason : NULL;
}

const char *command_hold(struct inst *in, const char *host)
{
    const char *reason = hold_of(super_resource(in));
    char sts[310];

    if (reason)
        return reason;
    return hold_of(inst_live(in, KUBE_STS, hostfacts_sts(in, host, sts, sizeof sts)));
}

static void take_away(struct inst *in, const cJSON *res)
{
    auto_json cJSON *patch = cJSON_CreateObject();

    json_set(json_set_obj(json_set_obj(patch, "metadata"), "annotations"), COMMAND, cJSON_CreateNull());
    inst_patch_resource(in, res, patch);
}

bool command_look(struct inst *in, const cJSON *res)
{
    const char *word = json_annotation(res, COMMAND);

    if (!word)
        return false;
    if (strcmp(word, "retry") == 0) {
        log_note(in->key, "%s: retry: what failed is tried again", COMMAND);
        inst_retry(in);
    } else {
        super_incident(in->s, in, NULL, "BAD_COMMAND", "annotation %s: \"%.80s\" is no command; there is: retry", COMMAND,
                       word);
    }
    take_away(in, res);
    return true;
}
