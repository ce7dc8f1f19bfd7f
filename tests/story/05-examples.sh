#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Some of examples/ on real servers of this machine: what a manifest says is what the server says.
# shellcheck source=tests/story/_lib.sh
. "$SRC/tests/story/_lib.sh"
need clickhouse-server haproxy java jq curl

first() { hosts_of "$1" | awk 'NR == 1 {print "http://" $3 "/"}'; }
# says INSTALLATION WANTED STATEMENT: what its first host answers, lines joined by commas
says() {
    local got
    got=$(sql "$(first "$1")" "$3" | paste -sd, -)
    echo "$got"
    [ "$got" = "$2" ]
}
# as INSTALLATION USER PASSWORD: may this user ask?
as() {
    local got
    got=$(curl -sS --max-time 20 -u "$2:$3" "$(first "$1")" --data-binary 'SELECT 1')
    echo "$got"
    [ "$got" = 1 ]
}
take() { # EXAMPLE INSTALLATION
    check "examples/$1 is applied" chf apply -f "$SRC/examples/$1"
    check "… and $2 is completed" wait_until 120 settled "$2"
}
gone() { # EXAMPLE: a machine has room for a few servers
    check "… and it is deleted" chf delete -f "$SRC/examples/$1" --wait --timeout 120s
}

check "up starts plane and supervisor" chf up

take layout/named-shards.yaml named-shards
check "shards have their weights and replicas" says named-shards $'hot\t3\t2,cold\t1\t1' \
    "SELECT if(shard_num = 1, 'hot', 'cold'), any(shard_weight), count() FROM system.clusters WHERE cluster = 'main' GROUP BY shard_num ORDER BY shard_num"
check "Keeper answers" says named-shards 1 "SELECT count() FROM system.zookeeper WHERE path = '/' AND name = 'clickhouse'"
gone layout/named-shards.yaml

take settings/macros.yaml macros
check "macros of files and settings are expanded" says macros 'host=only 0 0,number=0,origin=default/macros,place=main/a' \
    "SELECT concat(macro, '=', substitution) FROM system.macros WHERE macro IN ('host', 'number', 'origin', 'place') ORDER BY macro"
check "a user with a macro in the name may ask" as macros macros-reader secret
gone settings/macros.yaml

take settings/exact-numbers.yaml exact-numbers
check "large numbers keep their digits" says exact-numbers 9223372036854775807 \
    "SELECT value FROM system.settings WHERE name = 'max_bytes_to_read'"
gone settings/exact-numbers.yaml

take users/passwords-from-environment.yaml env-passwords
check "a password from the environment" as env-passwords writer correct-horse-battery
check "… and one written the long way" as env-passwords loader staple
check "a wrong one is refused" not as env-passwords writer wrong
gone users/passwords-from-environment.yaml

take templates/order.yaml order
check "the template's value counts, the installation's other one too" says order 'max_execution_time=300,max_threads=4' \
    "SELECT concat(name, '=', value) FROM system.settings WHERE name IN ('max_threads', 'max_execution_time') ORDER BY name"
gone templates/order.yaml

take storage/data-and-log.yaml data-and-log
log_there() { [ -n "$(find "$DATA" -path '*log-chi-data-and-log*' -name 'clickhouse-server.log' -size +0)" ]; }
check "the log is on its own volume" wait_until 20 log_there
check "the container for the log runs beside the server" bash -c 'chfleet --data "$1" get pod chi-data-and-log-main-0-0-0 -o json | jq -e "[.status.containerStatuses[] | select(.state.running)] | length == 2"' _ "$DATA"
gone storage/data-and-log.yaml

take network/host-template.yaml host-template
check "hosts find each other" says host-template 2 "SELECT count() FROM system.clusters WHERE cluster = 'main'"
gone network/host-template.yaml

take operations/stop.yaml stopped
no_server() { ! chf get pods -o json | jq -e '.items[] | select(.metadata.labels["clickhouse.altinity.com/chi"] == "stopped")'; }
check "nothing runs of what is stopped" no_server
check "chfleet stops" chf down
finish
