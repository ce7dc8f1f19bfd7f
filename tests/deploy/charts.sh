#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The Helm charts: lint, what they render, that they say the same as the install bundle, and that bad values are refused.
# shellcheck source=tests/deploy/_lib.sh
. "$(dirname "$0")/_lib.sh"

if ! have_yaml; then
    skip "Helm charts" "python3 has no yaml module"
    finish
fi
values_and_schema() { python3 tests/deploy/values.py "deploy/helm/$1"; }
check "every value of the operator's chart is used and in its schema" values_and_schema chfleet
check "so is every value of the cluster's chart" values_and_schema clickhouse

if ! helm=$(go_tool helm helm.sh/helm/v3/cmd/helm@v3.17.3 2>"$WORK/why"); then
    skip "what the charts render" "$(cat "$WORK/why")"
    finish
fi
export HELM_CACHE_HOME=$WORK/helm/cache HELM_CONFIG_HOME=$WORK/helm/config HELM_DATA_HOME=$WORK/helm/data
objects() { python3 tests/deploy/objects.py "$@"; }
render() { # FILE CHART OPTIONS…
    local to=$1 chart=$2
    shift 2
    "$helm" template chfleet "deploy/helm/$chart" --kube-version 1.32.0 --namespace chfleet "$@" 2>"$WORK/helm.err" >"$to" || {
        cat "$WORK/helm.err"
        return 1
    }
}
check "the operator's chart passes helm lint" "$helm" lint --strict --quiet deploy/helm/chfleet
check "the cluster's chart passes helm lint" "$helm" lint --strict --quiet deploy/helm/clickhouse
check "the operator's chart is a package" "$helm" package --destination "$WORK" deploy/helm/chfleet
packed_crds() { [ "$(tar -tzf "$WORK"/chfleet-*.tgz | grep -c 'files/crds/.*altinity.com.yaml')" -eq 4 ]; }
check "which holds the four CRDs" packed_crds

