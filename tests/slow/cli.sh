#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The command line on real servers: what it prints, how it ends, what survives kill -9 of plane, operator and guard.
# shellcheck source=tests/story/_lib.sh
. "$SRC/tests/story/_lib.sh"
need clickhouse-server haproxy java jq curl

# gives CODE WORDS COMMAND…: exit code, and words that must be in what it prints
gives() {
    local code=$1 words=$2 out rc
    shift 2
    out=$("$@" 2>&1 </dev/null)
    rc=$?
    printf '%s\n' "$out"
    [ "$rc" -eq "$code" ] || {
        echo "exit code $rc, expected $code"
        return 1
    }
    [[ $out == *"$words"* ]]
}
nothing_runs() { ! pgrep -af -- "$DATA"; }
alive() { kill -0 "$(pid_of "$1")" 2>/dev/null; }

say "before anything runs"
check "status says that nothing runs" gives 5 "chfleet up" chf status
check "kubeconfig says what makes it" gives 5 "chfleet up makes it" chf kubeconfig
check "down is harmless" gives 0 "nothing runs" chf down
check "up does not take a folder of somebody else" gives 2 "not a folder of chfleet up" "$BUILD/chfleet" up --data "$SRC"
check "down does not purge a folder of somebody else" gives 2 "not a folder of chfleet up" "$BUILD/chfleet" down --purge --data "$SRC"
check "wrong usage ends with 2" gives 2 "unknown option --nix" chf status --nix
check "version works without a fleet" gives 0 "chfleet " chf version

say "up"
check "up serves" gives 0 "kubeconfig $DATA/plane/kubeconfig" chf up
first="$(pid_of plane) $(pid_of operator) $(pid_of guard)"
check "up twice changes nothing" gives 0 "plane" chf up
check "the same processes" test "$first" = "$(pid_of plane) $(pid_of operator) $(pid_of guard)"
metrics_at() { curl -fsS --max-time 10 "http://$(cat "$DATA/exporter/address")/metrics"; }
shows_metrics() { metrics_at | grep -q '^chfleet_exporter_hosts '; }
check "metrics of the databases are shown" wait_until 20 shows_metrics
metrics_first=$(cat "$DATA/exporter/address")
check "status says where" gives 0 "http://$metrics_first/metrics" chf status
kill -9 "$(pid_of exporter)"
same_place() { [ "$(cat "$DATA/exporter/address")" = "$metrics_first" ] && shows_metrics; }
check "an exporter that dies comes back at the same place" wait_until 20 same_place
check "it can be switched off" gives 0 "operator" chf up --exporter off
no_exporter() { ! alive exporter && ! chf status | grep -q /metrics; }
check "then there is none" no_exporter
check "nor after the next up" bash -c "'$BUILD/chfleet' up --data '$DATA' | grep -c exporter | grep -qx 0"
taken=$(cat "$DATA/operator/status.address") # by the operator
check "an address that is taken is told, and where to look" gives 1 "give it another address with --exporter" chf up --exporter "$taken"
check "… and all else runs" gives 0 "chfleet apply -f FILE" chf status
check "an address that is none" gives 2 "write HOST:PORT" chf up --exporter 8888
check "it can be put anywhere" gives 0 "/metrics (Prometheus)" chf up --exporter 127.0.0.1:0
check "the others are still the same processes" test "$first" = "$(pid_of plane) $(pid_of operator) $(pid_of guard)"
check "an empty fleet says what to do" gives 0 "chfleet apply -f FILE" chf status
check "the kubeconfig is private" test "$(stat -c %a "$(chf kubeconfig)")" = 600

say "bad input sends nothing"
cat >"$WORK/bad.yaml" <<'YAML'
apiVersion: clickhouse.altinity.com/v1
kind: ClickHouseInstallation
metadata: {name: bad}
spec:
  stop: maybe
  configuration:
    clusters:
      - name: a
        layout: {shardCount: 2}
