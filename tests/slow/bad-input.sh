#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What people get wrong, on real servers: each mistake gets the right exit code and a message that says where and what to do,
# by the command line and by writes straight to the API; and an installation that was right goes on as if nothing happened.
# shellcheck source=tests/story/_lib.sh
. "${SRC:?}/tests/story/_lib.sh"
# shellcheck source=tests/story/_fleet.sh
. "$SRC/tests/story/_fleet.sh"
need clickhouse-server java haproxy jq curl perl

cd "$WORK" || exit 1

# says CODE TEXT… -- COMMAND…: exit code and all of these texts in what it says
says() {
    local code=$1 out rc want=()
    shift
    while [ "$1" != -- ]; do
        want+=("$1")
        shift
    done
    shift
    if [ "$(type -t "$1")" = function ]; then
        out=$("$@" 2>&1)
    else
        out=$(timeout 20 "$@" 2>&1)
    fi
    rc=$?
    printf '%s\n' "$out" | cut -c1-600
    [ "$rc" -eq "$code" ] || {
        echo "exit code $rc instead of $code"
        return 1
    }
    for text in "${want[@]}"; do
        [[ "$out" == *"$text"* ]] || {
            echo "it does not say: $text"
            return 1
        }
    done
}
chi() { # NAME SPEC-IN-FLOW-STYLE
    printf 'apiVersion: clickhouse.altinity.com/v1\nkind: ClickHouseInstallation\nmetadata:\n  name: %s\nspec: %s\n' "$1" "$2"
}
spoil() { # FILE: all but the first page
    perl -e 'my ($f) = @ARGV; my $n = -s $f; open(my $h, "+<", $f) or die; seek($h, 4096, 0); print $h "\xa5" x ($n - 4096)' "$1"
    rm -f "$1-wal" "$1-shm"
}
used_port() { # prints a port that another program listens on; ends with the test
    perl -MIO::Socket::INET -e '$| = 1; my $s = IO::Socket::INET->new(Listen => 5, LocalAddr => "127.0.0.1", LocalPort => $ARGV[0] // 0,
        ReuseAddr => 1) or die; print $s->sockport, "\n"; close STDOUT; sleep 600' "$@" >"$WORK/port" &
    OCCUPIER=$!
    wait_until 5 test -s "$WORK/port"
    cat "$WORK/port"
}

# ---- data directories, journals, ports of the daemons ----
mkdir theirs newer damaged
echo theirs >theirs/file
echo 'chfleet data version 99' >newer/chfleet.data
echo 'what is this' >damaged/chfleet.data
check "a folder of somebody else is not used" says 2 "is not a folder of chfleet up" "--data" -- "$BUILD/chfleet" up --data theirs
check "and is left as it was" test "$(ls theirs)" = file
check "a data directory of a newer version is refused" says 2 "newer chfleet" -- "$BUILD/chfleet" up --data newer
check "…by down too" says 2 "newer chfleet" -- "$BUILD/chfleet" down --data newer --purge
check "a damaged data directory is named" says 2 "damaged/chfleet.data" -- "$BUILD/chfleet" up --data damaged
check "a data directory below a file" says 2 "choose another one with --data" -- "$BUILD/chfleet" up --data theirs/file/below
check "no HOME and no --data" says 2 "--data" -- env -u HOME -u XDG_DATA_HOME "$BUILD/chfleet" get chi

check "the fleet starts" chf up
PLANE=$DATA/plane
KUBE=$PLANE/kubeconfig
operator() { # DATA-FOLDER OPTIONS…
    local data=$1
    shift
    timeout 20 "$BUILD/chfleetd" --kubeconfig "$KUBE" --data "$data" "$@"
}
check "a second supervisor on the same data" says 3 "in use by process" -- operator "$DATA/operator"
check "a second supervisor of the same fleet with other data" says 3 "stop that one first" -- operator "$WORK/second"
mkdir j-text j-sqlite j-newer j-damaged
echo hello >j-text/journal.db
perl -e 'print "SQLite format 3\0", "\0" x 4080' >j-sqlite/journal.db
check "a foreign file as journal" says 2 "is not a journal of chfleet" "move it away" -- operator j-text
check "…is not changed" test "$(cat j-text/journal.db)" = hello
check "a foreign database as journal" says 2 "is not a journal of chfleet" -- operator j-sqlite
if command -v sqlite3 >/dev/null; then
    sqlite3 "$DATA/operator/journal.db" ".backup $WORK/j-newer/journal.db" "" && cp j-newer/journal.db j-damaged/journal.db
    sqlite3 j-newer/journal.db 'PRAGMA user_version = 99'
    spoil j-damaged/journal.db
    sum=$(cksum <j-damaged/journal.db)
    check "a journal of a newer version" says 2 "newer chfleet" -- operator j-newer
    check "a damaged journal" says 2 "the journal is damaged" "nothing was changed" "move it" -- operator j-damaged
    check "…is not changed" test "$(cksum <j-damaged/journal.db)" = "$sum"
