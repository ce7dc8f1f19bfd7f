#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The processes of chfleet up under rough hands: killed at random moments (seed in $SEED), with stale, foreign and damaged
# pid files, in folders with spaces, relative, read-only, without HOME.
# shellcheck source=tests/story/_lib.sh
. "${SRC:?}/tests/story/_lib.sh"
# shellcheck source=tests/story/_fleet.sh
. "$SRC/tests/story/_fleet.sh"
need clickhouse-server java haproxy jq curl
RANDOM=${SEED:-1}

cd "$WORK" || exit 1
DATA="$WORK/a folder/with 'quotes' & spaces"
KUBE=$DATA/plane/kubeconfig

# How many processes of this fleet there are, by what they are: "guard plane operator"
count() { # WORDS-OF-THE-COMMAND-LINE…
    local n=0 pid line
    for pid in /proc/[0-9]*; do
        line=$({ tr '\0' '\n' <"$pid/cmdline"; } 2>/dev/null) || continue
        case "$line" in
        "$1"$'\n'*"$DATA"*) [[ $'\n'"$line" != *$'\n'"${2-}"* ]] || n=$((n + 1)) ;;
        esac
    done
    echo "$n"
}
one_of_each() {
    local operators
    # chfleetd forks two spawners of the same command line
    operators=$(count "$BUILD/chfleetd" --kubeconfig)
    [ "$(count "$BUILD/chfleet" --foreground)" = 1 ] && [ "$(count "$BUILD/chfleet-plane" --data)" = 1 ] &&
        [ "$operators" = 3 ] || {
        echo "guards $(count "$BUILD/chfleet" --foreground), planes $(count "$BUILD/chfleet-plane" --data), operators $operators (3 processes each)"
        return 1
    }
}
none_left() {
    local n
    n=$(count "$BUILD/chfleet" --foreground)$(count "$BUILD/chfleet-plane" --data)$(count "$BUILD/chfleetd" --kubeconfig)$(count "$BUILD/chfleet-shim")
    [ "$n" = 0000 ] || {
        echo "guards, planes, operators, shims: $n"
        return 1
    }
}
moment() { # MAX-MS: sleeps a random part of it
    sleep "$(awk -v n="$((RANDOM % $1))" 'BEGIN {print n / 1000}')"
}

# ---- chfleet up and down, interrupted ----
interrupted() { # COMMAND… : killed at a random moment, ten times
    local signal
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        "$@" >/dev/null 2>&1 &
        moment 120
        signal=KILL
        [ $((RANDOM % 3)) -gt 0 ] || signal=INT
        kill "-$signal" $! 2>/dev/null
        wait $! 2>/dev/null
    done
    true
}
check "up interrupted ten times" interrupted "$BUILD/chfleet" --data "$DATA" up
check "up then works" chf up
check "one guard, one plane, one operator" one_of_each
before="$(pid_of plane) $(pid_of operator) $(pid_of guard)"
check "up again changes nothing" chf up
check "the same processes" test "$(pid_of plane) $(pid_of operator) $(pid_of guard)" = "$before"
keeper >keeper.yaml
fleet mine 1 2 24.8 >mine.yaml
check "a Keeper in a folder with spaces and quotes" chf apply -f keeper.yaml --wait --timeout 60s
check "an installation in it" chf apply -f mine.yaml --wait --timeout 60s
check "its balancer answers" sql "http://$(balancer mine http)/" "SELECT 1"
servers() { chf get pods -o json | jq -r '.items[] | .metadata.name + " " + .status.containerStatuses[0].containerID' | sort; }
servers >servers.before

# ---- pid files ----
sleep 600 &
SLEEPER=$!
kill_all() { # -9, all three, in an order by chance
    local names name
    mapfile -t names < <(printf 'guard\nplane\noperator\n' | shuf --random-source=<(yes "$RANDOM"))
    for name in "${names[@]}"; do
        kill -9 "$(pid_of "$name")" 2>/dev/null
    done
}
kill_everything() { # whatever of ours runs, found by its command line
    local pid
    for pid in $(pgrep -f "^$BUILD/(chfleet|chfleet-plane|chfleetd|chfleet-exporter) .*with 'quotes' & spaces"); do
        kill -9 "$pid" 2>/dev/null
    done
}
start_of() { awk '{print $22}' "/proc/$1/stat"; }
boot=$(cat /proc/sys/kernel/random/boot_id)
kill_all
check "guard, plane and operator killed: up starts them" chf up
check "one of each" one_of_each
kill_everything
for name in guard plane operator; do
    echo "$SLEEPER 1 $boot" >"$DATA/run/$name.pid"
done
check "pids that somebody else has by now" chf up
check "one of each of ours" one_of_each
kill_everything
for name in guard plane operator; do
    echo "$SLEEPER $(start_of "$SLEEPER") 00000000-0000-0000-0000-000000000000" >"$DATA/run/$name.pid"
done
check "pids from before a reboot" chf up
check "one of each again" one_of_each
kill_everything
for name in guard plane operator; do
    head -c 100 /dev/urandom >"$DATA/run/$name.pid"
