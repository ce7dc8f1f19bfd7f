# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Pieces of the tests of deploy/. Each is a script of its own; what a tool is missing for is skipped with the reason, as TAP.
# Tools that take minutes to build are only built with --long or CHFLEET_LONG=1, into ~/.cache/chfleet-tools.
set -uo pipefail
SRC=${SRC:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
BUILD=${BUILD:-$SRC/build}
if [ -z "${WORK-}" ]; then
    WORK=$(mktemp -d "${TMPDIR:-/tmp}/chfleet-deploy.XXXXXX")
    trap 'rm -rf "$WORK"' EXIT
fi
TOOLS=${CHFLEET_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/chfleet-tools}
LONG=${CHFLEET_LONG:-0}
[ "${1-}" != --long ] || LONG=1
PATH=$PATH:/usr/sbin
# shellcheck source=tests/lib/tap.sh
. "$SRC/tests/lib/tap.sh"
SKIPPED=0
cd "$SRC" || exit 1

skip() { # NAME REASON
    CASE=$((CASE + 1))
    SKIPPED=$((SKIPPED + 1))
    echo "ok $CASE - $1 # SKIP $2"
}
finish() {
    echo "1..$CASE"
    if [ "$CASE" -gt 0 ] && [ "$SKIPPED" -eq "$CASE" ]; then
        exit 77
    fi
    [ "$FAILED" -eq 0 ]
    exit
}
fails() { ! "$@"; }
same() { # FILE FILE
    diff -u "$1" "$2" | head -n 40
    cmp -s "$1" "$2"
}

# The whole source as it is now, without what is built: for tools that write beside what they read.
copy_source() { # FOLDER
    mkdir -p "$1"
    if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
        git ls-files -z --cached --others --exclude-standard
    else
        find . \( -path './build' -o -path './build-asan' -o -name '*.o' \) -prune -o \( -type f -o -type l \) -print0
    fi | while IFS= read -r -d '' f; do
        [ -e "$f" ] || [ -L "$f" ] || continue
        printf '%s\0' "$f"
    done | xargs -0 cp -a --parents -t "$1"
}

# go_tool NAME PACKAGE@VERSION: the path of a program that is built from a Go module, or a reason on standard error
go_tool() {
    local name=$1 what=$2
    if [ -x "$TOOLS/bin/$name" ]; then
        echo "$TOOLS/bin/$name"
        return
    fi
    if command -v "$name" 2>/dev/null; then
        return
    fi
    if [ "$LONG" = 0 ]; then
        echo "$name is not there; --long builds it" >&2
        return 1
    fi
    command -v go >/dev/null 2>&1 || {
        echo "$name is not there, and neither is Go to build it" >&2
        return 1
    }
    mkdir -p "$TOOLS/bin"
    if GOBIN=$TOOLS/bin CGO_ENABLED=0 nice go install "$what" >"$WORK/go.log" 2>&1; then
        echo "$TOOLS/bin/$name"
        return
    fi
    echo "$what cannot be built here: $(tail -n 1 "$WORK/go.log")" >&2
    return 1
}

# Documents of a YAML stream as lines of JSON, with the product's own reader being no judge of itself: python or kubectl.
have_yaml() { python3 -c 'import yaml' 2>/dev/null; }
