/* SPDX-License-Identifier: Apache-2.0 */
/* What one server has: databases, tables, views, dictionaries, functions. */
#ifndef WORKERS_SCHEMA_READ_H
#define WORKERS_SCHEMA_READ_H

#include "workers/schema_set.h"
#include "workers/task.h"

struct schema {
    struct schema_set databases, objects;
};
void schema_fini(struct schema *s);

/* Adds what h says it has to `s`, which begins as {0}; nothing is put in unless all of it was answered. `local`: tables that
 * hold data, views, functions; `distributed`: Distributed tables. STEP_WAIT: asked again when the answers are there. */
enum step_rc schema_read(struct task *t, struct whost *h, struct schema *s, bool local, bool distributed, struct err *err);

/* Does h have the table, loaded or only on its disk? STEP_YES, STEP_SKIP: neither; STEP_WAIT; STEP_FAIL: it does not say. */
enum step_rc table_on_disk(struct task *t, struct whost *h, const char *database, const char *table, struct err *err);

#endif
