#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# chfleet-exporter with the account of the install bundle on a real API server: it finds installations by itself, asks simulated
# hosts, over HTTPS where their plain port is closed, and goes on when the API server was away. The operator, too, asks such
# hosts over HTTPS, and trusts only who signed their certificates.
# shellcheck source=tests/k8s/lib.sh
. "$(dirname "$0")/lib.sh"

k8s_start 2
kubectl -n chfleet get configmap chfleet-config -o 'jsonpath={.data.config\.yaml}' >"$WORK/plain.yaml" 2>/dev/null
[ -s "$WORK/plain.yaml" ] || kubectl -n chfleet get configmap -o 'jsonpath={.items[?(@.data.config\.yaml)].data.config\.yaml}' >"$WORK/plain.yaml"
# with_authority FILE: the configuration, with the certificates of FILE as the ones to trust
with_authority() {
    kubectl create --dry-run=client -o json -f - <"$WORK/wrapped.yaml" 2>/dev/null |
        jq --rawfile ca "$1" '.spec | .clickhouse.access.rootCA = $ca'
}
{
    printf 'apiVersion: clickhouse.altinity.com/v1\nkind: ClickHouseOperatorConfiguration\nmetadata: {name: x}\nspec:\n'
    sed 's/^/  /' "$WORK/plain.yaml"
} >"$WORK/wrapped.yaml"
sim authority >"$WORK/ca.pem"
with_authority "$WORK/ca.pem" >"$WORK/trusting.yaml"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$WORK/other.key" -out "$WORK/other.pem" -days 1 -subj /CN=other 2>/dev/null
with_authority "$WORK/other.pem" >"$WORK/wary.yaml"
check "the configuration holds who signs" jq -e '.clickhouse.access.rootCA | test("BEGIN CERTIFICATE")' "$WORK/trusting.yaml"

operator_start one --config "$WORK/trusting.yaml"
check "the operator leads" wait_until 30 leads one
secure_only() { # NAME: TLS alone, as examples/network/tls-only.yaml
    chi "$1" 1 2 24.8 '' '    settings: {tcp_port_secure: 9440, https_port: 8443}' | sed 's/{name: main, layout/{name: main, secure: "yes", insecure: "no", layout/'
}
kubectl apply -f - >/dev/null < <(chk keeper 1 24.8)
kubectl apply -f - >/dev/null < <(chi plain 1 2 24.8)
kubectl create namespace vault >/dev/null
kubectl -n vault apply -f - >/dev/null < <(chk keeper 1 24.8)
kubectl -n vault apply -f - >/dev/null < <(secure_only tls)
check "an installation with plain ports is complete" wait_until 120 settled chi plain
check "one with TLS alone is complete" wait_until 120 settled chi tls vault
tls_asked() { sim hosts | jq -e '[.[] | select(.pod | startswith("vault/chi-tls")) | .https_requests] | length == 2 and all(. > 0)'; }
check "its hosts were asked over HTTPS" tls_asked
plain_closed() { local ip; ip=$(sim hosts | jq -r '[.[] | select(.pod | startswith("vault/chi-tls")) | .ip][0]') && fails curl -sS --max-time 3 "http://$ip:8123/ping"; }
check "their plain port is closed" plain_closed

