#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Manual pages and shell completion: made from the programs' tables, read by mandoc, man, bash and zsh, installed.
# shellcheck source=tests/deploy/_lib.sh
. "$(dirname "$0")/_lib.sh"

if [ ! -e "$BUILD/man/chfleet.1" ]; then
    skip "manual pages" "they are not built in $BUILD"
    finish
fi
pages=(chfleet.1 chfleetd.8 chfleet-exporter.8 chfleet-plane.8)
if command -v mandoc >/dev/null 2>&1; then
    for page in "${pages[@]}"; do
        check "mandoc finds nothing to warn of in $page" mandoc -Tlint -Wwarning "$BUILD/man/$page"
    done
else
    skip "mandoc finds nothing to warn of" "mandoc is not installed"
fi
if command -v groff >/dev/null 2>&1; then
    quiet() {
        local out
        out=$(groff -man -ww -Tutf8 -Kutf8 -z "$BUILD/man/$1" 2>&1)
        printf '%s\n' "$out"
        [ -z "$out" ]
    }
    for page in "${pages[@]}"; do
        check "groff finds nothing to warn of in $page" quiet "$page"
    done
else
    skip "groff finds nothing to warn of" "groff is not installed"
fi
plain() { sed -e 's/\\-/-/g' -e 's/\\f[BIR]//g' "$BUILD/man/$1"; }
options_there() { # PROGRAM PAGE: each option of --help stands in the page
    local o bad=0
    plain "$2" >"$WORK/page"
    for o in $("$BUILD/$1" --help | grep -oE '^ +(-., )?--[a-z-]+' | grep -oE -- '--[a-z-]+' | sort -u); do
        grep -qF -e "$o" "$WORK/page" || {
            echo "$2 has no $o"
            bad=1
        }
    done
    return "$bad"
}
for p in chfleetd chfleet-exporter chfleet-plane; do
    check "each option of $p is in its page" options_there "$p" "$p.8"
done
mapfile -t commands < <("$BUILD/chfleet" --help | sed -nE 's/^  ([a-z]+) +[A-Z].*/\1/p' | grep -v chfleet)
all_commands() {
    local c bad=0
    plain chfleet.1 >"$WORK/page"
    [ "${#commands[@]}" -gt 15 ] || return 1
    for c in "${commands[@]}"; do
        grep -qE "^\.SS \"$c\\b" "$WORK/page" && grep -q "^    $c)\$" "$BUILD/man/chfleet" && grep -q "^    $c)\$" "$BUILD/man/_chfleet" || {
            echo "$c"
            bad=1
        }
    done
    return "$bad"
}
check "each command of chfleet is in its page and in both completions" all_commands

same_as_printed() { "$BUILD/chfleet" completion "$1" | cmp - "$BUILD/man/$2"; }
check "chfleet completion bash prints what is installed" same_as_printed bash chfleet
check "so does chfleet completion zsh" same_as_printed zsh _chfleet
completes() { # WANTED WORDS…: what bash offers for the last word
    local want=$1
    shift
    bash -c '
        source "$1"; shift
        want=$1; shift
        COMP_WORDS=(chfleet "$@"); COMP_CWORD=$#
        compopt() { :; }
        _chfleet
        printf "%s\n" "${COMPREPLY[@]}"
        printf "%s\n" "${COMPREPLY[@]}" | grep -qxe "$want"' _ "$BUILD/man/chfleet" "$want" "$@"
}
check "bash completes a command" completes status sta
check "… an option" completes --timeout apply --ti
check "… a value of one" completes yaml get chi -o y
check "… a value after an option with a dash" completes json status --output ''
check "… a kind" completes services get serv
if command -v zsh >/dev/null 2>&1; then
    check "zsh reads its script" zsh -n "$BUILD/man/_chfleet"
else
    skip "zsh reads its script" "zsh is not installed"
fi
installed() {
    make -s -C "$BUILD" install DESTDIR="$WORK/root" >/dev/null || return 1
    local f
    for f in man/man1/chfleet.1 man/man1/kubectl-chfleet.1 man/man8/chfleetd.8 man/man8/chfleet-exporter.8 man/man8/chfleet-plane.8 \
        bash-completion/completions/chfleet zsh/vendor-completions/_chfleet; do
        compgen -G "$WORK/root/usr/*/share/$f" >/dev/null || compgen -G "$WORK/root/usr/share/$f" >/dev/null || {
            echo "no $f"
            return 1
        }
    done
}
check "make install puts them where they are looked for" installed
finish
