#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A real Kubernetes control plane out of Go modules, built once into a cache beside other people's: seven minutes on two
# cores, then at once. As a test it says whether all of it is there and runs.
#
#   tests/k8s/tools.sh                    build what is missing, in turn with whoever else does; TAP
#   tests/k8s/tools.sh --path [NAME…]     print the folder that has all NAMEs (default: those of the simulated cluster);
#                                         builds nothing; exit code 1 when one is missing
#   tests/k8s/tools.sh --build [NAME…]    build what is missing of NAMEs
#
# Looked for in KUBEBUILDER_ASSETS, then in $TESTBED/bin (default ~/.cache/k8s-testbed/bin), which is also where things are built.
set -uo pipefail
readonly k8s=${CHFLEET_K8S_VERSION:-v1.34.4} etcd=v3.6.5 kwok=v0.7.0 coredns=v1.12.4
readonly cluster=(etcd kube-apiserver kube-controller-manager kube-scheduler kwok kubectl) # kubelet, kube-proxy and coredns only with a real node
TESTBED=${TESTBED:-${XDG_CACHE_HOME:-$HOME/.cache}/k8s-testbed}

# A program counts when it runs: a build that was cut off leaves nothing that does.
runs() { # FILE
    local version=--version
    [ -x "$1" ] || return 1
    [ "$(basename "$1")" != kubectl ] || version='version --client'
    # shellcheck disable=SC2086 # two words
    timeout 60 "$1" $version >/dev/null 2>&1
}
has_all() { # FOLDER NAME…
    local folder=$1 name
    shift
    for name in "$@"; do
        [ -x "$folder/$name" ] || return 1
    done
}
folder() { # NAME…: where all of them are
    local d
    for d in "${KUBEBUILDER_ASSETS-}" "$TESTBED/bin"; do
        if [ -n "$d" ] && has_all "$d" "$@"; then
            echo "$d"
            return
        fi
    done
    return 1
}
why_not() { # nothing to be said when Go can build here
    local version
    command -v go >/dev/null 2>&1 || {
        echo 'Go is not installed, so no Kubernetes can be built; KUBEBUILDER_ASSETS says where one is'
        return
    }
    version=$(go env GOVERSION 2>/dev/null)
    [[ $version =~ ^go1\.([0-9]+) ]] && [ "${BASH_REMATCH[1]}" -ge 21 ] ||
        echo "Go is ${version:-unknown}: too old to build Kubernetes $k8s (1.21 is enough, it fetches a newer one by itself)"
}