fi
check "a kubeconfig that is not there" says 2 "/nowhere" -- "$BUILD/chfleetd" --kubeconfig /nowhere --data kc
echo 'clusters: [' >broken-kubeconfig
check "a broken kubeconfig" says 2 "broken-kubeconfig" "line" -- "$BUILD/chfleetd" --kubeconfig broken-kubeconfig --data kc
echo 'watch: [' >broken-config
check "a broken configuration of the operator" says 2 "broken-config:" -- operator config --config broken-config
check "--port-base that is no port" says 2 "--port-base" -- operator config --port-base 99999
sed 's/server: .*/server: https:\/\/127.0.0.1:1/' "$KUBE" >elsewhere
check "a used status address" says 1 "cannot listen on" "--status-address" -- \
    "$BUILD/chfleetd" --kubeconfig elsewhere --data status --status-address "$(cat "$DATA/operator/status.address")"
check "a status address that is none" says 2 "HOST:PORT" -- "$BUILD/chfleetd" --kubeconfig elsewhere --data status --status-address nonsense
# A file that becomes wrong before the next start: what was in force last goes on.
mkdir kept
echo 'reconcile: {runtime: {reconcileShardsThreadsNumber: 7}}' >kept.yaml
kept_until() { # CONDITION…: an operator of its own runs until it is so
    local kept_rc
    "$BUILD/chfleetd" --kubeconfig elsewhere --data kept --config kept.yaml --status-address 127.0.0.1:0 >kept.log 2>&1 &
    KEPT=$!
    wait_until 20 "$@"
    kept_rc=$?
    kill "$KEPT" && wait "$KEPT"
    cat kept.log
    return "$kept_rc"
}
check "a right configuration is kept" kept_until grep -q '"reconcileShardsThreadsNumber":.*7' kept/config-in-force.json
check "…readable by nobody else" test "$(stat -c %a kept/config-in-force.json)" = 600
echo 'reconcile: {runtime: {reconcileShardsThreadsNumber: many}}' >kept.yaml
check "started again with a wrong one, it says where, and that the old one stays" kept_until grep -q 'kept.yaml:1:.*what was in force stays' kept.log
status_has() { curl -fsS "http://$(cat kept/status.address)/status" | jq -e --arg w "$1" '.configuration.refused | tostring | contains($w)'; }
check "…and does not end" kept_until status_has kept.yaml:1
check "…and the kept one is as before" grep -q '"reconcileShardsThreadsNumber":.*7' kept/config-in-force.json
check "a second plane on the same data" says 3 "another chfleet-plane" -- "$BUILD/chfleet-plane" --data "$PLANE"
check "a used port of the plane" says 3 "taken by another program" "--listen" -- \
    "$BUILD/chfleet-plane" --data p-port --listen "127.0.0.1:$(cat "$PLANE/plane.port")"
check "the plane listens on loopback only" says 2 "loopback" -- "$BUILD/chfleet-plane" --data p-port --listen 0.0.0.0:0
mkdir p-text
echo hello >p-text/plane.db
check "a foreign store" says 2 "is not a sound object store" -- "$BUILD/chfleet-plane" --data p-text
echo 'programs: [{images: "x:*", kind: nonsense}]' >programs.yaml
check "a wrong programs.yaml" says 2 "programs.yaml:1" "clickhouse, keeper or command" -- "$BUILD/chfleet-plane" --data p-prog --programs programs.yaml

# ---- the installation that is right ----
keeper >keeper.yaml
fleet good 1 2 24.8 >good.yaml
check "a Keeper" chf apply -f keeper.yaml --wait --timeout 60s
check "a good installation" chf apply -f good.yaml --wait --timeout 60s
identities() {
    chf get pods -o json | jq -r '.items[] | select(.metadata.name | startswith("chi-good-")) | .metadata.name + " " +
        .status.containerStatuses[0].containerID + " " + (.status.containerStatuses[0].ready | tostring)'
}
identities >good.before
revision() { chf get chi good -o json | jq -r '.metadata.generation'; }

