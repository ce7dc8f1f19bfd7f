#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Death at any instant: supervisor, spawner, workers, plane, shims and servers are killed with SIGKILL at random moments while
# the fleet is restarted, scaled and upgraded. The work ends as if nothing had happened, and nothing is done twice.
# shellcheck source=tests/story/_lib.sh
. "$SRC/tests/story/_lib.sh"
# shellcheck source=tests/story/_fleet.sh
. "$SRC/tests/story/_fleet.sh"
need clickhouse-server haproxy java jq curl

RANDOM=${SEED:-1}
keeper >"$WORK/keeper.yaml"
fleet die 2 2 24.8 >"$WORK/die.yaml"
chf up >/dev/null || exit 1
check "2 x 2 is complete" bash -c '. "$SRC/tests/story/_lib.sh"; trap - EXIT; chf apply -f "$WORK/keeper.yaml" && apply "$WORK/die.yaml" 180'
back() { [ "$(on_all die "SELECT count() FROM system.tables WHERE database = 'app'" | awk '$2 >= 2' | wc -l)" -eq 4 ]; }
made() { tables_each die main && back; }
check "tables are made on every server" wait_until 180 made

children() { ps -o pid= --ppid "$1" 2>/dev/null; }
kill_one() { # plane | operator | worker | spawner
    local victim pid
    case $1 in
    plane | operator) victim=$(pid_of "$1") ;;
    shim) victim=$(pgrep -f -- "chfleet-shim $DATA/plane/pods" | sort -R | head -n 1) ;;
    server) victim=$(pgrep -f -- "clickhouse-server --config-file=$DATA" | sort -R | head -n 1) ;;
    spawner) victim=$(children "$(pid_of operator)" | head -n 1) ;;
    worker)
        victim=
        for pid in $(children "$(pid_of operator)"); do victim="$victim $(children "$pid")"; done
        victim=$(tr ' ' '\n' <<<"$victim" | grep . | sort -R | head -n 1)
        ;;
    esac
    [ -n "${victim// /}" ] && kill -9 "${victim// /}" 2>/dev/null && say "killed $1 ($victim)"
}

for round in 1 2 3; do
    for victim in operator worker plane spawner; do
        say "task die-$round-$victim"
        watch_start die
        fleet die 2 2 24.8 "" "  taskID: die-$round-$victim
  restart: RollingUpdate" >"$WORK/die.yaml"
        chf apply -f "$WORK/die.yaml" >/dev/null || say "apply failed"
        sleep "0.$((RANDOM % 9))"
        kill_one "$victim"
        sleep "$((RANDOM % 2)).$((RANDOM % 9))"
        kill_one "$victim"
        chf up >/dev/null
        check "round $round: the restart goes on after the death of $victim" wait_until 180 settled die
        watch_end
        check "round $round: each host restarted exactly once, one at a time" jq -e '(.violated | not) and ([.starts[]] | all(. == 2))' "$WORK/observer.json"
    done
done

say "nobody restarts a database because chfleet died"
watch_start die
for victim in operator plane spawner shim operator plane; do
    kill_one "$victim"
    sleep 0.5
    chf up >/dev/null
done
sleep 3
watch_end
check "no database restarted" jq -e '(.violated | not) and ([.starts[]] | all(. == 1))' "$WORK/observer.json"

say "a server that dies comes back by itself"
victim_answers() { [ "$(on_all die 'SELECT count() FROM app.ev' | awk 'NF == 2' | wc -l)" -eq 4 ]; }
kill_one server
check "all four answer again" wait_until 180 victim_answers
check "and the fleet is complete" wait_until 180 settled die

say "all at once"
pids=$(pgrep -f -- "$DATA/" | grep -vx "$$") # every process of this fleet has its folder in its command line
say "killing $(wc -w <<<"$pids") processes"
# shellcheck disable=SC2086 # a list
kill -9 $pids 2>/dev/null
chf up >/dev/null
check "everything comes back by itself" wait_until 240 back
check "and the fleet says so" wait_until 240 settled die
finish
