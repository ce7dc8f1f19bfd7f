#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What deploy/ describes, on API servers: the bundle's and charts' objects on the plane as far as it serves their kinds, and
# all of them on kube-apiserver where one is built; two operators with the bundle's options and environment on the plane.
# shellcheck source=tests/deploy/_lib.sh
. "$(dirname "$0")/_lib.sh"

if ! have_yaml || ! command -v kubectl >/dev/null 2>&1 || [ ! -x "$BUILD/chfleet-plane" ]; then
    skip "apply to the plane" "needs python3 with yaml, kubectl, and chfleet built in $BUILD"
    finish
fi
objects() { python3 tests/deploy/objects.py "$@"; }
own=()
end_all() {
    local pid
    for pid in "${own[@]}"; do
        kill "$pid" 2>/dev/null
    done
    wait
}
# The balancer outlives its plane on purpose; its processes sit in this test's folder.
balancer_goes() {
    local p
    for p in /proc/[0-9]*; do
        case $(readlink "$p/cwd") in
        "$WORK/plane/"*) kill -9 "${p#/proc/}" 2>/dev/null ;;
        esac
    done
}
trap 'end_all; balancer_goes; rm -rf "$WORK/plane" "$WORK/a" "$WORK/b" "$WORK/k8s"' EXIT

"$BUILD/chfleet-plane" --data "$WORK/plane" --log-level warning >"$WORK/plane.log" 2>&1 &
own+=($!)
export KUBECONFIG=$WORK/plane/kubeconfig HOME=$WORK/home
mkdir -p "$HOME"
check "the plane starts" wait_until 20 kubectl get ns default

# ---- the plane takes what it serves ----
served=(Namespace ServiceAccount ConfigMap Secret Service PodDisruptionBudget)
objects pick deploy/chfleet.yaml "${served[@]}" >"$WORK/served.yaml"
put() { kubectl apply --validate=false -f "$1"; }
check "the plane takes the bundle's objects of kinds that it serves" put "$WORK/served.yaml"
again() {
    local out
    out=$(put "$WORK/served.yaml") || return 1
    # a Secret's stringData is write-only, so kubectl sends it again
    ! grep -v -e unchanged -e '^secret/' <<<"$out"
}
check "a second time nothing changes" again
check "the operator's login is in the Secret" kubectl -n chfleet get secret clickhouse-operator -o 'jsonpath={.data.password}'

password=s3cret-$RANDOM-word
kubectl -n chfleet create secret generic clickhouse-operator --from-literal=username=clickhouse_operator \
    --from-literal=password="$password" --dry-run=client -o yaml | kubectl -n chfleet replace --validate=false -f - >/dev/null
for ns in shop stats other; do
    kubectl create namespace "$ns" >/dev/null
done
cluster() { # NAMESPACE
    cat >"$WORK/$1.yaml" <<YAML
apiVersion: clickhouse.altinity.com/v1
kind: ClickHouseInstallation
metadata:
  name: one
  namespace: $1
spec:
  configuration:
    clusters:
      - name: main
        layout:
          shardsCount: 1
  defaults:
    templates:
      podTemplate: p
  templates:
    podTemplates:
      - name: p
        spec:
          containers:
            - name: clickhouse
              image: no-such-image-anywhere:1
YAML
    kubectl apply --validate=false -f "$WORK/$1.yaml"
}
for ns in shop stats other; do
    check "an installation in namespace $ns is stored" cluster "$ns"
done

