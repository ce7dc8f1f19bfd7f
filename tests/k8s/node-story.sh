#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The life of an installation on one real node: kubelet, containerd, real ClickHouse pods, chfleet installed from the
# bundle and running as pods: create, scale out, upgrade under load while operators die, scale in, settings, task IDs, a tag that
# does not exist, stop and start, delete and return. What failed and how often a server started is asked of the servers.
# shellcheck source=tests/k8s/node.sh
. "$SRC/tests/k8s/node.sh"
# shellcheck source=tests/story/_fleet.sh
. "$SRC/tests/story/_fleet.sh"
# shellcheck source=tests/conform/pods.sh
. "$SRC/tests/conform/pods.sh"
[ -n "${NODE_INSIDE-}" ] || {
    [ -n "${CHFLEET_LONG-}" ] || {
        echo "skipped: a quarter of an hour on a node of its own; ./check --long runs it, or CHFLEET_LONG=1"
        exit 77
    }
    node_needs
    node_enter bash "$0"
}
NS=shop
PATH=$BUILD:$PATH

# Servers of 18.16 fetch parts over connections to the address that a name had first, for as long as they run: each host
# gets a Service with an address of its own, which stays when its pod is replaced. Newer servers look names up again.
cat >"$WORK/host-service" <<'Y'
      - name: host
        spec:
          type: ClusterIP
          publishNotReadyAddresses: true
          ports: [{name: http, port: 8123}, {name: tcp, port: 9000}, {name: interserver, port: 9009}]
Y
# installation REPLICAS TAG [EXTRA-CONFIGURATION] [EXTRA-SPEC]: the one of this story, written to $WORK/up.yaml
installation() {
    fleet up 2 "$1" "$2" "    users: {default/networks/ip: \"::/0\"}
${3-}" "  chfleet: {nudge: always}
${4-}" Retain | sed -e 's/type: LoadBalancer/type: ClusterIP/' -e 's/serviceTemplate: balancer/&, replicaServiceTemplate: host/' \
        -e "/^    serviceTemplates:/r $WORK/host-service" >"$WORK/up.yaml"
}
put() { kc -n $NS apply -f "$1"; }
complete() { # KIND NAME
    kc -n $NS get "$1" "$2" -o json | jq -e '.metadata.generation as $g | .status.status == "Completed" and
        ([.status.conditions[]? | select(.type == "Ready" and .status == "True" and .observedGeneration == $g)] | length == 1)' >/dev/null || {
        ask_leader /status | jq -c '.installations[].hosts[] | [.key, .action, .step, .state, .waiting, .text]'
        return 1
    }
}
apply_up() { put "$WORK/up.yaml" && wait_until "$1" complete chi up; } # SECONDS
took() { say "$1 took $((SECONDS - $2)) s"; }

leader() { kc -n chfleet get lease chfleet-leader -o 'jsonpath={.spec.holderIdentity}'; }
ask_leader() { curl -fsS --max-time 5 "http://$(kc -n chfleet get pod "$(leader)" -o 'jsonpath={.status.podIP}'):8080$1"; }
host_name() { echo "chi-up-main-$1.$NS.svc.cluster.local"; }
sql() { curl -sS --fail-with-body --max-time 60 "http://$1:8123/?wait_end_of_query=1" --data-binary "$2"; }
balancer() { echo "clickhouse-up.$NS.svc.cluster.local"; }
hosts_of() { # "SHARD NAME ADDRESS:PORT" for the observer
    kc -n $NS get services -l clickhouse.altinity.com/chi=up,clickhouse.altinity.com/Service=host -o json | jq -r --arg ns $NS '.items[] |
        "main/" + .metadata.labels["clickhouse.altinity.com/shard"] + " " + .metadata.name + " " + .metadata.name + "." + $ns + ".svc.cluster.local:8123"' | sort
}
on_all() {
    local name address
    hosts_of | while read -r _ name address; do
        printf '%s %s\n' "$name" "$(sql "${address%:*}" "$1")"
    done
}
answers() { [ "$(on_all "$1" | awk -v v="$2" '$2 == v' | wc -l)" -eq "$3" ]; } # STATEMENT ANSWER HOSTS
watch_start() {
    hosts_of >"$WORK/hosts"
    "$BUILD/story-observer" --hosts "$WORK/hosts" >"$WORK/observer.json" &
    OBSERVER=$!
}
watch_end() {
    kill -TERM "$OBSERVER" 2>/dev/null
    wait "$OBSERVER"
}
observed() { jq -e "$1" "$WORK/observer.json" || { cat "$WORK/observer.json"; return 1; }; }
loaded() { jq -e "$1" "$WORK/load.json" || { cat "$WORK/load.json"; return 1; }; }
started_each() { observed "(.violated | not) and ([.starts[]] | length == $2 and all(. == $1))"; } # TIMES HOSTS
pods_of_up() { kc -n $NS get pods -l clickhouse.altinity.com/chi=up -o name | wc -l; }
no_pods() { [ "$(pods_of_up)" -eq 0 ]; }
claims() { [ "$(kc -n $NS get pvc -l clickhouse.altinity.com/chi=up -o name | wc -l)" -eq "$1" ]; }