check "the operator's chart renders" render "$WORK/all.yaml" chfleet
same_as_bundle() { # of the container, what the chart and the bundle must agree on
    local path
    for path in args.0 args.1 args.2 args.3 ports startupProbe livenessProbe readinessProbe securityContext volumeMounts resources; do
        [ "$(objects get "$WORK/all.yaml" Deployment "spec.template.spec.containers.0.$path")" = \
            "$(objects get deploy/chfleet.yaml Deployment "spec.template.spec.containers.0.$path")" ] || {
            echo "$path differs"
            return 1
        }
    done
    for path in name command args ports livenessProbe securityContext volumeMounts resources; do
        [ "$(objects get "$WORK/all.yaml" Deployment "spec.template.spec.containers.1.$path")" = \
            "$(objects get deploy/chfleet.yaml Deployment "spec.template.spec.containers.1.$path")" ] || {
            echo "$path of the exporter differs"
            return 1
        }
    done
    for path in replicas strategy template.spec.securityContext template.spec.terminationGracePeriodSeconds; do
        [ "$(objects get "$WORK/all.yaml" Deployment "spec.$path")" = "$(objects get deploy/chfleet.yaml Deployment "spec.$path")" ] || {
            echo "$path differs"
            return 1
        }
    done
}
check "its Deployment is that of the bundle" same_as_bundle
check "its pods are hardened" objects hardened "$WORK/all.yaml"
rules_are() { # FILE
    objects list deploy/rbac/rules.yaml >"$WORK/want"
    objects rules "$1" chfleet >"$WORK/have"
    same "$WORK/want" "$WORK/have"
}
check "its rules are those of rbac/rules.yaml" rules_are "$WORK/all.yaml"
kept() { [ "$(grep -c 'helm.sh/resource-policy: keep' "$WORK/all.yaml")" -eq 4 ]; }
check "removing the release keeps the CRDs" kept
crds_same() {
    python3 - "$WORK/all.yaml" <<'PY'
import sys, glob, yaml
L = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
have = {d["metadata"]["name"]: d for d in yaml.load_all(open(sys.argv[1]), L) if d and d["kind"] == "CustomResourceDefinition"}
for f in glob.glob("deploy/crds/*altinity.com.yaml"):
    want = yaml.load(open(f), L)
    got = have.pop(want["metadata"]["name"])
    del got["metadata"]["annotations"]["helm.sh/resource-policy"]
    want["metadata"].setdefault("annotations", {})
    assert got == want, f
assert not have, list(have)
PY
}
check "the rendered CRDs are the generated ones" crds_same
check "it renders for two namespaces" render "$WORK/two.yaml" chfleet --set 'watchNamespaces={.,shop}' --set crds.install=false
two_spaces() {
    objects names "$WORK/two.yaml" >"$WORK/names" && ! grep -E '^(ClusterRole|CustomResource)' "$WORK/names" &&
        grep -qx 'Role chfleet/chfleet' "$WORK/names" && grep -qx 'Role shop/chfleet' "$WORK/names"
}
check "… with a role in each and nothing cluster-wide" two_spaces
config_wins() {
    render "$WORK/config.yaml" chfleet --set-json 'config={"clickhouse":{"access":{"username":"me"}}}' --set login.create=false --set login.secretName=mine &&
        objects get "$WORK/config.yaml" ConfigMap data >"$WORK/data" && grep -q 'username: me' "$WORK/data" &&
        grep -q 'name: mine' "$WORK/data" && ! grep -q '^kind: Secret' "$WORK/config.yaml"
}
check "values of config and of an existing login are used" config_wins
monitoring() { # rules and dashboards as they are in deploy/, when they are wanted
    render "$WORK/monitoring.yaml" chfleet --set metrics.prometheusRule.enabled=true --set metrics.dashboards.enabled=true \
        --set metrics.serviceMonitor.enabled=true && python3 - "$WORK/monitoring.yaml" <<'PY'
import glob, sys, yaml
L = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
docs = [d for d in yaml.load_all(open(sys.argv[1]), L) if d]
rules = {d["metadata"]["name"]: d["spec"] for d in docs if d["kind"] == "PrometheusRule"}
maps = {k: v for d in docs if d["kind"] == "ConfigMap" and "-dashboard-" in d["metadata"]["name"] for k, v in d["data"].items()}
for f in glob.glob("deploy/prometheus/rules/*.yaml"):
    assert rules.pop("chfleet-" + f.split("/")[-1][:-5]) == yaml.load(open(f), L), f
for f in glob.glob("deploy/grafana/*.json"):
    assert maps.pop(f.split("/")[-1]) == open(f).read(), f
assert not rules and not maps
ports = [e["port"] for d in docs if d["kind"] == "ServiceMonitor" for e in d["spec"]["endpoints"]]
assert ports == ["op-metrics", "ch-metrics"], ports
PY
}
check "alerts, dashboards and a ServiceMonitor come when they are wanted" monitoring
without_exporter() {
    render "$WORK/without.yaml" chfleet --set exporter.enabled=false && ! grep -qE 'ch-metrics|chfleet-exporter' "$WORK/without.yaml"
}
check "without the exporter nothing speaks of it" without_exporter
bad() { # CHART OPTIONS…
    local chart=$1
    shift
    ! render "$WORK/bad.yaml" "$chart" "$@"
}
check "an unknown value is refused" bad chfleet --set replica=3
check "a wrong namespace is refused" bad chfleet --set 'watchNamespaces={Bad_Name}'
check "a wrong port is refused" bad chfleet --set metrics.port=99999
check "an account that does not exist must be named" bad chfleet --set serviceAccount.create=false

resources_are() { # FILE LINE…
    local file=$1
    shift
    printf '%s\n' "$@" | LC_ALL=C sort >"$WORK/want"
    objects names "$file" | LC_ALL=C sort >"$WORK/have"
    same "$WORK/want" "$WORK/have"
}
check "the cluster's chart renders" render "$WORK/cluster.yaml" clickhouse
check "… to an installation and its Keeper" resources_are "$WORK/cluster.yaml" "ClickHouseInstallation /chfleet" "ClickHouseKeeperInstallation /chfleet-keeper"
no_labels() { ! objects get "$WORK/cluster.yaml" ClickHouseInstallation metadata.labels >/dev/null 2>&1; }
check "… without labels that would go on to the pods" no_labels
check "… with everything given" render "$WORK/full.yaml" clickhouse -f tests/deploy/cluster-values.yaml
check "without a Keeper it uses the one that is there" render "$WORK/existing.yaml" clickhouse --set keeper.enabled=false --set keeper.existing=zk
uses() { [ "$(objects get "$WORK/existing.yaml" ClickHouseInstallation spec.configuration.zookeeper.keeper.name)" = '"zk"' ]; }
check "… by its name" uses
check "replicas without any Keeper are refused" bad clickhouse --set keeper.enabled=false
check "so are two Keepers" bad clickhouse --set keeper.existing=zk
check "so is a size that is none" bad clickhouse --set storage.size=lots
finish