YAML
check "each mistake with file, line and what to write" gives 2 'bad.yaml:9:18: error: spec.configuration.clusters[0].layout.shardCount: there is no such field; did you mean "shardsCount"?' chf apply -f "$WORK/bad.yaml"
check "the good document beside a bad one is not sent either" gives 2 "nothing was sent" chf apply -f "$SRC/examples/quickstart.yaml" -f "$WORK/bad.yaml"
check "no resource came" gives 0 "no installation" chf status
check "broken YAML" gives 2 "stdin:" bash -c "printf 'a: [1' | '$BUILD/chfleet' --data '$DATA' apply -f -"
check "a missing file" gives 2 "No such file" chf apply -f "$WORK/none.yaml"
check "the same name twice" gives 2 "stands already at" chf apply -f "$SRC/examples/quickstart.yaml" -f "$SRC/examples/quickstart.yaml"
check "a kind nobody knows" gives 2 "Frob" bash -c "printf 'apiVersion: v1\nkind: Frob\nmetadata: {name: a}\n' | '$BUILD/chfleet' --data '$DATA' apply -f -"

say "apply"
check "a dry run sends nothing" gives 0 "clickhouseinstallation/demo created (dry run)" chf apply --dry-run -f "$SRC/examples/quickstart.yaml"
check "plan tells what would be made" gives 0 "4 create" chf plan -f "$SRC/examples/quickstart.yaml"
cat >"$WORK/two.yaml" <<'Y'
apiVersion: clickhouse.altinity.com/v1
kind: ClickHouseInstallation
metadata: {name: shop}
spec: {configuration: {clusters: [{name: a-b}]}}
---
apiVersion: clickhouse.altinity.com/v1
kind: ClickHouseInstallation
metadata: {name: shop-a}
spec: {configuration: {clusters: [{name: b}]}}
Y
check "plan tells that two installations want the same name" gives 2 'belongs to a host of installation "shop' chf plan -f "$WORK/two.yaml"
check "apply waits, and says how to connect" gives 0 "clickhouse-client --host 127.0.0.1 --port" chf apply -f "$SRC/examples/quickstart.yaml" --wait --timeout 3m
check "twice is unchanged" gives 0 "clickhouseinstallation/demo unchanged" chf apply -f "$SRC/examples/quickstart.yaml"
check "nothing is left to be done" gives 0 "4 unchanged" chf plan demo
check "the balancer answers" wait_until 10 bash -c '. "$SRC/tests/story/_lib.sh"; trap - EXIT; [ "$(sql "http://$(balancer demo http)/" "SELECT 1")" = 1 ]'
check "a removal of data is refused with 3 and the YAML to write" gives 3 'dataLoss: ["main/1"]' bash -c "sed 's/shardsCount: 2/shardsCount: 1/' '$SRC/examples/quickstart.yaml' >'$WORK/small.yaml'; '$BUILD/chfleet' --data '$DATA' plan -f '$WORK/small.yaml'"

