#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Alerts and dashboards: read by promtool, each alert fires when it should and none when all is well.
# shellcheck source=tests/deploy/_lib.sh
. "$(dirname "$0")/_lib.sh"

if ! command -v promtool >/dev/null 2>&1; then
    skip "alerts and dashboards" "promtool is not installed"
    finish
fi
check "promtool takes the alerts" promtool check rules deploy/prometheus/rules/*.yaml
check "each alert fires when it should, and none when all is well" promtool test rules tests/deploy/prometheus/rules.test.yaml
tested() { # each alert is expected in the test
    local a bad=0
    for a in $(sed -n 's/^ *- alert: //p' deploy/prometheus/rules/*.yaml); do
        grep -q "alertname=\"$a\"" tests/deploy/prometheus/rules.test.yaml || {
            echo "$a is not tested"
            bad=1
        }
    done
    return "$bad"
}
check "no alert is left out of the test" tested
jobs() { # Debian's promtool does not know how pods are found
    sed -e 's/kubernetes_sd_configs:/static_configs:/' -e 's/- role: pod/- targets: []/' deploy/prometheus/scrape.yaml >"$WORK/scrape.yaml"
    promtool check config "$WORK/scrape.yaml"
}
check "promtool takes the scrape jobs" jobs
if command -v python3 >/dev/null 2>&1; then
    queries() { python3 tests/deploy/monitoring.py rules deploy/grafana/*.json >"$WORK/queries.yaml" && promtool check rules "$WORK/queries.yaml"; }
    check "promtool takes the queries of the dashboards" queries
fi
objects_same() { # the objects for the Prometheus operator hold the same rules
    python3 - <<'PY'
import glob, yaml
have = {d["metadata"]["name"]: d["spec"] for d in yaml.safe_load_all(open("deploy/prometheus/prometheusrules.yaml")) if d}
for f in glob.glob("deploy/prometheus/rules/*.yaml"):
    assert have.pop("chfleet-" + f.split("/")[-1][:-5]) == yaml.safe_load(open(f)), f
assert not have, list(have)
PY
}
if have_yaml; then
    check "the PrometheusRule objects hold the same alerts" objects_same
fi
panels_fit() { # no two panels lie over each other
    local f
    for f in deploy/grafana/*.json; do
        jq -e '[.panels[].gridPos | . as $p | range(.x; .x + .w) as $x | range($p.y; $p.y + $p.h) as $y | "\($x) \($y)"] |
            length == (unique | length)' "$f" >/dev/null || {
            echo "$f"
            return 1
        }
    done
}
check "no panel lies over another" panels_fit
finish
