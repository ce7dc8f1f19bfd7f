# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# A real Kubernetes control plane with simulated nodes, for one script. Source it first thing:
#
#   . "$(dirname "$0")/lib.sh"
#   k8s_start [NODES]            etcd, kube-apiserver, controller-manager, scheduler, KWOK, hostsim (see hostsim.h)
#   operator_start NAME …        chfleetd with the account of deploy/chfleet.yaml
#
# The script is run again in namespaces of its own (network, mounts, processes): its 127.0.0.1 is not the machine's, names of
# Services resolve, and everything it started ends with it, by the kernel's hand. Addresses there are fixed: API server
# 127.0.0.1:6443, hostsim's page 127.0.0.1:9901 (`sim hosts`, `sim 'order?pod=ns/name&what=hang'`; hostsim_http.c has the list).
# Where something is missing (Go and no built Kubernetes, no right to make namespaces), the script says so and is skipped.
set -uo pipefail
: "${BUILD:?} ${SRC:?} ${WORK:?}"
K8S_ROOM=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export NO_COLOR=1 BUILD SRC WORK
PATH=$BUILD:$PATH:/usr/sbin:/sbin
# shellcheck source=tests/lib/tap.sh
. "$SRC/tests/lib/tap.sh"

skip_all() {
    echo "1..0 # SKIP $*"
    echo "skipped: $*"
    exit 77
}

# ---- into namespaces of our own ----
if [ -z "${K8S_INSIDE-}" ]; then
    for program in unshare ip mount curl jq openssl; do
        command -v "$program" >/dev/null 2>&1 || skip_all "$program is not installed"
    done
    [ -x "$BUILD/k8s-hostsim" ] || skip_all "k8s-hostsim is not built: make check-programs"
    said=$("$K8S_ROOM/tools.sh" --build 2>&1) || skip_all "$said"
    K8S_BIN=$("$K8S_ROOM/tools.sh" --path) || skip_all "no Kubernetes was built"
    K8S_OUTER_USER=$(readlink /proc/self/ns/user)
    export K8S_INSIDE=1 K8S_BIN K8S_OUTER_USER
    mapfile -t K8S_NS < <(if [ "$(id -u)" -eq 0 ] && unshare -n -m true 2>/dev/null; then echo --; else printf '%s\n' -U -r --; fi)
    unshare "${K8S_NS[@]:0:$((${#K8S_NS[@]} - 1))}" -n -m -p -f --mount-proc ip link set lo up 2>/dev/null ||
        skip_all "this machine lets nobody make network and mount namespaces"
    mkdir -p "$WORK/k8s"
    # shellcheck disable=SC2016 # for the inner shell
    exec unshare "${K8S_NS[@]:0:$((${#K8S_NS[@]} - 1))}" -n -m -p -f --kill-child \
        sh -c 'read -r pid _ </proc/self/stat; echo "$pid" >"$WORK/k8s/outer.pid"; mount -t proc proc /proc; exec "$@"' sh "$0" "$@"
fi
PATH=$K8S_BIN:$PATH
K=$WORK/k8s
mkdir -p "$K"
ip link set lo up
ip addr add 10.72.0.1/16 dev lo # on lo all of the net is ours
ip addr add 10.76.0.1/16 dev lo
printf 'nameserver 127.0.0.1\noptions timeout:2 attempts:2\n' >"$K/resolv.conf"
mount --bind "$K/resolv.conf" /etc/resolv.conf
unset http_proxy https_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY
export HOME=$WORK/home
mkdir -p "$HOME"

