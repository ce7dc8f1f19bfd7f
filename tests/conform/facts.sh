# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The facts as results of a script that has check, CASE and FAILED (tests/lib/tap.sh), BUILD and WORK.
# facts NAME KUBECONFIG FILE…: each fact is a line of the result
facts() {
    local f_name=$1 f_config=$2
    shift 2
    "$BUILD/conformance" "$f_config" "$@" >"$WORK/facts" 2>&1
    check "$f_name: the facts were looked at" grep -qE '^1\.\.[1-9]' "$WORK/facts"
    while IFS= read -r f_line; do
        case "$f_line" in
        'ok '* | 'not ok '*)
            CASE=$((CASE + 1))
            [[ $f_line = ok* ]] || FAILED=$((FAILED + 1))
            echo "${f_line%%ok *}ok $CASE - $f_name: ${f_line#*- }"
            ;;
        '#'*) echo "$f_line" | cut -c1-400 ;;
        esac
    done <"$WORK/facts"
}
