#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The operator's configuration on the plane's API server: file, folders and ClickHouseOperatorConfigurations are taken over
# while it runs; what is wrong is refused and said; which namespaces are its own; the plan shows it before.
# shellcheck source=tests/deploy/_lib.sh
. "$(dirname "$0")/_lib.sh"

if ! command -v kubectl >/dev/null 2>&1 || [ ! -x "$BUILD/chfleet-plane" ]; then
    skip "the operator's configuration" "needs kubectl, and chfleet built in $BUILD"
    finish
fi
own=()
end_all() {
    local pid p
    for pid in "${own[@]}"; do
        kill "$pid" 2>/dev/null
    done
    wait
    for p in /proc/[0-9]*; do
        case $(readlink "$p/cwd") in
        "$WORK/plane/"*) kill -9 "${p#/proc/}" 2>/dev/null ;;
        esac
    done
    rm -rf "$WORK/plane" "$WORK/op"
}
trap end_all EXIT
"$BUILD/chfleet-plane" --data "$WORK/plane" --log-level warning >"$WORK/plane.log" 2>&1 &
own+=($!)
export KUBECONFIG=$WORK/plane/kubeconfig HOME=$WORK/home
mkdir -p "$HOME" "$WORK/etc/chi/config.d" "$WORK/etc/chi/templates.d" "$WORK/op"
check "the plane starts" wait_until 20 kubectl get ns default
for ns in ops shop-1 shop-2 workshop other; do
    kubectl create namespace "$ns" >/dev/null
done
cluster() { # NAMESPACE
    kubectl apply --validate=false -f - <<YAML
apiVersion: clickhouse.altinity.com/v1
kind: ClickHouseInstallation
metadata: {name: one, namespace: $1}
spec:
  configuration: {clusters: [{name: main, layout: {shardsCount: 1}}]}
  defaults: {templates: {podTemplate: p}}
  templates: {podTemplates: [{name: p, spec: {containers: [{name: clickhouse, image: "no-such-image-anywhere:1"}]}}]}
YAML
}
for ns in shop-1 shop-2 workshop other; do
    cluster "$ns" >/dev/null
done
chopconf() { # NAME SPEC-IN-FLOW-STYLE [NAMESPACE]
    printf 'apiVersion: clickhouse.altinity.com/v1\nkind: ClickHouseOperatorConfiguration\nmetadata: {name: %s, namespace: %s}\nspec: %s\n' "$1" "${3-ops}" "$2" |
        kubectl apply --validate=false -f -
}
cat >"$WORK/etc/config.yaml" <<YAML
watch: {namespaces: {include: ['^shop-\d$'], exclude: [shop-2]}}
pod: {terminationGracePeriod: 41}
YAML
printf '<clickhouse>\n    <max_connections>17</max_connections>\n</clickhouse>\n' >"$WORK/etc/chi/config.d/10-own.xml"
cat >"$WORK/etc/chi/templates.d/t.yaml" <<YAML
apiVersion: clickhouse.altinity.com/v1
kind: ClickHouseInstallationTemplate
metadata: {name: all}
spec:
  templating: {policy: auto}
  configuration: {profiles: {default/max_threads: "3"}}
YAML
OPERATOR_POD_NAME=op OPERATOR_POD_NAMESPACE=ops OPERATOR_POD_IP=127.0.0.1 "$BUILD/chfleetd" --data="$WORK/op" --config="$WORK/etc/config.yaml" \
    --status-address=127.0.0.1:0 >"$WORK/op.log" 2>&1 &
operator=$!
own+=("$operator")
ask() { curl -fsS --max-time 5 "http://$(cat "$WORK/op/status.address")$1"; }
made() { kubectl -n "$1" get statefulset chi-one-main-0-0; }
sts() { kubectl -n "$1" get statefulset chi-one-main-0-0 -o "jsonpath=$2"; }
data() { kubectl -n "$1" get configmap "$2" -o yaml; }
in_data() { grep -qF -- "$3" <<<"$(data "$1" "$2")"; }

# ---- namespaces ----
check "an expression in watch.namespaces finds its namespace" wait_until 30 made shop-1
left_alone() { ! made "$1" && [ -z "$(kubectl -n "$1" get chi one -o 'jsonpath={.metadata.finalizers}')" ]; }
check "what is excluded is left alone" left_alone shop-2
check "so is what is not found" left_alone workshop
check "the status names the namespaces" grep -q 'but not shop-2' <<<"$(ask /status)"