say "a node comes up"
must "a node with kubelet and containerd is Ready" node_up
took "the node" 0

say "the bundle"
bundle() { kc apply --server-side -f "$SRC/deploy/chfleet.yaml" && kc wait --for=condition=Established --timeout=60s crd --all; }
must "the bundle is applied" bundle
must "two operators run as pods" kc -n chfleet rollout status deployment/chfleet --timeout=90s
leads() { ask_leader /status | jq -e .leader; }
check "one leads" wait_until 30 leads
operator_pids() { pgrep -x chfleetd | while read -r p; do [ "$(awk '/^PPid/ {print $2}' "/proc/$p/status")" != "$(pgrep -x chfleetd | head -n 1)" ] && echo "$p"; done; }
bounded() { # each of its processes: user 65532, no capability, no new privileges, a root file system that cannot be written
    local p
    for p in $(pgrep -x chfleetd); do
        grep -q '^Uid:	65532	' "/proc/$p/status" && grep -q '^CapEff:	0000000000000000' "/proc/$p/status" &&
            grep -q '^NoNewPrivs:	1' "/proc/$p/status" && grep -q '^Seccomp:	2' "/proc/$p/status" && awk '$5 == "/" {exit $6 !~ /^ro/}' "/proc/$p/mountinfo" || return 1
    done
}
check "without rights on the node, with a root file system that is read-only" bounded
inside() { kc -n chfleet exec deployment/chfleet -- /usr/bin/chfleet "$@"; }
check "the command line is in the image" inside version

say "what people do with containers, as on the plane"
pods_facts kubelet clickhouse/clickhouse-server:18.16.1

say "create"
kc create namespace $NS >/dev/null
keeper >"$WORK/keeper.yaml"
installation 2 18.16.1
from=$SECONDS
created() { put "$WORK/keeper.yaml" && apply_up 240 && complete chk keeper; }
must "2 x 2 hosts and a Keeper are complete" created
took "creating 4 hosts" $from
first=$(host_name 0-0)
tables_made() { tables "$first" main; }
tables() {
    sql "$1" "CREATE DATABASE IF NOT EXISTS app ON CLUSTER $2" &&
        sql "$1" "CREATE TABLE IF NOT EXISTS app.ev ON CLUSTER $2 (d Date, id UInt64, v String) ENGINE = ReplicatedMergeTree('/clickhouse/tables/{installation}/{shard}/app/ev', '{replica}') PARTITION BY toYYYYMM(d) ORDER BY id" &&
        sql "$1" "CREATE TABLE IF NOT EXISTS app.ev_all ON CLUSTER $2 AS app.ev ENGINE = Distributed('$2', 'app', 'ev', cityHash64(id))"
}
check "tables are made ON CLUSTER" tables_made
insert() { curl -sS --fail-with-body "http://$(balancer):8123/?insert_distributed_sync=1" --data-binary "INSERT INTO app.ev_all SELECT toDate('2026-01-01'), number + 1000000000, 'a' FROM numbers(10000)"; }
check "rows are inserted through the Service" insert
count_is() { answers 'SELECT count() FROM app.ev_all' "$1" "$2"; }
check "every host counts them" wait_until 20 count_is 10000 4
both_let_in() { # the one that stands by, too
    local p
    for p in $(kc -n chfleet get pods -l app.kubernetes.io/name=chfleet -o 'jsonpath={.items[*].status.podIP}'); do
        kc -n $NS get configmap chi-up-common-usersd -o 'jsonpath={.data.chop-generated-users\.xml}' | grep -qF "<ip>$p</ip>" || return 1
    done
}
check "servers let in both operators" both_let_in

