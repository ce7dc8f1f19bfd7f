#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Prints everything that installs the operator, as one YAML text for "kubectl apply --server-side -f -".
#
#   deploy/bundle.sh [--namespace NS] [--image IMAGE] [--watch all|own|NS,NS...] [--no-crds] [--no-namespace] [--no-secret]
#
# --namespace NS   where the operator runs (default chfleet)
# --image IMAGE    the operator's image (default chfleet:VERSION, which is what deploy/Dockerfile is meant to be tagged)
# --watch WHICH    all namespaces (default); own: the operator's only; or a list of namespaces, which must exist
# --no-crds        without CustomResourceDefinitions: an administrator has applied them
# --no-namespace   without the Namespace: it exists
# --no-secret      without the Secret of the operator's login: it exists, with a password of your own
set -euo pipefail
cd "$(dirname "$0")"

ns=chfleet
image=
watch=all
crds=yes
namespace=yes
secret=yes
usage() {
    sed -n '3,12s/^# \{0,1\}//p' "$0"
    exit "$1"
}
while [ $# -gt 0 ]; do
    case "$1" in
    --namespace | --image | --watch)
        [ -n "${2-}" ] || {
            echo "bundle.sh: $1 needs a value" >&2
            exit 2
        }
        case "$1" in
        --namespace) ns=$2 ;;
        --image) image=$2 ;;
        --watch) watch=$2 ;;
        esac
        shift
        ;;
    --no-crds) crds=no ;;
    --no-namespace) namespace=no ;;
    --no-secret) secret=no ;;
    -h | --help) usage 0 ;;
    *)
        echo "bundle.sh: unknown option $1" >&2
        usage 2 >&2
        ;;
    esac
    shift
done

name_ok() { [[ $1 =~ ^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$ ]]; }
name_ok "$ns" || {
    echo "bundle.sh: \"$ns\" is no name of a namespace" >&2
    exit 2
}
case "$watch" in
all) spaces=() ;;
own) spaces=("$ns") ;;
*) IFS=, read -ra spaces <<<"$watch" ;;
esac
for s in "${spaces[@]}"; do
    name_ok "$s" || {
        echo "bundle.sh: \"$s\" is no name of a namespace (--watch all, own, or names with commas between)" >&2
        exit 2
    }
done
[[ $image != *[$'|&\\\n ']* ]] || {
    echo "bundle.sh: \"$image\" is no name of an image" >&2
    exit 2
}

# Comments belong to the parts: the bundle is for machines. Those inside data stay, they are indented.
plain() { sed -e '/^#/d' "$@"; }
part() {
    echo '---'
    plain "$@" | sed -e "s/\(namespace:\) chfleet\$/\1 $ns/"
}

environment() { # the Deployment with the list of namespaces in its environment
    awk -v list="$(IFS=, && echo "${spaces[*]}")" '
        { print }
        list != "" && /^          env:$/ {
            print "            - name: WATCH_NAMESPACES"
            print "              value: \"" list "\""
        }'
}

printf '# SPDX-License-Identifier: Apache-2.0\n# Made by deploy/bundle.sh; do not edit. kubectl apply --server-side -f FILE\n'
if [ "$crds" = yes ]; then
    for f in crds/*altinity.com.yaml; do
        echo '---'
        plain "$f"
    done
fi
if [ "$namespace" = yes ]; then
    part kustomize/base/namespace.yaml | sed "s/^  name: chfleet\$/  name: $ns/"
fi
part kustomize/base/serviceaccount.yaml
if [ "$watch" = all ]; then
    part kustomize/all/clusterrole.yaml
    part kustomize/all/clusterrolebinding.yaml
    part kustomize/all/users.yaml
fi
for s in "${spaces[@]}"; do
    for f in role rolebinding; do
        part "kustomize/watched/$f.yaml" | sed "s/^  name: chfleet\$/&\n  namespace: $s/;t" | awk '
            /^  namespace: / && seen++ { next }   # the first "name:" is the metadata, later ones are references
            /^---/ { seen = 0 }
            { print }'
    done
done
part kustomize/base/leader.yaml
part kustomize/base/config.yaml
if [ "$secret" = yes ]; then
    part kustomize/base/secret.yaml
fi
part kustomize/base/deployment.yaml | environment | sed "s|image: chfleet:.*|image: ${image:-$(sed -n '/^ *image: /{s///p;q}' kustomize/base/deployment.yaml)}|"
part kustomize/base/service.yaml
part kustomize/base/pdb.yaml