# ---- two operators, as the Deployment starts them ----
objects get deploy/chfleet.yaml ConfigMap data | python3 -c 'import json,sys; sys.stdout.write(json.load(sys.stdin)["config.yaml"])' >"$WORK/config.yaml"
operator() { # NAME
    mkdir -p "$WORK/$1"
    env OPERATOR_POD_NAME="chfleet-$1" OPERATOR_POD_NAMESPACE=chfleet OPERATOR_POD_IP=127.0.0.1 WATCH_NAMESPACES=shop,stats \
        "$BUILD/chfleetd" --data="$WORK/$1" --config="$WORK/config.yaml" --status-address=127.0.0.1:0 --metrics-address=127.0.0.1:0 \
        >"$WORK/$1.log" 2>&1 &
    own+=($!)
    eval "pid_$1=$!"
}
holder() { kubectl -n chfleet get lease chfleet-leader -o 'jsonpath={.spec.holderIdentity}'; }
holds() { [ "$(holder)" = "$1" ]; }
ask() { # NAME PATH
    local address
    address=$(cat "$WORK/$1/status.address") && curl -fsS --max-time 5 "http://$address$2"
}
leads() { ask "$1" /status | grep -qE "\"leader\": ?$2"; }
operator a
check "the first operator gets the lease" wait_until 20 holds chfleet-a
operator b
check "the second one is ready, too" wait_until 20 ask b /readyz
check "both are healthy" ask a /healthz
check "the first one leads" wait_until 5 leads a true
check "the second one does not" leads b false
check "it shows metrics" ask a /metrics
made() { kubectl -n "$1" get statefulset chi-one-main-0-0; }
check "a host of namespace shop is made" wait_until 20 made shop
check "a host of namespace stats is made" wait_until 20 made stats
left_alone() { ! made other && [ -z "$(kubectl -n other get chi one -o 'jsonpath={.metadata.finalizers}')" ]; }
check "the namespace that is not watched is left alone" left_alone
login() {
    local users
    users=$(kubectl -n shop get configmap chi-one-common-usersd -o jsonpath='{.data}')
    grep -q "$(printf %s "$password" | sha256sum | cut -d' ' -f1)" <<<"$users"
}
check "its users' file has the password of the Secret" wait_until 10 login
defaults_stay() { # the configuration of the bundle says only where the login is
    [ "$(kubectl -n shop get statefulset chi-one-main-0-0 -o 'jsonpath={.spec.template.spec.terminationGracePeriodSeconds}')" = 30 ] &&
        [ "$(kubectl -n shop get statefulset chi-one-main-0-0 -o 'jsonpath={.spec.revisionHistoryLimit}')" = 10 ]
}
check "what its configuration does not say has its default" defaults_stay
plan_quiet() { # the password of the Secret is not taken for a change
    "$BUILD/chfleet" -n shop plan one --config "$WORK/config.yaml" >"$WORK/plan" 2>&1
    cat "$WORK/plan"
    ! grep -E 'configuration.users' "$WORK/plan"
}
check "a plan with the operator's configuration does not take its password for a change" plan_quiet
# shellcheck disable=SC2154 # set by operator()
kill -KILL "$pid_a"
check "when it is killed the other one takes over within 30 s" wait_until 30 holds chfleet-b
check "… and leads" wait_until 10 leads b true
no_secret_said() { ! grep -h "$password" "$WORK/a.log" "$WORK/b.log"; }
check "no log holds the password" no_secret_said

# ---- the script for manifests in git ----
mkdir -p "$WORK/git"
sync_run() { CHFLEET=$BUILD/chfleet deploy/sync.sh -n shop --kubeconfig "$KUBECONFIG" "$@"; }
sed 's/no-such-image-anywhere:1/no-such-image-anywhere:2/' "$WORK/shop.yaml" >"$WORK/git/one.yaml"
dry() { sync_run --dry-run "$WORK/git" >"$WORK/dry" 2>&1 && grep -q '== plan' "$WORK/dry" && ! grep -q '== apply' "$WORK/dry"; }
check "sync.sh --dry-run shows the plan and applies nothing" dry
exit_is() { # CODE COMMAND…
    local want=$1 rc=0
    shift
    "$@" || rc=$?
    echo "exit code $rc"
    [ "$rc" -eq "$want" ]
}
check "sync.sh gives up waiting with code 4" exit_is 4 sync_run --timeout 2s "$WORK/git"
applied() { [ "$(kubectl -n shop get chi one -o 'jsonpath={.spec.templates.podTemplates[0].spec.containers[0].image}')" = no-such-image-anywhere:2 ]; }
check "… after it has applied" applied
printf 'kind: Nonsense\n' >"$WORK/git/bad.yaml"
check "sync.sh refuses a folder with a bad file" exit_is 2 sync_run "$WORK/git"
check "sync.sh wants a folder" exit_is 2 sync_run "$WORK/nowhere"

# ---- the cluster's chart ----
if helm=$(go_tool helm helm.sh/helm/v3/cmd/helm@v3.17.3 2>"$WORK/why"); then
    "$helm" template shop deploy/helm/clickhouse --kube-version 1.32.0 -n other >"$WORK/chart.yaml"
    check "the plane takes what the cluster's chart renders" kubectl -n other apply --validate=false -f "$WORK/chart.yaml"
    "$helm" template shop deploy/helm/clickhouse --kube-version 1.32.0 -n other -f tests/deploy/cluster-values.yaml >"$WORK/full.yaml"
    check "… with everything given" kubectl -n other apply --validate=false -f "$WORK/full.yaml"
    check "chfleet finds no mistake in it" "$BUILD/chfleet" -n other apply --dry-run -f "$WORK/full.yaml"
else
    skip "the plane takes what the cluster's chart renders" "$(cat "$WORK/why")"
fi
if command -v terraform >/dev/null 2>&1 && terraform version >/dev/null 2>&1; then
    # The bundle's kinds that the plane does not serve are left out by a kubectl that looks at them first.
    mkdir -p "$WORK/tf/bin" "$WORK/tf/src"
    cp -a deploy "$WORK/tf/src/"
    cat >"$WORK/tf/bin/kubectl" <<SH
