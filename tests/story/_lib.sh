# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Pieces of the stories: an embedded fleet of real servers in $WORK, asked only from outside.
set -uo pipefail
: "${BUILD:?} ${SRC:?} ${WORK:?}"
export NO_COLOR=1
DATA=$WORK/data
# shellcheck source=tests/lib/tap.sh
. "$SRC/tests/lib/tap.sh"
POLL_S=0.2
PATH=$BUILD:/usr/sbin:$PATH

chf() { "$BUILD/chfleet" --data "$DATA" "$@"; }
check_failed() {
    case "$*" in *observer.json*) cat "$WORK/observer.json" ;; esac
}

plan_of() { chf plan -f "$1"; }

# Services of hosts: "SHARD NAME ADDRESS:HTTPPORT" of installation $1
hosts_of() {
    chf get services -o json | jq -r --arg chi "$1" '
        .items[] | select(.metadata.labels["clickhouse.altinity.com/chi"] == $chi and
                          .metadata.labels["clickhouse.altinity.com/Service"] == "host")
        | (.metadata.labels["clickhouse.altinity.com/cluster"] + "/" + .metadata.labels["clickhouse.altinity.com/shard"]) + " "
          + .metadata.name + " 127.0.0.1:" + (.spec.ports[] | select(.name == "http") | .port | tostring)' | sort
}
host_url() { # INSTALLATION HOST
    hosts_of "$1" | awk -v h="$2" '$2 == h {print "http://" $3 "/"}'
}
# Where the balancer of installation $1 listens for protocol $2 (http or tcp)
balancer() {
    chf get services -o json | jq -r --arg n "clickhouse-$1" '.items[] | select(.metadata.name == $n) | .metadata.annotations["chfleet.io/endpoints"]' |
        tr ',' '\n' | awk -F= -v p="$2" '$1 == p {print $2}'
}
sql() { # URL STATEMENT
    curl -sS --fail-with-body --max-time 60 "$1?wait_end_of_query=1" --data-binary "$2"
}
on_all() { # INSTALLATION STATEMENT: "HOST answer" of each host
    local name address
    hosts_of "$1" | while read -r _ name address; do
        printf '%s %s\n' "$name" "$(sql "http://$address/" "$2")"
    done
}

wait_failed() {
    chf status
    chf get pods
}
status_is() { # INSTALLATION WORD
    [ "$(chf get chi "$1" -o json | jq -r '.status.status // ""')" = "$2" ]
}
# The resource's own words: Completed for the generation that is in the spec now
settled() {
    chf get chi "$1" -o json | jq -e '
        .metadata.generation as $g | .status.status == "Completed" and
        ([.status.conditions[]? | select(.type == "Ready" and .status == "True" and .observedGeneration == $g)] | length == 1)' >/dev/null
}
apply() { # FILE [SECONDS]
    chf apply -f "$1" && wait_until "${2:-120}" settled "$(awk '/^  name:/ {print $2; exit}' "$1")"
}

# version_copy DIR: the same server that says its version is 18.16.9
version_copy() {
    local dir=$1 lib
    mkdir -p "$dir"
    lib=$(find /usr/lib -name libclickhouse.so.18.16.1 2>/dev/null | head -n 1)
    [ -n "$lib" ] || return 1
    perl -0777 -pe 's/18\.16\.1(?![+\/-])/18.16.9/g; s/18\.1\xc6E\x97\x00\xc7E\x9316\.1/18.1\xc6E\x97\x00\xc7E\x9316.9/g;
        s/\x0018\.16\.1\+ds-7\.3\+b2\x00/\x0018.16.9+ds-7.3+b2\x00/g' "$lib" >"$dir/libclickhouse.so.18.16" || return 1
    cp "$(command -v clickhouse-server)" "$dir/clickhouse-server"
}

need() {
    local p
    for p in "$@"; do
        command -v "$p" >/dev/null || {
            echo "skipped: $p is not installed"
            exit 77
        }
    done
}

watch_start() { # INSTALLATION
    hosts_of "$1" >"$WORK/hosts"
    rm -f "$WORK/observer.seen"
    "$BUILD/story-observer" --hosts "$WORK/hosts" --seen "$WORK/observer.seen" >"$WORK/observer.json" &
    OBSERVER=$!
    wait_until 60 test -e "$WORK/observer.seen" || say "the observer has not seen every host"
}
watch_end() {
    kill -TERM "$OBSERVER" 2>/dev/null
    wait "$OBSERVER"
}
load_start() { # INSTALLATION TABLE FIRST-ID
    "$BUILD/story-load" --http "$(balancer "$1" http)" --native "$(balancer "$1" tcp)" --cluster-table "$2" --seconds 900 \
        --first-id "$3" >"$WORK/load.json" &
    LOAD=$!
}
load_end() {
    kill -TERM "$LOAD" 2>/dev/null
    wait "$LOAD"
}

pid_of() { # plane | operator
    awk '{print $1; exit}' "$DATA/run/$1.pid"
}

end_all() {
    [ -z "${LOAD-}" ] || kill -9 "$LOAD" 2>/dev/null
    [ -z "${OBSERVER-}" ] || kill -9 "$OBSERVER" 2>/dev/null
    chf down --purge --yes >/dev/null 2>&1
}
trap end_all EXIT

finish() {
    if [ "$FAILED" -gt 0 ] && [ -n "${KEEP_LOGS-}" ]; then
        cp -r "$DATA/log" "$KEEP_LOGS" 2>/dev/null
    fi
    [ "$FAILED" -eq 0 ]
    exit
}
not() { ! "$@"; }