say "scale out"
installation 3 18.16.1
watch_start
from=$SECONDS
check "a third replica of each shard is complete" apply_up 240
took "scaling out by 2 hosts" $from
watch_end
check "no host restarted for it" started_each 1 4
check "the new hosts have the schema and the rows" wait_until 30 count_is 10000 6
own_rows() { # all replicas of a shard have the same rows of their own
    on_all 'SELECT count() FROM app.ev' | sed 's/chi-up-main-\([0-9]*\)-[0-9]*/\1/' | sort -u | awk '{n[$1]++; s += $2} END {for (i in n) if (n[i] != 1) exit 1; exit s != 10000}'
}
check "copied from their peers" wait_until 30 own_rows

say "upgrade under load, while operators die"
watch_start
"$BUILD/story-load" --http "$(balancer):8123" --native "$(balancer):9000" --cluster-table app.ev_all --seconds 1200 --fresh >"$WORK/load.json" &
LOAD=$!
sleep 2
installation 3 18.16.9
audit_from=$(wc -l <"$N/audit.log")
from=$SECONDS
put "$WORK/up.yaml" >/dev/null
upgraded() { [ "$(on_all 'SELECT version()' 2>/dev/null | grep -c '18\.16\.9')" -ge "$1" ]; }
check "the upgrade begins" wait_until 120 upgraded 1
# The operator's main process of the leading pod: the one whose parent is the container's shim.
kill_leader() {
    local id p
    id=$(kc -n chfleet get pod "$(leader)" -o 'jsonpath={.status.containerStatuses[0].containerID}')
    p=$(ctr -a "$SOCK" -n k8s.io tasks ls | awk -v id="${id#containerd://}" '$1 == id {print $2}')
    [ -n "$p" ] && kill -9 "$p"
}
was=$(leader)
check "the leading operator is killed" kill_leader
lease_moved() { [ "$(leader)" != "$was" ] || leads; }
check "an operator leads again" wait_until 40 lease_moved
check "it goes on" wait_until 180 upgraded 3
was=$(leader)
check "the leading pod is deleted" kc -n chfleet delete pod "$was" --wait=false
moved() { [ -n "$(leader)" ] && [ "$(leader)" != "$was" ]; }
check "the other one takes over" wait_until 40 moved
check "the upgrade is complete" wait_until 400 complete chi up
took "the upgrade of 6 hosts with two take-overs" $from
sleep 2
kill -TERM $LOAD
wait $LOAD
watch_end
say "load: $(head -c 500 "$WORK/load.json")"
say "observer: $(head -c 900 "$WORK/observer.json")"
check "all run the new version" answers 'SELECT version()' 18.16.9 6
check "no query failed" loaded '.failed == 0'
check "many were answered" loaded '.per_second >= 50 and .native_ok > 10'
check "each host restarted once, one replica of a shard at a time" started_each 2 6
exact() {
    local acked
    acked=$(($(jq .acked_rows "$WORK/load.json") + 10000))
    [ "$(sql "$first" 'SELECT count(), uniqExact(id) FROM app.ev_all')" = "$acked	$acked" ]
}
check "every acknowledged row is there exactly once" wait_until 30 exact
rows=$(sql "$first" 'SELECT count() FROM app.ev_all')
requests=$(tail -n "+$((audit_from + 1))" "$N/audit.log" | jq -r 'select(.objectRef.resource != "leases" and .verb != "watch") | .verb' | wc -l)
say "API requests for 6 restarts, with two take-overs: $requests"

say "scale in"
installation 2 18.16.9
from=$SECONDS
check "the third replicas leave" apply_up 240
took "scaling in by 2 hosts" $from
check "their pods are gone" test "$(pods_of_up)" -eq 4
entries() { [ "$(sql "$first" "SELECT count() FROM system.zookeeper WHERE path = '/clickhouse/tables/up/0/app/ev/replicas'")" = 2 ]; }
check "their entries are gone from Keeper" entries
check "no row is lost" count_is "$rows" 4

