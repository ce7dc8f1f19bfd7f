/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of the remove table that are files of their own: is the data elsewhere, and the entries in Keeper. */
#ifndef WORKERS_STEP_REMOVE_H
#define WORKERS_STEP_REMOVE_H

#include "workers/task.h"

/* All its claims are kept: nothing on disk is lost when the host goes. */
bool volumes_stay(struct task *t);
/* What the step takes away needs no proof: consent names it, its volumes are kept, or no data goes at all. */
bool loss_is_covered(struct task *t);
/* Every part of its replicated tables is covered by a part of a serving sibling, and no other table of it has rows; or
 * consent is given. STEP_NO while siblings still fetch; STEP_FAIL (refused) says what only it has, and what to write.
 */
enum step_rc data_is_elsewhere(struct task *t, struct err *err);
enum step_rc data_unknown(struct task *t, struct err *err); /* always STEP_FAIL */

struct whost *serving_sibling(struct task *t); /* of its shard, runs and stays; NULL */
/* The host's disk is new or gone: entries in Keeper that name it are of an earlier one. */
bool lost_its_disk(const struct task *t);

/* ---- entries.c ---- */
char *keeper_path(const struct task *t, const char *path, const char *rest); /* caller frees */
bool keeper_known(const struct task *t);
enum step_rc node_exists(struct task *t, const char *path, struct err *err); /* STEP_SKIP: it is not there; STEP_NO: not known */
struct whost *dropper(struct task *t, const struct whost *gone); /* a server of the cluster that stays; NULL */
enum step_rc delete_in_keeper(struct task *t, const char *path, const char *replica, struct err *err);
enum step_rc delete_if_last(struct task *t, const char *path, struct err *err); /* with the last replica the whole path */

/* ---- databases.c ---- */
/* Adds {"database","path","replica"} to `list` for each Replicated database that `h`, the host or its sibling, has: what
 * the host is called there. */
enum step_rc database_replicas(struct task *t, struct whost *h, cJSON *list, struct err *err);
enum step_rc database_replica_there(struct task *t, const cJSON *one, struct err *err); /* as node_exists() */
enum step_rc drop_database_replica(struct task *t, const struct whost *gone, const cJSON *one, struct err *err);

step_fn drop_replica_probe, drop_replica_act, forget_probe, forget_act;

#endif
