#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Many hosts on a real API server: how long a creation and a rolling upgrade take, requests for each restarted host, writes of a
# look at what is as it should be, memory of the operator with its workers, and the size of every object. 10 x 1 and 10 x 2; with
# CHFLEET_LONG=1 also 50 x 2 and 300 x 2. SIZES="50x2" picks others, SIZES= none; MOST=1: 1,000 x 3, too; KILL=1 kills the operator
# in the middle of each upgrade. Lines that begin with "# result" are for bench/RESULTS.md.
# shellcheck source=tests/k8s/lib.sh
. "$(dirname "$0")/lib.sh"
K8S_APISERVER_FLAGS='--max-requests-inflight=1600 --max-mutating-requests-inflight=800'
k8s_start 8
operator_start one
check "the operator leads" wait_until 30 leads one
chk keeper 1 24.8 | kubectl apply -f - >/dev/null
check "a Keeper is there" wait_until 60 settled chk keeper

# kubectl needs a fifth of a second of a core each time; what is asked often is asked by curl
token=$(cut -d, -f1 "$K/tokens.csv" | head -n 1)
get() { curl -fsS --max-time 60 --cacert "$K/certs/apiserver.crt" -H "Authorization: Bearer $token" "https://127.0.0.1:6443$1"; }
done_now() { # NAME
    get "/apis/clickhouse.altinity.com/v1/namespaces/default/clickhouseinstallations/$1" | jq -e '
        .metadata.generation as $g | .status.status == "Completed" and
        ([.status.conditions[]? | select(.type == "Ready" and .status == "True" and .observedGeneration == $g)] | length == 1)' >/dev/null
}
POLL_S=0.3