# The one of Kubernetes' own modules that pulls in all the others names its libraries as ./staging/…; each has a published v0.N.M.
k8s_module() { # FOLDER
    local mod
    mkdir -p "$1"
    cd "$1" || return 1
    printf 'module k8sbins\ngo 1.24.0\nrequire k8s.io/kubernetes %s\n' "$k8s" >go.mod.new
    cp go.mod.new go.mod
    GOFLAGS=-mod=mod go mod download -json "k8s.io/kubernetes@$k8s" >download.json || return 1
    mod=$(sed -n 's/.*"GoMod": "\(.*\)",*/\1/p' download.json)
    grep -oE 'k8s.io/[a-z0-9-]+ => ./staging' "$mod" | cut -d' ' -f1 | sort -u | sed "s/.*/replace & => & v0.${k8s#v1.}/" >>go.mod
    {
        printf '//go:build tools\npackage tools\nimport (\n'
        printf '_ "k8s.io/kubernetes/cmd/%s"\n' kube-apiserver kube-controller-manager kube-scheduler kubelet kubectl
        echo ')'
    } >tools.go
    go mod tidy && cp go.mod go.mod.good
}
build_k8s() { # NAME FILE
    local src=$TESTBED/src/k8s-$k8s-chfleet-2 at=k8s.io/component-base/version minor=${k8s#v1.}
    [ -f "$src/go.mod.good" ] || (k8s_module "$src") || return 1
    cd "$src" || return 1
    CGO_ENABLED=0 go build -mod=mod -trimpath -o "$2" \
        -ldflags "-s -w -X $at.gitVersion=$k8s -X $at.gitMajor=1 -X $at.gitMinor=${minor%%.*}" "k8s.io/kubernetes/cmd/$1"
}
# Debian's etcd 3.4 lacks the watch progress that KWOK waits for, so it is built, too.
build_etcd() { # NAME FILE
    mkdir -p "$TESTBED/src/etcd-$etcd-chfleet"
    cd "$TESTBED/src/etcd-$etcd-chfleet" || return 1
    printf 'package main\n\nimport (\n"os"\n"go.etcd.io/etcd/server/v3/etcdmain"\n)\n\nfunc main() { etcdmain.Main(os.Args) }\n' >main.go
    [ -f go.mod ] || go mod init etcdbin || return 1
    go get "go.etcd.io/etcd/server/v3@$etcd" && go mod tidy && CGO_ENABLED=0 go build -ldflags '-s -w' -o "$2" .
}
build_kwok() { # NAME FILE
    local to
    to=$(dirname "$2")/kwok.dir.$$
    GOBIN=$to CGO_ENABLED=0 go install -ldflags '-s -w' "sigs.k8s.io/kwok/cmd/kwok@$kwok" && mv "$to/kwok" "$2"
    rm -rf "$to"
}
# Names of Services and nothing else: most of its plug-ins are for other people's clouds.
build_coredns() { # NAME FILE
    mkdir -p "$TESTBED/src/coredns-$coredns-chfleet"
    cd "$TESTBED/src/coredns-$coredns-chfleet" || return 1
    cat >main.go <<'GO'
package main

import (
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/ready"
)

func main() {
	dnsserver.Directives = []string{"errors", "ready", "kubernetes"}
	coremain.Run()
}
GO
    [ -f go.mod ] || go mod init corednsbin || return 1
    go get "github.com/coredns/coredns@$coredns" && go mod tidy && CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o "$2" .
}
build_one() { # NAME
    local new=$TESTBED/bin/.$1.new how=build_k8s
    case $1 in
    etcd | kwok | coredns) how=build_$1 ;;
    kubectl)
        if command -v kubectl >/dev/null 2>&1; then
            ln -sfn "$(command -v kubectl)" "$TESTBED/bin/kubectl"
            return
        fi
        ;;
    esac
    rm -f "$new"
    # Another project's flags are not for these modules.
    (unset GOFLAGS && "$how" "$1" "$new") >"$TESTBED/build-$1.log" 2>&1 && runs "$new" && mv -f "$new" "$TESTBED/bin/$1"
}
build_all() { # NAME…: those that do not run are built (again); one builder at a time
    local name
    mkdir -p "$TESTBED/bin" || return 1
    exec 9>"$TESTBED/lock"
    flock 9 || return 1
    for name in "$@"; do
        runs "$TESTBED/bin/$name" && continue
        build_one "$name" 9>&- || {
            echo "$name could not be built: $(tail -n 1 "$TESTBED/build-$name.log" | cut -c1-200); all of it is in $TESTBED/build-$name.log" >&2
            return 1
        }
    done
    exec 9>&-
}

case ${1-} in
--path)
    shift
    [ $# -gt 0 ] || set -- "${cluster[@]}"
    folder "$@"
    exit
    ;;
--build)
    shift
    [ $# -gt 0 ] || set -- "${cluster[@]}"
    folder "$@" >/dev/null && exit 0
    why=$(why_not)
    [ -z "$why" ] || {
        echo "$why" >&2
        exit 77
    }
    build_all "$@"
    exit
    ;;
'') ;;
*)
    sed -n '3,12s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
if ! at=$(folder "${cluster[@]}"); then
    why=$(why_not)
    if [ -n "$why" ]; then
        echo "ok 1 - a Kubernetes control plane is built # SKIP $why"
        echo 1..1
        exit 77
    fi
    if build_all "${cluster[@]}" 2>&1 | sed 's/^/# /' && at=$(folder "${cluster[@]}"); then
        echo 'ok 1 - a Kubernetes control plane is built'
    else
        printf 'not ok 1 - a Kubernetes control plane is built\n1..1\n'
        exit 1
    fi
else
    echo 'ok 1 - a Kubernetes control plane is built'
fi
case_no=1 failed=0
for name in "${cluster[@]}"; do
    case_no=$((case_no + 1))
    if runs "$at/$name"; then
        echo "ok $case_no - $name runs"
    else
        failed=1
        echo "not ok $case_no - $name runs"
    fi
done
echo "1..$case_no"
exit $failed