#!/bin/sh
cat >"$WORK/tf/in.yaml" <&0
last=
for a in "\$@"; do last=\$a; done
[ "\$last" = - ] || exec "$(command -v kubectl)" "\$@"
python3 "$SRC/tests/deploy/objects.py" pick "$WORK/tf/in.yaml" ${served[*]} | exec "$(command -v kubectl)" "\$@"
SH
    chmod 755 "$WORK/tf/bin/kubectl"
    export TF_CLI_CONFIG_FILE=/dev/null CHECKPOINT_DISABLE=1
    tf_apply() {
        (cd "$WORK/tf/src/deploy/terraform/example-bundle" && PATH=$WORK/tf/bin:$PATH && terraform init -input=false -no-color &&
            terraform apply -input=false -auto-approve -no-color -var image=chfleet:0.1.0 -var "kubeconfig=$KUBECONFIG" \
                -var 'kubectl_options=--validate=false')
    }
    check "Terraform applies the bundle and the manifests" tf_apply
    check "… so that its installation is there" kubectl get chi demo
else
    skip "Terraform applies the bundle and the manifests" "no terraform that runs"
fi

# ---- a real API server: all kinds ----
server=
for d in "${KUBEBUILDER_ASSETS:-}" "${TESTBED:-$(dirname "$TOOLS")/k8s-testbed}/bin" "${CHFLEET_K8S:-}"; do
    if [ -n "$d" ] && [ -x "$d/kube-apiserver" ] && [ -x "$d/etcd" ]; then
        server=$d
        break
    fi
done
if [ -z "$server" ]; then
    skip "a real API server takes the whole bundle" "no kube-apiserver is built; KUBEBUILDER_ASSETS says where one is"
    finish
fi
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
etcd_port=$(free_port) peer_port=$(free_port) api_port=$(free_port)
k8s=$WORK/k8s
mkdir -p "$k8s"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=test -addext 'subjectAltName=IP:127.0.0.1' \
    -keyout "$k8s/tls.key" -out "$k8s/tls.crt" 2>/dev/null
openssl genrsa -out "$k8s/sa.key" 2048 2>/dev/null
openssl rsa -in "$k8s/sa.key" -pubout -out "$k8s/sa.pub" 2>/dev/null
admin=$(openssl rand -hex 16)
echo "$admin,admin,admin,system:masters" >"$k8s/tokens"
"$server/etcd" --data-dir "$k8s/etcd" --listen-client-urls "http://127.0.0.1:$etcd_port" --advertise-client-urls "http://127.0.0.1:$etcd_port" \
    --listen-peer-urls "http://127.0.0.1:$peer_port" --initial-advertise-peer-urls "http://127.0.0.1:$peer_port" \
    --initial-cluster "default=http://127.0.0.1:$peer_port" --unsafe-no-fsync --log-level error >"$k8s/etcd.log" 2>&1 &
own+=($!)
"$server/kube-apiserver" --etcd-servers "http://127.0.0.1:$etcd_port" --bind-address 127.0.0.1 --secure-port "$api_port" \
    --tls-cert-file "$k8s/tls.crt" --tls-private-key-file "$k8s/tls.key" --token-auth-file "$k8s/tokens" --authorization-mode RBAC \
    --service-account-issuer https://test --service-account-key-file "$k8s/sa.pub" --service-account-signing-key-file "$k8s/sa.key" \
    --enable-admission-plugins OwnerReferencesPermissionEnforcement --service-cluster-ip-range 10.96.0.0/16 --cert-dir "$k8s/certs" \
    >"$k8s/apiserver.log" 2>&1 &
own+=($!)
kubeconfig() { # FILE TOKEN
    cat >"$1" <<YAML
apiVersion: v1
kind: Config
current-context: c
clusters: [{name: c, cluster: {server: "https://127.0.0.1:$api_port", certificate-authority: "$k8s/tls.crt"}}]
contexts: [{name: c, context: {cluster: c, user: u}}]
users: [{name: u, user: {token: "$2"}}]
YAML
    chmod 600 "$1"
}
kubeconfig "$k8s/admin" "$admin"
export KUBECONFIG=$k8s/admin
check "kube-apiserver starts" wait_until 90 kubectl get --raw /readyz
bundle_apply() { deploy/bundle.sh "$@" | kubectl apply --server-side -f -; }
check "it takes the whole bundle" bundle_apply
crds_good() {
    kubectl wait --for=condition=Established --timeout=30s crd --all && [ "$(kubectl get crd -o name | wc -l)" -eq 4 ] &&
        [ -z "$(kubectl get crd -o 'jsonpath={.items[*].status.conditions[?(@.type=="NonStructuralSchema")].message}')" ]
}
check "the CRDs are established and structural" crds_good
check "a second time it takes it again" bundle_apply
for d in own example-several; do
    kustomize_dry() { kubectl kustomize "deploy/kustomize/$1" | sed 's/namespace: \(shop\|stats\)/namespace: chfleet/' | kubectl apply --server-side --dry-run=server --force-conflicts -f -; }
    check "it would take kustomize/$d" kustomize_dry "$d"