# ---- file and folders ----
grace() { [ "$(sts "$1" '{.spec.template.spec.terminationGracePeriodSeconds}')" = "$2" ]; }
check "a value of the file counts" wait_until 10 grace shop-1 41
check "a file of the folder config.d is in the installation" wait_until 10 in_data shop-1 chi-one-common-configd '<max_connections>17<'
check "an automatic template of the folder counts" wait_until 10 in_data shop-1 chi-one-common-usersd '<max_threads>3<'
log_has() { grep -qF -- "$1" "$WORK/op.log"; }
printf 'watch: {namespaces: {include: ["^shop-\\\\d$"]}}\npod: {terminationGracePeriod: 42}\n' >"$WORK/etc/config.yaml"
check "a changed file is taken over by itself" wait_until 20 log_has 'pod.terminationGracePeriod: 41 -> 42'
check "a namespace that is not excluded any more is taken up" wait_until 30 made shop-2
check "… with the value of the file" wait_until 10 grace shop-2 42
printf '<clickhouse>\n    <max_connections>18</max_connections>\n</clickhouse>\n' >"$WORK/etc/chi/config.d/10-own.xml"
log_content() { log_has 'file.content'; }
check "a changed file of a folder is seen" wait_until 20 log_content

# ---- a bad file ----
metric() { [ "$(ask /metrics | awk -v n="$1" '$1 == n {print $2}')" = "$2" ]; }
echo 'pod: {terminationGracePeriod: soon}' >"$WORK/etc/config.yaml"
check "a bad file is refused with the place" wait_until 20 log_has 'config.yaml:1'
check "… and what was in force stays" log_has 'what was in force stays'
check "the metrics say that something is refused" wait_until 5 metric chfleet_config_refused 1
check "the status says why" grep -q 'terminationGracePeriod' <<<"$(ask /status | grep -o '"refused":.*')"
printf 'pod: {terminationGracePeriod: 42}\nwatch: {namespaces: {include: ["^shop-\\\\d$"]}}\n' >"$WORK/etc/config.yaml"
kill -HUP "$operator"
check "SIGHUP reads it again" wait_until 5 log_has SIGHUP
check "the right file is not refused any more" wait_until 20 metric chfleet_config_refused 0

# ---- resources ----
chopconf b '{statefulSet: {revisionHistoryLimit: 7}}' >/dev/null
history() { [ "$(sts "$1" '{.spec.revisionHistoryLimit}')" = "$2" ]; }
check "a ClickHouseOperatorConfiguration acts as soon as it is there" wait_until 20 log_has 'statefulSet.revisionHistoryLimit: 10 -> 7'
chopconf a '{statefulSet: {revisionHistoryLimit: 6}, annotation: {exclude: [x]}}' >/dev/null
check "an earlier name does not win over a later one" wait_until 20 log_has 'annotation.exclude'
only_7() { ! log_has 'revisionHistoryLimit: 7 -> 6'; }
check "… but is put below it" only_7
chopconf elsewhere '{statefulSet: {revisionHistoryLimit: 3}}' other >/dev/null
chopconf c '{watch: {namespaces: {include: ["shop("]}}}' >/dev/null
check "a bad one is refused" wait_until 20 log_has 'ClickHouseOperatorConfiguration ops/c is refused'
event() { kubectl -n ops get events -o jsonpath='{.items[*].reason}' | grep -q ConfigurationRefused; }
check "… with an Event" wait_until 10 event
check "… and in the metrics" wait_until 5 metric chfleet_config_refused 1
not_elsewhere() { ! log_has ' -> 3'; }
check "one of another namespace does not count" not_elsewhere
chopconf c '{watch: {namespaces: {include: ["^workshop$"]}}}' >/dev/null
check "when it is corrected it counts: lists are joined" wait_until 30 made workshop
check "nothing is refused any more" metric chfleet_config_refused 0
kubectl -n ops delete clickhouseoperatorconfiguration c >/dev/null
check "when it goes, its namespace is not ours any more" wait_until 20 log_has '"^workshop$"] -> '
kubectl -n workshop annotate chi one x=y >/dev/null
quiet() { ! grep -q '"key":"workshop/one"' <<<"$(ask /status | tr -d ' ')"; }
check "… and not in the status" quiet

# ---- the plan shows it before ----
printf 'apiVersion: clickhouse.altinity.com/v1\nkind: ClickHouseOperatorConfiguration\nmetadata: {name: z, namespace: ops}\nspec: {pod: {terminationGracePeriod: 55}}\n' >"$WORK/z.yaml"
plan_shows() { # TEXT ARGUMENTS…
    local want=$1
    shift
    "$BUILD/chfleet" -n shop-1 plan "$@" >"$WORK/plan" 2>&1
    cat "$WORK/plan"
    grep -q -- "$want" "$WORK/plan"
}
check "a plan with a configuration resource shows what it would change" plan_shows '→ 55' --config "$WORK/etc/config.yaml" -f "$WORK/z.yaml"
no_plan() { ! plan_shows '→ 55' --config "$WORK/etc/config.yaml"; }
check "without it that is not there" no_plan
printf '<clickhouse>\n' >"$WORK/etc/chi/config.d/10-own.xml"
check "a file that is no XML is refused" wait_until 20 log_has 'not well-formed XML'
bad_plan() { ! "$BUILD/chfleet" -n shop-1 plan --config "$WORK/etc/config.yaml" 2>"$WORK/why" && grep -q '10-own.xml' "$WORK/why"; }
check "the plan refuses it too" bad_plan
alive() { kill -0 "$operator"; }
check "it was one and the same process all the time" alive
finish