say "looking"
check "status names hosts and what runs" gives 0 "main/1/1" chf status demo
check "status as JSON" bash -c "'$BUILD/chfleet' --data '$DATA' status -o json | jq -e '.apiVersion == \"chfleet.io/v1\" and (.installations | length == 2) and ([.installations[].hosts[]] | length == 5)'"
check "a name that is not there" gives 1 "no installation nix" chf status nix
check "get as a table" gives 0 "chi-demo-main-0-1-0" chf get pods
check "get of one object as YAML" bash -c "'$BUILD/chfleet' --data '$DATA' get chi demo -o yaml | grep -qx 'kind: ClickHouseInstallation'"
check "a missing object" gives 1 "not found" chf get chi nix
check "history" gives 0 "default/demo" chf history demo
op=$(chf history demo -o json | jq '.operations[-1].op')
check "steps of an operation" gives 0 "started" chf history "$op"
check "history of what is not there" gives 1 "no step of operation 99999" chf history 99999
check "history of nobody" gives 1 "nothing was done to nix" chf history nix
check "why" chf why demo
check "why of nobody" gives 1 "there is no installation nix" chf why nix
check "logs" bash -c "'$BUILD/chfleet' --data '$DATA' logs main/0/0 --tail 5 | grep -q ."
check "logs of nobody" gives 1 "no host or pod" chf logs main/9/9
check "exec passes output and exit code" gives 7 "hello" chf exec main/0/0 -- sh -c 'echo hello; exit 7'
check "exec passes input" bash -c "echo from-here | '$BUILD/chfleet' --data '$DATA' exec -i main/0/0 -- cat | grep -qx from-here"
check "exec of what is not there" bash -c "! '$BUILD/chfleet' --data '$DATA' exec main/0/0 -- /no/such/program"
check "explain" gives 0 "TYPE" chf explain chi.spec.stop
sha=$(chf get cm chi-demo-common-usersd -o json | grep -o '[0-9a-f]\{64\}' | head -n 1)
check "a dump holds the fleet and no password" bash -c "cd '$WORK' && '$BUILD/chfleet' --data '$DATA' dump -f dump.tar >/dev/null && tar -xf dump.tar && grep -rq chi-demo-main-0-0 chfleet-dump-*/objects && [ -n '$sha' ] && ! grep -rq '$sha' chfleet-dump-*"

say "kill -9"
kill -9 "$(pid_of plane)" "$(pid_of operator)"
check "plane and operator come back by themselves" wait_until 10 bash -c '. "$SRC/tests/story/_lib.sh"; trap - EXIT; chf status demo | grep -q Completed'
kill -9 "$(pid_of guard)"
check "without its guard the fleet goes on" gives 0 "Completed" chf status demo
kill -9 "$(pid_of plane)"
check "up brings back what is missing" gives 0 "plane" chf up
check "a guard runs again" alive guard
starts() { chf get pods -o json | jq '[.items[].status.containerStatuses[].restartCount] | add'; }
check "no database restarted for it" test "$(starts)" = 0
check "nothing is to be done after all that" wait_until 20 bash -c '. "$SRC/tests/story/_lib.sh"; trap - EXIT; settled demo && chf plan demo | grep -q "4 unchanged"'

say "delete"
cat >"$WORK/extra.yaml" <<'YAML'
apiVersion: clickhouse-keeper.altinity.com/v1
kind: ClickHouseKeeperInstallation
metadata: {name: extra}
spec:
  configuration: {clusters: [{name: k, layout: {replicasCount: 1}}]}
  defaults: {templates: {dataVolumeClaimTemplate: data}}
  templates:
    volumeClaimTemplates:
      - name: data
        spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
YAML
check "another Keeper is made" gives 0 "extra created" chf apply -f "$WORK/extra.yaml" --wait --timeout 60s
check "and deleted with its volume" gives 0 "is being deleted" chf delete -f "$WORK/extra.yaml" --wait --timeout 30s
check "nothing of it is left" bash -c "! '$BUILD/chfleet' --data '$DATA' get pods,services,sts,cm,pvc | grep extra"

say "down and up"
check "down" gives 0 "databases ended" chf down
check "nothing runs any more" nothing_runs
check "the fleet is not reachable" gives 5 "chfleet up starts it" chf get chi
check "up again" chf up
finds_hosts() { metrics_at | grep -q '^chi_clickhouse_metric_fetch_errors{chi="demo".*fetch_type="system.metrics".* 0$'; }
check "the exporter is back, too, and finds the hosts" wait_until 60 finds_hosts
check "the cluster comes back" wait_until 60 bash -c '. "$SRC/tests/story/_lib.sh"; trap - EXIT; settled demo && chf status demo | grep -c " yes " | grep -qx 4'
check "--keep leaves databases running" gives 0 "exporter ended" chf down --keep
check "they do" pgrep -f -- "--config-file=$DATA/plane/pods"
check "up takes them over" chf up
check "--purge removes the folder" gives 0 "removed" chf down --purge
check "it is gone" test ! -e "$DATA"
check "and nothing runs" nothing_runs
finish
