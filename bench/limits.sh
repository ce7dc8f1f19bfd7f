#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Memory, start, reaction and restart times of an embedded fleet of real servers: one Keeper and 4 shards × 2 replicas. Prints a table of Markdown; the last column says whether the limit holds.
#
#   bench/limits.sh BUILD-FOLDER [WORK-FOLDER]
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
SRC=$PWD
BUILD=$(cd "${1:?the build folder}" && pwd)
WORK=${2:-$(mktemp -d "${TMPDIR:-/tmp}/chfleet-bench.XXXXXX")}
DATA=$WORK/fleet
export SRC BUILD WORK
PATH=/usr/sbin:$PATH
# shellcheck source=tests/story/_fleet.sh
. "$SRC/tests/story/_fleet.sh"

MISSED=0
PLANE='' OPERATOR=''
mkdir -p "$DATA/operator" "$DATA/plane" "$DATA/log" "$DATA/run"
printf 'chfleet data version 1\n' >"$DATA/chfleet.data"

chf() { "$BUILD/chfleet" --data "$DATA" "$@"; }
now() { date +%s%3N; }
fail() {
    echo "limits: $*" >&2
    exit 1
}
# wait_for SECONDS COMMAND…
wait_for() {
    local end=$(($(now) + $1 * 1000))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$(now)" -lt "$end" ] || return 1
        sleep 0.002
    done
}
# row WHAT MEASURED LIMIT-TEXT [VALUE LIMIT]: VALUE must be at most LIMIT
row() {
    local verdict=''
    if [ $# -gt 3 ]; then
        verdict=yes
        if awk -v a="$4" -v b="$5" 'BEGIN {exit !(a > b)}'; then
            verdict=NO
            MISSED=$((MISSED + 1))
        fi
    fi
    printf '| %s | %s | %s | %s |\n' "$1" "$2" "$3" "$verdict"
}
mib() { awk -v k="$1" 'BEGIN {printf "%.1f MiB", k / 1024}'; }

# kilobytes of FIELD… (Pss:, Private_Dirty:) of the processes on standard input
memory() {
    local pattern
    pattern=$(printf '|%s' "$@")
    while read -r pid; do
        cat "/proc/$pid/smaps_rollup" 2>/dev/null
    done | awk -v p="^(${pattern#|})$" '$1 ~ p {n += $2} END {print n + 0}'
}
children() { pgrep -P "$1"; }
family() { # a process and all below it
    local child
    echo "$1"
    for child in $(children "$1"); do
        family "$child"
    done
}

plane_start() {
    "$BUILD/chfleet-plane" --data "$DATA/plane" >>"$DATA/log/plane.log" 2>&1 &
    PLANE=$!
    wait_for 20 test -s "$DATA/plane/kubeconfig" && wait_for 20 chf get chi || fail "the plane does not serve"
}
address() { cat "$DATA/operator/status.address"; }
operator_start() {
    rm -f "$DATA/operator/status.address"
    "$BUILD/chfleetd" --kubeconfig "$DATA/plane/kubeconfig" --data "$DATA/operator" >>"$DATA/log/operator.log" 2>&1 &
    OPERATOR=$!
}
operator_stop() {
    kill -TERM "$OPERATOR" && wait "$OPERATOR"
}
ready() { curl -fsS --max-time 1 "http://$(address)/readyz"; }
serving() { [ -s "$DATA/operator/status.address" ] && ready; }
metric() { curl -fsS "http://$(address)/metrics" | awk -v n="$1" '$1 == n {print $2}'; }
settled() {
    chf get chi bench -o json | jq -e '.metadata.generation as $g | .status.status == "Completed" and
        ([.status.conditions[]? | select(.type == "Ready" and .status == "True" and .observedGeneration == $g)] | length == 1)' >/dev/null
}
apply() { # FILE SECONDS
    chf apply -f "$1" --wait --timeout "$2s" >/dev/null || fail "$1 did not settle: $(chf why)"
}
# What one PATCH does, without a client's start in the measure: METHOD-less helper around curl with the plane's credentials.
api_patch() { # BODY: prints the moment of the answer
    curl -fsS -o /dev/null --cacert "$DATA/plane/pki/ca.crt" -H "Authorization: Bearer $(cat "$DATA/plane/pki/token")" \
        -X PATCH -H 'Content-Type: application/merge-patch+json' -d "$1" \
        "$SERVER/apis/clickhouse.altinity.com/v1/namespaces/default/clickhouseinstallations/bench" || fail "PATCH"
    now
}

end() {
    trap - EXIT
    [ -z "${sampler-}" ] || kill "$sampler" 2>/dev/null
    [ -z "$OPERATOR" ] || kill -TERM "$OPERATOR" 2>/dev/null
    wait "$OPERATOR" 2>/dev/null
    [ -z "$PLANE" ] || kill -TERM "$PLANE" 2>/dev/null
    wait "$PLANE" 2>/dev/null
    chf down --purge --yes >/dev/null 2>&1
    rm -rf "$WORK"
}
trap end EXIT
trap 'exit 1' INT TERM

command -v jq >/dev/null && command -v curl >/dev/null || fail "jq and curl are needed"

echo '| what | measured | limit | holds |'
echo '|---|---:|---:|---|'

# ---- create ----
plane_start
SERVER=$(awk '$1 == "server:" {print $2; exit}' "$DATA/plane/kubeconfig")
operator_start
wait_for 20 serving || fail "chfleetd does not serve"
keeper >"$WORK/keeper.yaml"
chf apply -f "$WORK/keeper.yaml" --wait --timeout 60s >/dev/null || fail "no Keeper"
fleet ten 5 2 24.8 >"$WORK/ten.yaml"
at=$(now)
apply "$WORK/ten.yaml" 120
took=$(($(now) - at))
row "10 hosts created, joined and audited" "$(awk -v m="$took" 'BEGIN {printf "%.1f s", m / 1000}')" "< 5 s" "$took" 5000
chf delete chi ten --wait --timeout 120s >/dev/null || fail "ten is not deleted"
fleet bench 4 2 24.8 >"$WORK/bench.yaml"
apply "$WORK/bench.yaml" 120
wait_for 20 settled

# ---- start ----
operator_stop
times=''
for turn in 1 2 3 4 5; do
    at=$(now)
    operator_start
    wait_for 10 serving || fail "chfleetd does not serve"
    times="$times $(($(now) - at))"
    [ "$turn" = 5 ] || operator_stop
done
took=$(printf '%s\n' $times | sort -n | sed -n 3p)
row "start of chfleetd to serving, 8 hosts (median of 5)" "$took ms" "< 300 ms" "$took" 300

# ---- idle ----
sleep 3
writes=$(metric chfleet_api_writes_total)
requests=$(metric chfleet_api_requests_total)
row "API writes of a supervisor that starts and finds 9 hosts as they should be" "$writes" "0" "$writes" 0
row "…its requests in all (lists and watches)" "$requests" ""
sleep 5
kb=$(family "$OPERATOR" | memory Pss:)
row "chfleetd and its helpers, 8 idle hosts (PSS)" "$(mib "$kb")" "≤ 12 MiB" "$kb" $((12 * 1024))
row "…its main process" "$(mib "$(echo "$OPERATOR" | memory Pss:)")" ""
kb=$(echo "$PLANE" | memory Pss:)
row "chfleet-plane, 9 pods (PSS)" "$(mib "$kb")" "≤ 16 MiB" "$kb" $((16 * 1024))
kb=$(pgrep -f "^$BUILD/chfleet-shim $DATA/" | memory Pss:)
row "a shim (PSS, mean)" "$((kb / $(pgrep -fc "^$BUILD/chfleet-shim $DATA/"))) KiB" ""

# ---- rolling restart ----
helpers=$(children "$OPERATOR" | tr '\n' ' ')
lines=$(wc -l <"$DATA/log/operator.log")
requests=$(metric chfleet_api_requests_total)
writes=$(metric chfleet_api_writes_total)
( # workers are sampled while they work: the largest of each sample, and at last the largest of all
    while :; do
        for pid in $(family "$OPERATOR"); do
            case " $OPERATOR $helpers " in
            *" $pid "*) ;;
            *) echo "$pid $(echo "$pid" | memory Private_Clean: Private_Dirty:)" ;;
            esac
        done
        sleep 0.2
    done
) >"$WORK/workers" &
sampler=$!
at=$(now)
answered=$(api_patch '{"spec":{"restart":"RollingUpdate","taskID":"bench-1"}}')
sleep 1
wait_for 120 settled || fail "no end of the restart: $(chf why)"
took=$(($(now) - at))
kill "$sampler"
wait "$sampler" 2>/dev/null
sed "1,${lines}d" "$DATA/log/operator.log" >"$WORK/restart.log"

