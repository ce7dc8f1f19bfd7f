#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes a cluster (or one machine) what a folder of manifests in git says: shows the plan, applies, waits. For a pipeline or
# a timer, where a GitOps controller would be too much. Nothing is ever deleted: what is not in git is only named.
#
#   deploy/sync.sh [--pull] [--dry-run] [--max-restarts N] [--timeout TIME] [-n NS] [--data DIR|--kubeconfig FILE] FOLDER
#
# --pull             "git pull --ff-only" in the folder first
# --dry-run          show the plan, do nothing
# --max-restarts N   refuse when the plan restarts more than N hosts
# --timeout TIME     how long to wait until all is done (default 30m); the work goes on after that
# -n NS, --data, --kubeconfig   handed on to chfleet; a folder holds the manifests of one namespace
#
# Exit codes are those of chfleet: 0 done, 1 failed, 2 bad usage or input, 3 refused, 4 timed out, 5 cannot be reached.
set -euo pipefail

pull=no
dry=no
most=
timeout=30m
connect=()
folder=
usage() {
    sed -n '3,14s/^# \{0,1\}//p' "$0"
    exit "$1"
}
while [ $# -gt 0 ]; do
    case "$1" in
    --pull) pull=yes ;;
    --dry-run) dry=yes ;;
    --max-restarts | --timeout | -n | --namespace | --data | --kubeconfig)
        [ -n "${2-}" ] || {
            echo "sync.sh: $1 needs a value" >&2
            exit 2
        }
        case "$1" in
        --max-restarts) most=$2 ;;
        --timeout) timeout=$2 ;;
        *) connect+=("$1" "$2") ;;
        esac
        shift
        ;;
    -h | --help) usage 0 ;;
    -*)
        echo "sync.sh: unknown option $1" >&2
        usage 2 >&2
        ;;
    *)
        [ -z "$folder" ] || usage 2 >&2
        folder=$1
        ;;
    esac
    shift
done
[ -n "$folder" ] || usage 2 >&2
[ -d "$folder" ] || {
    echo "sync.sh: $folder is not a folder" >&2
    exit 2
}
[[ -z $most || $most =~ ^[0-9]+$ ]] || {
    echo "sync.sh: --max-restarts $most is not a number" >&2
    exit 2
}
chfleet=${CHFLEET:-chfleet}
command -v "$chfleet" >/dev/null || {
    echo "sync.sh: $chfleet is not on PATH; set CHFLEET to where it is" >&2
    exit 2
}

# One at a time for each folder, also when a timer fires while the one before still waits.
exec 9<"$folder"
flock -n 9 || {
    echo "sync.sh: another run works on $folder" >&2
    exit 3
}
if [ "$pull" = yes ]; then
    git -C "$folder" pull --ff-only --quiet
fi

run() { "$chfleet" "${connect[@]}" "$@"; }

echo "== plan"
rc=0
run plan -f "$folder" || rc=$?
if [ "$rc" -ne 0 ]; then
    echo "sync.sh: nothing was applied (the plan ended with $rc)" >&2
    exit "$rc"
fi
if [ -n "$most" ]; then
    restarts=$(run plan -f "$folder" -o json | grep -oE '"action": ?"(soft-restart|restart|recreate)"' | wc -l)
    if [ "$restarts" -gt "$most" ]; then
        echo "sync.sh: nothing was applied: $restarts hosts would restart, --max-restarts allows $most" >&2
        exit 3
    fi
fi
[ "$dry" = no ] || exit 0

echo "== apply"
run apply -f "$folder" --wait --timeout "$timeout"

# What lives and is not in the folder. Names only: a manifest that somebody lost must not cost a database.
names() { # KIND NAME
    local kind
    for kind in chi chk; do
        NO_COLOR=1 run get "$kind" | awk -v kind="$kind" 'NR > 1 { print kind, $1 }'
    done
}
strays=$(names | while read -r kind name; do
    grep -rqsE "^  name: [\"']?${name}[\"']?[[:space:]]*\$" --include='*.yaml' --include='*.yml' "$folder" ||
        echo "  $kind $name"
done)
if [ -n "$strays" ]; then
    echo "== not in $folder"
    printf '%s\n' "$strays"
fi
