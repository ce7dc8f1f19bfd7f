/* SPDX-License-Identifier: Apache-2.0 */
/* The status of the installations: written by the operator, the same for all of them. */
#include "schema/fields_internal.h"

static const struct field condition_fields[] = {
    FX("type", schema_text, FIELD_OURS | FIELD_REQUIRED, "Ready, Progressing or Degraded.", NULL, NULL),
    FX("status", schema_text, FIELD_OURS | FIELD_REQUIRED, "True, False or Unknown.", NULL, NULL),
    FX("observedGeneration", schema_count, FIELD_OURS, "Generation of the resource that it speaks of.", NULL, NULL),
    FX("lastTransitionTime", schema_text, FIELD_OURS, "When it changed last.", NULL, NULL),
    FX("reason", schema_text, FIELD_OURS, "One word for programs.", NULL, NULL),
    FX("message", schema_text, FIELD_OURS, "A sentence for people.", NULL, NULL),
    FIELD_END,
};
OBJECT(condition);
LIST(conditions, condition);
LIST(used_templates, schema_any);

#define NULLABLE(name, shape, text)                                                                                    \
    {                                                                                                                  \
        name, &(shape), FIELD_NULLABLE, text, NULL, NULL                                                               \
    }
#define S(name, shape, text)                                                                                           \
    {                                                                                                                  \
        name, &(shape), 0, text, NULL, NULL                                                                            \
    }
#define OURS(name, shape, text)                                                                                        \
    {                                                                                                                  \
        name, &(shape), FIELD_OURS, text, NULL, NULL                                                                   \
    }

static const struct field schema_status_fields[] = {
    S("chop-version", schema_text, "Version of the operator that looked at the resource last."),
    S("chop-commit", schema_text, "Kept for old readers and not filled; see chop-version."),
    S("chop-date", schema_text, "Kept for old readers and not filled; see chop-version."),
    S("chop-ip", schema_text, "Address of the operator's pod."),
    S("clusters", schema_count, "Number of clusters."),
    S("shards", schema_count, "Number of shards in all clusters."),
    S("replicas", schema_count, "Replicas of the largest shard, or members of a Keeper, as `kubectl scale` shows them."),
    OURS("selector", schema_text, "Labels of all pods, for autoscalers."),
    S("hosts", schema_count, "Number of hosts in all clusters."),
    S("status", schema_text, "InProgress, Completed, Aborted or Terminating."),
    S("taskID", schema_text, "Task ID of the spec that is worked on, or was last."),
    NULLABLE("taskIDsStarted", schema_texts, "Task IDs that were begun, newest first, at most ten."),
    NULLABLE("taskIDsCompleted", schema_texts, "Task IDs that have ended, newest first, at most ten."),
    S("action", schema_text, "What is being done; only with status.fields.action in the operator's configuration."),
    NULLABLE("actions", schema_texts,
             "What was done last; only with status.fields.actions in the operator's configuration."),
    S("error", schema_text, "The last error; only with status.fields.error in the operator's configuration."),
    NULLABLE("errors", schema_texts,
             "The last errors; only with status.fields.errors in the operator's configuration."),
    S("hostsUnchanged", schema_count, "Hosts this operation had nothing to do for."),
    S("hostsUpdated", schema_count, "Hosts this operation changed."),
    S("hostsAdded", schema_count, "Hosts this operation created."),
    S("hostsCompleted", schema_count, "Hosts this operation is done with."),
    S("hostsDeleted", schema_count, "Hosts this operation has removed."),
    S("hostsDelete", schema_count, "Hosts this operation is going to remove."),
    OURS("hostsFailed", schema_count, "Hosts the failed operation began and could not finish."),
    NULLABLE("pods", schema_texts, "Pods of the hosts (cut when there are very many)."),
    NULLABLE("pod-ips", schema_texts, "Addresses of the pods; kept for old readers and not filled."),
    NULLABLE("fqdns", schema_texts, "Full names of the hosts (cut when there are very many)."),
    S("endpoint", schema_text, "Full name of the first Service of the installation."),
    NULLABLE("endpoints", schema_texts, "Full names of all Services of the installation."),
    S("generation", schema_count, "Kept for old readers and not filled; see observedGeneration."),
    OURS("observedGeneration", schema_count, "Generation of the spec that the rest of the status speaks of."),
    OURS("conditions", conditions, "Ready, Progressing and Degraded, as `kubectl wait` reads them."),
    NULLABLE("normalized", schema_any,
             "Kept for old readers and not filled."),
    NULLABLE("normalizedCompleted", schema_any,
             "Kept for old readers and not filled."),
    NULLABLE("actionPlan", schema_any,
             "Kept for old readers and not filled; `chfleet plan` prints the plan."),
    NULLABLE("hostsWithTablesCreated", schema_texts, "Hosts that have got their tables (ClickHouse only): read when an installation is taken over, not written."),
    NULLABLE("hostsWithReplicaCaughtUp", schema_texts, "Kept for old readers and not filled."),
    NULLABLE("usedTemplates", used_templates, "Templates that were applied: name, namespace and useType."),
    OURS("chfleet", schema_any, "What chfleet says beyond that: waves, waits with their reasons, refusals."),
    FIELD_END,
};
SHARED_OBJECT(schema_status, "Status");
