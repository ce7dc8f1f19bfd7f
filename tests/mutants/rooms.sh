#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What the lower rooms promise (requests, lease, journal, statements, worker processes, rendering, secrets) is taken out
# in turn; their unit tests must notice.
set -uo pipefail
PARTS=8
export PARTS
# shellcheck source=tests/mutants/_mutate.sh
. "${SRC:?}/tests/mutants/_mutate.sh"
export srcdir=$SRC

# ---- requests ----
k=kube/kube.c r=kube/request.c l=kube/lease.c w=kube/watch.c b=kube/budget.c c=kube/candidates.c
control "$k $r $l $w $b $c" kube-budget kube-request kube-lease kube-watch
mutant "a slow server is asked more and more" $b 's/took_ms <= QUICK_MS && //' kube-budget
mutant "a refusal changes nothing" $b 's/status == 0 \|\| status == 429 \|\| status >= 500/0/' kube-budget
mutant "a server that became slow is not spared" $b 's/(static void slower[^{]*\{)/$1 if (1) return;/' kube-budget
mutant "more than the most" $b 's/ &&\n\s*b->starved_ms && b->rate < b->limits.most//' kube-budget
mutant "a DELETE without the UID" $k 's/if \(uid && \*uid\)/if (0)/' kube-request
mutant "a write although another leads" $r 's/if \(!may_send\(c\)\)/if (0)/' kube-request
mutant "a write that waited is not asked about again" $r 's/(static bool may_send[^{]*\{)/$1 if (c->tries) return true;/' kube-request
mutant "a POST of unknown outcome is sent again" $r 's/\(!res->sent \|\| !\(c->flags & CALL_UNREPEATED\)\)/1/' kube-request
mutant "another object of the name is no conflict" $r 's/if \(res->status == 422 && is_another_object\(obj\)\)/if (0)/' kube-request
mutant "half an answer is one" $r 's/if \(cJSON_IsObject\(obj\) \|\| /if (1 || /' kube-request
mutant "old news replaces what is known" $w 's/rv <= c->entries\[i\]\.rv &&/0 \&\&/' kube-watch
# ---- lease ----
mutant "leads to the very end of the lease" $l 's/\* 1000 \* 2 \/ 3;/* 1000;/' kube-lease
mutant "a lease that cannot be renewed is not given up" $l 's/(static void on_lapse[^{]*\{)/$1 if (1) return;/' kube-lease
mutant "a lead has no end" $l 's/return l->leading && world_mono\(l->w\) - l->renewed_ms < good_ms\(l\);/return l->leading;/' kube-lease
mutant "the lease of another is taken at once" $l 's/return world_mono\(l->w\) - l->seen_ms >= \(uint64_t\)duration_s \* 1000;/return true;/' kube-lease
mutant "the clock of another is believed" $l 's/if \(!cJSON_Compare\(l->seen_spec, [^{]*\) \{/if (!l->seen_spec) {/' kube-lease
mutant "what a candidate says renews the lease of the dead" $l 's/if \(!cJSON_Compare\(l->seen_spec, [^{]*\) \{/if (!l->record || !str_eq(json_rv(l->record), json_rv(obj))) {/' kube-lease
mutant "a candidate that is gone stays known" $c 's/forget \? all->child : NULL/NULL/' kube-lease
mutant "a candidate says nothing a second time" $c 's/ \|\|\n\s*now_ms - \(uint64_t\)json_int\(seen, "ms", 0\) >= \(uint64_t\)CANDIDATE_SAYS_MS//' kube-lease
mutant "good from when the answer came" $l 's/l->renewed_ms = l->sent_ms;/l->renewed_ms = world_mono(l->w);/' kube-lease
mutant "a stolen lease goes unseen" $l 's/if \(l->leading && !str_eq\(holder\(l\), l->identity\)\)/if (0)/' kube-lease
mutant "a conflict is written over" $l 's/cJSON_Delete\(l->record\); \/\* somebody else wrote[^\n]*\n            l->record = NULL;//' kube-lease
mutant "the lease is not given back" $l 's/bool give_back = [^;]*;/bool give_back = false;/' kube-lease

# ---- journal ----
# The ROLLBACK of a round is not here: SQLite rolls back by itself what a full or failing disk has stopped.
j=journal/writer.c ja=journal/apply.c s=journal/store.c
control "$j $ja" journal-records journal-full
mutant "commits are not synced" $s 's/journal_mode = WAL; PRAGMA synchronous = FULL/journal_mode = WAL; PRAGMA synchronous = NORMAL/' journal-crash journal-store
mutant "no transaction around a round" $j 's/journal_db_run\(&w->db, SQL_BEGIN, err\) == 0 && //; s/ &&\n        journal_db_run\(&w->db, SQL_COMMIT, err\) == 0\)/)/' journal-crash journal-writer journal-records
mutant "acked before the commit" $j 's/ &&\n        journal_db_run\(&w->db, SQL_COMMIT, err\) == 0\)/)/' journal-crash journal-writer
mutant "a refused record is acked" $j 's/        set_err\(e, &why\);\n    \}\n    return store_numbers/    }\n    return store_numbers/' journal-records
mutant "a record that the disk did not take is acked" $j 's/        set_err\(e, &err\);\n    return is_full/        (void)e;\n    return is_full/' journal-full
mutant "numbers begin anew" $j 's/return store_numbers\(w, err\);/return 0;/' journal-records
mutant "new work begins on the last space" $ja 's/if \(types\[e->rec\.type\]\.begins && w->low\)/if (0)/' journal-full
mutant "a task ID is recorded again" $ja 's/return err_set\(err, ERR_REFUSED, 0, "%s: task ID/return 0; err_set(err, ERR_REFUSED, 0, "%s: task ID/' journal-records
mutant "a step of an ended task is taken" $ja 's/if \(need_open_task\(w, r->task, err\) < 0\)/if (0)/g' journal-records
mutant "two operations of an object are open" $ja 's/(static int op_begin[^{]*\{)([^}]*?)while \(\(rc = /$1$2while (0 \&\& (rc = /s' journal-records
mutant "tasks of an ended operation stay open" $ja 's/while \(\(rc = journal_db_int\(&w->db, SQL_TASK_OPEN_OF/while (0 \&\& (rc = journal_db_int(\&w->db, SQL_TASK_OPEN_OF/' journal-records

# ---- statements ----
q=sql/sql.c t=sql/statements.c
control "$q $t" sql-statements
mutant "quotes are not quoted" $q "s/if \(\*text == '\\\\\\\\' \|\| \*text == mark\)/if (*text == '\\\\\\\\')/" sql-statements sql-sql
mutant "backslashes are not quoted" $q "s/if \(\*text == '\\\\\\\\' \|\| \*text == mark\)/if (*text == mark)/" sql-statements sql-sql

# ---- worker processes ----
p=base/world_spawner.c
control $p base-workers
mutant "nobody waits for the lock of a predecessor" $p 's/while \(flock\(fd, LOCK_EX\) < 0\)/while (0)/' base-workers
mutant "works without the lock" $p 's/if \(take_lock\(args->lock_path\) < 0\)/if (take_lock(args->lock_path) < -1)/' base-workers
mutant "workers outlive their supervisor" $p 's/(static void die_with[^{]*\{)/$1 (void)parent; if (1) return;/' base-workers
mutants_end