done
check "pid files that are damaged" chf up
check "one of each still" one_of_each
kill_everything
rm -f "$DATA"/run/*.pid
check "no pid files at all" chf up
check "…one of each" one_of_each
rm -f "$DATA"/run/*.pid
check "pid files removed while all run: up finds them" chf up
check "and starts nothing twice" one_of_each
kill_everything
rm -f "$DATA"/run/*.pid
check "all killed, up; then the guard is killed and the pid files of the others are lost" chf up
kill -9 "$(pid_of guard)"
rm -f "$DATA"/run/plane.pid "$DATA"/run/operator.pid
check "the next guard adopts them" chf up
sleep 1
check "one of each of them" one_of_each
kill_everything
check "then all killed, and up" chf up
check "finally one of each" one_of_each
check "the stranger whose pid it was lives" kill -0 "$SLEEPER"
kill "$SLEEPER"
servers >servers.after
check "no server was touched by all that" diff servers.before servers.after

# ---- the plane killed while it writes ----
SERVER=$(awk '$1 == "server:" {print $2; exit}' "$KUBE")
post() { # N
    curl -sS -o /dev/null -w '%{http_code}' --max-time 3 --cacert "$DATA/plane/pki/ca.crt" \
        -H "Authorization: Bearer $(cat "$DATA/plane/pki/token")" -H 'Content-Type: application/json' \
        -d "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"w$1\"},\"data\":{\"n\":\"$1\"}}" \
        "$SERVER/api/v1/namespaces/default/configmaps" 2>/dev/null
}
: >acknowledged
(
    n=0
    until [ -e stop-writing ]; do
        n=$((n + 1))
        [ "$(post "$n")" = 201 ] && echo "w$n" >>acknowledged
    done
) &
writer=$!
for _ in 1 2 3 4 5; do
    moment 600
    wait_until 15 chf get chi mine
    kill -9 "$(pid_of plane)"
done
wait_until 20 chf get chi mine
touch stop-writing
wait "$writer"
say "$(wc -l <acknowledged) acknowledged writes"
all_there() {
    chf get configmaps -o json | jq -r '.items[].metadata.name' | sort >there
    sort acknowledged | comm -23 - there >lost
    [ ! -s lost ] && [ -s acknowledged ]
}
check "plane killed five times while it writes: every acknowledged write is there" all_there
check "the store is sound" wait_until 20 settled mine

# ---- everything killed while an installation is made ----
rough() {
    fleet other 2 1 24.8 >other.yaml
    chf apply -f other.yaml >/dev/null || return 1
    for _ in 1 2 3 4; do
        moment 400
        kill_all
        chf up >/dev/null || return 1
    done
    wait_until 90 settled other
}
check "guard, plane and operator killed four times while an installation is made: it is made" rough
check "one of each at the end" one_of_each
servers | grep -v chi-other >servers.after
check "the other servers were not touched" diff servers.before servers.after

# ---- down ----
check "down interrupted ten times" interrupted "$BUILD/chfleet" --data "$DATA" down
check "down then works" chf down
check "nothing is left running" none_left
check "down again is harmless" chf down
check "up, and the data is there" chf up
check "…the installation too" wait_until 60 settled mine
check "down --purge interrupted ten times" interrupted "$BUILD/chfleet" --data "$DATA" down --purge --yes
check "down --purge then works" chf down --purge --yes
check "nothing runs" none_left
check "nothing is left in the folder" test ! -e "$DATA"

# ---- other folders ----
mkdir elsewhere
check "a relative folder" "$BUILD/chfleet" --data relative up
check "…is the same one from another place" bash -c "cd elsewhere && '$BUILD/chfleet' --data ../relative get chi && '$BUILD/chfleet' --data ../relative down --purge --yes"
check "…and gone" test ! -e relative
check "without HOME, with --data" env -u HOME -u XDG_DATA_HOME "$BUILD/chfleet" --data "$WORK/nohome" up
check "…down" env -u HOME -u XDG_DATA_HOME "$BUILD/chfleet" --data "$WORK/nohome" down --purge --yes
refused() { # TEXT COMMAND…
    local text=$1 out
    shift
    out=$("$@" 2>&1) && return 1
    printf '%s\n' "$out"
    [[ "$out" == *"$text"* ]]
}
if unshare -rm true 2>/dev/null; then
    mkdir readonly
    check "a read-only file system" refused "choose another one with --data" unshare -rm bash -c \
        "mount -t tmpfs -o ro none readonly && exec '$BUILD/chfleet' --data readonly/x up"
    check "a data directory that became read-only" refused "Read-only" unshare -rm bash -c \
        "mount -t tmpfs none readonly && printf 'chfleet data version 1\n' >readonly/chfleet.data && mkdir readonly/{run,log,plane,operator} &&
         mount -o remount,ro readonly && exec '$BUILD/chfleet' --data readonly up"
else
    CASE=$((CASE + 1))
    echo "ok $CASE - a read-only folder # SKIP mount namespaces are not allowed here"
fi
finish
