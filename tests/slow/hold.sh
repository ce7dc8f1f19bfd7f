#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Words to a running operator, on real servers: hold, release, retry.
# shellcheck source=tests/story/_lib.sh
. "$SRC/tests/story/_lib.sh"
# shellcheck source=tests/story/_fleet.sh
. "$SRC/tests/story/_fleet.sh"
need clickhouse-server haproxy java jq curl perl

version_copy "$WORK/v2" || {
    echo "skipped: the installed clickhouse-server is not the one that can be relabelled"
    exit 77
}
mkdir "$WORK/later"
printf '#!/bin/sh\nexit 3\n' >"$WORK/later/clickhouse-server"
chmod +x "$WORK/later/clickhouse-server"
chf up >/dev/null && chf down >/dev/null || exit 1 # programs.yaml is read when the plane starts
cat >"$DATA/plane/programs.yaml" <<Y
programs:
- images: clickhouse/clickhouse-server:later
  kind: clickhouse
  binary: $WORK/later/clickhouse-server
  library_path: $WORK/v2
Y
chf up >/dev/null || exit 1
keeper >"$WORK/keeper.yaml"
chf apply -f "$WORK/keeper.yaml" >/dev/null
fleet up 1 2 24.8 >"$WORK/up.yaml"
check "1 x 2 is complete" apply "$WORK/up.yaml" 180
identities() { chf get pods -o json | jq -c '[.items[] | select(.metadata.labels["clickhouse.altinity.com/chi"] == "up") | [.metadata.name, .metadata.uid]] | sort'; }
before=$(identities)

# CODE: how many hosts wait for it
waiting() { [ "$(chf status up -o json | jq --arg c "$1" '[.installations[].hosts[] | select((.waiting // .note // "") | tostring | contains($c))] | length')" -ge 1 ]; }
same_pods() { [ "$(identities)" = "$before" ]; }
changed() { [ "$(jq -n --argjson a "$before" --argjson b "$(identities)" '[$b[] | select(. as $x | $a | index([$x]) | not)] | length')" -eq "$1" ]; }

say "hold"
check "hold says what it does" bash -c '"$BUILD/chfleet" --data "$0" hold up --reason "until the backup is done" | grep "nothing of it that serves is taken out"' "$DATA"
check "a host that is not there cannot be held" bash -c '! "$BUILD/chfleet" --data "$0" hold up main/7/7' "$DATA"
fleet up 1 2 later >"$WORK/up.yaml"
check "the plan says that it is held, and why" bash -c '"$BUILD/chfleet" --data "$0" plan -f "$1" | grep "until the backup is done"' "$DATA" "$WORK/up.yaml"
chf apply -f "$WORK/up.yaml" >/dev/null
check "the first host waits" wait_until 60 waiting WAIT_HOLD
kill -9 "$(pid_of operator)"
check "also after the operator was killed" wait_until 60 waiting WAIT_HOLD
sleep 3
check "no pod was touched" same_pods
check "why names the reason" bash -c '"$BUILD/chfleet" --data "$0" why up | grep "until the backup is done"' "$DATA"

say "release: a program that does not start yet"
check "release" chf release up
check "the change begins, and stops at its first host" wait_until 240 status_is up Aborted
check "its sibling was not touched" changed 1

say "retry"
cp "$WORK/v2/clickhouse-server" "$WORK/later/clickhouse-server.new" && mv "$WORK/later/clickhouse-server.new" "$WORK/later/clickhouse-server"
check "retry is taken up" wait_until 120 chf retry up
check "the whole shard has the new version" wait_until 180 settled up
check "both run it" bash -c '. "$SRC/tests/story/_lib.sh"; trap - EXIT; [ "$(on_all up "SELECT version()" | grep -c 18.16.9)" -eq 2 ]'
check "the word was taken away" bash -c '"$BUILD/chfleet" --data "$0" get chi up -o json | jq -e ".metadata.annotations[\"chfleet.io/command\"] == null"' "$DATA"

say "one host"
check "hold of one host" chf hold up main/0/0
fleet up 1 2 24.8 >"$WORK/up.yaml"
before=$(identities)
chf apply -f "$WORK/up.yaml" >/dev/null
check "only that host waits" wait_until 60 waiting WAIT_HOLD
check "unknown commands are told, not obeyed" bash -c '
    KUBECONFIG=$("$BUILD/chfleet" --data "$0" kubeconfig) && export KUBECONFIG
    cert=$(mktemp) && sed -n "s/.*certificate-authority-data: //p" "$KUBECONFIG" | base64 -d >"$cert"
    curl -sS --cacert "$cert" -H "Authorization: Bearer $(sed -n "s/.*token: //p" "$KUBECONFIG")" -X PATCH -H "Content-Type: application/merge-patch+json" \
        "$(sed -n "s/.*server: //p" "$KUBECONFIG")/apis/clickhouse.altinity.com/v1/namespaces/default/clickhouseinstallations/up" \
        -d "{\"metadata\":{\"annotations\":{\"chfleet.io/command\":\"explode\"}}}" >/dev/null; rm -f "$cert"' "$DATA"
check "release of the host" chf release up main/0/0
check "everything is done" wait_until 240 settled up
check "the unknown command became an incident" wait_until 30 bash -c '"$BUILD/chfleet" --data "$0" why up | grep BAD_COMMAND' "$DATA"
check "where the journal is elsewhere, its Event tells it" wait_until 30 bash -c '"$BUILD/chfleet" --kubeconfig "$0/plane/kubeconfig" why up | grep BAD_COMMAND' "$DATA"
finish
