#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The install bundle: up to date, the same as the kustomize bases, with the rights that the code needs.
# shellcheck source=tests/deploy/_lib.sh
. "$(dirname "$0")/_lib.sh"

if ! have_yaml; then
    skip "install bundle" "python3 has no yaml module"
    finish
fi
objects() { python3 tests/deploy/objects.py "$@"; }
bundle() { # FILE OPTIONS…
    local to=$1
    shift
    deploy/bundle.sh "$@" >"$to"
}

check "what is made from others is up to date (deploy/generate.sh --check)" deploy/generate.sh --check

bundle "$WORK/all.yaml"
check "the committed bundle is what bundle.sh prints" cmp deploy/chfleet.yaml "$WORK/all.yaml"
check "its pods are hardened" objects hardened deploy/chfleet.yaml

names_are() { # FILE LINE…
    local file=$1
    shift
    printf '%s\n' "$@" | LC_ALL=C sort >"$WORK/want"
    objects names "$file" | grep -v '^CustomResourceDefinition' | LC_ALL=C sort >"$WORK/have"
    same "$WORK/want" "$WORK/have"
}
own_objects() { # NAMESPACE
    printf '%s\n' "Namespace /$1" "ServiceAccount $1/chfleet" "Role $1/chfleet-leader" "RoleBinding $1/chfleet-leader" \
        "ConfigMap $1/chfleet-config" "Secret $1/clickhouse-operator" "Deployment $1/chfleet" "Service $1/chfleet-metrics" \
        "PodDisruptionBudget $1/chfleet"
}
mapfile -t base < <(own_objects chfleet)
check "it has exactly these objects" names_are deploy/chfleet.yaml "${base[@]}" "ClusterRole /chfleet" \
    "ClusterRoleBinding /chfleet" "ClusterRole /chfleet-view" "ClusterRole /chfleet-edit"

bundle "$WORK/own.yaml" --namespace ch-ops --watch own --no-crds
mapfile -t ours < <(own_objects ch-ops)
check "for its own namespace it needs no cluster-wide right" names_are "$WORK/own.yaml" "${ours[@]}" "Role ch-ops/chfleet" \
    "RoleBinding ch-ops/chfleet"
bundle "$WORK/two.yaml" --namespace ch-ops --watch shop,stats --no-crds --no-namespace --no-secret --image registry.example.com:5000/x/chfleet:9
mapfile -t ours < <(own_objects ch-ops | grep -v -e '^Namespace' -e '^Secret')
check "for two namespaces it has a role in each" names_are "$WORK/two.yaml" "${ours[@]}" "Role shop/chfleet" "Role stats/chfleet" \
    "RoleBinding shop/chfleet" "RoleBinding stats/chfleet"
subject() { [ "$(objects get "$1" "$2" subjects.0.namespace)" = "\"$3\"" ]; }
check "whose bindings name the account where the operator runs" subject "$WORK/two.yaml" RoleBinding ch-ops
value() { # FILE KIND PATH WANT
    local have
    have=$(objects get "$1" "$2" "$3")
    echo "$3 is $have"
    [ "$have" = "$4" ]
}
check "the image is the one that was given" value "$WORK/two.yaml" Deployment spec.template.spec.containers.0.image '"registry.example.com:5000/x/chfleet:9"'
check "the namespaces are in its environment" value "$WORK/two.yaml" Deployment spec.template.spec.containers.0.env.0.value '"shop,stats"'
secret_space() { grep -q "namespace: $2\\\\n" <<<"$(objects get "$1" ConfigMap data)"; }
check "the configuration names the Secret where the operator runs" secret_space "$WORK/two.yaml" ch-ops
refused() { # OPTIONS…: exit code 2 and nothing on standard output
    local out rc=0
    out=$(deploy/bundle.sh "$@" 2>/dev/null) || rc=$?
    echo "exit code $rc, ${#out} characters"
    [ "$rc" -eq 2 ] && [ -z "$out" ]
}
check "a name that is none is refused" refused --namespace 'Bad_Name'
check "so is a list of namespaces with one" refused --watch 'a,b;c'
check "so is an image that would break the text" refused --image 'a|b'
check "so is an unknown option" refused --wtach all

