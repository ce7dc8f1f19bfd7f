/* SPDX-License-Identifier: Apache-2.0 */
/* Live view of installations: redrawn in place on terminals, a line for each change elsewhere. */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include "cli/api.h"

struct progress_goal {
    enum kube_kind kind;
    const char *ns, *name;
    int64_t generation;
};

/* Shows the goals until each is done at its generation (EXIT_DONE), one failed (EXIT_FAILED) or was refused (EXIT_REFUSED),
 * or limit_ms passed (EXIT_TIMEOUT). */
int progress_follow(struct fleet_api *a, const struct progress_goal *goals, size_t n, uint64_t limit_ms);

/* Shows installations until interrupted. */
int progress_watch(struct fleet_api *a, const char *const *names, int n, bool wide, struct err *err);

#endif
