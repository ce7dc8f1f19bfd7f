/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What SQL made on a peer beside its tables: named collections, settings profiles, roles, users, quotas, row policies,
 * grants. A new host gets those that are kept in the peer's own folder. What cannot be copied (a password that the peer
 * does not show) is told as an incident and keeps no host out. Statements with secrets are in no message.
 */
#ifndef WORKERS_ACCESS_COPY_H
#define WORKERS_ACCESS_COPY_H

#include "workers/task.h"

/* STEP_YES: nothing is left to be copied from `source` (NULL: nobody to copy from). */
enum step_rc collections_probe(struct task *t, struct whost *source, struct err *err);
enum step_rc access_probe(struct task *t, struct whost *source, struct err *err);
/* STEP_YES: what could be made is made; the probe looks again. Collections come before the tables that name them, the rest
 * after all tables. */
enum step_rc collections_act(struct task *t, struct whost *source, struct err *err);
enum step_rc access_act(struct task *t, struct whost *source, struct err *err);

/* ---- texts, for the tests ---- */
/* Does this CREATE USER name a password that the server did not show? */
bool access_hides_secret(const char *create_user);
/* Where the " TO …" of a CREATE SETTINGS PROFILE begins, outside of all quotes; its end when there is none. */
size_t access_without_to(const char *statement);
/* "CREATE X …" as "CREATE X IF NOT EXISTS …"; false when it is of another kind. */
bool access_create(const char *kind, const char *statement, struct str *out);

#endif