finish() {
    echo "1..$CASE"
    if [ "$FAILED" -gt 0 ] && [ -n "${K8S_KEEP-}" ]; then
        mkdir -p "$K8S_KEEP"
        cp "$K"/*.log "$K"/audit.log "$WORK"/*.log "$K8S_KEEP"/ 2>/dev/null
    fi
    [ "$FAILED" -eq 0 ]
    exit
}
fails() { ! "$@"; }
# ---- the control plane ----
bg() { # NAME COMMAND…: in the background, its words in $K/NAME.log, its pid in PID_NAME
    local name=$1
    shift
    "$@" >>"$K/$name.log" 2>&1 </dev/null &
    eval "PID_${name//-/_}=$!"
}
kubeconfig() { # FILE TOKEN [SERVER]
    cat >"$1" <<YAML
apiVersion: v1
kind: Config
current-context: c
clusters: [{name: c, cluster: {server: "${3:-https://127.0.0.1:6443}", certificate-authority: "$K/certs/apiserver.crt"}}]
contexts: [{name: c, context: {cluster: c, user: u}}]
users: [{name: u, user: {token: "$2"}}]
YAML
    chmod 600 "$1"
}
apiserver_start() {
    bg apiserver kube-apiserver --etcd-servers=http://127.0.0.1:2379 --cert-dir="$K/certs" --secure-port=6443 --bind-address=127.0.0.1 \
        --advertise-address=10.72.0.1 --service-account-key-file="$K/sa.pub" --service-account-signing-key-file="$K/sa.key" \
        --service-account-issuer=https://kubernetes.default.svc --authorization-mode=RBAC --token-auth-file="$K/tokens.csv" \
        --service-cluster-ip-range=10.96.0.0/16 --audit-policy-file="$K/audit.yaml" --audit-log-path="$K/audit.log" \
        --enable-admission-plugins=OwnerReferencesPermissionEnforcement --disable-admission-plugins=TaintNodesByCondition \
        --endpoint-reconciler-type=none ${K8S_APISERVER_FLAGS-}
}
nodes_make() { # NUMBER
    local i
    for ((i = 0; i < $1; i++)); do
        cat <<YAML
---
apiVersion: v1
kind: Node
metadata: {name: kwok-$i, annotations: {kwok.x-k8s.io/node: fake}, labels: {kubernetes.io/hostname: kwok-$i, kubernetes.io/os: linux, topology.kubernetes.io/zone: z$((i % 3)), type: kwok}}
status: {allocatable: {cpu: "2000", memory: 4000Gi, ephemeral-storage: 4000Gi, pods: "2000"}, capacity: {cpu: "2000", memory: 4000Gi, ephemeral-storage: 4000Gi, pods: "2000"}}
YAML
    done | kubectl apply -f - >/dev/null
}
k8s_start() { # [NODES]
    local token
    openssl genrsa -out "$K/sa.key" 2048 2>/dev/null
    openssl rsa -in "$K/sa.key" -pubout -out "$K/sa.pub" 2>/dev/null
    token=$(openssl rand -hex 16)
    # Users of tests come with others: --token-auth-file is read once.
    printf '%s\n' "$token,admin,admin,system:masters" "$token-sim,simulator,simulator,system:masters" >"$K/tokens.csv"
    cat >"$K/audit.yaml" <<'YAML'
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - {level: Metadata, users: ["system:serviceaccount:chfleet:chfleet"]}
  - {level: None}
YAML
    bg etcd etcd --data-dir "$K/etcd" --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
        --listen-peer-urls http://127.0.0.1:2380 --initial-advertise-peer-urls http://127.0.0.1:2380 \
        --initial-cluster default=http://127.0.0.1:2380 --unsafe-no-fsync --log-level warn
    apiserver_start
    kubeconfig "$K/admin" "$token"
    kubeconfig "$K/simulator" "$token-sim"
    export KUBECONFIG=$K/admin
    wait_until 120 kubectl get --raw /readyz || {
        tail -n 20 "$K/apiserver.log" "$K/etcd.log" | sed 's/^/# /'
        echo "not ok - the API server starts"
        exit 1
    }
    bg controllers kube-controller-manager --kubeconfig="$K/admin" --service-account-private-key-file="$K/sa.key" --leader-elect=false \
        --root-ca-file="$K/certs/apiserver.crt" --controllers='*,-node-lifecycle-controller' --kube-api-qps=2000 --kube-api-burst=4000 \
        --concurrent-statefulset-syncs=20 --bind-address=127.0.0.1 --cert-dir="$K/certs-kcm"
    bg scheduler kube-scheduler --kubeconfig="$K/admin" --leader-elect=false --kube-api-qps=2000 --kube-api-burst=4000 \
        --bind-address=127.0.0.1 --cert-dir="$K/certs-sched"
    bg kwok kwok --kubeconfig="$K/admin" --config="$K8S_ROOM/kwok.yaml" --cidr=10.76.0.0/16 --node-ip=10.0.0.1 \
        --manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake
    bg hostsim k8s-hostsim --kubeconfig "$K/simulator" --control 9901 --dns 53
    nodes_make "${1:-4}"
    kubectl apply -f - >/dev/null <<'YAML'
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: standard, annotations: {storageclass.kubernetes.io/is-default-class: "true"}}
provisioner: simulated.chfleet.io/volumes
allowVolumeExpansion: true
YAML
    "$SRC/deploy/bundle.sh" "${K8S_BUNDLE[@]}" | kubectl apply --server-side -f - >/dev/null
    kubectl wait --for=condition=Established --timeout=60s crd --all >/dev/null
    wait_until 60 kubectl -n default get serviceaccount default
}
K8S_BUNDLE=() # options of deploy/bundle.sh

# ---- the operator ----
# again COMMAND…: as a kubelet does with a container that ended. OPERATOR_KEPT=1 has operators started so: one that has lost
# its lease ends, and begins anew.
again() {
    while true; do
        "$@"
        echo "ended with $?, is started again"
        sleep 1
    done
}
# operator_start NAME [OPTION…]: with the bundle's account and configuration, as the Deployment starts it; pid in PID_NAME
operator_start() {
    local name=$1
    shift
    mkdir -p "$WORK/$name"
    [ -f "$K/account" ] || kubeconfig "$K/account" "$(kubectl -n chfleet create token chfleet --duration=24h)" "${OPERATOR_SERVER-}"
    kubectl -n chfleet get configmap chfleet-config -o 'jsonpath={.data.config\.yaml}' >"$K/config.yaml" 2>/dev/null ||
        kubectl -n chfleet get configmap -o 'jsonpath={.items[?(@.data.config\.yaml)].data.config\.yaml}' >"$K/config.yaml"
    bg "$name" ${OPERATOR_KEPT:+again} env OPERATOR_POD_NAME="$name" OPERATOR_POD_NAMESPACE=chfleet OPERATOR_POD_IP="${OPERATOR_IP:-10.72.0.1}" KUBECONFIG=/dev/null \
        ${OPERATOR_ENV-} chfleetd --kubeconfig "${OPERATOR_KUBECONFIG:-$K/account}" --data "$WORK/$name" --config "$K/config.yaml" "$@"
}
operator_stop() { # NAME [SIGNAL]
    local pid=PID_${1//-/_}
    kill "-${2:-TERM}" "${!pid}" 2>/dev/null
    wait "${!pid}" 2>/dev/null
}
ask() { # NAME PATH: of its status server
    curl -fsS --max-time 5 "http://$(cat "$WORK/$1/status.address")$2"
}
leads() { ask "$1" /status | jq -e '.leader == true' >/dev/null; }

# ---- resources ----
# The resource's own words: Completed for the generation that is in the spec now
settled() { # KIND NAME [NAMESPACE]
    kubectl -n "${3:-default}" get "$1" "$2" -o json | jq -e '
        .metadata.generation as $g | .status.status == "Completed" and
        ([.status.conditions[]? | select(.type == "Ready" and .status == "True" and .observedGeneration == $g)] | length == 1)' >/dev/null
}
# chi NAME SHARDS REPLICAS TAG [EXTRA-SPEC] [EXTRA-CONFIGURATION]: a ClickHouseInstallation as YAML
chi() {
    cat <<YAML
apiVersion: clickhouse.altinity.com/v1
kind: ClickHouseInstallation
metadata: {name: $1}
spec:
${5-}
  configuration:
    zookeeper: {keeper: {name: keeper}}
${6-}
    clusters:
      - {name: main, layout: {shardsCount: $2, replicasCount: $3}}
  defaults:
    templates: {podTemplate: clickhouse, dataVolumeClaimTemplate: data}
  templates:
    podTemplates:
      - name: clickhouse
        spec: {containers: [{name: clickhouse, image: "clickhouse/clickhouse-server:$4"}]}
    volumeClaimTemplates:
      - name: data
        spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
YAML
}
chk() { # NAME REPLICAS TAG
    cat <<YAML
apiVersion: clickhouse-keeper.altinity.com/v1
kind: ClickHouseKeeperInstallation
metadata: {name: $1}
spec:
  configuration:
    clusters:
      - {name: keeper, layout: {replicasCount: $2}}
  defaults: {templates: {podTemplate: keeper, dataVolumeClaimTemplate: data}}
  templates:
    podTemplates:
      - name: keeper
        spec: {containers: [{name: clickhouse-keeper, image: "clickhouse/clickhouse-keeper:$3"}]}
    volumeClaimTemplates:
      - name: data
        spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
YAML
}
# Tables as a user makes them: app.ev on each host of installation $1 in namespace $2
tables() {
    local pod
    for pod in $(kubectl -n "${2:-default}" get pod -l "clickhouse.altinity.com/chi=$1" -o 'jsonpath={.items[*].metadata.name}'); do
        sim "sql?pod=${2:-default}/$pod" 'CREATE DATABASE IF NOT EXISTS app' >/dev/null &&
            sim "sql?pod=${2:-default}/$pod" "CREATE TABLE IF NOT EXISTS app.ev (d Date, id UInt64) ENGINE = ReplicatedMergeTree('/clickhouse/{installation}/tables/{shard}/app/ev', '{replica}') PARTITION BY toYYYYMM(d) ORDER BY id" >/dev/null ||
            return 1
    done
}

# ---- looking from outside ----
sim() { # PAGE [BODY]: what hostsim says
    curl -sS --fail-with-body --max-time 30 "http://127.0.0.1:9901/$1" ${2+--data-binary "$2"}
}
starts_of() { # POD [NAMESPACE]: processes ever begun under its name
    sim seen | jq -r --arg p "${2:-default}/$1" '.starts_of[$p] // 0'
}
starts_all() { sim seen | jq -c .starts_of; }
unharmed() { # no shard without a serving replica, nobody stopped while clients or peers used it
    sim seen | jq '{breaches, stopped_served, stopped_listed, unknown, notes}'
    sim seen | jq -e '.breaches == 0 and .stopped_served == 0 and .stopped_listed == 0 and .unknown == 0' >/dev/null
}
# The audit log's lines of the operator since line $1, as JSON: "verb resource subresource code name"
audit_mark() { wc -l <"$K/audit.log"; }
audit_since() { # MARK
    tail -n "+$(($1 + 1))" "$K/audit.log" | jq -r 'select(.stage == "ResponseComplete" or .stage == "ResponseStarted") |
        [.verb, .objectRef.resource // "-", .objectRef.subresource // "-", .responseStatus.code, .objectRef.name // "-"] | join(" ")'
}
audit_requests() { # MARK: all but leases and long watches
    audit_since "$1" | grep -cvE '^(watch |[a-z]+ leases )' || true
}
audit_writes() { # MARK
    audit_since "$1" | grep -E '^(create|update|patch|delete|deletecollection) ' | grep -cvE '^[a-z]+ leases ' || true
}
