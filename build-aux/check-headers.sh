#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Each header compiles alone, and each is guarded by its own name. After configure: check-headers.sh BUILD
set -euo pipefail
cd "$(dirname "$0")/.."
build=${1:?usage: check-headers.sh BUILD}
export CC=${CC:-gcc} FLAGS
FLAGS="-I$build $(make -s -C "$build" print-headerflags)"
rooms=(base schema model render journal kube sql keeper workers supervisor plane exporter cli)

one() {
    # shellcheck disable=SC2086 # flags are words
    printf '#include "%s"\n' "$1" | $CC -std=gnu11 -Wall -Wextra -Werror -fsyntax-only $FLAGS -I. -x c - || {
        echo "$1 does not compile alone"
        return 1
    }
}
export -f one

bad=0
mapfile -t headers < <(find "${rooms[@]}" -name '*.h' 2>/dev/null | sort)
printf '%s\n' "${headers[@]}" | xargs -P "$(nproc)" -I{} bash -c 'one {}' || bad=1
for h in "${headers[@]}"; do
    guard=$(printf '%s' "$h" | tr 'a-z/.-' 'A-Z___')
    grep -q "^#ifndef $guard\$" "$h" || {
        echo "$h: the include guard $guard is missing"
        bad=1
    }
done
exit "$bad"
