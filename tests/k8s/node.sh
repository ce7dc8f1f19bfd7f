# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# A Kubernetes of one real node: etcd, kube-apiserver, controller-manager, scheduler, kubelet, containerd, kube-proxy and CoreDNS in
# namespaces of their own (processes, network, mounts, control groups), so that all of it goes when their first
# process goes, and nothing of the machine is touched. No address outside is reachable from in there.
# The kubelet, the runtime and their control groups need root. CoreDNS answers names of Services, kube-proxy makes their addresses
# work, volumes are folders of the test.
#
# A script that sources this runs twice: outside it looks whether all is there and waits; inside ($NODE_INSIDE is set) it
# is the first process of the namespaces. $WORK holds everything; an empty /tmp/hostpath_pv is made and taken away.
set -uo pipefail
: "${BUILD:?} ${SRC:?} ${WORK:?}"
export NO_COLOR=1
N=$WORK/node
NODE_IP=10.89.0.1
SOCK=/run/containerd/containerd.sock
readonly NODE_TOOLS=(etcd kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy coredns)

skip_all() {
    echo "1..0 # SKIP $*"
    exit 77
}

# ---- outside ----
node_needs() {
    local p
    [ "$(id -u)" -eq 0 ] || skip_all "a node needs root"
    for p in containerd ctr runc nft ip kubectl clickhouse-server clickhouse-client java busybox jq curl perl unshare; do
        command -v "$p" >/dev/null || skip_all "$p is not installed (build-aux/packages.sh --tests installs what Debian has)"
    done
    [ -x /usr/lib/cni/ptp ] || skip_all "containernetworking-plugins is not installed"
    [ -n "$(find /usr/lib -name libclickhouse.so.18.16.1 2>/dev/null)" ] || skip_all "the installed clickhouse-server is not the one the images are made of"
    unshare -n -m -p -f -C true 2>/dev/null || skip_all "this machine gives no namespaces"
    unshare -n nft list tables >/dev/null 2>&1 || skip_all "the kernel has no nftables"
    node_tools
}
node_tools() {
    local p
    p=$("$SRC/tests/k8s/tools.sh" --build "${NODE_TOOLS[@]}" 2>&1) || skip_all "$p"
    K8S_BIN=$("$SRC/tests/k8s/tools.sh" --path "${NODE_TOOLS[@]}") || skip_all "no Kubernetes was built"
    export K8S_BIN
}

# The folder of each control group hierarchy, and what mount(8) wants to know to show it again: "FOLDER TYPE OPTIONS"
cgroup_mounts() {
    local v2
    v2=$(awk '$3 == "cgroup2" {print $2; exit}' /proc/mounts)
    if [ -n "$v2" ] && ! awk '$3 == "cgroup"' /proc/mounts | grep -q .; then
        echo "$v2 cgroup2 rw"
        return
    fi
    awk '$3 == "cgroup" {
        n = split($4, o, ","); s = ""
        for (i = 1; i <= n; i++) if (o[i] !~ /^(rw|ro|nosuid|nodev|noexec|relatime|xattr|release_agent.*|clone_children)$/) s = s (s == "" ? "" : ",") o[i]
        print $2, "cgroup", s }' /proc/mounts
}
cgroup_make() { # NAME: one group in each hierarchy, which this process enters
    local dir type
    while read -r dir type _; do
        mkdir -p "$dir/$1"
        if [ -f "$dir/$1/cpuset.cpus" ] && [ "$type" = cgroup ]; then
            cat "$dir/cpuset.cpus" >"$dir/$1/cpuset.cpus"
            cat "$dir/cpuset.mems" >"$dir/$1/cpuset.mems"
        fi
        echo "$BASHPID" >"$dir/$1/cgroup.procs" || return 1
    done < <(cgroup_mounts)
}
cgroup_drop() { # NAME
    local dir try
    while read -r dir _; do
        for try in 1 2 3 4 5 6 7 8 9 10; do
            [ -d "$dir/$1" ] || break
            find "$dir/$1" -depth -type d -exec rmdir {} + 2>/dev/null && break
            sleep 0.$try
        done
    done < <(cgroup_mounts)
}
# Groups of runs that were killed together with their outer half.
cgroup_drop_stale() {
    local dir g
    while read -r dir _; do
        for g in "$dir"/chfleet-node-*; do
            [ -d "$g" ] && [ ! -d "/proc/${g##*-}" ] && cgroup_drop "${g##*/}"
        done
    done < <(cgroup_mounts)
}
node_leave() {
    trap - EXIT INT TERM HUP
    [ -z "${NODE_INIT-}" ] || kill -9 "$NODE_INIT" 2>/dev/null
    wait
    cgroup_drop "$NODE_GROUP"
    rmdir /tmp/hostpath_pv 2>/dev/null
    exit "$1"
}
# node_enter SCRIPT [ARGUMENT…]: runs it inside, and exits with its code
node_enter() {
    local rc
    NODE_GROUP=chfleet-node-$$
    cgroup_drop_stale
    mkdir -p "$N" /tmp/hostpath_pv
    trap 'node_leave 143' INT TERM HUP
    trap 'node_leave 1' EXIT
    (cgroup_make "$NODE_GROUP" && NODE_INSIDE=1 exec unshare -C -n -m -p -f --kill-child=KILL --propagation private "$@") &
    NODE_INIT=$!
    wait "$NODE_INIT"
    rc=$?
    NODE_INIT=
    node_leave "$rc"
}

