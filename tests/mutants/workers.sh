#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Each guard, gate and order of the workers is taken out in turn; the tests on scripted hosts must notice.
# Uses BUILD (with its test programs built), SRC, WORK (an empty folder).
set -uo pipefail
: "${SRC:?}" "${BUILD:?}" "${WORK:?}"
cd "$BUILD" || exit 1

make -s test-workers-tables test-workers-crash test-workers-knobs >"$WORK/build.log" 2>&1 || {
    cat "$WORK/build.log"
    exit 1
}
var() { sed -n "s/^$1 = //p" Makefile; }
read -ra cflags <<<"$(var WARN_CFLAGS) $(var SAN_CFLAGS) $(make -s print-headerflags)"
read -ra libs <<<"$(var SAN_CFLAGS) $(var CURL_LIBS) $(var EVENT_LIBS) $(var CJSON_LIBS) $(var SSL_LIBS) -lm $(var CMOCKA_LIBS)"
archives=(libtestscript.a libworkers.a libmodel.a libschema.a libsql.a libkeeper.a libbase.a)
mapfile -t archives < <(for a in "${archives[@]}"; do [ -f "$a" ] && echo "$a"; done)

n=0
bad=0
# mutant NAME FILE PERL: the file changed by the substitution must fail a test.
mutant() {
    local name=$1 file=$2 change=$3 t
    n=$((n + 1))
    perl -0pe "$change" "$SRC/$file" >"$WORK/m.c"
    if cmp -s "$WORK/m.c" "$SRC/$file"; then
        echo "not ok $n - $name: the change does not fit $file any more"
        bad=1
        return
    fi
    if ! gcc "${cflags[@]}" -w -g -O1 -DPACKAGE_VERSION_TEXT='"0"' -I"$SRC" -I. -c "$WORK/m.c" -o "$WORK/m.o" 2>"$WORK/cc.log"; then
        echo "not ok $n - $name: does not compile"
        sed 's/^/# /' "$WORK/cc.log"
        bad=1
        return
    fi
    for t in tables knobs crash; do
        gcc "tests/workers/test_$t.o" "$WORK/m.o" "${archives[@]}" "${archives[@]}" "${libs[@]}" -o "$WORK/m-$t" 2>"$WORK/ld.log" || {
            echo "not ok $n - $name: does not link"
            sed 's/^/# /' "$WORK/ld.log"
            bad=1
            return
        }
        if ! ASAN_OPTIONS=detect_leaks=0 timeout 30 "$WORK/m-$t" >"$WORK/out" 2>&1; then
            echo "ok $n - $name ($t)"
            return
        fi
    done
    echo "not ok $n - $name: nobody notices"
    bad=1
}