# ---- files ----
printf 'kind: ClickHouseInstallation\nmetadata:\n  name: b1\nspec:\n  configuration:\n   clusters:\n  - name: [x\n' >yaml.yaml
check "broken YAML" says 2 "yaml.yaml:" "broken YAML" "nothing was sent" -- chf apply -f yaml.yaml
printf 'a: b\n\tc: d\n' >tab.yaml
check "a tab" says 2 "tab.yaml:2:1" "spaces" -- chf apply -f tab.yaml
head -c 1000 /dev/urandom >random.yaml
check "no text at all" says 2 "random.yaml:" "nothing was sent" -- chf apply -f random.yaml
check "an empty file" says 2 "no resource" -- chf apply -f /dev/null
check "a file that is not there" says 2 "nofile.yaml" -- chf apply -f nofile.yaml
chi type '{configuration: {clusters: [{name: m, layout: {shardsCount: two}}]}}' >type.yaml
check "a wrong type" says 2 "type.yaml:5:" "layout.shardsCount" "whole number" -- chf apply -f type.yaml
chi unknown '{configuration: {clusters: [{name: m, layuot: {}}]}}' >unknown.yaml
check "an unknown field" says 2 "unknown.yaml:5:" "layuot" 'did you mean "layout"' -- chf apply -f unknown.yaml
chi dup '{configuration: {clusters: [{name: m}, {name: m}]}}' >dup.yaml
check "two clusters of one name" says 2 "dup.yaml:5:" "clusters[1].name" "must differ" -- chf apply -f dup.yaml
printf 'apiVersion: clickhouse.altinity.com/v1\nkind: ClickHouseInstallation\nmetadata: {name: x, name: y}\nspec: {}\n' >key.yaml
check "a key twice" says 2 "key.yaml:3:" "second time" -- chf apply -f key.yaml
chi long '{configuration: {clusters: [{name: abcdefghijklmnopqrstuvwxyz}]}}' >long.yaml
check "a cluster name that is too long" says 2 "long.yaml:5:" "at most 15" -- chf apply -f long.yaml
printf 'apiVersion: v1\nkind: Nonsense\nmetadata: {name: x}\n' >kind.yaml
check "a kind that is none of ours" says 2 "kind.yaml:2:" "Nonsense" -- chf apply -f kind.yaml
cat good.yaml >two.yaml
{ echo ---; cat type.yaml; } >>two.yaml
check "one bad document among good ones: nothing is sent" says 2 "nothing was sent" -- chf apply -f two.yaml
check "nothing of all that is there" test "$(chf get chi -o json | jq -r '[.items[].metadata.name] | join(" ")')" = good

# ---- straight to the API ----
SERVER=$(awk '$1 == "server:" {print $2; exit}' "$KUBE")
CHIS=$SERVER/apis/clickhouse.altinity.com/v1/namespaces/default/clickhouseinstallations
api() { # METHOD URL BODY [TYPE]: "CODE message"
    curl -sS --max-time 20 --cacert "$PLANE/pki/ca.crt" -H "Authorization: Bearer $(cat "$PLANE/pki/token")" -X "$1" \
        -H "Content-Type: ${4:-application/json}" --data-binary "$3" "$2" | jq -r '"\(.code // 200) \(.message // "")"'
}
body() { # NAME SPEC
    printf '{"apiVersion":"clickhouse.altinity.com/v1","kind":"ClickHouseInstallation","metadata":{"name":"%s"},"spec":%s}' "$1" "$2"
}
check "API: a wrong type" says 0 "422" "layout.shardsCount" "whole number" -- \
    api POST "$CHIS" "$(body w '{"configuration":{"clusters":[{"name":"m","layout":{"shardsCount":"two"}}]}}')"
check "API: a duplicate name" says 0 "422" "clusters[1].name" -- \
    api POST "$CHIS" "$(body w '{"configuration":{"clusters":[{"name":"m"},{"name":"m"}]}}')"
check "API: an unknown field, asked to be strict" says 0 "400" "spec.confguration" -- \
    api POST "$CHIS?fieldValidation=Strict" "$(body w '{"confguration":{}}')"
check "API: no JSON" says 0 "400" "not valid JSON" -- api POST "$CHIS" '{"a":'
check "API: a type it does not read" says 0 "415" "application/json" -- api POST "$CHIS" 'a: b' application/yaml
check "API: a stale resourceVersion" says 0 "409" -- \
    api PATCH "$CHIS/good" '{"metadata":{"resourceVersion":"1"},"spec":{"stop":"yes"}}' application/merge-patch+json