# ---- inside ----
export KUBECONFIG=$N/admin
# shellcheck source=tests/lib/tap.sh
. "$SRC/tests/lib/tap.sh"
POLL_S=0.3
must() { # as check; what follows makes no sense without it
    check "$@"
    [ "$FAILED" -eq 0 ] || finish
}
kc() { kubectl "$@"; }

bg() { # NAME COMMAND…
    local name=$1
    shift
    setsid "$@" >"$N/log/$name.log" 2>&1 </dev/null &
    echo $! >"$N/$name.pid"
}
cgroup_view() { # the own group as the whole hierarchy
    local list dir type options
    list=$(cgroup_mounts)
    mount -t sysfs sysfs /sys || return 1
    if ! grep -q ' cgroup2 ' <<<"$list"; then
        mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup || return 1
    fi
    while read -r dir type options; do
        mkdir -p "$dir"
        mount -t "$type" -o "${options/name=/none,name=}" "$type" "$dir" || return 1
        [ "$type" = cgroup2 ] || continue
        mkdir -p "$dir/first" && echo 1 >"$dir/first/cgroup.procs" || return 1
        sed 's/\([a-z]\)/+\1/; s/ \([a-z]\)/ +\1/g' "$dir/cgroup.controllers" >"$dir/cgroup.subtree_control" || return 1
    done <<<"$list"
}
node_mounts() {
    local d
    mount -t proc proc /proc && cgroup_view || return 1
    mount -t tmpfs -o mode=755 tmpfs /run && mkdir -p /run/lock /run/containerd || return 1
    mkdir -p "$N"/{log,cni,etc,volumes,kubelet,containerd,pods,containers,certs,net}
    for d in /var/lib /var/log; do # what libraries put there by fixed names stays in here
        mkdir -p "$N/over$d/up" "$N/over$d/work"
        mount -t overlay -o "lowerdir=$d,upperdir=$N/over$d/up,workdir=$N/over$d/work" overlay "$d" || return 1
    done
    mount --bind "$N/volumes" /tmp/hostpath_pv || return 1
    mount --bind "$N/kubelet" "$N/kubelet" && mount --make-rshared "$N/kubelet" || return 1
    printf 'nameserver %s\nsearch default.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n' "$NODE_IP" >"$N/etc/resolv.conf"
    printf "nameserver %s\n" "$NODE_IP" >"$N/etc/resolv.node"
    mount --bind "$N/etc/resolv.conf" "$(readlink -f /etc/resolv.conf)" || return 1
}
node_network() {
    ip link set lo up && ip link add node0 type bridge && ip addr add "$NODE_IP/32" dev node0 && ip link set node0 up &&
        ip route add 10.96.0.0/16 dev node0 && echo 1 >/proc/sys/net/ipv4/ip_forward &&
        echo 0 >/proc/sys/net/ipv4/conf/all/rp_filter
}