common=workers/step_common.c driver=workers/driver.c course=workers/course.c turns=workers/turns.c
mutant "no guard: a peer serves" $common 's/rc = guard_peer_serves\(t\)/rc = STEP_YES/'
mutant "no guard: the host is out" $common 's/rc = guard_out\(t\)/rc = STEP_YES/'
mutant "no guard: quorum" $common 's/rc = guard_quorum\(t, err\)/rc = STEP_YES/'
mutant "no guard: data elsewhere" workers/data_elsewhere.c 's/(enum step_rc guard_data_elsewhere[^{]*\{)/$1 if (1) return STEP_YES;/'
mutant "the flush proves nothing" workers/step_remove.c 's/return rc == STEP_YES \? data_is_elsewhere\(t, err\) : rc;/return rc;/'
mutant "a peer that does not answer serves" $common 's/(if \(rc == ASK_BAD\) \{\n)(        snprintf\(why, size, "%s: %\.200s")/$1        if (1) return STEP_YES;\n$2/'
after=workers/step_after.c hooks=workers/step_hooks.c
mutant "minServing counts for nothing" $common 's/knob_int\(t, "min_serving", 1\)/1/'
mutant "a pod that is not Ready runs" $common 's/h != t->host \|\| knob_bool\(t, "probe_readiness", true\)/h != t->host/'
mutant "the startup probe is not looked at" $common 's/return !knob_bool\(t, "probe_startup", false\)/return true/'
mutant "replicas.all counts for nothing" workers/step_catchup.c 's/if \(knob_bool\(t, "replicas_all", true\)\)/if (1)/'
mutant "replicas.new counts for nothing" workers/step_catchup.c 's/return knob_bool\(t, "replicas_new", true\)/return true/'
mutant "entries of a lost volume go always" workers/entries.c 's/!knob_bool\(t, "drop_on_lost_volume", true\)/0/'
mutant "nothing is rolled back" $after 's/(return fact_bool\(t, t->host, "sts.previous"\) \?) name/$1 NULL/'
mutant "rolled back to what is not known" $after 's/return fact_bool\(t, t->host, "sts.previous"\) \?/return 1 ?/'
mutant "a pod of the failed template stays" $after 's/return asked\(t, ask_delete\(t, t->host, "pod"/return STEP_YES; (void)asked(t, ask_delete(t, t->host, "pod"/'
mutant "what the old process has loaded is not noted" $after 's/return write_loaded\([^;]*;/return STEP_YES;/'
mutant "volumes of a failed host go without consent" workers/step_remove.c 's/ \|\| !consent_covers\(t, t->host\)\)\n        return STEP_SKIP;\n    return claims_gone\(t, not_kept\)/)\n        return STEP_SKIP;\n    return claims_gone(t, not_kept)/'
mutant "any answer is the expected one" $hooks 's/rc == ASK_GOOD && is_expected\(hook, &a\)/rc == ASK_GOOD/'
mutant "hooks run for every action" $hooks 's/ &&\n           json_has\(json_get\(hook, "actions"\), host_str\(h, "action"\)\)//'
mutant "a hook of a shard runs for each host" $hooks 's/ \|\| !shard_turn\(t\)//'
mutant "a hook that fails stops nothing" $hooks 's/!json_bool\(hook, "ignore", false\)/0/'
mutant "the pause between questions is always the same" $course 's/knob_int\(t, "poll_ms", BACK_OFF_MAX_MS\)/BACK_OFF_MAX_MS/'
mutant "a peer that is behind serves" $common 's/if \(behind == 0\)/if (behind >= 0)/'
mutant "acts before the record is durable" $driver 's/if \(rc == ASK_WAIT\)\n        return false;\n    if \(rc == ASK_BAD\) \{ \/\* a full disk/if (0)\n        return false;\n    if (rc == ASK_BAD) { \/* a full disk/'
mutant "acts although the journal failed" $driver 's/if \(rc == ASK_BAD\) \{ \/\* a full disk/if (0) { \/* a full disk/'
mutant "asks for no permit" $driver 's/return s->klass != CLASS_NONE && s->klass != CLASS_RECOVER;/return false;/'
mutant "a refused permit is a granted one" $driver 's/turn_failed\(t, &err\);\n        return true;\n    \}\n    t->permit_ms/}\n    t->permit_ms/'
mutant "a resumed row loses its baseline" $course 's/(t->begun = t->acted = true;[^\n]*\n    t->baseline = )[^;]*;/$1NULL;/'
mutant "a failed row loses its baseline" $course 's/t->baseline = json_copy\(json_get\(last, "baseline"\)\); \/\* it may/t->baseline = NULL; \/* it may/'
mutant "a later attempt forgets what was before the first" $course 's/if \(tried == 1\) \/\* else/if (1) \/* else/'
mutant "a baseline of what the attempt before has done" $driver 's/if \(t->baseline && !str_eq\(t->probed, runs\)\)/if (0)/'
mutant "a restart in the middle of catching up goes unseen" workers/step_catchup.c 's/return STEP_BACK;/(void)0;/'
mutant "a host that lost its peer stays out" $turns 's/return now - t->peerless_ms >= PEERLESS_MS;/return false;/'
mutant "a resumed row is begun again" $course 's/t->begun = t->acted = true; /t->begun = t->acted = false; /'
mutant "a finished host is done again" $course 's/t->step_at = at \+ 1;/t->step_at = 0;/'
mutant "attempts are not numbered through" $course 's/t->attempt = row \? [^;]*;/t->attempt = 1;/'
mutant "nothing is undone" $turns 's/if \(t->left && !t->stopped_server/if (0 && !t->stopped_server/'
mutant "undone although the server was stopped" $turns 's/if \(t->left && !t->stopped_server && /if (t->left && /'
mutant "a stop is not heard" $turns 's/if \(!t->stop \|\| t->phase == PHASE_UNDO/if (1 || t->phase == PHASE_UNDO/'
mutant "the leader does not go last" workers/step_keeper.c 's/return STEP_DEFER;/return STEP_YES;/'
mutant "running queries do not count" workers/step_member.c 's/if \(n > 0\) \{/if (0) {/'
mutant "an unanswered count of queries is zero" workers/step_member.c 's/if \(rc == ASK_BAD\) \{/if (0) {/'
mutant "queries are killed at once" workers/step_member.c 's/if \(t->tried < 2\)/if (0)/'
mutant "never kills queries" workers/step_member.c 's/if \(t->tried < 2\)/if (1)/'
mutant "leaves without waiting to be out" workers/step_member.c 's/(static enum step_rc leave_probe[^{]*\{)/$1 if (t->phase == PHASE_CHECK || t->phase == PHASE_PROBE) return STEP_YES;/'
mutant "a shutdown without its session" workers/step_process.c 's/&session_check=1//'
mutant "stops before the new files are seen" workers/step_process.c 's/return not_yet\(t, "WAIT_PROPAGATION", "the server still sees its old files"\);/return STEP_YES;/'
mutant "any process is the new one" workers/step_process.c 's/if \(\*base_str\(t, "identity"\) && strcmp/if (0 && strcmp/'
mutant "the log pointer does not matter" workers/step_catchup.c 's/if \(pointer <= max\)/if (0)/'
mutant "joins without waiting for its data" workers/step_catchup.c 's/return own_replicas\(t, err\);/return STEP_YES;/'
mutant "old entries are not forgotten" workers/entries.c 's/(enum step_rc forget_probe[^{]*\{)/$1 if (1) return STEP_SKIP;/'
mutant "deletes an active entry" workers/entries.c 's/if \(rc == STEP_YES && !knob_bool\(t, "drop_active", false\)\)/if (0)/'
mutant "deletes the table of others in Keeper" workers/entries.c 's/if \(a\.len > 0\)\n        return STEP_YES;//'
mutant "entries of a removed host stay" workers/entries.c 's/(enum step_rc drop_replica_probe[^{]*\{)/$1 if (1) return STEP_SKIP;/'
mutant "deletes volumes that are to be kept" workers/step_remove.c 's/return !json_bool\(claim, "retain", true\);/return true;/'
mutant "joins without the schema" workers/step_schema.c 's/if \(!applies\(t\)\)/if (1)/'
mutant "new hosts of a shard wait for each other" workers/course.c 's/t->ahead = t->n_own > 1;/t->ahead = false;/'
mutant "a new host that is refused ends the task of the others" workers/turns.c 's/if \(t->ahead\) \{/if (0) {/'
mutant "publishes a list without a shard" workers/step_membership.c 's/if \(!found\)/if (0)/'
mutant "a peer that did not load the list is no matter" workers/step_membership.c 's/json_add_str\(t->late, t->hosts\[i\]\.key\);//'
mutant "a late peer blocks all" workers/step_membership.c 's/if \(!all && over\)/if (0)/'
echo "1..$n"
exit $bad
