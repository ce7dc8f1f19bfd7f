#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Creation, rolling upgrades and scaling while the API server misbehaves: refuses, loses answers, tells late, in another order or
# nothing, forgets who the operator is or what it may do. None of it becomes a disruption or a second restart, and each change
# completes, at the latest once it behaves again. CHFLEET_LONG=1: each fault by itself, watches that go silent, and a view that is a minute old.
# shellcheck source=tests/k8s/lib.sh
. "$(dirname "$0")/lib.sh"
command -v python3 >/dev/null 2>&1 || skip_all "python3 is not installed: the proxy needs it"
k8s_start
bg proxy python3 "$K8S_ROOM/badproxy.py" 7443 "$K/certs/apiserver.crt" "$K/certs/apiserver.key" 6443 7444
mode() { curl -fsS --max-time 5 "http://127.0.0.1:7444/$1"; }
check "the proxy is there" wait_until 20 mode none
OPERATOR_KEPT=1 # who cannot renew its lease ends, and is started again as a kubelet does
OPERATOR_SERVER=https://127.0.0.1:7443
operator_start one
check "the operator leads, through the proxy" wait_until 30 leads one
POLL_S=0.5

# ---- made while it misbehaves ----
mode errors+lost >/dev/null
chk keeper 1 24.8 | kubectl apply -f - >/dev/null
chi demo 1 2 24.1 | kubectl apply -f - >/dev/null
check "an installation is made through errors and lost answers" wait_until 240 settled chi demo
say "made: $(mode counts)"
mode none >/dev/null
check "tables are made by users" tables demo

# Processes started since $WORK/starts, of the hosts that were there and stay: the first $kept replicas
more() {
    starts_all | jq -c --slurpfile was "$WORK/starts" --argjson n "$kept" '. as $now |
        [range($n) | "default/chi-demo-main-0-\(.)-0" | ($now[.] // 0) - ($was[0][.] // 0)]'
}
each_once() { more && more | jq -e 'all(. == 1)' >/dev/null; }
nobody_left() { more && more | jq -e 'all(. == 0)' >/dev/null; }
tag=1
replicas=2 kept=2
begin() { # NAME SECONDS: a change that begins under the fault, which ends after so long at most
    local end=$((SECONDS + $2))
    starts_all >"$WORK/starts"
    chi demo 1 "$replicas" "24.$tag" | kubectl apply -f - >/dev/null
    while [ "$SECONDS" -lt "$end" ] && ! settled chi demo; do
        sleep 1
    done
    say "$1: $(settled chi demo && echo completed || echo "under way") after $((SECONDS - end + $2)) s, $(mode counts)"
}
after() { # WHAT STARTS
    mode none >/dev/null
    check "$1 completes" wait_until 180 settled chi demo
    check "… $(if [ "$2" = each_once ]; then echo "each server was started once"; else echo "no server that was there was restarted"; fi)" "$2"
    check "… and nobody was harmed" unharmed
}
upgrade() { # FAULT SECONDS
    tag=$((tag + 1)) kept=$replicas
    mode "$1" >/dev/null
    begin "$1" "$2"
    after "an upgrade that met \"$1\"" each_once
}
scale() { # FAULT SECONDS REPLICAS
    kept=$((replicas < $3 ? replicas : $3)) replicas=$3
    mode "$1" >/dev/null
    begin "$1" "$2"
    [ "$replicas" -ge 3 ] || sim calm >/dev/null
    after "scaling to $replicas replicas that met \"$1\"" nobody_left
}
if [ "${CHFLEET_LONG:-0}" = 0 ]; then
    upgrade errors+lost+slow+reordered 40 # a watch that goes silent is noticed after 100 s: not in the short form
    scale errors+lost+slow 20 3
else
    for fault in ${FAULTS:-conflicts gone busy broken hang lost halfclosed slow reordered stale errors+lost+halfclosed+slow+reordered}; do
        upgrade "$fault" 150
        scale "$fault" 60 3
        scale "$fault" 60 2
    done
fi

# ---- who it is, and what it may do ----
began() { more | jq -e 'add >= 1' >/dev/null; }
tag=$((tag + 1)) kept=$replicas
starts_all >"$WORK/starts"
chi demo 1 "$replicas" "24.$tag" | kubectl apply -f - >/dev/null
check "an upgrade is under way" wait_until 60 began
mode expired >/dev/null
kubectl get clusterrolebinding chfleet -o json | jq 'del(.metadata.resourceVersion, .metadata.uid)' >"$WORK/binding.json"
kubectl delete clusterrolebinding chfleet >/dev/null
sleep 7
mode none >/dev/null
sleep 7
kubectl create -f "$WORK/binding.json" >/dev/null
after "an upgrade whose token was refused and whose rights were gone" each_once
finish
