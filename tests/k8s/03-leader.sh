#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Two operators, one acts. The leader is killed in the middle of rolling upgrades, hangs, and is stopped; each time the other
# one, whose journal is empty, goes on at the step within 15 s, and no server is started twice for one change.
# shellcheck source=tests/k8s/lib.sh
. "$(dirname "$0")/lib.sh"
k8s_start
OPERATOR_IP=10.72.0.31
operator_start a
check "the first operator leads" wait_until 30 leads a
OPERATOR_IP=10.72.0.32
operator_start b
check "the second one is ready" wait_until 30 ask b /readyz
check "… and does not lead" fails leads b
chk keeper 1 24.8 | kubectl apply -f - >/dev/null
chi demo 2 2 24.1 | kubectl apply -f - >/dev/null
check "an installation is there" wait_until 180 settled chi demo
check "tables are made by users" tables demo
# Where the operator's user may come from, as the users' file says: a line each
let_in() {
    kubectl get configmap chi-demo-common-usersd -o 'jsonpath={.data.chop-generated-users\.xml}' |
        sed -n '/<clickhouse_operator>/,/<\/clickhouse_operator>/s/.*<ip>\(.*\)<\/ip>.*/\1/p'
}
knows() { # ADDRESS…: those and no others
    let_in | paste -sd' '
    [ "$(let_in | paste -sd' ')" = "$*" ]
}
has() { let_in | grep -qxF "$1"; }
check "servers let in both operators before the second one leads" wait_until 30 knows 10.72.0.31 10.72.0.32

leader=a other=b n=1
begin() { starts_all >"$WORK/starts"; }
more() { # how many ClickHouse processes were started since begin
    starts_all | jq --slurpfile was "$WORK/starts" '[to_entries[] | select(.key | contains("/chi-")) | .value - ($was[0][.key] // 0)] | add'
}
each_once() {
    starts_all | jq -c --slurpfile was "$WORK/starts" '[to_entries[] | select(.key | contains("/chi-")) | .value - ($was[0][.key] // 0)]'
    starts_all | jq -e --slurpfile was "$WORK/starts" '[to_entries[] | select(.key | contains("/chi-")) | .value - ($was[0][.key] // 0)] | all(. == 1)' >/dev/null
}
upgrade_begins() { # TAG
    begin
    chi demo 2 2 "$1" | kubectl apply -f - >/dev/null
}
began() { [ "$(more)" -ge "$1" ]; }
went_out() { sim hosts | jq -e '[.[] | select(.keeper | not) | select(.state != "up")] | length >= 1'; }
left() { kubectl get pod -l 'clickhouse.altinity.com/chi=demo,clickhouse.altinity.com/ready=no' -o name | grep -q .; }
next_pair() { # the other one leads now; a new one, that knows nothing, stands by
    leader=$other
    n=$((n + 1))
    other=op$n
    rm -rf "${WORK:?}/$other"
    OPERATOR_IP=10.72.0.4$n
    operator_start "$other"
    wait_until 30 has "$OPERATOR_IP" || echo "not ok - the leader lets in $OPERATOR_IP"
}
# By its own log, so that a busy machine does not count against it
takes_over() { # SECONDS: since $at
    local ms
    wait_until 60 leads "$other" || return 1
    ms=$(($(date -d "$(awk '$NF == "leading" {t = $1} END {print t}' "$K/$other.log")" +%s%3N) - at))
    echo "after $ms ms"
    [ "$ms" -le $(($1 * 1000)) ]
}
no_journal() { [ "$(sqlite_rows "$WORK/$other")" = none ]; }
sqlite_rows() { # the standby has written nothing about any operation
    grep -qE 'operation [0-9]+' "$K/$other.log" && echo some || echo none
}

# ---- stopped ----
users() { kubectl get configmap chi-demo-common-usersd -o json | jq -S '[.metadata.resourceVersion, .data]'; }
quiet() { ask "$1" /status | jq -e '.synced and (.installations | length == 2) and ([.installations[] | select(.busy or .status != "Completed")] | length == 0)'; }
users >"$WORK/users"
begin
at=$(date +%s%3N)
operator_stop "$leader"
check "a leader that is stopped gives the lease back: taken over within 5 s" takes_over 5
check "… by one that has nothing to do" wait_until 30 quiet "$other"
sleep 3
users_same() { users | diff "$WORK/users" - >/dev/null; }
check "… the users' file knew it, and is not written" users_same
next_pair

# ---- killed at three points of an upgrade ----
tag=1
for point in "left" "went_out" "began 2"; do
    tag=$((tag + 1))
    upgrade_begins "24.$tag"
    # shellcheck disable=SC2086 # a command and its argument
    check "an upgrade is under way ($point)" wait_until 60 $point
    check "the standby has no journal of it" no_journal
    at=$(date +%s%3N)
    operator_stop "$leader" KILL
    check "the leader is killed, the standby takes over within 15 s" takes_over 15
    check "… and completes the upgrade" wait_until 120 settled chi demo
    check "… no server was started twice" each_once
    next_pair
done
check "nobody was harmed" unharmed

# ---- hangs, and comes back when another one acts ----
tag=$((tag + 1))
upgrade_begins "24.$tag"
check "an upgrade is under way" wait_until 60 began 1
pid=PID_$leader
at=$(date +%s%3N)
kill -STOP "${!pid}"
check "the leader hangs, the standby takes over within 15 s" takes_over 15
kill -CONT "${!pid}"
check "the upgrade completes" wait_until 120 settled chi demo
check "… no server was started twice" each_once
gave_up() { ! leads "$leader"; }
check "the one that hung does not lead any more" wait_until 20 gave_up
check "nobody was harmed" unharmed
operator_stop "$leader" KILL
next_pair

# ---- another address: both are replaced at once ----
begin
operator_stop "$leader" KILL
operator_stop "$other" KILL
OPERATOR_IP=10.72.0.99
n=$((n + 1)) other=op$n
at=$(date +%s%3N)
operator_start "$other"
check "an operator with an address that nobody knows takes over" takes_over 20
check "… is let in" wait_until 30 has 10.72.0.99
check "… has nothing else to do" wait_until 30 quiet "$other"
sleep 3
nobody() { [ "$(more)" -eq 0 ]; }
check "… restarts nobody" nobody
all_up() { sim hosts | jq -e '[.[] | select(.keeper | not)] | all(.state == "up")' >/dev/null; }
check "… and all servers serve" all_up
kubectl patch chi demo --type merge -p '{"spec": {"chfleet": {"approval": "required"}}}' >/dev/null
check "approval is asked for from now on" wait_until 30 quiet "$other"
operator_stop "$other" KILL
OPERATOR_IP=10.72.0.98
n=$((n + 1)) other=op$n
operator_start "$other"
check "nobody's approval is needed for that" wait_until 45 has 10.72.0.98
finish