# ---- the exporter ----
exporter_start() { # NAME OPTION…
    local name=$1
    shift
    rm -f "$WORK/$name.address"
    bg "$name" env OPERATOR_POD_NAME=one OPERATOR_POD_NAMESPACE=chfleet KUBECONFIG="$K/account" chfleet-exporter \
        --metrics-address 127.0.0.1:0 --address-file "$WORK/$name.address" "$@"
    wait_until 20 test -s "$WORK/$name.address"
}
page() { curl -fsS --max-time 20 "http://$(cat "$WORK/$1.address")$2"; }
ready() { page "$1" /ready; }
# value NAME METRIC PATTERN…: the number of the one series that has all of these
value() {
    local v_lines v_pattern
    v_lines=$(page "$1" /metrics | grep "^chi_clickhouse_$2{") || return 1
    for v_pattern in "${@:3}"; do
        v_lines=$(grep -F "$v_pattern" <<<"$v_lines")
    done
    [ "$(grep -c . <<<"$v_lines")" -eq 1 ] || {
        echo "$(grep -c . <<<"$v_lines") series"
        return 1
    }
    awk '{print $NF}' <<<"$v_lines"
}
is() { # WANTED NAME METRIC PATTERN…
    local is_value
    is_value=$(value "${@:2}") && [ "$is_value" = "$1" ] || {
        echo "${*:3}: ${is_value-}, wanted $1"
        return 1
    }
}
FETCH='fetch_type="system.metrics"'
host() { echo "hostname=\"chi-$1-main-0-$2.$3.svc.cluster.local\""; }
exporter_start exporter --config "$WORK/trusting.yaml"
check "the exporter is ready with the bundle's account" wait_until 30 ready exporter
lists() { page exporter /chi | jq -e "$1"; }
check "it has found both installations and their hosts" lists '[.[] | .namespace + "/" + .name + "/" + (.clusters[].hosts[].name)] | sort == ["default/plain/0-0", "default/plain/0-1", "vault/tls/0-0", "vault/tls/0-1"]'
check "a plain host is asked" wait_until 20 is 0 exporter metric_fetch_errors "$FETCH" "$(host plain 0 default)"
check "one with TLS alone is asked, over HTTPS" wait_until 20 is 0 exporter metric_fetch_errors "$FETCH" "$(host tls 0 vault)"
check "… with its labels" is 0 exporter metric_fetch_errors "$FETCH" "$(host tls 1 vault)" 'chi="tls"' 'namespace="vault"'
no_refusal() { ! grep -iE 'forbidden|HTTP 403' "$K/exporter.log"; }
check "the bundle's account may all that it asks" no_refusal

exporter_start wary --config "$WORK/wary.yaml"
check "one that trusts another authority is ready" wait_until 30 ready wary
check "… asks plain hosts" wait_until 20 is 0 wary metric_fetch_errors "$FETCH" "$(host plain 0 default)"
check "… and not hosts that another authority signed for" is 1 wary metric_fetch_errors "$FETCH" "$(host tls 0 vault)"
kill "${PID_wary:?}"

sim 'order?pod=default/chi-plain-main-0-1-0&what=hang' >/dev/null
check "a host that hangs has failed" is 1 exporter metric_fetch_errors "$FETCH" "$(host plain 1 default)"
check "… and delays no other" is 0 exporter metric_fetch_errors "$FETCH" "$(host plain 0 default)"
sim 'order?pod=default/chi-plain-main-0-1-0&what=hang&off=1' >/dev/null
check "it is back when it answers" wait_until 20 is 0 exporter metric_fetch_errors "$FETCH" "$(host plain 1 default)"

# ---- the API server goes away ----
kill -9 "${PID_apiserver:?}"
wait "$PID_apiserver" 2>/dev/null
check "without an API server the known hosts are shown" is 0 exporter metric_fetch_errors "$FETCH" "$(host tls 0 vault)"
apiserver_start
check "the API server is back" wait_until 60 kubectl get --raw /readyz
kubectl apply -f - >/dev/null < <(chi later 1 1 24.8)
check "the operator goes on" wait_until 120 settled chi later
check "what was made since is found" wait_until 40 is 0 exporter metric_fetch_errors "$FETCH" "$(host later 0 default)"
sim calm >/dev/null
kubectl -n vault delete chi tls --timeout=90s >/dev/null
gone() { lists '[.[] | .name] | sort == ["later", "plain"]' && ! page exporter /metrics | grep -q 'chi="tls"'; }
check "what is deleted is no longer shown" wait_until 30 gone
check "nothing was harmed" unharmed
operator_stop one
finish
