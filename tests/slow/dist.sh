#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `make dist` holds every file of the repository, and a build folder outside can be made from it. `make install` installs it.
set -uo pipefail
: "${BUILD:?} ${SRC:?} ${WORK:?}"
CASE=0 FAILED=0
check() {
    local name=$1 out
    shift
    CASE=$((CASE + 1))
    if out=$("$@" 2>&1); then
        echo "ok $CASE - $name"
    else
        FAILED=$((FAILED + 1))
        echo "not ok $CASE - $name"
        printf '%s\n' "$out" | tail -n 40 | sed 's/^/#   /'
    fi
}
whole() {
    local missing
    missing=$(git -C "$SRC" ls-files | grep -v '^\.gitignore$' | while read -r f; do [ -e "$WORK/dist/$f" ] || echo "missing: $f"; done)
    printf '%s\n' "$missing"
    [ -z "$missing" ]
}
configures() { (mkdir "$WORK/b" && cd "$WORK/b" && ../dist/configure -q && make -n all >/dev/null); }
installed() {
    local p
    for p in chfleet chfleetd chfleet-plane chfleet-shim kubectl-chfleet; do
        [ -x "$WORK/root/usr/bin/$p" ] || [ -x "$WORK/root/usr/libexec/chfleet/$p" ] || {
            echo "$p is not installed:"
            find "$WORK/root" -type f
            return 1
        }
    done
}

check "make distdir" make -C "$BUILD" distdir="$WORK/dist" distdir
if git -C "$SRC" rev-parse --is-inside-work-tree >/dev/null 2>&1; then
    check "every file of the repository is in it" whole
fi
check "it configures outside its own folder" configures
check "make install" make -C "$BUILD" install DESTDIR="$WORK/root" prefix=/usr
check "every program is there" installed
check "the installed one runs" "$WORK/root/usr/bin/chfleet" version
[ "$FAILED" -eq 0 ]