check "API: no such kind here" says 0 "404" "does not serve" -- api POST "$SERVER/apis/apps/v1/namespaces/default/deployments" '{}'
check "the good one has the spec it had" test "$(revision)" = "$(jq -n 1)"

# ---- what only the operator can know ----
state() { # NAME: status and error
    chf get chi "$1" -o json | jq -r '"\(.status.status // "") \(.status.error // "")"'
}
blames() { # NAME STATUS TEXT…
    local name=$1 word=$2 now text
    shift 2
    wait_until 10 aborted "$name" "$word"
    now=$(state "$name")
    echo "$now"
    [[ "$now" == "$word "* ]] || return 1
    for text in "$@"; do
        [[ "$now" == *"$text"* ]] || return 1
        chf why "$name" | grep -qF -- "$text" || {
            echo "chfleet why does not say: $text"
            return 1
        }
    done
}
aborted() { [[ "$(state "$1")" == "$2 "* ]]; }
put() { api POST "$CHIS" "$(body "$1" "$2")" | grep -q '^200 '; }

refused() { api POST "$CHIS" "$(body "$1" "$2")" | grep -F -- "$3"; }
check "a negative count is refused by the API server" refused negative '{"configuration":{"clusters":[{"name":"m","layout":{"shardsCount":-1}}]}}' shardsCount
put "a-name-of-more-than-forty-characters-which-no-host-can-have" '{}'
check "a name too long for its hosts" blames a-name-of-more-than-forty-characters-which-no-host-can-have Aborted "52 are allowed" "shorten"
put secretless '{"configuration":{"users":{"bob/k8s_secret_password":"nosuch/password"},"clusters":[{"name":"m"}]}}'
check "a missing Secret" blames secretless Aborted "Secret default/nosuch" "create it"
put keeperless '{"configuration":{"zookeeper":{"keeper":{"name":"nosuch"}},"clusters":[{"name":"m"}]}}'
check "a missing Keeper" blames keeperless Aborted 'no ClickHouseKeeperInstallation "nosuch"' "create it"
put contradicts '{"configuration":{"clusters":[{"name":"m","layout":{"shardsCount":2,"shards":[{"name":"a"},{"name":"b"},{"name":"c"}]}}]}}'
warned() { chf why "$1" | grep -qF -- "$2"; }
check "counts that contradict their list are a warning" wait_until 15 warned contradicts "is 2, but 3 shards are described"
put templateless '{"defaults":{"templates":{"podTemplate":"nosuch"}},"useTemplates":[{"name":"absent"}],"configuration":{"clusters":[{"name":"m"}]}}'
check "a missing pod template is a warning" wait_until 15 warned templateless 'no "nosuch" in spec.templates.podTemplates'
check "a missing template resource too" wait_until 5 warned templateless "absent does not exist"
put programless '{"templates":{"podTemplates":[{"name":"p","spec":{"containers":[{"name":"clickhouse","image":"example.com/strange:1"}]}}]},"defaults":{"templates":{"podTemplate":"p"}},"configuration":{"clusters":[{"name":"m"}]}}'
check "an image without a program says what to add" wait_until 15 warned programless "programs.yaml"
check "apply --wait ends for a spec that is wrong" says 1 "create it" -- \
    bash -c "'$BUILD/chfleet' --data '$DATA' get chi keeperless -o yaml >wrong.yaml; '$BUILD/chfleet' --data '$DATA' apply -f wrong.yaml --wait --timeout 10s"

put a '{"configuration":{"clusters":[{"name":"b-c"}]}}'
check "the first of two that claim a host name" wait_until 20 aborted a Completed
put a-b '{"configuration":{"clusters":[{"name":"c"}]}}'
check "the second one is told whose it is" blames a-b Aborted "chi-a-b-c-0-0" 'installation "a"' "another name"
check "the first one's host is still its own" test "$(chf get statefulsets -o json | jq -r '.items[] | select(.metadata.name == "chi-a-b-c-0-0") | .metadata.labels["clickhouse.altinity.com/chi"]')" = a
check "…and goes on when the name is free" bash -c "'$BUILD/chfleet' --data '$DATA' delete chi a --wait --timeout 30s"
check "…by itself" wait_until 30 aborted a-b Completed

# ---- cured, and deleted ----
api POST "$SERVER/api/v1/namespaces/default/secrets" \
    '{"apiVersion":"v1","kind":"Secret","metadata":{"name":"nosuch"},"stringData":{"password":"a secret of the test"}}' >/dev/null