# shellcheck disable=SC2154 # PID_one: set by operator_start
family() { # pids of the operator and all below it
    ps -eo pid=,ppid= | awk -v root="$PID_one" '{up[$1] = $2} END {for (p in up) {q = p; while (q && q != root) q = up[q]; if (q == root) print p}}'
}
sampler() { # until the file is gone: the most that was seen, and with how many processes
    local most=0 now n
    while [ -e "$WORK/sampling" ]; do
        read -r now n < <(family | sed 's,.*,/proc/&/smaps_rollup,' | xargs cat 2>/dev/null | awk '/^Pss:/ {sum += $2; n++} END {print sum + 0, n + 0}')
        [ "$now" -le "$most" ] || most=$now
        [ "$now" -lt "$most" ] || echo "$now $n" >"$WORK/pss"
        sleep 2
    done
}
small_objects() { # every object that is ours is below 512 KiB
    local kind
    for kind in /apis/clickhouse.altinity.com/v1/namespaces/default/clickhouseinstallations /apis/apps/v1/namespaces/default/statefulsets \
        /api/v1/namespaces/default/configmaps /api/v1/namespaces/default/services /api/v1/namespaces/default/persistentvolumeclaims; do
        get "$kind" | jq -r --arg k "${kind##*/}" '.items[] | (tojson | length | tostring) + " " + $k + " " + .metadata.name'
    done | sort -rn >"$WORK/sizes"
    head -n 3 "$WORK/sizes"
    [ "$(awk 'NR == 1 {print $1}' "$WORK/sizes")" -lt 524288 ]
}
status_small() { [ "$(kubectl get chi "$1" -o json | jq '.status | tojson | length')" -lt 16384 ]; }
ms() { date +%s%3N; }
few() { # HOSTS
    echo "$(audit_requests "$mark") requests for $1 restarted hosts"
    audit_since "$mark" | grep -v leases | awk '{print $1, $2, $3, $4}' | sort | uniq -c | sort -rn | head -n 20
    [ "$(audit_requests "$mark")" -le $((12 * $1)) ]
}
completed() { ask one /status | jq -e --arg k "default/$1" '[.installations[] | select(.key == $k and .status == "Completed")] | length == 1' >/dev/null; }
nothing_written() { # NAME: by an operator that is new and has looked at everything
    completed "$1" || return 1
    echo "$(audit_requests "$mark") requests"
    audit_since "$mark" | grep -vE '^(list|watch|get) |leases'
    [ "$(audit_writes "$mark")" -eq 0 ]
}
threads() { echo $(($1 < 300 ? 5 : 150)); }
resource() { # NAME SHARDS REPLICAS TAG
    chi "$@" "  reconcile: {runtime: {reconcileShardsThreadsNumber: $(threads "$2")}}" | kubectl apply -f - >/dev/null
}
# Hosts restart one after the other in each shard; the first shard alone, then so many at once. 1.2 times that many turns of a
# pod's start and two changed lists of hosts is the aim.
turns() { # SHARDS REPLICAS
    local at_once=$((($1 + 1) / 2))
    [ "$at_once" -le "$(threads "$1")" ] || at_once=$(threads "$1")
    echo $(((1 + ($1 - 1 + at_once - 1) / at_once) * $2))
}
half_way() { # NAME HOSTS: pods of the new image
    [ "$(get "/api/v1/namespaces/default/pods?labelSelector=clickhouse.altinity.com/chi=$1" |
        jq '[.items[] | select(.spec.containers[0].image | endswith(":24.9"))] | length')" -ge $(($2 / 2)) ]
}
started_once() { # NAME: since $WORK/starts; prints the others
    starts_all | jq -n -e --arg of "chi-$1-" --slurpfile was "$WORK/starts" --slurpfile now /dev/stdin '
        [$now[0] | to_entries[] | select(.key | contains($of)) | .value -= ($was[0][.key] // 0) | select(.value != 1)] | ., length == 0'
}
killed() { # in the middle of an upgrade: NAME HOSTS SECONDS
    check "… half way" wait_until "$3" half_way "$1" "$2"
    operator_stop one KILL
    operator_start one
}
upgrade() { # SHARDS REPLICAS SECONDS NAME
    local at mark hosts=$(($1 * $2))
    at=$(ms) mark=$(audit_mark)
    starts_all >"$WORK/starts"
    resource "$4" "$1" "$2" 24.9
    [ -z "${KILL-}" ] || killed "$4" "$hosts" "$3"
    check "… and upgraded" wait_until "$3" done_now "$4"
    check "… each server started once" started_once "$4"
    at=$(($(ms) - at))
    say "result upgrade $1 x $2: $at ms, $(turns "$1" "$2") turns of $((at / $(turns "$1" "$2"))) ms, $(audit_requests "$mark") requests, $(audit_writes "$mark") writes"
    [ -n "${KILL-}" ] || check "… for at most 12 requests each" few "$hosts" # a new operator reads all, and leaves some again
}
scale() { # SHARDS REPLICAS SECONDS
    local at mark name=s$1x$2
    touch "$WORK/sampling"
    sampler &
    at=$(ms) mark=$(audit_mark)
    resource "$name" "$1" "$2" 24.8
    check "$1 x $2 hosts are created" wait_until "$3" done_now "$name"
    say "result create $1 x $2: $(($(ms) - at)) ms, $(audit_requests "$mark") requests"
    [ "$2" -eq 1 ] || upgrade "$1" "$2" "$3" "$name"
    rm "$WORK/sampling"
    wait $!
    operator_stop one
    mark=$(audit_mark)
    operator_start one
    check "… a new operator finds it as it should be" wait_until 60 completed "$name"
    sleep 2
    check "… and writes nothing" nothing_written "$name"
    say "result memory $1 x $2: $(cat "$WORK/pss") (KiB PSS of the operator and its workers, processes)"
    check "… every object is smaller than 512 KiB" small_objects
    say "result largest $1 x $2: $(head -n 1 "$WORK/sizes")"
    check "… the status smaller than 16 KiB" status_small "$name"
    check "… nobody was harmed" unharmed
    sim calm >/dev/null
    check "… and deleted" kubectl delete chi "$name" --timeout="$3s"
}
sizes='10x1 10x2'
[ "${CHFLEET_LONG:-0}" = 0 ] || sizes='10x1 10x2 50x2 300x2'
for size in ${SIZES-$sizes}; do
    scale "${size%x*}" "${size#*x}" $((60 + 8 * ${size%x*} * ${size#*x}))
done
# Hours on two cores, most of them the simulated servers': only when asked for. All are made, then one shard more enters all lists.
if [ "${MOST:-0}" != 0 ]; then
    resource huge 1000 3 24.8
    check "1,000 x 3 hosts are created" wait_until 10000 done_now huge
    resource huge 1001 3 24.8
    check "… and another shard" wait_until 2000 done_now huge
    check "… every object is smaller than 512 KiB" small_objects
    say "result largest 1001 x 3: $(head -n 1 "$WORK/sizes")"
    check "… the status smaller than 16 KiB" status_small huge
    check "… nobody was harmed" unharmed
fi
finish