say "settings"
watch_start
users="      load/password: secret-word
      load/networks/ip: \"::/0\"
      load/profile: default
      load/quota: default"
sed -i 's/^    users: {default.*/    users:\n      default\/networks\/ip: "::\/0"/' "$WORK/up.yaml"
awk -v u="$users" '{print} /^      default\/networks\/ip/ {print u}' "$WORK/up.yaml" >"$WORK/up2.yaml" && mv "$WORK/up2.yaml" "$WORK/up.yaml"
from=$SECONDS
check "a new user is complete" apply_up 120
known() { # by every host
    local address
    for address in $(hosts_of | awk '{print $3}'); do
        [ "$(curl -sS -u load:secret-word "http://$address/" --data-binary 'SELECT 1')" = 1 ] || return 1
    done
}
check "every host knows the user" wait_until 100 known
took "a new user on every host" $from
watch_end
check "without a restart" started_each 1 4
installation 2 18.16.9 "    settings: {max_connections: 500}"
watch_start
from=$SECONDS
check "a setting that needs a restart is complete" apply_up 400
took "restarting 4 hosts for a setting" $from
watch_end
check "each host restarted once, one replica at a time" started_each 2 4

say "task IDs"
installation 2 18.16.9 "    settings: {max_connections: 500}" "  taskID: t1
  restart: RollingUpdate"
watch_start
from=$SECONDS
check "an ordered restart is complete" apply_up 400
took "restarting 4 hosts by task ID" $from
kc -n chfleet delete pods --all --wait=false >/dev/null
check "new operators lead" wait_until 60 leads
sleep 5
watch_end
check "each host restarted once, and not again when new operators come" started_each 2 4

say "a tag that does not exist"
watch_start
installation 2 nosuch "    settings: {max_connections: 500}" "  taskID: t1
  restart: RollingUpdate"
put "$WORK/up.yaml" >/dev/null
aborted() { kc -n $NS get chi up -o json | jq -e '.status.status == "Aborted" and (.status.error | test("main/0/0|chi-up-main-0-0"))'; }
from=$SECONDS
check "the upgrade stops and says where" wait_until 240 aborted
took "giving up" $from
pull_fails() { kc -n $NS get pod chi-up-main-0-0-0 -o 'jsonpath={.status.containerStatuses[0].state.waiting.reason}' | grep -E 'ErrImagePull|ImagePullBackOff'; }
check "because the image cannot be pulled" pull_fails
three() { [ "$(on_all 'SELECT version()' 2>/dev/null | grep -c '18\.16\.9')" -eq 3 ]; }
check "three hosts were not touched" three
installation 2 18.16.9 "    settings: {max_connections: 500}" "  taskID: t1
  restart: RollingUpdate"
from=$SECONDS
check "the old tag back repairs it" apply_up 240
took "repairing" $from
watch_end
check "no other host restarted" observed '[.starts | to_entries[] | select(.key != "chi-up-main-0-0") | .value] | max == 1'

say "stop, start"
installation 2 18.16.9 "    settings: {max_connections: 500}" "  stop: \"yes\"
  taskID: t1
  restart: RollingUpdate"
check "stop is complete" apply_up 180
check "no server runs" wait_until 40 no_pods
check "the volumes are there" claims 6
installation 2 18.16.9 "    settings: {max_connections: 500}" "  taskID: t1
  restart: RollingUpdate"
check "start is complete" apply_up 240
check "the rows came back" wait_until 40 count_is "$rows" 4

say "delete and return"
check "it is deleted" kc -n $NS delete chi up --timeout=180s
check "its servers are gone" wait_until 40 no_pods
check "volumes that are to be retained stay" claims 6
check "it is created again" apply_up 240
check "with its rows" wait_until 40 count_is "$rows" 4
no_refusal() { ! kc -n chfleet logs -l app.kubernetes.io/name=chfleet --tail=-1 | grep -iE 'forbidden|HTTP 403'; }
check "nothing that the operators asked for was forbidden" no_refusal
finish
