#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Gates, fences, orders and records of the supervisor are taken out in turn; the simulation must notice. What two places hold
# (a peer serves: governor and worker; the fence of a resumed row: recover.c and the worker; a claim that is kept: what the
# worker is told, and the writer itself; the lead: the lease's callback, which ends the process, and the question before
# each act) is taken out of both. Not here: that nothing goes on after a failure, which governor.c, op.c and the waves of
# the plan hold; one Keeper member at a time, which its one task holds too (workers.sh has the quorum); and hosts that
# come back while an operation runs (supervisor/look.c), which the next plan takes in, only later.
set -uo pipefail
PARTS=14
export PARTS
# shellcheck source=tests/mutants/_mutate.sh
. "${SRC:?}/tests/mutants/_mutate.sh"

g=supervisor/governor.c
control $g seed:upgrade:3:0:1 crash:reload:50
mutant "the window is always open" $g 's/if \(!window_open\(/if (0 \&\& !window_open(/' simknobs:window
mutant "hosts that are out count for nothing" $g 's/if \(budget > 0 && out >= \(unsigned\)budget\)/if (0)/' simknobs:budget
mutant "a hold holds nothing" $g 's/return reason != NULL;\n\}\n\n\/\* How many/return false;\n}\n\n\/* How many/' simknobs:held
mutant "installations do not wait for their turn" $g 's/if \(is_repair\(p\) \|\| at_work \+ before < most\)/if (1)/' simknobs:so_many_installations
mutant "who waits for a window keeps the turn" $g 's/any \|= !waits;/any = true;/' simknobs:window
mutant "all shards at once" supervisor/op.c 's/return running_shards\(in, prefix\) < governor_shard_slots\(in, cluster\);/return true;/' simknobs:so_many_shards
mutant "a soak is not waited for" supervisor/op.c 's/if \(!seconds \|\| in->soaked_wave == in->wave\)/if (1)/' simknobs:soak
mutant "a creation is watched" model/plan.c 's/if \(s <= 0 \|\| of_creation\(m, wave\)\)/if (s <= 0)/' simknobs:soak_delays
mutant "an unwritten plan is carried out" supervisor/op.c 's/(static void plan_written[^{]*\{\n    struct inst \*in = ctx;\n)/$1    err = NULL;/' simknobs:journal
r=supervisor/recover.c
mutant "rows are not resumed" $r 's/journal_each_step\(s->j, in->tasks\[i\]\.id, recover_step, &in->tasks\[i\]\);/(void)recover_step;/' seed:task-id:5:2:12 crash:task-id:5
mutant "a host that joined is still out" $r 's/return at <= place_of\(table, "join"\) &&/return/' crash:logs-away:2
mutant "peers that keep an old list count for nothing" supervisor/member.c 's/(static bool kept_by_peers[^{]*\{)/$1 if (1) return false;/' simknobs:old_list
mutant "spec.suspend suspends nothing" supervisor/look.c 's/if \(!deleting && str_bool\(json_str\(res, "spec\.suspend", NULL\)\) == 1\)/if (0)/' simknobs:suspended
# ---- preconditions, fences, the lead ----
ap=supervisor/apply.c
control "$ap $g supervisor/recover.c supervisor/super.c" fences:a seed:upgrade:2:7:1
mutant "a patch without its version" $ap 's/json_set_str\(meta, "resourceVersion", json_rv\(now\)\);/(void)meta;/' fences:dead_supervisor
mutant "a status without its version" supervisor/status.c 's/json_set_str\(json_set_obj\(patch, "metadata"\), "resourceVersion", json_rv\(res\)\);//' fences:another_resource
mutant "a pod is deleted whoever it is now" $ap 's/uid \? uid : json_uid\(now\)/json_uid(now)/' seed:upgrade:4:7:1 seed:upgrade:2:7:6
mutant "deleted without a UID" $ap 's/uid \? uid : json_uid\(now\)/NULL/' fences:completed seed:upgrade:2:7:1
mutant "late writes are not fenced" "supervisor/recover.c workers/fence.c" 's/if \(json_get\(row, "outcome"\)\)\n                continue;/continue;/; s/rc = fence_object\(t, &t->hosts\[i\]\);/(void)fence_object;/' fences:dead_supervisor
mutant "acts on after its lead" supervisor/super.c 's/return s->leading && \(!s->opt\.lease_ns [^;]*;/return true;/; s/s->w->ops->quit\(s->w, 75\);//' fences:renew
mutant "lives on after its lead" supervisor/super.c 's/s->w->ops->quit\(s->w, 75\);//' fences:renew
# ---- facts ----
mutant "permits on what the watch says" $g 's/(static bool needs_fresh[^{]*\{)/$1 if (1) return false;/' fences:nobody_leaves_on_what
mutant "old facts at the stop" $g 's/if \(strcmp\(p->klass, "down"\) == 0\)\n        return/if (strcmp(p->klass, "down") == 0)\n        return false; else if (0) return/' fences:nobody_is_stopped_on
mutant "facts come after the permit" $g 's/    tell_now\(wp\);[^\n]*\n//' fences:nobody_is_stopped_on
mutant "an answer that is none gives a permit" $g 's/if \(err\) \{ \/\* unknown is never good \*\//if (0) {/' fences:answer_that_is_none
# ---- records, volumes, what is said ----
mutant "acts before its record is taken" supervisor/records.c 's/journal_put\(in->s->j, &rec, durable, w\);/journal_put(in->s->j, \&rec, NULL, NULL); durable(w, NULL);/' fences:not_written_down
mutant "a claim that is kept goes" "$ap workers/step_remove.c" 's/if \(a->kind == KUBE_PVC && now && !hostfacts_claim_may_go/if (0 \&\& !hostfacts_claim_may_go/; s/return !json_bool\(claim, "retain", true\);/return true;/' fences:claim
mutant "completed without an audit" supervisor/look.c 's/else if \(p->empty\) \{/else if (p->empty || in->done_generation == p->generation) {/' fences:completed
mutant "a shard vanishes from the list" supervisor/member.c 's/return h->listed && in->fleet && fleet_host\(in->fleet, h->key\) && !shard_has_member\(in, h->key\);/return false;/' seed:stop-upgrade:2:0:1
mutant "queries of a dead worker go on" workers/fence.c 's/rc = fence_host\(t, &t->hosts\[i\], &err\);/(void)fence_host;/' workers-crash crash:scale-out:3
# ---- what two places hold ----
mutant "no peer needs to serve" "$g workers/step_common.c" 's/if \(v\.serving < must_serve\(in, p->host, v\.others\)\)/if (0)/; s/rc = guard_peer_serves\(t\)/rc = STEP_YES/' fences:nobody_leaves_on_what seed:evict:2:7:4
mutants_end
