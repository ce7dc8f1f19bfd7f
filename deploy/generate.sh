#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes the committed files of deploy/ that are made from others. After a change of deploy/rbac/rules.yaml, of the parts in
# deploy/kustomize/, of prometheus/rules/, of grafana/dashboards.py or of the CRDs:
#
#   deploy/generate.sh            writes them
#   deploy/generate.sh --check    only says which ones lag; exit code 1
set -euo pipefail
cd "$(dirname "$0")"

check=no
case "${1-}" in
'') ;;
--check) check=yes ;;
*)
    sed -n '3,8s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac

made='# Made by deploy/generate.sh; do not edit.'
spdx='# SPDX-License-Identifier: Apache-2.0'
rules() { sed -e '/^#/d' -e '/^$/d' -e 's/^/  /' rbac/rules.yaml; }

role() { # KIND
    cat <<YAML
$spdx
$made
apiVersion: rbac.authorization.k8s.io/v1
kind: $1
metadata:
  name: chfleet
  labels:
    app.kubernetes.io/name: chfleet
rules:
YAML
    rules
}

lag=0
put() { # FILE: from standard input
    local text
    text=$(cat)
    if [ -f "$1" ] && [ "$(cat "$1")" = "$text" ]; then
        return
    fi
    if [ "$check" = yes ]; then
        echo "deploy/$1 is not up to date: run deploy/generate.sh"
        lag=1
        return
    fi
    printf '%s\n' "$text" >"$1"
    echo "deploy/$1"
}

role ClusterRole | put kustomize/all/clusterrole.yaml
role Role | put kustomize/watched/role.yaml
{
    printf '%s\n%s\n' "$spdx" "$made"
    printf 'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: argocd-cm\n  namespace: argocd\ndata:\n'
    printf '  application.resourceTrackingMethod: annotation\n'
    for kind in clickhouse.altinity.com_ClickHouseInstallation clickhouse-keeper.altinity.com_ClickHouseKeeperInstallation; do
        printf '  resource.customizations.health.%s: |\n' "$kind"
        sed -e '/^--/d' -e 's/^\(.\)/    \1/' argocd/health.lua
    done
} | put argocd/argocd-cm.yaml
./bundle.sh | put chfleet.yaml
{
    printf '%s\n%s\n' "$spdx" "$made"
    for f in prometheus/rules/*.yaml; do
        printf -- '---\napiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata:\n'
        printf '  name: chfleet-%s\n  labels:\n    prometheus: prometheus\n    role: alert-rules\nspec:\n' "$(basename "$f" .yaml)"
        sed -e '/^#/d' -e 's/^/  /' "$f"
    done
} | put prometheus/prometheusrules.yaml
if command -v python3 >/dev/null 2>&1; then
    how=()
    [ "$check" = no ] || how=(--check)
    python3 grafana/dashboards.py "${how[@]}" || lag=1
fi
exit "$lag"