done
for ns in shop stats other; do
    kubectl create namespace "$ns" >/dev/null
    sed "s/namespace: shop/namespace: $ns/" "$WORK/shop.yaml" >"$WORK/k8s-$ns.yaml"
done

# An operator with the rights of the bundle's account and no others. No controllers run, so pods never come; what it asks for
# until then is what is looked at.
operate() { # NAME [WATCH_NAMESPACES]
    mkdir -p "$WORK/$1"
    kubeconfig "$k8s/$1" "$(kubectl -n chfleet create token chfleet)"
    env ${2:+"WATCH_NAMESPACES=$2"} OPERATOR_POD_NAME="chfleet-$1" OPERATOR_POD_NAMESPACE=chfleet OPERATOR_POD_IP=127.0.0.1 \
        "$BUILD/chfleetd" --kubeconfig "$k8s/$1" --data="$WORK/$1" --config="$WORK/config.yaml" --status-address=127.0.0.1:0 >"$WORK/$1.log" 2>&1 &
    last=$!
    own+=("$last")
}
all_made() { # NAMESPACE: what the operator makes before pods come
    kubectl -n "$1" get statefulset chi-one-main-0-0 && kubectl -n "$1" get service chi-one-main-0-0 && kubectl -n "$1" get service clickhouse-one &&
        kubectl -n "$1" get configmap chi-one-common-configd && kubectl -n "$1" get pdb chi-one-main &&
        [ -n "$(kubectl -n "$1" get chi one -o 'jsonpath={.status.status}')" ]
}
no_refusal() { ! grep -iE 'forbidden|HTTP 403' "$WORK/$1.log"; }
kubectl apply -f "$WORK/k8s-shop.yaml" >/dev/null
operate wide
check "with the bundle's rights the operator makes an installation" wait_until 30 all_made shop
check "nothing it asked for was forbidden" no_refusal wide
deleted() { kubectl -n shop delete chi one --timeout=40s; }
check "and lets go of one that is deleted" deleted
check "still nothing was forbidden" no_refusal wide
kill "$last"
wait "$last" 2>/dev/null

kubectl delete clusterrolebinding chfleet >/dev/null
check "the bundle for two namespaces is taken" bundle_apply --watch shop,stats --no-crds
for ns in shop stats other; do
    kubectl apply -f "$WORK/k8s-$ns.yaml" >/dev/null
done
operate narrow shop,stats
check "with roles in two namespaces it makes the one in the first" wait_until 40 all_made shop
check "… and the one in the second" wait_until 20 all_made stats
check "nothing it asked for was forbidden, so it asked for nothing elsewhere" no_refusal narrow
untouched() { [ -z "$(kubectl -n other get chi one -o 'jsonpath={.metadata.finalizers}')" ] && ! kubectl -n other get statefulset chi-one-main-0-0 2>/dev/null; }
check "the third namespace is left alone" untouched
kill "$last"
wait "$last" 2>/dev/null

if [ -n "${helm-}" ]; then
    install() { "$helm" upgrade --install chfleet deploy/helm/chfleet -n ops --create-namespace --take-ownership --kubeconfig "$KUBECONFIG" "$@"; }
    check "helm installs the operator's chart over CRDs of others" install
    check "helm upgrades it" install --set replicas=1
    check "helm installs the cluster's chart" "$helm" upgrade --install shop deploy/helm/clickhouse -n other --kubeconfig "$KUBECONFIG" -f tests/deploy/cluster-values.yaml --set name=full
    check "helm removes the operator's chart" "$helm" uninstall chfleet -n ops --kubeconfig "$KUBECONFIG"
    crds_stay() { [ "$(kubectl get crd -o name | wc -l)" -eq 4 ] && kubectl -n other get chi full; }
    check "the CRDs and the installations stay" crds_stay
fi
let_go() { # as docs/operations.md says for installations whose operator is gone
    kubectl -n shop patch chi one --type=merge -p '{"metadata":{"finalizers":null}}' && kubectl -n shop delete chi one --timeout=20s
}
check "an installation without an operator can be let go" let_go
removed() { deploy/bundle.sh --watch shop,stats --no-crds | kubectl delete --wait=false --ignore-not-found -f -; }
check "the bundle is removed" removed
finish