kubeconfig() { # FILE TOKEN
    cat >"$1" <<Y
apiVersion: v1
kind: Config
clusters: [{name: t, cluster: {server: "https://$NODE_IP:6443", certificate-authority: "$N/certs/ca.crt"}}]
users: [{name: u, user: {token: "$2"}}]
contexts: [{name: t, context: {cluster: t, user: u}}]
current-context: t
Y
    chmod 600 "$1"
}
certificates() {
    cd "$N/certs" || return 1
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=test-ca -keyout ca.key -out ca.crt 2>/dev/null &&
        openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=kube-apiserver -keyout api.key -out api.csr 2>/dev/null &&
        printf 'subjectAltName=IP:%s,IP:127.0.0.1,IP:10.96.0.1,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc\n' "$NODE_IP" >ext &&
        openssl x509 -req -in api.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile ext -out api.crt 2>/dev/null &&
        openssl genrsa -out sa.key 2048 2>/dev/null && openssl rsa -in sa.key -pubout -out sa.pub 2>/dev/null
}
control_plane() {
    local token
    certificates || return 1
    cd "$N" || return 1
    token=$(openssl rand -hex 16)
    echo "$token,admin,admin,system:masters" >tokens.csv
    kubeconfig "$N/admin" "$token"
    printf 'apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules:\n- {level: Metadata, users: ["system:serviceaccount:chfleet:chfleet"]}\n- {level: None}\n' >audit.yaml
    bg etcd "$K8S_BIN/etcd" --data-dir "$N/etcd" --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
        --listen-peer-urls http://127.0.0.1:2380 --initial-advertise-peer-urls http://127.0.0.1:2380 --initial-cluster default=http://127.0.0.1:2380 \
        --unsafe-no-fsync --log-level error
    bg apiserver "$K8S_BIN/kube-apiserver" --etcd-servers http://127.0.0.1:2379 --advertise-address "$NODE_IP" --secure-port 6443 \
        --tls-cert-file certs/api.crt --tls-private-key-file certs/api.key --cert-dir certs --token-auth-file tokens.csv \
        --service-account-key-file certs/sa.pub --service-account-signing-key-file certs/sa.key --service-account-issuer https://kubernetes.default.svc \
        --authorization-mode RBAC --service-cluster-ip-range 10.96.0.0/16 --kubelet-preferred-address-types InternalIP \
        --allow-privileged=true --audit-policy-file audit.yaml --audit-log-path "$N/audit.log"
    wait_until 120 kc get --raw /readyz >/dev/null || return 1
    bg kcm "$K8S_BIN/kube-controller-manager" --kubeconfig "$KUBECONFIG" --service-account-private-key-file certs/sa.key --root-ca-file certs/ca.crt \
        --leader-elect=false --enable-hostpath-provisioner=true --use-service-account-credentials=false
    bg scheduler "$K8S_BIN/kube-scheduler" --kubeconfig "$KUBECONFIG" --leader-elect=false
    kc apply -f - >/dev/null <<'Y'
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: standard, annotations: {storageclass.kubernetes.io/is-default-class: "true"}}
provisioner: kubernetes.io/host-path
volumeBindingMode: WaitForFirstConsumer
Y
}
container_runtime() {
    cat >"$N/containerd.toml" <<T
version = 2
root = "$N/containerd"
state = "/run/containerd"
[grpc]
  address = "$SOCK"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "docker.io/local/pause:1"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$N/cni"
T
    # Each pod behind a point-to-point link, so that all packets pass the node's rules, those between two pods, too.
    cat >"$N/cni/10-pods.conflist" <<T
{"cniVersion": "1.0.0", "name": "pods", "plugins": [{"type": "ptp", "ipMasq": false, "ipam": {"type": "host-local",
  "dataDir": "$N/net", "ranges": [[{"subnet": "10.88.0.0/16"}]], "routes": [{"dst": "0.0.0.0/0"}]}}]}
T
    bg containerd containerd -c "$N/containerd.toml"
    wait_until 60 ctr -a "$SOCK" version
}
node_services() {
    cat >"$N/kubelet.yaml" <<Y
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
authorization: {mode: AlwaysAllow}
address: $NODE_IP
failSwapOn: false
failCgroupV1: false
cgroupDriver: cgroupfs
cgroupsPerQOS: false
enforceNodeAllocatable: []
localStorageCapacityIsolation: false
containerRuntimeEndpoint: unix://$SOCK
clusterDNS: [$NODE_IP]
clusterDomain: cluster.local
resolvConf: "$N/etc/resolv.node"
podLogsDir: $N/pods
volumePluginDir: $N/plugins
evictionHard: {}
Y
    bg kubelet "$K8S_BIN/kubelet" --config="$N/kubelet.yaml" --kubeconfig="$KUBECONFIG" --hostname-override=real-0 --node-ip="$NODE_IP" \
        --root-dir="$N/kubelet" --cert-dir="$N/certs"
    cat >"$N/proxy.yaml" <<Y
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: nftables
clientConnection: {kubeconfig: "$KUBECONFIG"}
clusterCIDR: 10.88.0.0/16
hostnameOverride: real-0
conntrack: {maxPerCore: 0, min: 0}
healthzBindAddress: 127.0.0.1:10256
metricsBindAddress: 127.0.0.1:10249
Y
    bg proxy "$K8S_BIN/kube-proxy" --config "$N/proxy.yaml"
    cat >"$N/Corefile" <<C
.:53 {
    errors
    ready 127.0.0.1:8181
    kubernetes cluster.local {
        kubeconfig $KUBECONFIG t
    }
}
C
    bg coredns "$K8S_BIN/coredns" -conf "$N/Corefile"
}
node_is_ready() { kc get node real-0 -o json | jq -e '.status.conditions[] | select(.type == "Ready" and .status == "True")' >/dev/null; }

