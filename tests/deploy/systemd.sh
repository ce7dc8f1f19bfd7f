#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The systemd units: systemd's own check, and that what they start takes the options they give.
# shellcheck source=tests/deploy/_lib.sh
. "$(dirname "$0")/_lib.sh"

units=(chfleet.service chfleet@.service chfleet-databases.service chfleet-exporter.service chfleet-plane.service chfleetd.service chfleetd@.service)
all_listed() { [ "$(cd deploy/systemd && printf '%s\n' *.service | sort)" = "$(printf '%s\n' "${units[@]}" | sort)" ]; }
check "each unit is looked at here" all_listed
survive() { # units below which databases run
    local u
    for u in chfleet.service chfleet@.service chfleet-plane.service; do
        grep -qx 'KillMode=process' "deploy/systemd/$u" && grep -qx 'SendSIGKILL=no' "deploy/systemd/$u" &&
            grep -qx 'OOMPolicy=continue' "deploy/systemd/$u" || {
            echo "$u"
            return 1
        }
    done
}
check "stopping a unit leaves its databases running" survive

if command -v systemd-analyze >/dev/null 2>&1; then
    # A root of its own, so that nothing has to be installed and nothing of this machine is touched.
    root=$WORK/root
    mkdir -p "$root/etc/systemd/system" "$root/usr/bin" "$root/bin" "$root/usr/lib/systemd"
    cp deploy/systemd/*.service "$root/etc/systemd/system/"
    for f in /lib/systemd/system /usr/lib/systemd/system; do
        [ ! -d "$f" ] || cp -a "$f" "$root/usr/lib/systemd/" 2>/dev/null
    done
    for f in usr/bin/chfleet usr/bin/chfleetd usr/bin/chfleet-plane usr/bin/chfleet-exporter bin/true bin/kill; do
        printf '#!/bin/sh\n' >"$root/$f"
        chmod 755 "$root/$f"
    done
    verify() { # UNIT
        local out
        out=$(systemd-analyze verify --man=no --root="$root" "$1" 2>&1)
        local rc=$?
        printf '%s\n' "$out"
        [ "$rc" -eq 0 ] && ! grep -F "${1%@*}" <<<"$out"
    }
    for u in "${units[@]}"; do
        check "systemd takes $u" verify "${u/@./@test.}"
    done
    sed 's/^KillMode=.*/KillMod=process/' deploy/systemd/chfleet.service >"$root/etc/systemd/system/wrong.service"
    check "a wrong one would be found" fails verify wrong.service
else
    skip "systemd takes the units" "systemd-analyze is not installed"
fi

if [ -x "$BUILD/chfleetd" ]; then
    options_exist() { # each --option after a program in ExecStart and ExecStop is in that program's help
        local line program command option help bad=0
        while IFS= read -r line; do
            read -r program command _ <<<"$line"
            program=$(basename "$program")
            [ -x "$BUILD/$program" ] || continue
            help=$("$BUILD/$program" --help 2>&1)
            if [ "$program" = chfleet ]; then
                help=$("$BUILD/chfleet" "$command" --help 2>&1)
            fi
            for option in $(grep -oE -- '--[a-z-]+' <<<"$line"); do
                grep -qe "$option" <<<"$help" || {
                    echo "$program does not know $option"
                    bad=1
                }
            done
        done < <(sed -nE 's/^Exec(Start|Stop)=//p' deploy/systemd/*.service | sort -u)
        return "$bad"
    }
    check "the programs know the options that the units give" options_exist
    args_exist() {
        local option bad=0
        for option in $(grep -ohE -- '- --[a-z-]+' deploy/kustomize/base/deployment.yaml deploy/helm/chfleet/templates/deployment.yaml | cut -c3- | sort -u); do
            grep -qe "$option" <<<"$("$BUILD/chfleetd" --help && "$BUILD/chfleet-exporter" --help)" || {
                echo "neither chfleetd nor chfleet-exporter knows $option"
                bad=1
            }
        done
        return "$bad"
    }
    check "operator and exporter know the options that bundle and chart give" args_exist
else
    skip "the programs know the options" "they are not built in $BUILD"
fi
finish
