#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Each refusal, consent, order and wave of the plan is taken out in turn; golden plans and unit tests must notice.
set -uo pipefail
PARTS=4
export PARTS
# shellcheck source=tests/mutants/_mutate.sh
. "${SRC:?}/tests/mutants/_mutate.sh"
export srcdir=$SRC
all=(model-plan model-values model-spaces model-knobs model-others model-takeover)
p=model/plan.c
control $p "${all[@]}"
mutant "consent has no end" $p 's/return m->f->consent && \([^;]*;/return m->f->consent != NULL;/' "${all[@]}"
mutant "a shard goes without consent" $p 's/(static void check_loss[^{]*\{)/$1 if (1) return;/' "${all[@]}"
mutant "consent to a volume is not asked for" $p 's/volumes &= h->pvc_retain\[i\] \|\| consents\(m, "volumes", h->cluster, h->pvcs\[i\]\);/(void)0;/' "${all[@]}"
mutant "a removed host that cleanup keeps goes" $p 's/if \(!m->f->knobs\.unknown\.statefulset\)/if (0)/' "${all[@]}"
mutant "a volume is given up again and again" $p 's/if \(was_given_up\(live, claim\)\)/if (0)/' "${all[@]}"
mutant "a kept volume is given up" $p 's/else if \(live->pvc_retain\[i\]\)\n            warn/else if (0)\n            warn/' "${all[@]}"
mutant "a volume of a host that runs is given up" $p 's/if \(!\*live->stuck\)\n        return false;/if (0)\n        return false;/' "${all[@]}"
mutant "volumes move without consent" $p 's/else if \(!may_replace\(m, live, v->claim, v->logs\)\)/else if (0)/' "${all[@]}"
mutant "a kept volume moves" $p 's/if \(v->kept\)\n/if (0)\n/' "${all[@]}"
mutant "the only replica moves" $p 's/\(logs \|\| !is_alone\(m, live\)\);\n\}\n\nstatic char \*move_yaml/1;\n}\n\nstatic char *move_yaml/' "${all[@]}"
mutant "a volume is dropped without consent" $p 's/if \(moved \? may_replace\(m, live, claim, false\) : consents\(m, "volumes", live->cluster, claim\)\)/if (1)/' "${all[@]}"
mutant "what the storage refuses is planned" $p 's/if \(live->volume_refused\)/if (0)/' "${all[@]}"
mutant "a lost volume is rebuilt although that is to abort" $p 's/if \(live->volume_lost && !m->f->knobs\.recreate_on_data_loss && !consents_a_volume\(m, live\)\)/if (0)/' "${all[@]}"
mutant "a lost volume that is kept is rebuilt" $p 's/if \(live->volume_lost && !live->lost_kept\)/if (live->volume_lost)/' "${all[@]}"
mutant "spec.stop stops nothing" $p 's/if \(live->replicas > 0\)\n            decide\(h, ACT_STOP/if (0)\n            decide(h, ACT_STOP/' "${all[@]}"
mutant "a host that was given up is tried again" $p 's/if \(live->gave_up == m->f->generation\)/if (0)/' "${all[@]}"
mutant "a set is made anew although that is to abort" $p 's/else if \(live->n_recreate && !m->f->knobs\.recreate_on_update\)/else if (0)/' "${all[@]}"
mutant "troubleshoot restarts all the same" $p 's/quiet = m->f->troubleshoot;/quiet = false;/' "${all[@]}"
mutant "a restart that was done is due again" $p 's/return m->p->restart_token && !str_eq\(live->restarted_for, m->p->restart_token\);/return m->p->restart_token != NULL;/' "${all[@]}"
mutant "a task ID is executed twice" $p 's/done \|= strcmp\(live->task_ids\[i\], m->f->task_id\) == 0;/(void)0;/' "${all[@]}"
mutant "volumes of a host that is out grow before it joins" $p 's/else if \(live->n_volume && !waits_to_join\(m, live\)\)/else if (live->n_volume)/' "${all[@]}"
mutant "a restart where files are enough" $p 's/else if \(live->n_restart && !quiet\)/else if ((live->n_restart || live->n_reload) \&\& !quiet)/' "${all[@]}"
mutant "hosts that are made come last" $p 's/case ACT_CREATE:\n    case ACT_START:/case ACT_START:/; s/(    case ACT_REMOVE:\n        return TURN_LAST;)/    case ACT_CREATE:\n$1/' "${all[@]}"
mutant "hosts that go come first" $p 's/case ACT_REMOVE:\n        return TURN_LAST;/case ACT_REMOVE:\n        return TURN_EARLY;/' "${all[@]}"
mutant "no canary" $p 's/!rules && done == 0 \? 1 : all;/all;/' "${all[@]}"
mutant "a canary that is none" $p 's/canary_first\(m, first\);\n/(void)canary_first;\n/' "${all[@]}"
mutant "no soak" $p 's/if \(s <= 0 \|\| of_creation\(m, wave\)\)/if (1)/' "${all[@]}"
mutant "percent of shards are rounded down" $p 's/\(all \* \(size_t\)percent \+ 99\) \/ 100/(all * (size_t)percent) \/ 100/' "${all[@]}"
mutant "Keeper members go together" $p 's/bool together = m->live->fresh \|\| m->f->stop;/bool together = true;/' "${all[@]}"
mutant "settings are not held for their image" $p 's/return settings && turns && m->f->kind == FLEET_CLICKHOUSE;/return false;/' "${all[@]}"
mutant "objects that nobody knows go" $p 's/(static bool unknown_goes[^{]*\{)/$1 if (1) return true;/' "${all[@]}"
mutants_end