check "a Secret that comes later is taken" wait_until 30 aborted secretless Completed
check "no secret in any log or journal" bash -c "! grep -rqa 'a secret of the test' '$DATA/log' '$DATA/operator'"
api DELETE "$SERVER/api/v1/namespaces/default/secrets/nosuch" '' >/dev/null
check "what was wrong can be deleted, what lost its Secret too" chf delete chi secretless keeperless contradicts templateless \
    programless a-b a-name-of-more-than-forty-characters-which-no-host-can-have --wait --timeout 60s
chf get chi -o json | jq -r '.items[].metadata.name' >left
check "only the good one is left" test "$(cat left)" = good

# ---- a good one made bad ----
api PATCH "$CHIS/good" '{"spec":{"configuration":{"zookeeper":{"keeper":{"name":"nosuch"}}}}}' application/merge-patch+json >/dev/null
check "a bad edit is told" blames good Aborted 'no ClickHouseKeeperInstallation "nosuch"'
identities >good.after
check "and its servers run on, the same processes" diff good.before good.after
check "set right again it is Completed" chf apply -f good.yaml --wait --timeout 60s
identities >good.after
check "without any restart" diff good.before good.after

# ---- a port that another program took ----
chi port '{stop: "no", configuration: {clusters: [{name: m}]}}' >port.yaml
check "one host" chf apply -f port.yaml --wait --timeout 60s
port_of() { chf get services -o json | jq -r '.items[] | select(.metadata.name == "chi-port-m-0-0") | .spec.ports[] | select(.name == "tcp") | .port'; }
was=$(port_of)
sed -i 's/"no"/"yes"/' port.yaml
check "it is stopped" chf apply -f port.yaml --wait --timeout 60s
used_port "$was" >/dev/null
sed -i 's/"yes"/"no"/' port.yaml
check "its port was taken meanwhile: says so" says 1 "port $was is used by another process" -- \
    chf apply -f port.yaml --wait --timeout 15s
check "and gets another one" wait_until 60 aborted port Completed
check "…really" test "$(port_of)" != "$was"
kill "$OCCUPIER"

# ---- a full disk under the journal ----
cat >full.sh <<'F'
mount -t tmpfs -o size=40m none "$1/operator" || exit 77
"$BUILD/chfleetd" --kubeconfig "$1/plane/kubeconfig" --data "$1/operator" >"$1/operator.log" 2>&1 &
echo $! >"$1/pid"
until [ -e "$1/end" ]; do
    [ ! -e "$1/fill" ] || { dd if=/dev/zero of="$1/operator/junk" bs=64k 2>/dev/null; mv "$1/fill" "$1/filled"; }
    [ ! -e "$1/free" ] || { rm -f "$1/operator/junk"; mv "$1/free" "$1/freed"; }
    sleep 0.1
done
kill "$(cat "$1/pid")"
wait
F
if unshare -rm true 2>/dev/null; then
    F=$WORK/full
    mkdir -p "$F/operator" "$F/plane"
    "$BUILD/chfleet-plane" --data "$F/plane" >"$F/plane.log" 2>&1 &
    plane=$!
    wait_until 10 test -s "$F/plane/kubeconfig"
    unshare -rm bash full.sh "$F" &
    full=$!
    fchf() { "$BUILD/chfleet" --kubeconfig "$F/plane/kubeconfig" "$@"; }
    chi disk '{configuration: {clusters: [{name: m}]}}' >disk.yaml
    check "disk: an installation" fchf apply -f disk.yaml --wait --timeout 60s
    touch "$F/fill"
    wait_until 20 test -e "$F/filled"
    chi disk '{configuration: {clusters: [{name: m, layout: {replicasCount: 2}}]}}' >disk.yaml
    check "disk full: nothing is begun, and it says why" says 4 "No space left on device" "free some space" -- \
        fchf apply -f disk.yaml --wait --timeout 8s
    check "disk full: the server runs on" test "$(fchf get pods -o json | jq '[.items[] | select(.status.containerStatuses[0].ready)] | length')" = 1
    touch "$F/free"
    disk_done() { fchf get chi disk -o json | jq -e '.status.status == "Completed" and .status.hosts == 2' >/dev/null; }
    check "space again: the work goes on by itself" wait_until 60 disk_done
    fchf delete chi disk --wait --timeout 60s >/dev/null 2>&1
    touch "$F/end"
    wait "$full"
    kill "$plane"
    wait "$plane" 2>/dev/null
else
    CASE=$((CASE + 1))
    echo "ok $CASE - a full disk # SKIP mount namespaces are not allowed here"
fi

identities >good.after
check "after all that the good servers are the same processes" diff good.before good.after
finish