if command -v kubectl >/dev/null 2>&1 && kubectl kustomize deploy/crds >"$WORK/crds.yaml" 2>/dev/null; then
    kubectl kustomize deploy/kustomize/all >"$WORK/k-all.yaml"
    check "kustomize builds the same" objects same deploy/chfleet.yaml "$WORK/k-all.yaml"
    kubectl kustomize deploy/kustomize/own >"$WORK/k-own.yaml"
    check "kustomize builds one namespace without cluster-wide rights" names_are "$WORK/k-own.yaml" "${base[@]}" \
        "Role chfleet/chfleet" "RoleBinding chfleet/chfleet"
    kubectl kustomize deploy/kustomize/example-several >"$WORK/k-two.yaml"
    check "kustomize builds several namespaces" names_are "$WORK/k-two.yaml" "${base[@]}" "Role shop/chfleet" "Role stats/chfleet" \
        "RoleBinding shop/chfleet" "RoleBinding stats/chfleet"
    check "… with the same account" subject "$WORK/k-two.yaml" RoleBinding chfleet
else
    skip "kustomize builds the same" "no kubectl with kustomize"
fi

# ---- rights ----

objects list deploy/rbac/rules.yaml >"$WORK/rules"
check_rules() {
    objects rules "$1" chfleet >"$WORK/have"
    same "$WORK/rules" "$WORK/have"
}
check "the bundle's role has the rules of rbac/rules.yaml" check_rules deploy/chfleet.yaml
check "so has the role of one namespace" check_rules "$WORK/two.yaml"

# What the code asks for: kinds by their names in it, verbs by the functions that are called with them.
resource_of() { # KUBE_KIND: "group resource"
    sed -n "s/^ *\[$1\] = {\(CH\|\"[^\"]*\"\), \"[^\"]*\", \"\([a-z]*\)\".*/\1 \2/p" kube/kinds.c |
        sed -e 's/^CH /clickhouse.altinity.com /' -e 's/^"" /core /' -e 's/^"\([^"]*\)" /\1 /'
}
used_kinds() { grep -ohE 'KUBE_(CHI|CHIT|CHK|STS|POD|SVC|CM|SECRET|PVC|PV|PDB|EPSLICE|NODE|NS|CRD|SA|DEPLOYMENT|STORAGECLASS)\b' supervisor/*.c | sort -u; }
every_kind_allowed() {
    local kind what bad=0
    for kind in $(used_kinds); do
        what=$(resource_of "$kind")
        [ -n "$what" ] || {
            echo "kube/kinds.c has no $kind"
            bad=1
            continue
        }
        grep -qE "^$what (list|get) ?$" "$WORK/rules" || grep -qE "^$what (list|get)$" "$WORK/rules" || {
            echo "supervisor/ uses $kind, but deploy/rbac/rules.yaml has no right to read \"$what\""
            bad=1
        }
    done
    return "$bad"
}
every_rule_needed() {
    local group resource rest kind known bad=0
    known=$(for kind in $(used_kinds); do resource_of "$kind"; done)
    # Events are written by kube/event.c, Leases are read to see whether another operator lives.
    known+=$'\ncore events\ncoordination.k8s.io leases'
    while read -r group resource rest; do
        grep -qx "$group ${resource%%/*}" <<<"$known" || {
            echo "deploy/rbac/rules.yaml allows \"$rest\" on $group/$resource, which supervisor/ never uses"
            bad=1
        }
    done <"$WORK/rules"
    return "$bad"
}
no_wide_right() { ! grep -E '\*|escalate|impersonate|secrets delete|nodes|pods/exec| bind$' "$WORK/rules"; }
own_config() { objects rules "$1" chfleet-leader | grep -q clickhouseoperatorconfigurations; }
check "operator configurations are read where the operator is" own_config "$WORK/two.yaml"
check "every kind that the supervisor reads may be read" every_kind_allowed
check "no right is for a kind that it does not use" every_rule_needed
check "nothing is allowed by a star, and no Secret may be deleted" no_wide_right
finish
