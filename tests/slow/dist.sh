#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `make dist` holds every file of the repository, and a build folder outside can be made from it. `make install` installs it.
set -uo pipefail
: "${BUILD:?} ${SRC:?} ${WORK:?}"
# shellcheck source=tests/lib/tap.sh
. "$SRC/tests/lib/tap.sh"
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
