#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Rules for the text of all files: licence line, no unfinished work, no paths of one machine, clean white space, no
# calls without a length. Prints what is wrong as file:line.
set -euo pipefail
cd "$(dirname "$0")/.."

tracked() {
    if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
        git ls-files --cached --others --exclude-standard
    else
        find . -path './build*/*' -prune -o -type f -print | sed 's|^\./||'
    fi
}
files() { # PATTERN: regular files whose path matches
    local f
    grep -E "$1" <<<"$list" | while IFS= read -r f; do
        if [ -f "$f" ] && [ ! -L "$f" ]; then
            printf '%s\n' "$f"
        fi
    done
}

bad=0
complain() {
    printf '%s\n' "$*"
    bad=$((bad + 1))
}
rule() { # NAME PATTERN FILES…: the pattern may stand nowhere
    local name=$1 pattern=$2 hit
    shift 2
    while IFS= read -r hit; do
        complain "$hit  <- $name"
    done < <(grep -nIE "$pattern" /dev/null "$@" 2>/dev/null | cut -c1-180 || true)
}

list=$(tracked)
mapfile -t code < <(files '\.[ch]$')
mapfile -t scripts < <(files '(\.(sh|py|mk|am|ac)|^quickstart|^check|^\.ci/run)$' | grep -vE '^tests/.*/(data|golden)/|^build-aux/(ar-lib|compile|depcomp|install-sh|missing)$')
mapfile -t texts < <(files '\.(md|ya?ml)$')
mapfile -t product < <(printf '%s\n' "${code[@]}" | grep -vE '^(tests|bench)/')
all=("${code[@]}" "${scripts[@]}" "${texts[@]}")

for f in "${code[@]}" "${scripts[@]}"; do
    head -n 3 "$f" | grep -q 'SPDX-License-Identifier: Apache-2.0' || complain "$f:1: no SPDX line in the first three lines"
done
for f in "${all[@]}"; do
    [ ! -s "$f" ] || [ -z "$(tail -c 1 "$f")" ] || complain "$f: no newline at the end"
done
# The words are written so that this file does not find itself.
rule 'unfinished' '\b(TO[D]O|FIX[M]E|X[X]X)\b' "${all[@]}"
rule 'path of one machine' '(^|[^A-Za-z0-9_./-])/(wor[k]|roo[t])/' "${all[@]}"
rule 'white space at the end' '[[:blank:]]+$' "${all[@]}"
rule 'merge mark' '^(<{7}|>{7}|={7}$)' "${all[@]}"
rule 'tab in C' $'\t' "${code[@]}"
rule 'call without a length' '\b(strcpy|strcat|sprintf|vsprintf|gets|tmpnam|mktemp)\(' "${code[@]}"
rule 'a shell in the program' '\b(system|popen)\(' "${product[@]}"
[ "$bad" -eq 0 ] || {
    echo "$bad places"
    exit 1
}
