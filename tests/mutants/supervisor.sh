#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Gates, fences, orders and records of the supervisor are taken out in turn; the simulation must notice. What the workers'
# guards double (a peer serves, the quorum) has its mutant in workers.sh;
# that nothing goes on after a failure is held in two places (governor.c, op.c), so that one alone is not missed.
set -uo pipefail
PARTS=8
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
mutants_end