stamp() { date -u -d "$(awk -v p="$1" '$0 ~ p {print $1; exit}' "$WORK/restart.log")" +%s%3N; }
first=$(($(stamp 'default/bench: step') - answered))
row "PATCH answered to the first step done" "$first ms" "< 100 ms" "$first" 100
# largest of the processes that worked for WHAT
largest() {
    awk -v what="$1" 'NR == FNR {if ($4 ~ what && match($3, /[0-9]+/)) mine[substr($3, RSTART, RLENGTH)] = 1; next}
        $1 in mine && $2 > n {n = $2} END {print n + 0}' "$WORK/restart.log" "$WORK/workers"
}
kb=$(largest '^default/bench/')
row "worker of a shard, at work (private, largest seen)" "$kb KiB" "≤ 512 KiB" "$kb" 512
row "membership worker (private; asks 8 servers at once)" "$(largest '^default/bench:') KiB" ""
row "rolling restart of 8 hosts" "$(awk -v m="$took" 'BEGIN {printf "%.1f s, %.1f s a host", m / 1000, m / 8000}')" ""
requests=$(($(metric chfleet_api_requests_total) - requests))
writes=$(($(metric chfleet_api_writes_total) - writes))
row "API requests per restarted host" "$(awk -v n="$requests" 'BEGIN {printf "%.1f", n / 8}')" "≤ 12" "$(awk -v n="$requests" 'BEGIN {print n / 8}')" 12
row "…of them writes" "$(awk -v n="$writes" 'BEGIN {printf "%.1f", n / 8}')" ""

echo
echo 'Where the time of a restarted host goes (mean of 8, ms):'
echo
awk '
    function ms(t,   p) { split(substr(t, 12), p, /[:Z]/); return (p[1] * 3600 + p[2] * 60 + p[3]) * 1000 }
    $4 ~ /^default\/bench\/main\// && $5 == "step" {
        step = $6; sub(/:$/, "", step)
        if (last[$3]) { spent[step] += ms($1) - last[$3]; count[step]++ }
        if (!(step in order)) { order[step] = ++n; name[n] = step }
        last[$3] = ms($1)
    }
    END {
        for (i = 1; i <= n; i++) head = head "| " name[i] " "
        print head "|"
        for (i = 1; i <= n; i++) rule = rule "|---:"
        print rule "|"
        for (i = 1; i <= n; i++) line = line sprintf("| %d ", count[name[i]] ? spent[name[i]] / count[name[i]] : 0)
        print line "|"
    }' "$WORK/restart.log"
[ "$MISSED" -eq 0 ]