# ---- images ----
# image NAME CONFIG LAYER.tar…: an OCI archive of these layers, imported. CONFIG: the "config" part of an image, JSON
digest_of() { sha256sum "$1" | cut -d' ' -f1; }
blob() { # FILE: moved among the blobs; says its digest
    local d
    d=$(digest_of "$1")
    mv "$1" "$oci/blobs/sha256/$d"
    echo "$d"
}
descriptor() { # TYPE DIGEST
    printf '{"mediaType": "application/vnd.oci.image.%s", "digest": "sha256:%s", "size": %d}' "$1" "$2" "$(stat -c %s "$oci/blobs/sha256/$2")"
}
image() {
    local name=$1 config=$2 oci layers=() ids=() d l
    shift 2
    oci=$(mktemp -d "$N/oci.XXXXXX")
    mkdir -p "$oci/blobs/sha256"
    for l in "$@"; do
        d=$(digest_of "$l")
        ln "$l" "$oci/blobs/sha256/$d"
        ids+=("\"sha256:$d\"")
        layers+=("$(descriptor layer.v1.tar "$d")")
    done
    join() { local IFS=,; echo "$*"; }
    printf '{"architecture": "amd64", "os": "linux", "config": %s, "rootfs": {"type": "layers", "diff_ids": [%s]}}' "$config" "$(join "${ids[@]}")" >"$oci/c"
    d=$(blob "$oci/c")
    printf '{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": %s, "layers": [%s]}' \
        "$(descriptor config.v1+json "$d")" "$(join "${layers[@]}")" >"$oci/m"
    d=$(blob "$oci/m")
    printf '{"schemaVersion": 2, "manifests": [%s]}' "$(descriptor manifest.v1+json "$d" |
        jq -c --arg n "$name" '. + {annotations: {"io.containerd.image.name": $n, "org.opencontainers.image.ref.name": ($n | split(":")[-1])}}')" >"$oci/index.json"
    echo '{"imageLayoutVersion":"1.0.0"}' >"$oci/oci-layout"
    tar -C "$oci" -cf "$oci.tar" oci-layout index.json blobs && ctr -a "$SOCK" -n k8s.io images import "$oci.tar" >/dev/null
    l=$?
    rm -rf "$oci" "$oci.tar"
    return $l
}
with_libraries() { # ROOT FILE…: what these programs load, at the same places
    local root=$1 lib
    shift
    ldd "$@" 2>/dev/null | grep -oE '/[^ ):]+' | sort -u | while read -r lib; do
        [ ! -f "$lib" ] || [ -e "$root$lib" ] || { mkdir -p "$root${lib%/*}" && cp -L "$lib" "$root$lib"; }
    done
}
# A small Debian: shell, name service, user. Server images are made upon it.
image_base() {
    local r=$N/base a
    mkdir -p "$r"/{bin,usr/bin,usr/sbin,etc,tmp,proc,sys,dev,root,var/lib,var/log,usr/share,lib/x86_64-linux-gnu}
    chmod 1777 "$r/tmp"
    cp /bin/bash "$(command -v busybox)" "$r/bin/"
    for a in sh ls cat sleep ps grep id hostname env date mkdir rm tee kill wget head wc mv stty tar true; do ln -sf busybox "$r/bin/$a"; done
    with_libraries "$r" /bin/bash
    for a in libnss_dns.so.2 libnss_files.so.2 libresolv.so.2; do cp -L "/lib/x86_64-linux-gnu/$a" "$r/lib/x86_64-linux-gnu/"; done
    cp -r /usr/share/zoneinfo "$r/usr/share/" && cp -L /usr/share/zoneinfo/UTC "$r/etc/localtime" && echo UTC >"$r/etc/timezone"
    printf 'root:x:0:0:root:/root:/bin/bash\nclickhouse:x:101:101::/var/lib/clickhouse:/bin/bash\n' >"$r/etc/passwd"
    printf 'root:x:0:\nclickhouse:x:101:\n' >"$r/etc/group"
    echo 'hosts: files dns' >"$r/etc/nsswitch.conf"
    tar -C "$r" -cf "$N/base.tar" .
}
image_clickhouse() { # the same program twice; the second says that its version is 18.16.9
    local r=$N/clickhouse lib
    mkdir -p "$r"/{usr/bin,etc/clickhouse-server,var/lib/clickhouse,var/log/clickhouse-server}
    cp /usr/sbin/clickhouse-server /usr/bin/clickhouse-client "$r/usr/bin/"
    with_libraries "$r" /usr/sbin/clickhouse-server /usr/bin/clickhouse-client
    cp "$SRC"/tests/k8s/image/{config,users}.xml "$r/etc/clickhouse-server/"
    printf '#!/bin/bash\nexec /usr/bin/clickhouse-server --config-file=/etc/clickhouse-server/config.xml "$@"\n' >"$r/entrypoint.sh"
    chmod 755 "$r/entrypoint.sh"
    tar -C "$r" -cf "$N/clickhouse.tar" .
    lib=$(cd "$r" && find . -name 'libclickhouse.so.18.16' | head -n 1)
    mkdir -p "$N/clickhouse9/${lib%/*}"
    perl -0777 -pe 's/18\.16\.1(?![+\/-])/18.16.9/g; s/18\.1\xc6E\x97\x00\xc7E\x9316\.1/18.1\xc6E\x97\x00\xc7E\x9316.9/g;
        s/\x0018\.16\.1\+ds-7\.3\+b2\x00/\x0018.16.9+ds-7.3+b2\x00/g' "$r/$lib" >"$N/clickhouse9/$lib"
    tar -C "$N/clickhouse9" -cf "$N/clickhouse9.tar" .
    image docker.io/clickhouse/clickhouse-server:18.16.1 '{"Entrypoint": ["/entrypoint.sh"], "Env": ["PATH=/usr/sbin:/usr/bin:/bin"]}' \
        "$N/base.tar" "$N/clickhouse.tar" &&
        image docker.io/clickhouse/clickhouse-server:18.16.9 '{"Entrypoint": ["/entrypoint.sh"], "Env": ["PATH=/usr/sbin:/usr/bin:/bin"]}' \
            "$N/base.tar" "$N/clickhouse.tar" "$N/clickhouse9.tar"
}
image_keeper() { # ZooKeeper behind Keeper's configuration files and readiness port
    local r=$N/keeper java j
    java=$(dirname "$(dirname "$(readlink -f "$(command -v java)")")")
    mkdir -p "$r"/{usr/bin,usr/share/java,etc/clickhouse-keeper,var/lib,opt/java}
    cp -rL "$java"/{bin,lib,conf} "$r/opt/java/" 2>/dev/null
    rm -f "$r/opt/java/lib/src.zip"
    cp "$BUILD/k8s-keeper" "$r/usr/bin/"
    find "$java/lib" -name '*.so' -print0 | xargs -0 ldd 2>/dev/null | grep -oE '/[^ ):]+\.so[^ ):]*' | sort -u >/dev/null
    with_libraries "$r" "$BUILD/k8s-keeper" "$java/bin/java" "$java"/lib/*.so "$java"/lib/server/libjvm.so
    for j in /usr/share/java/zookeeper.jar $(busybox unzip -p /usr/share/java/zookeeper.jar META-INF/MANIFEST.MF | tr -d '\r' | sed -e ':a;N;$!ba;s/\n //g' | sed -n 's/^Class-Path: //p'); do
        [ ! -f "$j" ] || cp -L "$j" "$r/usr/share/java/"
    done
    tar -C "$r" -cf "$N/keeper.tar" .
    image docker.io/clickhouse/clickhouse-keeper:24.8 '{"Entrypoint": ["/usr/bin/k8s-keeper", "/etc/clickhouse-keeper", "/var/lib/clickhouse-keeper/zookeeper",
        "/opt/java/bin/java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", "/usr/share/java/zookeeper.jar",
        "org.apache.zookeeper.server.quorum.QuorumPeerMain"], "Env": ["PATH=/usr/sbin:/usr/bin:/bin"]}' "$N/base.tar" "$N/keeper.tar"
}
image_pause() {
    mkdir -p "$N/pause"
    printf '%s\n' '#include <signal.h>' '#include <sys/wait.h>' '#include <unistd.h>' 'static void end(int s) { (void)s; _exit(0); }' \
        'static void reap(int s) { (void)s; while (waitpid(-1, 0, WNOHANG) > 0); }' \
        'int main(void) { signal(SIGTERM, end); signal(SIGINT, end); signal(SIGCHLD, reap); for (;;) pause(); }' >"$N/pause.c"
    ${CC:-cc} -static -O2 -o "$N/pause/pause" "$N/pause.c" && tar -C "$N/pause" -cf "$N/pause.tar" . &&
        image docker.io/local/pause:1 '{"Entrypoint": ["/pause"]}' "$N/pause.tar"
}
# As deploy/Dockerfile makes it: the same file system, user, entry point and arguments.
image_operator() {
    mkdir -p "$N/stage/bin" && cp "$BUILD/chfleetd" "$BUILD/chfleet" "$BUILD/chfleet-exporter" "$N/stage/bin/" &&
        "$SRC/deploy/image-root.sh" "$N/stage" "$N/operator" && chown -R 65532:65532 "$N/operator/var/lib/chfleet" &&
        tar -C "$N/operator" -cf "$N/operator.tar" . &&
        image docker.io/library/chfleet:0.1.0 "$(awk '
            function value(s) { sub(/^[A-Z]+ /, "", s); return s }
            /^FROM scratch/ { last = 1 }
            last && /^ENTRYPOINT/ { entry = value($0) }
            last && /^CMD/ { cmd = value($0) }
            last && /^USER/ { user = value($0) }
            last && /^ENV/ { n = split(value($0), e, " "); env = ""; for (i = 1; i <= n; i++) env = env (i > 1 ? ", " : "") "\"" e[i] "\"" }
            END { printf "{\"Entrypoint\": %s, \"Cmd\": %s, \"User\": \"%s\", \"Env\": [%s]}", entry, cmd, user, env }' "$SRC/deploy/Dockerfile")" "$N/operator.tar"
}
images() { image_pause && image_base && image_clickhouse && image_keeper && image_operator; }

node_up() {
    node_mounts && node_network && control_plane && container_runtime && images && node_services && wait_until 90 node_is_ready
}
finish() {
    echo "1..$CASE"
    if [ "$FAILED" -gt 0 ]; then
        for p in $(kc -n chfleet get pods -o name); do
            kc -n chfleet logs "$p" --tail=80 2>/dev/null | cut -c1-300 | sed "s|^|# ${p##*-}: |"
        done
        kc get pods -A -o wide | sed 's/^/# /'
    fi
    [ "$FAILED" -eq 0 ]
    exit
}
