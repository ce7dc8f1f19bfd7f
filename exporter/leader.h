/* SPDX-License-Identifier: Apache-2.0 */
/* Does the operator of our pod lead? Two operators run, each with an exporter: only one of them may show the hosts, or every
 * sum over them would be twice as large. Read from the Lease every few seconds. */
#ifndef EXPORTER_LEADER_H
#define EXPORTER_LEADER_H

#include <stdbool.h>

#include "kube/kube.h"

struct leader;
struct leader *leader_new(struct world *w, struct kube *k, const char *ns, const char *identity);
void leader_free(struct leader *l); /* NULL is allowed */
bool leader_leads(const struct leader *l);

#endif
